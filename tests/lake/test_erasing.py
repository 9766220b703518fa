"""Blank lines in place of an erased person's; the places of all others hold."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lake import crash, erasing
from lake.landing import Landing
from lake.lines import OpenFile, batches
from schemas.errors import GuiyiError

AT = datetime(2017, 3, 2, tzinfo=UTC)


@dataclass(frozen=True)
class File:
    source: str
    path: str
    content: bytes
    delivered_at: datetime = AT


def read(content: bytes, is_gzip: bool = False) -> tuple[list[tuple[int, str]], str]:
    """Places and texts of the rows, and how the file ends."""
    file = OpenFile(0, content, is_gzip)
    rows = [
        (line, text.strip())
        for batch in batches([file], "utf-8", has_header=False)
        for line, text in zip(*(batch[n].to_pylist() for n in ("line", "text")), strict=True)
    ]
    return rows, file.ending


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_other_lines_keep_their_places(end: bytes) -> None:
    fresh, count = erasing.blanked(end.join([b"a", b"b", b"c", b""]), {2, 9})
    assert (read(fresh), count) == (([(1, "a"), (3, "c")], "whole"), 1)
    assert erasing.blanked(fresh, {2}) == (fresh, 0)


def test_a_file_that_lost_its_end_has_lost_it_still() -> None:
    fresh, _ = erasing.blanked(b"a\nb", {2})
    assert read(fresh) == ([(1, "a")], "no_newline")
    cut = gzip.compress(b"a\nb\n" * 9)[:-4]
    fresh, count = erasing.blanked(cut, {1})
    rows, ending = read(fresh, is_gzip=True)
    assert (rows[0], ending, count) == ((2, "b"), "gzip_cut", 1)


def test_bytes_that_are_no_gzip_are_blanked_as_they_are() -> None:
    assert erasing.blanked(b"\x1f\x8bx\nsecret\n", {2}) == (b"\x1f\x8bx\n\n", 1)


def test_the_manifest_tells_what_was_blanked(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    landing.receive([File("s", "a.csv", b"1\n2\n3\n"), File("s", "b.csv", b"1\n")])
    (one,) = erasing.redact(landing, {"a.csv": {1, 2}, "gone.csv": {1}})
    assert (one.file, one.count_erased, landing.read(one)) == ("a.csv", 2, b"\n\n3\n")
    assert [d.count_erased for d in landing.deliveries()] == [2, 0]
    assert erasing.redact(landing, {"a.csv": {1, 2}}) == []
    (again,) = erasing.redact(landing, {"a.csv": {3}})
    assert again.count_erased == 3


class Killed(BaseException):
    """The end of the process."""


@pytest.mark.parametrize("at", ["erase.before_manifest", "erase.between_files"])
def test_killed_between_it_is_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    landing = Landing(tmp_path)
    landing.receive([File("s", f"{name}.csv", b"1\n2\n") for name in "abc"])

    def kill(name: str) -> None:
        if name == at:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(crash, "point", kill)
        with pytest.raises(Killed):
            erasing.redact(landing, {"a.csv": {1}, "b.csv": {1}})
    if at == "erase.between_files":
        with pytest.raises(GuiyiError, match="changed since"):
            [landing.read(one) for one in landing.deliveries()]
    landing.receive([File("s", "d.csv", b"1\n")])
    counts = [one.count_erased for one in landing.deliveries()]
    assert counts == ([1, 1, 0, 0] if at == "erase.between_files" else [0, 0, 0, 0])
    erasing.redact(landing, {"c.csv": {1}})
    assert [landing.read(one) for one in landing.deliveries()][2:] == [b"\n2\n", b"1\n"]
    erasing.redact(landing, {"a.csv": {1}, "b.csv": {1}})
    assert [landing.read(one) for one in landing.deliveries()][:2] == [b"\n2\n"] * 2
    assert not list(tmp_path.rglob("*.erasing"))
