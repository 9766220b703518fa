"""Live counts in Flink SQL: events received per source, type and minute, exactly once to a topic.

The types are those of the sources' declarations, compiled to SQL, so that no line enters Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lake.engines.flink import TRANSACTION_MS, Job, Running, environment
from lake.topics.kafka_settings import FLINK_SHADED, java_properties
from schemas.sources import Source


def submitted(sources: Sequence[Source], job: Job) -> Running:
    """Start counting the lines of ``job``'s topics; returns as soon as Flink has taken it."""
    from pyflink.table import StreamTableEnvironment

    made = environment(job, {
        "table.exec.source.idle-timeout": f"{int(job.idle_s * 1000)} ms",
        # An unnamed operator would lose its state when the plan changes a little.
        "table.exec.uid.generation": "ALWAYS", "pipeline.name": job.name,
    })
    tables = StreamTableEnvironment.create(made)
    known = {source.name: source for source in sources}
    for statement in statements([(t, known[s]) for t, s in sorted(job.inputs.items())], job):
        tables.execute_sql(statement)
    parts = " UNION ALL ".join(
        select(known[source]) for _, source in sorted(job.inputs.items())
    )
    result: Any = tables.execute_sql(f"INSERT INTO counts {parts}")
    return Running(result.get_job_client(), made)


def statements(inputs: Sequence[tuple[str, Source]], job: Job) -> list[str]:
    """The tables: ``lines_SOURCE`` over each topic, ``typed_SOURCE`` above it, ``counts``."""
    given = java_properties(job.properties, FLINK_SHADED)
    more = "".join(f", 'properties.{_text(k)}' = '{_text(v)}'" for k, v in given.items())
    kafka = f"'connector' = 'kafka', 'properties.bootstrap.servers' = '{_text(job.servers)}'{more}"
    made = [
        f"CREATE TABLE lines_{source.name} (line STRING, "
        "received TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, "
        "WATERMARK FOR received AS received - INTERVAL '0.001' SECOND) WITH ("
        f"{kafka}, 'topic' = '{topic}', 'format' = 'raw', 'scan.startup.mode' = 'earliest-offset', "
        "'properties.isolation.level' = 'read_committed')"
        for topic, source in inputs
    ]
    return [
        *made, *(typed(source) for _, source in inputs),
        "CREATE TABLE counts (source STRING, type STRING, `minute` BIGINT, `count` BIGINT) WITH ("
        f"{kafka}, 'topic' = '{_text(job.output)}', 'format' = 'json', "
        "'sink.delivery-guarantee' = 'exactly-once', "
        f"'sink.transactional-id-prefix' = '{_text(job.name)}', "
        f"'properties.transaction.timeout.ms' = '{TRANSACTION_MS}')",
    ]


def typed(source: Source) -> str:
    """A view of one source's lines with their types."""
    whens = " ".join(
        f"WHEN {_condition(source, rule.when)} THEN '{_text(rule.name)}'"
        for rule in source.event_types
    )
    kind = f"CASE {whens} ELSE 'unknown' END" if whens else "'unknown'"
    return (
        f"CREATE TEMPORARY VIEW typed_{source.name} AS "
        f"SELECT received, {kind} AS type FROM lines_{source.name}"
    )


def select(source: Source) -> str:
    """The counts of one source's lines as a query."""
    return (
        f"SELECT '{source.name}' AS source, type, "
        "UNIX_TIMESTAMP(CAST(window_start AS STRING)) * 1000 AS `minute`, "
        f"COUNT(*) AS `count` FROM TABLE(TUMBLE(TABLE typed_{source.name}, "
        "DESCRIPTOR(received), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, type"
    )


def _condition(source: Source, when: dict[str, str]) -> str:
    if not when:
        return "line IS JSON OBJECT"
    parts = []
    for column, patterns in when.items():
        came = f"NULLIF(JSON_VALUE(line, '$.{_text(source.field(column))}'), '')"
        tests = " OR ".join(_matches(came, one) for one in patterns.split("|"))
        parts.append(f"({tests})")
    return " AND ".join(parts)


def _matches(came: str, pattern: str) -> str:
    if pattern == "*":
        return f"{came} IS NOT NULL"
    if pattern.endswith("*"):
        start = _text(pattern[:-1])
        return f"LEFT({came}, {len(pattern) - 1}) = '{start}'"
    return f"{came} = '{_text(pattern)}'"


def _text(value: str) -> str:
    return value.replace("'", "''")
