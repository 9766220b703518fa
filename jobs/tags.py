"""The definitions of tags in force, with those of given files: read, checked, and found by name."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain import definitions
from domain.definitions import Placed
from domain.near import meant
from lake import conf
from pipelines.audiences import check
from pipelines.tags.checks import Known, right
from pipelines.tags.places import Entry
from schemas.audiences import Audience
from schemas.errors import ConfigError, NotFoundError
from schemas.exports import Export
from schemas.model_definitions import Model
from schemas.sources import Source
from schemas.tag_bounds import TagBounds
from schemas.tag_definitions import Tag, TagFile


@dataclass(frozen=True, slots=True)
class Defined:
    """The tags that are right, in the order of their making, and every fault of the others."""

    tags: list[Tag]
    entries: dict[str, Entry]
    errors: list[ConfigError]
    files: list[Path]
    models: list[Model]

    def tag(self, name: str) -> Tag:
        """The tag called ``name``, or formerly so; NotFoundError names those that exist."""
        for tag in self.tags:
            if name == tag.name or name in tag.formerly:
                return tag
        known = sorted(tag.name for tag in self.tags)
        raise NotFoundError(
            f"there is no tag {name!r}", expected="one of " + ", ".join(known), got=name,
            todo=meant(name, known) or "see `guiyi tag check`, which says what is declared",
        )

    def require_right(self) -> None:
        """The first fault as ConfigError."""
        if self.errors:
            raise self.errors[0]


def read(files: Sequence[Path] = (), folder: Path | None = None) -> Defined:
    """The definitions in force below ``folder``, and ``files``, held together.

    A file takes the place of one in force that has its name, as in ``conf/local``.
    """
    paths = {path.name: path for path in conf.paths("tags", folder)}
    paths |= {path.name: path for path in files}
    given: list[Entry] = []
    wrong: list[tuple[str, ConfigError]] = []
    for _, path in sorted(paths.items()):
        found, faults = definitions.parse_items(_text(path), str(path), TagFile, "tags", Tag)
        given += [Entry(one.definition, one.lines, one.path) for one in found]
        wrong += faults
    models = conf.load("models", Model, folder)
    known = Known(conf.load("sources", Source, folder), models)
    tags, errors = right(given, known, [name for name, _ in wrong if name])
    all_errors = [error for _, error in wrong] + errors
    if not all_errors:
        all_errors = list(_users_faults(tags, known, folder))
    return Defined(
        tags, {entry.tag.name: entry for entry in reversed(given)}, all_errors,
        [path for _, path in sorted(paths.items())], models,
    )


def author() -> str:
    """Who publishes: ``GUIYI_AUTHOR``, else the name of the login."""
    given = os.environ.get("GUIYI_AUTHOR", "").strip()
    if given:
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _text(path: Path) -> str:
    try:
        return conf.text_of(path)
    except OSError as error:
        raise NotFoundError(
            "the file of tags cannot be read",
            expected="a YAML file, e.g. conf/examples/tags-minimal.yml",
            got=error.strerror or type(error).__name__, where=str(path),
        ) from error


def _users_faults(
    tags: Sequence[Tag], sources: Known, folder: Path | None
) -> Iterator[ConfigError]:
    """What audiences, exports and bounds say of tags and is not so."""
    audiences = conf.load_placed("audiences", Audience, folder)
    for placed in audiences:
        try:
            others = [one.definition for one in audiences]
            check(placed.definition, tags, others, known=sources)
        except ConfigError as error:
            yield ConfigError(
                str(error).split("\n")[0], expected=error.expected, got=error.got,
                where=_line(placed, error.got) + f" ({error.where})", todo=error.todo,
            )
    known = sorted(tag.name for tag in tags)
    for export in conf.load_placed("exports", Export, folder):
        for name in export.definition.tags:
            if name not in known:
                yield ConfigError(
                    f"there is no tag {name!r}", expected="one of " + ", ".join(known), got=name,
                    where=f"{_line(export, name)} (export {export.definition.name})",
                    todo=meant(name, known) or "name a declared tag, or take it out",
                )

    for bounds in conf.load_placed("tag_bounds.yml", TagBounds, folder):
        for name in bounds.definition.tags:
            if name not in known:
                yield ConfigError(
                    f"there is no tag {name!r}", expected="one of " + ", ".join(known), got=name,
                    where=bounds.lines.at("$.tags", name),
                    todo=meant(name, known) or "name a declared tag, or take it out",
                )


def _line(placed: Placed[Audience] | Placed[Export], word: str) -> str:
    return placed.lines.of_word("$", word) or placed.lines.at("$", "name")
