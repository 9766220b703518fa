"""A file of identifiers becomes keys, and every line of it is accounted for."""

from __future__ import annotations

import pytest

from domain.identifiers import identifier_key
from pipelines.ingest.given import Given, given
from schemas.errors import InputError, UsageError

SECRET = b"test secret"


def read(content: str | bytes, type: str = "phone", column: str | None = None) -> Given:
    raw = content.encode() if isinstance(content, str) else content
    return given(raw, type, column, region="CN", secret=SECRET, file="vip.csv")


def key(value: str, type: str = "phone") -> int:
    return identifier_key(type, value, SECRET)


def test_every_line_is_a_key_a_duplicate_empty_or_refused_with_its_reason() -> None:
    text = "\ufeff138 1234 5678\r\n\r\n+8613812345678\n12345\n１３９１２３４５６７８\nno phone"
    found = read(text)
    assert found.keys == [key("+8613812345678"), key("+8613912345678")]
    assert [tuple(one) for one in found.refused] == [
        (4, "not a phone number", "12345"), (6, "not a phone number", "no phone"),
    ]
    assert (found.count_lines, found.count_empty, found.count_duplicates) == (6, 1, 1)


def test_a_column_of_a_csv_file_is_read_and_short_rows_are_empty() -> None:
    found = read('name,mail\n"Li, Na",Na@X.cn\nWang\n"Zhao",nobody\n', "email", "mail")
    assert found.keys == [key("na@x.cn", "email")]
    assert [(one.line, one.reason) for one in found.refused] == [(4, "not an e-mail address")]
    assert (found.count_lines, found.count_empty) == (3, 1)


def test_bytes_that_are_no_text_and_values_too_long_are_refused_line_by_line() -> None:
    found = read(b"u1\n\xff\xfe\n" + b"x" * 300 + b"\n", "user_id")
    assert found.keys == [key("u1", "user_id")]
    assert [(one.line, one.reason) for one in found.refused] == [
        (2, "not text in UTF-8"), (3, "longer than 256 characters"),
    ]


@pytest.mark.parametrize(
    ("content", "column", "message"),
    [
        ("phone\n13812345678\n", None, r"(?s)not one identifier.*vip\.csv:1.*--column phone"),
        ("u1,Ana\nu2,Bo\n", None, r"(?s)not one identifier.*2 columns"),
        ("id,name\n", "phone", r"(?s)no column 'phone'.*one of id, name"),
    ],
)
def test_a_header_is_not_taken_for_an_identifier(
    content: str, column: str | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        read(content, "user_id" if column is None and "u1" in content else "phone", column)


@pytest.mark.parametrize("content", [b"\x1f\x8b\x08", b"a\0b"])
def test_a_file_that_is_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"(?s)cannot be read.*UTF-8"):
        read(content)
