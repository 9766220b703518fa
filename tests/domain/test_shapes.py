from __future__ import annotations

from domain.shapes import examples_at, keys_at, words_at
from schemas.tag_definitions import TagFile


def test_keys_and_words_are_those_of_the_place() -> None:
    assert keys_at(TagFile, "$") == ["tags"]
    assert keys_at(TagFile, "$.tags[0].window") == ["last", "this", "previous", "between"]
    assert "top_n" in words_at(TagFile, "$.tags[3].measure")
    assert "notNull" in words_at(TagFile, "$.tags[0].where.rules[1].rules[0].operator")
    assert words_at(TagFile, "$.tags[0].window") == ["ever"]
    assert keys_at(TagFile, "$.nothing") == words_at(TagFile, "$.tags[0].map.x") == []


def test_examples_are_those_that_a_field_declares() -> None:
    assert examples_at(TagFile, "$.tags[0].window") == ["ever", {"last": "30 d"}]
    assert examples_at(TagFile, "$.tags[0].name") == []
