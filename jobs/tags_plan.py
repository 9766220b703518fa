"""``guiyi tag plan``: the plan of tags on a lake, and its text."""

from __future__ import annotations

import time
from datetime import date
from typing import Any

from domain.dates import cut
from jobs.registry import plain
from jobs.tags import Defined
from lake import conf
from lake.draft import Draft
from lake.store import Lake
from pipelines.tags.cells import all_cells
from pipelines.tags.direct import direct
from pipelines.tags.planning import Plan, plan
from pipelines.tags.state import number_bundles
from pipelines.tags.vocabulary import below
from schemas.programme import Programme
from schemas.tag_definitions import Tag

SAMPLE_ROWS = 200_000


def planned(
    lake: Lake, defined: Defined, names: list[str], day: date, measure: bool
) -> dict[str, Any]:
    """What computing ``names`` for ``day`` would do, on top of the newest release."""
    known = {tag.name: tag for tag in defined.tags}
    needed = {one.name for name in names for one in [*below(known[name], known), known[name]]}
    tags = [tag for tag in defined.tags if tag.name in needed]
    features = [feature for model in defined.models for feature in model.measured]
    (programme,) = conf.load("programme.yml", Programme)
    with lake.session() as session:
        at = cut(day, programme.zone, programme.cut_hours)
        draft = Draft(lake.tables, session, lake.release(), day, at)
        found = plan(draft, tags, names, [*defined.tags, *features])
        told: dict[str, Any] = plain(found)
        waiting = _waiting(lake, draft)
        told |= {"waiting_files": len(waiting), "waiting_bytes": sum(waiting)}
        told["once_total"] = {
            what: sum(getattr(read, what) * read.scans for read in found.once)
            for what in ("rows", "bytes")
        }
        told["estimate"] = _estimate(draft, tags, found) if measure and found.direct else None
    return told


def _waiting(lake: Lake, draft: Draft) -> list[int]:
    """Sizes of the files that were delivered and are in no release."""
    rows = draft.session.rows("SELECT file FROM deliveries")
    seen = {str(name) for (name,) in rows}
    files = [one for one in lake.landing.deliveries(before=draft.cut) if one.file not in seen]
    return [(lake.landing.root / one.file).stat().st_size for one in files]


def _estimate(draft: Draft, tags: list[Tag], found: Plan) -> dict[str, Any]:
    """Seconds of the history, by those of its newest dates, which are computed and thrown away."""
    fresh = [cell for cell in all_cells(tags) if cell.name in found.direct]
    taken: dict[str, int] = {}
    for source in sorted({cell.measure.source for cell in fresh}):
        dates, rows = list[date](), 0
        for file in sorted(draft.files(source), key=lambda file: file.d, reverse=True):
            dates.append(date.fromisoformat(file.d))
            rows += file.rows
            if rows >= SAMPLE_ROWS:
                break
        draft.show_dates(source, dates, source)
        taken[source] = rows
    number_bundles(draft)
    started = time.perf_counter()
    draft.session.execute(
        f"CREATE OR REPLACE TEMP TABLE timed AS {direct(fresh, draft.business_date)}"
    )
    seconds = time.perf_counter() - started
    scans = {read.table: read.scans for read in found.once}
    sampled = sum(rows * scans.get(source, 1) for source, rows in taken.items())
    total = sum(read.rows * read.scans for read in found.once)
    return {
        "seconds": round(seconds * total / max(sampled, 1), 1),
        "sampled_rows": sampled, "sampled_seconds": round(seconds, 3),
    }


def text(found: dict[str, Any]) -> str:
    """The plan for people: how, what is read, and the queries."""
    since = f"from the state of {found['before']}" if found["by_increment"] else "anew"
    lines = [
        f"{len(found['tags'])} tags for {found['day']}, {since}: {', '.join(found['tags'])}",
        f"cells by increment: {', '.join(found['by_increment']) or 'none'}",
        f"cells direct from rows: {', '.join(found['direct']) or 'none'}",
    ]
    if found["batch_only"]:
        lines.append(f"batch only, being free queries: {', '.join(found['batch_only'])}")
    lines += ["", "read for this date:", *_reads(found["daily"])]
    lines.append(
        f"  and the rows of {found['day']} and late ones: {found['waiting_files']:,} files, "
        f"{_bytes(found['waiting_bytes'])}, wait in the landing"
    )
    lines += _reads(found["like_the_last"])
    if found["once"]:
        total = found["once_total"]
        lines += ["", "read once, being new over history:", *_reads(found["once"])]
        lines.append(f"  together {total['rows']:,} rows, {_bytes(total['bytes'])} at most")
    if found["estimate"]:
        told = found["estimate"]
        lines.append(
            f"  an estimate: about {told['seconds']:,} s, as {told['sampled_rows']:,} rows of the "
            f"newest dates took {told['sampled_seconds']} s here just now"
        )
    for query in found["queries"]:
        lines += ["", f"-- {query['name']}", query["sql"]]
    return "\n".join(lines)


def _reads(reads: list[dict[str, Any]]) -> list[str]:
    lines = []
    for read in reads:
        dates = ""
        if read["dates"]:
            span = str(read["first"])
            span += f" to {read['last']}" if read["dates"] > 1 else ""
            dates = f", {read['dates']:,} dates ({span})" if read["dates"] > 1 else f", {span}"
        times = f", {read['scans']} times" if read["scans"] > 1 else ""
        lines.append(
            f"  {read['table']}: {read['rows']:,} rows, {_bytes(read['bytes'])}{dates}{times} "
            f"({read['why']})"
        )
    return lines


def _bytes(count: int) -> str:
    size, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
