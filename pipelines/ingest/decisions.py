"""Files of decisions become rows of ``identity_decisions``; a broken line goes to quarantine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import msgspec
import pyarrow as pa

from lake import lines
from lake.draft import Draft
from lake.lines import OpenFile
from pipelines.ingest import parsing, staging
from pipelines.ingest.staging import Broken
from schemas.decisions import Decision

_ROWS = pa.schema(
    [
        pa.field("file_no", pa.int32()),
        pa.field("line", pa.int64()),
        pa.field("decision_id", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("identifier_key_a", pa.int64()),
        pa.field("identifier_key_b", pa.int64()),
        pa.field("revokes", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("author", pa.string()),
        pa.field("decided_at", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass(frozen=True, slots=True)
class Row:
    """A decision and the place it was read from."""

    file_no: int
    line: int
    decision: Decision


def identified(decision: Decision) -> Decision:
    """``decision`` in UTC with its id: of equal content and time, the same one everywhere.

    ValueError when it came with another id, or with a time that no clock shows.
    """
    try:
        at = decision.decided_at.astimezone(UTC)
    except OverflowError:
        raise ValueError("decided_at is outside the years 1 to 9999") from None
    content = (
        decision.kind,
        decision.keys,
        decision.revokes,
        decision.reason,
        decision.author,
        at.isoformat(timespec="microseconds"),
    )
    decision_id = "d" + hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:16]
    if decision.decision_id not in ("", decision_id):
        raise ValueError(f"its decision_id should be {decision_id} (or be left out)")
    return msgspec.structs.replace(decision, decided_at=at, decision_id=decision_id)


def read(batch: pa.Table) -> Iterator[Row | Broken]:
    """What each line of a batch of ``lake.lines`` says, or why it cannot be read."""
    named = (batch[name].to_pylist() for name in ("file_no", "line", "text", "cut"))
    for file_no, line, text, cut in zip(*named, strict=True):
        found = _decision(text, cut)
        yield Row(file_no, line, found) if isinstance(found, Decision) else found


def take(draft: Draft, files: Iterable[OpenFile]) -> None:
    """Append ``files`` to ``identity_decisions`` and account for every line, in ``ingest_*``.

    A decision that is known already, or stands twice, is a duplicate.
    """
    rows: list[Row] = []
    for batch in lines.batches(files, "utf-8", has_header=False):
        rows += staging.readable(draft.session, batch, read(batch))
    if rows:
        _append(draft, rows)


def _decision(text: str | None, cut: str | None) -> Decision | Broken:
    if cut == "gzip_cut":
        return "truncated_line", parsing.ENDS[cut]
    if text is None:
        return "bad_encoding", "expected text in utf-8, got other bytes"
    try:
        return identified(msgspec.json.decode(text, type=Decision))
    except msgspec.DecodeError as error:
        is_json = isinstance(error, msgspec.ValidationError)
        return "broken_decision" if is_json else "broken_json", f"expected a decision; {error}"
    except ValueError as error:
        return "broken_decision", f"expected a decision; {error}"


def _append(draft: Draft, rows: list[Row]) -> None:
    session = draft.session
    listed = [_columns(row) for row in rows]
    session.register("ingest_decisions", pa.Table.from_pylist(listed, _ROWS))
    session.execute(
        "INSERT INTO ingest_good SELECT file_no, count(*) FROM ingest_decisions GROUP BY file_no"
    )
    session.execute(
        "INSERT INTO ingest_repeats SELECT file_no, line FROM (SELECT file_no, line, decision_id, "
        "row_number() OVER (PARTITION BY decision_id ORDER BY file_no, line) AS place "
        "FROM ingest_decisions) WHERE place > 1 "
        "OR decision_id IN (SELECT decision_id FROM identity_decisions)"
    )
    fresh = "FROM ingest_decisions ANTI JOIN ingest_repeats USING (file_no, line)"
    if session.rows(f"SELECT 1 {fresh} LIMIT 1"):
        draft.append(
            "identity_decisions",
            "SELECT d.*, f.delivered_at AS received_at, f.file "
            f"FROM (SELECT * {fresh}) AS d JOIN ingest_files AS f USING (file_no)",
        )
    session.con.unregister("ingest_decisions")


def _columns(row: Row) -> Mapping[str, Any]:
    said, keys = row.decision, row.decision.keys
    return {
        "file_no": row.file_no,
        "line": row.line,
        "identifier_key_a": keys[0] if keys else None,
        "identifier_key_b": keys[1] if len(keys) > 1 else None,
        **{
            name: getattr(said, name)
            for name in ("decision_id", "kind", "revokes", "reason", "author", "decided_at")
        },
    }
