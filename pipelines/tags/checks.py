"""Whether definitions of tags can be computed, before anything runs: every fault with its line."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from domain.definitions import Placed
from domain.near import meant
from pipelines.tags.factory import tag_query
from pipelines.tags.free_queries import require_runs
from pipelines.tags.places import Entry, entries
from pipelines.tags.vocabulary import below, examined, references
from schemas.errors import ConfigError
from schemas.model_definitions import Model, Predicts
from schemas.rules import Rule
from schemas.sources import Source
from schemas.tag_definitions import Gives, Tag, TagFile

ANY_DAY = date(2000, 1, 1)
GIVES: dict[Predicts, tuple[Gives, ...]] = {
    "absence": ("probability",), "presence": ("probability",),
    "category": ("probability", "label"), "value": ("probability", "purchases", "amount"),
}
"""What scores of each kind of model hold."""
OF_EVERY_EVENT = ("source", "type")


@dataclass(frozen=True, slots=True)
class Known:
    """What tags may speak of beside each other: what sources bring, and what models give."""

    sources: Sequence[Source]
    models: Sequence[Model]

    @property
    def event_types(self) -> list[str]:
        """Types of the events that any source gives."""
        return sorted({one.name for source in self.sources for one in source.event_types})

    def properties(self, types: Collection[str]) -> list[str]:
        """Properties that sources of events of these types keep; of all when none are named."""
        return sorted({
            name for source in self.sources for name in source.properties
            if not types or {one.name for one in source.event_types} & set(types)
        })


def right(
    given: Sequence[Entry], known: Known, unreadable: Collection[str] = ()
) -> tuple[list[Tag], list[ConfigError]]:
    """The tags that can be computed, in the order of their making, and the faults of the others.

    ``unreadable`` are names of tags that could not be read: what speaks of one is passed over.
    """
    found = examined(given, unreadable)
    errors = list(found.errors)
    fine: dict[str, Tag] = {}
    book = {entry.tag.name: entry for entry in reversed(given)}
    for tag in found.tags:
        if not references(tag) <= fine.keys():
            continue
        faults = list(_faults(book[tag.name], known, fine))
        errors += faults
        if not faults:
            fine[tag.name] = tag
    return list(fine.values()), sorted(errors, key=_by_place)


def checked(
    files: Iterable[TagFile | Placed[TagFile]], sources: Sequence[Source], models: Sequence[Model]
) -> list[Tag]:
    """As ``vocabulary.declared``, held against sources and models too; the first fault is raised.
    """
    tags, errors = right(entries(files), Known(sources, models))
    if errors:
        raise errors[0]
    return tags


def _by_place(error: ConfigError) -> tuple[str, int]:
    """Errors by file and line."""
    file, _, rest = error.where.split(" ")[0].partition(":")
    return file, int(rest) if rest.isdecimal() else 0


def _faults(entry: Entry, known: Known, others: Mapping[str, Tag]) -> Iterator[ConfigError]:
    tag, found = entry.tag, False
    for error in [*_unknown_words(entry, known), *_unknown_model(entry, known)]:
        found = True
        yield error
    if found:
        return
    try:
        tag_query([*below(tag, others), tag], ANY_DAY)
        if tag.sql is not None:
            require_runs(tag, ANY_DAY)
    except ConfigError as error:
        yield entry.told(error, "sql" if tag.sql else "name")


def _unknown_words(entry: Entry, known: Known) -> Iterator[ConfigError]:
    """Event types that no source gives, and properties that no source of the types keeps."""
    tag = entry.tag
    if tag.source != "events":
        return
    for name in [*tag.types, *_compared(tag.where, "type")]:
        if name not in known.event_types:
            yield _unknown(entry, "no source gives events of type", name, known.event_types)
    for name in _compared(tag.where, "source"):
        sources = sorted(source.name for source in known.sources)
        if name not in sources:
            yield _unknown(entry, "there is no source", name, sources)
    types = [name for name in tag.types if name in known.event_types]
    fields = [*known.properties(types), *OF_EVERY_EVENT]
    named = [tag.field] if tag.field else []
    for name in [*named, *_fields(tag.where)]:
        if name not in fields:
            of = " or ".join(types) if types else "any type"
            yield _unknown(entry, f"no source of events of {of} keeps", name, fields)


def _unknown_model(entry: Entry, known: Known) -> Iterator[ConfigError]:
    tag = entry.tag
    if tag.model is None:
        return
    models = {model.name: model for model in known.models}
    if tag.model not in models:
        yield _unknown(entry, "there is no model", tag.model, sorted(models))
        return
    gives = GIVES[models[tag.model].predicts]
    if tag.gives not in gives:
        yield ConfigError(
            f"the model {tag.model} gives no {tag.gives}", expected=" or ".join(gives),
            got=tag.gives, where=entry.at("gives", tag.gives),
            todo=f"it predicts {models[tag.model].predicts}; see conf/base/models",
        )


def _unknown(entry: Entry, says: str, name: str, known: Sequence[str]) -> ConfigError:
    listed = "one of " + ", ".join(known) if known else "nothing: none is declared"
    return ConfigError(
        f"{says} {name!r}", expected=listed,
        got=name, where=entry.at("name", name),
        todo=meant(name, known) or "see the definitions under conf/base, or add it there",
    )


def _leaves(rule: Rule | None) -> Iterator[Rule]:
    if rule is None:
        return
    if rule.rules is None:
        yield rule
    for part in rule.rules or []:
        yield from _leaves(part)


def _fields(rule: Rule | None) -> list[str]:
    return list(dict.fromkeys(str(leaf.field) for leaf in _leaves(rule)))


def _compared(rule: Rule | None, field: str) -> list[str]:
    """Texts that a field is held against."""
    values = [leaf.value for leaf in _leaves(rule) if leaf.field == field]
    listed = [one for value in values for one in (value if isinstance(value, list) else [value])]
    return [one for one in listed if isinstance(one, str)]
