from __future__ import annotations

import gzip
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake import export_parts, exports
from schemas.errors import NotFoundError, StorageError

ROWS = [f"{n:064x}" for n in range(2500)]


def put(
    root: Path, version: str = "v1", rows: list[str] = ROWS, *, size: int = 700,
    is_gzip: bool = False, batch: int = 1000, **more: Any,
) -> Path:
    """A version of the export x in csv, its lines in batches of a size."""
    lines = pa.table({"line": [row + "\n" for row in rows]}, pa.schema([("line", pa.string())]))
    with exports.writing(root, "x", version) as draft:
        export_parts.write_csv(draft, lines.to_batches(batch), "h\n", size, is_gzip)
        return draft.finish({"export": "x", "version": version, "parts": draft.parts, **more})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_parts_have_a_fixed_number_of_rows_and_each_its_header(tmp_path: Path) -> None:
    folder = put(tmp_path)
    parts = json.loads((folder / "manifest.json").read_text())["parts"]
    assert [part["rows"] for part in parts] == [700, 700, 700, 400]
    lines = [(folder / part["name"]).read_text().splitlines() for part in parts]
    assert all(one[0] == "h" for one in lines)
    assert [row for one in lines for row in one[1:]] == ROWS
    assert exports.faults(tmp_path, "x", "v1") == []


@pytest.mark.parametrize("is_gzip", [False, True])
def test_the_bytes_do_not_tell_how_the_batches_fell_nor_when(
    tmp_path: Path, is_gzip: bool
) -> None:
    first = contents(put(tmp_path / "1", batch=333, is_gzip=is_gzip))
    assert contents(put(tmp_path / "2", batch=1024, is_gzip=is_gzip)) == first
    if is_gzip:
        assert gzip.decompress(first["part-00003.csv.gz"]).decode().split() == ["h", *ROWS[2100:]]


@pytest.mark.parametrize("is_gzip", [False, True])
def test_parquet_has_the_same_bytes_however_the_batches_fell(
    tmp_path: Path, is_gzip: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_parts, "ROWS_PER_GROUP", 300)
    table = pa.table({"hash": ROWS, "band": ["a", "b"] * 1250})
    found = []
    for number, batch in enumerate((333, 2500)):
        with exports.writing(tmp_path / str(number), "x", "v1") as draft:
            rows = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(batch))
            assert export_parts.write_parquet(draft, rows, 1000, is_gzip, ["band"]) == 2500
            found.append(contents(draft.finish({"parts": draft.parts})))
    assert found[0] == found[1]
    folder = tmp_path / "0" / "x" / "v1"
    assert pq.ParquetFile(folder / "part-00000.parquet").num_row_groups == 4
    read = [pq.read_table(folder / f"part-0000{n}.parquet") for n in range(3)]
    assert pa.concat_tables(read).equals(table)


def test_an_export_of_nobody_is_one_part_without_rows(tmp_path: Path) -> None:
    folder = put(tmp_path, rows=[])
    assert (folder / "part-00000.csv").read_bytes() == b"h\n"


def test_a_version_is_never_written_twice(tmp_path: Path) -> None:
    before = contents(put(tmp_path))
    with pytest.raises(StorageError, match="is there already(.|\n)*v1"):
        put(tmp_path, rows=["other"])
    assert contents(tmp_path / "x" / "v1") == before


def fail_in_the_middle(root: Path) -> None:
    with exports.writing(root, "x", "v1") as draft:
        with draft.part("part-00000.csv") as sink:
            sink.write(b"half")
        raise ZeroDivisionError


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_in_the_middle(tmp_path)
    assert list((tmp_path / "x").iterdir()) == []


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_no_more_is_an_error_that_says_so(tmp_path: Path) -> None:
    with largest_file(20_000), pytest.raises(StorageError, match="could not be written") as told:
        put(tmp_path)
    assert "free some disk space" in str(told.value)
    assert list((tmp_path / "x").iterdir()) == []
    assert exports.versions(tmp_path) == []


