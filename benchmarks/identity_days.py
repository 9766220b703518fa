"""One more day of identity beside the whole of it, on the generated world, in CPU seconds.

Both resolve the same last day, of which the days before were published: once standing on what was
published, once, because the rules read otherwise, from the evidence alone, as a rebuild does.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from domain.dates import cut
from jobs import settings as definitions
from jobs.settings import Settings
from lake.draft import Draft
from lake.store import Lake, open_lake
from pipelines import identity, ingest, world
from schemas.identity_rules import IdentityRules

FULL, QUICK = (100_000, 10_000_000), (300, 20_000)
BAR = 20
"""A day costs at most a twentieth of the whole."""
LAST = date(2017, 12, 31)
PUBLISHED = datetime(2018, 1, 1, tzinfo=UTC)


def measure(persons: int, events: int, lake: Lake | None = None) -> dict[str, Any]:
    """The comparison as one object; ``lake`` holds a landing of the world, if it is made already.

    ``lake`` is published to.
    """
    settings = definitions.read()
    other = msgspec.structs.replace(settings.identity, warn_wrong_links=0.19)
    with tempfile.TemporaryDirectory() as folder:
        if lake is None:
            lake = open_lake(Path(folder) / "lake", create=True)
            made = world.generate_at_scale(persons, events, 1, "basic")
            last = _cut(settings, LAST)
            lake.landing.receive(file for file in made.files if file.delivered_at < last)
        before = LAST - timedelta(days=1)
        for day, rules in ((before, settings.identity), (LAST, None)):
            with _draft(lake, settings, day) as draft:
                _ingest(lake, draft, settings)
                if rules:
                    _timed(draft, rules)
                    draft.publish("run", "inputs", "rules", lambda: PUBLISHED)
                else:
                    delta = _timed(draft, settings.identity)
        with _draft(lake, settings, LAST) as draft:
            _ingest(lake, draft, settings)
            whole = _timed(draft, other)
    return _told(persons, events, delta, whole)


def _told(
    persons: int, events: int, delta: dict[str, float], whole: dict[str, float]
) -> dict[str, Any]:
    ratio = whole["cpu"] / delta["cpu"]
    touched = delta["redone"] / max(1, whole["redone"])
    share = f"{delta['redone']:,} of {whole['redone']:,} raw components"
    return {
        "benchmark": "identity_days",
        "machine": f"{os.cpu_count()} cores",
        "touched_share": round(touched, 4),
        "comparisons": [
            {
                "what": f"one more day at {events:,} events of {persons:,} persons, {share}, CPU",
                "ours": round(delta["cpu"], 2),
                "rival": round(whole["cpu"], 2),
                "rival_name": "own whole resolution",
                "unit": "s",
                "ratio": round(ratio, 2),
                "bar": BAR,
                "holds": ratio >= BAR,
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            }
        ],
    }


def _cut(settings: Settings, day: date) -> datetime:
    return cut(day, settings.programme.zone, settings.programme.cut_hours)


def _draft(lake: Lake, settings: Settings, day: date) -> Any:
    return lake.draft(day, _cut(settings, day))


def _ingest(lake: Lake, draft: Draft, settings: Settings) -> None:
    known = {str(file) for (file,) in draft.session.rows("SELECT file FROM deliveries")}
    files = [d for d in lake.landing.deliveries(before=draft.cut) if d.file not in known]
    secret = lake.identifier_secret()
    ingest.load(draft, settings.sources, settings.programme, files, lake.landing.read, secret)


def _timed(draft: Draft, rules: IdentityRules) -> dict[str, float]:
    """CPU seconds of one resolution, its writing included, and the components it redid."""
    start = time.process_time()
    identity.resolve(draft, rules)
    cpu = time.process_time() - start
    ((redone,),) = draft.session.rows(
        "SELECT count_components_redone FROM identity_runs "
        f"WHERE published_for = DATE '{draft.business_date}'"
    )
    return {"cpu": cpu, "redone": int(str(redone))}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK[1]:,} events")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    parser.add_argument("--lake", help="a lake whose landing holds the world already")
    given = parser.parse_args(arguments)
    lake = open_lake(given.lake) if given.lake else None
    found = measure(*(QUICK if given.quick else FULL), lake)
    (one,) = found["comparisons"]
    if given.format == "json":
        print(json.dumps(found))
        return
    times = f"{one['ratio']} times (bar {BAR})"
    print(f"{one['what']}: {one['ours']} s beside {one['rival']} s, {times}")


if __name__ == "__main__":
    main()
