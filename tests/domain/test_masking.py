from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.masking import HIDDEN, mask


@pytest.mark.parametrize(
    ("type", "value", "shown"),
    [
        ("phone", "+8613812345678", "+86138****5678"),
        ("phone", "+14155552671", "+141****2671"),
        ("email", "li.wei@example.com", "l****@example.com"),
        ("email", "li@example.com", "****@example.com"),
        ("openid", "wx1234:oAbCdEfGhIjKl", "wx1234:oAb****jKl"),
        ("member_card", "M00001234", "M****1234"),
        ("device_id", "0a1b2c3d-0000-4000-a000-00000000ffff", "0a1b****ffff"),
        ("user_id", "u123", "****"),
    ],
)
def test_a_value_keeps_only_its_ends(type: str, value: str, shown: str) -> None:
    assert mask(type, value) == shown


@given(st.sampled_from(["phone", "email", "openid", "device_id"]), st.text(max_size=40))
def test_at_least_four_characters_are_always_hidden(type: str, value: str) -> None:
    front, hidden, behind = mask(type, value).partition(HIDDEN)
    assert hidden
    gone = len(value) - len(front) - len(behind)
    assert gone >= min(len(HIDDEN), len(value)) or "@" in value or ":" in value
