from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lake import snapshots
from schemas.errors import NotFoundError, StorageError


def test_the_pointer_names_the_newest_and_the_old_one_stays(tmp_path: Path) -> None:
    old = snapshots.publish(tmp_path, "churn", {"model.json": b"1"})
    new = snapshots.publish(tmp_path, "churn", {"model.json": b"2"})
    assert snapshots.current(tmp_path, "churn") == new
    assert snapshots.read(tmp_path, "churn") == {"model.json": b"2"}
    assert snapshots.read(tmp_path, "churn", old) == {"model.json": b"1"}


def test_the_same_files_are_the_same_version(tmp_path: Path) -> None:
    first = snapshots.publish(tmp_path, "churn", {"a": b"1", "b": b"2"})
    assert snapshots.publish(tmp_path, "churn", {"b": b"2", "a": b"1"}) == first


def test_damage_is_found_when_read(tmp_path: Path) -> None:
    version = snapshots.publish(tmp_path, "churn", {"model.json": b"1"})
    (tmp_path / "churn" / version / "model.json").write_bytes(b"2")
    with pytest.raises(StorageError, match="damaged"):
        snapshots.read(tmp_path, "churn")


def test_a_crash_before_the_swap_leaves_the_old_pointer(tmp_path: Path) -> None:
    old = snapshots.publish(tmp_path, "churn", {"model.json": b"1"})
    code = "from pathlib import Path; from lake import snapshots; import sys; " \
        "snapshots.publish(Path(sys.argv[1]), 'churn', {'model.json': b'2'})"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={"GUIYI_CRASH_AT": "snapshot.before_pointer"}, check=False,
    )
    assert done.returncode == -9
    assert snapshots.current(tmp_path, "churn") == old
    assert snapshots.read(tmp_path, "churn") == {"model.json": b"1"}


def test_an_unknown_snapshot_is_named(tmp_path: Path) -> None:
    assert snapshots.current(tmp_path, "churn") is None
    with pytest.raises(NotFoundError, match="'churn'"):
        snapshots.read(tmp_path, "churn")
