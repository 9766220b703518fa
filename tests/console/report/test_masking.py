from __future__ import annotations

import base64
import re

from hypothesis import given
from hypothesis import strategies as st

from console.report.masking import DOT, example, example_base64, mask

SEPARATOR = st.sampled_from(["", "", "", " ", "-", ".", " - ", "—", "/", "·", "\u00a0", ")", "  "])
PHONE = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
ALPHABET = st.characters(exclude_categories=["Cs", "Nd"])


@st.composite
def typed_phone(draw: st.DrawFn) -> str:
    """A phone as a clerk types it: any grouping, with or without country code, wide digits."""
    phone = draw(st.sampled_from(["", "86", "+86", "0086 ", "（+86）"])) + draw(PHONE)
    typed = "".join(digit + draw(SEPARATOR) for digit in phone)
    return typed.translate(WIDE) if draw(st.booleans()) else typed


@given(typed_phone(), st.text(ALPHABET, max_size=30), st.text(ALPHABET, max_size=30))
def test_no_phone_survives_however_it_is_typed(phone: str, before: str, after: str) -> None:
    for text in (f"{before},{phone},{after}", f'{{"phone": "{phone}", "x": "{after}"}}'):
        assert not re.search(r"\d", mask(text))


@given(typed_phone())
def test_no_phone_survives_in_bytes_of_either_encoding(phone: str) -> None:
    for encoding in ("utf-8", "gb18030"):
        raw = f"订单,{phone},北京".encode(encoding)
        for shown in (example(raw, 200), example_base64(base64.b64encode(raw).decode(), 200)):
            assert not re.search(r"\d", shown)


@given(st.from_regex(r"[a-z][a-z0-9._+-]{0,20}", fullmatch=True), st.sampled_from([",", '"', " "]))
def test_of_an_email_only_the_domain_is_left(local: str, edge: str) -> None:
    assert mask(f"x{edge}{local}@example.com{edge}") == f"x{edge}{DOT * 3}@example.com{edge}"


def test_what_names_nobody_stays_readable() -> None:
    assert mask('{"event": "Product Viewed", "price": 12.50') == (
        '{"event": "Product Viewed", "price": 12.50'
    )
    assert mask("A12,2,yesterday,367,1,13.93") == "A12,2,yesterday,367,1,13.93"


def test_dates_cards_and_long_tokens_are_dots() -> None:
    assert mask("1990-02-03") == "••••-••-••"
    assert mask("M00001234") == "M••••••••"
    assert mask("wx12ab34:oABCdef0123456789xyz") == "wx12ab34:oA••••••"
    assert mask("c0ffee12-aa34-4bcd-9e1f-a1b2c3d4e5f6") == "c••••••"
    assert mask('{"userId":"uc51f37f751b8"}') == '{"userId":"uc••••••"}'


def test_an_example_is_one_line_of_limited_length() -> None:
    assert example(b"a\x00b\r\nc", 10) == "a b  c"
    assert example(b"x" * 500, 10) == "x" * 9 + "…"
    assert example("门店".encode()[:-1], 10) == "门", "a character cut in half is left out"
