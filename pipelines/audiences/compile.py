"""The SQL plan: an audience becomes one query over the tags, events and lists of a release."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import msgspec

from domain.hold_out import held_out_sql
from pipelines.audiences import sequences, values
from pipelines.audiences.lists import persons_on
from pipelines.audiences.resolve import stood_on
from pipelines.audiences.tree import (
    AudienceLeaf,
    DidLeaf,
    Node,
    Resolved,
    SequenceLeaf,
    TagLeaf,
    leaves,
)
from pipelines.tags.cells import Cell, cells_of, value
from pipelines.tags.direct import direct
from pipelines.tags.windows import literal
from schemas.audiences import Audience
from schemas.errors import ConfigError
from schemas.tag_definitions import Tag

_BUNDLES = (
    "(SELECT b.bundle_id, b.valid_from, b.valid_to, p.person_no "
    "FROM bundle_persons AS b JOIN persons AS p ON p.one_id = b.one_id{only})"
)


@dataclass(frozen=True, slots=True)
class Day:
    """What a query is of: a business date, its end, and what its tags are called there.

    ``person_no`` narrows everything down to one person.
    """

    date: date
    end: datetime
    column: Callable[[Tag], str]
    person_no: int | None = None

    @property
    def bundles(self) -> str:
        """A relation that says whose a bundle was when, by the number of the person."""
        only = "" if self.person_no is None else f" WHERE p.person_no = {self.person_no}"
        return _BUNDLES.format(only=only)


def version(audience: Audience, audiences: Iterable[Audience] = ()) -> str:
    """A fingerprint of all that it says, but its label and the ids of the editor.

    It is also of each of ``audiences`` that it stands on, directly or by way of others, so that
    the same version has the same members wherever tags, events and lists are the same.
    ConfigError for a tree that is too deep.
    """
    own = _said(audience)
    below = stood_on(audience, audiences)
    if not below:
        return hashlib.sha256(own).hexdigest()[:16]
    # By name, so that the order in which they are declared means nothing.
    parts = [own, *(_said(below[name]) for name in sorted(below))]
    return hashlib.sha256(b"\n".join(parts)).hexdigest()[:16]


def _said(audience: Audience) -> bytes:
    try:
        said = _without_ids(msgspec.to_builtins(audience))
        said.pop("label", None)
        return msgspec.json.encode(said, order="sorted")
    except RecursionError:
        raise ConfigError(
            "the tree is too deep", expected="at most 100 groups in each other", got="hundreds",
            where=f"audience {audience.name}", todo="write it flatter",
        ) from None


def _without_ids(said: Any) -> Any:
    if isinstance(said, list):
        return [_without_ids(part) for part in said]
    if not isinstance(said, dict):
        return said
    return {
        key: _without_ids(part) for key, part in said.items()
        if part is not None and key not in ("id", "valueSource")
    }


@dataclass(slots=True)
class Base:
    """A relation of the persons of a date with what leaves are told by, and each leaf's SQL."""

    day: Day
    names: dict[str, str] = field(default_factory=dict)
    """Relations of the members of other audiences."""
    tags: dict[str, Tag] = field(default_factory=dict)
    did: list[DidLeaf] = field(default_factory=list)

    def add(self, node: Node) -> None:
        """Have what the leaves of a tree ask for."""
        for leaf in leaves(node):
            if isinstance(leaf, TagLeaf):
                self.tags[leaf.tag.name] = leaf.tag
            elif isinstance(leaf, DidLeaf) and leaf not in self.did:
                self.did.append(leaf)

    def sql(self) -> str:
        """The relation: ``one_id, person_no``, a column per tag and per measure."""
        day = literal(self.day.date)
        only = "" if self.day.person_no is None else f" AND person_no = {self.day.person_no}"
        tags = "".join(
            f', "{self.day.column(tag)}" AS "{tag_column(tag)}"' for tag in self.tags.values()
        )
        persons = (
            f"SELECT one_id, person_no{tags} FROM tag_values WHERE business_date = {day}{only}"
        )
        if not self.did:
            return persons
        measures = "".join(
            f', {value(leaf.definition, self.day.date)} AS "did {number}"'
            for number, leaf in enumerate(self.did)
        )
        return (
            f"SELECT t.*{measures} FROM ({persons}) AS t LEFT JOIN ("
            f"SELECT * RENAME (person_no AS measured_no) FROM ({measured(self.did, self.day)})"
            ") AS m ON m.measured_no = t.person_no"
        )

    def value(self, leaf: TagLeaf | DidLeaf) -> str:
        """The column in which a leaf's value stands."""
        if isinstance(leaf, TagLeaf):
            return tag_column(leaf.tag)
        return f"did {self.did.index(leaf)}"

    def holds(self, node: Node) -> str:
        """A tree as SQL of three values over the relation."""
        if isinstance(node, TagLeaf):
            return values.sql(node.test, self.value(node), node.tag.type)
        if isinstance(node, DidLeaf):
            return values.sql(node.test, self.value(node), node.type)
        if isinstance(node, SequenceLeaf):
            inside = sequences.members(
                node.sequence, self.day.date, self.day.end, self.day.bundles
            )
            return f"person_no IN ({inside})"
        if isinstance(node, AudienceLeaf):
            return f"person_no IN (SELECT person_no FROM {self.names[node.name]})"
        joined = " OR " if node.is_or else " AND "
        said = joined.join(f"({self.holds(part)})" for part in node.parts)
        return f"NOT ({said})" if node.is_not else said


