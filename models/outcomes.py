"""What was bought by category: order lines with their products, and whose they were that day."""

from __future__ import annotations

from datetime import date, timedelta

from lake.draft import Draft
from lake.engines.duckdb import quoted
from schemas.model_definitions import Choice

_LINES = "lines_of_choice"


def keep_lines(draft: Draft, choice: Choice, first: date, last: date, name: str) -> None:
    """Make ``name`` a temporary table of what was ordered from ``first`` to ``last`` by class.

    A row per person, order, class of ``choice`` and business date, which says nothing of other
    dates: an order may go on later. Refunds are no orders.
    """
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    draft.show_dates("order_lines", days, _LINES)
    classes = ", ".join(quoted(one) for one in choice.classes)
    draft.session.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} AS "
        f"SELECT b.one_id, l.order_id, p.{choice.field} AS class, l.business_date, "
        "min(l.occurred_at) AS occurred_at, "
        f"CAST(sum(l.paid_minor) AS BIGINT) AS paid_minor FROM {_LINES} AS l "
        "JOIN products AS p USING (product_id) JOIN bundle_persons AS b "
        "ON b.bundle_id = l.bundle_id "
        "AND b.valid_from <= l.business_date AND l.business_date < b.valid_to "
        f"WHERE l.refund_of IS NULL AND p.{choice.field} IN ({classes}) GROUP BY ALL"
    )
    draft.session.execute(f"DROP VIEW {_LINES}")


def habit_names(choice: Choice) -> list[str]:
    """Names of the features that ``habits`` gives, in order."""
    return [
        f"{kind}_{days}d {one}"
        for days in sorted(choice.lookbacks_days, reverse=True)
        for kind in ("main", "orders")
        for one in choice.classes
    ]


def habits(lines: str, choice: Choice, day: date) -> str:
    """A query of ``one_id`` and, by lookback and class, orders it is the main one of, and all.

    ``lines`` are those of ``keep_lines``; an order is what was known of it at the end of ``day``.
    """
    parts = []
    for days in sorted(choice.lookbacks_days, reverse=True):
        since = f"business_date > DATE '{day - timedelta(days=days)}'"
        for is_main in ("is_main AND ", ""):
            parts += [
                f"count(*) FILTER (WHERE {is_main}class = {quoted(one)} AND {since})"
                for one in choice.classes
            ]
    names = habit_names(choice)
    columns = ", ".join(f'{sql} AS "{name}"' for sql, name in zip(parts, names, strict=True))
    orders = _orders(lines, f"business_date <= DATE '{day}'")
    return f"SELECT one_id, {columns} FROM ({orders}) GROUP BY one_id"


def next_class(lines: str, day: date, horizon_days: int) -> str:
    """A query of ``one_id`` and the main ``class`` of the first order in the horizon.

    An outcome may know all: an order is all of its ``lines``, whenever they came.
    """
    last = day + timedelta(days=horizon_days)
    return (
        "SELECT one_id, arg_min(class, {'at': occurred_at, 'order': order_id}) AS class "
        f"FROM ({_orders(lines)}) WHERE is_main AND business_date > DATE '{day}' "
        f"AND business_date <= DATE '{last}' GROUP BY one_id"
    )


def _orders(lines: str, condition: str = "true") -> str:
    """A row per person, order and class, of the lines that meet a condition.

    ``is_main`` marks the class that most was paid for, the first by name among equals.
    """
    return (
        "SELECT *, row_number() OVER (PARTITION BY one_id, order_id ORDER BY paid_minor DESC, "
        "class) = 1 AS is_main FROM (SELECT one_id, order_id, class, "
        "min(business_date) AS business_date, min(occurred_at) AS occurred_at, "
        f"CAST(sum(paid_minor) AS BIGINT) AS paid_minor FROM {lines} WHERE {condition} "
        "GROUP BY one_id, order_id, class)"
    )
