"""Small files to deliver, and a lake that takes them, one draft per load."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from lake.landing import Delivery
from lake.store import Lake
from pipelines.ingest.accounts import IngestSummary
from pipelines.ingest.apart import Stretch
from pipelines.ingest.load import load
from schemas.programme import Programme
from schemas.sources import Source

PROGRAMME = Programme("test", "Asia/Shanghai", 3, "CNY", "CN")
AT = datetime(2017, 3, 2, 18, 30, tzinfo=UTC)
SECRET = b"test secret"


@dataclass(frozen=True)
class File:
    """One file to deliver."""

    source: str
    path: str
    content: bytes
    delivered_at: datetime = AT


@dataclass
class Feed:
    """Delivers files into ``lake`` and loads them."""

    lake: Lake
    sources: list[Source] = field(default_factory=list)

    def deliver(self, *files: File) -> IngestSummary:
        """Land ``files`` and load those that are new in one release."""
        return self.take(self.lake.landing.receive(files))

    def take(
        self,
        deliveries: Sequence[Delivery],
        read: Any = None,
        stretches: Sequence[Stretch] = (),
    ) -> IngestSummary:
        """Load ``deliveries`` in one release; those in ``stretches`` were parsed before."""
        with self.lake.draft(date(2017, 3, 2), AT + timedelta(days=1)) as draft:
            read = read or self.lake.landing.read
            summary = load(
                draft, self.sources, PROGRAMME, deliveries, read, SECRET, stretches
            )
            draft.publish("run", "inputs", "rules", lambda: AT)
        return summary

    def rows(self, sql: str) -> list[Any]:
        """Rows of a query over the newest release."""
        with self.lake.reader() as session:
            return session.rows(sql)

    def quarantine(self) -> list[Any]:
        """(line, reason) of every entry, in order of file and line."""
        return self.rows("SELECT line, reason FROM quarantine ORDER BY file, line")

    def account(self) -> list[Any]:
        """(file, status, rows, events, quarantined, duplicates) of every delivery."""
        return self.rows(
            "SELECT file, status, count_rows, count_events, count_quarantined, "
            "count_duplicates FROM deliveries ORDER BY file"
        )


ERP_HEADER = (
    "order_id,line_no,ordered_at,store_id,product_id,quantity,paid_amount,coupon_amount,"
    "member_card,phone,received_on,after_sale_ends_at,refund_of"
)


def order_line(order_id: str = "O1", line_no: int = 1, **changed: str) -> str:
    """One line of the ERP; ``changed`` replaces fields by name."""
    row = {
        "order_id": order_id, "line_no": str(line_no), "ordered_at": "2017-03-01 09:30:00",
        "store_id": "s1", "product_id": "p1", "quantity": "2", "paid_amount": "19.90",
        "coupon_amount": "0.00", "member_card": "M00000001", "phone": "",
        "received_on": "2017-03-01", "after_sale_ends_at": "2017-03-16 09:30:00",
        "refund_of": "",
    }
    return ",".join((row | changed).values())


def erp(lines: Iterable[str], path: str = "erp_orders/2017-03-01/group-01.csv") -> File:
    """A file of the ERP."""
    return File("erp_orders", path, "\n".join([ERP_HEADER, *lines, ""]).encode())


def app_event(message_id: str = "m1", **changed: Any) -> bytes:
    """One line of the app; ``changed`` replaces keys, ``"absent"`` takes one away."""
    row = {
        "type": "track", "messageId": message_id, "anonymousId": "d1",
        "event": "Product Viewed", "properties": {"product_id": "p1", "price": 12.5},
        "context": {"app": {"name": "shop"}},
        "originalTimestamp": "2017-03-01T01:00:00.000Z", "sentAt": "2017-03-01T01:00:01.000Z",
        "receivedAt": "2017-03-01T01:00:01.500Z",
    }
    kept = {k: v for k, v in (row | changed).items() if v != "absent"}
    return json.dumps(kept, ensure_ascii=False).encode()


def app(*lines: bytes, path: str = "app_events/2017-03-01/09.jsonl.gz") -> File:
    """A file of the app."""
    content = b"".join(line + b"\n" for line in lines)
    return File("app_events", path, gzip.compress(content) if path.endswith("gz") else content)
