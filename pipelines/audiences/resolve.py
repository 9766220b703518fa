"""Finds what an audience names, and refuses what cannot be computed, before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Sequence as Listed
from dataclasses import dataclass

from domain.near import meant
from pipelines.audiences import values
from pipelines.audiences.tree import (
    AudienceLeaf,
    DidLeaf,
    Group,
    Node,
    Resolved,
    SequenceLeaf,
    TagLeaf,
)
from pipelines.tags.cells import value_type
from pipelines.tags.checks import Known
from pipelines.tags.measures import measure_of
from pipelines.tags.vocabulary import fields_of, operand
from schemas.audiences import Audience, Condition, Did, Sequence, Step
from schemas.errors import ConfigError
from schemas.measured import Measured
from schemas.rules import Comparison
from schemas.tag_definitions import Tag

DEEPEST = 100
"""Groups in groups, and audiences on audiences: who writes more writes with a program."""
ORDERED = ("integer", "number", "date")


@dataclass(frozen=True, slots=True)
class Book:
    """What audiences may name. Of ``lists`` and ``known`` nothing is checked when they are None."""

    tags: Mapping[str, Tag]
    audiences: Mapping[str, Audience]
    lists: Collection[str] | None = None
    known: Known | None = None


def check(
    audience: Audience, tags: Listed[Tag], audiences: Iterable[Audience], *,
    lists: Collection[str] | None = None, known: Known | None = None,
) -> None:
    """ConfigError unless the audience and those it stands on can be computed.

    It names the audience, the place in its tree, what was expected and what came. ``lists`` are
    the names of all lists, ``known`` says what sources bring; without them, what is on that is
    not asked.
    """
    book = {one.name: one for one in audiences} | {audience.name: audience}
    named = Book({tag.name: tag for tag in tags}, book, lists, known)
    for name in in_order([audience.name], named):
        resolved(book[name], named)


def in_order(names: Iterable[str], book: Book) -> list[str]:
    """The named audiences and those they stand on, each after what it stands on.

    ConfigError for a ring, an audience that there is not, and a tree that is too deep.
    """
    ordered: dict[str, None] = {}
    for name in names:
        _place(name, book, ordered, ())
    return list(ordered)


def _place(name: str, book: Book, ordered: dict[str, None], above: tuple[str, ...]) -> None:
    if name in ordered:
        return
    if name in above:
        ring = [*above[above.index(name) :], name]
        raise ConfigError(
            "audiences that stand on each other", expected="no audience that speaks of itself",
            got=" → ".join(ring), where=f"audience {above[-1]}",
            todo="take one of these references out",
        )
    if name not in book.audiences:
        raise ConfigError(
            f"there is no audience {name!r}",
            expected="one of " + ", ".join(sorted(book.audiences)), got=name,
            where=f"audience {above[-1]}" if above else "", todo=meant(name, book.audiences),
        )
    if len(above) >= DEEPEST:
        raise ConfigError(
            "audiences stand too deep on each other", expected=f"at most {DEEPEST}",
            got=" → ".join(above[:3]) + " → …", where=f"audience {above[0]}",
            todo="write what the lower ones say into one tree",
        )
    _require_shallow(book.audiences[name])
    for other in sorted(_named(book.audiences[name].query)):
        _place(other, book, ordered, (*above, name))
    ordered[name] = None


def _require_shallow(audience: Audience) -> None:
    level, depth = [audience.query], 0
    while level:
        depth += 1
        if depth > DEEPEST + 1:
            raise ConfigError(
                "the tree is too deep", expected=f"at most {DEEPEST} groups in each other",
                got="more", where=f"audience {audience.name}",
                todo="a group in a group of the same combinator may be written into it",
            )
        level = [part for rule in level for part in rule.rules or []]


def stood_on(audience: Audience, audiences: Iterable[Audience]) -> dict[str, Audience]:
    """Those of ``audiences`` that it names, and that these name, by name; itself is none of them.

    Any tree will do: a name that there is not is left out, and a ring ends where it began.
    """
    known = {one.name: one for one in audiences}
    found: dict[str, Audience] = {}
    waiting = [audience]
    while waiting:
        for name in _named(waiting.pop().query):
            if name in known and name not in found and name != audience.name:
                found[name] = known[name]
                waiting.append(known[name])
    return found


def _named(query: Condition) -> set[str]:
    """Names of the audiences that a tree speaks of."""
    found, waiting = set(), [query]
    while waiting:
        rule = waiting.pop()
        waiting += rule.rules or []
        if rule.audience is not None:
            found.add(rule.audience)
    return found


def resolved(audience: Audience, book: Book) -> Resolved:
    """The audience with all that it names; ``in_order`` has been asked of it before."""
    where = f"audience {audience.name}"
    for field in ("include", "exclude"):
        for name in getattr(audience, field):
            if book.lists is not None and name not in book.lists:
                known = sorted(book.lists)
                raise ConfigError(
                    f"there is no list {name!r}",
                    expected="one of " + ", ".join(known) if known else "a list: there is none",
                    got=name, where=f"{where} at $.{field}",
                    todo=meant(name, known) or "`guiyi list add` makes one",
                )
    top = None
    if audience.top is not None:
        top = _tag(audience.top.by, book, f"{where} at $.top")
        if top.type not in ORDERED:
            raise ConfigError(
                "nobody is first by this", expected="a tag that is integer, number or date",
                got=f"{top.name} ({top.type})", where=f"{where} at $.top",
            )
    return Resolved(audience, _node(audience.query, book, where, "$.query"), top)


def _node(rule: Condition, book: Book, where: str, path: str) -> Node:
    place = f"{where} at {path}"
    if rule.rules is not None:
        parts = [
            _node(part, book, where, f"{path}.rules[{number}]")
            for number, part in enumerate(rule.rules)
        ]
        return Group(rule.combinator == "or", rule.is_not, tuple(parts))
    if rule.audience is not None:
        return AudienceLeaf(rule.audience)
    if rule.sequence is not None:
        return _sequence(rule.sequence, book, place)
    assert rule.operator is not None
    test = Comparison(rule.operator, rule.value)
    if rule.did is not None:
        definition = _measured(rule.did, place)
        _require_known(rule.did.source, rule.did, book, place, rule.did.field)
        kind = value_type(definition)
        return DidLeaf(definition, kind, values.plain(test, kind, place))
    tag = _tag(rule.field or "", book, place)
    given = operand({tag.name: tag}, tag.name, place)
    return TagLeaf(tag, values.plain(test, tag.type, place, given.map, given.values))


def _tag(name: str, book: Book, place: str) -> Tag:
    operand(dict(book.tags), name, place)
    return book.tags[name]


def _measured(did: Did, place: str) -> Measured:
    try:
        definition = Measured(
            name="did", source=did.source, types=did.types, where=did.where,
            measure=did.measure, field=did.field, read_as=did.read_as, window=did.window,
        )
        measure_of(definition)
    except ValueError as error:
        raise ConfigError(
            "this cannot be measured", expected=getattr(error, "expected", ""),
            got=str(error).split(" - at ")[0], where=place,
        ) from None
    except ConfigError as error:
        raise _moved(error, place) from None
    return definition


def _moved(error: ConfigError, place: str) -> ConfigError:
    """The error, told with its place in the audience."""
    said = str(error).split("\n")[0]
    field = error.where.partition(", ")[2]
    return ConfigError(
        said, expected=error.expected, got=error.got, todo=error.todo,
        where=f"{place}, {field}" if field else place,
    )


def step_measure(step: Step) -> Measured:
    """A step as a measure: the events that fulfil it, counted."""
    return Measured(
        name="step", source="events", types=step.types, where=step.where, measure="count",
        window="ever",
    )


def _sequence(sequence: Sequence, book: Book, place: str) -> SequenceLeaf:
    named = {f"steps[{number}]": step for number, step in enumerate(sequence.steps)}
    if sequence.without is not None:
        named["without"] = sequence.without
    for path, step in named.items():
        at = f"{place}.sequence.{path}"
        try:
            measure_of(step_measure(step))
        except ConfigError as error:
            raise _moved(error, at) from None
        _require_known("events", step, book, at, None)
    return SequenceLeaf(sequence)


def _require_known(
    source: str, given: Did | Step, book: Book, place: str, field: str | None
) -> None:
    """Event types that no source gives, and properties that none of the types' sources keeps."""
    if book.known is None or source != "events":
        return
    types = book.known.event_types
    for name in given.types:
        if name not in types:
            raise _unknown("no source gives events of type", name, types, place)
    fields = [*book.known.properties(given.types), "source", "type"]
    rules = [given.where] if given.where is not None else []
    for name in sorted(fields_of(rules) | ({field} if field else set())):
        if name not in fields:
            of = " or ".join(given.types) or "any type"
            raise _unknown(f"no source of events of {of} keeps", name, fields, place)


def _unknown(says: str, name: str, known: Listed[str], place: str) -> ConfigError:
    return ConfigError(
        f"{says} {name!r}", expected="one of " + ", ".join(known), got=name, where=place,
        todo=meant(name, known) or "see the sources under conf/base",
    )
