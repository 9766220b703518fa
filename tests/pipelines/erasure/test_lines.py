"""Texts are looked for whole, in every encoding that has them, and as words."""

from __future__ import annotations

import json

import pytest

from pipelines.erasure.lines import spelt
from pipelines.ingest.erasures import Named

WIDE = "１３８１２３４５６７８"


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        (f"x,{WIDE},y".encode(), True), (f"x,{WIDE},y".encode("gbk"), True),
        (json.dumps({"phone": WIDE}).encode(), True), (b'{"id": "u-ann-7731"}', True),
        (b"u-ann-77312", False), (b"xu-ann-7731", False), (b"", False), (b"2017-06-01", False),
    ],
)
def test_a_text_is_found_in_every_encoding_and_as_a_word(line: bytes, is_found: bool) -> None:
    pattern = spelt([WIDE, "u-ann-7731", "42"])
    assert pattern is not None
    assert (pattern.search(line) is not None) is is_found


def test_a_text_is_found_in_urls_and_between_columns_of_a_database() -> None:
    words, anything = spelt(["+8613812345678"]), spelt(["+8613812345678"], is_word=False)
    assert words is not None
    assert anything is not None
    assert words.search(b"/find?who=%2B8613812345678&x=1")
    assert anything.search(b"sms%2b8613812345678phone")
    assert not words.search(b"sms+86138123456789")


def test_texts_that_are_too_short_say_nothing() -> None:
    assert spelt(["42", "M1"]) is None


def test_a_broken_row_names_whom_any_of_its_texts_names() -> None:
    from domain.identifiers import identifier_key

    secret = b"s"
    keys = {
        kind: {identifier_key(kind, value, secret)}
        for kind, value in (("phone", "+8613812345678"), ("email", "a.l@example.com"))
    }
    named = Named(keys, "CN", secret)
    for raw in (f"{{{WIDE}", "我的电话是138 1234 5678谢谢", "a;A.L@example.com|", '"138-1234-5678',
                json.dumps(WIDE)):
        assert named.stand_in(raw.encode(), "utf-8"), raw
    for raw in ("13812345679", "b.l@example.com", "2017-06-01 10:00:00", ""):
        assert not named.stand_in(raw.encode(), "utf-8"), raw
