"""The declared tags, held together: names, references and types, in the order of their making."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import pyarrow as pa
from sqlglot import exp

from pipelines.tags.conditions import Operand
from schemas.errors import ConfigError
from schemas.rules import Rule
from schemas.table import Table, column
from schemas.tag_definitions import Measured, Tag, TagFile, Type
from schemas.tags import TAG_VALUES

ARROW: dict[Type, pa.DataType] = {
    "boolean": pa.bool_(), "integer": pa.int64(), "number": pa.float64(), "text": pa.string(),
}


def declared(files: Iterable[TagFile]) -> list[Tag]:
    """All tags, each after those it speaks of.

    ConfigError for two tags of one name, a tag that is not there, a cycle, or a declared type
    that the definition does not give.
    """
    tags: dict[str, Tag] = {}
    for tag in (tag for file in files for tag in file.tags):
        if tag.name in tags or tag.name in TAG_VALUES.columns:
            raise ConfigError(
                f"two tags are called {tag.name!r}", expected="one tag, or column, of a name",
                got=f"{tags[tag.name].label if tag.name in tags else 'a column'} and {tag.label}",
                where=f"tag {tag.name}", todo="rename one of the two",
            )
        tags[tag.name] = tag
    ordered: dict[str, Tag] = {}
    for name in sorted(tags):
        _place(name, tags, ordered, ())
    for tag in ordered.values():
        _require_type(tag, ordered)
    return list(ordered.values())


def references(tag: Tag) -> set[str]:
    """Names of the tags that a tag's value is made from."""
    found = {name for name in (tag.of, *(tag.join or [])) if name is not None}
    if tag.ratio is not None:
        found |= {tag.ratio.of, tag.ratio.to}
    rules = [rule for rule in (tag.rule, tag.score.among if tag.score else None) if rule]
    return found | fields_of(rules)


def fields_of(rules: Sequence[Rule]) -> set[str]:
    """Names of the fields that rule trees speak of."""
    found, waiting = set(), list(rules)
    while waiting:
        rule = waiting.pop()
        waiting += rule.rules or []
        if rule.field is not None:
            found.add(rule.field)
    return found


def operand(tags: dict[str, Tag], name: str, where: str) -> Operand:
    """A tag as the operand of a rule; ConfigError names those that exist."""
    if name not in tags:
        raise ConfigError(
            f"there is no tag {name!r}", expected="one of " + ", ".join(sorted(tags)), got=name,
            where=where, todo="see `guiyi table show tag_values`",
        )
    tag = tags[name]
    values = tuple(tag.values) or tuple(band.value for band in tag.bands or [])
    return Operand(exp.column(name, quoted=True), tag.type, tag.map, values)


def tag_values_table(tags: Sequence[Tag]) -> Table:
    """The table ``tag_values`` with one nullable column per tag, by name."""
    columns = [
        column(tag.name, ARROW[tag.type], f"{tag.label} ({tag.kind})", nullable=True)
        for tag in sorted(tags, key=lambda tag: tag.name)
    ]
    return dataclasses.replace(TAG_VALUES, schema=pa.schema([*TAG_VALUES.schema, *columns]))


def _place(
    name: str, tags: dict[str, Tag], ordered: dict[str, Tag], above: tuple[str, ...]
) -> None:
    if name in above:
        raise ConfigError(
            "tags that define each other", expected="no tag that speaks of itself",
            got=" → ".join([*above[above.index(name) :], name]), where=f"tag {name}",
        )
    if name in ordered:
        return
    where = f"tag {above[-1]}" if above else ""
    operand(tags, name, where)
    for other in sorted(references(tags[name])):
        _place(other, tags, ordered, (*above, name))
    ordered[name] = tags[name]


def _require_type(tag: Tag, tags: dict[str, Tag]) -> None:
    given = _turned_type(tag, _origin_type(tag, tags))
    if given != tag.type:
        raise ConfigError(
            f"the tag {tag.name} does not give the type it declares", expected=tag.type,
            got=given, where=f"tag {tag.name}", todo=f"declare `type: {given}`, or mend the rest",
        )


def _turned_type(tag: Tag, origin: Type) -> Type:
    if tag.map and origin != "text":
        raise ConfigError(
            "only texts are mapped", expected="text", got=origin, where=f"tag {tag.name}"
        )
    if tag.condition is not None:
        return "boolean"
    if (tag.bands or tag.score) and origin not in ("integer", "number"):
        raise ConfigError(
            "only numbers have bands and scores", expected="integer or number", got=origin,
            where=f"tag {tag.name}",
        )
    return "text" if tag.bands else "integer" if tag.score else origin


def _origin_type(tag: Tag, tags: dict[str, Tag]) -> Type:
    if tag.of is not None:
        return tags[tag.of].type
    if tag.join is not None:
        return "text"
    if tag.rule is not None:
        return "boolean"
    if tag.ratio is not None or tag.model is not None:
        return "number"
    return measured_type(tag)


def measured_type(definition: Measured) -> Type:
    """The type of a measure over a source."""
    if definition.measure == "any":
        return "boolean"
    return "text" if definition.measure == "last" else "integer"
