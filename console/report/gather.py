"""Reads the facts of the report from a release; what no table holds comes with the call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TypeVar

from console.report import masking
from console.report.facts import (
    Audience,
    AudienceSize,
    Changes,
    DayOfSource,
    Drift,
    EventType,
    Example,
    MethodScore,
    ModelSummary,
    PersonSize,
    Refusal,
    ReleaseRow,
    ReportFacts,
    Screened,
    Trap,
    UnpublishedModel,
)
from console.report.tags import tag_facts
from lake.engines.duckdb import Session, quoted

EXAMPLES = 2
LENGTH = 160

Row = TypeVar("Row")


def gather(
    session: Session,
    *,
    programme: str = "Guiyi",
    zone: str = "UTC",
    evaluation: Sequence[MethodScore] = (),
    models: Sequence[ModelSummary] = (),
    traps: Sequence[Trap] = (),
    unpublished: Sequence[UnpublishedModel] = (),
    tag_labels: Mapping[str, str] | None = None,
    audiences: Sequence[Audience] = (),
) -> ReportFacts:
    """The facts of the release that ``session`` shows.

    ``zone`` gives the days of deliveries. ``audiences`` come with label, definition and exports;
    their sizes are read here, and members of an audience that is not given show under its name.
    """
    on, tags = tag_facts(session, tag_labels or {})
    return ReportFacts(
        programme=programme,
        zone=zone,
        deliveries=_typed(session, DayOfSource, _deliveries(zone)),
        event_types=_typed(session, EventType, _EVENT_TYPES),
        refusals=_refusals(session),
        count_taken_since=_one(session, _TAKEN_SINCE),
        count_same_content=_one(session, _SAME_CONTENT),
        traps=tuple(traps),
        count_events=_one(session, "SELECT count(*) FROM events"),
        count_persons=_one(session, "SELECT count(*) FROM persons"),
        person_sizes=_typed(session, PersonSize, _PERSON_SIZES),
        screened=_typed(session, Screened, _SCREENED),
        changes=_typed(session, Changes, _CHANGES),
        tags_on=on,
        tags=tags,
        count_scores=_scores(session, on),
        models=tuple(models),
        unpublished=tuple(unpublished),
        drifts=_typed(session, Drift, _DRIFTS),
        audiences=_audiences(session, audiences),
        evaluation=tuple(evaluation),
        releases=_typed(session, ReleaseRow, _RELEASES),
    )


def _deliveries(zone: str) -> str:
    counts = ", ".join(
        f"CAST(sum({name}) AS BIGINT) AS {name}"
        for name in ("count_rows", "count_events", "count_quarantined", "count_duplicates")
    )
    return (
        f"SELECT source, CAST(delivered_at AT TIME ZONE {quoted(zone)} AS DATE) AS day, {counts} "
        "FROM deliveries GROUP BY ALL ORDER BY source, day"
    )


_EVENT_TYPES = """
SELECT source, type, count(*) AS count FROM events GROUP BY ALL ORDER BY count DESC, source, type
"""

_REFUSALS = f"""
WITH numbered AS (
    SELECT *, row_number() OVER (PARTITION BY source, reason ORDER BY file, line) AS place
    FROM quarantine ANTI JOIN replays USING (file, line)
)
SELECT source, reason, count(*) AS count,
    list({{'file': file, 'line': line, 'detail': detail, 'raw': left(raw_base64, 4000)}}
         ORDER BY file, line) FILTER (WHERE place <= {EXAMPLES}) AS examples
FROM numbered GROUP BY source, reason ORDER BY count DESC, source, reason
"""

_TAKEN_SINCE = "SELECT count(*) FROM quarantine SEMI JOIN replays USING (file, line)"

_SAME_CONTENT = """
SELECT CAST(coalesce(sum(times - 1), 0) AS BIGINT) FROM (
    SELECT count(*) AS times FROM events WHERE source NOT IN (
        SELECT source FROM order_lines UNION SELECT source FROM conversations
        UNION SELECT source FROM consents
    )
    GROUP BY source, type, occurred_at, bundle_id, CAST(properties AS VARCHAR)
    HAVING count(*) > 1
)
"""

_PERSON_SIZES = """
SELECT count_identifiers AS identifiers, count(*) AS count
FROM persons GROUP BY count_identifiers ORDER BY count_identifiers
"""

_SCREENED = """
SELECT type, reason, count(*) AS count FROM screened GROUP BY ALL ORDER BY type, reason
"""

_CHANGES = """
SELECT published_for,
    count(DISTINCT one_id) FILTER (WHERE kind = 'created') AS created,
    count(DISTINCT other_one_id) FILTER (WHERE kind = 'merged') AS merged,
    count(DISTINCT one_id) FILTER (WHERE kind = 'split') AS split,
    count(DISTINCT one_id) FILTER (WHERE kind = 'vanished') AS vanished
FROM identity_changes RIGHT JOIN (
    SELECT DISTINCT business_date AS published_for FROM releases
    WHERE business_date >= (SELECT min(published_for) FROM identity_changes)
    UNION SELECT DISTINCT published_for FROM identity_changes
) USING (published_for)
GROUP BY published_for ORDER BY published_for
"""

_DRIFTS = """
SELECT model, business_date, what, psi, status FROM model_health
WHERE psi IS NOT NULL ORDER BY model, what, business_date
"""
_RELEASES = """
SELECT release_no, business_date, cut, published_at, run_id, inputs, rules,
    CAST(cardinality(tables) AS BIGINT) AS count_tables
FROM releases ORDER BY release_no
"""

_SIZES = """
SELECT audience, business_date, count(*) AS count
FROM audience_members GROUP BY ALL ORDER BY audience, business_date
"""


def _typed(session: Session, kind: type[Row], sql: str) -> tuple[Row, ...]:
    return tuple(kind(*row) for row in session.rows(sql))


def _one(session: Session, sql: str) -> int:
    ((count,),) = session.rows(sql)
    assert isinstance(count, int)
    return count


def _scores(session: Session, day: date | None) -> dict[str, int]:
    """Scored persons by model on ``day``; a model that was refused then has none."""
    if day is None:
        return {}
    rows = session.rows(
        "SELECT model, count(*) FROM model_scores "
        f"WHERE business_date = DATE '{day.isoformat()}' GROUP BY model ORDER BY model"
    )
    return {str(model): int(str(count)) for model, count in rows}


def _refusals(session: Session) -> tuple[Refusal, ...]:
    found = []
    for row in session.table(_REFUSALS).to_pylist():
        examples = tuple(
            Example(
                shown["file"],
                shown["line"],
                masking.example(shown["detail"].encode(), LENGTH),
                masking.example_base64(shown["raw"], LENGTH),
            )
            for shown in row["examples"]
        )
        found.append(Refusal(row["source"], row["reason"], row["count"], examples))
    return tuple(found)


def _audiences(session: Session, given: Sequence[Audience]) -> tuple[Audience, ...]:
    sizes: dict[str, list[AudienceSize]] = {}
    for name, day, count in session.rows(_SIZES):
        sizes.setdefault(str(name), []).append(AudienceSize(day, count))  # type: ignore[arg-type]
    known = {audience.name for audience in given}
    unnamed = [Audience(name, name, ()) for name in sizes if name not in known]
    return tuple(
        replace(audience, sizes=tuple(sizes.get(audience.name, ())))
        for audience in (*given, *unnamed)
    )
