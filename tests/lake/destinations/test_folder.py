from __future__ import annotations

import os
from pathlib import Path

import pytest

from lake.destinations import Package, open_place
from schemas.destinations import Destination, Folder
from schemas.errors import DeliveryError, StorageError
from tests.lake.destinations.servers import is_whole, package
from tests.lake.test_exports import largest_file

OUTBOX = Destination(name="outbox", label="outbox", folder=Folder("out/box"))


def test_a_version_lies_there_whole_and_is_not_copied_twice(tmp_path: Path) -> None:
    given, to = package(tmp_path / "exports"), open_place(OUTBOX, tmp_path)
    assert to.deliver(given).is_new
    folder = tmp_path / "out" / "box" / "x" / "v1"
    assert is_whole(given, folder)
    before = os.stat(folder / "manifest.json").st_mtime_ns
    receipt = to.deliver(given)
    assert (receipt.is_new, receipt.rows, receipt.where) == (False, 2500, str(folder))
    assert os.stat(folder / "manifest.json").st_mtime_ns == before


def test_files_and_folders_are_durable_before_it_counts_as_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    given = package(tmp_path / "exports")
    synced.clear()
    open_place(OUTBOX, tmp_path).deliver(given)
    folder = tmp_path / "out" / "box" / "x" / "v1"
    wanted = [folder, *folder.iterdir(), *list(folder.parents)[:4]]
    assert {path.stat().st_ino for path in wanted} <= set(synced)


def test_a_full_disk_leaves_nothing_half_there(tmp_path: Path) -> None:
    given, to = package(tmp_path / "exports"), open_place(OUTBOX, tmp_path)
    with largest_file(20_000), pytest.raises(StorageError, match="to a folder(.|\n)*disk space"):
        to.deliver(given)
    assert list((tmp_path / "out" / "box" / "x").iterdir()) == []
    assert to.deliver(given).is_new


def test_something_else_in_its_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out" / "box" / "x" / "v1").mkdir(parents=True)
    with pytest.raises(DeliveryError, match="something else lies(.|\n)*no manifest"):
        open_place(OUTBOX, tmp_path).deliver(package(tmp_path / "exports"))


def test_a_damaged_version_is_not_handed_over(tmp_path: Path) -> None:
    given = package(tmp_path)
    (given.folder / "part-00001.csv").write_text("damaged")
    with pytest.raises(StorageError, match="v1 of the export x is damaged(.|\n)*part-00001.csv"):
        Package.open(tmp_path, "x", "v1")
