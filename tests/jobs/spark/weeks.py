"""A lake of a few households and two weeks, so that an engine's start is most of what it takes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from domain.dates import cut
from jobs import settings
from lake.store import Lake, open_lake
from pipelines import world
from tests.lakes import LAST

HOUSEHOLDS, DAYS = 12, 14
_WHOLE = ("products",)
"""Sources of which an old delivery holds still."""


def land_weeks(root: Path) -> Lake:
    """A lake whose landing holds the sample world's last two weeks of a few households."""
    lake = open_lake(root, create=True)
    programme = settings.read().programme
    made = world.generate(seed=1, traps="basic", households=HOUSEHOLDS)
    end = cut(LAST, programme.zone, programme.cut_hours)
    start = end - timedelta(DAYS)
    lake.landing.receive(
        file for file in made.files
        if file.delivered_at < end and (file.delivered_at >= start or file.source in _WHOLE)
    )
    return lake
