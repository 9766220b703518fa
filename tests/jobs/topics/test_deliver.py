"""Over topics or as files: the same events give the same tables."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.dates import cut
from jobs import release, settings
from jobs.settings import Settings
from jobs.topics import deliver
from jobs.topics.feed import create, feed, files_of, headers_of
from jobs.topics.land import lag, land
from jobs.topics.place import topics_of
from jobs.topics.upkeep import upkeep
from lake.landed import LandedTable
from lake.landed.carrying import place_of
from lake.store import Lake, open_lake
from lake.topics import Fresh
from pipelines import ingest
from schemas import catalog
from schemas.errors import NotYetError
from tests.lakes import land_world, last_days, run_job

ROOT = Path(__file__).parents[3]
DAY = date(2017, 6, 1)
NOON = datetime(2017, 6, 1, 12, tzinfo=UTC)
END = cut(DAY, "Asia/Shanghai", 3)
SETTLED = settings.read()
SAME = (
    "events", "identifiers", "bundles", "sightings", "persons", "bundle_persons", "links",
    "order_lines", "conversations", "consents", "tag_values", "audience_members",
)


def contents(lake: Lake) -> dict[str, tuple[object, ...]]:
    """Count and fingerprint of ``SAME``, without the places where rows came from."""
    found = {}
    with lake.reader() as session:
        for name in SAME:
            listed = session.rows(f'DESCRIBE SELECT * FROM "{name}"')
            columns = ", ".join(f'"{c[0]}"' for c in listed if c[0] not in ("file", "line"))
            (found[name],) = session.rows(
                "SELECT count(*), coalesce(sum(hash(CAST(t AS VARCHAR))::HUGEINT), 0) "
                f'FROM (SELECT {columns} FROM "{name}") t'
            )
    return found


@pytest.mark.slow
def test_two_days_over_topics_give_the_tables_of_the_batch_run(tmp_path: Path) -> None:
    batch = land_world(tmp_path / "batch", households=4)
    lake = open_lake(tmp_path / "streamed", create=True)
    topics = topics_of(lake, SETTLED)
    fed = feed(files_of(batch.landing), topics, SETTLED, lake.landing)
    assert set(fed.records) == {f"events.{one.source}" for one in SETTLED.topics.topics}
    landed = land(lake, SETTLED, [])
    assert sum(one.records for one in landed.values()) == sum(fed.records.values())
    for day in last_days(2):
        run_job(lake, "release", [day])
        run_job(batch, "release", [day])
        assert contents(lake) == contents(batch)
    assert {one.records for one in lag(lake, SETTLED)} == {0}
    assert [d for d in lake.landing.deliveries() if d.source == "app_events"
            and place_of(d.file) is None] == []
    assert sum(file.rows for file in LandedTable(lake.landed).files()) == 0


def consent(number: int, **fields: Any) -> bytes:
    plain = {
        "consent_id": f"k{number}", "user_id": f"u{number % 3}", "purpose": "export",
        "channel": "any", "status": "granted", "text_version": "v1", "at": "2017-05-01T00:00:00Z",
    }
    return msgspec.json.encode({k: v for k, v in (plain | fields).items() if v is not None})


def fed(root: Path, values: list[bytes | None], at: datetime = NOON) -> Lake:
    lake = open_lake(root, create=True)
    topics = topics_of(lake, SETTLED)
    create(topics, SETTLED, ["consents"])
    (source,) = [one for one in SETTLED.sources if one.name == "consents"]
    writer = topics.writer("events.consents")
    for number, value in enumerate(values):
        ms = round(at.timestamp() * 1000) + number
        writer.send(Fresh(b"one key", value, ms, headers_of(source)))
    writer.close()
    return lake


def delivered(lake: Lake, before: datetime = END) -> list[str]:
    return [one.file for one in deliver.deliver(lake, SETTLED, before)]


def test_poison_and_a_changed_schema_land_and_ingest_judges_each_row(tmp_path: Path) -> None:
    values = [
        consent(0), b"no json", consent(1, color="red"), consent(2, text_version=None),
        consent(3, status=None), consent(4, at=7), b"\xff\xfe", None, b'{"a":\n 1}', consent(5),
    ]
    lake = fed(tmp_path, values)
    land(lake, SETTLED, ["consents"])
    (file,) = delivered(lake)
    _, partition, first = place_of(file) or ("", -1, -1)
    with lake.draft(DAY, END) as draft:
        ingest.load(
            draft, SETTLED.sources, SETTLED.programme, lake.landing.deliveries(),
            lake.landing.read, b"s",
        )
        taken = draft.session.rows("SELECT event_id FROM consents ORDER BY 1")
        refused = draft.session.rows("SELECT file, line, reason FROM quarantine ORDER BY line")
    assert taken == [("k0",), ("k1",), ("k2",), ("k5",)]
    assert [(f, first + line - 1, reason) for f, line, reason in refused if line] == [
        (file, 1, "broken_json"), (file, 4, "missing_field"), (file, 5, "bad_time"),
        (file, 6, "bad_encoding"), (file, 8, "missing_field"),
    ]
    assert partition in (0, 1)


def test_a_release_waits_until_the_topics_are_landed_up_to_its_cut(tmp_path: Path) -> None:
    lake = fed(tmp_path, [consent(n) for n in range(3)])
    with pytest.raises(NotYetError, match="is not landed up to the cut") as raised:
        delivered(lake)
    assert "guiyi topic land" in str(raised.value)
    land(lake, SETTLED, [])
    assert len(delivered(lake)) == 1
    assert delivered(lake) == []
    fed(tmp_path, [consent(9)], at=END)
    assert delivered(lake) == []


def test_a_lake_without_topics_delivers_nothing(tmp_path: Path) -> None:
    assert delivered(open_lake(tmp_path, create=True)) == []


def test_the_last_date_counts_what_is_landed_and_not_delivered(tmp_path: Path) -> None:
    lake = fed(tmp_path, [consent(0)])
    land(lake, SETTLED, [])
    assert release.last_date(lake, SETTLED) == DAY


DELIVER = """
import sys
from datetime import datetime
from jobs import settings
from jobs.topics import deliver
from jobs.topics.upkeep import upkeep
from lake.store import Lake
from pathlib import Path
lake, at = Lake(Path(sys.argv[1])), datetime.fromisoformat(sys.argv[2])
deliver.deliver(lake, settings.read(), at)
"""


@pytest.mark.slow
def test_a_crash_between_the_files_and_the_manifest_makes_no_second_delivery(
    tmp_path: Path,
) -> None:
    lake = fed(tmp_path, [consent(n) for n in range(5)])
    land(lake, SETTLED, [])
    done = subprocess.run(
        [sys.executable, "-c", DELIVER, str(tmp_path), END.isoformat()], cwd=ROOT, check=False,
        env=os.environ | {"GUIYI_CRASH_AT": "landing.before_manifest"},
    )
    assert done.returncode == -signal.SIGKILL
    assert lake.landing.deliveries() == []
    left = sorted(path.name for path in (lake.landing.root / "topics").rglob("*.gz"))
    assert [Path(file).name for file in delivered(lake)] == left
    assert len(lake.landing.deliveries()) == 1


def test_what_lands_after_its_cut_was_published_is_delivered_at_the_cut(tmp_path: Path) -> None:
    lake = fed(tmp_path, [consent(0)])
    land(lake, SETTLED, [])
    _publish(lake, SETTLED)
    fed(tmp_path, [consent(1)])
    land(lake, SETTLED, [])
    (late,) = deliver.deliver(lake, SETTLED, cut(date(2017, 6, 2), "Asia/Shanghai", 3))
    assert late.delivered_at == END


def test_what_a_release_has_taken_is_dropped_and_what_it_has_not_stays(tmp_path: Path) -> None:
    lake = fed(tmp_path, [consent(n) for n in range(4)])
    fed(tmp_path, [consent(n) for n in range(4, 7)], at=END)
    land(lake, SETTLED, [])
    _publish(lake, SETTLED)
    assert upkeep(lake, SETTLED, NOON)["rows_dropped"] == 4
    assert sum(file.rows for file in LandedTable(lake.landed).files()) == 3
    assert upkeep(lake, SETTLED, NOON)["rows_dropped"] == 0


def _publish(lake: Lake, settled: Settings) -> None:
    """A release of what is delivered, of ingest alone."""
    with lake.draft(DAY, END) as draft:
        deliver.deliver(lake, settled, END)
        ingest.load(
            draft, settled.sources, settled.programme, lake.landing.deliveries(END),
            lake.landing.read, b"s",
        )
        draft.publish("run", "inputs", "rules", lambda: END)
    assert "events" in catalog.TABLES
