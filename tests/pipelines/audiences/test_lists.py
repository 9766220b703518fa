"""Who is on a list on a date: who holds an identifier then that was put on it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from lake.draft import Draft
from pipelines.audiences.lists import persons_on
from tests import tiny

DAY = date(2017, 6, 30)
AT = datetime(2017, 6, 1, tzinfo=UTC)


def put(draft: Draft, *stays: tuple[int, str | None, str, date | None, date | None]) -> None:
    """Persons a, b and c, and stays: identifier, holder, kind, from, to."""
    tiny.put_persons(draft, {"a": [], "b": [], "c": []})
    rows = [
        {
            "identifier_key": key, "tenure": n, "type": "phone", "one_id": one_id, "kind": kind,
            "valid_from": start, "valid_to": end, "received_at": AT, "source": "tests",
            "event_id": f"e{n}",
        }
        for n, (key, one_id, kind, start, end) in enumerate(stays)
    ]
    tiny.append(draft, "tenures", rows)


def change(draft: Draft, *changes: tuple[int, str]) -> None:
    tiny.append(draft, "list_members", [
        {
            "list": "vip", "identifier_key": key, "type": "phone", "change": said, "reason": "r",
            "author": "Ana", "changed_at": AT + timedelta(hours=n), "file": "f",
            "received_at": AT + timedelta(hours=n),
        }
        for n, (key, said) in enumerate(changes)
    ])


@pytest.mark.parametrize(
    ("day", "persons"),
    [
        (date(2017, 6, 9), [("a", 0)]),
        (date(2017, 6, 10), [("b", 1)]),
        (date(2017, 6, 20), []),
    ],
)
def test_a_phone_that_changed_hands_stands_for_who_held_it_on_the_date(
    tmp_path: Path, day: date, persons: list[tuple[str, int]]
) -> None:
    with tiny.tiny_draft(tmp_path) as draft:
        first, second = date(2017, 6, 10), date(2017, 6, 20)
        put(draft, (1, "a", "handover", None, first), (1, "b", "handover", first, second))
        change(draft, (1, "added"))
        assert draft.session.rows(persons_on("vip", day)) == persons


def test_each_is_on_it_once_and_who_was_taken_off_or_shares_it_is_not(tmp_path: Path) -> None:
    with tiny.tiny_draft(tmp_path) as draft:
        put(
            draft, (1, "a", "sole", None, None), (2, "a", "sole", None, None),
            (3, "b", "sole", None, None), (4, None, "shared", None, None),
        )
        change(draft, (1, "added"), (2, "added"), (3, "added"), (4, "added"), (5, "added"),
               (3, "removed"))
        assert draft.session.rows(persons_on("vip", DAY)) == [("a", 0)]
        assert draft.session.rows(persons_on("v'ip", DAY)) == []
