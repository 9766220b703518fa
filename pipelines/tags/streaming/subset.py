"""Which tags a stream can tell, and why it cannot tell the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pipelines.tags.measures import SOURCES
from pipelines.tags.streaming.rows import Products, taken
from pipelines.tags.vocabulary import references
from schemas.errors import ConfigError
from schemas.tag_definitions import Tag

POPULATION = "a score is a place among all persons, and a stream sees one bundle at a time"
MODEL = "a model scores once a day, after its gate"
FREE = "a free query reads whole tables"
LIST_JOINED = "a list has no one way of being written between other values"


@dataclass(frozen=True, slots=True)
class Subset:
    """The tags that a stream tells, each after those it speaks of; reasons by name of others."""

    tags: list[Tag]
    refused: dict[str, str]


def chosen(
    tags: Iterable[Tag], products: Products | None = None, sources: Collection[str] = SOURCES
) -> Subset:
    """What of ``tags`` (of ``declared``) a stream of rows of ``sources`` can tell.

    Without ``products`` nothing that reads the catalogue: with it, the catalogue is as it is given.
    """
    told: dict[str, Tag] = {}
    refused: dict[str, str] = {}
    for tag in tags:
        reason = _reason(tag, told, refused, products)
        if reason is None and tag.source is not None and tag.source not in sources:
            reason = f"rows of {tag.source} come in files, not over topics"
        if reason is None:
            told[tag.name] = tag
        else:
            refused[tag.name] = reason
    return Subset(list(told.values()), refused)


def _reason(
    tag: Tag, told: dict[str, Tag], refused: dict[str, str], products: Products | None
) -> str | None:
    if tag.score is not None:
        return POPULATION
    if tag.model is not None:
        return MODEL
    if tag.sql is not None:
        return FREE
    for name in sorted(references(tag)):
        if name in refused:
            return f"it speaks of {name}: {refused[name].rpartition(': ')[2]}"
    if any(told[name].type == "texts" for name in tag.join or []):
        return LIST_JOINED
    if tag.source is None:
        return None
    try:
        taken(tag, products)
    except ConfigError as error:
        return str(error).splitlines()[0]
    return None
