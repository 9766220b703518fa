from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from domain.definitions import parse
from lake import conf
from schemas.errors import ConfigError
from schemas.identity_rules import (
    NO_RULES,
    PLACEHOLDERS,
    Blocked,
    Evidence,
    Exclusive,
    Holders,
    IdentifierRules,
    IdentityRules,
    PerPerson,
    Weights,
)
from schemas.sources import IDENTIFIER_TYPES

EXAMPLES = conf.folder() / "examples"
REFERENCE = EXAMPLES / "identity-reference.yml"
PARTS = (
    IdentityRules, IdentifierRules, Blocked, Holders, PerPerson, Exclusive, Evidence, Weights
)  # fmt: skip


def rules(text: str) -> IdentityRules:
    return parse(text, "identity.yml", IdentityRules)


def test_the_committed_rules_know_every_identifier_type() -> None:
    (committed,) = conf.load("identity.yml", IdentityRules)
    names = [one.type for one in committed.ranked()]
    assert sorted(names) == sorted(IDENTIFIER_TYPES)
    strongest = ["user_id", "unionid", "openid", "external_userid", "member_card", "phone", "email"]
    assert names[:8] == [*strongest, "device_id"]


def test_without_any_rules_placeholders_are_blocked_and_unlisted_types_refused() -> None:
    nothing = IdentityRules()
    assert (nothing.types, nothing.blocked, nothing.undeclared) == ((), PLACEHOLDERS, "refuse")


LIMIT_OF_ZERO = """
types:
  - type: phone
    holders:
      - of: phone
        within_days: 3
        at_most: 0
"""
NO_DAYS = """
types:
  - type: phone
    per_person:
      - at_most: 2
        within_days: 0
"""
BOTH = """
types:
  - type: phone
    per_person:
      - at_most: 2
        within_days: 3

        overlapping_days: 3
"""
ONE_PRIORITY = """
types:
  - type: user_id
    priority: 1
  - type: email
    priority: 4
  - type: phone
    may_stand_alone: true
    priority: 4
"""
THE_PLACE_OF_ANOTHER = """
types:
  - type: email
    priority: 2
  - type: phone
    may_stand_alone: true
"""
TWICE = """
types:
  - type: phone
  - may_stand_alone: false
    type: phone
"""
NOT_RE2 = """
types:
  - type: phone
    blocked:
      patterns:
        fine: "[0-9]+"
        odd: (?=a)
"""
UNKNOWN_HOLDER = """
types:
  - type: member_card
  - type: phone
    holders:
      - {of: member_card, at_most: 1}
      - at_most: 1
        of: membercard
"""
UNKNOWN_PARTNER = """
types:
  - type: phone
    exclusive:
      - silence_days: 3
        of: user
"""
UNKNOWN_BORROWER = """
types:
  - type: device_id
    transferable: true
    borrowed_by: user
"""
UNKNOWN_EVIDENCE = """
types:
  - type: device_id
  - type: user_id
evidence:
  - name: log-in
    between:
      - [user_id, device_id]
      - [user_id, device]
"""
NEGATIVE = """
types:
  - type: phone
    exclusive:
      - of: phone
        silence_days: -1
"""


