"""The audiences in force now, on the values that a kept release published."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from jobs.audiences import Defined
from lake.engines.duckdb import quoted
from lake.releases import Release
from lake.store import Lake
from pipelines.audiences import version
from pipelines.audiences.compared import Difference, difference, told
from pipelines.audiences.explain import Verdict, explain
from pipelines.audiences.view import MEMBERS, View, overlap
from pipelines.erasure import veil
from pipelines.identity import find_person
from schemas.audiences import Audience
from schemas.errors import NotFoundError, UsageError
from schemas.tag_definitions import Tag

_MARKS = {True: "yes", False: "no", None: "unknown"}


@dataclass(frozen=True, slots=True)
class AsOf:
    """The audiences in force now, on a release."""

    lake: Lake
    release: Release
    defined: Defined
    view: View

    @property
    def about(self) -> dict[str, Any]:
        """Which release it is."""
        one = self.release
        return {
            "release_no": one.release_no, "business_date": one.business_date, "cut": one.cut
        }

    def audience(self, name: str) -> Audience:
        """The definition of ``name``, computable here; the errors say where it cannot be."""
        found = self.view.audience(name)
        for error in self.defined.faults([name]):
            raise error
        for tag in self.view.missing_tags(found):
            raise _unpublished(self.lake, tag, self.release.business_date, name)
        return found

    def version(self, one: Audience) -> str:
        """The fingerprint of an audience and of those that it stands on."""
        return version(one, self.defined.audiences)

    def count(self, names: Sequence[str]) -> dict[str, Any]:
        """How many are in each audience, and of everyone."""
        everyone = len(self.view.bitmaps.everyone())
        rows = []
        for one in map(self.audience, names):
            count = len(self.view.members(one.name))
            rows.append({
                "audience": one.name, "label": one.label, "version": self.version(one),
                "members": count, "share": round(count / everyone, 6) if everyone else 0.0,
            })
        return {**self.about, "persons": everyone, "audiences": rows}

    def members(self, name: str, limit: int, after: int | None) -> dict[str, Any]:
        """Members by number, and the cursor of the next page where there is one."""
        one = self.audience(name)
        members = self.view.members(name)
        page = self.view.page(members, limit, -1 if after is None else after).to_pylist()
        is_more = bool(page) and page[-1]["person_no"] < members.max()
        return {
            **self.about, "audience": name, "version": self.version(one), "count": len(members),
            "members": page, "next": page[-1]["person_no"] if is_more else None,
        }

    def write(self, name: str, out: Path) -> dict[str, Any]:
        """All members as one Parquet file of person_no and one_id; it is whole or not there."""
        one = self.audience(name)
        if out.exists() or not out.parent.is_dir():
            raise UsageError(
                "the file cannot be written", expected="a new file in a folder that there is",
                got="a file that is there" if out.exists() else f"no folder {out.parent}",
                where="--out", todo="name another",
            )
        session = self.view.session
        session.register("audience_page", self.view.page(self.view.members(name)))
        query = "SELECT * FROM audience_page ORDER BY person_no"
        written = session.write(query, MEMBERS, out.parent, None)
        if written:
            os.replace(written[0][0], out)
        else:
            pq.write_table(MEMBERS.empty_table(), out)
        return {
            **self.about, "audience": name, "version": self.version(one),
            "count": sum(rows for _, rows in written), "out": str(out),
        }

    def overlap(self, names: Sequence[str]) -> dict[str, Any]:
        """How many are in each two of the audiences."""
        found = {self.audience(name).name: self.view.members(name) for name in names}
        return {**self.about, "audiences": overlap(found)}

    def distribution(self, name: str, tag: str) -> dict[str, Any]:
        """How a tag is spread in an audience, beside everyone."""
        one = self.audience(name)
        found = self.view.distribution(self.view.members(name), tag)
        return {**self.about, "audience": name, "version": self.version(one), **found}

    def explain(self, name: str, who: str) -> dict[str, Any]:
        """Whether a person is in an audience, and which parts of it hold, with the values."""
        one = self.audience(name)
        session = self.view.session
        one_id = find_person(session, who, self.defined.region)
        ((number,),) = session.rows(
            f"SELECT person_no FROM persons WHERE one_id = {quoted(one_id)}"
        )
        verdict = explain(self.view.selector, name, int(str(number)))
        return {
            **self.about, "audience": name, "version": self.version(one), "one_id": one_id,
            "person_no": number, "is_member": verdict.holds is True,
            "verdict": dataclasses.asdict(verdict),
        }


@contextmanager
def opened(lake: Lake, defined: Defined, as_of: date | int | None = None) -> Iterator[AsOf]:
    """The audiences on the release of a date or number; NotFoundError where it is not kept."""
    release = lake.release(as_of)
    require_kept(lake, release)
    with lake.session() as session:
        view = View(
            veil.opened(lake, release, session), lake.snapshots, release.business_date,
            defined.tags, defined.audiences, zone=defined.zone,
        )
        yield AsOf(lake, release, defined, view)


def require_kept(lake: Lake, release: Release) -> None:
    """NotFoundError unless every file of the release is there; the newest is always kept."""
    if release.release_no == lake.release().release_no:
        return
    for name in release.versions:
        for file in release.files(name):
            if not Path(file.path).exists():
                raise NotFoundError(
                    f"the files of the release of {release.business_date} are kept no longer",
                    expected="a date whose files are kept, "
                    f"as the newest, {lake.release().business_date}",
                    got=f"no file of {name}", where=str(lake.tables / name),
                    todo=f"rebuild it beside the lake: guiyi job run release "
                    f"--date {release.business_date} --restate",
                )


def compared(
    then: AsOf, now: AsOf, name: str, limit: int, *, is_why: bool = False
) -> dict[str, Any]:
    """Who came, went and stayed in an audience between two releases; ``limit`` rows of each.

    With ``is_why`` the rows say which parts of the audience hold now and did not, or the other way.
    """
    if then.release.business_date >= now.release.business_date:
        raise UsageError(
            "no time lies between the two", expected="--from before --to",
            got=f"{then.release.business_date}, {now.release.business_date}",
        )
    one = then.audience(name)
    now.audience(name)
    found = difference(then.view, now.view, name)
    sides = {side: told(getattr(found, side), limit) for side in ("came", "went", "merged")}
    for row in [*sides["came"], *sides["went"]] if is_why else ():
        if row["cause"] in ("joined", "left"):
            row["changed"] = _changed(then, now, name, row["person_no"])
    return {
        "audience": name, "version": now.version(one), "from": then.about, "to": now.about,
        **_counts(found), **sides,
    }


def _changed(then: AsOf, now: AsOf, name: str, person_no: int) -> list[str]:
    """The leaves of which another thing is true of a person now than then, with the values."""
    sides = [_ends(explain(one.view.selector, name, person_no)) for one in (then, now)]
    return [
        f"{before.text}: {_MARKS[before.holds]}{_values(before.values)} then, "
        f"{_MARKS[after.holds]}{_values(after.values)} now"
        for before, after in zip(*sides, strict=True) if before.holds is not after.holds
    ]


def _ends(verdict: Verdict) -> list[Verdict]:
    return [end for part in verdict.parts for end in _ends(part)] or [verdict]


def _values(values: dict[str, Any]) -> str:
    listed = ", ".join(
        f"{name} {'is unknown' if value is None else value}" for name, value in values.items()
    )
    return f" ({listed})" if listed else ""


def explained(found: dict[str, Any]) -> str:
    """What ``AsOf.explain`` found, a line per part: whether it holds, what it says, the values."""
    is_in = "is in" if found["is_member"] else "is not in"
    head = (
        f"person {found['person_no']} ({found['one_id']}) {is_in} {found['audience']} "
        f"(version {found['version']}) on {found['business_date']}"
    )
    return "\n".join([head, *_part_lines(found["verdict"], 0)])


def _part_lines(part: dict[str, Any], depth: int) -> list[str]:
    values = _values(part["values"])
    line = f"{'  ' * depth}{_MARKS[part['holds']]:<8}{part['text']}{values}"
    return [line, *(text for one in part["parts"] for text in _part_lines(one, depth + 1))]


def _counts(found: Difference) -> dict[str, Any]:
    return {
        "members_from": found.members_then, "members_to": found.members_now,
        "count_stayed": found.stayed, "count_came": found.came.num_rows,
        "count_went": found.went.num_rows, "count_merged": found.merged.num_rows,
        "count_merged_in": found.merged_in.num_rows,
    }


def _unpublished(lake: Lake, tag: Tag, day: date, audience: str) -> NotFoundError:
    """What is said of a tag that has no values of ``day``: since when it has some."""
    newest = lake.release()
    names = ", ".join(quoted(name) for name in (tag.name, *tag.formerly))
    with lake.session() as session:
        ((since,),) = newest.open(session, ["tag_coverage"]).rows(
            f"SELECT min(business_date) FROM tag_coverage WHERE tag IN ({names}) "
            f"AND business_date > DATE '{day}'"
        )
    return NotFoundError(
        f"the tag {tag.name!r} is not published of {day}",
        expected=f"a date from {since} on" if since else "a tag that has been published",
        got=str(day), where=f"audience {audience}",
        todo=f"see `guiyi tag history {tag.name}`" if since
        else "it is published from the next release on: guiyi job run release",
    )
