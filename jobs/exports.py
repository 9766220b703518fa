"""The job ``exports``: files of each audience of a release, by their recipes, handed over."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from importlib.metadata import version as installed
from typing import Any

from jobs.audiences import together
from jobs.registry import plain
from jobs.run import clock
from jobs.settings import Settings
from jobs.tags import author
from lake import exports, locks
from lake.engines.duckdb import Session, quoted
from lake.releases import Release
from lake.store import Lake
from pipelines.audiences import Selector, version
from pipelines.erasure import veil
from pipelines.exports import Asked, Given, check, write
from pipelines.tags import declared, show_sparse_tags
from pipelines.tags.published import TagBitmaps
from schemas.audiences import Audience
from schemas.erasures import ERASURES
from schemas.errors import BusyError, ConfigError, GuiyiError, NotFoundError, NothingToDo
from schemas.events import DELIVERIES
from schemas.exports import Export
from services.access.core import actor
from services.database import open_database

WAIT_S = 600.0
"""How long an export waits for another of its name to be written."""


def publish(lake: Lake, settings: Settings, day: date) -> list[dict[str, Any]]:
    """Write and hand over every declared export of the release of ``day``; the manifests of the
    new, each with its hand-overs.

    NothingToDo when each was before. What fails is raised once the others are done.
    """
    fresh, errors = [], list[GuiyiError]()
    for recipe in settings.exports:
        try:
            done = publish_one(lake, settings, recipe, day)
        except NothingToDo:
            continue
        except GuiyiError as error:
            errors.append(error)
            continue
        if done["is_new"]:
            fresh.append(done)
    if errors:
        raise errors[0]
    if not fresh:
        raise NothingToDo(f"nothing to do: the exports of {day} are written and handed over")
    return fresh


def publish_one(
    lake: Lake, settings: Settings, recipe: Export, day: date, to: str | None = None,
    by: str | None = None,
) -> dict[str, Any]:
    """Write one export of the release of ``day`` and hand it over; its manifest and hand-overs.

    ``is_new`` says whether anything was done. ``to`` is one of its destinations, all when None.
    """
    if not recipe.destinations and to is None:
        manifest, is_new = run(lake, settings, recipe, day)
        return {**manifest, "handovers": [], "is_new": is_new}
    from jobs.handovers import Desk

    with closing(open_database(lake.root)) as database:
        desk = Desk(lake, settings, database, clock)
        who = actor(by or author(), "service")
        names = [to] if to else recipe.destinations
        done = [desk.settled(recipe, desk.place_of(recipe, name), day, who) for name in names]
    one, _ = done[-1]
    manifest = exports.manifest(lake.exports, recipe.name, str(one.version))
    return {
        **manifest, "handovers": [plain(one) for one, _ in done],
        "is_new": any(is_new for _, is_new in done),
    }


def find(settings: Settings, name: str) -> Export:
    """The declared export called ``name``."""
    for one in settings.exports:
        if one.name == name:
            return one
    raise NotFoundError(
        f"there is no export {name!r}",
        expected="one of " + ", ".join(one.name for one in settings.exports), got=name,
        todo="declare it in conf/local/exports",
    )


def run(
    lake: Lake, settings: Settings, recipe: Export, day: date, base: str | None = None
) -> tuple[dict[str, Any], bool]:
    """The manifest of one export of the release of ``day``, and whether it was written just now.

    ``base`` is the version that the receiver has, for a delta. NothingToDo when the version was
    withdrawn; ConfigError when the definition does not fit; BusyError when an erasure comes in;
    StorageError when it cannot be written.
    """
    release = lake.release(day)
    audiences = together(lake, settings.audiences, release.cut)
    audience = audience_of(audiences, recipe)
    check(recipe, declared(settings.tags), settings.destinations)
    chain = _chain(lake, recipe, base) if base else []
    asked = Asked(
        recipe, version(audience, audiences), day, release.cut, release.release_no,
        base if chain else None,
    )
    with locks.exclusive(lake.root / "locks", f"export-{recipe.name}", WAIT_S):
        place = (lake.exports, recipe.name, asked.version)
        if exports.is_withdrawn(*place):
            raise NothingToDo(
                f"nothing to do: {asked.version} of {recipe.name} was withdrawn",
                todo="a newer release gives a new version",
            )
        if exports.has(*place):
            return exports.manifest(*place), False
        newest = lake.release()
        require_no_erasure(lake, newest)
        with lake.session() as session:
            veil.opened(lake, release, session)
            manifest = _write(session, lake, settings, audiences, asked, chain, newest)
    return manifest, True


def _write(
    session: Session, lake: Lake, settings: Settings, audiences: list[Audience], asked: Asked,
    chain: list[Given], newest: Release,
) -> dict[str, Any]:
    show_sparse_tags(session)
    members = _members(session, lake, settings, audiences, asked)
    with exports.writing(lake.exports, asked.recipe.name, asked.version) as draft:
        manifest = write(session, draft, asked, members, chain)
        manifest["guiyi"] = installed("guiyi")
        require_no_erasure(lake, newest)
        draft.finish(manifest)
    try:
        # One that was landed after the last look may have searched before this was to be seen.
        require_no_erasure(lake, newest)
    except BusyError:
        if exports.has(lake.exports, asked.recipe.name, asked.version):
            exports.discard(lake.exports, asked.recipe.name, asked.version)
        raise
    return manifest


def require_no_erasure(lake: Lake, newest: Release) -> None:
    """BusyError when an erasure was landed that ``newest`` has not carried out."""
    landed = {one.file for one in lake.landing.deliveries() if one.source == ERASURES}
    if landed:
        with lake.session() as session:
            newest.open(session, [DELIVERIES.name])
            found = session.rows(f"SELECT file FROM {DELIVERIES.name}")
        landed -= {str(file) for (file,) in found}
    if landed:
        raise BusyError(
            "an erasure came in, and nothing leaves until it is carried out",
            expected="every erasure carried out by the newest release",
            got=f"{len(landed)} that release {newest.release_no} does not know",
            where=str(lake.landing.manifest),
            todo="run it again after the erasure; the next `guiyi erase` or release carries it out",
        )


def _members(
    session: Session, lake: Lake, settings: Settings, audiences: list[Audience], asked: Asked
) -> str:
    """The members as the release has published them, else as the audience is declared now."""
    published = (
        f"FROM audience_members WHERE audience = {quoted(asked.recipe.audience)} "
        f"AND version = {quoted(asked.audience_version)} "
        f"AND business_date = DATE '{asked.business_date}'"
    )
    if session.rows(f"SELECT 1 {published} LIMIT 1"):
        return f"SELECT one_id, person_no {published}"
    day = asked.business_date
    bitmaps = TagBitmaps.of(session, lake.snapshots, day)
    selector = Selector(session, bitmaps, day, declared(settings.tags), audiences)
    return selector.query(asked.recipe.audience)


def audience_of(audiences: list[Audience], recipe: Export) -> Audience:
    """The audience of an export; ConfigError when it is not among ``audiences``."""
    known = {audience.name: audience for audience in audiences}
    if recipe.audience not in known:
        raise ConfigError(
            f"there is no audience {recipe.audience!r}", expected="one of " + ", ".join(known),
            got=recipe.audience, where=f"export {recipe.name}",
        )
    return known[recipe.audience]


def _chain(lake: Lake, recipe: Export, base: str) -> list[Given]:
    """What a receiver of ``base`` has, the full version first; nothing where that is not known.

    Not known it is when a version was withdrawn or is gone, or has other columns than now.
    """
    found: list[Given] = []
    at: str | None = base
    while at is not None:
        if not exports.has(lake.exports, recipe.name, at):
            return []
        one = exports.manifest(lake.exports, recipe.name, at)
        columns = [column["name"] for column in one["columns"] if column["name"] != "change"]
        given = one["recipe"]
        if columns != recipe.columns or one["schema_version"] != recipe.schema_version or (
            given["format"] != recipe.format
        ):
            return []
        folder = lake.exports / recipe.name / at
        paths = tuple(str(folder / part["name"]) for part in one["parts"])
        found.append(Given(paths, given["format"], one["kind"] == "delta", given["header"]))
        at = one["base"]
    return found[::-1]
