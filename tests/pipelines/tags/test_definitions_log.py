"""Every change of a definition is kept, and a tag is renamed without losing its past."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from lake.store import Lake
from pipelines.tags import declared, log_definitions, publish_tags, refresh_partials
from pipelines.tags.definitions_log import changes, definition_of, fingerprint, in_force
from pipelines.tags.past import coverage_over_dates, history_of, values_over_dates
from schemas.errors import ConfigError, NotFoundError
from schemas.tag_definitions import Tag, TagFile
from tests import tiny
from tests.tiny import tag

SPENT: dict[str, Any] = {"from_": "order_lines", "measure": "sum", "field": "paid_minor"}
DAY = tiny.DAY


def of(*tags: Tag) -> list[Tag]:
    return declared([TagFile(list(tags))])


def publish(root: Path, tags: list[Tag], days_later: int, author: str = "lee") -> list[Any]:
    """A release of the tags; returns (tag, change, previous name) of what was logged."""
    with tiny.tiny_draft(root, DAY + timedelta(days_later)) as draft:
        if draft.parent is None:
            tiny.put_persons(draft, {"p": [1], "q": [2]})
            tiny.put_lines(draft, [(1, tiny.at(1), "o", 700)])
        logged = log_definitions(draft, tags, author)
        refresh_partials(draft, tags)
        publish_tags(draft, tags)
        draft.publish("run", "inputs", "rules", lambda: tiny.LONG_AGO)
    return [(one.tag, one.change, one.previous_name) for one in logged]


def test_a_definition_says_what_it_says_whatever_is_left_unsaid() -> None:
    one = tag("a", **SPENT, window="ever", where={"field": "refund_of", "operator": "null"})
    same = tag(
        "a", **SPENT, window="ever", types=[], values=[],
        where={"field": "refund_of", "operator": "null", "id": "box 7"},
    )
    assert definition_of(one) == definition_of(same)
    assert '"window": "ever"' in definition_of(one)
    assert fingerprint(definition_of(one)) != fingerprint(definition_of(tag("a", of="b")))


def test_only_what_changed_is_logged(tmp_path: Path) -> None:
    first = tag("a", **SPENT, window="ever")
    other = tag("b", **SPENT, window={"last": "7 d"})
    assert publish(tmp_path, of(first, other), 0) == [
        ("a", "created", None), ("b", "created", None),
    ]
    assert publish(tmp_path, of(first, other), 1) == []
    changed = tag("a", label="other words", **SPENT, window="ever")
    assert publish(tmp_path, of(changed, other), 2) == [("a", "changed", None)]
    assert publish(tmp_path, of(changed), 3) == [("b", "removed", None)]
    assert publish(tmp_path, of(changed, other), 4) == [("b", "created", None)]
    with Lake(tmp_path).reader() as session:
        known = changes(session)
    assert [one.change_no for one in known] == [1, 2, 3, 4, 5]
    assert set(in_force(known)) == {"a", "b"}
    assert {one.author for one in known} == {"lee"}


def test_the_history_tells_which_fields_changed_by_whom_and_when(tmp_path: Path) -> None:
    publish(tmp_path, of(tag("a", **SPENT, window={"last": "7 d"})), 0)
    publish(tmp_path, of(tag("a", **SPENT, window={"last": "30 d"})), 1, author="kim")
    with Lake(tmp_path).reader() as session:
        created, changed = history_of(session, "a")
    assert (created["change"], created["author"]) == ("created", "lee")
    assert (changed["business_date"], changed["author"]) == (DAY + timedelta(1), "kim")
    assert changed["changed_at"].isoformat() == "2017-07-01T19:00:00+00:00"
    assert changed["fields"] == {"window": ({"last": "7 d"}, {"last": "30 d"})}


@pytest.mark.rule("CDP-6")
def test_a_renamed_tag_keeps_its_past(tmp_path: Path) -> None:
    old = of(tag("spent", **SPENT, window={"last": "30 d"}))
    new = of(tag("paid", **SPENT, window={"last": "30 d"}, formerly=["spent"]))
    newest = of(tag("paid_30d", **SPENT, window={"last": "30 d"}, formerly=["paid", "spent"]))
    publish(tmp_path, old, 0)
    assert publish(tmp_path, new, 1) == [("paid", "renamed", "spent")]
    assert publish(tmp_path, newest, 2) == [("paid_30d", "renamed", "paid")]
    with Lake(tmp_path).reader() as session:
        for name in ("spent", "paid", "paid_30d"):
            told = history_of(session, name, newest)
            assert [one["change"] for one in told] == ["created", "renamed", "renamed"]
            covered = coverage_over_dates(session, name, newest)
            assert [(row["name"], row["known"]) for row in covered] == [
                ("spent", 2), ("paid", 2), ("paid_30d", 2),
            ]
        found = values_over_dates(session, "paid_30d", newest).to_pylist()
    days = [DAY + timedelta(n) for n in range(3)]
    assert [(row["business_date"], row["one_id"], row["value"]) for row in found] == [
        (day, person, value) for day in days for person, value in (("p", 700), ("q", 0))
    ]


def test_a_name_used_anew_does_not_take_the_past_of_the_renamed(tmp_path: Path) -> None:
    kept = tag("b", **SPENT, window="ever", formerly=["a"])
    publish(tmp_path, of(tag("a", **SPENT, window="ever")), 0)
    publish(tmp_path, of(kept), 1)
    again = [tag("b", **SPENT, window="ever"), tag("a", **SPENT, window={"last": "7 d"})]
    publish(tmp_path, of(*again), 2)
    with Lake(tmp_path).reader() as session:
        names = [row["name"] for row in coverage_over_dates(session, "b", of(*again))]
        told = [(one["tag"], one["change"]) for one in history_of(session, "b", of(*again))]
        told_anew = [(one["tag"], one["change"]) for one in history_of(session, "a", of(*again))]
        dates = values_over_dates(session, "a", of(*again))["business_date"].unique()
    assert names == ["a", "b", "b"]
    assert told == [("a", "created"), ("b", "renamed"), ("b", "changed")]
    assert told_anew == [("a", "created")]
    assert len(dates) == 1


def test_a_renamed_tag_of_another_type_is_refused(tmp_path: Path) -> None:
    publish(tmp_path, of(tag("a", **SPENT, window="ever")), 0)
    other = of(tag("b", from_="events", measure="any", window="ever", type="boolean",
                   formerly=["a"]))
    told = pytest.raises(ConfigError, match="another type than a(.|\n)*expected: integer")
    with tiny.tiny_draft(tmp_path, date(2017, 7, 2)) as draft, told:
        log_definitions(draft, other, "lee")


def test_a_name_that_no_tag_ever_had_is_said_so(tmp_path: Path) -> None:
    publish(tmp_path, of(tag("a", **SPENT, window="ever")), 0)
    with Lake(tmp_path).reader() as session:
        with pytest.raises(NotFoundError, match="never a tag 'b'(.|\n)*one of a"):
            history_of(session, "b")
        with pytest.raises(NotFoundError, match="never a tag 'b'"):
            values_over_dates(session, "b")
