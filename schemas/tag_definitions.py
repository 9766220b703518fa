"""How a tag is declared: ``conf/*/tags/*.yml``, a closed vocabulary.

A tag takes its value from one place (`from` a source, `of` another tag, `ratio`, `join`, `rule`,
`stages`, `model`, `sql`), may turn it (`map`, then one of `condition`, `bands`, `score`), and may
say what stands for an unknown value (`otherwise`). Only `sql` is free, and only for batch.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.errors import FieldError
from schemas.measured import Measured, Name
from schemas.rules import Comparison, Rule, Scalar

Type = Literal["boolean", "integer", "number", "text", "date", "texts"]
Gives = Literal["probability", "label", "purchases", "amount"]


class Band(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text for values below a border; the last band has no border."""

    value: str
    below: float | None = None


class Score(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """1 to ``bands`` by quantiles of the population.

    Edges are quantiles by linear interpolation; a value has passed an edge when it is greater,
    so that ties share a score. ``among`` bounds the population by other tags; who is outside, or
    has no value, has no score.
    """

    bands: Annotated[int, msgspec.Meta(ge=2, le=100)]
    best: Literal["highest", "lowest"] = "highest"
    among: Rule | None = None


class Ratio(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tag divided by another; unknown when that is 0."""

    of: Name
    to: Name


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stage of a lifecycle: its name, and the condition over other tags that puts one in it."""

    value: str
    when: Rule


class Tag(Measured, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One declared tag; its column in ``tag_values`` bears its name."""

    label: str
    """What people read, in the brand's language."""
    kind: Literal["fact", "rule", "predictive"]
    type: Type
    of: Name | None = None
    ratio: Ratio | None = None
    join: list[Name] | None = None
    """Tags whose values are written one after another."""
    rule: Rule | None = None
    """A condition over other tags; fields are their names."""
    stages: Annotated[list[Stage], msgspec.Meta(min_length=1)] | None = None
    """Stages in order; who is in several has the last of them."""
    model: Name | None = None
    """What a model gives."""
    gives: Gives = "probability"
    """Which of its outputs: a calibrated probability, a label, a number of purchases, an amount."""
    sql: str | None = None
    """A free query giving ``one_id`` and ``value``; batch only. ``:business_date`` is the date."""
    map: dict[str, str] = {}
    """Spellings brought to one; a condition on this tag may use any of them."""
    condition: Comparison | None = None
    bands: list[Band] | None = None
    score: Score | None = None
    otherwise: Scalar | None = None
    """Stands where the value is unknown; without it the value stays unknown (NULL)."""
    values: list[str] = []
    """All values it can have, where they are few and known."""

    formerly: list[Name] = []
    """Names it had before, newest first: its past is found under them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        origins = {
            "from": self.source, "of": self.of, "ratio": self.ratio, "join": self.join,
            "rule": self.rule, "stages": self.stages, "model": self.model, "sql": self.sql,
        }
        given = [name for name, origin in origins.items() if origin is not None]
        if len(given) != 1:
            raise FieldError(
                f"a tag has one origin, {self.name} has {len(given)}",
                field=given[1] if given else "name",
                expected="exactly one of " + ", ".join(origins),
            )
        if sum(turn is not None for turn in (self.condition, self.bands, self.score)) > 1:
            raise ValueError("a tag has at most one of condition, bands, score")
        if self.model is not None and self.kind != "predictive":
            raise FieldError(
                "a tag from a model is predictive", field="kind", expected="kind: predictive",
            )
        if self.gives != "probability" and self.model is None:
            raise FieldError("`gives` without a model", field="gives", expected="a `model`")
        if self.bands is not None:
            _require_rising(self.bands)
        if self.name in self.formerly:
            raise FieldError("a former name that it still has", field="formerly", expected="others")


def _require_rising(bands: list[Band]) -> None:
    borders = [band.below for band in bands[:-1]]
    if not bands or None in borders or bands[-1].below is not None:
        raise FieldError(
            "every band but the last has a border", field="bands",
            expected="`below` in all bands but the last",
        )
    if borders != sorted(set(borders), key=lambda border: border or 0):
        raise FieldError(
            "the borders of bands rise", field="bands", expected="each `below` above the one before"
        )


class TagFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of ``conf/*/tags``."""

    tags: Annotated[list[Tag], msgspec.Meta(min_length=1)]
