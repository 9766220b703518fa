"""How an export is declared: ``conf/*/exports/*.yml``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.errors import FieldError
from schemas.measured import Name
from schemas.sources import IdentifierType

RecipeName = Literal[
    "tencent_md5", "sha256_e164", "sha256_e164_digits", "sha256_email", "raw"
]
PersonColumn = Literal["one_id", "person_no"]
LEAST_ROWS = 1_000


class Hashed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One type of identifier and what is made of it before it leaves."""

    type: IdentifierType
    recipe: RecipeName
    """tencent_md5: MD5 as Tencent Ads wants it of each type; sha256_e164: SHA-256 of the phone with
    plus sign and country code, sha256_e164_digits: without the plus sign; sha256_email: SHA-256 of
    the lower-cased address; raw: the clear value, only for destinations that are inside."""
    column: Name | None = None
    """Its column in the files; TYPE_RECIPE when absent."""

    @property
    def name(self) -> str:
        """Its column in the files."""
        return self.column or f"{self.type}_{self.recipe}"


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which members leave, as what, by which permission, and where to."""

    name: Name
    audience: Name
    schema_version: Annotated[int, msgspec.Meta(ge=1)] = 1
    """What receivers call this set of columns; raise it with every change of them."""
    format: Literal["csv", "parquet"]
    gzip: bool = False
    """csv: each part as .gz; parquet: its columns compressed."""
    header: bool = True
    """Whether a part in csv begins with the names of its columns."""
    identifiers: list[Hashed] = []
    """Identifiers of each member; a member with none of them does not leave."""
    each: Literal["newest", "all"] = "newest"
    """newest: a row per member, with the identifier of each type seen last; all: a row per
    identifier that is the member's alone, in the columns identifier_type, recipe and identifier."""
    person: list[PersonColumn] = []
    """Our own ids of the member; they mean nothing to others."""
    tags: list[Name] = []
    """Tags of the business date."""
    purpose: Literal["export", "advertising", "marketing", "analytics"] = "export"
    """What the member must have allowed; no statement is a no."""
    channel: Literal["sms", "push", "wechat", "any"]
    """Channel for which consent must stand."""
    suppress: list[Name] = []
    """Lists whose persons never leave."""
    rows_per_part: Annotated[int, msgspec.Meta(ge=LEAST_ROWS)] = 1_000_000
    """Rows of every part but the last."""
    delta: bool = False
    """Only what is added and removed since the version that the destination has; the first time,
    and whenever that cannot be told, everything."""
    destinations: list[Name] = []
    """Where it is handed over; without any it stays below the lake."""

    def __post_init__(self) -> None:
        if not (self.identifiers or self.person):
            raise FieldError(
                "rows that say of nobody who it is", field="identifiers",
                expected="`identifiers`, or `person` with one_id or person_no",
            )
        if self.each == "all" and not self.identifiers:
            raise FieldError("there is no identifier to give all of", field="each",
                             expected="each: newest, or `identifiers`")
        twice = {name for name in self.columns if self.columns.count(name) > 1}
        if twice:
            raise FieldError(
                f"two columns are called {min(twice)!r}", field="identifiers",
                expected="each column once", todo="name one otherwise with `column`",
            )

    @property
    def columns(self) -> list[str]:
        """Columns of the files, in order, save the first of a delta."""
        if self.each == "all":
            names = ["identifier_type", "recipe", "identifier"]
        else:
            names = [one.name for one in self.identifiers]
        return [*self.person, *names, *self.tags]
