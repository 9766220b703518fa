"""An audience's rule tree in words, for people who will not read JSON."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.audiences import Audience
from schemas.rules import Rule

OPERATORS = {"=": "is", "!=": "is not", ">": "over", ">=": "at least", "<": "under",
             "<=": "at most", "null": "is unknown", "notNull": "is known"}


def words(audience: Audience, labels: Mapping[str, str]) -> tuple[str, ...]:
    """The conditions of an audience, one phrase each; ``labels`` maps tags to what people say."""
    rule = audience.query
    parts = tuple(_phrase(part, labels) for part in rule.rules or [rule])
    if rule.rules is None or not rule.is_not and rule.combinator == "and":
        return parts
    return (_phrase(rule, labels),)


def _phrase(rule: Rule, labels: Mapping[str, str]) -> str:
    if rule.rules is not None:
        joined = f" {rule.combinator} ".join(_phrase(part, labels) for part in rule.rules)
        return f"not ({joined})" if rule.is_not else f"({joined})"
    label = labels.get(rule.field or "", rule.field or "")
    if isinstance(rule.value, bool):
        return label if rule.value == (rule.operator == "=") else f"not: {label}"
    operator = OPERATORS.get(rule.operator or "", rule.operator or "")
    value = "" if rule.value is None else f" {rule.value}"
    return f"{label} {operator}{value}"
