"""The public face of Guiyi: open a lake, a release, a table, a timeline, an audience.

import guiyi
lake = guiyi.open("data")
release = lake.release()            # the newest; or a date, or a number
release.table("persons")            # pyarrow.Table
release.sql("SELECT ... ").df()     # a DuckDB relation: .df(), .pl(), .to_arrow_table()
release.timeline("M00001234")       # every event of that person, in time order
release.tags()                      # which tags there are, and of how many each is known
release.tag("likes_coffee")         # its values on every date, under all its names
release.tag_coverage("city")        # one of them on every date: coverage, spread, what moved
release.bitmaps().where("city", "=", "北京")  # who, as a set of person numbers
release.model("churn")              # a published model: figures and card
release.explain_score("M00001234", "churn")  # why that person has that score
release.audience("beijing_coffee_women")  # its members as they were published, with tags
release.audiences()                 # which there are, and how many are in each
release.members({"name": ..})       # of an audience by name, or by a definition of your own
release.overlap("keen_browsers", "beijing_coffee_women")
release.audience_since(lake.release("2017-12-01"), "keen_browsers")  # who came and went
release.explain_audience("M00001234", "beijing_coffee_women")  # why in it, or not
guiyi.resolve_edges(edges)          # who is who by edges of your own; needs no lake
"""

from __future__ import annotations

from guiyi.face import Lake, Release, open
from models.published import PublishedModel
from pipelines.audiences.compared import Difference
from pipelines.audiences.explain import Verdict
from pipelines.edges import Resolved, resolve_edges
from pipelines.tags.published import TagBitmaps
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
    "Difference",
    "GuiyiError",
    "InputError",
    "Lake",
    "NotFoundError",
    "NotYetError",
    "PublishedModel",
    "QualityError",
    "Release",
    "Resolved",
    "StorageError",
    "TagBitmaps",
    "UsageError",
    "Verdict",
    "open",
    "resolve_edges",
]
