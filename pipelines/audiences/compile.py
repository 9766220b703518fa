"""An audience's rule tree becomes one sqlglot tree over ``tag_values``.

A condition on an unknown value is unknown, `not` of unknown is unknown, and a member needs true.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date

import msgspec
from sqlglot import exp

from pipelines.tags.conditions import condition
from pipelines.tags.vocabulary import operand
from schemas.audiences import Audience
from schemas.rules import Rule
from schemas.tag_definitions import Tag


def member_condition(audience: Audience, tags: Sequence[Tag]) -> exp.Expr:
    """What is true of a member, over columns of ``tag_values``.

    ConfigError for an unknown tag, an operator that does not fit, a value of the wrong type or
    one that the tag never has; it names audience, tag, what was expected and what came.
    """
    known, where = {tag.name: tag for tag in tags}, f"audience {audience.name}"
    return condition(audience.query, lambda name: operand(known, name, where), where)


def member_query(audience: Audience, tags: Sequence[Tag], day: date) -> exp.Select:
    """``one_id`` and ``person_no`` of the members on ``day``."""
    return (
        exp.select("one_id", "person_no")
        .from_("tag_values")
        .where(f"business_date = CAST('{day.isoformat()}' AS DATE)")
        .where(member_condition(audience, tags))
    )


def version(audience: Audience) -> str:
    """A fingerprint of the rule tree as written, whatever ids the editor gave its boxes."""
    plain = msgspec.json.encode(_without_ids(audience.query), order="sorted")
    return hashlib.sha256(plain).hexdigest()[:16]


def _without_ids(rule: Rule) -> Rule:
    inner = None if rule.rules is None else [_without_ids(part) for part in rule.rules]
    return msgspec.structs.replace(rule, id=None, rules=inner)
