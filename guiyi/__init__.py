"""The public face of Guiyi: open a lake, a release, a table, a timeline, an audience.

import guiyi
lake = guiyi.open("data")
release = lake.release()            # the newest; or a date, or a number
release.table("persons")            # pyarrow.Table
release.sql("SELECT ... ").df()     # a DuckDB relation: .df(), .pl(), .to_arrow_table()
release.timeline("M00001234")       # every event of that person, in time order
release.tag("likes_coffee")         # its values on every date, under all its names
release.audience("beijing_coffee_women")
guiyi.resolve_edges(edges)          # who is who by edges of your own; needs no lake
"""

from __future__ import annotations

from guiyi.face import Lake, Release, open
from pipelines.edges import Resolved, resolve_edges
from schemas.errors import (
    BusyError,
    ConfigError,
    GuiyiError,
    InputError,
    NotFoundError,
    NotYetError,
    QualityError,
    StorageError,
    UsageError,
)

__all__ = [
    "BusyError",
    "ConfigError",
    "GuiyiError",
    "InputError",
    "Lake",
    "NotFoundError",
    "NotYetError",
    "QualityError",
    "Release",
    "Resolved",
    "StorageError",
    "UsageError",
    "open",
    "resolve_edges",
]
