"""Before a release: what was landed and received before its cut becomes deliveries.

After it: what it has taken is dropped from the landed records, so that they keep nobody longer than
the release does.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from jobs.progress import log, stage
from jobs.settings import Settings
from jobs.topics.place import is_used, topics_of
from lake.engines.duckdb import Session
from lake.landed import LandedTable
from lake.landed.carrying import Carried, Reached, carried, reached
from lake.landed.waiting import Waiting, drop, offsets_of, waiting
from lake.landing import Delivery
from lake.store import Lake
from schemas.errors import GuiyiError, NotYetError

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def deliver(lake: Lake, settings: Settings, before: datetime) -> list[Delivery]:
    """Deliver what was received before the cut ``before``; the caller holds the writer lock.

    NotYetError while the topics have earlier records that are not landed.
    """
    if not is_used(lake, settings):
        return []
    _require_landed(lake, settings, before)
    if not LandedTable.is_at(lake.landed):
        return []
    known = lake.releases()
    cuts = [known[-1].cut] if known else [_LONG_AGO]
    with lake.session() as session, stage("deliver what was landed"):
        files = _files(lake, settings, session, before, cuts[-1])
        fresh = lake.landing.receive(files)
    log.info("%d deliveries of landed records", len(fresh))
    return fresh


def latest_waiting(lake: Lake, settings: Settings) -> list[datetime]:
    """When the last landed record came that is not delivered; empty when none waits."""
    if not LandedTable.is_at(lake.landed):
        return []
    with lake.session() as session:
        found = _waiting(lake, settings, session, LandedTable(lake.landed))
    return [max(one.latest for one in found)] if found else []


def drop_taken(lake: Lake, settings: Settings) -> int:
    """Drop the landed records that the newest release has taken; how many rows.

    The caller holds the writer lock, or the lake is its own.
    """
    if not LandedTable.is_at(lake.landed) or not lake.releases():
        return 0
    with lake.session() as session:
        rows = lake.release().open(session, ["deliveries"]).rows("SELECT file FROM deliveries")
        taken = {str(file) for (file,) in rows}
        files = [one for one in lake.landing.deliveries() if one.file in taken]
        offsets = offsets_of(reached(lake.landing, files), _names(settings))
        return drop(session, LandedTable(lake.landed), offsets)


def drop_after(lake: Lake, settings: Settings) -> None:
    """As ``drop_taken``; a release that is published does not fail by it, the next one drops."""
    try:
        dropped = drop_taken(lake, settings)
    except GuiyiError as error:
        log.warning("landed records were not dropped; `guiyi topic upkeep` does: %s", error)
        return
    if dropped:
        log.info("%d landed records are in the release and dropped", dropped)


def _files(
    lake: Lake, settings: Settings, session: Session, before: datetime, not_before: datetime
) -> Iterator[Carried]:
    table = LandedTable(lake.landed)
    done = reached(lake.landing, lake.landing.deliveries())
    sources = {topic: source for source, topic in _names(settings).items()}
    for one in _waiting(lake, settings, session, table):
        source = sources[one.topic]
        yield from carried(
            session, table, one.topic, source, one.partition,
            after=done.get((source, one.partition), Reached()), before=before,
            not_before=not_before, grain_s=settings.topics.received_grain_s,
        )


def _waiting(
    lake: Lake, settings: Settings, session: Session, table: LandedTable
) -> list[Waiting]:
    names = _names(settings)
    done = offsets_of(reached(lake.landing, lake.landing.deliveries()), names)
    found = waiting(session, table, done)
    strange = sorted({one.topic for one in found} - set(names.values()))
    if strange:
        log.warning(
            "landed records of %s wait for a declaration in topics.yml", ", ".join(strange)
        )
    return [one for one in found if one.topic not in strange]


def _names(settings: Settings) -> dict[str, str]:
    return {one.source: one.name for one in settings.topics.topics}


def _require_landed(lake: Lake, settings: Settings, before: datetime) -> None:
    topics = topics_of(lake, settings)
    table = LandedTable(lake.landed) if LandedTable.is_at(lake.landed) else None
    there = set(topics.names())
    for one in settings.topics.topics:
        if one.name not in there:
            continue
        span = topics.span(one.name)
        for partition, needed in topics.offset_at(one.name, before).items():
            landed = table.next_offset(one.name, partition) if table else None
            at = span[partition][0] if landed is None else landed
            if at < needed:
                raise NotYetError(
                    f"{one.name}, partition {partition}, is not landed up to the cut",
                    expected=f"offset {needed}, the first of {before} or later",
                    got=f"offset {at}",
                    todo="run `guiyi topic land`, or wait for the lander that runs",
                )
