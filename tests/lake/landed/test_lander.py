"""Landing from topics: each offset once, whatever ends a lander, and only one lander at a time."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lake.engines.duckdb import Session
from lake.landed import LandedTable, land
from lake.landed.lander import Lander
from lake.landed.waiting import drop, lag
from lake.topics import Fresh
from lake.topics.segments import SegmentTopics
from schemas.errors import BusyError, InputError, NotFoundError, StorageError

ROOT = Path(__file__).parents[3]
NOW = datetime(2017, 6, 2, tzinfo=UTC)
NOON = datetime(2017, 6, 1, 12, tzinfo=UTC)
HEADERS = (("source", b"app_events"), ("schema", b"f00d"), ("version", b"1"))


def clock() -> datetime:
    return NOW


def made(folder: Path, records: int = 0, partitions: int = 1) -> SegmentTopics:
    topics = SegmentTopics(folder / "topics", 20_000)
    topics.create("t", partitions)
    keys = [b"k%d" % (n % 7) for n in range(records)]
    send(topics, [Fresh(k, b'{"n": %d}' % n, ms(n), HEADERS) for n, k in enumerate(keys)])
    return topics


def ms(seconds: float) -> int:
    return round((NOON.timestamp() + seconds) * 1000)


def send(topics: SegmentTopics, records: list[Fresh]) -> None:
    writer = topics.writer("t")
    for record in records:
        writer.send(record)
    writer.close()


def landed(folder: Path, topics: SegmentTopics, most: int = 100_000, **options: Any) -> int:
    done = land(
        topics, {"t": options.pop("partitions", ())}, folder / "landed", folder / "locks",
        clock=clock, most=most, every_s=0.2, **options,
    )
    return done["t"].records


def rows(folder: Path, columns: str = '"partition", "offset"') -> list[tuple[Any, ...]]:
    files = [file.path for file in LandedTable(folder / "landed").files()]
    with Session(folder / "spill") as session:
        return session.rows(
            f"SELECT {columns} FROM read_parquet({files}, hive_partitioning = false) "
            'ORDER BY "partition", "offset"'
        )


def offsets(topics: SegmentTopics) -> list[tuple[int, int]]:
    return [(p, n) for p, (_, end) in topics.span("t").items() for n in range(end)]


def test_every_record_is_a_row_with_its_place_key_headers_and_time(tmp_path: Path) -> None:
    topics = made(tmp_path, 3)
    assert landed(tmp_path, topics) == 3
    assert rows(tmp_path, "topic, \"partition\", \"offset\", key, source, schema, version, "
                "CAST(received_at AS VARCHAR), CAST(received_on AS VARCHAR), value")[1] == (
        "t", 0, 1, "k1", "app_events", "f00d", "1", "2017-06-01 12:00:01+00", "2017-06-01",
        '{"n": 1}',
    )


def test_landing_again_lands_only_what_came_since(tmp_path: Path) -> None:
    topics = made(tmp_path, 100, partitions=3)
    assert landed(tmp_path, topics, most=30) == 100
    assert landed(tmp_path, topics) == 0
    send(topics, [Fresh(b"k1", b"{}", ms(1), HEADERS)])
    assert landed(tmp_path, topics) == 1
    assert rows(tmp_path) == offsets(topics)


def test_workers_land_their_own_partitions_at_once(tmp_path: Path) -> None:
    topics = made(tmp_path, 300, partitions=4)
    threads = [
        threading.Thread(target=landed, args=(tmp_path, topics, 20), kwargs={"partitions": mine})
        for mine in ([0, 2], [1, 3])
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert rows(tmp_path) == offsets(topics)


def test_bytes_that_are_not_utf8_are_kept_and_a_tombstone_too(tmp_path: Path) -> None:
    topics = made(tmp_path)
    send(topics, [Fresh(b"\xff", b"\xff\n", ms(0)), Fresh(b"k", None, ms(1), HEADERS)])
    landed(tmp_path, topics)
    first, second = rows(tmp_path, "key, source, value, value_base64")
    assert first == ("\\xff", None, None, base64.b64encode(b"\xff\n").decode())
    assert second == ("k", "app_events", None, None)


def test_a_record_of_the_future_was_received_when_it_landed(tmp_path: Path) -> None:
    topics = made(tmp_path)
    late = round((NOW + timedelta(days=9)).timestamp() * 1000)
    send(topics, [Fresh(b"k", b"{}", late), Fresh(b"k", b"{}", -1), Fresh(b"k", b"{}", ms(0))])
    landed(tmp_path, topics)
    times = [at for (at,) in rows(tmp_path, "CAST(received_at AS VARCHAR)")]
    assert times == ["2017-06-02 00:00:00+00"] * 2 + ["2017-06-01 12:00:00+00"]


def test_records_of_two_days_lie_in_two_partitions_of_the_table(tmp_path: Path) -> None:
    topics = made(tmp_path)
    send(topics, [Fresh(b"k", b"{}", ms(hours * 3600)) for hours in (0, 12, 6, 13)])
    topics_now = LandedTable(tmp_path / "landed")
    land(topics, {"t": ()}, tmp_path / "landed", tmp_path / "locks",
         clock=lambda: NOW + timedelta(days=2), every_s=0.1)
    topics_now.refresh()
    assert sorted((f.d, f.rows) for f in topics_now.files()) == [
        ("2017-06-01", 2), ("2017-06-02", 2)
    ]


LANDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from lake.landed import land
from lake.topics.segments import SegmentTopics
folder = Path(sys.argv[1])
land(SegmentTopics(folder / "topics", 20_000), {"t": ()}, folder / "landed", folder / "locks",
     clock=lambda: datetime(2017, 6, 2, tzinfo=UTC), most=40, every_s=0.2)
"""


