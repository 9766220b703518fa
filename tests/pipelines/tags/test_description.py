"""A tag is described down to the rows it counts, with the dates of its windows."""

from __future__ import annotations

from datetime import date

from lake import conf
from pipelines.tags.description import is_batch_only, made_of, says, tree_lines, used_by
from schemas.audiences import Audience
from schemas.exports import Export
from schemas.model_definitions import Model
from schemas.tag_definitions import Tag
from tests import tiny
from tests.tiny import tag


def test_the_tree_goes_down_to_rows_and_dates(sample_tags: list[Tag]) -> None:
    known = {one.name: one for one in sample_tags}
    lines = list(tree_lines(made_of(known["is_big_spender_30d"], known, tiny.DAY)))
    assert lines[0] == "is_big_spender_30d (boolean): of orders_paid_minor_30d, > 100000"
    assert lines[1] == "  orders_paid_minor_30d (integer): sum of paid_minor"
    assert lines[2] == "    rows: order_lines.paid_minor"
    assert lines[3] == "    window: 2017-06-01 to 2017-06-30, both inside"
    assert lines[4].startswith("    cells: sum_")


def test_windows_have_exact_dates() -> None:
    spans = {}
    for window in ("ever", {"previous": "month"}, {"this": "week"}, {"last": "1 d"}):
        one = tag("a", from_="events", measure="count", window=window)
        made = made_of(one, {}, date(2017, 7, 5))
        spans[str(window)] = (made["first_date"], made["last_date"])
    assert list(spans.values()) == [
        (None, date(2017, 7, 5)), (date(2017, 6, 1), date(2017, 6, 30)),
        (date(2017, 7, 3), date(2017, 7, 5)), (date(2017, 7, 5), date(2017, 7, 5)),
    ]


def test_who_uses_a_tag_is_named(sample_tags: list[Tag]) -> None:
    known = {one.name: one for one in sample_tags}
    users = used_by(
        known["likes_coffee"], sample_tags, conf.load("audiences", Audience),
        conf.load("exports", Export), conf.load("models", Model),
    )
    assert users["audiences"] == ["beijing_coffee_women", "coffee_campaign"]
    users = used_by(known["recency_days"], sample_tags, [], [], conf.load("models", Model))
    assert users["tags"] == ["rfm_recency"]
    assert "churn.recency_days" in users["models"]


def test_a_rule_reads_as_a_sentence() -> None:
    one = tag("a", type="boolean", rule={
        "combinator": "and", "not": True, "rules": [
            {"field": "b", "operator": ">", "value": 1},
            {"combinator": "or", "rules": [{"field": "c", "operator": "null"},
                                           {"field": "d", "operator": "in", "value": ["x"]}]},
        ],
    })
    assert says(one) == 'not (b > 1 and (c null or d in ["x"]))'


def test_what_is_made_of_a_free_query_is_batch_only() -> None:
    free = tag("free", sql="SELECT one_id, 1 AS value FROM persons")
    above = tag("above", of="free")
    other = tag("other", from_="events", measure="count", window="ever")
    known = {one.name: one for one in (free, above, other)}
    assert [is_batch_only(one, known) for one in known.values()] == [True, True, False]
    assert list(tree_lines(made_of(free, known, tiny.DAY)))[1] == "  reads: persons"
