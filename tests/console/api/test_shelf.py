from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from console.api.shelf import SEATS, Shelf
from jobs.settings import Settings
from lake.store import Lake, open_lake
from pipelines.tags import declared
from schemas.errors import NotFoundError
from tests.pipelines.identity.seen import BEGIN, DAY, Seen, write


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(tmp_path / "lake", create=True)


@pytest.fixture
def shelf(lake: Lake, settled: Settings) -> Shelf:
    return Shelf(lake, declared(settled.tags), settled.programme.zone)


def publish(lake: Lake) -> None:
    """One more release, with one more event."""
    count = len(lake.releases())
    with lake.draft(DAY, BEGIN + timedelta(days=1)) as draft:
        write(draft, [Seen(f"e{count}", 0, (("phone", "+8613800138000"),))])
        draft.publish("run", f"inputs {count}", "rules", lambda: BEGIN)


def test_before_the_first_release_nothing_is_found(shelf: Shelf) -> None:
    with pytest.raises(NotFoundError, match="no such release"), shelf.open():
        pass


def test_a_newer_release_is_seen_by_the_next_call_and_not_by_one_that_runs(
    lake: Lake, shelf: Shelf
) -> None:
    publish(lake)
    count = "SELECT count(*) FROM events"
    with shelf.open() as before:
        ((held,),) = before.session.rows(count)
        publish(lake)
        assert before.session.rows(count) == [(held,)]
        with shelf.open() as after:
            assert after.release.release_no == 2
        assert before.session.rows(count) == [(held,)]
    with shelf.open(1) as old:
        assert old.session.rows(count) == [(held,)]
    shelf.close()


def test_a_session_is_kept_for_the_next_call_and_closed_with_its_release(
    lake: Lake, shelf: Shelf
) -> None:
    publish(lake)
    with shelf.open() as one:
        first = one.session
    with shelf.open() as two:
        assert two.session is first
        publish(lake)
        with shelf.open() as three:
            assert three.session is not first
    with pytest.raises(Exception, match="closed"):
        first.rows("SELECT 1")
    shelf.close()


@pytest.mark.parametrize("is_open", [False, True])
def test_a_release_whose_files_are_gone_is_not_found(
    lake: Lake, shelf: Shelf, is_open: bool
) -> None:
    publish(lake)
    if is_open:
        with shelf.open():
            pass
    for path in (lake.tables / "bundles").rglob("*.parquet"):
        path.unlink()

    def ask() -> None:
        with shelf.open(1) as opened:
            opened.session.rows("SELECT * FROM bundles")

    with pytest.raises(NotFoundError, match="release 1 is no longer kept"):
        ask()
    shelf.close()


def test_calls_at_once_have_sessions_of_their_own_and_wait_for_one(
    lake: Lake, shelf: Shelf
) -> None:
    publish(lake)
    held, most, lock = set[int](), [0], threading.Lock()

    def use() -> None:
        with shelf.open() as opened:
            with lock:
                assert id(opened.session) not in held
                held.add(id(opened.session))
                most[0] = max(most[0], len(held))
            opened.session.rows("SELECT count(*) FROM events")
            with lock:
                held.remove(id(opened.session))

    threads = [threading.Thread(target=use) for _ in range(3 * SEATS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not held
    assert most[0] <= SEATS
    shelf.close()
