"""A store that knows nothing but the published moves stays in step, day by day for a year."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest

from lake.engines.duckdb import Session
from lake.store import Lake, open_lake
from schemas.identity_rules import IdentityRules
from tests.oracles.stays_oracle import Decision
from tests.pipelines.identity.seen import DAY, Seen
from tests.pipelines.identity.test_resolve import TIGHT
from tests.pipelines.identity.test_scope import release

YEAR = 365
Store = dict[tuple[object, object], object]


def year_of_events(seed: int) -> list[list[Seen]]:
    """Per day a few events of persons who change phones, share devices and come late."""
    dice = random.Random(seed)
    days: list[list[Seen]] = []
    for day in range(YEAR):
        found = []
        for number in range(dice.randrange(1, 5)):
            person = dice.randrange(40)
            own = [
                ("user_id", f"u{person}"),
                ("member_card", f"m{person // 2 if person % 5 == 0 else person}"),
                ("phone", f"p{person if day < 180 else (person + 3) % 40}"),
                ("device_id", f"d{person // 3}"),
            ]
            members = tuple(dice.sample(own, dice.randrange(1, 4)))
            happened = max(0, day - dice.choice([0, 0, 0, 1, 5]))
            found.append(Seen(f"e{day:03}{number}", happened, members, day))
        days.append(found)
    return days


def apply_moves(session: Session, store: Store, day: int) -> None:
    for identifier, tenure, origin, target in session.rows(
        "SELECT identifier_key, tenure, one_id_from, one_id_to FROM identity_moves "
        f"WHERE published_for = DATE '{DAY + timedelta(days=day)}' ORDER BY ALL"
    ):
        assert store.get((identifier, tenure)) == origin
        store[identifier, tenure] = target
        if target is None:
            del store[identifier, tenure]


def apply_changes(session: Session, persons: set[object], day: int) -> None:
    changes = session.rows(
        "SELECT kind, one_id, other_one_id FROM identity_changes "
        f"WHERE published_for = DATE '{DAY + timedelta(days=day)}'"
    )
    persons |= {one for kind, one, _ in changes if kind in ("created", "split")}
    persons -= {one for kind, one, _ in changes if kind == "vanished"}
    persons -= {other for kind, _, other in changes if kind == "merged"}


def decisions_of(day: int) -> tuple[list[Decision], list[str]]:
    """What people decide on that day, and take back."""
    if day % 60 == 30:
        name = f"d{day}"
        return [(name, "unlink", ("user_id", f"u{day % 40}"), ("phone", f"p{day % 40}"))], []
    return [], [f"d{day - 20}"] if day % 60 == 50 else []


@pytest.mark.prove
@pytest.mark.parametrize("seed", [1])
def test_a_store_follows_the_moves_for_a_year(tmp_path: Path, seed: int) -> None:
    lake: Lake = open_lake(tmp_path / "lake", create=True)
    rules: IdentityRules = TIGHT
    store: Store = {}
    persons: set[object] = set()
    seen: list[Seen] = []
    for day, fresh in enumerate(year_of_events(seed)):
        seen += fresh
        decisions, revoked = decisions_of(day)
        release(lake, seen, day, rules, decisions, revoked)
        with lake.reader() as session:
            apply_moves(session, store, day)
            apply_changes(session, persons, day)
            published = session.rows(
                "SELECT identifier_key, tenure, one_id FROM tenures WHERE one_id IS NOT NULL"
            )
            assert store == {(key, tenure): one_id for key, tenure, one_id in published}
            assert persons == {one_id for (one_id,) in session.rows("SELECT one_id FROM persons")}
