"""Decisions about access, without clock, chance or database: those are given."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, get_args

from schemas.errors import AccessError, UsageError

Role = Literal["admin", "analyst", "marketer", "service"]
Scope = Literal[
    "audiences:read", "audiences:write", "tags:read", "persons:read", "persons:clear",
    "releases:read", "handovers:read", "handovers:write", "handovers:approve",
    "privacy:read", "privacy:erase", "access:manage",
]

ROLES: dict[Role, frozenset[Scope]] = {
    "admin": frozenset(get_args(Scope)),
    "analyst": frozenset(
        {"audiences:read", "audiences:write", "tags:read", "persons:read", "releases:read",
         "handovers:read"}
    ),
    "marketer": frozenset(
        {"audiences:read", "audiences:write", "tags:read", "persons:read", "releases:read",
         "handovers:read", "handovers:write", "handovers:approve"}
    ),
    "service": frozenset(
        {"audiences:read", "tags:read", "releases:read", "handovers:read", "handovers:write"}
    ),
}
"""What a key of each role may do. Clear values of persons, erasure and keys are an admin's."""

PREFIX = "guiyi"
_NOBODY = bytes(32)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who calls: the name of a key, or of a person at the command line."""

    name: str
    role: Role
    scopes: frozenset[Scope] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key: ``token`` is shown once, the rest is kept."""

    token: str
    key_id: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Held:
    """What is kept of a key, as far as admission needs it."""

    name: str
    role: Role
    digest: bytes
    expires_at: datetime | None
    revoked_at: datetime | None


class UnknownKeyError(AccessError):
    """The call bears no key, or none that holds now."""


def actor(name: str, role: Role) -> Actor:
    """An actor with everything that the role may do."""
    return Actor(name, role, ROLES[role])


def role_of(text: str) -> Role:
    """The role of that name; UsageError where there is none."""
    for role in get_args(Role):
        if role == text:
            return role  # type: ignore[no-any-return]
    raise UsageError(
        f"there is no role {text!r}", expected="one of " + ", ".join(get_args(Role)), got=text,
    )


def issue(randomness: Callable[[int], bytes]) -> Issued:
    """A key of 256 random bits, with 64 more bits by which it is found."""
    key_id = randomness(8).hex()
    secret = urlsafe_b64encode(randomness(32)).decode().rstrip("=")
    return Issued(f"{PREFIX}_{key_id}_{secret}", key_id, digest(secret))


def digest(secret: str) -> bytes:
    """SHA-256 of the key's secret part.

    Slow or salted hashing guards what people choose; 256 random bits can be neither guessed nor
    tabulated, so that one plain hash is enough, and each call is admitted in microseconds.
    """
    return hashlib.sha256(secret.encode()).digest()


def parts(token: str) -> tuple[str, str] | None:
    """The key's id and its secret part; None where the text has not the form of a key."""
    found = token.split("_", 2)
    if len(found) != 3 or found[0] != PREFIX or len(found[1]) != 16:
        return None
    return found[1], found[2]


def admit(held: Held | None, secret: str, now: datetime) -> Actor:
    """Who bears the key; UnknownKeyError when it is not the kept one, over, or revoked.

    The comparison takes the same time whatever the secret and whether the key exists; only who
    bears the true secret is told that it is over.
    """
    is_same = hmac.compare_digest(held.digest if held else _NOBODY, digest(secret))
    if held is None or not is_same:
        raise unknown("a key that is not known")
    if held.revoked_at is not None and held.revoked_at <= now:
        raise unknown(f"a key revoked at {held.revoked_at:%Y-%m-%d %H:%M:%SZ}")
    if held.expires_at is not None and held.expires_at <= now:
        raise unknown(f"a key that ended at {held.expires_at:%Y-%m-%d %H:%M:%SZ}")
    return actor(held.name, held.role)


def unknown(got: str) -> UnknownKeyError:
    """The error of a call without a good key."""
    return UnknownKeyError(
        "this needs a key", expected="Authorization: Bearer guiyi_…", got=got,
        todo="an admin makes one with `guiyi access key create`",
    )


def require(who: Actor, scope: Scope) -> None:
    """AccessError unless the actor has the scope."""
    if scope not in who.scopes:
        roles = [role for role, scopes in ROLES.items() if scope in scopes]
        raise AccessError(
            f"the role {who.role} may not do this", expected=f"scope {scope}", got=who.role,
            todo="use a key of a role that may: " + ", ".join(roles),
        )


def overlapping_end(expires_at: datetime | None, now: datetime, overlap: timedelta) -> datetime:
    """When a key ends that is being replaced: after the overlap, and never later than before."""
    end = now + overlap
    return end if expires_at is None else min(end, expires_at)
