"""The job ``release``: everything that was delivered before a date's cut becomes one release.

A release of date D is a function of the deliveries, rules and decisions before its cut. It is
published once; what arrives later enters its own date's partials and every later release.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa

from domain.dates import business_date, cut
from jobs.audiences import in_force
from jobs.engines import DUCKDB, Engine
from jobs.progress import log, stage
from jobs.secret import refuse_other_secret
from jobs.settings import Settings
from jobs.tags import author
from jobs.topics import deliver
from lake import erasing, snapshots
from lake.draft import Draft
from lake.landing import Delivery
from lake.releases import Release
from lake.store import Lake
from models import daily
from pipelines import audiences, erasure, identity, ingest, tags
from pipelines.ingest.replay import ORIGINS
from schemas.decisions import DECISIONS
from schemas.erasures import ERASURES
from schemas.errors import NothingToDo, NotYetError, UsageError
from schemas.lists import LISTS
from schemas.tags import TAG_BITMAPS

Clock = Callable[[], datetime]


@dataclass(slots=True)
class Outcome:
    """What one run of the job did: the release, if any, and its figures."""

    business_date: date
    release: Release | None
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would read: the new deliveries before the cut, and why it may go ahead."""

    business_date: date
    cut: datetime
    fresh: list[Delivery]
    inputs: str
    parent: Release | None


def plan(lake: Lake, settings: Settings, day: date, now: datetime, *, force: bool = False) -> Plan:
    """What publishing ``day`` would read; writes nothing.

    NothingToDo when it is published, UsageError when it is past, NotYetError before its cut.
    """
    programme = settings.programme
    at = cut(day, programme.zone, programme.cut_hours)
    _refuse_before_cut(day, at, now)
    before = _counting(lake, at)
    known = lake.releases()
    parent = known[-1] if known else None
    inputs = _fingerprint(before)
    _refuse_rewriting(known, day, inputs, settings.fingerprint, force)
    _refuse_outside(lake, settings, day)
    seen = _delivered(lake) if parent else set()
    fresh = [
        delivery for delivery in before
        if delivery.file not in seen and (parent is None or delivery.source != ERASURES)
    ]
    late = [d for d in fresh if parent is not None and d.delivered_at < parent.cut]
    if late:
        log.warning(
            "%d deliveries bear a time before the last cut (%s), e.g. %s; they enter this release",
            len(late),
            parent.cut if parent else "",
            late[0].file,
        )
    return Plan(day, at, fresh, inputs, parent)


def _counting(lake: Lake, at: datetime) -> list[Delivery]:
    """Deliveries before the cut, and every erasure: it holds for what came before it too."""
    return [
        delivery for delivery in lake.landing.deliveries()
        if delivery.delivered_at < at or delivery.source == ERASURES
    ]


def publish(
    lake: Lake,
    settings: Settings,
    day: date,
    run_id: str,
    clock: Clock,
    *,
    force: bool = False,
    given: Mapping[str, pa.Table] | None = None,
    engine: Engine = DUCKDB,
) -> Outcome:
    """Run every step for ``day`` and publish one release; heavy steps run on ``engine``.

    ``given`` are rows by table for a rebuild: what is not derived, as numbers of persons, which
    may not be given anew, and the log of definitions.
    """
    at = cut(day, settings.programme.zone, settings.programme.cut_hours)
    with lake.draft(day, at, engine.cluster) as draft:
        if draft.parent is not None:
            point_to_released(lake)
        if clock() >= at:
            if engine.land:
                engine.land(lake, settings)
            deliver.deliver(lake, settings, at)
        planned = plan(lake, settings, day, clock(), force=force)
        for name, rows in (given or {}).items() if draft.parent is None else ():
            draft.session.register(f"given_{name}", rows)
            draft.append(name, f"SELECT * FROM given_{name}")
        figures, models = _steps(lake, settings, draft, planned.fresh, engine)
        for name, files in models.items():
            snapshots.keep(lake.snapshots, name, files)
        with stage("publish"):
            release = draft.publish(run_id, planned.inputs, settings.fingerprint, clock)
        deliver.drop_after(lake, settings)
    point_to_released(lake)
    return Outcome(day, release, figures)


def point_to_released(lake: Lake) -> None:
    """Make each model's current snapshot the one that the newest release was scored with."""
    newest = lake.release()
    with lake.session() as session:
        scored = newest.open(session, ["model_scores"]).rows(
            "SELECT model, max(version) FROM model_scores "
            f"WHERE business_date = DATE '{newest.business_date}' GROUP BY model"
        )
    for model, version in scored:
        if snapshots.current(lake.snapshots, str(model)) != version:
            snapshots.point(lake.snapshots, str(model), str(version))


def _steps(
    lake: Lake, settings: Settings, draft: Draft, fresh: Sequence[Delivery], engine: Engine
) -> tuple[dict[str, Any], dict[str, dict[str, bytes]]]:
    refuse_other_secret(draft.session, lake.identifier_secret())
    _warn_of_undeclared(settings, fresh)
    declared = tags.checked(settings.tags, settings.sources, settings.models)
    tags.log_definitions(draft, declared, author())
    with stage(f"ingest {len(fresh)} files"):
        stretches = engine.stage(lake, settings, fresh, draft.scratch) if engine.stage else ()
        taken = ingest.load(
            draft,
            settings.sources,
            settings.programme,
            list(fresh),
            lake.landing.read,
            lake.identifier_secret(),
            stretches,
        )
    if taken.erased:
        erasing.redact(lake.landing, taken.erased)
        erasure.account(draft, lake.landing.deliveries())
    figures, models = derive(lake, settings, draft)
    return {"ingest": taken, **figures}, models


