"""Conditions as trees, in the JSON shape of react-querybuilder.

One language everywhere: which rows a tag reads, what a tag says of other tags, who is in an
audience. https://react-querybuilder.js.org/docs/typescript#rulegrouptype
"""

from __future__ import annotations

from typing import Literal

import msgspec

Scalar = bool | int | float | str
Operator = Literal[
    "=", "!=", "<", "<=", ">", ">=", "in", "notIn", "between", "notBetween", "null", "notNull",
    "contains", "doesNotContain",
]
LISTS = ("in", "notIn", "between", "notBetween")
UNARY = ("null", "notNull")
OF_TEXTS = ("contains", "doesNotContain")
"""Asked of a tag that is a list: whether one of its texts is the value."""


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A comparison of a value that stands elsewhere, e.g. ``{operator: ">", value: 100000}``."""

    operator: Operator
    value: Scalar | list[Scalar] | None = None


class Rule(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"is_not": "not"}, kw_only=True
):
    """A leaf (`field`, `operator`, `value`) or a group (`combinator`, `rules`, `not`)."""

    combinator: Literal["and", "or"] | None = None
    rules: list[Rule] | None = None
    is_not: bool = False
    field: str | None = None
    operator: Operator | None = None
    value: Scalar | list[Scalar] | None = None
    id: str | None = None
    """Given by the editor to its boxes; means nothing here."""

    def __post_init__(self) -> None:
        leaf = (self.field, self.operator)
        if self.rules is not None:
            if not self.rules:
                raise ValueError("a group needs at least one rule")
            if self.combinator is None or leaf != (None, None) or self.value is not None:
                raise ValueError("a group has `combinator`, `rules` and `not`, nothing else")
        elif None in leaf or self.combinator is not None or self.is_not:
            raise ValueError("a rule has `field`, `operator` and `value`, nothing else")
