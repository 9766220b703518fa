"""Bytes become lines: every byte in its line, every line with its number."""

from __future__ import annotations

import gzip
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lake.lines import OpenFile, batches


def rows(
    *contents: Any,
    encoding: str = "utf-8",
    header: bool = False,
    size: int = 1 << 20,
    is_gzip: bool = False,
) -> tuple[list[tuple[Any, ...]], list[OpenFile]]:
    files = [OpenFile(n, content, is_gzip) for n, content in enumerate(contents)]
    found = []
    for batch in batches(files, encoding, header, size):
        found += [tuple(row.values()) for row in batch.to_pylist()]
    return found, files


def test_lines_of_small_files_come_together_with_their_numbers() -> None:
    found, files = rows(b"a\nb\n", b"", b"c\n")
    assert found == [
        (0, 1, b"a\n", "a\n", None),
        (0, 2, b"b\n", "b\n", None),
        (2, 1, b"c\n", "c\n", None),
    ]
    assert [file.count_rows for file in files] == [2, 0, 1]


def test_blank_lines_are_no_rows_and_keep_the_count() -> None:
    found, files = rows(b"\na\n  \n\r\nb\n\n")
    assert [(row[1], row[3]) for row in found] == [(2, "a\n"), (5, "b\n")]
    assert files[0].count_rows == 2


def test_a_header_is_no_row_and_a_byte_order_mark_no_text() -> None:
    found, files = rows(b"\xef\xbb\xbfh1,h2\r\n1,2\r\n", header=True)
    assert files[0].header == b"h1,h2"
    assert [(row[1], row[3]) for row in found] == [(2, "1,2\r\n")]


def test_a_last_line_without_end_is_marked() -> None:
    found, files = rows(b"a\nb", b"c\n")
    assert [row[4] for row in found] == [None, "no_newline", None]
    assert [file.ending for file in files] == ["no_newline", "whole"]


def test_undecodable_lines_have_no_text() -> None:
    lines = [b"\xe4\xbd\xa0\n", b"\xff\n", b"ok\n", b"x\xe4\xbd\n", b"y\n"]
    found, _ = rows(b"".join(lines))
    assert [row[3] for row in found] == ["你\n", None, "ok\n", None, "y\n"]
    assert [row[2] for row in found] == lines


def test_gbk_is_decoded_line_by_line_where_it_must_be() -> None:
    good = "订单|人民路\n".encode("gbk")
    found, _ = rows(good, good + b"\xff\n" + good, encoding="gbk")
    assert [row[3] for row in found] == ["订单|人民路\n"] * 2 + [None, "订单|人民路\n"]
    assert found[2][2] == b"\xff\n"


def test_gzip_of_several_members_is_one_text() -> None:
    found, files = rows(gzip.compress(b"a\nb") + gzip.compress(b"c\nd\n"), is_gzip=True)
    assert [row[3] for row in found] == ["a\n", "bc\n", "d\n"]
    assert files[0].ending == "whole"


@pytest.mark.parametrize("keep", [11, 30, 200, -1, -9])
def test_a_gzip_stream_cut_short_gives_its_whole_lines(keep: int) -> None:
    lines = [f"{number * 7919 % 10007}\n".encode() for number in range(500)]
    whole = gzip.compress(b"".join(lines))
    found, files = rows(whole[:keep], is_gzip=True)
    assert files[0].ending == "gzip_cut"
    marked = [row[4] for row in found]
    assert marked[:-1] == [None] * (len(found) - 1) if found else True
    whole_lines = [row[2] for row in found if row[4] is None]
    assert whole_lines == lines[: len(whole_lines)]


def test_what_is_no_gzip_is_unreadable() -> None:
    found, files = rows(b"plain text", is_gzip=True)
    assert found == []
    assert files[0].ending == "unreadable"


@given(
    st.lists(st.binary(max_size=30), max_size=6),
    st.integers(1, 40),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_no_byte_is_lost_however_batches_fall(
    contents: list[bytes], size: int, is_gzip: bool, header: bool, is_stream: bool
) -> None:
    contents = [content.removeprefix(b"\xef\xbb\xbf") for content in contents]
    sent: list[Any] = [gzip.compress(content) if is_gzip else content for content in contents]
    if is_stream:
        sent = [io.BytesIO(content) for content in sent]
    found, files = rows(*sent, header=header, size=size, is_gzip=is_gzip)
    wanted = []
    for number, content in enumerate(contents):
        lines = content.split(b"\n")
        for line, raw in enumerate(lines, 1):
            is_row = raw.strip() and not (header and line == 1)
            if is_row:
                wanted.append((number, line, raw + b"\n"))
    assert [row[:3] for row in found] == wanted
    assert sum(file.count_rows for file in files) == len(wanted)
