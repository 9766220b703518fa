"""Versions of audiences as they are kept: only ever added."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import LargeBinary, String, UniqueConstraint, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from schemas.audiences import Audience
from schemas.errors import BusyError, ConflictError, NotFoundError
from services.access.core import Actor
from services.access.store import note
from services.audiences import core
from services.audiences.core import Change, Stored
from services.database import Instant, Row


class AudienceVersion(Row):
    """One version of one audience; ``definition`` is its JSON."""

    __tablename__ = "audiences_versions"
    __table_args__ = (UniqueConstraint("created_by", "idempotency_key"),)

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(String(64))
    definition: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Instant, index=True)
    created_by: Mapped[str] = mapped_column(String(100))
    idempotency_key: Mapped[str | None] = mapped_column(String(200))


@dataclass(frozen=True, slots=True)
class Kept:
    """What ``put`` has done, and the version now in force."""

    change: Change
    stored: Stored


def put(
    session: Session, audience: Audience, version: str, by: Actor, now: datetime, *,
    expected: int | None = None, idempotency_key: str | None = None,
) -> Kept:
    """Keep ``audience`` as the newest version of its name; the same again adds nothing.

    ``version`` is the fingerprint of what it says itself; ``expected`` the number that the
    caller takes to be in force, 0 for none. StaleError when it is another, ConflictError when the
    caller's ``idempotency_key`` came before with something else.
    """
    before = _by_key(session, by, idempotency_key)
    if before is not None:
        return _again(before, audience, version)
    current = _newest(session, audience.name)
    core.require_number(current, expected, audience.name)
    change = core.change(current, audience, version)
    if change == "same" and current is not None:
        return Kept(change, current)
    row = AudienceVersion(
        name=audience.name, number=(current.number if current else 0) + 1, version=version,
        definition=core.written(audience), created_at=now, created_by=by.name,
        idempotency_key=idempotency_key,
    )
    session.add(row)
    note(session, by, f"audiences.{change}", f"{row.name} {row.number} {version}", now)
    _flush(session, audience.name)
    return Kept(change, _stored(row))


def newest(session: Session, name: str) -> Stored:
    """The version in force; NotFoundError where there is no such audience."""
    found = _newest(session, name)
    if found is None:
        raise _unknown(name)
    return found


def every(session: Session) -> list[Stored]:
    """The version in force of each audience, by name."""
    return _last(session, None)


def history(session: Session, name: str) -> list[Stored]:
    """All versions of an audience, oldest first; NotFoundError where there is none."""
    rows = session.scalars(
        select(AudienceVersion).where(AudienceVersion.name == name).order_by(AudienceVersion.number)
    )
    found = [_stored(row) for row in rows]
    if not found:
        raise _unknown(name)
    return found


def in_force(session: Session, cut: datetime) -> list[Audience]:
    """Audiences as they were before ``cut``: of each name the last version kept before it."""
    return [stored.audience for stored in _last(session, cut)]


def _last(session: Session, cut: datetime | None) -> list[Stored]:
    query = select(AudienceVersion.name, func.max(AudienceVersion.number).label("number"))
    if cut is not None:
        query = query.where(AudienceVersion.created_at < cut)
    last = query.group_by(AudienceVersion.name).subquery()
    rows = session.scalars(
        select(AudienceVersion)
        .join(last, (AudienceVersion.name == last.c.name)
              & (AudienceVersion.number == last.c.number))
        .order_by(AudienceVersion.name)
    )
    return [_stored(row) for row in rows]


def _newest(session: Session, name: str) -> Stored | None:
    row = session.scalars(
        select(AudienceVersion).where(AudienceVersion.name == name)
        .order_by(AudienceVersion.number.desc()).limit(1)
    ).first()
    return _stored(row) if row else None


def _by_key(session: Session, by: Actor, key: str | None) -> Stored | None:
    if key is None:
        return None
    row = session.scalars(
        select(AudienceVersion).where(
            AudienceVersion.created_by == by.name, AudienceVersion.idempotency_key == key
        )
    ).first()
    return _stored(row) if row else None


def _again(before: Stored, audience: Audience, version: str) -> Kept:
    is_same = (before.audience.name, before.version, before.audience.label) == (
        audience.name, version, audience.label
    )
    if not is_same:
        raise ConflictError(
            "this Idempotency-Key came before with another audience",
            expected=f"{before.audience.name} {before.version}",
            got=f"{audience.name} {version}", todo="take a new key for what is new",
        )
    return Kept("same", before)


def _flush(session: Session, name: str) -> None:
    try:
        session.flush()
    except IntegrityError as error:
        raise BusyError(
            f"somebody else is changing the audience {name!r}", expected="one change at a time",
            got="another version in the same moment", todo="try again",
        ) from error


def _stored(row: AudienceVersion) -> Stored:
    return Stored(
        core.read(row.definition), row.number, row.version, row.created_at, row.created_by
    )


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(
        f"there is no audience {name!r}", expected="the name of an audience", got=name,
        todo="see GET /v1/audiences",
    )
