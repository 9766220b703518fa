"""The exact account of every file: rows in, and what became of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from domain.dates import business_date_sql
from lake.draft import Draft
from lake.landing import Delivery
from lake.lines import OpenFile
from schemas.events import DELIVERIES
from schemas.programme import Programme
from schemas.sources import Source


@dataclass(slots=True)
class Account:
    """Rows of one source, or of all."""

    count_files: int = 0
    count_rows: int = 0
    count_events: int = 0
    count_quarantined: int = 0
    count_duplicates: int = 0
    count_erased: int = 0


@dataclass(slots=True)
class IngestSummary:
    """What one load did."""

    sources: dict[str, Account] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    """Files by loaded, empty, truncated, refused."""
    reasons: dict[str, dict[str, int]] = field(default_factory=dict)
    """Quarantine entries by source and reason."""
    dates: list[date] = field(default_factory=list)
    """Business dates that gained events."""
    erased: dict[str, list[int]] = field(default_factory=dict)
    """Lines of erased persons that came, by file."""

    @property
    def total(self) -> Account:
        """All sources together."""
        whole = Account()
        for account in self.sources.values():
            for name in Account.__slots__:
                setattr(whole, name, getattr(whole, name) + getattr(account, name))
        return whole

    def add(self, other: IngestSummary) -> None:
        """Take in what another part of the load did."""
        for name, account in other.sources.items():
            mine = self.sources.setdefault(name, Account())
            for part in Account.__slots__:
                setattr(mine, part, getattr(mine, part) + getattr(account, part))
        self.statuses = dict(Counter(self.statuses) + Counter(other.statuses))
        for source, counts in other.reasons.items():
            mine_too = Counter(self.reasons.get(source, {})) + Counter(counts)
            self.reasons[source] = dict(mine_too)
        self.dates = sorted({*self.dates, *other.dates})
        self.erased |= other.erased


def append(
    draft: Draft,
    deliveries: Sequence[tuple[int, Delivery]],
    opened: Mapping[int, OpenFile],
    refused: Mapping[int, tuple[str, str]],
    sources: Mapping[str, Source],
    programme: Programme,
) -> IngestSummary:
    """Write quarantine and deliveries of one part; ``refused`` has reason and detail by number."""
    _quarantine_files(draft, refused)
    _append_quarantine(draft, opened, programme)
    names = ("good", "bad", "repeats", "erased")
    good, bad, repeats, erased = (_counts(draft, name) for name in names)
    rows = []
    summary = IngestSummary()
    for number, delivery in deliveries:
        file = opened.get(number)
        row = {
            "file": delivery.file,
            "source": delivery.source,
            "delivered_at": delivery.delivered_at,
            "size_bytes": delivery.size_bytes,
            "sha256": delivery.sha256,
            "status": _status(file, delivery, sources.get(delivery.source)),
            "count_rows": (file.count_rows if file else 0) + delivery.count_erased,
            "count_events": good[number] - repeats[number] - erased[number],
            "count_quarantined": bad[number],
            "count_duplicates": repeats[number],
            "count_erased": erased[number] + delivery.count_erased,
        }
        rows.append(row)
        _add(summary, row)
    draft.session.register("ingest_account", pa.Table.from_pylist(rows, DELIVERIES.schema))
    draft.append("deliveries", "SELECT * FROM ingest_account")
    draft.session.con.unregister("ingest_account")
    for name, found in draft.session.rows(
        "SELECT file, list(DISTINCT line ORDER BY line) FROM ingest_erased "
        "JOIN ingest_files USING (file_no) GROUP BY file ORDER BY file"
    ):
        assert isinstance(found, list)
        summary.erased[str(name)] = found
    for source, reason, count in draft.session.rows(
        "SELECT source, reason, count(*) FROM ingest_bad JOIN ingest_files USING (file_no) "
        "GROUP BY ALL ORDER BY ALL"
    ):
        summary.reasons.setdefault(str(source), {})[str(reason)] = int(str(count))
    return summary


def _add(summary: IngestSummary, row: dict[str, object]) -> None:
    account = summary.sources.setdefault(str(row["source"]), Account())
    account.count_files += 1
    status = str(row["status"])
    summary.statuses[status] = summary.statuses.get(status, 0) + 1
    for name in Account.__slots__[1:]:
        setattr(account, name, getattr(account, name) + row[name])


def _status(file: OpenFile | None, delivery: Delivery, source: Source | None) -> str:
    if file is None or file.ending == "unreadable":
        return "refused"
    needs_end = source is not None and source.final_newline == "required"
    if file.ending == "gzip_cut" or file.ending == "no_newline" and needs_end:
        return "truncated"
    return "loaded" if file.count_rows + delivery.count_erased else "empty"


def _quarantine_files(draft: Draft, entries: Mapping[int, tuple[str, str]]) -> None:
    """Enter files that could not be read, or lost their end between lines, as line 0."""
    if not entries:
        return
    table = pa.table(
        {
            "file_no": pa.array(list(entries), pa.int32()),
            "reason": pa.array([reason for reason, _ in entries.values()], pa.string()),
            "detail": pa.array([detail for _, detail in entries.values()], pa.string()),
        }
    )
    draft.session.register("ingest_refused", table)
    draft.session.execute(
        "INSERT INTO ingest_bad SELECT file_no, 0, reason, detail, '' FROM ingest_refused"
    )
    draft.session.con.unregister("ingest_refused")


def _append_quarantine(
    draft: Draft, opened: Mapping[int, OpenFile], programme: Programme
) -> None:
    session = draft.session
    if not session.rows("SELECT 1 FROM ingest_bad LIMIT 1"):
        return
    headers = [(number, file.header) for number, file in opened.items() if file.header is not None]
    session.register(
        "ingest_headers",
        pa.table(
            {
                "file_no": pa.array([number for number, _ in headers], pa.int32()),
                "header": pa.array([header for _, header in headers], pa.binary()),
            }
        ),
    )
    received_on = business_date_sql("f.delivered_at", programme.zone)
    draft.append(
        "quarantine",
        "SELECT f.source, f.file, b.line, b.reason, b.detail, b.raw_base64, "
        "base64(h.header) AS header_base64, f.delivered_at AS received_at, "
        f"{received_on} AS received_on FROM ingest_bad AS b JOIN ingest_files AS f "
        "USING (file_no) LEFT JOIN ingest_headers AS h USING (file_no)",
    )
    session.con.unregister("ingest_headers")


def _counts(draft: Draft, name: str) -> Counter[int]:
    relation = {
        "good": "ingest_good",
        "bad": "(SELECT file_no, 1 AS count FROM ingest_bad WHERE line > 0)",
        "repeats": "(SELECT file_no, 1 AS count FROM ingest_repeats)",
        "erased": "(SELECT file_no, 1 AS count FROM ingest_erased)",
    }[name]
    found = draft.session.rows(f"SELECT file_no, sum(count) FROM {relation} GROUP BY file_no")
    return Counter({int(str(number)): int(str(count)) for number, count in found})
