"""Identity traps: enough decidable instances of each, and stays that fit their trap."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from pipelines.world import generate
from pipelines.world.parameters import PARAMETERS
from tests.pipelines.world.small_world import Small

PERCENTAGES = (
    "recycled_phone", "sold_device", "new_phone", "new_device", "reinstalled", "family_tablet",
    "shared_card", "wrong_clock",
)


QUIET = replace(PARAMETERS, sessions_before_basket=0.05, browsing_per_basket=0.02)
HOUSEHOLDS = 300


@pytest.fixture(scope="session")
def truth() -> dict:
    """Truth of an eighth of the world with few sessions."""
    return generate(seed=1, traps="basic", households=HOUSEHOLDS, parameters=QUIET).truth


@pytest.mark.prove
def test_every_percentage_trap_has_fifty_decidable_instances_in_the_whole_world() -> None:
    truth = generate(seed=1, traps="basic").truth
    rows = truth["traps"].to_pylist()
    counts = Counter(row["trap"] for row in rows if row["decidable"])
    assert {trap: counts[trap] for trap in PERCENTAGES if counts[trap] < 50} == {}
    assert 5_000 < truth["persons"].num_rows < 5_400
    sources = Counter(truth["events"]["source"].to_pylist())
    assert 360_000 < sources["app_events"] < 400_000


def test_decidable_instances_of_an_eighth_are_an_eighth_of_fifty(truth: dict) -> None:
    rows = truth["traps"].to_pylist()
    counts = Counter(row["trap"] for row in rows if row["decidable"])
    fewest = 50 * HOUSEHOLDS / 2469
    assert {trap: counts[trap] for trap in PERCENTAGES if counts[trap] < fewest} == {}


def test_traps_keep_their_shares(truth: dict) -> None:
    persons = truth["persons"].num_rows
    counts = Counter(truth["traps"]["trap"].to_pylist())
    assert counts["recycled_phone"] == round(PARAMETERS.recycled_phone * persons)
    assert counts["sold_device"] == round(PARAMETERS.sold_device * persons)
    assert counts["store_tablet"] == PARAMETERS.store_tablets
    assert counts["shared_card"] == round(PARAMETERS.shared_card * HOUSEHOLDS)


@pytest.mark.parametrize(
    ("trap", "days"), [("recycled_phone", (60, 180)), ("sold_device", (7, 30))]
)
def test_tenures_of_passed_on_identifiers_leave_their_gap(
    truth: dict, trap: str, days: tuple[int, int]
) -> None:
    stays: dict[str, list[dict]] = {}
    for row in truth["identifiers"].to_pylist():
        stays.setdefault(row["value"], []).append(row)
    for row in truth["traps"].to_pylist():
        if row["trap"] == trap:
            first, second = sorted(
                stays[row["identifiers"][0]], key=lambda one: one["valid_from"] is not None
            )
            gap = (second["valid_from"] - first["valid_to"]).days
            assert days[0] <= gap <= days[1]
            assert [first["person_id"], second["person_id"]] == row["person_ids"]


def test_only_traps_let_two_hold_one_identifier_at_once(truth: dict) -> None:
    shared = {row["value"] for row in truth["identifiers"].to_pylist() if row["is_shared"]}
    told = {value for row in truth["traps"].to_pylist() for value in row["identifiers"]}
    assert shared <= told


def test_undecidable_recycled_phones_hide_one_side(truth: dict) -> None:
    rows = [row for row in truth["traps"].to_pylist() if row["trap"] == "recycled_phone"]
    decided = sum(row["decidable"] for row in rows) / len(rows)
    assert 0.6 < decided < 0.75


def test_spoiled_rows_are_not_events(basic: Small) -> None:
    for row in basic.rows("spoiled"):
        assert row["trap"] == "malformed"
    keys = [(row["source"], row["event_id"]) for row in basic.rows("events")]
    assert len(keys) == len(set(keys))
