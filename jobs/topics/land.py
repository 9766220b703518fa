"""Lands the topics of a lake, and says how far behind the landing is."""

from __future__ import annotations

from collections.abc import Sequence

from jobs import run
from jobs.progress import log
from jobs.settings import Settings
from jobs.topics.place import chosen, topics_of
from lake.landed import Landed, LandedTable
from lake.landed import land as land_topics
from lake.landed.waiting import Lag
from lake.landed.waiting import lag as lag_of
from lake.store import Lake
from schemas.errors import NotFoundError


def land(
    lake: Lake, settings: Settings, names: list[str], *, worker: tuple[int, int] = (1, 1),
    is_endless: bool = False, skip_gone: bool = False, every_s: float | None = None,
) -> dict[str, Landed]:
    """Land the topics called ``names`` (all when empty) up to their end, or for ever.

    ``worker`` k of n lands every n-th partition from the k-th on. Errors as of
    ``lake.landed.land``.
    """
    topics = topics_of(lake, settings)
    try:
        there = set(topics.names())
        wanted: dict[str, Sequence[int]] = {}
        for one in chosen(settings, names):
            partitions = sorted(topics.span(one.name)) if one.name in there else []
            mine = partitions[worker[0] - 1 :: worker[1]]
            if mine:
                wanted[one.name] = mine
        if not there:
            raise NotFoundError(
                "there is no topic yet",
                expected="one of " + ", ".join(one.name for one in settings.topics.topics),
                got="none", todo="`guiyi topic create` makes them",
            )
        return land_topics(
            topics, wanted, lake.landed, lake.root / "locks", clock=run.clock,
            most=settings.topics.land_most,
            every_s=settings.topics.land_every_s if every_s is None else every_s,
            is_endless=is_endless, skip_gone=skip_gone, noted=_log,
        )
    finally:
        topics.close()


def lag(lake: Lake, settings: Settings) -> list[Lag]:
    """How far the landing is behind each partition of the declared topics."""
    table = LandedTable(lake.landed) if LandedTable.is_at(lake.landed) else None
    topics = topics_of(lake, settings)
    try:
        there = set(topics.names())
        now = run.clock()
        return [
            one for topic in settings.topics.topics if topic.name in there
            for one in lag_of(topics, topic.name, table, now)
        ]
    finally:
        topics.close()


def _log(landed: Landed) -> None:
    log.info(
        "%s: %s records in %d commits, next offsets %s",
        landed.topic, f"{landed.records:,}", landed.commits, landed.next,
    )
