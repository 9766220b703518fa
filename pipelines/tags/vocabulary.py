"""The declared tags, held together: names, references and types, in the order of their making."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp

from domain.definitions import Placed
from domain.near import meant
from pipelines.tags.cells import value_type
from pipelines.tags.conditions import Operand
from pipelines.tags.places import Entry, entries
from schemas.audiences import Condition
from schemas.errors import ConfigError
from schemas.rules import Rule
from schemas.table import Table, column
from schemas.tag_definitions import Tag, TagFile, Type
from schemas.tags import TAG_VALUES

ARROW: dict[Type, pa.DataType] = {
    "boolean": pa.bool_(), "integer": pa.int64(), "number": pa.float64(), "text": pa.string(),
    "date": pa.date32(), "texts": pa.list_(pa.string()),
}


@dataclass(frozen=True, slots=True)
class Examined:
    """The tags that are right, each after those it speaks of, and what is wrong with others."""

    tags: list[Tag]
    errors: list[ConfigError]


def declared(files: Iterable[TagFile | Placed[TagFile]]) -> list[Tag]:
    """All tags, each after those it speaks of.

    ConfigError for two tags of one name, a tag that is not there, a cycle, a declared type that
    the definition does not give, or a former name that is not free.
    """
    found = examined(entries(files))
    if found.errors:
        raise found.errors[0]
    return found.tags


def examined(given: Sequence[Entry], unreadable: Collection[str] = ()) -> Examined:
    """As ``declared``, with every error; what speaks of a wrong tag is left out silently.

    ``unreadable`` are names of tags that are declared, and are not among ``given``.
    """
    errors: list[ConfigError] = []
    book = _by_name(given, errors)
    for entry in book.values():
        errors += _names_not_free(entry, book)
    wrong = set(unreadable)
    ordered: dict[str, Tag] = {}
    for name in sorted(book):
        _place(name, book, ordered, wrong, errors, ())
    for name, tag in list(ordered.items()):
        if not references(tag) & wrong:
            try:
                _require_type(book[name], ordered)
                continue
            except ConfigError as error:
                errors.append(book[name].told(error))
        wrong.add(name)
        del ordered[name]
    return Examined(list(ordered.values()), errors)


def _by_name(given: Sequence[Entry], errors: list[ConfigError]) -> dict[str, Entry]:
    book: dict[str, Entry] = {}
    for entry in given:
        name = entry.tag.name
        if name in book or name in TAG_VALUES.columns:
            other = f"{book[name].tag.label} at {book[name].where}" if name in book else "a column"
            errors.append(ConfigError(
                f"two tags are called {name!r}", expected="one tag, or column, of a name",
                got=f"{other}, and {entry.tag.label}",
                where=entry.where, todo="rename one of the two",
            ))
        else:
            book[name] = entry
    return book


def _names_not_free(entry: Entry, book: Mapping[str, Entry]) -> list[ConfigError]:
    """Former names that a tag still has, or that another claims too."""
    found = []
    for name in entry.tag.formerly:
        others = [
            one.tag.name for one in book.values()
            if name in one.tag.formerly and one.tag.name < entry.tag.name
        ]
        if name in book:
            found.append(ConfigError(
                f"{name!r} is no former name: there is a tag of this name",
                expected="names that no tag has now", got=name, where=entry.at("formerly", name),
                todo=f"take the tag at {book[name].where} out, or {name} out of `formerly`",
            ))
        elif others:
            found.append(ConfigError(
                f"two tags were formerly {name!r}", expected="one tag that goes on with its past",
                got=f"{others[0]} and {entry.tag.name}", where=entry.at("formerly", name),
                todo="leave it with the tag that means what it meant",
            ))
    return found


def references(tag: Tag) -> set[str]:
    """Names of the tags that a tag's value is made from."""
    found = {name for name in (tag.of, *(tag.join or [])) if name is not None}
    if tag.ratio is not None:
        found |= {tag.ratio.of, tag.ratio.to}
    rules = [rule for rule in (tag.rule, tag.score.among if tag.score else None) if rule]
    rules += [stage.when for stage in tag.stages or []]
    return found | fields_of(rules)


