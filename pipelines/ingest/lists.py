"""Files of changes to lists become rows of ``list_members``; a broken line goes to quarantine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC

import msgspec
import pyarrow as pa

from lake import lines
from lake.draft import Draft
from lake.lines import OpenFile
from pipelines.ingest import parsing, staging
from pipelines.ingest.staging import Broken
from schemas.lists import LIST_MEMBERS, LISTS, Change

_SAID = [field for field in LIST_MEMBERS.schema if field.name in Change.__struct_fields__]
_ROWS = pa.schema([pa.field("file_no", pa.int32()), pa.field("line", pa.int64()), *_SAID])


@dataclass(frozen=True, slots=True)
class Row:
    """A change and the place it was read from."""

    file_no: int
    line: int
    change: Change


def read(batch: pa.Table) -> Iterator[Row | Broken]:
    """What each line of a batch of ``lake.lines`` says, or why it cannot be read."""
    named = (batch[name].to_pylist() for name in ("file_no", "line", "text", "cut"))
    for file_no, line, text, cut in zip(*named, strict=True):
        found = _change(text, cut)
        yield Row(file_no, line, found) if isinstance(found, Change) else found


def take(draft: Draft, files: Iterable[OpenFile]) -> None:
    """Append ``files`` to ``list_members`` and account for every line, in ``ingest_*``.

    A list's identifier changes once at an instant: what is known already, or stands twice, is a
    duplicate.
    """
    for batch in lines.batches(files, "utf-8", has_header=False):
        rows = staging.readable(draft.session, batch, read(batch))
        if rows:
            _append(draft, rows)


def _change(text: str | None, cut: str | None) -> Change | Broken:
    if cut == "gzip_cut":
        return "truncated_line", parsing.ENDS[cut]
    if text is None:
        return "bad_encoding", "expected text in utf-8, got other bytes"
    try:
        said = msgspec.json.decode(text, type=Change)
        return msgspec.structs.replace(said, changed_at=said.changed_at.astimezone(UTC))
    except OverflowError:
        return "broken_change", "changed_at is outside the years 1 to 9999"
    except msgspec.DecodeError as error:
        is_json = isinstance(error, msgspec.ValidationError)
        reason = "broken_change" if is_json else "broken_json"
        return reason, f"expected a change to a list; {error}"


def _append(draft: Draft, rows: list[Row]) -> None:
    session = draft.session
    listed = [
        {"file_no": row.file_no, "line": row.line, **msgspec.structs.asdict(row.change)}
        for row in rows
    ]
    session.register("ingest_changes", pa.Table.from_pylist(listed, _ROWS))
    session.execute(
        "INSERT INTO ingest_good SELECT file_no, count(*) FROM ingest_changes GROUP BY file_no"
    )
    session.execute(
        "INSERT INTO ingest_repeats SELECT file_no, line FROM (SELECT *, row_number() OVER "
        "(PARTITION BY list, identifier_key, changed_at ORDER BY file_no, line) AS place "
        "FROM ingest_changes) WHERE place > 1 OR (list, identifier_key, changed_at) IN "
        f"(SELECT (list, identifier_key, changed_at) FROM {LISTS})"
    )
    fresh = "FROM ingest_changes ANTI JOIN ingest_repeats USING (file_no, line)"
    if session.rows(f"SELECT 1 {fresh} LIMIT 1"):
        draft.append(
            LISTS,
            "SELECT d.*, f.delivered_at AS received_at, f.file "
            f"FROM (SELECT * {fresh}) AS d JOIN ingest_files AS f USING (file_no)",
        )
    session.con.unregister("ingest_changes")
