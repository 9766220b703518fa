"""An audience's rule tree with everything it names found: what both plans are made from.

A comparison with an unknown tag, or with a measure of nothing that has no value, is unknown, `not`
of unknown is unknown, and only what is true is in; sequences, audiences and lists are never
unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from schemas.audiences import Audience, Sequence
from schemas.measured import Measured
from schemas.rules import Comparison
from schemas.tag_definitions import Tag, Type


@dataclass(frozen=True, slots=True)
class TagLeaf:
    """A tag held against a value, which is written as the tag writes it."""

    tag: Tag
    test: Comparison


@dataclass(frozen=True, slots=True)
class DidLeaf:
    """What somebody did, measured, held against a value."""

    definition: Measured
    type: Type
    test: Comparison


@dataclass(frozen=True, slots=True)
class SequenceLeaf:
    """Steps, one after the other."""

    sequence: Sequence


@dataclass(frozen=True, slots=True)
class AudienceLeaf:
    """Being in another audience."""

    name: str


@dataclass(frozen=True, slots=True)
class Group:
    """All of ``parts``, or any of them; or not that."""

    is_or: bool
    is_not: bool
    parts: tuple[Node, ...]


Node: TypeAlias = TagLeaf | DidLeaf | SequenceLeaf | AudienceLeaf | Group


@dataclass(frozen=True, slots=True)
class Resolved:
    """An audience that can be computed; ``top`` is the tag that orders it, where it has one."""

    audience: Audience
    node: Node
    top: Tag | None


def leaves(node: Node) -> Iterator[TagLeaf | DidLeaf | SequenceLeaf | AudienceLeaf]:
    """What stands at the ends of a tree, in its order."""
    if isinstance(node, Group):
        for part in node.parts:
            yield from leaves(part)
    else:
        yield node
