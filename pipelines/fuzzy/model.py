"""A Splink model of our settings: what is compared and how, learnt without labels.

Splink estimates how often each degree of likeness is met among matches (m, by expectation
maximisation) and among others (u, by sampling): Fellegi and Sunter, "A Theory for Record Linkage",
1969. Training follows the order that Splink's documentation gives: prior, u, then m rule by rule.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lake.engines.duckdb import Session
from pipelines.fuzzy.records import COMPARED, full_name, names
from schemas.errors import InputError, UsageError
from schemas.fuzzy import Compare, Matching, Part, Rule

_INSIDE = re.compile(r"\bc\d+(?:_full)?\b")
MAX_SAMPLED_PAIRS = 5_000_000
"""Pairs looked at to learn u, and pairs per rule to learn m."""


def require_splink() -> None:
    """Raise UsageError with the command that installs Splink, where it is not installed."""
    if importlib.util.find_spec("splink") is None:
        raise UsageError(
            "fuzzy matching needs Splink, which is not installed",
            expected="the library splink 5",
            got="none",
            todo="pip install 'guiyi[fuzzy]'",
        )


def trained(session: Session, settings: Matching, file: str) -> Any:
    """A Splink ``Linker`` over ``fuzzy_compared`` whose weights are learnt.

    Records from which they cannot be learnt raise InputError that names ``file``.
    """
    require_splink()
    splink = importlib.import_module("splink")
    with quiet():
        api = splink.DuckDBAPI(connection=session.con)
        linker = splink.Linker(
            api.register(COMPARED), _creator(settings), log_level=None, validate_settings=False
        )
        _learn(linker, settings, file)
    return linker


@contextmanager
def quiet() -> Iterator[None]:
    """Splink's warnings, which speak of its own code, are not the user's."""
    log = logging.getLogger("splink")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def sql_of(rule: Rule, settings: Matching) -> str:
    """A rule as SQL over the records ``l`` and ``r``."""
    return " AND ".join(f"{part.format('l')} = {part.format('r')}" for part in keys(rule, settings))


def keys(rule: Rule, settings: Matching) -> list[str]:
    """What must be equal by a rule, each as SQL with ``{}`` for the record."""
    inside = names(settings)
    return [
        f"substr({{}}.{inside[part.column]}, {part.start}, {part.letters})"
        if isinstance(part, Part)
        else f"{{}}.{inside[part]}"
        for part in rule
    ]


def _creator(settings: Matching) -> Any:
    splink = importlib.import_module("splink")
    library = importlib.import_module("splink.blocking_rule_library")
    across = settings.pairs == "across_types"
    return splink.SettingsCreator(
        link_type="link_only" if across else "dedupe_only",
        comparisons=[_comparison(one, names(settings)) for one in settings.compare],
        blocking_rules_to_generate_predictions=[
            library.CustomRule(sql_of(rule, settings)) for rule in settings.block
        ],
        unique_id_column_name="record_no",
        source_dataset_column_name="type",
        retain_matching_columns=False,
        linker_uid="guiyi",
    )


def _comparison(one: Compare, inside: dict[str, str]) -> Any:
    cl = importlib.import_module("splink.comparison_library")
    column = inside[one.column]
    if one.surname is not None:
        return cl.ForenameSurnameComparison(
            column, inside[one.surname], forename_surname_concat_col_name=full_name(column)
        )
    if one.kind == "name":
        return cl.NameComparison(column)
    if one.kind == "date_of_birth":
        return cl.DateOfBirthComparison(column, input_is_string=True, invalid_dates_as_null=False)
    if one.kind == "email":
        return cl.EmailComparison(column)
    if one.kind == "postcode":
        return _postcode(column)
    if one.kind == "code":
        return cl.DamerauLevenshteinAtThresholds(column, [1, 2]).configure(
            term_frequency_adjustments=True
        )
    if one.kind == "text":
        return cl.JaroWinklerAtThresholds(column, [0.92, 0.8]).configure(
            term_frequency_adjustments=True
        )
    return cl.ExactMatch(column).configure(term_frequency_adjustments=True)


def _postcode(column: str) -> Any:
    """Postcodes of any country: Splink's own comparison knows those of the United Kingdom only."""
    cl = importlib.import_module("splink.comparison_library")
    level = importlib.import_module("splink.comparison_level_library")
    start = f"substr({column}_l, 1, 3) = substr({column}_r, 1, 3)"
    return cl.CustomComparison(
        output_column_name=column,
        comparison_levels=[
            level.NullLevel(column),
            level.ExactMatchLevel(column, term_frequency_adjustments=True),
            level.DamerauLevenshteinLevel(column, 1),
            level.CustomLevel(start, label_for_charts="first three characters"),
            level.ElseLevel(),
        ],
    )


def prior(linker: Any) -> float:
    """Probability that two records taken at random are one person's, as the linker has it."""
    return float(linker._settings_obj._probability_two_random_records_match)


def weights(linker: Any, settings: Matching) -> list[dict[str, Any]]:
    """What was learnt: per column and degree of likeness m, u and log2 of m/u, None if not seen."""
    back = {inside: column for column, inside in names(settings).items()}
    back |= {full_name(names(settings)[c.column]): _shown(c) for c in settings.compare}
    found = []
    for one, comparison in zip(settings.compare, linker._settings_obj.comparisons, strict=True):
        for level in comparison._comparison_levels_excluding_null:
            m = level.m_probability if level._m_is_trained else None
            u = level.u_probability if level._u_is_trained else None
            found.append(
                {
                    "column": _shown(one),
                    "level": _INSIDE.sub(lambda n: back[n.group()], level.label_for_charts),
                    "m": m,
                    "u": u,
                    "weight": math.log2(m / u) if m and u else None,
                }
            )
    return found


def _shown(one: Compare) -> str:
    return " + ".join(one.columns)


def _learn(linker: Any, settings: Matching, file: str) -> None:
    _learn_prior(linker, settings, file)
    linker.training.estimate_u_using_random_sampling(
        max_pairs=MAX_SAMPLED_PAIRS, seed=settings.seed
    )
    exceptions = importlib.import_module("splink.internals.exceptions")
    for number, rule in enumerate(settings.trained, 1):
        try:
            linker.training.estimate_parameters_using_expectation_maximisation(
                sql_of(rule, settings), max_pairs=MAX_SAMPLED_PAIRS, record_sample_proportion=1.0
            )
        except exceptions.EMTrainingException as error:
            raise InputError(
                "nothing can be learnt from a rule",
                expected="pairs of records that agree on it and are filled elsewhere",
                got=f"rule {number} of `{'train' if settings.train else 'block'}` has none",
                where=file,
                todo="take a rule on which more records agree",
            ) from error


def _learn_prior(linker: Any, settings: Matching, file: str) -> None:
    certain = [sql_of(rule, settings) for rule in settings.certain]
    try:
        linker.training.estimate_probability_two_random_records_match(
            certain, recall=settings.certain_recall
        )
    except ValueError as error:
        raise InputError(
            "the rules of `certain` agree on more pairs than their recall allows",
            expected="rules on which only one person's records agree",
            got=str(error).replace("\n", " "),
            where=file,
            todo="add columns to the rules of `certain`",
        ) from error
    if prior(linker) == 0:
        raise InputError(
            "no two records agree on a rule of `certain`",
            expected="a few pairs that surely are one person's",
            got="none",
            where=file,
            todo="leave a column out of a rule of `certain`, or add a wider rule",
        )
