from __future__ import annotations

import pytest

from domain.record_keys import key_of
from jobs import settings

SOURCES = {source.name: source for source in settings.read().sources}


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (b'{"userId": "u1", "anonymousId": "d1"}', b"u1"),
        (b'{"userId": "", "anonymousId": "d1"}', b"d1"),
        (b'{"userId": 7}', b"7"),
        (b'{"userId": {"a": 1}, "anonymousId": true}', b""),
        (b'{"userId": "u1"', b""),
        (b"[1]", b""),
        (b"\xff", b""),
    ],
)
def test_the_key_is_the_first_column_that_the_line_has(line: bytes, key: bytes) -> None:
    assert key_of(SOURCES["app_events"], ["user_id", "anonymous_id"])(line) == key


def test_without_columns_the_identifiers_whose_conditions_hold_are_asked() -> None:
    key = key_of(SOURCES["service_chats"])
    assert key(b'{"from": "wmANN", "tolist": ["staff1"]}') == b"wmANN"
    assert key(b'{"from": "staff1", "tolist": ["woBOB"]}') == b"woBOB"
    assert key(b'{"from": "staff1", "tolist": []}') == b""


def test_a_place_inside_an_object_is_found() -> None:
    assert key_of(SOURCES["app_events"], ["phone"])(b'{"traits": {"phone": "138"}}') == b"138"
