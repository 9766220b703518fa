"""``guiyi tag describe`` and ``guiyi tag history``: what a tag is, and what it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jobs.tags import Defined
from jobs.tags_trial import spread_lines
from lake import conf
from lake.engines.duckdb import Session
from lake.releases import Release
from pipelines.tags import past, trial
from pipelines.tags.definitions_log import changes, definition_of, names_of
from pipelines.tags.description import is_batch_only, made_of, tree_lines, used_by
from schemas.audiences import Audience
from schemas.exports import Export
from schemas.tag_definitions import Tag


def described(
    session: Session, release: Release, defined: Defined, name: str, folder: Path | None
) -> dict[str, Any]:
    """All that is known of a tag, on the date of a release."""
    tag, tags = defined.tag(name), {one.name: one for one in defined.tags}
    entry = defined.entries[tag.name]
    users = used_by(
        tag, defined.tags, conf.load("audiences", Audience, folder),
        conf.load("exports", Export, folder), defined.models,
    )
    return {
        "tag": tag.name, "label": tag.label, "kind": tag.kind, "type": tag.type,
        "defined_at": entry.where.split(" ")[0],
        "definition": json.loads(definition_of(tag)),
        "batch_only": is_batch_only(tag, tags),
        "former_names": [one.name for one in names_of(tag.name, changes(session), tags.values())
                         if one.name != tag.name],
        "business_date": release.business_date,
        "made_of": made_of(tag, tags, release.business_date),
        "used_by": users,
        "published": _published(session, release, tag),
    }


def _published(session: Session, release: Release, tag: Tag) -> dict[str, Any] | None:
    """Coverage and spread on the release's date; None where the tag is not published on it."""
    day = f"business_date = DATE '{release.business_date}'"
    found = session.table(f"SELECT * FROM tag_coverage WHERE {day} AND tag = '{tag.name}'")
    if found.num_rows:
        row: dict[str, Any] = found.to_pylist()[0]
        return row
    if tag.name not in release.schema("tag_values").names:
        return None
    session.execute(f"CREATE TEMP VIEW of_day AS SELECT * FROM tag_values WHERE {day}")
    return trial.spread(session, tag, "of_day")


def described_text(found: dict[str, Any]) -> str:
    """A tag for people."""
    lines = [
        f"{found['tag']}: {found['label']}",
        f"{found['kind']}, {found['type']}, defined at {found['defined_at']}",
    ]
    if found["batch_only"]:
        lines.append("batch only, being a free query or made of one")
    if found["former_names"]:
        lines.append(f"formerly: {', '.join(found['former_names'])}")
    lines += ["", f"made of, on {found['business_date']}:"]
    lines += [f"  {line}" for line in tree_lines(found["made_of"])]
    lines += ["", "used by:"]
    users = [f"  {kind}: {', '.join(names)}" for kind, names in found["used_by"].items() if names]
    lines += users or ["  nobody"]
    lines += ["", f"published on {found['business_date']}:"]
    if found["published"] is None:
        return "\n".join([*lines, "  not yet"])
    return "\n".join([*lines, *(f"  {line}" for line in spread_lines(found["published"]))])


def told(session: Session, defined: Defined, name: str) -> dict[str, Any]:
    """The changes of a tag's definition, and its coverage by date under all its names."""
    known = changes(session)
    names = [one.name for one in names_of(name, known, defined.tags)]
    return {
        "tag": names[0], "former_names": names[1:],
        "changes": past.history_of(session, name, defined.tags),
        "coverage": past.coverage_over_dates(session, name, defined.tags),
    }


def told_text(found: dict[str, Any]) -> str:
    """A tag's past for people."""
    before = f" (formerly {', '.join(found['former_names'])})" if found["former_names"] else ""
    lines = [f"{found['tag']}{before}", ""]
    for one in found["changes"]:
        was = f" from {one['previous_name']}" if one["previous_name"] else ""
        lines.append(
            f"{one['business_date']}  {one['change']}{was}: {one['tag']}, by {one['author']} "
            f"(cut {one['changed_at']:%Y-%m-%d %H:%M}Z)"
        )
        lines += [
            f"    {name}: {_value(old)} → {_value(new)}"
            for name, (old, new) in one["fields"].items()
        ]
    if not found["changes"]:
        lines.append("not published yet")
    lines += ["", "known of, by date:"]
    lines += [
        f"  {row['business_date']}  {row['known']:,} of {row['persons']:,} "
        f"({row['share_known']:.1%}) as {row['name']}"
        for row in found["coverage"]
    ]
    return "\n".join(lines)


def _value(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)
