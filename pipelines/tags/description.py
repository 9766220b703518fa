"""What a tag is made of, down to its measures, and who makes use of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from pipelines.tags.cells import cells_of
from pipelines.tags.free_queries import tables_read
from pipelines.tags.measures import measure_of
from pipelines.tags.vocabulary import below, fields_of, references
from pipelines.tags.windows import span
from schemas.audiences import Audience
from schemas.exports import Export
from schemas.measured import Measured
from schemas.model_definitions import Model
from schemas.rules import Rule, Scalar
from schemas.tag_definitions import Tag


def made_of(tag: Tag, tags: Mapping[str, Tag], day: date) -> dict[str, Any]:
    """The tag as a tree: name, how it is made, its window on ``day``, and what it is made of."""
    found: dict[str, Any] = {
        "tag": tag.name, "label": tag.label, "type": tag.type, "says": says(tag)
    }
    if tag.source is not None:
        found |= measured(tag, day)
    if tag.sql is not None:
        found["reads"] = tables_read(tag)
    found["of"] = [made_of(tags[name], tags, day) for name in sorted(references(tag))]
    return found


def measured(definition: Measured, day: date) -> dict[str, Any]:
    """The rows that count, the dates of the window on ``day``, and the cells that hold it."""
    assert definition.window is not None
    held = span(definition.window, day)
    return {
        "measure": measure_of(definition).words,
        "first_date": held.first,
        "last_date": held.last,
        "cells": [cell.name for cell in cells_of(definition)],
    }


def says(tag: Tag) -> str:
    """In a few words how the value comes about."""
    origins = {
        "of": tag.of, "ratio": tag.ratio and f"{tag.ratio.of} by {tag.ratio.to}",
        "join": tag.join and " and ".join(tag.join), "model": tag.model and
        f"{tag.gives} of the model {tag.model}", "sql": tag.sql and "free query, batch only",
        "rule": tag.rule and rule_words(tag.rule), "stages": tag.stages and
        "the last that holds of " + "; ".join(
            f"{stage.value}: {rule_words(stage.when)}" for stage in tag.stages
        ),
    }
    words = [f"{tag.measure} of {tag.field or tag.source}"] if tag.source is not None else []
    words += [f"{name} {text}" if name in ("of", "join") else str(text)
              for name, text in origins.items() if text]
    if tag.condition is not None:
        words.append(f"{tag.condition.operator}{_given(tag.condition.value)}")
    if tag.bands is not None:
        words.append("in bands " + ", ".join(band.value for band in tag.bands))
    if tag.score is not None:
        words.append(f"in {tag.score.bands} quantile bands, best is {tag.score.best}")
        if tag.score.among is not None:
            words.append(f"among those with {rule_words(tag.score.among)}")
    if tag.otherwise is not None:
        words.append(f"else {tag.otherwise}")
    return ", ".join(words)


def rule_words(rule: Rule) -> str:
    """A rule tree on one line, with its names as they stand."""
    if rule.rules is None:
        return f"{rule.field} {rule.operator}{_given(rule.value)}"
    parts = [
        f"({rule_words(part)})" if part.rules is not None else rule_words(part)
        for part in rule.rules
    ]
    joined = f" {rule.combinator} ".join(parts)
    return f"not ({joined})" if rule.is_not else joined


def _given(value: Scalar | list[Scalar] | None) -> str:
    return "" if value is None else " " + json.dumps(value, ensure_ascii=False)


def is_batch_only(tag: Tag, tags: Mapping[str, Tag]) -> bool:
    """Whether the tag, or one it is made of, is a free query."""
    return any(one.sql is not None for one in [*below(tag, tags), tag])


def used_by(
    tag: Tag, tags: Iterable[Tag], audiences: Sequence[Audience], exports: Sequence[Export],
    models: Sequence[Model],
) -> dict[str, list[str]]:
    """Names of the tags, audiences and exports that speak of the tag, and the models' features
    that ask the same as it does.
    """
    same = {cell.name for cell in cells_of(tag)} if tag.source is not None else set()
    return {
        "tags": sorted(one.name for one in tags if tag.name in references(one)),
        "audiences": sorted(
            a.name for a in audiences
            if tag.name in fields_of([a.query]) or (a.top is not None and a.top.by == tag.name)
        ),
        "exports": sorted(one.name for one in exports if tag.name in one.tags),
        "models": sorted(
            f"{model.name}.{feature.name}" for model in models for feature in model.measured
            if same and same == {cell.name for cell in cells_of(feature)}
        ),
    }


def tree_lines(found: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """The tree of ``made_of`` as indented lines."""
    indent = "  " * depth
    yield f"{indent}{found['tag']} ({found['type']}): {found['says']}"
    if "measure" in found:
        first = found["first_date"] or "the first"
        yield f"{indent}  rows: {found['measure']}"
        yield f"{indent}  window: {first} to {found['last_date']}, both inside"
        yield f"{indent}  cells: {', '.join(found['cells'])}"
    if "reads" in found:
        yield f"{indent}  reads: {', '.join(found['reads'])}"
    for one in found["of"]:
        yield from tree_lines(one, depth + 1)


