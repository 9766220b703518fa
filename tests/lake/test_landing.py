from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from lake.landing import Landing
from schemas.errors import InputError, NotFoundError

NOON = datetime(2017, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class File:
    path: str
    content: bytes = b"a,b\n"
    delivered_at: datetime = NOON
    source: str = "orders"


def test_a_file_is_kept_with_its_delivery_time_and_bytes(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    (delivery,) = landing.receive([File("orders/1.csv")])
    assert landing.read(delivery) == b"a,b\n"
    assert landing.deliveries() == [delivery]
    assert delivery.size_bytes == 4


def test_the_same_delivery_again_changes_nothing(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    landing.receive([File("orders/1.csv")])
    assert landing.receive([File("orders/1.csv")]) == []
    assert len(landing.deliveries()) == 1


def test_other_bytes_under_the_same_path_are_kept_beside_the_first(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    landing.receive([File("orders/1.csv"), File("orders/1.csv", b"other\n")])
    assert [d.file for d in landing.deliveries()] == ["orders/1.csv", "orders/1.csv~2"]


def test_deliveries_before_a_cut_leave_out_the_instant_itself(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    landing.receive([File("a"), File("b", delivered_at=NOON + timedelta(seconds=1))])
    assert [d.file for d in landing.deliveries(before=NOON + timedelta(seconds=1))] == ["a"]


def test_a_torn_line_of_the_manifest_is_cut_off_by_the_next_delivery(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    landing.receive([File("a")])
    with open(landing.manifest, "ab") as out:
        out.write(b'{"file": "half')
    assert [d.file for d in landing.deliveries()] == ["a"]
    landing.receive([File("b")])
    assert [d.file for d in landing.deliveries()] == ["a", "b"]


def test_a_time_without_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without a zone"):
        Landing(tmp_path).receive([File("a", delivered_at=datetime(2017, 1, 1))])


def test_any_zone_is_kept_as_utc(tmp_path: Path) -> None:
    east = NOON.astimezone(timezone(timedelta(hours=8)))
    (delivery,) = Landing(tmp_path).receive([File("a", delivered_at=east)])
    assert delivery.delivered_at == NOON


def test_a_path_out_of_the_landing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leaves the landing"):
        Landing(tmp_path / "landing").receive([File("../escape.csv")])


def test_a_file_that_is_gone_or_a_folder_is_named(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    (delivery,) = landing.receive([File("a")])
    (tmp_path / "a").unlink()
    with pytest.raises(NotFoundError, match="no such file"):
        landing.read(delivery)
    (tmp_path / "a").mkdir()
    with pytest.raises(NotFoundError, match="a folder"):
        landing.read(delivery)


def test_bytes_that_changed_after_delivery_are_refused(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    (delivery,) = landing.receive([File("a", b"one row\n")])
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(InputError, match="has changed since"):
        landing.read(delivery)


LANDER = """
import sys; from datetime import UTC, datetime; from pathlib import Path
from lake.landing import Landing; from tests.lake.test_landing import File
for n in range(40):
    Landing(Path(sys.argv[1])).receive([File("same.csv", f"{sys.argv[2]} {n}".encode())])
"""


def test_deliveries_at_one_time_under_one_name_are_all_kept(tmp_path: Path) -> None:
    calls = [[sys.executable, "-c", LANDER, str(tmp_path), name] for name in "abc"]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    for process in [subprocess.Popen(call, env=env) for call in calls]:
        assert process.wait() == 0
    landing = Landing(tmp_path)
    deliveries = landing.deliveries()
    assert len({d.file for d in deliveries}) == len(deliveries) == 120
    assert len({landing.read(d) for d in deliveries}) == 120
