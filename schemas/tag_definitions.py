"""How a tag is declared: ``conf/*/tags/*.yml``, a closed vocabulary without free code.

A tag takes its value from one place (`from` a source, `of` another tag, `ratio`, `join`, `rule`,
`model`), may turn it (`map`, then one of `condition`, `bands`, `score`), and may say what stands
for an unknown value (`otherwise`).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.rules import Comparison, Rule, Scalar

Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]*$")]
Days = Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,3} d$")]
Source = Literal["events", "order_lines"]
Operation = Literal[
    "count",
    "sum",
    "last",
    "distinct_count",
    "days_active",
    "days_since",
    "days_since_first",
    "years_since",
    "any",
]
Type = Literal["boolean", "integer", "number", "text"]
OF_A_FIELD: tuple[Operation, ...] = ("sum", "last", "distinct_count", "years_since")


class Last(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The N business dates that end with the date of the tag: ``{last: 30 d}``."""

    last: Days

    @property
    def days(self) -> int:
        """Length in business dates."""
        return int(self.last.split()[0])


class Measured(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"source": "from"}
):
    """A measure over the rows of a source in a window: what a tag or a feature starts from."""

    name: Name
    source: Source | None = None
    types: list[str] = []
    """Event types that count; all when empty."""
    where: Rule | None = None
    """Which rows count; fields are columns of the source or declared properties of the event."""
    measure: Operation | None = None
    field: str | None = None
    window: Literal["ever"] | Last | None = None

    def __post_init__(self) -> None:
        if self.source is None:
            if self.types or self.where or self.measure or self.field or self.window:
                raise ValueError("`types`, `where`, `measure`, `field`, `window` need a `from`")
            return
        if self.measure is None or self.window is None:
            raise ValueError("a `from` needs a `measure` and a `window`")
        if (self.field is not None) != (self.measure in OF_A_FIELD):
            needed = "needs a `field`" if self.field is None else "takes no `field`"
            raise ValueError(f"the measure {self.measure} {needed}")
        if self.types and self.source != "events":
            raise ValueError("only a `from: events` has `types`")


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
    model: Name | None = None
    """The probability that a model gives."""
    map: dict[str, str] = {}
    """Spellings brought to one; a condition on this tag may use any of them."""
    condition: Comparison | None = None
    bands: list[Band] | None = None
    score: Score | None = None
    otherwise: Scalar | None = None
    """Stands where the value is unknown; without it the value stays unknown (NULL)."""
    values: list[str] = []
    """All values it can have, where they are few and known."""

    def __post_init__(self) -> None:
        super().__post_init__()
        origins = (self.source, self.of, self.ratio, self.join, self.rule, self.model)
        if sum(origin is not None for origin in origins) != 1:
            raise ValueError("a tag has exactly one of from, of, ratio, join, rule, model")
        if sum(turn is not None for turn in (self.condition, self.bands, self.score)) > 1:
            raise ValueError("a tag has at most one of condition, bands, score")
        if (self.model is not None) and self.kind != "predictive":
            raise ValueError("a tag from a model is of kind predictive")
        if self.bands is not None:
            borders = [band.below for band in self.bands[:-1]]
            if not self.bands or None in borders or self.bands[-1].below is not None:
                raise ValueError("every band but the last has `below`")
            if borders != sorted(set(borders), key=lambda border: border or 0):
                raise ValueError("the borders of bands rise")


class TagFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of ``conf/*/tags``."""

    tags: Annotated[list[Tag], msgspec.Meta(min_length=1)]
