"""Staged rows become rows of the draft: events, details, identifiers, bundles, sightings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from lake.draft import Draft
from lake.engines.duckdb import Session, quoted
from pipelines.ingest import bundles, details, erasures
from schemas.programme import Programme
from schemas.sources import Source

_NO_PROPERTIES = "CAST(MAP {} AS MAP(VARCHAR, VARCHAR))"


def keep(session: Session, source: Source, programme: Programme) -> None:
    """Move the staged rows that are new to ``kept_SOURCE``, each with its bundle.

    Rows already known stand in ``ingest_repeats``; the first received of several wins.
    """
    number_occurrences(session, source)
    name = source.name
    if source.identifiers:
        bundles.make(session, source, programme)
        if erasures.are_any(session):
            erasures.suppress(session, source)
    session.execute(
        f"CREATE OR REPLACE TEMP TABLE ingest_twice AS SELECT event_id FROM stage_{name} "
        "WHERE bad IS NULL GROUP BY event_id HAVING count(*) > 1"
    )
    session.execute(
        "INSERT INTO ingest_repeats "
        f"SELECT file_no, line FROM stage_{name} WHERE bad IS NULL AND event_id IN "
        f"(SELECT event_id FROM events WHERE source = {quoted(name)}) UNION "
        "SELECT file_no, line FROM (SELECT file_no, line, row_number() OVER "
        f"(PARTITION BY event_id ORDER BY file_no, line) AS place FROM stage_{name} "
        "WHERE bad IS NULL AND event_id IN (SELECT event_id FROM ingest_twice)) WHERE place > 1"
    )
    bundle, join = "CAST(NULL AS BIGINT)", ""
    if source.identifiers:
        same = " AND ".join(f"b.{s} IS NOT DISTINCT FROM s.{s}" for s in bundles.slots(source))
        bundle, join = "b.bundle_id", f"LEFT JOIN ingest_slots AS b ON {same}"
    gone = ", ".join(["bad", *bundles.slots(source)])
    session.execute(
        f"CREATE OR REPLACE TEMP TABLE kept_{name} AS SELECT s.* EXCLUDE ({gone}), "
        f"{bundle} AS bundle_id FROM stage_{name} AS s "
        f"ANTI JOIN ingest_repeats AS r ON r.file_no = s.file_no AND r.line = s.line {join} "
        "WHERE s.bad IS NULL"
    )
    session.execute(f"TRUNCATE stage_{name}")
    if source.identifiers:
        _collect(session, source)


def number_occurrences(session: Session, source: Source) -> None:
    """Where content and occurrence tell events apart, add the place among equals of the file."""
    if source.dedupe != "content_and_occurrence":
        return
    name = f"stage_{source.name}"
    session.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * REPLACE (event_id || '#' || "
        "row_number() OVER (PARTITION BY file_no, event_id, bad IS NULL ORDER BY line) "
        f"AS event_id) FROM {name}"
    )


def _collect(session: Session, source: Source) -> None:
    """Add what kept rows name to ``ingest_named`` and ``ingest_bundles``."""
    session.execute(
        "INSERT INTO ingest_bundles SELECT bundle_id, first(identifiers) FROM ingest_slots "
        f"WHERE bundle_id IN (SELECT bundle_id FROM kept_{source.name}) GROUP BY bundle_id"
    )
    session.execute(
        "INSERT INTO ingest_named SELECT m.identifier_key, m.type, m.value, "
        "min(b.received_at) FROM ingest_members AS m JOIN ingest_slots AS s USING (no) "
        "JOIN (SELECT bundle_id, min(delivered_at) AS received_at "
        f"FROM kept_{source.name} JOIN ingest_files USING (file_no) GROUP BY bundle_id) AS b "
        "USING (bundle_id) GROUP BY ALL"
    )


def prepare(session: Session) -> None:
    """Make the empty tables that the sources of a part add to."""
    session.execute("CREATE OR REPLACE TEMP TABLE ingest_repeats (file_no INTEGER, line BIGINT)")
    erasures.prepare(session)
    session.execute(
        "CREATE OR REPLACE TEMP TABLE ingest_bundles (bundle_id BIGINT, identifiers "
        "STRUCT(identifier_key BIGINT, type VARCHAR, path VARCHAR)[])"
    )
    session.execute(
        "CREATE OR REPLACE TEMP TABLE ingest_named "
        "(identifier_key BIGINT, type VARCHAR, value VARCHAR, received_at TIMESTAMPTZ)"
    )


def publish(draft: Draft, sources: Sequence[Source]) -> list[date]:
    """Append what was kept of ``sources`` to the draft; returns the business dates touched."""
    told = [source for source in sources if source.occurred]
    if told:
        _append_details(draft, told)
        draft.append("events", " UNION ALL ".join(_events(draft.session, s) for s in told))
        _append_identifiers(draft)
    _replace_products(draft, [source for source in sources if source.product])
    return _merge_sightings(draft, told)


def _rows(source: Source) -> str:
    return f"kept_{source.name} AS s JOIN ingest_files AS f USING (file_no)"


def _envelope(source: Source) -> str:
    return (
        f"{quoted(source.name)} AS source, s.event_id, s.occurred_at, "
        "f.delivered_at AS received_at, s.business_date, s.bundle_id"
    )


def _events(session: Session, source: Source) -> str:
    return (
        f"SELECT {_envelope(source)}, s.type, s.is_clock_corrected, s.is_clock_suspect, "
        f"{_properties(session, source)} AS properties, f.file, s.line FROM {_rows(source)}"
    )


def _properties(session: Session, source: Source) -> str:
    """The declared properties that a row has, as MAP.

    A STRUCT cast to MAP is ten times cheaper than ``map_from_entries`` and cannot leave a key
    out, so there is one STRUCT for each set of properties that occurs.
    """
    columns = [f"s.p_{number}" for number in range(len(source.properties))]
    if not columns:
        return _NO_PROPERTIES
    mask = " + ".join(
        f"CASE WHEN {c} IS NULL THEN 0 ELSE {1 << i} END" for i, c in enumerate(columns)
    )
    found = session.rows(f"SELECT DISTINCT {mask} FROM kept_{source.name} AS s ORDER BY 1")
    branches = [f"WHEN {bits} THEN {_pack(source, columns, int(str(bits)))}" for (bits,) in found]
    return f"CASE {mask} {' '.join(branches)} END" if branches else _NO_PROPERTIES


def _pack(source: Source, columns: list[str], bits: int) -> str:
    held = [i for i in range(len(columns)) if bits >> i & 1]
    pack = ", ".join(f"{quoted(source.properties[i])}: {columns[i]}" for i in held)
    return f"CAST({{{pack}}} AS MAP(VARCHAR, VARCHAR))" if held else _NO_PROPERTIES


def _append_details(draft: Draft, sources: Sequence[Source]) -> None:
    for table in ("order_lines", "conversations", "consents"):
        parts = [
            f"SELECT {_envelope(source)}, {details.select(source)} FROM {_rows(source)}"
            for source in sources
            if source.into == table
        ]
        if parts:
            draft.append(table, " UNION ALL ".join(parts))


def _append_identifiers(draft: Draft) -> None:
    # A key that two values share must meet the contract of the table, so values are compared too.
    draft.append(
        "identifiers",
        "SELECT n.identifier_key, n.type, n.value, min(n.received_at) AS received_at "
        "FROM ingest_named AS n ANTI JOIN identifiers AS i ON i.identifier_key = n.identifier_key "
        "AND i.type = n.type AND i.value = n.value GROUP BY ALL",
    )
    draft.append(
        "bundles",
        "SELECT n.bundle_id, first(n.identifiers) AS identifiers FROM ingest_bundles AS n "
        "ANTI JOIN bundles AS b ON b.bundle_id = n.bundle_id GROUP BY n.bundle_id",
    )


def _replace_products(draft: Draft, sources: Sequence[Source]) -> None:
    if not sources:
        return
    told = " UNION ALL ".join(
        f"SELECT {details.select(source)}, f.delivered_at AS received_at, file_no, line "
        f"FROM stage_{source.name} AS s JOIN ingest_files AS f USING (file_no) WHERE bad IS NULL"
        for source in sources
    )
    draft.session.execute(
        "CREATE OR REPLACE TEMP TABLE ingest_products AS SELECT * EXCLUDE (file_no, line, place) "
        "FROM (SELECT *, row_number() OVER (PARTITION BY product_id ORDER BY file_no DESC, "
        f"line DESC) AS place FROM ({told})) WHERE place = 1"
    )
    draft.replace(
        "products",
        "SELECT * FROM ingest_products UNION ALL BY NAME SELECT * FROM products "
        "WHERE product_id NOT IN (SELECT product_id FROM ingest_products)",
    )


def _merge_sightings(draft: Draft, sources: Sequence[Source]) -> list[date]:
    """Rewrite the sightings of every business date that gained events; returns the dates."""
    session = draft.session
    if not sources:
        return []
    parts = " UNION ALL ".join(
        f"SELECT s.bundle_id, {quoted(s.name)} AS source, s.business_date, s.occurred_at, "
        f"f.delivered_at AS received_at, s.event_id FROM {_rows(s)}"
        for s in sources
    )
    session.execute(
        "CREATE OR REPLACE TEMP TABLE ingest_sightings AS SELECT bundle_id, source, "
        "business_date, min(occurred_at) AS first_at, max(occurred_at) AS last_at, "
        "count(*) AS count, min({'at': received_at, 'id': event_id}) AS birth "
        f"FROM ({parts}) GROUP BY ALL"
    )
    dates = [
        row[0]
        for row in session.rows("SELECT DISTINCT business_date FROM ingest_sightings ORDER BY 1")
    ]
    touched = [day for day in dates if isinstance(day, date)]
    draft.show_dates("sightings", touched, "ingest_old_sightings")
    old = (
        "SELECT bundle_id, source, business_date, first_at, last_at, count, "
        "{'at': received_at, 'id': event_id} AS birth FROM ingest_old_sightings"
    )
    draft.replace_dates(
        "sightings",
        touched,
        "SELECT bundle_id, source, business_date, min(first_at) AS first_at, "
        "max(last_at) AS last_at, sum(count) AS count, min(birth).at AS received_at, "
        f"min(birth).id AS event_id FROM ({old} UNION ALL SELECT * FROM ingest_sightings "
        "WHERE bundle_id IS NOT NULL) GROUP BY bundle_id, source, business_date",
    )
    return touched
