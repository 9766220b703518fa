"""A measure over the rows of a source in a window: what a tag or a feature starts from."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.errors import FieldError
from schemas.rules import Rule
from schemas.windows import Window

Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]*$")]
Source = Literal["events", "order_lines"]
Operation = Literal[
    "count",
    "any",
    "sum",
    "avg",
    "min",
    "max",
    "first",
    "last",
    "distinct_count",
    "most_frequent",
    "top_n",
    "days_active",
    "days_since",
    "days_since_first",
    "streak",
    "years_since",
]
ReadAs = Literal["text", "integer", "decimal", "date"]
WITHOUT_A_FIELD: tuple[Operation, ...] = (
    "count",
    "any",
    "days_active",
    "days_since",
    "days_since_first",
    "streak",
)


class Measured(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"source": "from", "read_as": "as"},
):
    """A measure over the rows of a source in a window."""

    name: Name
    source: Source | None = None
    types: list[str] = []
    """Event types that count; all when empty."""
    where: Rule | None = None
    """Which rows count; fields are columns of the source or declared properties of the event."""
    measure: Operation | None = None
    field: str | None = None
    read_as: ReadAs | None = None
    """How the text of a property is read; what cannot be read so does not count."""
    n: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    """Length of a `top_n` list."""
    window: Annotated[
        Literal["ever"] | Window | None, msgspec.Meta(examples=["ever", {"last": "30 d"}])
    ] = None

    def __post_init__(self) -> None:
        if self.source is None:
            given = (self.types, self.where, self.measure, self.field, self.window, self.n)
            if any(given) or self.read_as:
                raise ValueError("`types`, `where`, `measure`, `field`, `window` need a `from`")
            return
        if self.measure is None or self.window is None:
            raise ValueError("a `from` needs a `measure` and a `window`")
        if (self.field is None) != (self.measure in WITHOUT_A_FIELD):
            needed = "needs a `field`" if self.field is None else "takes no `field`"
            raise FieldError(
                f"the measure {self.measure} {needed}",
                field="measure",
                expected="a `field` for all but " + ", ".join(WITHOUT_A_FIELD),
            )
        if self.read_as is not None and self.field is None:
            raise FieldError("`as` without a `field`", field="as", expected="a `field` to read")
        if (self.n is not None) != (self.measure == "top_n"):
            raise FieldError(
                "`n` is the length of a top_n list", field="measure",
                expected="`n` with `measure: top_n`, and only there",
            )
        is_cut = isinstance(self.window, Window) and self.window.last is None
        if self.measure == "streak" and is_cut:
            raise FieldError(
                "a streak ends today", field="window", expected="ever, or {last: N d}",
                todo="use days_active for a calendar window",
            )
        if self.types and self.source != "events":
            raise ValueError("only a `from: events` has `types`")
