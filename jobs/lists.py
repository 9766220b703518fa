"""Puts identifiers on lists or takes them off, and says who is on which list.

What is handed in becomes a delivery of keys: clear values never reach the landing. It enters the
release whose cut follows, and a rebuild from raw reads it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from domain.dates import business_date
from domain.masking import mask
from jobs.dates import not_before_newest
from jobs.secret import refuse_other_secret
from lake import lines, locks
from lake.engines.duckdb import Session, quoted
from lake.landing import LOCK_WAIT_S
from lake.store import Lake
from pipelines.audiences.lists import keys_on, known_lists, persons_on
from pipelines.ingest import given, lists, staging
from schemas.errors import InputError, NotFoundError, NothingToDo, UsageError
from schemas.lists import LISTS, Change
from schemas.programme import Programme

MOMENT = timedelta(microseconds=1)
"""Between two changes of a list, so that one of them is the last."""


@dataclass(frozen=True, slots=True)
class Landed:
    """A file of changes as it goes to the landing."""

    path: str
    delivered_at: datetime
    content: bytes
    source: str = LISTS


def secret_of(lake: Lake) -> bytes:
    """The identifier secret; ConfigError where the lake was made with another."""
    secret = lake.identifier_secret()
    if lake.releases():
        with lake.reader() as session:
            refuse_other_secret(session, secret)
    return secret


def enter(lake: Lake, said: Change, found: given.Given, at: datetime | None = None) -> Landed:
    """Land what ``said`` says, of each key of ``found`` that it is news of; return the file.

    ``said`` stands for one change; its key and time are replaced. ``at`` is when it is done and
    delivered, None is now. NothingToDo when it changes nothing, InputError without a key.
    """
    if not found.keys:
        raise InputError(
            "the file holds no identifier that can be read", expected=f"one {said.type} a line",
            got=f"{len(found.refused)} refused of {found.count_lines} lines",
            todo="see the reasons; --column names the column of a CSV file",
        )
    with locks.exclusive(lake.landing.root, "lists", wait_s=LOCK_WAIT_S):
        known = [one for one in landed(lake) if one.list == said.list]
        at = _time(lake, known, at)
        on = {key for key, change in _last(known).items() if change == "added"}
        is_news = said.change == "added"
        fresh = [key for key in found.keys if (key not in on) == is_news]
        if not fresh:
            state = "on the list already" if is_news else "on the list"
            count = f"all {len(found.keys)}" if is_news else "none"
            raise NothingToDo(f"nothing to do: {count} of them are {state}", got=said.list)
        changed = msgspec.structs.replace(said, changed_at=at)
        content = b"".join(
            msgspec.json.encode(msgspec.structs.replace(changed, identifier_key=key)) + b"\n"
            for key in fresh
        )
        digest = hashlib.sha256(content).hexdigest()[:16]
        new = Landed(f"{LISTS}/{said.list}/{at:%Y%m%dT%H%M%S}-{digest}.jsonl", at, content)
        lake.landing.receive([new])
    return new


def landed(lake: Lake) -> list[Change]:
    """Every change in the landing in order of delivery; broken lines are left out."""
    files = [one for one in lake.landing.deliveries() if one.source == LISTS]
    opened = staging.opened(enumerate(files), "by_name", lake.landing.read, _unreadable)
    return [
        row.change
        for batch in lines.batches(opened, "utf-8", has_header=False)
        for row in lists.read(batch)
        if isinstance(row, lists.Row)
    ]


def release_date(at: datetime, programme: Programme) -> date:
    """The business date whose cut is the first after the instant ``at``."""
    return business_date(at - timedelta(hours=programme.cut_hours), programme.zone)


def listing(session: Session, day: date, name: str | None = None) -> list[dict[str, Any]]:
    """The lists of a release, or the one called ``name``: identifiers on it and who holds them.

    NotFoundError for a list that the release does not know.
    """
    if name is not None:
        require_known(session, name)
    rows = []
    for one in sorted(known_lists(session)) if name is None else [name]:
        by_type = session.rows(
            f"SELECT type, count(*) FROM ({keys_on(one)}) GROUP BY ALL ORDER BY ALL"
        )
        ((persons,),) = session.rows(f"SELECT count(*) FROM ({persons_on(one, day)})")
        ((last, changes),) = session.rows(
            f"SELECT max(changed_at), count(*) FROM {LISTS} WHERE list = {quoted(one)}"
        )
        rows.append({
            "list": one, "identifiers": sum(int(str(count)) for _, count in by_type),
            "types": ", ".join(str(kind) for kind, _ in by_type), "persons": persons,
            "changes": changes, "last_changed_at": last,
        })
    return rows


def members(
    session: Session, name: str, day: date, limit: int, after: int | None = None
) -> list[dict[str, Any]]:
    """Identifiers on a list by ascending key: masked, or never seen, and who holds them on ``day``.

    ``limit`` 0 gives all; ``after`` is the last key already shown.
    """
    require_known(session, name)
    on = f"DATE '{day.isoformat()}'"
    found: list[dict[str, Any]] = session.table(
        f"""SELECT k.identifier_key, k.type, i.value, p.person_no, p.one_id
        FROM ({keys_on(name)}) AS k LEFT JOIN identifiers AS i USING (identifier_key)
        LEFT JOIN tenures AS t ON t.identifier_key = k.identifier_key
          AND t.kind IN ('sole', 'handover') AND (t.valid_from IS NULL OR t.valid_from <= {on})
          AND (t.valid_to IS NULL OR t.valid_to > {on})
        LEFT JOIN persons AS p ON p.one_id = t.one_id
        WHERE k.identifier_key > {-1 if after is None else int(after)}
        ORDER BY ALL {f"LIMIT {int(limit)}" if limit else ""}"""
    ).to_pylist()
    for row in found:
        value = row.pop("value")
        row["identifier"] = "never seen" if value is None else mask(row["type"], value)
    return found


def history(session: Session, name: str) -> list[dict[str, Any]]:
    """Every delivery that changed a list, in order: how many, who did it, when and why."""
    require_known(session, name)
    found: list[dict[str, Any]] = session.table(
        "SELECT changed_at, change, count(*) AS identifiers, author, reason, received_at, file "
        f"FROM {LISTS} WHERE list = {quoted(name)} GROUP BY ALL ORDER BY ALL"
    ).to_pylist()
    return found


def require_known(session: Session, name: str) -> None:
    """NotFoundError where the open release has no row of the list ``name``."""
    known = sorted(known_lists(session))
    if name not in known:
        raise NotFoundError(
            f"there is no list {name!r} on this date", got=name,
            expected="one of " + ", ".join(known) if known else "a list: there is none yet",
            todo="put identifiers on it with `guiyi list add`; the release after knows it",
        )


def _last(known: Iterable[Change]) -> dict[int, str]:
    last: dict[int, Change] = {}
    for one in known:
        before = last.get(one.identifier_key)
        if before is None or before.changed_at < one.changed_at:
            last[one.identifier_key] = one
    return {key: one.change for key, one in last.items()}


def _time(lake: Lake, known: list[Change], at: datetime | None) -> datetime:
    """When the change counts as done: after every other of the list."""
    last = max((one.changed_at for one in known), default=datetime.min.replace(tzinfo=UTC))
    if at is None:
        return max(datetime.now(UTC), last + MOMENT)
    not_before_newest(lake, at)
    if at <= last:
        raise UsageError(
            "this list was changed later already", expected=f"a time after {last}", got=str(at),
            where="--delivered-at", todo="leave it out: the change then counts as done now",
        )
    return at.astimezone(UTC)


def _unreadable(number: int, reason: str, detail: str) -> None:
    raise InputError(
        "a file of changes to lists cannot be read",
        expected="every change that was landed: a new one builds on it", got=detail,
        todo="bring the delivered bytes back",
    )
