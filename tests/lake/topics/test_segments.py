"""What only files can suffer: torn tails, killed writers, full disks, lost indexes."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lake import locks
from lake.topics import Fresh, partition_log
from lake.topics.segments import SegmentTopics
from schemas.errors import BusyError, StorageError, UnreachableError, UsageError

ROOT = Path(__file__).parents[3]


def made(folder: Path, records: int = 0, segment_bytes: int = 1 << 20) -> SegmentTopics:
    topics = SegmentTopics(folder, segment_bytes)
    topics.create("t", 1)
    send(topics, 0, records)
    return topics


def send(topics: SegmentTopics, first: int, count: int) -> None:
    writer = topics.writer("t")
    for number in range(first, first + count):
        writer.send(Fresh(b"k", b"v%d" % number, number))
    writer.close()


def values(topics: SegmentTopics, start: int = 0) -> list[bytes | None]:
    reader = topics.reader("t", {0: start})
    found: list[bytes | None] = []
    while some := reader.read(1_000, 0):
        found += [record.value for record in some]
    return found


def expected(count: int, start: int = 0) -> list[bytes]:
    return [b"v%d" % number for number in range(start, count)]


def last_segment(folder: Path) -> Path:
    return max((folder / "t" / "0").glob("*.log"))


@pytest.mark.parametrize("tail", [b"\x01", b"\0" * 100, b"torn" * 50])
def test_a_torn_tail_is_seen_by_nobody_and_cut_off_by_the_next_writer(
    tmp_path: Path, tail: bytes
) -> None:
    topics = made(tmp_path, 5)
    with open(last_segment(tmp_path), "ab") as out:
        out.write(tail)
    assert values(topics) == expected(5)
    send(topics, 5, 5)
    assert values(topics) == expected(10)
    assert topics.span("t") == {0: (0, 10)}


def test_a_record_cut_in_half_goes_and_those_before_it_stay(tmp_path: Path) -> None:
    topics = made(tmp_path, 5)
    whole = last_segment(tmp_path).read_bytes()
    other = made(tmp_path / "other", 9)
    longer = last_segment(tmp_path / "other").read_bytes()
    last_segment(tmp_path).write_bytes(longer[:-3])
    assert longer.startswith(whole)
    send(topics, 8, 1)
    assert values(topics) == values(other)


def test_a_lost_end_is_found_again(tmp_path: Path) -> None:
    topics = made(tmp_path, 20, segment_bytes=300)
    (tmp_path / "t" / "0" / "end").write_bytes(b"")
    assert topics.span("t") == {0: (0, 20)}
    assert values(topics, 7) == expected(20, 7)


def test_without_its_index_a_segment_is_read_from_its_beginning(tmp_path: Path) -> None:
    topics = made(tmp_path, 20, segment_bytes=300)
    for path in (tmp_path / "t" / "0").glob("*.index"):
        path.unlink()
    assert values(topics, 13) == expected(20, 13)
    assert topics.offset_at("t", datetime.fromtimestamp(0.017, UTC)) == {0: 17}


def test_the_index_leads_into_the_middle_of_a_segment(tmp_path: Path) -> None:
    topics = made(tmp_path)
    writer = topics.writer("t")
    for number in range(3_000):
        writer.send(Fresh(b"k", b"%d" % number + b"." * 200, number))
        if number % 700 == 0:
            writer.flush()
    writer.close()
    marks = topics._log("t", 0).marks(0)
    assert len(marks) > 5
    for start in (1, 699, 701, 2_222, 2_999):
        (record,) = topics.reader("t", {0: start}).read(1, 0)
        assert (record.offset, record.at) == (start, start)
        assert topics.offset_at("t", datetime.fromtimestamp(start / 1000, UTC)) == {0: start}


def test_a_damaged_record_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    topics = made(tmp_path, 5)
    path = last_segment(tmp_path)
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(StorageError, match="damaged") as raised:
        values(topics)
    assert raised.value.where == str(path)


WRITER = """
import sys
from pathlib import Path
from lake.topics import Fresh
from lake.topics.segments import SegmentTopics
writer = SegmentTopics(Path(sys.argv[1]), 20_000).writer("t")
for number in range(10_000_000):
    writer.send(Fresh(b"k", b"v%d" % number, number))
    if number % 7 == 6:
        writer.flush()
        print(number, flush=True)
