"""The job ``exports`` and the desk of hand-overs, over the sample's newest release."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobs import exports, settings
from jobs.handovers import Desk
from jobs.settings import Settings
from lake import exports as written
from lake.store import Lake
from schemas.destinations import Destination
from schemas.errors import AccessError, ConflictError, NothingToDo, UnreachableError, UsageError
from schemas.exports import Export
from services.access.core import actor
from services.database import open_database
from services.handovers.core import Handover
from tests.lake.destinations.servers import free_port, rclone
from tests.lakes import LAST

ANN, BOB = actor("ann", "marketer"), actor("bob", "marketer")
NOW = datetime(2018, 1, 2, tzinfo=UTC)


@pytest.fixture
def lake(sample_lake: Lake, tmp_path: Path) -> Lake:
    """The sample's releases, and nothing exported."""
    root = tmp_path / "lake"
    root.mkdir()
    for name in ("tables", "snapshots", "landing"):
        (root / name).symlink_to(sample_lake.root / name)
    return Lake(root)


def defined(*places: dict[str, Any], **fields: Any) -> Settings:
    """The sample's definitions with one export ``x`` of everybody's phones, to some places."""
    plain = {
        "name": "x", "audience": "beijing_coffee_women", "format": "csv", "channel": "any",
        "identifiers": [{"type": "phone", "recipe": "sha256_e164"}],
        "destinations": [place["name"] for place in places],
    }
    return replace(
        settings.read(), exports=[msgspec.convert(plain | fields, Export)],
        destinations=[msgspec.convert({"label": "x"} | place, Destination) for place in places],
    )


OUT = {"name": "out", "folder": {"path": "out"}}
GUARDED = {"name": "guarded", "approval": True, "folder": {"path": "guarded"}}


@pytest.fixture
def desk(lake: Lake) -> Iterator[Desk]:
    with closing(open_database(lake.root)) as database:
        yield Desk(lake, defined(OUT, GUARDED), database, lambda: NOW)


def files(folder: Path) -> dict[str, int]:
    return {
        str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()
    }


def push(desk: Desk, to: str, by: Any = ANN) -> tuple[Handover, bool]:
    return desk.push("beijing_coffee_women", "x", to, LAST, by)


@pytest.mark.slow
@pytest.mark.rule("CDP-8")
def test_an_export_run_again_hands_nothing_over(lake: Lake) -> None:
    done = exports.publish(lake, settings.read(), LAST)
    assert [one["export"] for one in done] == [
        "beijing_coffee_women", "beijing_coffee_women_members"
    ]
    before = files(lake.exports) | files(lake.root / "outbox")
    assert len(before) == 6
    with pytest.raises(NothingToDo, match="are written and handed over"):
        exports.publish(lake, settings.read(), LAST)
    assert files(lake.exports) | files(lake.root / "outbox") == before


@pytest.mark.slow
@pytest.mark.rule("CDP-8")
def test_the_same_version_pushed_twice_is_the_first_and_is_handed_over_once(desk: Desk) -> None:
    first, is_new = push(desk, "out")
    assert (first.state, is_new) == ("delivered", True)
    before = files(desk.lake.root / "out")
    again, is_new = push(desk, "out", BOB)
    assert (again, is_new) == (first, False)
    assert files(desk.lake.root / "out") == before
    assert first.rows == written.manifest(desk.lake.exports, "x", str(first.version))["rows"]


@pytest.mark.slow
def test_a_second_person_approves_where_the_destination_asks_for_it(desk: Desk) -> None:
    waiting, _ = push(desk, "guarded")
    assert waiting.state == "requested"
    assert not (desk.lake.root / "guarded").exists()
    with pytest.raises(AccessError, match="a second person"):
        desk.decide(waiting.handover_id, ANN, True, "")
    with pytest.raises(ConflictError, match="cannot be delivered"):
        desk.deliver(waiting.handover_id, ANN)
    done = desk.decide(waiting.handover_id, BOB, True, "")
    assert (done.state, done.decided_by, done.requested_by) == ("delivered", "bob", "ann")
    assert len(files(desk.lake.root / "guarded")) == 2


@pytest.mark.slow
def test_what_was_refused_never_leaves(desk: Desk) -> None:
    waiting, _ = push(desk, "guarded")
    refused = desk.decide(waiting.handover_id, BOB, False, "too many")
    assert (refused.state, refused.reason) == ("refused", "too many")
    assert push(desk, "guarded") == (refused, False)
    assert not (desk.lake.root / "guarded").exists()


@pytest.mark.slow
def test_an_export_goes_only_where_it_is_declared_to_go(desk: Desk) -> None:
    with pytest.raises(UsageError, match="does not go there(.|\n)*one of out, guarded"):
        push(desk, "moon")
    with pytest.raises(UsageError, match="is of another audience"):
        desk.push("everybody", "x", "out", LAST, ANN)


