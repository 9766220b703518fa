"""Hand-overs over a lake of a few rows: what was asked for is what leaves, or nothing does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobs import exports, release
from jobs.handovers import Desk
from lake import crash
from lake import exports as written
from lake.store import Lake
from schemas.destinations import Destination
from schemas.erasures import ERASURES
from schemas.errors import BusyError, ConflictError, StorageError
from services.access.core import actor
from services.database import open_database
from services.handovers.core import Handover
from tests.erasable import FIRST, LAST, landed, settled
from tests.pipelines.ingest.feeds import File

ANN, BOB = actor("ann", "marketer"), actor("bob", "marketer")
NOW = datetime(2018, 1, 1, 12, tzinfo=UTC)
PLACES = [
    {"name": "out", "inside": True, "folder": {"path": "out"}},
    {"name": "guarded", "inside": True, "approval": True, "folder": {"path": "guarded"}},
]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = landed(tmp_path_factory.mktemp("handovers") / "lake")
    for day in (FIRST, LAST):
        release.publish(lake, settled(), day, "run", lambda: NOW)
    return lake


@pytest.fixture
def desk(published: Lake, tmp_path: Path) -> Iterator[Desk]:
    shutil.copytree(published.root, tmp_path / "lake", symlinks=True)
    lake = Lake(tmp_path / "lake")
    with closing(open_database(lake.root)) as database:
        ticks = count()
        yield declared(
            Desk(lake, settled(), database, lambda: NOW + timedelta(seconds=next(ticks)))
        )


def declared(desk: Desk, places: list[dict[str, Any]] | None = None, **fields: Any) -> Desk:
    """The same desk with other words in its export, or other places."""
    places = PLACES if places is None else places
    names = [str(place["name"]) for place in places]
    recipe = msgspec.structs.replace(desk.settings.exports[0], **{"destinations": names} | fields)
    found = [msgspec.convert({"label": "x"} | place, Destination) for place in places]
    return replace(desk, settings=replace(desk.settings, exports=[recipe], destinations=found))


def push(desk: Desk, to: str, day: date = LAST, by: Any = ANN) -> tuple[Handover, bool]:
    return desk.push("beijing", "phones", to, day, by)


def manifest(desk: Desk, one: Handover) -> dict[str, Any]:
    return written.manifest(desk.lake.exports, "phones", str(one.version))


def land_erasure(lake: Lake) -> None:
    """An erasure that no release has carried out."""
    lake.landing.receive([File(ERASURES, f"{ERASURES}/e1.jsonl", b"{}\n", NOW)])


@pytest.mark.rule("CDP-8")
def test_what_was_approved_leaves_though_the_definition_says_otherwise_by_now(desk: Desk) -> None:
    waiting, _ = push(desk, "guarded")
    done = declared(desk, schema_version=2).decide(waiting.handover_id, BOB, True, "")
    assert (done.state, done.version) == ("delivered", waiting.version)
    assert [path.name for path in (desk.lake.root / "guarded/phones").iterdir()] == [done.version]


def test_a_version_withdrawn_since_is_asked_for_anew(desk: Desk) -> None:
    waiting, _ = push(desk, "guarded")
    written.withdraw(desk.lake.exports, "phones", str(waiting.version), "erasure")
    with pytest.raises(ConflictError, match="no longer(.|\n)*was withdrawn(.|\n)*anew"):
        desk.decide(waiting.handover_id, BOB, True, "")
    shutil.rmtree(desk.lake.exports / "phones")
    anew, is_new = push(desk, "guarded", by=BOB)
    assert (anew.handover_id, anew.state, is_new) == (waiting.handover_id, "requested", True)
    assert (anew.requested_by, anew.decided_by) == ("bob", None)
    assert desk.decide(anew.handover_id, ANN, True, "").state == "delivered"


def test_what_may_no_longer_go_there_does_not(desk: Desk) -> None:
    waiting, _ = push(desk, "guarded")
    outside = declared(desk, [PLACES[0], {**PLACES[1], "inside": False}])
    with pytest.raises(ConflictError, match="no longer(.|\n)*clear values of phone"):
        outside.decide(waiting.handover_id, BOB, True, "")
    with pytest.raises(ConflictError, match="no longer(.|\n)*no destination 'guarded'"):
        declared(desk, PLACES[:1]).deliver(waiting.handover_id, BOB)
    assert not (desk.lake.root / "guarded").exists()


def test_a_delta_pushed_again_writes_nothing(desk: Desk) -> None:
    desk = declared(desk, delta=True)
    push(desk, "out", FIRST)
    one, _ = push(desk, "out")
    assert manifest(desk, one)["kind"] == "delta"
    before = written.versions(desk.lake.exports)
    assert push(desk, "out") == (one, False)
    assert written.versions(desk.lake.exports) == before


def test_a_delta_does_not_go_back_in_time(desk: Desk) -> None:
    desk = declared(desk, delta=True)
    push(desk, "out")
    with pytest.raises(ConflictError, match=f"back in time(.|\n)*after {LAST}(.|\n)*{FIRST}"):
        push(desk, "out", FIRST)
    assert len(written.versions(desk.lake.exports)) == 1
    assert push(declared(desk, delta=False), "out", FIRST)[0].state == "delivered"


def test_a_delta_whose_base_was_overtaken_is_asked_for_anew(desk: Desk) -> None:
    full, delta = declared(desk), declared(desk, delta=True)
    first, _ = push(full, "guarded", FIRST)
    desk.decide(first.handover_id, BOB, True, "")
    waiting, _ = push(delta, "guarded")
    other, _ = push(declared(desk, schema_version=2), "guarded", FIRST)
    desk.decide(other.handover_id, BOB, True, "")
    with pytest.raises(ConflictError, match="something else was delivered since"):
        delta.decide(waiting.handover_id, BOB, True, "")
    anew, is_new = push(delta, "guarded")
    assert (is_new, anew.state, manifest(desk, anew)["kind"]) == (True, "requested", "full")


def test_a_refusal_is_of_the_definition_that_was_looked_at(desk: Desk) -> None:
    waiting, _ = push(desk, "guarded")
    refused = desk.decide(waiting.handover_id, BOB, False, "no header, please")
    assert push(desk, "guarded") == (refused, False)
    mended, is_new = push(declared(desk, header=False), "guarded")
    assert (mended.state, is_new) == ("requested", True)
    assert mended.version != refused.version


def test_a_full_disk_at_the_destination_is_told_in_the_hand_over(desk: Desk) -> None:
    waiting, _ = push(desk, "guarded")
    (desk.lake.root / "guarded").write_text("no folder")
    failed = desk.decide(waiting.handover_id, BOB, True, "")
    assert (failed.state, failed.attempts) == ("failed", 1)
    assert "could not be handed over to a folder" in str(failed.error)
    with pytest.raises(StorageError):
        desk.deliver(waiting.handover_id, BOB)
    (desk.lake.root / "guarded").unlink()
    assert push(desk, "guarded")[0].state == "delivered"


@pytest.mark.rule("CDP-7")
@pytest.mark.parametrize("point", ["", "export.between_parts", "export.before_rename"])
def test_nothing_is_exported_while_an_erasure_waits(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    if point:
        monkeypatch.setattr(crash, "point", lambda at: at == point and land_erasure(desk.lake))
    else:
        land_erasure(desk.lake)
    with pytest.raises(BusyError, match="an erasure came in") as told:
        exports.run(desk.lake, desk.settings, desk.settings.exports[0], LAST)
    assert told.value.exit_code == 75
    assert list(desk.lake.exports.glob("phones/*")) == []


@pytest.mark.rule("CDP-7")
def test_nothing_is_delivered_while_an_erasure_waits(desk: Desk) -> None:
    waiting, _ = push(desk, "guarded")
    land_erasure(desk.lake)
    with pytest.raises(BusyError, match="an erasure came in"):
        desk.decide(waiting.handover_id, BOB, True, "")
    assert not (desk.lake.root / "guarded").exists()
