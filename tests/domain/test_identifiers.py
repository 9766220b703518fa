"""Identifiers come to one form and one key, alike in Python and in SQL."""

from __future__ import annotations

import hashlib

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.identifiers import (
    LONGEST,
    identifier_key,
    identifier_key_sql,
    mobiles_in,
    normalise,
    normalise_sql,
)
from schemas.errors import ConfigError
from schemas.sources import IDENTIFIER_TYPES

HARD = [
    "", " ", "0", "-1", "unknown", "00000000-0000-0000-0000-000000000000", "a", "A b", "  x\t",
    "\u00a0x\u3000", "x\u200by", "\ufeffx", "１３８００１３８０００", "Ａ＠Ｂ．ＣＯＭ", "o'n@x.co",
    "😀", "\U0001f468\u200d\U0001f469", "é", "e\u0301", "İ@x.tr", "ß", "Σ@Σ.gr", "x\x00y",
    "x" * LONGEST, "x" * (LONGEST + 1), "é" * LONGEST, "a@b", "a@b.c", "a@b.c.", "a b@c.de",
    "@.a", "x\x1fy", "a@b@c.de", "550E8400-E29B-41D4-A716-446655440000", "\n", "a\r\n",
    "ABCDEF0123456789ABCDEF0123456789", "m 0000 1234", "wx1:oAbC", "%_\\'\"", "\\d+",
    "a@b.c\u2028",
]
PHONES = [
    "13800138000", "138 0013 8000", "138-0013-8000", "+86 138 0013 8000", "008613800138000",
    "8613800138000", "+86(138)00138000", "１３８００１３８０００", "138.0013.8000",
    " 13800138000\u00a0", "13800138000x", "1380013800", "138001380000", "+1 650 253 0000",
    "010 6552 9988", "12345678901", "19912345678", "17900000000", "17912345678",
    "+8617912345678", "phone", "+", "00", "138/00138000", "１３８\u200b00138000", "86", "+86",
    "+86+8613800138000", "0013800138000", "+0013800138000",
]


def in_sql(expression: str, value: str) -> object:
    con = duckdb.connect()
    row = con.execute(f"SELECT {expression} FROM (SELECT ? AS v)", [value]).fetchone()
    return row[0] if row else None


@pytest.mark.rule("CDP-2")
@pytest.mark.parametrize("kind", [kind for kind in IDENTIFIER_TYPES if kind != "phone"])
def test_sql_and_python_agree_on_hard_values(kind: str) -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE hard AS SELECT unnest(?) AS v", [HARD])
    found = con.execute(f"SELECT v, {normalise_sql(kind, 'v', 'CN')} FROM hard").fetchall()
    assert dict(found) == {value: normalise(kind, value, "CN") for value in HARD}


@given(st.text(max_size=40), st.sampled_from([k for k in IDENTIFIER_TYPES if k != "phone"]))
def test_sql_and_python_agree_on_any_text(value: str, kind: str) -> None:
    assert in_sql(normalise_sql(kind, "v", "CN"), value) == normalise(kind, value, "CN")


@pytest.mark.rule("CDP-2")
@pytest.mark.parametrize("value", PHONES)
@pytest.mark.parametrize("region", ["CN", "US", "GB"])
def test_the_fast_path_of_phones_gives_what_phonenumbers_gives(value: str, region: str) -> None:
    fast = in_sql(normalise_sql("phone", "v", region), value)
    assert fast in (None, normalise("phone", value, region))


@given(st.text("0123456789+-() ./\u3000１", min_size=3, max_size=18))
def test_the_fast_path_never_contradicts_phonenumbers(value: str) -> None:
    fast = in_sql(normalise_sql("phone", "v", "CN"), value)
    assert fast in (None, normalise("phone", value, "CN"))


@given(
    st.sampled_from(["13800138000", "19912345678", "15012345678"]),
    st.sampled_from(["", "+86", "0086", "+86 ", "+86-"]),
    st.sampled_from(["", " ", "-", "."]),
)
def test_one_mobile_written_in_many_ways_is_one_identifier(
    digits: str, prefix: str, separator: str
) -> None:
    value = prefix + separator.join([digits[:3], digits[3:7], digits[7:]])
    assert normalise("phone", value, "CN") == f"+86{digits}"
    assert in_sql(normalise_sql("phone", "v", "CN"), value) == f"+86{digits}"


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        ("phone", "12345678901", None),
        ("email", " A.B@Example.COM ", "a.b@example.com"),
        ("email", "nobody", None),
        ("idfa", "550e8400-e29b-41d4-a716-446655440000", "550E8400-E29B-41D4-A716-446655440000"),
        ("oaid", "ABCDEF", "abcdef"),
        ("device_id", "ABCDEF0123456789ABCDEF0123456789", "abcdef0123456789abcdef0123456789"),
        ("device_id", "Device-A", "Device-A"),
        ("openid", "wx1:oAbC", "wx1:oAbC"),
        ("member_card", " m 0000 1234", "M00001234"),
        ("device_id", "-1", "-1"),
        ("user_id", "  ", None),
        ("user_id", None, None),
    ],
)
def test_each_type_has_its_normal_form(kind: str, value: str | None, wanted: str | None) -> None:
    assert normalise(kind, value, "CN") == wanted


def test_an_undeclared_type_is_refused_with_its_name() -> None:
    with pytest.raises(ConfigError, match="'fax' is no identifier type"):
        normalise("fax", "1", "CN")


@given(st.text(max_size=50), st.binary(max_size=40))
def test_sql_and_python_give_the_same_key(value: str, secret: bytes) -> None:
    con = duckdb.connect()
    con.execute("SET VARIABLE s = ?", [secret])
    sql = identifier_key_sql("'email'", "v", "getvariable('s')")
    row = con.execute(f"SELECT {sql} FROM (SELECT ? AS v)", [value]).fetchone()
    assert row == (identifier_key("email", value, secret),)


def test_the_key_is_the_top_63_bits_of_a_keyed_hash() -> None:
    digest = hashlib.sha256(b"s\x1fphone\x1f+8613800138000").hexdigest()
    key = identifier_key("phone", "+8613800138000", b"s")
    assert key == int(digest[:16], 16) >> 1
    assert 0 <= key < 2**63
    assert key != identifier_key("phone", "+8613800138000", b"t")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("打我 13800138000 谢谢", ["+8613800138000"]),
        ("138-0013-8000,139 0013 9000", ["+8613800138000", "+8613900139000"]),
        ("13800138000 2017-05-01", ["+8613800138000"]),
        ("订单12345678901234", []),
        ("电话010 6552 9988", []),
        ("", []),
    ],
)
def test_mobile_numbers_are_found_in_a_sentence(text: str, wanted: list[str]) -> None:
    assert mobiles_in(text, "CN") == wanted
