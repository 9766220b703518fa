"""Where the topics of a lake are."""

from __future__ import annotations

import os
from pathlib import Path

from jobs.settings import Settings
from lake.landed import LandedTable
from lake.store import Lake
from lake.topics import Topics, opened
from schemas.errors import NotFoundError
from schemas.topics import Topic


def address_of(lake: Lake, settings: Settings) -> str:
    """``GUIYI_TOPICS``, or what the definitions say; a folder lies below the lake."""
    said = os.environ.get("GUIYI_TOPICS") or settings.topics.address
    return said if said.startswith("kafka://") else str(lake.root / said.removeprefix("file://"))


def topics_of(lake: Lake, settings: Settings) -> Topics:
    """The topics of a lake."""
    return opened(address_of(lake, settings), settings.topics.kafka)


def is_used(lake: Lake, settings: Settings) -> bool:
    """Whether events come to this lake over topics: it has some, or has landed some."""
    address = address_of(lake, settings)
    has_folder = not address.startswith("kafka://") and Path(address).is_dir()
    return has_folder or LandedTable.is_at(lake.landed)


def chosen(settings: Settings, names: list[str]) -> list[Topic]:
    """The declared topics called ``names`` (of topic or source), all when empty."""
    declared = settings.topics.topics
    for name in names:
        if not any(name in (one.name, one.source) for one in declared):
            raise NotFoundError(
                f"no topic {name!r} is declared",
                expected="one of " + ", ".join(one.name for one in declared),
                got=name,
                todo="declare it in conf/local/topics.yml",
            )
    return [one for one in declared if not names or one.name in names or one.source in names]
