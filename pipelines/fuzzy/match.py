"""Edges between records that are probably one person's, each with its probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lake.engines.duckdb import Session
from pipelines.fuzzy import model
from pipelines.fuzzy.records import COMPARED, RECORDS, lay_out
from schemas.errors import InputError, UsageError
from schemas.fuzzy import Matching

SOURCE = "splink"
PRIOR_STEPS = 25
_PREDICTED = "fuzzy_predicted"
_POSSIBLE = {
    "all": f"SELECT count(*) * (count(*) - 1) // 2 FROM {RECORDS}",
    "across_types": "SELECT CAST((sum(n) * sum(n) - sum(n * n)) // 2 AS BIGINT) FROM "
    f"(SELECT count(*) AS n FROM {RECORDS} GROUP BY type)",
}


@dataclass(frozen=True, slots=True)
class Matched:
    """What matching found."""

    edges: pa.Table
    """type_a, value_a, type_b, value_b, source, count, probability, and first_seen, last_seen where
    the records are dated; a is before b, sorted."""
    count_records: int
    count_candidates: int
    """Pairs that at least one rule of ``block`` made, each counted once."""
    prior: float
    """Probability that two records taken at random are one person's."""
    weights: list[dict[str, Any]]
    """Per column and degree of likeness: share among matches (m), among others (u) and log2 of m/u;
    None where no pair showed it."""


def match(
    session: Session, source: str, settings: Matching, file: str, threshold: float | None = None
) -> Matched:
    """Match the records of the relation ``source``; ``file`` is where errors say they are.

    With one thread in ``session`` the same records, in any order, give the same bytes; with more,
    sums differ in their last digits. Splink 5 must be installed, see ``require_splink``.
    """
    model.require_splink()
    least = settings.threshold if threshold is None else threshold
    if not 0 < least < 1:
        raise UsageError(
            "a threshold is a probability", expected="more than 0, less than 1", got=f"{least}"
        )
    count = lay_out(session, source, settings, file)
    _refuse_too_many(session, settings, file)
    linker = model.trained(session, settings, file)
    candidates = _predict(session, linker)
    prior = _settled_prior(session, settings, model.prior(linker))
    edges = session.table(_edges_sql(settings, prior, least))
    return Matched(edges, count, candidates, prior, model.weights(linker, settings))


def _refuse_too_many(session: Session, settings: Matching, file: str) -> None:
    """A rule that puts half a register in one block would run for days, so it is counted first."""
    for number, rule in enumerate(settings.block, 1):
        keys = [key.format("r") for key in model.keys(rule, settings)]
        filled = " AND ".join(f"{key} IS NOT NULL" for key in keys)
        pairs = _number(
            session,
            "SELECT CAST(coalesce(sum(n * (n - 1) // 2), 0) AS BIGINT) FROM (SELECT count(*) AS n "
            f"FROM {COMPARED} AS r WHERE {filled} GROUP BY {', '.join(keys)})",
        )
        if pairs > settings.max_candidates:
            raise InputError(
                f"rule {number} of `block` makes too many candidates",
                expected=f"at most {settings.max_candidates:,} pairs",
                got=f"{pairs:,}",
                where=file,
                todo="add a column or part to the rule, or raise max_candidates",
            )


def _predict(session: Session, linker: Any) -> int:
    """Score every candidate into ``fuzzy_predicted``, in log2 odds without the prior."""
    prior = model.prior(linker)
    with model.quiet():
        found = linker.inference.predict(warning_mode="never")
    session.execute(
        f"CREATE OR REPLACE TEMP TABLE {_PREDICTED} AS "
        "SELECT least(record_no_l, record_no_r) AS a_no, greatest(record_no_l, record_no_r) AS "
        f"b_no, match_weight - log2({_odds(prior)}) AS weight FROM {found.physical_name}"
    )
    found.drop_table_from_database_and_remove_from_cache()
    return _number(session, f"SELECT count(*) FROM {_PREDICTED}")


def _settled_prior(session: Session, settings: Matching, prior: float) -> float:
    """The prior at which the matches expected among the candidates are as many as it says.

    ``certain_recall`` is a guess; repeating this one step of expectation maximisation over all
    candidates replaces it by what the records say. What no rule made a candidate counts as apart,
    so the result errs to fewer matches.
    """
    possible = _number(session, _POSSIBLE[settings.pairs])
    for _ in range(PRIOR_STEPS):
        ((expected,),) = session.rows(
            f"SELECT coalesce(sum({_probability(prior)}), 0) FROM {_PREDICTED}"
        )
        before, prior = prior, float(str(expected)) / possible
        if not 0 < prior < 1:
            return before
        if abs(prior - before) <= 1e-6 * before:
            break
    return prior


def _odds(prior: float) -> str:
    return f"CAST({prior / (1 - prior)!r} AS DOUBLE)"


def _probability(prior: float) -> str:
    return f"1 / (1 + 1 / ({_odds(prior)} * pow(2, weight)))"


def _edges_sql(settings: Matching, prior: float, least: float) -> str:
    seen = "greatest(a.seen_at, b.seen_at)"
    dated = f"{seen} AS first_seen, {seen} AS last_seen, " if settings.seen_at else ""
    return f"""
    SELECT a.type AS type_a, a.value AS value_a, b.type AS type_b, b.value AS value_b,
      '{SOURCE}' AS source, {dated}CAST(1 AS BIGINT) AS "count", p.probability
    FROM (SELECT a_no, b_no, round({_probability(prior)}, 9) AS probability FROM {_PREDICTED}) AS p
    JOIN {RECORDS} AS a ON a.record_no = p.a_no
    JOIN {RECORDS} AS b ON b.record_no = p.b_no
    WHERE p.probability >= {least!r}
    ORDER BY p.a_no, p.b_no
    """


def _number(session: Session, sql: str) -> int:
    ((found,),) = session.rows(sql)
    return int(str(found))
