"""A plan says what will be read and by which queries, before anything runs."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import sqlglot

from domain.dates import cut
from lake.draft import Draft
from lake.store import Lake
from pipelines.tags import declared, publish_tags, refresh_partials
from pipelines.tags.planning import Plan, plan
from schemas.tag_definitions import Tag, TagFile
from tests import tiny
from tests.pipelines.tags.worlds import some_tags
from tests.tiny import tag

OLD = tag("old", from_="order_lines", measure="sum", field="paid_minor", window={"last": "2 d"})
NEW = tag("new", from_="events", measure="distinct_count", field="city", window={"last": "3 d"})
FREE = tag("free", sql="SELECT one_id, 1 AS value FROM persons")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Ten dates with one order line and two events each, published with one tag."""
    root = tmp_path_factory.mktemp("plan")
    tags = declared([TagFile([OLD])])
    with tiny.tiny_draft(root) as draft:
        tiny.put_persons(draft, {"p": [1]})
        tiny.put_lines(draft, [(1, tiny.at(n), f"o{n}", 1) for n in range(10)])
        tiny.put_events(draft, [
            (1, tiny.at(n), "viewed", {"city": city}) for n in range(10) for city in "ab"
        ])
        refresh_partials(draft, tags)
        publish_tags(draft, tags)
        draft.publish("run", "inputs", "rules", lambda: tiny.LONG_AGO)
    return Lake(root)


def planned(lake: Lake, *tags: Tag) -> Plan:
    day = tiny.DAY + timedelta(1)
    with lake.session() as session:
        draft = Draft(lake.tables, session, lake.release(), day, cut(day, tiny.ZONE, 3))
        return plan(draft, declared([TagFile(list(tags))]), [t.name for t in tags], [OLD])


@pytest.mark.rule("CDP-6")
def test_one_more_day_reads_the_state_and_the_dates_that_leave(lake: Lake) -> None:
    found = planned(lake, OLD)
    assert (found.by_increment[0][:4], found.direct, found.once) == ("sum_", (), ())
    read = {one.table: one for one in found.daily}
    assert (read["person_measures"].rows, read["person_measures"].bytes > 0) == (1, True)
    # The 29th leaves `{last: 2 d}` of the 30th; the 1st is still to come.
    assert (read["partials"].first, read["partials"].last) == (date(2017, 6, 29),) * 2
    assert read["partials"].rows == 1
    assert [query.name for query in found.queries][0] == "partials"
    assert "cells by increment" in [query.name for query in found.queries]
    assert not [one for one in found.daily if one.why.startswith("at most")]
    assert {one.table: one.rows for one in found.like_the_last} == {"events": 2, "order_lines": 1}


def test_a_new_tag_tells_what_it_costs_over_history(lake: Lake) -> None:
    found = planned(lake, NEW)
    assert (found.by_increment, found.direct[0][:9]) == ((), "distinct_")
    direct, *partials = found.once
    # Of `{last: 3 d}` on the 1st two dates are there, of two events each.
    assert (direct.table, direct.dates, direct.rows) == ("events", 2, 4)
    assert {(one.table, one.rows) for one in partials} == {("events", 20), ("order_lines", 10)}
    assert len(found.new_measures) == 1
    assert "cells direct" in [query.name for query in found.queries]


def test_a_free_query_says_that_it_is_batch_only_and_what_it_reads(lake: Lake) -> None:
    found = planned(lake, FREE)
    assert found.batch_only == ("free",)
    assert [(one.table, one.rows) for one in found.daily if "free" in one.why] == [("persons", 1)]


def test_the_queries_that_are_shown_are_those_of_every_measure(lake: Lake) -> None:
    for query in planned(lake, *some_tags(1)).queries:
        shown = sqlglot.parse_one(query.sql, dialect="duckdb")
        assert shown.sql(dialect="duckdb", pretty=True) == query.sql


def test_a_plan_writes_nothing(lake: Lake) -> None:
    before = sorted(lake.tables.rglob("*"))
    planned(lake, OLD, NEW, FREE)
    assert sorted(lake.tables.rglob("*")) == before