def tag_column(tag: Tag) -> str:
    """What a tag is called in a ``Base``, where measures have names too."""
    return f"tag {tag.name}"


def measured(did: Iterable[DidLeaf], day: Day) -> str:
    """A query of ``person_no`` and the cells that the leaves are measured by."""
    cells: dict[str, Cell] = {}
    for leaf in did:
        cells |= {cell.name: cell for cell in cells_of(leaf.definition)}
    return direct(list(cells.values()), day.date, day.bundles)


def members(resolved: Resolved, day: Day, names: dict[str, str]) -> str:
    """A query of ``one_id, person_no`` of the members; ``names`` are relations of the others'."""
    audience = resolved.audience
    base = Base(day, names)
    base.add(resolved.node)
    if resolved.top is not None:
        base.tags[resolved.top.name] = resolved.top
    held = base.holds(resolved.node)
    for name in audience.include:
        held = f"({held}) OR {on_list(name, day)}"
    wanted = [f"({held})"]
    wanted += [f"NOT {on_list(name, day)}" for name in audience.exclude]
    if audience.hold_out is not None:
        chance = held_out_sql("person_no", audience.hold_out.seed, audience.hold_out.share)
        wanted.append(f"NOT {chance}")
    query = f"SELECT one_id, person_no FROM ({base.sql()}) WHERE {' AND '.join(wanted)}"
    if audience.top is None or resolved.top is None:
        return query
    column, order = f'"{tag_column(resolved.top)}"', audience.top.order
    return (
        f"{query} AND {column} IS NOT NULL ORDER BY {column} "
        f"{'DESC' if order == 'highest' else 'ASC'}, person_no LIMIT {audience.top.n}"
    )


def on_list(name: str, day: Day) -> str:
    """SQL that says whether ``person_no`` is on a list; never unknown."""
    return f"person_no IN (SELECT person_no FROM ({persons_on(name, day.date)}))"


def whole_query(order: Iterable[Resolved], day: Day) -> str:
    """One query of the members of the last of ``order``, which stands on those before it."""
    *others, last = order
    names = {one.audience.name: f'"members of {one.audience.name}"' for one in others}
    parts = [f"{names[one.audience.name]} AS ({members(one, day, names)})" for one in others]
    query = members(last, day, names)
    return f"WITH {', '.join(parts)} {query}" if parts else query


