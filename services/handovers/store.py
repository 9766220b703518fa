"""Hand-overs as they are kept: one row for each key, whoever asks and how often."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import Date, String, Text, UniqueConstraint, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from schemas.errors import ConflictError, NotFoundError
from services.database import Instant, Row
from services.handovers.core import Handover, Key, State


class HandoverRow(Row):
    """One hand-over."""

    __tablename__ = "handovers_handovers"
    __table_args__ = (
        # PostgreSQL takes names of 63 characters.
        UniqueConstraint(
            "export", "audience", "audience_version", "business_date", "destination",
            "recipe_version", name="uq_handovers_handovers_once",
        ),
    )

    handover_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    export: Mapped[str] = mapped_column(String(200))
    audience: Mapped[str] = mapped_column(String(200), index=True)
    audience_version: Mapped[str] = mapped_column(String(64))
    business_date: Mapped[date] = mapped_column(Date)
    destination: Mapped[str] = mapped_column(String(200))
    recipe_version: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(20))
    requested_by: Mapped[str] = mapped_column(String(100))
    requested_at: Mapped[datetime] = mapped_column(Instant)
    decided_by: Mapped[str | None] = mapped_column(String(100))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    reason: Mapped[str | None] = mapped_column(Text)
    version: Mapped[str | None] = mapped_column(String(64))
    attempts: Mapped[int] = mapped_column(default=0)
    delivered_at: Mapped[datetime | None] = mapped_column(Instant)
    place: Mapped[str | None] = mapped_column(Text)
    rows: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(Text)


def request(
    session: Session, key: Key, by: str, at: datetime, *, needs_approval: bool
) -> tuple[Handover, bool]:
    """The hand-over of ``key``, and whether it is new; two at once get the same one."""
    first = known(session, key.handover_id)
    if first is not None:
        return first, False
    row = HandoverRow(
        handover_id=key.handover_id, export=key.export, audience=key.audience,
        audience_version=key.audience_version, business_date=key.business_date,
        destination=key.destination, recipe_version=key.recipe_version,
        state="requested" if needs_approval else "approved",
        requested_by=by, requested_at=at, attempts=0,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return find(session, key.handover_id), False
    return _read(row), True


def known(session: Session, handover_id: str) -> Handover | None:
    """One hand-over, or None when there is none."""
    row = session.get(HandoverRow, handover_id, populate_existing=True)
    return _read(row) if row is not None else None


def find(session: Session, handover_id: str) -> Handover:
    """One hand-over; NotFoundError when there is none."""
    found = known(session, handover_id)
    if found is None:
        raise NotFoundError(
            "there is no such hand-over", expected="an id from `guiyi export list`",
            got=handover_id[:40],
        )
    return found


def every(
    session: Session, *, audience: str | None = None, export: str | None = None
) -> list[Handover]:
    """Hand-overs, oldest first."""
    query = select(HandoverRow).order_by(HandoverRow.requested_at, HandoverRow.handover_id)
    if audience is not None:
        query = query.where(HandoverRow.audience == audience)
    if export is not None:
        query = query.where(HandoverRow.export == export)
    return [_read(row) for row in session.scalars(query)]


def move(
    session: Session, one: Handover, state: State, *, is_attempt: bool = False, **values: Any
) -> Handover:
    """``one`` in a new state; ConflictError when somebody else has moved it since it was read."""
    attempts = one.attempts + is_attempt
    changed = session.execute(
        update(HandoverRow)
        .where(HandoverRow.handover_id == one.handover_id, HandoverRow.state == one.state)
        .values(state=state, attempts=attempts, **values)
    )
    if cast("CursorResult[Any]", changed).rowcount != 1:
        raise ConflictError(
            f"the hand-over {one.handover_id} has been moved by somebody else",
            expected=f"state {one.state}", got="another", where=f"hand-over {one.handover_id}",
            todo="look at it again",
        )
    return find(session, one.handover_id)


def last_delivered(session: Session, export: str, destination: str) -> Handover | None:
    """What the destination was given last of an export."""
    row = session.scalars(
        select(HandoverRow)
        .where(
            HandoverRow.export == export, HandoverRow.destination == destination,
            HandoverRow.state == "delivered",
        )
        .order_by(
            HandoverRow.delivered_at.desc(), HandoverRow.business_date.desc(),
            HandoverRow.handover_id,
        )
        .limit(1)
    ).first()
    return _read(row) if row is not None else None


def _read(row: HandoverRow) -> Handover:
    key = Key(
        row.export, row.audience, row.audience_version, row.business_date, row.destination,
        row.recipe_version,
    )
    return Handover(
        row.handover_id, key, cast("State", row.state), row.requested_by, row.requested_at,
        row.decided_by, row.decided_at, row.reason, row.version, row.attempts, row.delivered_at,
        row.place, row.rows, row.error,
    )
