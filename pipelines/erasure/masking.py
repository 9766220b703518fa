"""Rows of others on which an erased person's value stands lose that value, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

import pyarrow as pa

from lake.draft import Draft
from lake.erasing import MASK

_TABLES = ("events", "conversations", "order_lines", "consents")


def mask_rows(
    draft: Draft, masked: Mapping[str, Collection[int]], pattern: re.Pattern[bytes]
) -> int:
    """Put out what ``pattern`` finds in texts of the events at ``masked``, and of their details.

    Returns how many rows changed. Ids and places stay as they are.
    """
    places = [{"file": file, "line": line} for file, some in masked.items() for line in some]
    if not places:
        return 0
    session, total = draft.session, 0
    session.register("erase_places", pa.Table.from_pylist(places))
    session.execute(
        "CREATE OR REPLACE TEMP TABLE erase_masked AS "
        "SELECT source, event_id FROM events JOIN erase_places USING (file, line)"
    )
    session.con.unregister("erase_places")
    for name in _TABLES:
        total += _mask_table(draft, name, pattern)
    return total


def _mask_table(draft: Draft, name: str, pattern: re.Pattern[bytes]) -> int:
    table = draft.table_of(name)
    told = draft.session.table(f"SELECT t.* FROM {name} AS t JOIN erase_masked USING "
                               "(source, event_id)").cast(table.schema)
    rows = told.to_pylist()
    kept = {"source", "event_id", "file"}
    fresh = [
        {key: value if key in kept else _masked(value, pattern) for key, value in row.items()}
        for row in rows
    ]
    changed = [new for new, old in zip(fresh, rows, strict=True) if new != old]
    if not changed:
        return 0
    session = draft.session
    session.register("erase_fresh", pa.Table.from_pylist(changed, table.schema))
    others = (
        "SELECT t.* FROM {of} AS t ANTI JOIN erase_fresh AS f "
        "ON f.source = t.source AND f.event_id = t.event_id UNION ALL SELECT * FROM erase_fresh"
    )
    if table.partition is None:
        draft.replace(name, others.format(of=name))
    else:
        days = sorted({row[table.partition] for row in changed})
        for day in days:
            assert isinstance(day, date)
            draft.show_dates(name, [day], "erase_partition")
            query = others.format(of="erase_partition")
            where = f"WHERE {table.partition} = DATE '{day}'"
            draft.replace_dates(name, [day], f"SELECT * FROM ({query}) {where}")
    session.con.unregister("erase_fresh")
    return len(changed)


def _masked(value: Any, pattern: re.Pattern[bytes]) -> Any:
    if isinstance(value, str):
        return pattern.sub(MASK, value.encode()).decode()
    if isinstance(value, list):
        return [_masked(one, pattern) for one in value]
    if isinstance(value, tuple):
        return tuple(_masked(one, pattern) for one in value)
    return value
