"""Erasures that were carried out: their receipts, and the end of the old versions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, select

from jobs.privacy.elsewhere import JOURNALS, journal
from lake import crash, locks, retention, traces
from lake.engines.duckdb import quoted
from lake.releases import Release
from lake.store import Lake
from pipelines.erasure.lines import spelt
from schemas.erasures import ERASURES, OPEN_FROM, OPEN_TO
from schemas.errors import QualityError
from services.database import open_database
from services.privacy import core, store
from services.privacy.core import Facts, Receipt


def receipts(lake: Lake) -> list[Receipt]:
    """Every receipt, the oldest erasure first."""
    with closing(open_database(lake.root)) as database, database.reading() as session:
        return store.every(session)


def receipt(lake: Lake, erasure_id: str) -> Receipt:
    """One receipt; NotFoundError when there is none."""
    with closing(open_database(lake.root)) as database, database.reading() as session:
        return store.find(session, erasure_id)


def require_genuine(lake: Lake, found: Receipt) -> None:
    """InputError unless this lake has signed just this."""
    key = store.signing_key(lake.root / JOURNALS)
    core.require_genuine(found, core.public_key(key))


def write_receipts(lake: Lake, retention_days: int) -> None:
    """Sign and keep a receipt for every erasure in force that has none."""
    if not lake.releases() or not _in_force(lake, lake.release()):
        return
    known = {one["erasure_id"] for one in receipts(lake)}
    for facts in _facts(lake, known):
        crash.point("erase.before_receipt")
        _keep(lake, core.made(facts, retention_days))


def vacuum(lake: Lake, now: datetime, values: Sequence[str] = ()) -> list[Receipt]:
    """Throw away what is older than the erasures whose retention is over; the completed receipts.

    ``values`` are clear values that must be nowhere any more, where somebody knows them. Nothing
    is completed while a trace is found: QualityError.
    """
    due = [
        one for one in receipts(lake)
        if one["completed"] is None and core.kept_until(one) <= now
    ]
    if not due:
        return []
    oldest_kept = max(one["release"] for one in due)
    with locks.exclusive(lake.root / "locks", "publish"):
        known = lake.releases()
        keep = sum(one.release_no >= oldest_kept for one in known)
        removed = sum(retention.vacuum(lake.tables, known, keep).values())
        removed += retention.vacuum_bitmaps(lake.snapshots, known, keep)
    with closing(open_database(lake.root)) as database:
        database.compact()
    done = []
    for one in due:
        checks = check(lake, one, values)
        require_clean(one, checks, is_over=True)
        done.append(_keep(lake, core.completed(one, now, removed, checks)))
    return done


def check(lake: Lake, found: Receipt, values: Sequence[str] = ()) -> dict[str, Any]:
    """What is still there of an erased person: rows with a suppressed key, old files, traces.

    Keys are looked for in every release that is kept; ``values`` in every byte of the lake.
    """
    erasure_id = found["erasure_id"]
    whole = [
        release for release in lake.releases()
        if release.release_no >= found["release"]
    ]
    older = [one for one in lake.releases() if one.release_no < found["release"]]
    told: dict[str, Any] = {
        "releases_searched": len(whole),
        "rows_with_suppressed_keys": sum(_rows(lake, one, erasure_id) for one in whole),
        "older_releases_readable": sum(_is_there(one) for one in older),
        "values_searched": len(values),
    }
    if values:
        pattern = spelt(values, is_word=False)
        searched = traces.search(lake.root, pattern) if pattern else traces.Searched(0, [])
        told |= {
            "files_searched": searched.count_files, "files_with_values": searched.found,
            "tables_with_values": _tables_with(lake, pattern) if pattern else [],
        }
    return told


def require_clean(found: Receipt, checks: dict[str, Any], *, is_over: bool) -> None:
    """QualityError (exit 3) where ``check`` found anything that should be gone by now.

    Older releases may be there, and hold values, until the retention ``is_over``.
    """
    names = ["rows_with_suppressed_keys"]
    if is_over:
        names += ["older_releases_readable", "files_with_values", "tables_with_values"]
    wrong = {name: checks[name] for name in names if checks.get(name)}
    if wrong:
        raise QualityError(
            f"the erasure {found['erasure_id']} left traces", expected="none",
            got=", ".join(f"{name}: {value}" for name, value in wrong.items()),
            todo="look at these places, then run `guiyi erasure vacuum` again",
        )


def _rows(lake: Lake, release: Release, erasure_id: str) -> int:
    """Rows of the dictionary, and bundles on their dates, with a key that is suppressed."""
    with lake.session() as session:
        release.open(session, ["suppressions", "identifiers", "bundles", "sightings"])
        ((count,),) = session.rows(
            f"""
            WITH keys AS (SELECT * FROM suppressions WHERE erasure_id = {quoted(erasure_id)}),
            members AS (
              SELECT bundle_id, unnest(identifiers).identifier_key AS identifier_key FROM bundles
            )
            SELECT (
              SELECT count(*) FROM identifiers WHERE identifier_key IN (
                SELECT identifier_key FROM keys WHERE valid_from = DATE '{OPEN_FROM.isoformat()}'
                AND valid_to = DATE '{OPEN_TO.isoformat()}')
            ) + (
              SELECT count(*) FROM members AS m JOIN keys AS k USING (identifier_key)
              JOIN sightings AS s ON s.bundle_id = m.bundle_id
                AND s.business_date >= k.valid_from AND s.business_date < k.valid_to
            )
            """
        )
    return int(str(count))


def _tables_with(lake: Lake, pattern: re.Pattern[bytes]) -> list[str]:
    """Tables of the services' database, wherever it is, with a row that the pattern finds."""
    with closing(open_database(lake.root)) as database, database.reading() as session:
        known = MetaData()
        known.reflect(session.connection())
        return [
            table.name for table in known.sorted_tables
            if any(
                pattern.search(form)
                for row in session.execute(select(table))
                for form in traces.spoken(row)
            )
        ]


