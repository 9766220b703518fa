"""Receipts as they are kept, and the key that signs them."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import String, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from schemas.errors import NotFoundError, StorageError
from services.database import Instant, Row
from services.privacy import core
from services.privacy.core import Receipt

KEY = "receipts.key"
_KEY_BYTES = 32


class ReceiptRow(Row):
    """One receipt; its body is the signed JSON."""

    __tablename__ = "privacy_receipts"

    erasure_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    erased_at: Mapped[datetime] = mapped_column(Instant)
    release_no: Mapped[int]
    kept_until: Mapped[datetime] = mapped_column(Instant)
    completed_at: Mapped[datetime | None] = mapped_column(Instant)
    body: Mapped[str] = mapped_column(Text)


def keep(session: Session, receipt: Receipt) -> None:
    """Keep a signed receipt, in place of an earlier one of the same erasure."""
    done = receipt["completed"]
    session.merge(
        ReceiptRow(
            erasure_id=receipt["erasure_id"],
            erased_at=datetime.fromisoformat(receipt["erased_at"]),
            release_no=receipt["release"],
            kept_until=core.kept_until(receipt),
            completed_at=datetime.fromisoformat(done["at"]) if done else None,
            body=json.dumps(receipt, ensure_ascii=False),
        )
    )


def find(session: Session, erasure_id: str) -> Receipt:
    """One receipt; NotFoundError when there is none."""
    row = session.get(ReceiptRow, erasure_id)
    if row is None:
        raise NotFoundError(
            "there is no receipt of such an erasure", expected="an id from `guiyi erasure list`",
            got=erasure_id[:40],
        )
    found: Receipt = json.loads(row.body)
    return found


def every(session: Session) -> list[Receipt]:
    """Receipts, the oldest erasure first."""
    rows = session.scalars(select(ReceiptRow).order_by(ReceiptRow.erased_at, ReceiptRow.erasure_id))
    return [json.loads(row.body) for row in rows]


def signing_key(folder: Path) -> Ed25519PrivateKey:
    """The key that signs receipts, made once in ``folder``, for its owner alone to read."""
    path = folder / KEY
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_suffix(f".{os.getpid()}")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(handle, Ed25519PrivateKey.generate().private_bytes_raw())
        os.fsync(handle)
        os.close(handle)
        os.replace(fresh, path)
    content = path.read_bytes()
    if len(content) != _KEY_BYTES:
        raise StorageError(
            "the key that signs receipts is damaged", expected=f"{_KEY_BYTES} bytes",
            got=f"{len(content)} bytes", where=str(path),
            todo="bring it back from a backup; with another one old receipts are not genuine",
        )
    return Ed25519PrivateKey.from_private_bytes(content)
