from __future__ import annotations

import pytest

from domain.definitions import parse
from lake import conf
from schemas.errors import ConfigError
from schemas.identity_rules import NO_RULES, IdentityRules
from schemas.sources import IDENTIFIER_TYPES


def rules(text: str) -> IdentityRules:
    return parse(text, "identity.yml", IdentityRules)


def test_the_committed_rules_know_every_identifier_type() -> None:
    (committed,) = conf.load("identity.yml", IdentityRules)
    names = [one.type for one in committed.types]
    assert sorted(names) == sorted(IDENTIFIER_TYPES)
    strongest = ["user_id", "unionid", "openid", "external_userid", "member_card", "phone", "email"]
    assert names[:8] == [*strongest, "device_id"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("types: [{type: phone}, {type: phone}]", "'phone' is listed twice"),
        ("types: [{type: phone, at_most: {card: 1}}]", "a limit on 'card', which is not listed"),
        ("types: [{type: phone, at_most: {phone: 0}}]", "a limit is 1 or more"),
        ("types: [{type: phone, blocked: {patterns: {odd: '('}}}]", "'odd' is not an RE2"),
        ("types: [{type: phone, blocked: {patterns: {odd: '(?=a)'}}}]", "'odd' is not an RE2"),
        ("types: []\nhubs: 3", "unknown field `hubs`"),
    ],
)
def test_rules_that_cannot_hold_are_refused_with_file_and_line(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=r"identity.yml:\d") as caught:
        rules(text)
    assert says in str(caught.value)


def test_rules_can_be_taken_off_in_layers() -> None:
    whole = rules("blocked: {values: [x]}\ntypes: [{type: a, at_most: {b: 1}}, {type: b}]")
    bare = whole.without_limits()
    assert (bare.blocked.values, bare.types[0].at_most) == (("x",), {})
    assert whole.without_screen() == rules("types: [{type: a}, {type: b}]")
    assert NO_RULES.undeclared == "accept"