@pytest.mark.slow
@pytest.mark.rule("CDP-8")
def test_a_server_that_was_away_gets_it_once_from_the_next_call(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("STORE_ID", "an-access-key")
    monkeypatch.setenv("STORE_SECRET", "secret-of-it")
    store = {"name": "store", "object_store": {
        "bucket": "bucket", "endpoint": f"http://127.0.0.1:{port}", "timeout_s": 5,
        "access_key": "STORE_ID", "secret_key": "STORE_SECRET",
    }}
    with closing(open_database(lake.root)) as database:
        desk = Desk(lake, defined(store), database, lambda: NOW)
        failed, _ = push(desk, "store")
        assert (failed.state, failed.attempts) == ("failed", 1)
        assert "did not take everything" in str(failed.error)
        with pytest.raises(UnreachableError):
            desk.deliver(failed.handover_id, ANN)
    (tmp_path / "s3" / "bucket").mkdir(parents=True)
    with rclone("s3", tmp_path / "s3", "--auth-key", "an-access-key,secret-of-it") as server:
        there = defined(store | {"object_store": store["object_store"] | {  # type: ignore[operator]
            "endpoint": f"http://127.0.0.1:{server.port}"
        }})
        with closing(open_database(lake.root)) as database:
            desk = Desk(lake, there, database, lambda: NOW)
            done, is_new = push(desk, "store")
            assert (done.state, done.attempts, is_new) == ("delivered", 3, False)
            assert push(desk, "store") == (done, False)
    assert "secret-of-it" not in json.dumps(msgspec.to_builtins(done))


@pytest.mark.slow
def test_a_delta_holds_what_changed_since_the_destination_was_given_it(lake: Lake) -> None:
    asked = defined(OUT, delta=True)
    days = sorted({one.business_date for one in lake.releases()})[-2:]
    with closing(open_database(lake.root)) as database:
        desk = Desk(lake, asked, database, lambda: NOW)
        kinds = []
        for day in days:
            one, _ = desk.push("beijing_coffee_women", "x", "out", day, ANN)
            manifest = written.manifest(lake.exports, "x", str(one.version))
            kinds.append((manifest["kind"], manifest["base"], one.version))
    assert [kind[:2] for kind in kinds] == [("full", None), ("delta", kinds[0][2])]


@pytest.mark.slow
def test_after_a_withdrawal_the_next_delta_is_a_full_one(lake: Lake) -> None:
    asked = defined(OUT, delta=True)
    days = sorted({one.business_date for one in lake.releases()})[-2:]
    with closing(open_database(lake.root)) as database:
        desk = Desk(lake, asked, database, lambda: NOW)
        one, _ = desk.push("beijing_coffee_women", "x", "out", days[0], ANN)
        written.withdraw(lake.exports, "x", str(one.version), "erasure")
        again, _ = desk.push("beijing_coffee_women", "x", "out", days[1], ANN)
        assert written.manifest(lake.exports, "x", str(again.version))["kind"] == "full"
        with pytest.raises(NothingToDo, match="was withdrawn"):
            exports.run(lake, asked, asked.exports[0], days[0])


POINTS = ["handover.before_delivery", "handover.before_manifest", "handover.before_record",
          "export.before_rename"]
CALL = """
import sys
from pathlib import Path
from tests.jobs.test_exports import ANN, NOW, OUT, defined, push
from jobs.handovers import Desk
from lake.store import Lake
from services.database import open_database
lake = Lake(Path(sys.argv[1]))
print(push(Desk(lake, defined(OUT), open_database(lake.root), lambda: NOW), "out")[0].state)
"""


def call(lake: Lake, crash_at: str = "") -> subprocess.Popen[str]:
    env = os.environ | {"GUIYI_CRASH_AT": crash_at, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        [sys.executable, "-c", CALL, str(lake.root)], env=env, text=True, stdout=subprocess.PIPE
    )


@pytest.mark.slow
@pytest.mark.rule("CDP-8")
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_in_the_middle_is_mended_by_the_next_call_which_hands_over_once(
    lake: Lake, point: str
) -> None:
    killed = call(lake, point)
    killed.communicate()
    assert killed.returncode == -9
    before = files(lake.root / "out")
    assert bool(before) is (point == "handover.before_record") or all(
        "/." in path for path in before
    )
    again = call(lake)
    assert again.communicate()[0].strip() == "delivered"
    after = files(lake.root / "out")
    assert len(after) == 2
    if point == "handover.before_record":
        assert after == before


@pytest.mark.slow
@pytest.mark.rule("CDP-8")
def test_two_processes_at_once_hand_over_once(lake: Lake) -> None:
    both = [call(lake) for _ in range(2)]
    assert [one.communicate()[0].strip() for one in both] == ["delivered"] * 2
    assert len(files(lake.root / "out")) == 2
    with closing(open_database(lake.root)) as database:
        (one,) = Desk(lake, defined(OUT), database, lambda: NOW).every("x")
    assert (one.state, one.attempts) == ("delivered", 1)
