"""What holds for every world: same seed, same bytes; the truth counts what the files hold."""

from __future__ import annotations

import json
import re
from collections import Counter

from pipelines.world import generate
from tests.pipelines.world.small_world import Small, make


def test_same_seed_gives_the_same_bytes_and_truth() -> None:
    first, again = (make(seed=1, traps="basic", households=10) for _ in range(2))
    assert again.files == first.files
    assert again.truth == first.truth


def test_another_seed_gives_another_world(basic: Small) -> None:
    other = generate(seed=2, households=5)
    assert other.truth["identifiers"] != basic.truth["identifiers"]


def test_expected_counts_the_data_lines_of_every_file(basic: Small) -> None:
    expected = {row["path"]: row["count_rows"] for row in basic.rows("expected")}
    assert expected.keys() == basic.files.keys()
    for path, count in expected.items():
        header = int(path.endswith(".csv"))
        assert len(basic.lines(path)) - header == count


def test_events_spoils_and_repeats_add_up_to_the_lines(basic: Small) -> None:
    lines: Counter[str] = Counter()
    for row in basic.rows("expected"):
        lines[row["source"]] += row["count_rows"]
    told: Counter[str] = Counter()
    for table in ("events", "spoiled", "repeats"):
        told.update(row["source"] for row in basic.rows(table))
    del lines["products"]
    assert told == lines


def test_no_id_of_the_truth_stands_in_a_raw_file(basic: Small) -> None:
    persons = basic.rows("persons")
    secrets = {row["person_id"].encode() for row in persons}
    secrets |= {row["household_id"].encode() for row in persons}
    leak = re.compile(b"|".join(sorted(secrets)))
    for path in basic.files:
        if path.startswith("products"):
            continue
        text = b"\n".join(basic.lines(path))
        assert not leak.search(text)


def test_a_world_without_traps_has_none(untrapped: Small) -> None:
    for table in ("traps", "spoiled", "repeats"):
        assert untrapped.truth[table].num_rows == 0
    assert not any(row["is_shared"] for row in untrapped.rows("identifiers"))
    assert not any(row["marks"] for row in untrapped.rows("events"))


def test_files_are_delivered_when_their_source_delivers(basic: Small) -> None:
    assert basic.files["products/2017-01-01.csv"].delivered_at.isoformat() == (
        "2016-12-31T16:00:00+00:00"
    )
    path = basic.paths("app_events")[-1]
    hour = basic.files[path].delivered_at
    last = json.loads(basic.lines(path)[-1])["receivedAt"]
    assert last < hour.strftime("%Y-%m-%dT%H:%M:%S") < "2018"
    assert (hour.minute, hour.second) == (5, 0)


def test_the_hard_traps_are_laid_in_the_all_world(hard: Small) -> None:
    traps = set(hard.truth["traps"]["trap"].to_pylist())
    wanted = {"spouse_phone", "mistyped_phone", "cashier_card", "small_placeholder"}
    assert wanted | {"friend_login", "second_phone"} <= traps
