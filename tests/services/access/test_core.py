from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from schemas.errors import AccessError, UsageError
from services.access import core
from services.access.core import Held, Role, Scope, UnknownKeyError

NOW = datetime(2018, 1, 1, tzinfo=UTC)
ISSUED = core.issue(bytes)
SECRET = ISSUED.token.split("_", 2)[2]
HELD = Held("ann", "analyst", ISSUED.digest, None, None)


def test_a_key_is_found_by_its_id_and_kept_as_a_hash() -> None:
    assert core.parts(ISSUED.token) == (ISSUED.key_id, SECRET)
    assert SECRET.encode() not in ISSUED.digest
    assert len(ISSUED.digest) == 32


def test_the_same_randomness_gives_the_same_key() -> None:
    assert core.issue(bytes) == ISSUED


@pytest.mark.parametrize("text", ["", "guiyi", "guiyi_short_x", "other_0123456789abcdef_x"])
def test_a_text_of_another_form_is_no_key(text: str) -> None:
    assert core.parts(text) is None


def test_a_key_admits_with_the_scopes_of_its_role() -> None:
    who = core.admit(HELD, SECRET, NOW)
    assert (who.name, who.scopes) == ("ann", core.ROLES["analyst"])


@pytest.mark.parametrize("held", [None, replace(HELD, digest=core.digest("another"))])
def test_an_unknown_key_and_a_wrong_secret_are_told_alike(held: Held | None) -> None:
    with pytest.raises(UnknownKeyError, match="a key that is not known"):
        core.admit(held, SECRET, NOW)


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def spy(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return bytes(a) == bytes(b)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    core.admit(HELD, SECRET, NOW)
    with pytest.raises(UnknownKeyError):
        core.admit(None, SECRET, NOW)
    assert compared == [(HELD.digest, HELD.digest), (bytes(32), HELD.digest)]


@pytest.mark.parametrize("field", ["expires_at", "revoked_at"])
def test_a_key_holds_until_its_end_and_not_at_it(field: str) -> None:
    held = replace(HELD, **{field: NOW})
    assert core.admit(held, SECRET, NOW - timedelta(microseconds=1)).name == "ann"
    with pytest.raises(UnknownKeyError, match="2018-01-01 00:00:00Z"):
        core.admit(held, SECRET, NOW)


def test_only_who_bears_the_secret_is_told_that_the_key_is_over() -> None:
    with pytest.raises(UnknownKeyError, match="not known"):
        core.admit(replace(HELD, revoked_at=NOW), "guessed", NOW)


def test_a_replaced_key_ends_after_the_overlap_and_never_later_than_before() -> None:
    hour = timedelta(hours=1)
    assert core.overlapping_end(None, NOW, hour) == NOW + hour
    assert core.overlapping_end(NOW + 2 * hour, NOW, hour) == NOW + hour
    assert core.overlapping_end(NOW, NOW, hour) == NOW


def test_a_missing_scope_is_refused_with_the_roles_that_have_it() -> None:
    with pytest.raises(AccessError, match=r"scope persons:clear(.|\n)*roles? .*admin"):
        core.require(core.actor("ann", "analyst"), "persons:clear")


def test_every_scope_is_an_admins_and_clear_values_nobody_elses() -> None:
    assert core.ROLES["admin"] == set(get_args(Scope))
    alone = {"persons:clear", "privacy:erase", "access:manage"}
    others = [core.ROLES[role] for role in get_args(Role) if role != "admin"]
    assert not any(alone & scopes for scopes in others)


def test_an_unknown_role_names_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="admin, analyst, marketer, service"):
        core.role_of("boss")
