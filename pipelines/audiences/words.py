"""An audience's rule tree in words, for people who will not read JSON."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.audiences import Audience, Condition, Did, Sequence, Step
from schemas.measured import Operation
from schemas.rules import Comparison, Rule
from schemas.windows import Window

OPERATORS = {
    "=": "is", "!=": "is not", ">": "over", ">=": "at least", "<": "under", "<=": "at most",
    "null": "is unknown", "notNull": "is known", "in": "is one of", "notIn": "is none of",
    "between": "is between", "notBetween": "is not between",
    "contains": "contains", "doesNotContain": "does not contain",
}
MEASURES: dict[Operation, str] = {
    "any": "any", "avg": "average {field} of", "min": "lowest {field} of",
    "max": "highest {field} of", "sum": "sum of {field} of", "first": "first {field} of",
    "last": "last {field} of", "distinct_count": "different {field} of",
    "most_frequent": "commonest {field} of", "days_active": "days with",
    "days_since": "days since the last", "days_since_first": "days since the first",
    "streak": "days in a row with", "years_since": "years since {field} of",
}


def words(audience: Audience, labels: Mapping[str, str]) -> tuple[str, ...]:
    """The conditions of an audience, one phrase each; ``labels`` maps tags to what people say."""
    rule = audience.query
    parts = tuple(phrase(part, labels) for part in rule.rules or [rule])
    if rule.rules is not None and (rule.is_not or rule.combinator != "and"):
        parts = (phrase(rule, labels),)
    return (*parts, *_beside(audience, labels))


def _beside(audience: Audience, labels: Mapping[str, str]) -> tuple[str, ...]:
    """What is said beside the tree."""
    found = [f"or on the list {name}" for name in audience.include]
    found += [f"not on the list {name}" for name in audience.exclude]
    if audience.hold_out is not None:
        found.append(f"without {audience.hold_out.share:.4g} of them by chance")
    if audience.top is not None:
        top = audience.top
        found.append(f"of these the {top.n} {top.order} by {labels.get(top.by, top.by)}")
    return tuple(found)


def phrase(rule: Condition, labels: Mapping[str, str]) -> str:
    """One condition, with those in it."""
    if rule.rules is not None:
        joined = f" {rule.combinator} ".join(phrase(part, labels) for part in rule.rules)
        return f"not ({joined})" if rule.is_not else f"({joined})"
    if rule.audience is not None:
        return f"in the audience {rule.audience}"
    if rule.sequence is not None:
        return _sequence(rule.sequence)
    label = _did(rule.did) if rule.did is not None else labels.get(rule.field or "", rule.field)
    assert rule.operator is not None
    return compared(str(label), Comparison(rule.operator, rule.value))


def compared(label: str, test: Comparison) -> str:
    """A comparison of what ``label`` names."""
    if isinstance(test.value, bool):
        return label if test.value == (test.operator == "=") else f"not: {label}"
    if isinstance(test.value, list):
        joint = " and " if test.operator.endswith("etween") else ", "
        return f"{label} {OPERATORS[test.operator]} {joint.join(map(str, test.value))}"
    value = "" if test.value is None else f" {test.value}"
    return f"{label} {OPERATORS[test.operator]}{value}"


def _did(did: Did) -> str:
    said = MEASURES.get(did.measure, "times").format(field=did.field)
    what = _events(did.types, did.where, did.source)
    counted = f"{what}: count" if did.measure == "count" else f"{said} {what}"
    return f"{counted} ({_window(did.window)})"


def _events(types: list[str], where: Rule | None, source: str = "events") -> str:
    named = " or ".join(types) or ("any event" if source == "events" else "order lines")
    return named if where is None else f"{named} where {_rule(where)}"


def _rule(rule: Rule) -> str:
    if rule.rules is not None:
        joined = f" {rule.combinator} ".join(_rule(part) for part in rule.rules)
        return f"not ({joined})" if rule.is_not else f"({joined})"
    assert rule.operator is not None
    return compared(str(rule.field), Comparison(rule.operator, rule.value))


def _sequence(sequence: Sequence) -> str:
    said = ", then ".join(_step(step) for step in sequence.steps)
    if sequence.without is not None:
        said += f", without {_step(sequence.without)}"
        said += " after that" if sequence.without.within else " between"
    return f"{said} ({_window(sequence.window)})"


def _step(step: Step) -> str:
    within = f" within {step.within}" if step.within else ""
    return f"{_events(step.types, step.where)}{within}"


def _window(window: Window | str) -> str:
    if not isinstance(window, Window):
        return "ever"
    if window.between is not None:
        return f"{window.between[0]} to {window.between[1]}"
    if window.last is not None:
        return f"last {window.last}"
    return f"this {window.this}" if window.this is not None else f"previous {window.previous}"
