"""Landed records as deliveries: one line per offset, one file per time of receipt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from lake import crash, erasing
from lake.engines.duckdb import Session
from lake.landed import LandedTable
from lake.landed.carrying import (
    MOST_BLANK,
    Carried,
    Reached,
    carried,
    groups,
    line_of,
    path_of,
    place_of,
    place_of_line,
    reached,
)
from lake.landed.waiting import drop, waiting
from lake.landing import Landing
from lake.topics import Fresh
from tests.lake.landed.test_lander import landed, made, ms, rows, send

MINUTE = 60_000_000
START = datetime(1970, 1, 1, tzinfo=UTC)
FAR = datetime(2100, 1, 1, tzinfo=UTC)
NOON = datetime(2017, 6, 1, 12, tzinfo=UTC)


def grouped(
    times: list[tuple[int, float]], before: float = 1e6, latest: float = 0, floor: float = 0
) -> list[tuple[int, float, int]]:
    """First offset, minute and lines of groups; offsets and minutes of rows go in."""
    at = [(offset, round(minute * MINUTE), b"x") for offset, minute in times]
    found = groups(
        at, START + timedelta(minutes=latest), START + timedelta(minutes=before),
        START + timedelta(minutes=floor), 60,
    )
    return [(one.first, one.at / MINUTE, len(one.lines)) for one in found]


def test_rows_of_one_minute_are_one_delivery_and_the_next_minute_another() -> None:
    assert grouped([(0, 1), (1, 1.5), (2, 1.99), (3, 2)]) == [(0, 1, 3), (3, 2, 1)]


def test_a_row_that_came_out_of_order_belongs_to_the_time_that_was_reached() -> None:
    assert grouped([(0, 5), (1, 1), (2, 6)]) == [(0, 5, 2), (2, 6, 1)]
    assert grouped([(0, 1)], latest=7) == [(0, 7, 1)]


def test_nothing_received_at_the_cut_or_after_a_row_that_was_is_delivered() -> None:
    assert grouped([(0, 1), (1, 3), (2, 1)], before=3) == [(0, 1, 1)]
    assert grouped([(0, 2.999)], before=3) == [(0, 2, 1)]


def test_what_comes_after_its_cut_is_delivered_to_the_open_one() -> None:
    assert grouped([(7, 1), (8, 2), (9, 4)], floor=3) == [(7, 3, 2), (9, 4, 1)]


def test_gaps_are_blank_lines_and_long_ones_begin_a_new_file() -> None:
    assert grouped([(5, 1), (8, 1)]) == [(5, 1, 4)]
    far = 6 + MOST_BLANK + 1
    assert grouped([(5, 1), (far, 1)]) == [(5, 1, 1), (far, 1, 1)]


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (b'{"a": 1}', b'{"a": 1}'),
        (b'{"a":\n 1}\n', b'{"a":  1} '),
        (b'{"a": "x\ny"}', b'{"a": "x\x0by"}'),
        (b"no json\n{}", b"no json\x0b{}"),
    ],
)
def test_a_record_of_several_lines_is_one_line_that_means_the_same(
    value: bytes, line: bytes
) -> None:
    def meaning(text: bytes) -> object:
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return "none"

    assert line_of(value) == line
    assert meaning(line) == meaning(value)


def test_file_and_line_name_topic_partition_and_offset() -> None:
    path = path_of("consents", 3, 40)
    assert path == "topics/consents/3/00000000000000000040.jsonl.gz"
    assert place_of(path) == ("consents", 3, 40)
    assert place_of(path + "~2") == ("consents", 3, 40)
    assert place_of("app_events/2017.jsonl.gz") is None
    assert place_of_line(path, 3) == "topic events.consents, partition 3, offset 42"
    assert place_of_line("erp/1.csv", 3) == ""


def deliver(folder: Path, landing: Landing, before: datetime) -> list[str]:
    done = reached(landing, landing.deliveries())
    with Session(folder / "spill") as session:
        files: list[Carried] = []
        table = LandedTable(folder / "landed")
        for partition in (0, 1):
            after = done.get(("app_events", partition), Reached())
            files += carried(
                session, table, "t", "app_events", partition, after=after, before=before,
                not_before=START, grain_s=60,
            )
        return [one.file for one in landing.receive(files)]


def test_deliveries_hold_each_offset_once_whatever_was_delivered_before(tmp_path: Path) -> None:
    topics = made(tmp_path, 300, partitions=2)
    landed(tmp_path, topics)
    landing = Landing(tmp_path / "landing")
    first = deliver(tmp_path, landing, NOON + timedelta(seconds=130))
    assert deliver(tmp_path, landing, NOON + timedelta(seconds=130)) == []
    erasing.redact(landing, {first[0]: {1}, first[-1]: {1, 2}})
    second = deliver(tmp_path, landing, FAR)
    assert len(first) == 6
    assert not set(first) & set(second)
    found = set()
    for delivery in landing.deliveries():
        source, partition, start = place_of(delivery.file) or ("", -1, -1)
        assert source == "app_events"
        lines = erasing.text_of(landing.read(delivery)).splitlines()
        found |= {(partition, start + n) for n in range(len(lines))}
    assert found == {(p, n) for p, (_, end) in topics.span("t").items() for n in range(end)}


def test_what_waits_is_counted_and_what_is_taken_is_dropped_bytes_and_all(tmp_path: Path) -> None:
    topics = made(tmp_path, 300, partitions=2)
    landed(tmp_path, topics, most=70)
    table = LandedTable(tmp_path / "landed")
    ends = {p: end for p, (_, end) in topics.span("t").items()}
    with Session(tmp_path / "spill") as session:
        found = waiting(session, table, {("t", 0): 10})
        assert [(w.partition, w.records) for w in found] == [(0, ends[0] - 10), (1, ends[1])]
        assert drop(session, table, {("t", 0): 25, ("t", 1): ends[1]}) == 25 + ends[1]
        assert rows(tmp_path) == [(0, n) for n in range(25, ends[0])]
        on_disk = {str(path) for path in (tmp_path / "landed").rglob("*.parquet")
                   if "_delta_log" not in str(path)}
        assert on_disk == {file.path for file in table.files()}
        assert drop(session, table, {("t", 0): 25, ("t", 1): ends[1]}) == 0
    assert table.next_offset("t", 1) == ends[1]
    assert landed(tmp_path, topics) == 0


class Killed(BaseException):
    """Ends a run where a kill would."""


@pytest.mark.parametrize("point", ["landed.before_drop", "landed.before_vacuum"])
def test_a_drop_that_was_killed_is_ended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    topics = made(tmp_path, 100)
    landed(tmp_path, topics, most=30)

    def kill(name: str) -> None:
        if name == point:
            raise Killed

    with Session(tmp_path / "spill") as session:
        with monkeypatch.context() as patched:
            patched.setattr(crash, "point", kill)
            with pytest.raises(Killed):
                drop(session, LandedTable(tmp_path / "landed"), {("t", 0): 45})
        table = LandedTable(tmp_path / "landed")
        assert drop(session, table, {("t", 0): 45}) == (45 if point.endswith("drop") else 0)
        table.purge_orphans(0)
    assert rows(tmp_path) == [(0, n) for n in range(45, 100)]
    on_disk = {str(path) for path in (tmp_path / "landed").glob("d=*/*.parquet")}
    assert on_disk == {file.path for file in table.files()}


def test_compaction_and_sweep_leave_a_running_lander_alone(tmp_path: Path) -> None:
    topics = made(tmp_path, 200)
    landed(tmp_path, topics, most=20)
    keeper = LandedTable(tmp_path / "landed")
    orphan = tmp_path / "landed" / "d=2017-06-01" / "left.parquet"

    def meanwhile(_: object) -> None:
        keeper.refresh()
        if len(keeper.files()) > 1:
            assert keeper.compact(64) > 1
            keeper.purge()
            keeper.purge_orphans(6)

    orphan.write_bytes(b"PAR1")
    send(topics, [Fresh(b"k", b'{"secret": "wm-7731"}', ms(n)) for n in range(100)])
    assert landed(tmp_path, topics, most=20, noted=meanwhile) == 100
    assert rows(tmp_path) == [(0, n) for n in range(300)]
    assert len(LandedTable(tmp_path / "landed").files()) == 1
    assert orphan.exists()
    keeper.refresh()
    assert keeper.purge_orphans(0) == 1
    assert not orphan.exists()
    log = b"".join(p.read_bytes() for p in (tmp_path / "landed" / "_delta_log").glob("*.json"))
    assert b"wm-7731" not in log
    assert rows(tmp_path) == [(0, n) for n in range(300)]
