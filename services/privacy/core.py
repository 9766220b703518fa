"""Receipts of erasures: what one says, and how it is known to be genuine.

A receipt is signed with Ed25519 (RFC 8032) over its JSON with sorted keys, the signature left out.
It tells what was where and how many, and nothing of whom.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from schemas.errors import InputError, NotYetError

FORMAT = 1
Receipt = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a receipt is made of when an erasure is carried out."""

    erasure_id: str
    reason: str
    author: str
    erased_at: datetime
    release_no: int
    published_at: datetime
    older_releases: list[int]
    """Numbers of those that hold the person as long as they are kept."""
    removed: Mapping[str, Any]
    suppressed: Mapping[str, int]
    """Identifiers on the suppression list, by type."""
    count_births: int
    """Births kept, of others whose ids depend on them."""


def made(facts: Facts, retention_days: int) -> Receipt:
    """The receipt of an erasure whose old versions are still there, not signed yet."""
    until = facts.published_at + timedelta(days=retention_days)
    return {
        "receipt": FORMAT,
        "erasure_id": facts.erasure_id,
        "reason": facts.reason,
        "author": facts.author,
        "erased_at": facts.erased_at.isoformat(),
        "release": facts.release_no,
        "published_at": facts.published_at.isoformat(),
        "removed": dict(facts.removed),
        "remembered": {
            "suppressed_identifiers": dict(facts.suppressed),
            "births_of_others": facts.count_births,
        },
        "old_versions": {"releases": facts.older_releases, "until": until.isoformat()},
        "completed": None,
    }


def kept_until(receipt: Receipt) -> datetime:
    """Until when old versions remain."""
    return datetime.fromisoformat(receipt["old_versions"]["until"])


def require_over(receipt: Receipt, now: datetime) -> None:
    """NotYetError (exit 75) while old versions are kept."""
    until = kept_until(receipt)
    if now < until:
        raise NotYetError(
            "old versions are kept still", expected=f"a time from {until.isoformat()}",
            got=now.replace(microsecond=0).isoformat(), where=receipt["erasure_id"],
            todo="run again then; `retention_days` of the programme says how long",
        )


def completed(receipt: Receipt, at: datetime, files: int, checks: Mapping[str, Any]) -> Receipt:
    """The receipt once old versions are gone: files removed, and what was looked at and found."""
    said = {"at": at.isoformat(), "files_removed": files, "checks": dict(checks)}
    return {**receipt, "completed": said}


def signed(receipt: Receipt, key: Ed25519PrivateKey) -> Receipt:
    """The receipt with a signature by ``key``, in place of any it had."""
    plain = {name: value for name, value in receipt.items() if name != "signature"}
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {
        **plain,
        "signature": {
            "algorithm": "Ed25519",
            "public_key": base64.b64encode(public).decode(),
            "value": base64.b64encode(key.sign(_canonical(plain))).decode(),
        },
    }


def public_key(key: Ed25519PrivateKey) -> str:
    """The public key in base64, as receipts bear it."""
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def require_genuine(receipt: Receipt, trusted: str) -> None:
    """InputError unless ``trusted`` (a public key in base64) has signed just this."""
    signature = receipt.get("signature")
    plain = {name: value for name, value in receipt.items() if name != "signature"}
    try:
        assert isinstance(signature, dict)
        bearer = Ed25519PublicKey.from_public_bytes(base64.b64decode(trusted))
        bearer.verify(base64.b64decode(signature["value"]), _canonical(plain))
    except (AssertionError, KeyError, ValueError, TypeError, InvalidSignature):
        raise InputError(
            "this receipt is not genuine", expected=f"a signature by the key {trusted}",
            got="none" if signature is None else "another content, or another key",
            todo="ask for the receipt again: guiyi erasure receipt ID",
        ) from None


def _canonical(receipt: Mapping[str, Any]) -> bytes:
    return json.dumps(receipt, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
