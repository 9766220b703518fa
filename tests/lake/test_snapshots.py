from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lake import snapshots
from schemas.errors import NotFoundError, StorageError


def publish(root: Path, content: bytes) -> str:
    version = snapshots.keep(root, "churn", {"model.json": content})
    snapshots.point(root, "churn", version)
    return version


def test_the_pointer_names_the_newest_and_the_old_one_stays(tmp_path: Path) -> None:
    old = publish(tmp_path, b"1")
    new = publish(tmp_path, b"2")
    assert snapshots.current(tmp_path, "churn") == new
    assert snapshots.read(tmp_path, "churn") == {"model.json": b"2"}
    assert snapshots.read(tmp_path, "churn", old) == {"model.json": b"1"}


def test_the_same_files_are_the_same_version(tmp_path: Path) -> None:
    first = snapshots.keep(tmp_path, "churn", {"a": b"1", "b": b"2"})
    again = {"b": b"2", "a": b"1"}
    assert snapshots.keep(tmp_path, "churn", again) == first == snapshots.version_of(again)


def test_damage_is_found_when_read(tmp_path: Path) -> None:
    version = publish(tmp_path, b"1")
    (tmp_path / "churn" / version / "model.json").write_bytes(b"2")
    with pytest.raises(StorageError, match="damaged"):
        snapshots.read(tmp_path, "churn")


def test_a_crash_before_the_swap_leaves_the_old_pointer(tmp_path: Path) -> None:
    old = publish(tmp_path, b"1")
    code = (
        "from pathlib import Path; from lake import snapshots; import sys; "
        "root = Path(sys.argv[1]); " \
        "snapshots.point(root, 'churn', snapshots.keep(root, 'churn', {'model.json': b'2'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={"GUIYI_CRASH_AT": "snapshot.before_pointer"},
        check=False,
    )
    assert done.returncode == -9
    assert snapshots.current(tmp_path, "churn") == old
    assert snapshots.read(tmp_path, "churn") == {"model.json": b"1"}


def test_an_unknown_snapshot_is_named(tmp_path: Path) -> None:
    assert snapshots.current(tmp_path, "churn") is None
    with pytest.raises(NotFoundError, match="'churn'"):
        snapshots.read(tmp_path, "churn")


def test_a_folder_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "churn").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="could not be written"):
        snapshots.keep(tmp_path, "churn", {"model.json": b"1"})


def test_a_snapshot_written_file_by_file_is_that_written_at_once(tmp_path: Path) -> None:
    with snapshots.writing(tmp_path, "tag_bitmaps") as draft:
        draft.add("b", b"2")
        draft.add("a", b"1")
        version = draft.finish()
    assert version == snapshots.version_of({"a": b"1", "b": b"2"})
    assert snapshots.read(tmp_path, "tag_bitmaps", version) == {"a": b"1", "b": b"2"}


def test_a_snapshot_that_was_not_finished_leaves_nothing(tmp_path: Path) -> None:
    with snapshots.writing(tmp_path, "tag_bitmaps") as draft:
        draft.add("a", b"1")
    assert list((tmp_path / "tag_bitmaps").iterdir()) == []


def test_versions_that_nothing_names_can_be_dropped(tmp_path: Path) -> None:
    kept = snapshots.keep(tmp_path, "tag_bitmaps", {"a": b"1"})
    gone = snapshots.keep(tmp_path, "tag_bitmaps", {"a": b"2"})
    (tmp_path / "tag_bitmaps" / ".draft.1").mkdir()
    assert snapshots.drop(tmp_path, "tag_bitmaps", {kept}) == 2
    assert snapshots.read(tmp_path, "tag_bitmaps", kept) == {"a": b"1"}
    with pytest.raises(NotFoundError, match=gone):
        snapshots.read(tmp_path, "tag_bitmaps", gone)
    assert snapshots.drop(tmp_path, "none", set()) == 0
