"""Masks the text of refused rows, so that an example shows its fault and nobody's identity."""

from __future__ import annotations

import base64
import codecs
import re

DOT = "•"
LONGEST = 4_000

_BETWEEN = r"[\s\-–—.()（）+/_·~*#]{1,6}"
_LOCAL_PART = re.compile(r"[^\s@<>\"',;:=]+(?=@)")
_DIGITS_IN_GROUPS = re.compile(rf"\d(?:(?:{_BETWEEN})?\d){{6,}}")
_DIGITS = re.compile(r"\d{4,}")
_WORD = rf"[\w{DOT}-]"
_TOKEN = re.compile(rf"(?={_WORD}*[A-Za-z])(?={_WORD}*[\d{DOT}]){_WORD}{{10,}}")
_PREFIX = re.compile(r"[A-Za-z]{0,2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def mask(text: str) -> str:
    """``text`` without e-mail local parts, runs of four digits, phones in groups, long tokens.

    Seven digits count as a phone however they are grouped, so dates are masked as well: a date
    may be a birthday.
    """
    text = _LOCAL_PART.sub(DOT * 3, text)
    for pattern in (_DIGITS_IN_GROUPS, _DIGITS):
        text = pattern.sub(_dots, text)
    return _TOKEN.sub(_shortened, text)


def _dots(found: re.Match[str]) -> str:
    return re.sub(r"\d", DOT, found[0])


def _shortened(found: re.Match[str]) -> str:
    prefix = _PREFIX.match(found[0])
    return (prefix[0] if prefix else "") + DOT * 6


def example(raw: bytes, length: int) -> str:
    """The bytes of a row as one masked line of at most ``length`` characters."""
    line = _CONTROL.sub(" ", mask(_decoded(raw[:LONGEST]))).strip()
    return line if len(line) <= length else line[: length - 1] + "…"


def example_base64(raw: str, length: int) -> str:
    """As ``example``, of bytes kept as base64 (which may be cut at any character)."""
    return example(base64.b64decode(raw[: len(raw) // 4 * 4]), length)


def _decoded(raw: bytes) -> str:
    for encoding in ("utf-8", "gb18030"):
        try:
            # Not final: the bytes may have been cut in the middle of a character.
            return codecs.getincrementaldecoder(encoding)().decode(raw)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")