def derive(
    lake: Lake, settings: Settings, draft: Draft, *, is_direct: bool = False
) -> tuple[dict[str, Any], dict[str, dict[str, bytes]]]:
    """All that follows from what was taken in: figures, and files of each model's snapshot.

    With ``is_direct`` tags are worked out from the rows, whatever was released before.
    """
    declared = tags.checked(settings.tags, settings.sources, settings.models)
    with stage("identity"):
        persons = identity.resolve(draft, settings.identity)
        if said := identity.warning(persons.wrong_links_per_person, settings.identity):
            log.warning("%s", said)
    with stage("tags"):
        features = [f for model in settings.models for f in model.measured]
        tags.refresh_partials(draft, [*declared, *features])
    with stage("models"):
        prepared = daily.prepare_all(draft, settings.models, lake.snapshots)
        scored = daily.score(draft, prepared)
    with stage("tag values and audiences"):
        tags.publish_tags(draft, declared, is_direct=is_direct)
        with snapshots.writing(lake.snapshots, TAG_BITMAPS.name) as kept:
            tags.publish_description(draft, declared, settings.tag_bounds, kept)
        given = in_force(lake, settings.audiences, draft, declared)
        selected = audiences.select(draft, given, declared, zone=settings.programme.zone)
    figures = {"identity": persons, "models": scored, "audiences": selected}
    return figures, {one.summary.model: one.files for one in prepared if one.files}


def last_date(lake: Lake, settings: Settings) -> date:
    """The business date whose cut is the first after the last delivery."""
    times = [one.delivered_at for one in lake.landing.deliveries()[-1:]]
    times += deliver.latest_waiting(lake, settings)
    if not times:
        raise UsageError(
            "the landing is empty",
            expected="at least one delivered file",
            got="none",
            where=str(lake.landing.root),
            todo="run `guiyi generate` for the sample world, or `guiyi land` your own files",
        )
    programme = settings.programme
    before = max(times) - timedelta(hours=programme.cut_hours)
    return business_date(before, programme.zone)


def _refuse_rewriting(
    known: Sequence[Release], day: date, inputs: str, rules: str, force: bool
) -> None:
    newest = known[-1] if known else None
    if newest is None or day > newest.business_date:
        return
    same = [release for release in known if release.business_date == day]
    if same and not (force and day == newest.business_date):
        changed = same[-1].inputs != inputs or same[-1].rules != rules
        raise NothingToDo(
            f"nothing to do: {day} is published as release {same[-1].release_no}"
            + ("; inputs or rules have changed since" if changed else ""),
            todo="--restate publishes it anew beside the old" if changed else "",
        )
    if not same:
        raise UsageError(
            f"{day} is before the newest release",
            expected=f"a business date after {newest.business_date}",
            got=str(day),
            todo="late data enters the next release; --restate rebuilds a date beside the old",
        )


def _warn_of_undeclared(settings: Settings, fresh: Sequence[Delivery]) -> None:
    known = {source.name for source in settings.sources} | {ORIGINS, DECISIONS, LISTS, ERASURES}
    unknown = sorted({d.source for d in fresh} - known)
    if unknown:
        log.warning(
            "no source %s is declared in the definitions in force: every row of its files goes to "
            "quarantine, from which `guiyi quarantine replay` takes it once it is",
            ", ".join(unknown),
        )


def _refuse_before_cut(day: date, at: datetime, now: datetime) -> None:
    """Published before its cut, a date would lack what is still to come before it."""
    if now < at:
        raise NotYetError(
            f"{day} is not over",
            expected=f"a time after its cut, {at}",
            got=str(now.replace(microsecond=0)),
            todo="run again after the cut",
        )


def _refuse_outside(lake: Lake, settings: Settings, day: date) -> None:
    """A date that no delivery belongs to is a mistake of the call, or its inputs are to come."""
    last = last_date(lake, settings)
    known = lake.landing.deliveries()
    first = business_date(known[0].delivered_at, settings.programme.zone) if known else day
    if day > last:
        raise NotYetError(
            f"nothing has been delivered for {day}",
            expected=f"a business date up to {last}, the last that has deliveries",
            got=str(day),
            where=str(lake.landing.manifest),
            todo="run again when its files are in the landing",
        )
    if day < first:
        raise UsageError(
            f"{day} is before all data",
            expected=f"a business date from {first} to {last}",
            got=str(day),
            where=str(lake.landing.manifest),
        )


def fingerprint_of(lake: Lake, at: datetime) -> str:
    """What the inputs of a release with the cut ``at`` are known by."""
    return _fingerprint(_counting(lake, at))


def _delivered(lake: Lake) -> set[str]:
    release = lake.release()
    with lake.session() as session:
        rows = release.open(session, ["deliveries"]).rows("SELECT file FROM deliveries")
    return {str(file) for (file,) in rows}


def _fingerprint(deliveries: Sequence[Delivery]) -> str:
    digest = hashlib.sha256()
    for d in deliveries:
        digest.update(f"{d.file}\0{d.sha256}\0{d.delivered_at.isoformat()}\n".encode())
    return digest.hexdigest()[:16]