def below(tag: Tag, tags: Mapping[str, Tag]) -> list[Tag]:
    """The tags that ``tag`` is made of, at any depth, in the order of ``tags``."""
    needed, waiting = set[str](), list(references(tag))
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += references(tags[name])
    return [one for name, one in tags.items() if name in needed]


def fields_of(rules: Sequence[Rule | Condition]) -> set[str]:
    """Names of the fields that rule trees speak of."""
    found, waiting = set[str](), list(rules)
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
            where=where, todo=meant(name, tags) or "see `guiyi tag describe NAME`",
        )
    tag = tags[name]
    values = values_of(tag)
    return Operand(exp.column(name, quoted=True), tag.type, tag.map, values)


def values_of(tag: Tag) -> tuple[str, ...]:
    """All values that the tag can have, where they are known."""
    return tuple(tag.values) or tuple(part.value for part in tag.bands or tag.stages or [])


def tag_values_table(tags: Sequence[Tag]) -> Table:
    """The table ``tag_values`` with one nullable column per tag, by name."""
    columns = [
        column(tag.name, ARROW[tag.type], f"{tag.label} ({tag.kind})", nullable=True)
        for tag in sorted(tags, key=lambda tag: tag.name)
    ]
    return dataclasses.replace(TAG_VALUES, schema=pa.schema([*TAG_VALUES.schema, *columns]))


def _place(
    name: str, book: Mapping[str, Entry], ordered: dict[str, Tag], wrong: set[str],
    errors: list[ConfigError], above: tuple[str, ...],
) -> None:
    """Order ``name`` after what it speaks of, unless it is wrong or speaks of what is."""
    if name in ordered or name in wrong:
        return
    if name in above:
        ring = [*above[above.index(name) :], name]
        errors.append(ConfigError(
            "tags that define each other", expected="no tag that speaks of itself",
            got=" → ".join(ring), where=book[above[-1]].at("name", name),
            todo="take one of these references out",
        ))
        wrong.update(ring)
        return
    entry = book[name]
    for other in sorted(references(entry.tag)):
        if other not in book and other not in wrong:
            errors.append(_no_such(other, entry, book))
            wrong.add(name)
        elif other in book:
            _place(other, book, ordered, wrong, errors, (*above, name))
    if name not in wrong and not references(entry.tag) & wrong:
        ordered[name] = entry.tag
    else:
        wrong.add(name)


def _no_such(name: str, entry: Entry, book: Mapping[str, Entry]) -> ConfigError:
    return ConfigError(
        f"there is no tag {name!r}", expected="one of " + ", ".join(sorted(book)), got=name,
        where=entry.at("name", name),
        todo=meant(name, book) or "name a declared tag, or declare this one",
    )


def _require_type(entry: Entry, tags: dict[str, Tag]) -> None:
    tag = entry.tag
    given = _turned_type(tag, _origin_type(tag, tags))
    if given != tag.type:
        raise ConfigError(
            f"the tag {tag.name} does not give the type it declares", expected=tag.type,
            got=given, where=entry.at("type"),
            todo=f"declare `type: {given}`, or mend the rest",
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
    if tag.sql is not None:
        return tag.type
    if tag.join is not None or tag.stages is not None:
        return "text"
    if tag.rule is not None:
        return "boolean"
    if tag.ratio is not None:
        for name in (tag.ratio.of, tag.ratio.to):
            _require_number(tag, tags[name], "a ratio is of numbers")
        return "number"
    if tag.model is not None:
        return "text" if tag.gives == "label" else "number"
    return value_type(tag)


def _require_number(tag: Tag, part: Tag, message: str) -> None:
    if part.type not in ("integer", "number"):
        raise ConfigError(
            message, expected="a tag that is integer or number", got=f"{part.name} ({part.type})",
            where=f"tag {tag.name}",
        )
