"""The audiences in force, from files and from the API, and what they are as of a release."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from domain import definitions
from domain.definitions import Placed
from domain.near import meant
from jobs.progress import log
from lake import conf
from lake.draft import Draft
from lake.store import Lake
from pipelines.audiences import check, version
from pipelines.audiences.lists import known_lists
from pipelines.tags import checked
from pipelines.tags.checks import Known
from schemas.audiences import Audience
from schemas.errors import ConfigError, FieldError, NotFoundError
from schemas.model_definitions import Model
from schemas.programme import Programme
from schemas.sources import Source
from schemas.tag_definitions import Tag, TagFile

_PLACE = re.compile(r"audience (\S+?)(?: at (\$[^,\s]*))?(?:,.*)?$")


@dataclass(frozen=True, slots=True)
class Defined:
    """The audiences in force now, where each is defined, and every fault of theirs."""

    audiences: list[Audience]
    origins: dict[str, str]
    tags: list[Tag]
    errors: dict[str, list[ConfigError]]
    zone: str
    region: str
    known: Known | None = None
    """What sources bring, which leaves about events are held to."""

    def require_right(self, one: Audience) -> None:
        """ConfigError unless ``one``, in force or not, can be computed."""
        check(one, self.tags, self.audiences, known=self.known)

    def faults(self, names: Sequence[str]) -> list[ConfigError]:
        """The faults that keep these audiences from being computed."""
        return [error for name in names for error in self.errors.get(name, [])]


def in_force(
    lake: Lake, declared: Sequence[Audience], draft: Draft, tags: Sequence[Tag]
) -> list[Audience]:
    """The audiences of a release in the making: those declared, and those made over the API.

    One of the API's that cannot be computed any more is left out with a warning, and so is what
    stands on it; a declared one is left in, and stops the release.
    """
    names = {one.name for one in declared}
    audiences, lists = together(lake, declared, draft.cut), known_lists(draft.session)
    while True:
        fit = [one for one in audiences if one.name in names or _fits(one, tags, audiences, lists)]
        if len(fit) == len(audiences):
            return audiences
        audiences = fit


def together(lake: Lake, declared: Sequence[Audience], cut: datetime) -> list[Audience]:
    """Those declared, and those made over the API before ``cut``; a declared one goes first."""
    return _together(declared, [one for one, _ in _stored(lake, cut)])


def _fits(
    one: Audience, tags: Sequence[Tag], audiences: Sequence[Audience], lists: set[str]
) -> bool:
    try:
        check(one, tags, audiences, lists=lists)
    except ConfigError as error:
        log.warning("an audience of the API is left out: %s", error)
        return False
    return True


def read(
    lake: Lake | None = None, files: Sequence[Path] = (), folder: Path | None = None
) -> Defined:
    """The audiences in force now below ``folder`` and in the API's store, and those in ``files``.

    A file takes the place of what is in force under the name that it gives.
    """
    placed = {one.definition.name: one for one in conf.load_placed("audiences", Audience, folder)}
    placed |= {one.definition.name: one for one in map(_placed, files)}
    declared = [one.definition for one in placed.values()]
    stored = [] if lake is None else _stored(lake, None)
    audiences = _together(declared, [one for one, _ in stored])
    origins = {one.name: origin for one, origin in stored}
    origins |= {name: one.lines.at("$", "name").rpartition(":")[0] for name, one in placed.items()}
    sources, models = conf.load("sources", Source, folder), conf.load("models", Model, folder)
    tags = checked(conf.load_placed("tags", TagFile, folder), sources, models)
    known = Known(sources, models)
    errors = _faults(audiences, placed, tags, _lists(lake), known)
    (programme,) = conf.load("programme.yml", Programme, folder)
    return Defined(audiences, origins, tags, errors, programme.zone, programme.region, known)


def definition(given: Mapping[str, Any] | str) -> Audience:
    """An audience from a mapping or its JSON; ConfigError says where it is wrong."""
    try:
        if isinstance(given, str):
            return msgspec.json.decode(given, type=Audience)
        return msgspec.convert(given, Audience)
    except RecursionError:
        raise ConfigError(
            "the definition is nested too deeply", expected="at most 100 groups in each other",
            got="hundreds", where="audience at $.query",
            todo="write less into each other, e.g. name audiences in audiences",
        ) from None
    except msgspec.DecodeError as error:
        what, *places = re.split(r" - at `\$([^`]*)`", str(error))
        place = "".join(reversed(places[::2]))
        check = error.__cause__ if isinstance(error.__cause__, FieldError) else None
        raise ConfigError(
            what, where=f"audience at ${place}",
            expected=(check and check.expected) or "the shape of an audience",
            todo=(check and check.todo) or "see the schema of Audience in docs/definitions.md",
        ) from None


def has_lake(data: str | None) -> bool:
    """Whether there is a lake at ``data``, else at the default place."""
    return Path(data or os.environ.get("GUIYI_DATA") or "data").is_dir()


def require_known(defined: Defined, names: Sequence[str]) -> None:
    """NotFoundError for a name that no audience has."""
    known = sorted(one.name for one in defined.audiences)
    for name in names:
        if name not in known:
            raise NotFoundError(
                f"there is no audience {name!r}", expected="one of " + ", ".join(known), got=name,
                todo=meant(name, known) or "see `guiyi audience list`",
            )


def listing(lake: Lake, defined: Defined) -> list[dict[str, Any]]:
    """The audiences in force: label, version, size in the newest release, where defined."""
    sizes: dict[str, Any] = {}
    if lake.releases():
        release = lake.release()
        with lake.session() as session:
            found = release.open(session, ["audience_members"]).rows(
                "SELECT audience, version, count(*) FROM audience_members "
                f"WHERE business_date = DATE '{release.business_date}' GROUP BY ALL"
            )
        sizes = {f"{name} {kept}": count for name, kept, count in found}
    return [
        {
            "audience": one.name, "label": one.label, "version": made,
            "published_members": sizes.get(f"{one.name} {made}"),
            "is_right": one.name not in defined.errors, "defined_in": defined.origins[one.name],
        }
        for one in defined.audiences
        for made in [version(one, defined.audiences)]
    ]


def _stored(lake: Lake, cut: datetime | None) -> list[tuple[Audience, str]]:
    """Audiences made over the API, before ``cut`` if it is given, with their origin.

    A lake that no API has served has no database, and asking must not make one.
    """
    if not os.environ.get("GUIYI_DATABASE") and not (lake.root / "services.db").exists():
        return []
    from services.audiences import store
    from services.database import open_database

    database = open_database(lake.root)
    try:
        with database.reading() as session:
            if cut is not None:
                return [(one, "") for one in store.in_force(session, cut)]
            return [
                (one.audience, f"the API, version {one.number} by {one.created_by}")
                for one in store.every(session)
            ]
    finally:
        database.close()


def _together(declared: Sequence[Audience], stored: Sequence[Audience]) -> list[Audience]:
    names = {one.name for one in declared}
    return [*declared, *(one for one in stored if one.name not in names)]


def _placed(path: Path) -> Placed[Audience]:
    try:
        return definitions.parse_placed(conf.text_of(path), str(path), Audience)
    except OSError as error:
        raise NotFoundError(
            "the file of an audience cannot be read", got=error.strerror or type(error).__name__,
            expected="a YAML file, e.g. conf/base/audiences/beijing_coffee_women.yml",
            where=str(path),
        ) from error


def _lists(lake: Lake | None) -> set[str] | None:
    if lake is None or not lake.releases():
        return None
    with lake.session() as session:
        return known_lists(lake.release().open(session, ["list_members"]))


def _faults(
    audiences: Sequence[Audience], placed: dict[str, Placed[Audience]], tags: Sequence[Tag],
    lists: set[str] | None, known: Known,
) -> dict[str, list[ConfigError]]:
    """By audience what is wrong with it, or with one that it stands on."""
    found: dict[str, list[ConfigError]] = {}
    for one in audiences:
        try:
            check(one, tags, audiences, lists=lists, known=known)
        except ConfigError as error:
            found[one.name] = [_located(error, placed)]
    return found


def _located(error: ConfigError, placed: dict[str, Placed[Audience]]) -> ConfigError:
    """The error with file and line, where a file says what it is about."""
    match = _PLACE.search(error.where)
    if match is None or match[1] not in placed:
        return error
    lines = placed[match[1]].lines
    path = match[2] or "$"
    line = lines.of_word(path, error.got) or (lines.at(path) if match[2] else lines.at("$", "name"))
    return ConfigError(
        str(error).split("\n")[0], expected=error.expected, got=error.got,
        where=f"{line} ({error.where})", todo=error.todo,
    )
