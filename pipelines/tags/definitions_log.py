"""The log of definitions: who changed which tag, from which release on, under which names.

It is a record of acts, like the releases: what is published follows from the definitions in force
and never from the log, so that a rebuild is given the log and takes it on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import msgspec
import pyarrow as pa

from lake.draft import Draft
from lake.engines.duckdb import Session
from schemas.errors import ConfigError
from schemas.tag_definitions import Tag
from schemas.tags import TAG_DEFINITIONS

What = Literal["created", "changed", "renamed", "removed"]


@dataclass(frozen=True, slots=True)
class Change:
    """A row of ``tag_definitions``."""

    change_no: int
    tag: str
    change: What
    previous_name: str | None
    fingerprint: str
    definition: str
    author: str
    business_date: date
    changed_at: datetime

    @property
    def fields(self) -> dict[str, Any]:
        """The definition's fields."""
        found: dict[str, Any] = json.loads(self.definition)
        return found


def definition_of(tag: Tag) -> str:
    """A definition as JSON: what it says, without what stays unsaid; equal for equal ones."""
    silent = {field.encode_name: field.default for field in msgspec.structs.fields(Tag)}
    said = {
        name: value if name == "map" else _plain(value)
        for name, value in msgspec.to_builtins(tag).items()
        if value not in (None, [], {}) and value != silent.get(name)
    }
    return json.dumps(said, ensure_ascii=False, sort_keys=True)


def log_definitions(draft: Draft, tags: Sequence[Tag], author: str) -> list[Change]:
    """Add to ``tag_definitions`` what changed since the last release; returns the changes.

    ConfigError when a renamed tag has changed its type: its past could not go on.
    """
    known = changes(draft.session)
    first = 1 + max((one.change_no for one in known), default=0)
    found = [
        Change(
            first + number, tag, what, previous, fingerprint(text), text, author,
            draft.business_date, draft.cut,
        )
        for number, (tag, what, previous, text) in enumerate(_differences(in_force(known), tags))
    ]
    if found:
        rows = [{name: getattr(one, name) for name in TAG_DEFINITIONS.columns} for one in found]
        fresh = pa.Table.from_pylist(rows, schema=TAG_DEFINITIONS.schema)
        draft.session.register("fresh_changes", fresh)
        draft.append(TAG_DEFINITIONS.name, "SELECT * FROM fresh_changes ORDER BY change_no")
        draft.session.execute("DROP VIEW fresh_changes")
    return found


def changes(session: Session) -> list[Change]:
    """The log that an open release or draft shows, in order."""
    names = ", ".join(TAG_DEFINITIONS.columns)
    rows = session.table(f"SELECT {names} FROM {TAG_DEFINITIONS.name} ORDER BY change_no")
    return [Change(**row) for row in rows.to_pylist()]


def in_force(known: Iterable[Change]) -> dict[str, Change]:
    """Tag → the change that gave it the definition that it has at the end of the log."""
    found: dict[str, Change] = {}
    for one in known:
        if one.previous_name is not None:
            found.pop(one.previous_name, None)
        if one.change == "removed":
            found.pop(one.tag, None)
        else:
            found[one.tag] = one
    return found


@dataclass(frozen=True, slots=True)
class Stretch:
    """A name that a tag has or had, from one change on and up to, not including, another."""

    name: str
    first: Change | None = None
    end: Change | None = None

    def has(self, one: Change) -> bool:
        """Whether a change is the tag's under this name."""
        return (
            one.tag == self.name
            and (self.first is None or self.first.change_no <= one.change_no)
            and (self.end is None or one.change_no < self.end.change_no)
        )

    def holds(self, day: date) -> bool:
        """Whether what was published on a date under this name was the tag."""
        return (self.first is None or self.first.business_date <= day) and (
            self.end is None or day < self.end.business_date
        )


def names_of(name: str, known: Sequence[Change], tags: Iterable[Tag] = ()) -> list[Stretch]:
    """The present name of a tag, then its former names, newest first; ``name`` is any of them.

    Former names are those that the log tells of, and those that the definition says.
    """
    formerly = {tag.name: tag.formerly for tag in tags}
    renamed = {one.tag: one for one in known if one.change == "renamed"}
    later = {str(one.previous_name): one.tag for one in renamed.values()}
    later |= {old: now for now, before in formerly.items() for old in before}
    present, seen = name, {name}
    while present not in formerly and later.get(present, present) not in seen:
        present = later[present]
        seen.add(present)
    found = [Stretch(present, renamed.get(present) or _created_anew(present, known))]
    for one in found:
        if one.first is not None and one.first.previous_name is not None:
            old = one.first.previous_name
            first = renamed.get(old)
            is_before = first is not None and first.change_no < one.first.change_no
            found.append(Stretch(old, first if is_before else None, one.first))
    told = {one.name for one in found}
    found += [Stretch(old) for old in formerly.get(present, []) if old not in told]
    return found


def _created_anew(name: str, known: Sequence[Change]) -> Change | None:
    """The creation of a name that another tag had given up for a new one before."""
    left = [one.change_no for one in known if one.previous_name == name]
    later = [
        one for one in known
        if left and one.tag == name and one.change == "created" and one.change_no > max(left)
    ]
    return later[-1] if later else None


def differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Field → what it was and what it is, of two definitions; None where it was not said."""
    names = sorted({*before, *now} - {"name"})
    return {
        name: (before.get(name), now.get(name))
        for name in names if before.get(name) != now.get(name)
    }


def fingerprint(definition: str) -> str:
    """A short hash of a definition as JSON."""
    return hashlib.sha256(definition.encode()).hexdigest()[:16]


def _differences(
    before: Mapping[str, Change], tags: Sequence[Tag]
) -> Iterable[tuple[str, What, str | None, str]]:
    declared = {tag.name for tag in tags}
    renamed: set[str] = set()
    for tag in sorted(tags, key=lambda tag: tag.name):
        text = definition_of(tag)
        if tag.name in before:
            if before[tag.name].definition != text:
                yield tag.name, "changed", None, text
            continue
        old = [name for name in tag.formerly if name in before and name not in declared]
        if old:
            _require_type(tag, before[old[0]])
            renamed.add(old[0])
        yield tag.name, "renamed" if old else "created", old[0] if old else None, text
    for name in sorted(before.keys() - declared - renamed):
        yield name, "removed", None, before[name].definition


def _require_type(tag: Tag, before: Change) -> None:
    was = str(before.fields["type"])
    if was != tag.type:
        raise ConfigError(
            f"the tag {tag.name} has another type than {before.tag}, which it was",
            expected=was, got=tag.type, where=f"tag {tag.name}, formerly",
            todo="take it out of `formerly`: another type is another tag",
        )


def _plain(value: Any) -> Any:
    """Without the ids that an editor gives its boxes, and what parts leave unsaid."""
    if isinstance(value, dict):
        return {
            key: _plain(part) for key, part in value.items()
            if part is not None and key != "id" and (key, part) != ("not", False)
        }
    return [_plain(part) for part in value] if isinstance(value, list) else value