def _is_there(release: Release) -> bool:
    return any(Path(file.path).exists() for file in release.files("identifiers"))


def _in_force(lake: Lake, release: Release) -> dict[str, dict[str, Any]]:
    with lake.session() as session:
        release.open(session, [ERASURES])
        rows = session.table(f"SELECT * FROM {ERASURES} ORDER BY erased_at, erasure_id")
    return {row["erasure_id"]: row for row in rows.to_pylist()}


def _facts(lake: Lake, known: set[str]) -> list[Facts]:
    """Of the erasures in force without a receipt, the oldest first."""
    releases = lake.releases()
    waiting = {
        name: row for name, row in _in_force(lake, releases[-1]).items() if name not in known
    }
    found = []
    for erasure_id, row in waiting.items():
        first = _first_with(lake, releases, erasure_id)
        kinds, births = _remembered(lake, first, erasure_id)
        found.append(
            Facts(
                erasure_id, row["reason"], row["author"], row["erased_at"], first.release_no,
                first.published_at,
                [one.release_no for one in releases if one.release_no < first.release_no],
                journal(lake, erasure_id), kinds, births,
            )
        )
    return found


def _first_with(lake: Lake, releases: Sequence[Release], erasure_id: str) -> Release:
    first = releases[-1]
    for release in reversed(releases):
        if ERASURES not in release.versions or erasure_id not in _in_force(lake, release):
            break
        first = release
    return first


def _remembered(
    lake: Lake, release: Release, erasure_id: str
) -> tuple[dict[str, int], int]:
    with lake.session() as session:
        release.open(session, ["suppressions", "birth_tombstones"])
        kinds = session.rows(
            "SELECT type, count(DISTINCT identifier_key) FROM suppressions "
            f"WHERE erasure_id = {quoted(erasure_id)} GROUP BY type ORDER BY type"
        )
        ((births,),) = session.rows(
            f"SELECT count(*) FROM birth_tombstones WHERE erasure_id = {quoted(erasure_id)}"
        )
    return {str(kind): int(str(count)) for kind, count in kinds}, int(str(births))


def _keep(lake: Lake, plain: Receipt) -> Receipt:
    done = core.signed(plain, store.signing_key(lake.root / JOURNALS))
    with closing(open_database(lake.root)) as database, database.session() as session:
        store.keep(session, done)
    return done
