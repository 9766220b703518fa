from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lake import exports
from schemas.errors import StorageError

FILES = {"phones.csv": b"phone_sha256\n"}


def test_an_export_is_a_folder_with_a_manifest(tmp_path: Path) -> None:
    folder = exports.write(tmp_path, "x", "v1", FILES, {"counts": {"members": 0}})
    assert folder == tmp_path / "x" / "v1"
    assert (folder / "phones.csv").read_bytes() == b"phone_sha256\n"
    assert json.loads((folder / "manifest.json").read_text()) == {"counts": {"members": 0}}


def test_writing_the_same_version_again_changes_nothing(tmp_path: Path) -> None:
    first = exports.write(tmp_path, "x", "v1", FILES, {})
    again = exports.write(tmp_path, "x", "v1", {"phones.csv": b"other"}, {})
    assert again == first
    assert (first / "phones.csv").read_bytes() == b"phone_sha256\n"
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["v1"]


def test_a_crash_before_the_manifest_leaves_no_export(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from lake import exports; import sys; "
        "exports.write(Path(sys.argv[1]), 'x', 'v1', {'a.csv': b'1'}, {})"
    )
    root = Path(__file__).parents[2]
    env = os.environ | {"GUIYI_CRASH_AT": "export.before_manifest", "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=env, check=False)
    assert done.returncode == -9
    assert not (tmp_path / "x" / "v1").exists()
    assert (exports.write(tmp_path, "x", "v1", FILES, {}) / "manifest.json").exists()


def test_a_folder_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="could not be written"):
        exports.write(tmp_path, "x", "v1", FILES, {})


def test_the_newest_export_is_of_the_last_date_and_there_the_last_written(tmp_path: Path) -> None:
    written = [("z", "2017-12-30", 9), ("b", "2017-12-31", 1), ("a", "2017-12-31", 2)]
    for version, day, at in written:
        manifest = {"business_date": day, "version": version}
        folder = exports.write(tmp_path, "x", version, FILES, manifest)
        os.utime(folder / "manifest.json", ns=(at, at))
    assert [found["version"] for found in exports.newest(tmp_path)] == ["a"]
    os.utime(tmp_path / "x" / "b" / "manifest.json", ns=(3, 3))
    assert [found["version"] for found in exports.newest(tmp_path)] == ["b"]
