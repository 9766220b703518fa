"""Every fault of a definition is found before anything runs, with its line and the way out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from domain.definitions import parse_items, parse_placed
from lake import conf
from pipelines.tags import checked, declared
from pipelines.tags.checks import Known, right
from pipelines.tags.places import Entry
from schemas.errors import ConfigError
from schemas.model_definitions import Model
from schemas.sources import Source
from schemas.tag_definitions import Tag, TagFile

EXAMPLES = Path(__file__).parents[3] / "conf" / "examples"
HEAD = "tags:\n"
ORDERS = "    from: order_lines\n    measure: count\n    window: ever\n"


@pytest.fixture(scope="module")
def known() -> Known:
    return Known(conf.load("sources", Source), conf.load("models", Model))


def tag(name: str, body: str, kind: str = "rule", type_: str = "integer") -> str:
    return f"  - name: {name}\n    label: x\n    kind: {kind}\n    type: {type_}\n{body}"


def faults(text: str, known: Known) -> list[ConfigError]:
    found, wrong = parse_items(text, "t.yml", TagFile, "tags", Tag)
    given = [Entry(one.definition, one.lines, one.path) for one in found]
    _, errors = right(given, known, [name for name, _ in wrong])
    return [error for _, error in wrong] + errors


EVENTS = "    from: events\n    measure: count\n    window: ever\n"
LAST = "    from: events\n    measure: last\n    window: ever\n"
WRONG = [
    (tag("a", EVENTS + "    types: [identified, identifed]\n"), 9, "no source gives events of",
     "did you mean `identified`?"),
    (tag("a", EVENTS.replace("ever", "{last: -1 d}")), 8, "no number of days", "{last: 30 d}"),
    (tag("a", EVENTS.replace("ever", "-1")), 8, "Expected `str | object", "{last: 30 d}"),
    (tag("a", EVENTS.replace("measure: count", "measure: cuont")), 7, "Invalid enum value 'cuont'",
     "did you mean `count`?"),
    (tag("a", EVENTS.replace("measure", "mesure")), 7, "unknown field `mesure`",
     "did you mean `measure`?"),
    (tag("a", LAST + "    types: [identified]\n    field: citty\n", type_="text"), 10,
     "no source of events of identified keeps 'citty'", "did you mean `city`?"),
    (tag("a", EVENTS + "    where: {field: sesion_id, operator: notNull}\n"), 9,
     "keeps 'sesion_id'", "did you mean `session_id`?"),
    (tag("a", EVENTS + "    where:\n      field: type\n      operator: in\n"
         "      value: [order_line, bought]\n"), 12, "no source gives events of type 'bought'", ""),
    (tag("a", EVENTS + "    where: {field: source, operator: \"=\", value: app_event}\n"), 9,
     "there is no source 'app_event'", "did you mean `app_events`?"),
    (tag("a", ORDERS.replace("count", "sum") + "    field: store_id\n"), 9, "a text has no sum",
     "`as: integer`"),
    (tag("a", ORDERS.replace("count", "sum") + "    field: paid\n"), 9,
     "order_lines has no field 'paid'", "guiyi table show"),
    (tag("a", ORDERS + "    where: {field: quantity, operator: \">\", value: two}\n"), 9,
     "a value of the wrong type", "in the type of the field"),
    (tag("a", ORDERS, type_="text"), 5, "does not give the type it declares", "`type: integer`"),
    (tag("a", "    of: orders_countt\n") + tag("orders_count", ORDERS), 6,
     "there is no tag 'orders_countt'", "did you mean `orders_count`?"),
    (tag("a", "    of: b\n") + tag("b", "    of: a\n"), 11, "define each other", "references out"),
    (tag("a", ORDERS) + tag("a", ORDERS), 9, "two tags are called 'a'", "rename one"),
    (tag("a", "    model: chrun\n", "predictive", "number"), 6, "there is no model 'chrun'",
     "did you mean `churn`?"),
    (tag("a", "    model: churn\n    gives: amount\n", "predictive", "number"), 7,
     "the model churn gives no amount", "it predicts absence"),
    (tag("a", "    model: churn\n", "rule", "number"), 4, "a tag from a model is predictive", ""),
    (tag("a", ORDERS + "    formerly: [b]\n") + tag("b", ORDERS), 9, "'b' is no former name",
     "take the tag at t.yml:10"),
    (tag("a", ORDERS + "    formerly: [c]\n") + tag("b", ORDERS + "    formerly: [c]\n"), 17,
     "two tags were formerly 'c'", "leave it with the tag"),
    (tag("a", "    sql: SELECT one_id, 1 AS value FROM person\n"), 6, "there is no table 'person'",
     "guiyi table sql"),
    (tag("a", "    sql: SELECT one_id, now() AS value FROM persons\n"), 6, "same on each run", ""),
    (tag("a", "    sql: DROP TABLE persons\n"), 6, "one SELECT", ""),
    (tag("a", "    sql: SELEC 1\n"), 6, "this is not SQL", ""),
    (tag("a", "    sql: |\n      SELECT one_id, 1 AS value\n      FROM person\n"), 8,
     "there is no table 'person'", ""),
    (tag("a", ORDERS + "    otherwise: none\n"), 9, "a value of the wrong type", ""),
]


@pytest.mark.rule("CDP-6")
@pytest.mark.parametrize(("body", "line", "says", "todo"), WRONG)
def test_a_fault_is_told_with_its_line_and_what_would_be_right(
    known: Known, body: str, line: int, says: str, todo: str
) -> None:
    (error,) = faults(HEAD + body, known)
    assert error.where.split(" ")[0] == f"t.yml:{line}", error
    assert says in str(error).split("\n")[0]
    assert todo in error.todo
    assert error.expected
    assert error.got


def test_all_faults_are_found_at_once_and_none_twice(known: Known) -> None:
    text = HEAD + tag("a", EVENTS.replace("count", "cuont"))
    text += tag("b", ORDERS, type_="text") + tag("c", EVENTS + "    types: [nothing]\n")
    text += tag("d", "    of: a\n") + tag("e", "    of: b\n") + tag("f", "    of: e\n")
    text += tag("g", ORDERS)
    found = faults(text, known)
    assert [one.where.split(" ")[0] for one in found] == ["t.yml:7", "t.yml:12", "t.yml:23"]


def test_a_key_beside_the_tags_is_a_fault_of_the_file(known: Known) -> None:
    (error,) = faults("tag: []\n" + HEAD + tag("a", ORDERS), known)
    assert error.where == "t.yml:1 ($)"
    assert error.todo == "did you mean `tags`?"


def test_declared_says_the_line_too() -> None:
    text = HEAD + tag("a", ORDERS, type_="text")
    with pytest.raises(ConfigError, match=r"at: t.yml:5 \(tag a\)"):
        declared([parse_placed(text, "t.yml", TagFile)])


def test_definitions_in_force_are_right() -> None:
    placed = conf.load_placed("tags", TagFile)
    tags = checked(placed, conf.load("sources", Source), conf.load("models", Model))
    assert tags == declared(placed)


@pytest.mark.parametrize("name", ["tags-minimal.yml", "tags-reference.yml"])
def test_an_example_is_right(known: Known, name: str) -> None:
    assert faults((EXAMPLES / name).read_text(), known) == []


def words(hint: Any) -> Iterator[str]:
    """Keys and fixed values that a kind of definition knows."""
    if isinstance(hint, msgspec.inspect.StructType):
        for field in hint.fields:
            if field.encode_name not in ("rules", "id"):
                yield field.encode_name
                yield from words(field.type)
    elif isinstance(hint, msgspec.inspect.LiteralType):
        yield from (str(value) for value in hint.values)
    elif isinstance(hint, msgspec.inspect.Metadata):
        yield from words(hint.type)
    elif isinstance(hint, msgspec.inspect.ListType):
        yield from words(hint.item_type)
    elif isinstance(hint, msgspec.inspect.UnionType):
        for part in hint.types:
            yield from words(part)


def test_the_reference_has_every_word_of_the_vocabulary() -> None:
    root = yaml.compose((EXAMPLES / "tags-reference.yml").read_text())
    said, waiting = set(), [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.ScalarNode):
            said.add(node.value)
        else:
            waiting += [
                part for one in node.value
                for part in (one if isinstance(one, tuple) else (one,))
            ]
    assert set(words(msgspec.inspect.type_info(TagFile))) - said == set()
