"""Identifiers: one normal form for every way of writing them, and a key that hides the value.

The same decisions stand here in Python and as SQL expressions; a test holds them together.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberFormat, PhoneNumberType

from schemas.errors import ConfigError
from schemas.sources import IDENTIFIER_TYPES

LONGEST = 256
"""Characters; what is longer identifies nobody."""

PHONE_RUN = r"\+?\d[\d -]{6,}\d"
"""A run of digits in a sentence that may hold mobile numbers."""

_PHONE_IN_TEXT = re.compile(r"(?<!\d)(?:\+?\d{1,3}[ -]?)?\d{3}[ -]?\d{4}[ -]?\d{4}(?!\d)", re.ASCII)
_SEPARATOR = "\x1f"
# Control and zero-width characters, as a class that Python and RE2 read alike.
_INVISIBLE = r"[\x00-\x1f\x7f-\x9f\x{ad}\x{200b}-\x{200f}\x{2060}\x{feff}]"
_SPACES = "".join(
    map(chr, (0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000))
)
_FULL_WIDTH = "".join(chr(code) for code in range(0xFF01, 0xFF5F)) + "\u3000"
_HALF_WIDTH = "".join(chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)) + " "
_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_EMAIL = r"[^@ ]+@[^@ ]+\.[^@ .]+"
_HEX_ID = r"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_PUNCTUATION = r"[ ().\-/]"

_python = str.maketrans
_TO_HALF = _python(_FULL_WIDTH, _HALF_WIDTH)
_TO_LOWER, _TO_UPPER = _python(_UPPER, _LOWER), _python(_LOWER, _UPPER)
_INVISIBLE_PYTHON = re.compile(re.sub(r"\\x\{(\w+)\}", lambda m: chr(int(m[1], 16)), _INVISIBLE))


def normalise(kind: str, value: str | None, region: str) -> str | None:
    """The normal form of ``value``, None when it identifies nothing.

    Phones become E.164 (``region`` for those without a country code), e-mails, OAIDs and
    hexadecimal device ids lower case, IDFAs and member cards upper case; only ASCII letters
    change case. ConfigError when ``kind`` is no declared identifier type.
    """
    _known(kind)
    if value is None:
        return None
    clean = _INVISIBLE_PYTHON.sub("", value.translate(_TO_HALF)).strip(_SPACES)
    if not clean or len(clean) > LONGEST:
        return None
    if kind == "phone":
        return _phone(clean, region)
    if kind == "email":
        lowered = clean.translate(_TO_LOWER)
        return lowered if re.fullmatch(_EMAIL, lowered) else None
    if kind == "device_id" and not re.fullmatch(_HEX_ID, clean):
        return clean
    if kind in ("device_id", "oaid"):
        return clean.translate(_TO_LOWER)
    if kind == "idfa":
        return clean.translate(_TO_UPPER)
    if kind == "member_card":
        return clean.replace(" ", "").translate(_TO_UPPER)
    return clean


def normalise_sql(kind: str, value: str, region: str) -> str:
    """``normalise`` as a SQL expression over a VARCHAR expression.

    Only for phones it is partial: NULL where it is no plain mobile number of ``region``, and
    ``normalise`` decides.
    """
    return normalise_clean_sql(kind, clean_sql(value), region)


def clean_sql(value: str) -> str:
    """What all types have in common, as SQL: half width, visible, neither empty nor long."""
    half = f"translate({value}, '{_sql(_FULL_WIDTH)}', '{_sql(_HALF_WIDTH)}')"
    clean = f"trim(regexp_replace({half}, '{_INVISIBLE}', '', 'g'), '{_SPACES}')"
    bounded = f"CASE WHEN length({clean}) BETWEEN 1 AND {LONGEST} THEN {clean} END"
    is_plain = f"regexp_full_match({value}, '[!-~]{{1,{LONGEST}}}')"
    return f"CASE WHEN {is_plain} THEN {value} ELSE {bounded} END"


def normalise_clean_sql(kind: str, clean: str, region: str) -> str:
    """``normalise_sql`` of what ``clean_sql`` has cleaned, for bulk work in two steps."""
    _known(kind)
    lower = f"translate({clean}, '{_UPPER}', '{_LOWER}')"
    upper = f"translate({clean}, '{_LOWER}', '{_UPPER}')"
    if kind == "phone":
        return _phone_sql(clean, region)
    if kind == "email":
        return f"CASE WHEN regexp_full_match({lower}, '{_EMAIL}', 's') THEN {lower} END"
    if kind == "device_id":
        is_upper = f"regexp_full_match({clean}, '{_HEX_ID}') AND regexp_matches({clean}, '[A-F]')"
        return f"CASE WHEN {is_upper} THEN {lower} ELSE {clean} END"
    if kind == "member_card":
        return f"replace({upper}, ' ', '')"
    return {"oaid": lower, "idfa": upper}.get(kind, clean)


def identifier_key(kind: str, value: str, secret: bytes) -> int:
    """The 63-bit key of a normalised value: the top of SHA-256(secret, type, value)."""
    text = f"{_SEPARATOR}{kind}{_SEPARATOR}{value}".encode()
    return int(hashlib.sha256(secret + text).hexdigest()[:16], 16) >> 1


def identifier_key_sql(kind: str, value: str, secret: str) -> str:
    """``identifier_key`` as a SQL expression; ``secret`` is a BLOB expression."""
    text = f"chr(31) || {kind} || chr(31) || {value}"
    return key_of_hash_sql(f"sha256({secret} || encode({text}))")


def key_of_hash_sql(digest: str) -> str:
    """The top 63 bits of a hexadecimal ``digest`` as BIGINT."""
    return f"CAST((CAST('0x' || substr({digest}, 1, 16) AS UBIGINT) >> 1) AS BIGINT)"


def mobiles_in(text: str, region: str) -> list[str]:
    """Valid mobile numbers of ``region`` that stand in ``text``, in E.164, in order."""
    found = (_mobile(match, region) for match in _PHONE_IN_TEXT.findall(text))
    return list(dict.fromkeys(value for value in found if value))


def _mobile(value: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    kinds = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
    if phonenumbers.region_code_for_number(number) != region:
        return None
    if phonenumbers.number_type(number) not in kinds:
        return None
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def _known(kind: str) -> None:
    if kind not in IDENTIFIER_TYPES:
        raise ConfigError(
            f"{kind!r} is no identifier type",
            expected="one of " + ", ".join(IDENTIFIER_TYPES),
            got=kind,
        )


def _phone(clean: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(clean, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def _phone_sql(clean: str, region: str) -> str:
    code, pattern = mobile_pattern(region)
    digits = f"regexp_replace({clean}, '{_PUNCTUATION}', '', 'g')"
    bare = f"regexp_replace({digits}, '^(\\+|00){code}', '')"
    return f"CASE WHEN regexp_full_match({bare}, '{pattern}') THEN '+{code}' || {bare} END"


@cache
def mobile_pattern(region: str) -> tuple[int, str]:
    """Country code and pattern of national mobile numbers of ``region``."""
    metadata = PhoneMetadata.metadata_for_region(region)
    pattern = metadata and metadata.mobile and metadata.mobile.national_number_pattern
    if metadata is None or metadata.country_code is None or not pattern:
        raise ConfigError(
            "a region without phones", expected="an ISO 3166 code such as CN", got=region
        )
    return metadata.country_code, str(pattern)


def _sql(text: str) -> str:
    return text.replace("'", "''")