def run(code: str, *arguments: object, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, env=os.environ | env,
        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )


@pytest.mark.slow
def test_a_lander_killed_at_any_point_loses_and_doubles_no_row(tmp_path: Path) -> None:
    topics = made(tmp_path, 300, partitions=2)
    reached = []
    for point in ("land.after_read", "land.after_files", "land.before_commit", "land.after_commit"):
        with run(LANDER, tmp_path, GUIYI_CRASH_AT=point) as lander:
            assert lander.wait() == -signal.SIGKILL, point
        reached.append(len(rows(tmp_path)) if LandedTable(tmp_path / "landed").files() else 0)
    assert reached == [0, 0, 0, 40]
    landed(tmp_path, topics)
    assert rows(tmp_path) == offsets(topics)


RIVAL = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from lake.landed import LandedTable
from lake.landed.lander import Lander
from lake.topics.segments import SegmentTopics
from schemas.errors import BusyError
folder = Path(sys.argv[1])
lander = Lander(SegmentTopics(folder / "topics", 20_000), "t", [0], LandedTable(folder / "landed"),
                lambda: datetime(2017, 6, 2, tzinfo=UTC))
print("ready", flush=True)
sys.stdin.readline()
try:
    while lander.step(25, 0.1):
        pass
except BusyError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


@pytest.mark.slow
def test_delta_fences_two_landers_of_one_partition_that_hold_no_lock(tmp_path: Path) -> None:
    topics = made(tmp_path, 1_000)
    LandedTable(tmp_path / "landed")
    with run(RIVAL, tmp_path) as first, run(RIVAL, tmp_path) as second:
        for one in (first, second):
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        told = {}
        for one in (first, second):
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        for one in (first, second):
            _, told[one.wait()] = one.communicate()
    assert sorted(told) == [0, 75]
    assert "partition" in told[75]
    assert "nothing was landed twice" in told[75]
    assert "Traceback" not in told[75]
    assert rows(tmp_path) == offsets(topics)


def test_a_lander_that_looks_again_sees_that_another_one_went_on(tmp_path: Path) -> None:
    topics = made(tmp_path, 50)
    table = LandedTable(tmp_path / "landed")
    slow = Lander(topics, "t", [0], table, clock)
    landed(tmp_path, topics)
    table.refresh()
    with pytest.raises(BusyError, match="another run lands t, partition 0"):
        slow.step(10, 0.1)
    slow.close()
    assert rows(tmp_path) == offsets(topics)


def test_a_lander_that_does_not_look_is_refused_by_delta(tmp_path: Path) -> None:
    topics = made(tmp_path, 50)
    slow = Lander(topics, "t", [0], LandedTable(tmp_path / "landed"), clock)
    landed(tmp_path, topics)
    with pytest.raises(BusyError, match="another run lands t, partition 0"):
        slow.step(10, 0.1)
    slow.close()
    assert rows(tmp_path) == offsets(topics)


