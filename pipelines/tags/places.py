"""Where tags are defined, so that an error about one says its file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from domain.definitions import Lines, Placed
from schemas.errors import ConfigError
from schemas.tag_definitions import Tag, TagFile

_FIELD = re.compile(r", field (\w+)")


@dataclass(frozen=True, slots=True)
class Entry:
    """A tag, and where it is defined, if that is known."""

    tag: Tag
    lines: Lines | None = None
    path: str = ""

    @property
    def where(self) -> str:
        """``file:line`` of its name, or only its name."""
        return self.at("name")

    def at(self, key: str, word: str = "") -> str:
        """``file:line`` of the word in its definition, else of the key, and its name."""
        called = f"tag {self.tag.name}"
        if self.lines is None:
            return called
        place = self.lines.of_word(self.path, word) if word else None
        return f"{place or self.lines.at(self.path, key)} ({called})"

    def told(self, error: ConfigError, key: str = "name") -> ConfigError:
        """An error about the tag with the line that holds what came, else that of ``key``.

        An error that has its line already stays as it is.
        """
        if self.lines is None or not error.where.startswith("tag "):
            return error
        field = _FIELD.search(error.where)
        beside = field.group(1) if field else ""
        place = None
        for word in [*_words(error.got), beside]:
            place = place or self.lines.of_word(self.path, word, beside)
            place = place or self.lines.of_word(self.path, word)
            if key == "sql":
                place = place or self.lines.in_text(self.path, word)
        place = place or self.lines.at(self.path, key)
        return ConfigError(
            str(error).split("\n")[0], expected=error.expected, got=error.got,
            where=f"{place} ({error.where})", todo=error.todo,
        )


def entries(files: Iterable[TagFile | Placed[TagFile]]) -> list[Entry]:
    """The tags of files in order, each with its place where the file knows its lines."""
    found: list[Entry] = []
    for file in files:
        if isinstance(file, Placed):
            found += [
                Entry(tag, file.lines, f"{file.path}.tags[{number}]")
                for number, tag in enumerate(file.definition.tags)
            ]
        else:
            found += [Entry(tag) for tag in file.tags]
    return found


def _words(got: str) -> list[str]:
    """What came, as it may stand in the definition: bare, without its type or its quotes."""
    bare = re.sub(r" \([^()]*\)$", "", got)
    return [word for word in (got, bare, bare.strip("'\"")) if word]
