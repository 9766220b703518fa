"""What an audience may not say, and how it is told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from domain import definitions
from lake import conf
from pipelines.audiences import check
from pipelines.tags.checks import Known
from schemas.audiences import Audience
from schemas.errors import ConfigError
from schemas.sources import Source
from tests.pipelines.audiences.worlds import TAGS

VIEWS = {"types": ["product_viewed"], "window": {"last": "7 d"}}
MANY = {"operator": ">", "value": 3}
STEPS = [{"types": ["product_viewed"]}, {"types": ["product_added"], "within": "2 d"}]


def audience(query: dict[str, Any], name: str = "a", **beside: Any) -> Audience:
    return msgspec.convert({"name": name, "label": name, "query": query, **beside}, Audience)


def leaf(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def deep(groups: int) -> dict[str, Any]:
    query = leaf("level", "=", 1)
    for _ in range(groups):
        query = {"combinator": "and", "rules": [query]}
    return query


WRONG: list[tuple[dict[str, Any], str, str]] = [
    (leaf("levle", "=", 1), "there is no tag 'levle'", "did you mean `level`"),
    (leaf("is_new", "<", True), "< cannot compare a boolean", "= or !="),
    (leaf("likes", "=", "tea"), "= cannot compare a list", "contains, doesNotContain"),
    (leaf("city", "contains", "京"), "contains cannot compare a text", "null"),
    (leaf("likes", "contains", ["tea"]), "a value of the wrong type", "of type text"),
    (leaf("likes", "contains", 3), "a value of the wrong type", "of type text"),
    (leaf("level", "=", "many"), "a value of the wrong type", "'many' \\(str\\)"),
    (leaf("level", "=", True), "a value of the wrong type", "integer"),
    (leaf("level", "in", 3), "a value of the wrong type", "a list of integer"),
    (leaf("level", "=", 2**63), "a number that no value can have", "64 bits"),
    (leaf("rate", "<", float("inf")), "a number that no value can have", "finite"),
    (leaf("rate", "<", 10**400), "a number that no value can have", "finite"),
    (leaf("level", "between", [3, 1]), "nothing lies between the two", r"\[3, 1\]"),
    (leaf("since", "=", "2017-02-30"), "a value of the wrong type", "2017-02-30"),
    ({"did": VIEWS | {"measure": "sum"}, **MANY}, "cannot be measured", "needs a `field`"),
    ({"did": VIEWS | {"measure": "top_n", "field": "x"}, **MANY}, "cannot be measured", "top_n"),
    ({"did": VIEWS | {"measure": "sum", "field": "category"}, **MANY}, "a text has no sum", "as"),
    ({"did": VIEWS, "operator": ">", "value": "3"}, "wrong type", "'3'"),
    ({"did": {"from": "order_lines", "measure": "sum", "field": "paid", "window": "ever"}, **MANY},
     "order_lines has no field 'paid'", "paid_minor"),
    ({"did": VIEWS | {"types": ["product_view"]}, **MANY}, "no source gives events of type",
     "did you mean `product_viewed`"),
    ({"did": VIEWS | {"where": leaf("catgory", "=", "x")}, **MANY},
     "no source of events of product_viewed keeps 'catgory'", "did you mean `category`"),
    ({"sequence": {"steps": [*STEPS, {"types": ["bought"]}], "window": "ever"}},
     "no source gives events of type 'bought'", r"sequence.steps\[2\]"),
    ({"sequence": {"steps": STEPS, "without": {"types": ["gone"]}, "window": "ever"}},
     "no source gives events of type 'gone'", "sequence.without"),
    ({"audience": "othr"}, "there is no audience 'othr'", "did you mean `other`"),
]


@pytest.mark.parametrize(("query", "said", "also"), WRONG, ids=[said for _, said, _ in WRONG])
def test_what_cannot_be_computed_is_named(query: dict[str, Any], said: str, also: str) -> None:
    known = Known(conf.load("sources", Source), [])
    query = {"combinator": "or", "rules": [leaf("level", "null"), query]}
    with pytest.raises(ConfigError, match=f"{said}(.|\n)*{also}") as raised:
        check(audience(query), TAGS, [audience(deep(0), "other")], known=known)
    assert "audience a" in raised.value.where
    assert raised.value.expected
    assert "$.query.rules[1]" in raised.value.where or "audience" in query["rules"][1]


def test_audiences_in_a_ring_are_shown_as_one() -> None:
    ring = [audience({"audience": b}, a) for a, b in ("ab", "bc", "ca")]
    with pytest.raises(ConfigError, match="a → b → c → a"):
        check(ring[0], TAGS, ring)
    outside = audience({"audience": "b"}, "d")
    with pytest.raises(ConfigError, match="b → c → a → b"):
        check(outside, TAGS, ring)
    with pytest.raises(ConfigError, match="a → a"):
        check(audience({"audience": "a"}), TAGS, [])


def test_an_audience_on_a_wrong_one_is_wrong() -> None:
    wrong = audience(leaf("town", "null"), "wrong")
    with pytest.raises(ConfigError, match="no tag 'town'(.|\n)*audience wrong"):
        check(audience({"audience": "wrong"}), TAGS, [wrong])


def test_a_hundred_groups_in_each_other_are_enough() -> None:
    check(audience(deep(100)), TAGS, [])
    with pytest.raises(ConfigError, match="the tree is too deep(.|\n)*at most 100"):
        check(audience(deep(101)), TAGS, [])
    chain = [audience({"audience": f"a{n + 1}"}, f"a{n}") for n in range(150)]
    with pytest.raises(ConfigError, match="audiences stand too deep"):
        check(chain[0], TAGS, chain)


@pytest.mark.parametrize("groups", [200, 1_000, 20_000])
def test_a_file_a_thousand_deep_is_told_so(groups: int) -> None:
    opening, closing = '{"combinator":"and","rules":[' * groups, "]}" * groups
    leaf_ = '{"field":"level","operator":"=","value":1}'
    text = f'{{"name":"a","label":"a","query":{opening}{leaf_}{closing}}}'
    with pytest.raises(ConfigError, match="too deep"):
        check(definitions.parse(text, "a.yml", Audience), TAGS, [])


def test_lists_and_the_tag_that_orders_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"no list 'vpi'(.|\n)*\$.include(.|\n)*mean `vip`"):
        check(audience(deep(0), include=["vpi"]), TAGS, [], lists={"vip"})
    with pytest.raises(ConfigError, match="there is none"):
        check(audience(deep(0), exclude=["vpi"]), TAGS, [], lists=set())
    for by, said in {"point": "mean `points`", "city": "nobody is first by this"}.items():
        with pytest.raises(ConfigError, match=said):
            check(audience(deep(0), top={"n": 3, "by": by}), TAGS, [])
