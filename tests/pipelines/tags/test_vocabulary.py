"""Definitions that are wrong say so: what was expected, what came, where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domain import definitions
from lake import conf
from pipelines.tags import declared, publish_tags, refresh_partials
from pipelines.tags.factory import tag_query
from pipelines.tags.measures import measure_of
from schemas.errors import ConfigError
from schemas.tag_definitions import TagFile
from tests import tiny
from tests.tiny import tag

SUM = {"from_": "order_lines", "measure": "sum", "field": "paid_minor", "window": "ever"}


def of(*tags: Any) -> list[Any]:
    return declared([TagFile(list(tags))])


def test_every_sample_definition_is_in_order() -> None:
    tags = declared(conf.load("tags", TagFile))
    kinds = {tag.kind for tag in tags}
    assert kinds == {"fact", "rule", "predictive"}
    assert all(tag.label for tag in tags)


def test_a_windowed_name_says_its_window() -> None:
    for tag_ in declared(conf.load("tags", TagFile)):
        if tag_.window is not None and tag_.window != "ever":
            assert tag_.name.endswith(f"_{tag_.window.days}d")


def test_two_tags_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two tags are called 'a'"):
        of(tag("a", **SUM), tag("a", **SUM))


def test_a_tag_cannot_be_called_like_a_key() -> None:
    with pytest.raises(ConfigError, match="'one_id'"):
        of(tag("one_id", **SUM))


def test_a_cycle_is_shown() -> None:
    with pytest.raises(ConfigError, match="got: a → b → a"):
        of(tag("a", of="b"), tag("b", of="a"))


def test_a_tag_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="there is no tag 'spent'(.|\n)*at: tag a"):
        of(tag("a", of="spent"))


def test_a_type_that_the_definition_does_not_give_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected: text\n  got: integer"):
        of(tag("a", type="text", **SUM))


def test_a_field_that_the_source_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="order_lines has no field 'price'"):
        measure_of(tag("a", **(SUM | {"field": "price"})))


def test_only_integers_are_summed() -> None:
    with pytest.raises(ConfigError, match="got: store_id"):
        measure_of(tag("a", **(SUM | {"field": "store_id"})))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("window: {last: -1 d}", "window.last"),
        ("windows: ever", "unknown field `windows`"),
        ("measure: sum", "the measure sum needs a `field`"),
        ("of: other", "exactly one of from, of, ratio"),
        ("model: churn", "exactly one of from, of, ratio"),
        ("type: money", "Invalid enum value 'money'"),
        ("where: {combinator: and, rules: []}", "a group needs at least one rule"),
        ("where: {field: type, operator: like, value: x}", "Invalid enum value 'like'"),
        ("score: {bands: 1}", ">= 2"),
        ("bands: [{value: low}, {value: high}]", "every band but the last"),
    ],
)
def test_a_wrong_line_is_named_with_its_file(line: str, expected: str) -> None:
    fields = {
        "name": "a", "label": "x", "kind": "rule", "type": "integer", "from": "events",
        "measure": "count", "window": "ever",
    }
    key = line.split(":")[0]
    body = [f"{k}: {v}" for k, v in fields.items() if k != key] + [line]
    text = "tags:\n  - " + "\n    ".join(body) + "\n"
    with pytest.raises(ConfigError) as raised:
        definitions.parse(text, "tags/a.yml", TagFile)
    assert expected in str(raised.value)
    assert "tags/a.yml:" in str(raised.value)


def test_a_published_tag_keeps_its_type(tmp_path: Path) -> None:
    number = of(tag("a", **SUM))
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_persons(draft, {"p": [1]})
        tiny.put_lines(draft, [(1, tiny.at(1), "o", 1)])
        refresh_partials(draft, number)
        publish_tags(draft, number)
        draft.publish("run", "inputs", "rules", lambda: tiny.LONG_AGO)
    text = of(
        tag("a", type="text", from_="order_lines", measure="last", field="store_id", window="ever")
    )
    with tiny.tiny_draft(tmp_path) as draft, pytest.raises(ConfigError, match="changed its type"):
        publish_tags(draft, text)


def test_the_query_reads_the_same_after_a_round_trip_through_its_dialect() -> None:
    import sqlglot

    tags = declared(conf.load("tags", TagFile))
    sql = tag_query(tags, tiny.DAY, "person_partials").sql(dialect="duckdb")
    assert sqlglot.parse_one(sql, dialect="duckdb").sql(dialect="duckdb") == sql