@pytest.mark.parametrize(
    ("text", "line", "says", "expected", "todo"),
    [
        (LIMIT_OF_ZERO, 7, "at_most is 0, but a limit is 1", "1 or more", "leave it out"),
        ("weights:\n  strong_days: 0", 2, "strong_days is 0", "1 or more", "leave it out"),
        (NO_DAYS, 6, "within_days is 0", "1 or more", "leave it out"),
        (BOTH, 8, "not both", "one of the two", "two limits"),
        (ONE_PRIORITY, 9, "phone has the priority 4 of email", "free is 5", "listed first"),
        (THE_PLACE_OF_ANOTHER, 5, "phone has the priority 2 of email", "free is 3", "listed first"),
        ("types:\n  - type: a\n    priority: -1", 3, "a has the priority -1", "1, the", ""),
        (TWICE, 5, "'phone' is listed twice", "each type once", "make one"),
        (NOT_RE2, 7, "'odd' is not an RE2", "a whole value matches", "no look-around"),
        (UNKNOWN_HOLDER, 8, "'membercard' is not", "one of member_card, phone", "say member_card"),
        (UNKNOWN_PARTNER, 6, "the type 'user' is not listed", "one of phone", "list user"),
        (UNKNOWN_BORROWER, 5, "'user' is not listed", "one of device_id", "`undeclared: accept`"),
        (UNKNOWN_EVIDENCE, 9, "'device' is not listed", "device_id, user_id", "say device_id"),
        (NEGATIVE, 6, "silence_days is -1, but days are 0", "0 or more", ""),
        ("types: []\n\nhubs: 3", 3, "unknown field `hubs`", "one of blocked", "definitions.md"),
        ("types:\n  - type: a\n    priority: x", 3, "Expected `int`", "int", "definitions.md"),
    ],
)
def test_rules_that_cannot_hold_are_refused_with_file_line_and_what_would_be_right(
    text: str, line: int, says: str, expected: str, todo: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        rules(text)
    error = caught.value
    assert error.where.startswith(f"identity.yml:{line} ($")
    assert says in str(error)
    assert expected in error.expected
    assert todo in error.todo
    assert error.got


@pytest.mark.parametrize("text", [UNKNOWN_HOLDER, UNKNOWN_BORROWER, UNKNOWN_EVIDENCE])
def test_a_type_that_is_accepted_undeclared_may_be_named(text: str) -> None:
    assert rules(text + "\nundeclared: accept\n").undeclared == "accept"


def test_rules_can_be_taken_off_in_layers() -> None:
    whole = rules(
        "blocked: {values: [x]}\ntypes: [{type: a, holders: [{of: b, at_most: 1}], "
        "per_person: [{at_most: 1}], exclusive: [{of: b}], transferable: true}, {type: b}]"
    )
    first = whole.without_tenures().types[0]
    assert (first.exclusive, first.transferable, len(first.per_person)) == ((), False, 1)
    first = whole.without_limits().types[0]
    assert (first.per_person, len(first.holders)) == ((), 1)
    bare = whole.without_hubs()
    assert (bare.blocked.values, bare.types[0].holders) == (("x",), ())
    assert whole.without_screen() == rules("blocked: {}\ntypes: [{type: a}, {type: b}]")
    assert NO_RULES.undeclared == "accept"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("identity-*.yml")), ids=lambda one: one.stem)
def test_an_example_can_be_read(path: Path) -> None:
    assert conf.load_file(path, IdentityRules).types


Place = tuple[type[msgspec.Struct], str]


def fields(node: Any, kind: Any) -> Iterator[tuple[Place, int, Any]]:
    """Each field that a YAML tree gives a structure, with the line of its key, and its value."""
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from fields(child, kind)
    elif isinstance(node, yaml.MappingNode):
        known = {one.name: one.type for one in msgspec.structs.fields(kind)}
        for key, child in node.value:
            yield (kind, key.value), key.start_mark.line, yaml_value(child)
            inner = [one for one in PARTS if one.__name__ in str(known[key.value])]
            yield from (found for part in inner for found in fields(child, part))


def yaml_value(node: yaml.Node) -> Any:
    return yaml.safe_load(yaml.serialize(node))


def comment_above(lines: list[str], line: int) -> str:
    said: list[str] = []
    while line and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        said.insert(0, lines[line].lstrip(" #"))
    return " ".join(said)


def test_the_reference_shows_every_field_with_what_it_says_and_its_default() -> None:
    text = REFERENCE.read_text()
    told: dict[Place, str] = {}
    given: dict[Place, Any] = {}
    for place, line, value in fields(yaml.compose(text), IdentityRules):
        said = comment_above(text.splitlines(), line)
        if re.search(r"\. Default: |\. Required$", said) and place not in told:
            told[place], given[place] = said, value
    for part in PARTS:
        for field in msgspec.structs.fields(part):
            place = part, field.name
            assert place in told, place
            if field.required:
                assert told[place].endswith("Required"), place
                continue
            default = told[place].rpartition("Default: ")[2]
            value = given[place] if default == "as here" else yaml.safe_load(default)
            assert msgspec.convert(value, field.type) == default_of(field), place


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    factory = field.default_factory
    return field.default if factory is msgspec.NODEFAULT else factory()
