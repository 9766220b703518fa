"""How an audience is declared: ``conf/*/audiences/*.yml``, or one version over the API.

The tree has react-querybuilder's JSON shape; beside its leaf about a tag (`field`, `operator`,
`value`) it has leaves about what people did (`did`, `sequence`) and about other audiences.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from schemas.errors import FieldError
from schemas.measured import Name, Operation, ReadAs, Source
from schemas.rules import Operator, Rule, Scalar
from schemas.windows import Window

_DURATION = re.compile(r"[1-9][0-9]{0,3} [mhd]")


class Did(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True,
    rename={"source": "from", "read_as": "as"},
):
    """A measure over what a person did, as in a tag: the leaf compares it with its `value`."""

    source: Source = "events"
    types: list[str] = []
    """Event types that count; all when empty."""
    where: Rule | None = None
    measure: Operation = "count"
    field: str | None = None
    read_as: ReadAs | None = None
    window: Annotated[
        Literal["ever"] | Window, msgspec.Meta(examples=["ever", {"last": "7 d"}])
    ]


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One event of a sequence: of one of ``types``, for which ``where`` is true."""

    types: Annotated[list[str], msgspec.Meta(min_length=1)]
    where: Rule | None = None
    within: Annotated[str | None, msgspec.Meta(examples=["2 d"])] = None
    """Time since the step before (of `without`: since the last step), as ``30 m``, ``24 h`` or
    ``2 d`` of 24 hours; to the instant is inside. Without it any time."""

    def __post_init__(self) -> None:
        if self.within is not None and not _DURATION.fullmatch(self.within):
            raise FieldError(
                "this is no time", field="within", expected="1 m to 9999 d",
                todo="write e.g. `within: 2 d`, `within: 24 h`",
            )

    @property
    def seconds(self) -> int | None:
        """``within`` in seconds."""
        if self.within is None:
            return None
        count, unit = self.within.split()
        return int(count) * {"m": 60, "h": 3600, "d": 86400}[unit]


class Sequence(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Did the first step, then each next one later, and not `without`.

    All steps lie in the window. `without` with a time: no such event within that time after the
    last step, and that time is over by the end of the date; without one: none between the first
    step and the last.
    """

    steps: Annotated[list[Step], msgspec.Meta(min_length=1, max_length=8)]
    without: Step | None = None
    window: Annotated[
        Literal["ever"] | Window, msgspec.Meta(examples=["ever", {"last": "30 d"}])
    ]

    def __post_init__(self) -> None:
        if self.steps[0].within is not None:
            raise FieldError(
                "nothing stands before the first step", field="steps[0].within",
                expected="`within` in a later step",
            )
        if self.without is not None and self.without.within is None and len(self.steps) == 1:
            raise FieldError(
                "nothing lies between one step and itself", field="without.within",
                expected="a time after the step", todo="write e.g. `within: 2 d`",
            )


class Condition(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True,
    rename={"is_not": "not", "value_source": "valueSource"},
):
    """A group (`combinator`, `rules`, `not`) or one leaf.

    Leaves: a tag (`field`, `operator`, `value`), a measure (`did`, `operator`, `value`), a
    `sequence`, or another `audience`, whose members fulfil it.
    """

    combinator: Literal["and", "or"] | None = None
    rules: list[Condition] | None = None
    is_not: bool = False
    field: str | None = None
    did: Did | None = None
    sequence: Sequence | None = None
    audience: Name | None = None
    operator: Operator | None = None
    value: Scalar | list[Scalar] | None = None
    value_source: Literal["value"] | None = None
    """Given by the editor; values are always values."""
    id: str | None = None
    """Given by the editor to its boxes; means nothing here."""

    def __post_init__(self) -> None:
        leaves = {
            "rules": self.rules, "field": self.field, "did": self.did, "sequence": self.sequence,
            "audience": self.audience,
        }
        given = [name for name, leaf in leaves.items() if leaf is not None]
        if len(given) != 1:
            raise FieldError(
                f"a condition says one thing, this one {len(given)}",
                field=given[1] if given else "rules", expected="one of " + ", ".join(leaves),
            )
        kind = given[0]
        if kind == "rules" and (not self.rules or self.combinator is None):
            raise FieldError(
                "a group has a `combinator` and at least one rule", field="rules",
                expected="combinator: and, or `or`, and rules",
            )
        if kind != "rules" and (self.combinator is not None or self.is_not):
            raise FieldError(
                "only a group has a `combinator` or a `not`", field=kind,
                expected="a group around it: {combinator: and, not: true, rules: [..]}",
            )
        if (kind in ("field", "did")) != (self.operator is not None):
            raise FieldError(
                "a tag and a measure are compared, and nothing else is", field=kind,
                expected="`operator` and `value` with `field` or `did`, and only there",
            )


class HoldOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the audience that is left out by chance, the same persons at any time."""

    share: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    seed: Annotated[str, msgspec.Meta(min_length=1)]
    """Audiences of one seed hold out the same persons."""


class Top(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Only the first ``n`` by a tag; equal ones by person_no, who is unknown is not among them."""

    n: Annotated[int, msgspec.Meta(ge=1)]
    by: Name
    order: Literal["highest", "lowest"] = "highest"


class Audience(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """A set of persons: who fulfils ``query`` or is on an ``include`` list, without ``exclude``.

    Then the hold-out is taken out, and of who is left the ``top`` are taken.
    """

    name: Name
    label: str
    """What people read, in the brand's language."""
    query: Condition
    include: list[Name] = []
    """Lists whose persons are in it whatever the query says."""
    exclude: list[Name] = []
    """Lists whose persons are not in it, whatever else says so."""
    hold_out: HoldOut | None = None
    top: Top | None = None