def test_a_file_where_the_folder_should_be_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a file")
    with pytest.raises(StorageError, match="could not be written"):
        put(tmp_path)


POINTS = [
    "export.between_parts", "export.before_manifest", "export.before_rename", "export.after_rename",
]


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_shows_no_half_version_and_the_next_run_is_whole(
    tmp_path: Path, point: str
) -> None:
    code = (
        "from pathlib import Path; from tests.lake.test_exports import put; import sys; "
        "put(Path(sys.argv[1]))"
    )
    root = Path(__file__).parents[2]
    env = os.environ | {"GUIYI_CRASH_AT": point, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=env, check=False)
    assert done.returncode == -9
    whole = point == "export.after_rename"
    assert exports.has(tmp_path, "x", "v1") is whole
    if not whole:
        assert exports.versions(tmp_path) == []
        put(tmp_path)
    assert exports.faults(tmp_path, "x", "v1") == []
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["v1"]


def test_a_version_withdrawn_keeps_its_manifest_and_is_never_written_again(
    tmp_path: Path,
) -> None:
    put(tmp_path, counts={"members": 3})
    put(tmp_path, "v2")
    assert exports.withdraw(tmp_path, "x", "v2", "erasure e1")
    assert not exports.withdraw(tmp_path, "x", "v2", "erasure e1")
    assert [path.name for path in (tmp_path / "x" / "v2").iterdir()] == ["manifest.json"]
    assert exports.manifest(tmp_path, "x", "v2")["withdrawn"] == "erasure e1"
    assert exports.is_withdrawn(tmp_path, "x", "v2")
    assert not exports.has(tmp_path, "x", "v2")
    assert [one["version"] for one in exports.newest(tmp_path)] == ["v1"]
    with pytest.raises(StorageError, match="is there already"):
        put(tmp_path, "v2")
    with pytest.raises(NotFoundError, match="no such version(.|\n)*v1, v2"):
        exports.withdraw(tmp_path, "x", "v9", "erasure e1")


def test_a_withdrawal_that_was_cut_off_is_finished_by_the_next(tmp_path: Path) -> None:
    put(tmp_path)
    code = "from pathlib import Path; from lake import exports; import sys; " \
        "exports.withdraw(Path(sys.argv[1]), 'x', 'v1', 'e1')"
    root = Path(__file__).parents[2]
    env = os.environ | {"GUIYI_CRASH_AT": "export.withdrawn", "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=env, check=False)
    assert done.returncode == -9
    assert not exports.has(tmp_path, "x", "v1")
    exports.withdraw(tmp_path, "x", "v1", "e1")
    assert [path.name for path in (tmp_path / "x" / "v1").iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: path.unlink(), "it is gone"),
        (lambda path: path.write_bytes(b"short"), "5 bytes, not"),
        (lambda path: path.write_bytes(b"x" * path.stat().st_size), "SHA-256"),
        (lambda path: (path.parent / "more").touch(), "the manifest does not name it"),
    ],
)
def test_what_is_wrong_with_a_version_is_found(tmp_path: Path, harm: Any, said: str) -> None:
    harm(put(tmp_path) / "part-00001.csv")
    (fault,) = exports.faults(tmp_path, "x", "v1")
    assert said in fault


def test_the_newest_export_is_of_the_last_date_and_there_the_last_written(tmp_path: Path) -> None:
    written = [("z", "2017-12-30", 9), ("b", "2017-12-31", 1), ("a", "2017-12-31", 2)]
    for version, day, at in written:
        folder = put(tmp_path, version, [], business_date=day)
        os.utime(folder / "manifest.json", ns=(at, at))
    assert [found["version"] for found in exports.newest(tmp_path)] == ["a"]
    os.utime(tmp_path / "x" / "b" / "manifest.json", ns=(3, 3))
    assert [found["version"] for found in exports.newest(tmp_path)] == ["b"]
