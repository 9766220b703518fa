"""Keys and the audit log as they are kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import LargeBinary, String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from schemas.errors import NotFoundError, UsageError
from services.access import core
from services.access.core import Actor, Held, Role
from services.database import Instant, Row


class Key(Row):
    """One key: a digest, never the key."""

    __tablename__ = "access_keys"

    key_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), index=True)
    role: Mapped[str] = mapped_column(String(20))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[datetime] = mapped_column(Instant)
    created_by: Mapped[str] = mapped_column(String(100))
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)


class Note(Row):
    """Who did what, or was refused it; the database itself refuses to change or delete one."""

    __tablename__ = "access_audit"
    __table_args__ = {"sqlite_autoincrement": True}

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(Instant, index=True)
    actor: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(20))
    action: Mapped[str] = mapped_column(String(100))
    what: Mapped[str] = mapped_column(String(200))
    outcome: Mapped[str] = mapped_column(String(20))


def note(
    session: Session, actor: Actor, action: str, what: str, at: datetime, outcome: str = "done"
) -> None:
    """Add a line to the audit log: ``action`` as `audiences.create`, ``what`` by name or number.

    No personal value may stand in it, nor a one_id, since it is never erased: of a person the
    person_no, which after an erasure is nobody's.
    """
    _write(session, actor.name, actor.role, action, what, at, outcome)


def note_unknown(session: Session, action: str, at: datetime) -> None:
    """Add a line about a call that bore no good key."""
    _write(session, "", "", action, "", at, "no key")


def _write(
    session: Session, name: str, role: str, action: str, what: str, at: datetime, outcome: str
) -> None:
    session.add(
        Note(at=at, actor=name, role=role, action=action[:100], what=what[:200], outcome=outcome)
    )


def create(
    session: Session, name: str, role: Role, by: Actor, now: datetime,
    lifetime: timedelta | None = None, randomness: Callable[[int], bytes] = os.urandom,
) -> str:
    """A new key's token, which is kept nowhere; several keys may have one name."""
    if not 0 < len(name.strip()) <= 100:
        raise UsageError(
            "a key has a name", expected="1 to 100 characters", got=f"{len(name)}",
            todo="name the person or program that will bear it",
        )
    issued = core.issue(randomness)
    session.add(
        Key(key_id=issued.key_id, name=name, role=role, digest=issued.digest, created_at=now,
            created_by=by.name, expires_at=now + lifetime if lifetime is not None else None)
    )
    note(session, by, "access.key.create", f"{issued.key_id} {name} ({role})", now)
    return issued.token


def rotate(
    session: Session, key_id: str, by: Actor, now: datetime, overlap: timedelta,
    lifetime: timedelta | None = None, randomness: Callable[[int], bytes] = os.urandom,
) -> str:
    """A new key in place of one that still holds; the old one ends after ``overlap``."""
    old = _holding(session, key_id, now)
    old.expires_at = core.overlapping_end(old.expires_at, now, overlap)
    note(session, by, "access.key.rotate", f"{key_id} {old.name}", now)
    return create(session, old.name, core.role_of(old.role), by, now, lifetime, randomness)


def revoke(session: Session, key_id: str, by: Actor, now: datetime) -> None:
    """End a key at once; one that is over stays so."""
    key = _known(session, key_id)
    if key.revoked_at is None:
        key.revoked_at = now
        note(session, by, "access.key.revoke", f"{key_id} {key.name}", now)


def held(session: Session, key_id: str) -> Held | None:
    """What is kept of a key; None where there is none."""
    key = session.get(Key, key_id)
    if key is None:
        return None
    return Held(key.name, core.role_of(key.role), key.digest, key.expires_at, key.revoked_at)


def keys(session: Session) -> Sequence[Key]:
    """All keys, oldest first."""
    return session.scalars(select(Key).order_by(Key.created_at, Key.key_id)).all()


def count_holding(session: Session, now: datetime) -> int:
    """How many keys are neither over nor revoked."""
    query = select(func.count()).select_from(Key).where(
        (Key.expires_at.is_(None)) | (Key.expires_at > now),
        (Key.revoked_at.is_(None)) | (Key.revoked_at > now),
    )
    return session.scalar(query) or 0


def audit(
    session: Session, limit: int, actor: str | None = None, before: int | None = None
) -> Sequence[Note]:
    """The newest ``limit`` lines of the log, newest first; of one actor, before a number."""
    query = select(Note).order_by(Note.number.desc()).limit(limit)
    if actor is not None:
        query = query.where(Note.actor == actor)
    if before is not None:
        query = query.where(Note.number < before)
    return session.scalars(query).all()


def _known(session: Session, key_id: str) -> Key:
    key = session.get(Key, key_id)
    if key is None:
        raise NotFoundError(
            f"there is no key {key_id!r}", expected="the 16 characters between the underscores",
            got=key_id, todo="see `guiyi access key list`",
        )
    return key


def _holding(session: Session, key_id: str, now: datetime) -> Key:
    key = _known(session, key_id)
    ends = [at for at in (key.expires_at, key.revoked_at) if at is not None and at <= now]
    if ends:
        raise UsageError(
            "this key is over and cannot be replaced", expected="a key that holds",
            got=f"over since {min(ends):%Y-%m-%d %H:%M:%SZ}", where=key_id,
            todo="make a new one with `guiyi access key create`",
        )
    return key