def test_a_release_that_drops_what_it_took_stops_no_lander(tmp_path: Path) -> None:
    topics = made(tmp_path, 50)
    lander = Lander(topics, "t", [0], LandedTable(tmp_path / "landed"), clock)
    assert lander.step(20, 0.1) == 20
    with Session(tmp_path / "spill") as session:
        assert drop(session, LandedTable(tmp_path / "landed"), {("t", 0): 20}) == 20
    while lander.step(20, 0.1):
        pass
    lander.close()
    assert rows(tmp_path) == [one for one in offsets(topics) if one[1] >= 20]


def test_a_second_lander_of_a_partition_is_told_to_come_later(tmp_path: Path) -> None:
    topics = made(tmp_path, 5, partitions=2)
    told: list[BaseException] = []

    def second(_: object) -> None:
        try:
            landed(tmp_path, topics, partitions=[1])
        except BusyError as error:
            told.append(error)

    landed(tmp_path, topics, noted=second)
    assert [str(error).split("\n")[0] for error in told] == ["another run holds land-t-1"]


def test_records_dropped_before_they_landed_are_an_error_unless_passed(tmp_path: Path) -> None:
    topics = made(tmp_path, 600)
    landed(tmp_path, topics)
    for start in range(0, 600, 100):
        send(topics, [Fresh(b"k", b"." * 200, ms(9_000 + start + n)) for n in range(100)])
    topics._log("t", 0).expire(ms(9_300))
    first = topics.span("t")[0][0]
    assert 600 < first <= 900
    with pytest.raises(InputError, match="offset 600 of t, partition 0, is not kept"):
        landed(tmp_path, topics)
    assert landed(tmp_path, topics, skip_gone=True) == 1_200 - first


def test_a_topic_made_anew_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    landed(tmp_path, made(tmp_path, 5))
    (tmp_path / "topics").rename(tmp_path / "old")
    with pytest.raises(InputError, match="shorter than what was landed"):
        landed(tmp_path, made(tmp_path, 3))


def test_an_unknown_partition_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="t has no partition 4"):
        landed(tmp_path, made(tmp_path), partitions=[4])


def test_a_lake_that_takes_no_more_is_told_and_nothing_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = made(tmp_path, 5)
    LandedTable(tmp_path / "landed")
    (tmp_path / "landed" / "d=2017-06-01").write_text("in the way")
    with pytest.raises(StorageError, match="landed could not be written"):
        landed(tmp_path, topics)
    (tmp_path / "landed" / "d=2017-06-01").unlink()
    assert landed(tmp_path, topics) == 5


def test_lag_counts_records_and_seconds_since_the_first_that_waits(tmp_path: Path) -> None:
    topics = made(tmp_path, 10)
    now = NOON + timedelta(seconds=100)
    (before,) = lag(topics, "t", None, now)
    assert (before.records, before.seconds) == (10, 100.0)
    landed(tmp_path, topics)
    send(topics, [Fresh(b"k", b"{}", ms(n)) for n in (60, 90)])
    (after,) = lag(topics, "t", LandedTable(tmp_path / "landed"), now)
    assert (after.next, after.end, after.records, after.seconds) == (10, 12, 2, 40.0)


@pytest.mark.slow
def test_ctrl_c_ends_an_endless_lander_within_seconds(tmp_path: Path) -> None:
    topics = made(tmp_path, 10)
    code = LANDER.replace("every_s=0.2", "every_s=30, is_endless=True").replace(
        "land(SegmentTopics", "print('up', flush=True)\nland(SegmentTopics"
    )
    with run(code, tmp_path) as lander:
        assert lander.stdout is not None
        lander.stdout.readline()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (tmp_path / "landed" / "_delta_log").is_dir():
            time.sleep(0.05)
        time.sleep(0.5)
        started = time.monotonic()
        lander.send_signal(signal.SIGINT)
        lander.wait(20)
    assert time.monotonic() - started < 5
    assert landed(tmp_path, topics) in (0, 10)
    assert rows(tmp_path) == offsets(topics)
