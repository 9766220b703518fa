"""Who did one thing after another, in SQL: window functions over each person's events in order.

Of all ways to have come to a step the one that came to it last leaves most time for the next, so
that a step needs to know of the last event before it alone: one window per step, and no join.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlglot import exp

from pipelines.audiences.resolve import step_measure
from pipelines.tags.measures import measure_of
from pipelines.tags.merging import Relations
from pipelines.tags.windows import Span, span
from schemas.audiences import Sequence, Step

_BEFORE = "(PARTITION BY person_no ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
_AFTER = "(PARTITION BY person_no ORDER BY place ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)"


def members(sequence: Sequence, day: date, end: datetime, bundles: str) -> str:
    """A query of ``person_no``, each once, of who did the steps by the end of ``day``.

    ``end`` is the first instant after the day; ``bundles`` says whose a bundle was when. Of two
    events that one comes later whose ``occurred_at``, then source, then event id is greater.
    """
    return f"SELECT DISTINCT person_no FROM ({rows(sequence, day, end, bundles)}) WHERE is_done"


def rows(sequence: Sequence, day: date, end: datetime, bundles: str) -> str:
    """Events that are steps, with ``place`` in their person's order, ``at_us`` and verdicts.

    ``did_1`` and so on say that the event ends the first so many steps, ``is_done`` that it ends
    the sequence and nothing that stands in its way came.
    """
    count = len(sequence.steps)
    every = " AND ".join(f"bool_or(is_{number})" for number in range(1, count + 1))
    # Most persons lack a step: their events need no order.
    having = f"SELECT person_no FROM happened GROUP BY person_no HAVING {every}"
    parts = [
        f"happened AS ({_happened(sequence, day, bundles)})",
        "p0 AS (SELECT * EXCLUDE (source, event_id), row_number() OVER (PARTITION BY person_no "
        "ORDER BY at_us, source, event_id) AS place FROM happened "
        f"WHERE person_no IN ({having}))",
    ]
    for number, step in enumerate(sequence.steps, 1):
        parts.append(f"p{number} AS ({_step(sequence, number, step)})")
    done = f"SELECT *, {_done(sequence, end)} AS is_done FROM p{count}"
    return f"WITH {', '.join(parts)} {done}"


def _happened(sequence: Sequence, day: date, bundles: str) -> str:
    """Events that may be a step or stand in the way of one, with their persons."""
    inside = span(sequence.window, day)
    steps = ", ".join(
        f"{_is(step)} AND {inside.sql('e.business_date')} AS is_{number}"
        for number, step in enumerate(sequence.steps, 1)
    )
    hinders = _is(sequence.without) if sequence.without is not None else "false"
    # What comes after the last step may come after the window too.
    reach = Span(inside.first, day).sql("e.business_date")
    types = {name for step in sequence.steps for name in step.types}
    types |= set(sequence.without.types) if sequence.without is not None else set()
    listed = ", ".join(exp.Literal.string(name).sql("duckdb") for name in sorted(types))
    events = (
        "SELECT e.bundle_id, e.business_date, e.source, e.event_id, "
        f"epoch_us(e.occurred_at) AS at_us, {steps}, {hinders} AS hinders FROM events AS e "
        f"WHERE e.bundle_id IS NOT NULL AND {reach} AND e.type IN ({listed})"
    )
    counts = " OR ".join(f"x.is_{number}" for number in range(1, len(sequence.steps) + 1))
    return (
        "SELECT * EXCLUDE (bundle_id, business_date) FROM "
        f"({Relations(bundles=bundles).of(f'({events})')} WHERE {counts} OR x.hinders)"
    )


def _is(step: Step) -> str:
    counted = measure_of(step_measure(step)).counted.sql(dialect="duckdb")
    return f"COALESCE({counted}, false)"


def _step(sequence: Sequence, number: int, step: Step) -> str:
    if number == 1:
        return "SELECT *, is_1 AS did_1 FROM p0"
    is_barred = sequence.without is not None and sequence.without.within is None
    before = f"CASE WHEN did_{number - 1} THEN {{}} END) OVER {_BEFORE}"
    columns = [
        f"max({before.format('place')} AS last_place", f"max({before.format('at_us')} AS last_us",
    ]
    tests = [f"is_{number}", "last_place IS NOT NULL"]
    if step.seconds is not None:
        tests.append(f"at_us - last_us <= {step.seconds * 1_000_000}")
    if is_barred:
        columns.append(f"max(CASE WHEN hinders THEN place END) OVER {_BEFORE} AS last_hinder")
        tests.append("COALESCE(last_hinder, 0) <= last_place")
        if number < len(sequence.steps):
            tests.append("NOT hinders")
    extra = "last_place, last_us" + (", last_hinder" if is_barred else "")
    return (
        f"SELECT * EXCLUDE ({extra}), COALESCE({' AND '.join(tests)}, false) AS did_{number} "
        f"FROM (SELECT *, {', '.join(columns)} FROM p{number - 1})"
    )


def _done(sequence: Sequence, end: datetime) -> str:
    last, without = f"did_{len(sequence.steps)}", sequence.without
    if without is None or without.seconds is None:
        return last
    wait, end_us = without.seconds * 1_000_000, int(end.timestamp()) * 1_000_000
    following = f"min(CASE WHEN hinders THEN at_us END) OVER {_AFTER}"
    return (
        f"{last} AND at_us + {wait} < {end_us} "
        f"AND COALESCE({following} > at_us + {wait}, true)"
    )


