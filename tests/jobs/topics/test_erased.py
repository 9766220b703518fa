"""Promise 7 where events come over topics."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

from jobs import release
from jobs.privacy import erase
from jobs.topics.feed import Delivered, feed
from jobs.topics.land import land
from jobs.topics.place import topics_of
from lake import erasing, traces
from lake.landed import LandedTable
from lake.store import Lake, open_lake
from tests.erasable import ANN, LAST, SPELT, files, settled

ERASED_AT = datetime(2018, 1, 1, 12, tzinfo=UTC)
NEXT, LATER = date(2017, 6, 3), datetime(2017, 6, 3, 10, tzinfo=UTC)
ANNES = re.compile(b"|".join(re.escape(one.encode()) for one in SPELT))


def clock() -> datetime:
    return ERASED_AT


def streamed(lake: Lake, at: datetime | None = None) -> None:
    """Feed and land Ann's world; with ``at``, its events alone, once more, received then.

    What others say of a person in free text is not known again, and not said again.
    """
    given = settled()
    world = [
        Delivered(
            one.source, one.path, at or one.delivered_at,
            one.content if at is None else without_mention(one.content),
        )
        for one in files()
    ]
    feed(world, topics_of(lake, given), given, lake.landing if at is None else None)
    land(lake, given, [])


def without_mention(content: bytes) -> bytes:
    text = erasing.text_of(content)
    return b"".join(line + b"\n" for line in text.split(b"\n") if line and b"is ann" not in line)


def holds(lake: Lake, *parts: str) -> list[str]:
    searched = {part: traces.search(lake.root / part, ANNES) for part in parts}
    return [f"{part}/{one}" for part, told in searched.items() for one in told.found]


def test_landed_records_keep_nobody_longer_than_the_release_and_an_erased_one_stays_out(
    tmp_path: Path,
) -> None:
    lake = open_lake(tmp_path, create=True)
    streamed(lake)
    assert holds(lake, "landed")
    release.publish(lake, settled(), LAST, "run", clock)
    assert holds(lake, "landed") == []
    erase.erase(
        lake, settled(), ANN["user"], reason="asked", author="tester", run_id="r", clock=clock
    )
    assert holds(lake, "landing", "landed") == []
    assert holds(lake, "topics"), "the topics' own retention rules there"
    streamed(lake, LATER)
    assert holds(lake, "landed")
    release.publish(lake, settled(), NEXT, "run", clock)
    assert holds(lake, "landing", "landed") == []
    assert sum(file.rows for file in LandedTable(lake.landed).files()) == 0
    with lake.reader() as session:
        assert session.rows(
            f"SELECT count(*) FROM identifiers WHERE value = '{ANN['user']}'"
        ) == [(0,)]
