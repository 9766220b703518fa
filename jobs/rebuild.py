"""Rebuilds a date from raw, beside the lake: a restatement, and proof that nothing is cached."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date
from pathlib import Path

from domain.dates import cut
from jobs.audiences import together
from jobs.engines import DUCKDB, Engine
from jobs.release import Clock, Outcome, publish
from jobs.settings import Settings
from lake.store import Lake

GIVEN = {"person_numbers": "true", "tag_definitions": "business_date <= DATE '{day}'"}
"""What is not derived, and which of its rows a date is given: numbers are given once for ever."""


def rebuild(
    lake: Lake,
    settings: Settings,
    day: date,
    run_id: str,
    clock: Clock,
    folder: Path | None = None,
    engine: Engine = DUCKDB,
) -> tuple[Lake, Outcome]:
    """A new lake with one release of ``day``, computed from the landing alone at the date's cut.

    It shares the landing and the identifier secret, and reads what is not derived: the given
    person numbers, the log of definitions, and the audiences made over the API. Default folder:
    ``restated/<day>-<n>`` below the lake.
    """
    root = folder or _next_folder(lake.root / "restated", day)
    root.mkdir(parents=True, exist_ok=True)
    (root / "landing").symlink_to(os.path.relpath(lake.landing.root, root))
    secret = root / "identifier.secret"
    secret.touch(mode=0o600)
    secret.write_bytes(lake.identifier_secret())
    given = {}
    if lake.releases():
        with lake.reader() as session:
            given = {
                name: session.table(f"SELECT * FROM {name} WHERE {rows.format(day=day)}")
                for name, rows in GIVEN.items()
            }
    programme = settings.programme
    at = cut(day, programme.zone, programme.cut_hours)
    settings = replace(settings, audiences=together(lake, settings.audiences, at))
    fresh = Lake(root)
    return fresh, publish(
        fresh, settings, day, run_id, clock, given=given, engine=engine
    )


def _next_folder(root: Path, day: date) -> Path:
    number = 1
    while (root / f"{day}-{number}").exists():
        number += 1
    return root / f"{day}-{number}"
