"""Persons merge and split by decisions of people; their tags follow, and come back as they were."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lake import conf
from lake.draft import Draft
from pipelines import identity
from pipelines.tags import publish_tags, refresh_partials
from schemas.identity_rules import IdentityRules
from schemas.tag_definitions import Tag
from tests import tiny
from tests.oracles.stays_oracle import Decision
from tests.pipelines.identity.seen import BEGIN, DAY, Seen, write
from tests.pipelines.identity.test_decision_effects import decision_rows
from tests.pipelines.tags.worlds import EVENTS, some_tags

CLOCK = datetime(2018, 1, 1, tzinfo=UTC)
LAST = 12
PEOPLE = [("user_id", name) for name in "abcd"]


def some_events(draw: random.Random) -> list[Seen]:
    """Four users with devices and properties, over thirteen days."""
    found = []
    for number in range(60):
        user = draw.choice(PEOPLE)
        members = (user, ("device_id", f"d{user[1]}{draw.randrange(2)}"))
        day = draw.randrange(LAST + 1)
        properties = (("city", draw.choice(["北京", "成都"])), ("points", str(draw.randrange(9))))
        found.append(
            Seen(f"e{number:02}", day, members, day, type="viewed", properties=properties)
        )
    return found


def publish(
    root: Path, tags: Sequence[Tag], seen: Sequence[Seen], decisions: Sequence[Decision] = (),
    revoked: Sequence[str] = (), day: int = LAST,
) -> dict[str, dict[str, Any]]:
    """Release what is new, and give the tags by person."""
    (rules,) = conf.load("identity.yml", IdentityRules)
    with tiny.tiny_draft(root, DAY + timedelta(days=day)) as draft:
        if seen:
            write(draft, seen)
        if decisions or revoked:
            _decide(draft, decisions, revoked)
        identity.resolve(draft, rules)
        refresh_partials(draft, tags)
        publish_tags(draft, tags)
        found = tiny.tag_rows(draft)
        draft.publish("run", "inputs", "rules", lambda: CLOCK)
    return found


def _decide(draft: Draft, decisions: Sequence[Decision], revoked: Sequence[str]) -> None:
    draft.session.register("decided", decision_rows(decisions, revoked, BEGIN))
    draft.append("identity_decisions", "SELECT * FROM decided")
    draft.session.con.unregister("decided")


@pytest.mark.slow
@pytest.mark.rule("CDP-6")
@pytest.mark.parametrize("seed", range(2))
def test_a_link_revoked_leaves_every_tag_as_it_was(tmp_path: Path, seed: int) -> None:
    draw, tags = random.Random(seed), [t for t in some_tags(seed) if t.source == EVENTS["from_"]]
    seen = some_events(draw)
    a, b = draw.sample(PEOPLE, 2)
    link: Decision = ("d1", "link", a, b)
    before = publish(tmp_path / "days", tags, seen)
    linked = publish(tmp_path / "days", tags, [], [link])
    again = publish(tmp_path / "days", tags, [], revoked=["d1"])
    assert len(linked) == len(before) - 1
    whole = publish(tmp_path / "linked", tags, seen, [link])
    assert without_numbers(linked) == without_numbers(whole)
    assert again == before


@pytest.mark.slow
@pytest.mark.rule("CDP-6")
@pytest.mark.parametrize("seed", range(1))
def test_days_of_events_and_decisions_equal_a_rebuild_at_the_same_cut(
    tmp_path: Path, seed: int
) -> None:
    draw, tags = random.Random(seed), [t for t in some_tags(seed) if t.source == EVENTS["from_"]]
    seen, made = some_events(draw), list[Decision]()
    for day in range(LAST - 3, LAST + 1):
        fresh = [one for one in seen if one.day == day or (day == LAST - 3 and one.day <= day)]
        a, b = draw.sample(PEOPLE, 2)
        decision: Decision = (f"d{day}", draw.choice(["link", "unlink"]), a, b)
        found = publish(tmp_path / "days", tags, fresh, [decision], day=day)
        made.append(decision)
        known = [one for one in seen if one.day <= day]
        whole = publish(tmp_path / f"whole{day}", tags, known, made, day=day)
        assert without_numbers(found) == without_numbers(whole)


def without_numbers(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """A rebuild that is not handed the numbers of persons gives others."""
    return {
        one_id: {k: v for k, v in row.items() if k != "person_no"} for one_id, row in found.items()
    }
