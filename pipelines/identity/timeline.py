"""One person's events from all sources, in the order in which they happened."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from lake.engines.duckdb import Session, quoted
from pipelines.identity import neighbourhood
from pipelines.identity.evidence import keep, working

_MEMBER = pa.struct([("type", pa.string()), ("value", pa.string()), ("path", pa.string())])
_SEEN = pa.schema([("bundle_id", pa.int64()), ("identifiers", pa.list_(_MEMBER))])


def timeline(
    session: Session,
    one_id: str,
    start: date | None = None,
    end: date | None = None,
    *,
    is_clear: bool = False,
) -> pa.Table:
    """Everything a person did, by time, then source and event id.

    One row per event with business date in [``start``, ``end``): occurred_at, business_date,
    source, event_id, type, ``identifiers`` (list of type, value and field path; masked unless
    ``is_clear``), properties, and for order lines order_id, product_id, quantity, paid_minor,
    coupon_minor and currency, for conversations direction and text_masked. An event belongs to
    the person who held its bundle on its own business date. NotFoundError for an unknown one_id.
    """
    neighbourhood.person(session, one_id)
    with working(session):
        session.execute(
            "CREATE OR REPLACE TEMP TABLE work_stretches AS SELECT bundle_id, valid_from, valid_to "
            f"FROM bundle_persons WHERE one_id = {quoted(one_id)}"
        )
        keep(session, "work_seen", _seen(session, is_clear))
        return session.table(_query(start, end))


def _seen(session: Session, is_clear: bool) -> pa.Table:
    """The members of each of the person's bundles, as they may be shown."""
    bundles = session.table(
        "SELECT bundle_id, identifiers FROM bundles "
        "WHERE bundle_id IN (SELECT bundle_id FROM work_stretches)"
    ).to_pylist()
    keys = sorted({member["identifier_key"] for row in bundles for member in row["identifiers"]})
    listed = ", ".join(map(str, keys)) or "NULL"
    known = session.table(
        f"SELECT identifier_key, value FROM identifiers WHERE identifier_key IN ({listed})"
    )
    clear = dict(zip(*(column.to_pylist() for column in known.columns), strict=True))
    rows = [
        {
            "bundle_id": row["bundle_id"],
            "identifiers": [
                {
                    "type": member["type"],
                    "value": neighbourhood.shown(
                        member["type"], clear.get(member["identifier_key"]), is_clear=is_clear
                    ),
                    "path": member["path"],
                }
                for member in row["identifiers"]
            ],
        }
        for row in bundles
    ]
    return pa.Table.from_pylist(rows, schema=_SEEN)


def _query(start: date | None, end: date | None) -> str:
    within = ""
    if start is not None:
        within += f" AND business_date >= DATE '{start.isoformat()}'"
    if end is not None:
        within += f" AND business_date < DATE '{end.isoformat()}'"
    mine = f"bundle_id IN (SELECT bundle_id FROM work_stretches){within}"
    return f"""
    SELECT e.occurred_at, e.business_date, e.source, e.event_id, e.type, s.identifiers,
      e.properties, o.order_id, o.product_id, o.quantity, o.paid_minor, o.coupon_minor, o.currency,
      c.direction, c.text_masked
    FROM (SELECT * FROM events WHERE {mine}) AS e
    JOIN work_stretches AS w ON w.bundle_id = e.bundle_id
      AND e.business_date >= w.valid_from AND e.business_date < w.valid_to
    JOIN work_seen AS s ON s.bundle_id = e.bundle_id
    LEFT JOIN (SELECT * FROM order_lines WHERE {mine}) AS o
      ON o.source = e.source AND o.event_id = e.event_id
    LEFT JOIN (SELECT * FROM conversations WHERE {mine}) AS c
      ON c.source = e.source AND c.event_id = e.event_id
    ORDER BY e.occurred_at, e.source, e.event_id
    """