"""


def started(code: str, folder: Path, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env=os.environ | env,
    )


def test_a_writer_killed_under_load_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    topics = made(tmp_path, segment_bytes=20_000)
    with started(WRITER, tmp_path) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) > 2_000:
                break
        writer.send_signal(signal.SIGKILL)
        kept = int((writer.stdout.read().split() or [line])[-1]) + 1
    found = values(topics)
    assert len(found) >= kept
    send(topics, len(values(topics)), 1)
    found = values(topics)
    assert found == expected(len(found))
    assert len(topics._log("t", 0).bases()) > 1


def test_a_writer_killed_before_it_tells_the_end_leaves_whole_records(tmp_path: Path) -> None:
    topics = made(tmp_path, segment_bytes=20_000)
    with started(WRITER, tmp_path, GUIYI_CRASH_AT="topic.before_end") as writer:
        assert writer.wait() == -signal.SIGKILL
    assert values(topics) == []
    send(topics, 7, 1)
    assert values(topics) == expected(8)


def test_a_second_writer_waits_for_the_first_and_then_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = made(tmp_path)
    monkeypatch.setattr(partition_log, "LOCK_WAIT_S", 0.1)
    writer = topics.writer("t")
    writer.send(Fresh(b"k", b"v0", 0))
    with (
        locks.exclusive(tmp_path / "t" / "0", "partition"),
        pytest.raises(BusyError, match="another run holds partition"),
    ):
        writer.flush()
    writer.close()
    assert values(topics) == expected(1)


def test_two_writers_of_one_topic_take_turns(tmp_path: Path) -> None:
    topics = made(tmp_path)
    first, second = topics.writer("t"), topics.writer("t")
    for number in range(6):
        (first, second)[number % 2].send(Fresh(b"k", b"v%d" % number, 0))
        (first, second)[number % 2].flush()
    assert values(topics) == expected(6)


@contextmanager
def longest_file(size: int) -> Iterator[None]:
    """Writing beyond ``size`` fails in the kernel, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_and_what_waited_goes_with_the_next_flush(tmp_path: Path) -> None:
    topics = made(tmp_path, 5)
    writer = topics.writer("t")
    for number in range(5, 2_000):
        writer.send(Fresh(b"k", b"v%d" % number, number))
    with longest_file(4_000), pytest.raises(UnreachableError, match="could not keep") as raised:
        writer.flush()
    assert "free some disk space" in str(raised.value)
    assert raised.value.exit_code == 75
    assert values(topics) == expected(5)
    writer.close()
    assert values(topics) == expected(2_000)


def test_threads_that_share_a_writer_keep_the_order_of_their_keys(tmp_path: Path) -> None:
    topics = made(tmp_path)
    writer = topics.writer("t")

    def work(name: int) -> None:
        for number in range(200):
            writer.send(Fresh(b"%d" % name, b"%d" % number, 0))
            if number % 20 == 0:
                writer.flush()

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    writer.close()
    reader = topics.reader("t", {0: 0})
    found = reader.read(10_000, 0)
    for name in range(4):
        mine = [int(r.value or b"") for r in found if r.key == b"%d" % name]
        assert mine == list(range(200))


def test_what_is_older_than_a_topic_keeps_is_dropped_by_whole_segments(tmp_path: Path) -> None:
    topics = SegmentTopics(tmp_path, 200)
    topics.create("t", 1, keep_for_s=60)
    for minute in range(10):
        writer = topics.writer("t")
        for number in range(10):
            writer.send(Fresh(b"k", b"v", (minute * 60 + number) * 1000))
        writer.close()
    dropped = topics.expire(datetime.fromtimestamp(8 * 60, UTC))
    first, end = topics.span("t")[0]
    assert dropped == {"t": first}
    assert first == 70
    assert end == 100
    assert topics.expire(datetime.fromtimestamp(1e6, UTC)) == {"t": 30}
    assert topics.span("t") == {0: (100, 100)}
    send(topics, 0, 1)
    assert topics.span("t") == {0: (100, 101)}


def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be a topic"):
        SegmentTopics(tmp_path).create("../t", 1)


def test_segments_load_no_database_and_no_dataframe() -> None:
    code = (
        "import sys, lake.topics.segments; "
        "print([m for m in ('duckdb', 'deltalake', 'pyarrow', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
