from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.definitions import json_schema, parse, parse_items, parse_placed
from schemas.errors import ConfigError


class Part(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    size: int = 0


class Whole(msgspec.Struct, forbid_unknown_fields=True):
    title: str
    parts: list[Part] = []


GOOD = "title: t\nparts:\n  - name: a\n    size: 2\n"


def test_a_good_definition_becomes_its_structure() -> None:
    assert parse(GOOD, "x.yml", Whole) == Whole("t", [Part("a", 2)])


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        ("title: t\nparts:\n  - name: a\n    siez: 2\n", "x.yml:4", "unknown field `siez`"),
        ("title: t\nparts:\n  - name: a\n    size: two\n", "x.yml:4", "got: str"),
        ("title: t\nparts:\n  - size: 2\n", "x.yml:3", "missing required field `name`"),
        ("title: 3\n", "x.yml:1", "expected: str"),
        ("title: t\ntitle: u\n", "x.yml:2", "stands twice"),
        ("title: [t\n", "x.yml:2", "not YAML"),
        ("", "x.yml:1", "empty definition"),
        ("- title\n", "x.yml:1", "Expected `object`"),
    ],
)
def test_a_wrong_definition_is_said_with_file_line_expected_and_got(
    text: str, where: str, says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "x.yml", Whole)
    assert where in caught.value.where
    assert says in str(caught.value)
    assert caught.value.expected
    assert caught.value.exit_code == 2


@given(st.text(max_size=80))
def test_no_text_gives_anything_but_a_structure_or_a_clear_error(text: str) -> None:
    with suppress(ConfigError):
        assert isinstance(parse(text, "x.yml", Whole), Whole)


def test_the_schema_for_editors_names_every_field() -> None:
    schema = json_schema(Whole)
    assert set(schema["$defs"]["Part"]["properties"]) == {"name", "size"}


def test_a_definition_knows_the_lines_of_its_parts() -> None:
    lines = parse_placed(GOOD + "  - name: b\n    size: 2\n", "x.yml", Whole).lines
    assert lines.at("$.parts[1]", "size") == "x.yml:6"
    assert lines.at("$.parts[1]") == "x.yml:5"
    assert lines.of_word("$", "2") == "x.yml:4"
    assert lines.of_word("$", "2", beside="b") == "x.yml:6"
    assert lines.of_word("$.parts[0]", "b") is None


def test_a_text_of_several_lines_has_lines_of_its_own() -> None:
    lines = parse_placed("title: |\n  one\n  two\n", "x.yml", Whole).lines
    assert lines.in_text("$", "two") == "x.yml:3"
    assert lines.in_text("$", "three") is None


def test_items_are_read_one_by_one_and_each_wrong_one_told() -> None:
    text = "title: t\nparts:\n  - name: a\n  - {name: b, siez: 1}\n  - {name: 3}\n"
    found, wrong = parse_items(text, "x.yml", Whole, "parts", Part)
    assert [(one.definition, one.path) for one in found] == [(Part("a"), "$.parts[0]")]
    assert [(name, error.where) for name, error in wrong] == [
        ("b", "x.yml:4 ($.parts[1])"), ("3", "x.yml:5 ($.parts[2].name)"),
    ]
    assert wrong[0][1].todo == "did you mean `size`?"


@pytest.mark.parametrize("text", ["parts: 3\n", "parts: []\n", "", "- a\n", "a: [\n"])
def test_a_file_that_is_wrong_as_a_whole_has_one_error(text: str) -> None:
    found, wrong = parse_items(text, "x.yml", Whole, "parts", Part)
    assert (found, len(wrong)) == ([], 1)
