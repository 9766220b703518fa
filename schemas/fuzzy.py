"""How records are compared when no identifier joins them: the settings of fuzzy matching."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Kind = Literal["name", "date_of_birth", "postcode", "email", "code", "text", "exact"]


class RecordId(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which column names a record, and of which identifier type its values are."""

    column: str
    """Column whose values name the records; each stands once per type."""
    type: str | None = None
    """Identifier type of all of them, as it stands in the rules of identity."""
    type_column: str | None = None
    """Column that says the type of each, where records of several systems stand together."""

    def __post_init__(self) -> None:
        if (self.type is None) == (self.type_column is None):
            raise ValueError("an id has either `type` or `type_column`")


class Compare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that is compared on two records."""

    column: str
    kind: Kind
    """name: Jaro-Winkler, rare names weigh more. date_of_birth: typing errors, then months, years.
    postcode: typing errors, then the first characters. email: whole, then the part before the @.
    code: numbers and letters with one or two typing errors. text: Jaro-Winkler of
    the whole, for addresses. exact: equal or not, rare values weigh more."""
    surname: str | None = None
    """With kind name: the column of the surname, where ``column`` is the first name. Both are
    compared as one, so that the two in each other's place are recognised."""

    def __post_init__(self) -> None:
        if self.surname is not None and self.kind != "name":
            raise ValueError(f"{self.column} has a surname, but its kind is {self.kind}, not name")

    @property
    def columns(self) -> tuple[str, ...]:
        """The one or two columns compared."""
        return (self.column,) if self.surname is None else (self.column, self.surname)


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Some characters of a column, for rules that bear a typing error in the rest."""

    column: str
    letters: Annotated[int, msgspec.Meta(ge=1)]
    """How many characters."""
    start: Annotated[int, msgspec.Meta(ge=1)] = 1
    """The first of them, counted from 1."""


Rule = tuple[str | Part, ...]
Rules = Annotated[tuple[Rule, ...], msgspec.Meta(min_length=1)]


class Matching(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of ``guiyi identity match --settings``.

    Two records are a candidate where they agree on every column of at least one rule of ``block``.
    """

    id: RecordId
    compare: Annotated[tuple[Compare, ...], msgspec.Meta(min_length=1)]
    """What is compared; what is equal for dependent reasons is best compared as one."""
    block: Rules
    """Rules that make candidates, each a list of columns or parts of columns; only pairs that
    agree on one of them are looked at."""
    certain: Rules
    """Rules whose agreement all but proves one person; they tell how frequent matches are."""
    certain_recall: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.7
    """Guessed share of the true matches that ``certain`` finds."""
    train: tuple[Rule, ...] = ()
    """Rules on which the weights are learnt; each column must stay out of at least one. Default
    those of ``block``."""
    pairs: Literal["all", "across_types"] = "all"
    """across_types: records of one type are never joined, as within one clean register."""
    seen_at: str | None = None
    """Column of the date or time at which a record was made: an edge is dated by its later one."""
    threshold: Share = 0.95
    """Least probability at which an edge is written."""
    max_candidates: Annotated[int, msgspec.Meta(ge=1)] = 50_000_000
    """More candidates than this are refused before they are computed."""
    seed: int = 1
    """The same seed gives the same probabilities."""

    def __post_init__(self) -> None:
        compared = [name for one in self.compare for name in one.columns]
        for name in compared:
            if compared.count(name) > 1:
                raise ValueError(f"the column {name!r} is compared twice")
        for rule in (*self.block, *self.certain, *self.train):
            if not rule:
                raise ValueError("a rule needs at least one column")
        if self.pairs == "across_types" and self.id.type_column is None:
            raise ValueError("pairs across_types needs an id with type_column")
        for one in self.compare:
            if not any(set(one.columns).isdisjoint(columns_of(rule)) for rule in self.trained):
                raise ValueError(
                    f"the weights of {one.column!r} are never learnt: it stands in every rule of "
                    "train (default: block)"
                )

    @property
    def trained(self) -> tuple[Rule, ...]:
        """The rules on which weights are learnt."""
        return self.train or self.block

    def used(self) -> Iterator[str]:
        """Every column that is compared or stands in a rule, each once, in order of mention."""
        names = [name for one in self.compare for name in one.columns]
        for rule in (*self.block, *self.certain, *self.train):
            names += columns_of(rule)
        return iter(dict.fromkeys(names))


def columns_of(rule: Rule) -> list[str]:
    """The columns that a rule speaks of."""
    return [part if isinstance(part, str) else part.column for part in rule]
