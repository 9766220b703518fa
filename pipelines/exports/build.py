"""One version of an export: who leaves, written part by part, and the manifest that counts them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import msgspec

from lake import export_parts
from lake.engines.duckdb import Session
from lake.exports import Writing
from pipelines.exports import members, rows
from pipelines.exports.delta import CHANGE, Given, delta_query, texts
from pipelines.exports.recipes import RECIPES
from schemas.destinations import Destination
from schemas.errors import ConfigError
from schemas.exports import Export
from schemas.tag_definitions import Tag

BATCH_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Asked:
    """Which version of an export is asked for."""

    recipe: Export
    audience_version: str
    business_date: date
    cut: datetime
    release_no: int
    base: str | None = None
    """The version that the receiver has; the files then hold what has changed since."""

    @property
    def version(self) -> str:
        """Business date and a fingerprint of all that decides over the files."""
        where_to = ("destinations", "delta")
        recipe = {k: v for k, v in msgspec.to_builtins(self.recipe).items() if k not in where_to}
        asked = [self.audience_version, str(self.business_date), self.release_no, self.base]
        text = msgspec.json.encode([recipe, *asked], order="sorted")
        return f"{self.business_date}-{hashlib.sha256(text).hexdigest()[:16]}"


def recipe_version(recipe: Export) -> str:
    """A fingerprint of what ``recipe`` says of its files, in 16 hexadecimal digits."""
    said = {k: v for k, v in msgspec.to_builtins(recipe).items() if k != "destinations"}
    return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()[:16]


def check(recipe: Export, tags: Sequence[Tag], destinations: Sequence[Destination]) -> None:
    """ConfigError unless recipes take their types, tags exist, and clear values stay inside."""
    where = f"export {recipe.name}"
    known = {tag.name for tag in tags}
    for name in recipe.tags:
        if name not in known:
            raise ConfigError(
                f"there is no tag {name!r}", expected="one of " + ", ".join(sorted(known)),
                got=name, where=where, todo="mend the list of tags",
            )
    places = {one.name: one for one in destinations}
    for name in recipe.destinations:
        if name not in places:
            raise ConfigError(
                f"there is no destination {name!r}",
                expected="one of " + ", ".join(sorted(places)) if places else "a declared one",
                got=name, where=where, todo="declare it in conf/local/destinations",
            )
    for one in recipe.identifiers:
        chosen = RECIPES[one.recipe]
        chosen.form(one.type, "value")
        outside = [name for name in recipe.destinations if not places[name].inside]
        if chosen.is_clear and outside:
            raise ConfigError(
                f"clear values of {one.type} would go to {outside[0]}",
                expected="a destination with `inside: true`, or a recipe that hashes",
                got=f"recipe: {one.recipe}", where=where,
            )


def write(
    session: Session, draft: Writing, asked: Asked, member_query: str, chain: Sequence[Given] = ()
) -> dict[str, Any]:
    """Write the parts into ``draft`` and return their manifest.

    ``session`` shows the release (with sparse tags), ``member_query`` gives ``one_id, person_no``
    of the audience, ``chain`` is what the receiver has of an ``asked.base``, oldest first.
    """
    recipe = asked.recipe
    with _in_order(session):
        counts = members.choose(session, recipe, member_query, asked.business_date, asked.cut)
        query = rows.row_query(recipe, asked.business_date)
        types = rows.column_types(session, query)
        if chain:
            if recipe.format == "csv":
                query, types = texts(query, types)
            query = delta_query(session, query, types, chain)
            types = {CHANGE: "VARCHAR"} | types
        count = _parts(session, draft, recipe, query, types)
        changes = _changes(session) if chain else None
        members.drop(session)
    kinds = {"kind": "delta", "changes": changes} if chain else {"kind": "full"}
    return {
        "export": recipe.name, "version": asked.version, "schema_version": recipe.schema_version,
        "audience": recipe.audience, "audience_version": asked.audience_version,
        "business_date": asked.business_date.isoformat(), "release": asked.release_no,
        "base": asked.base if chain else None, **kinds,
        "recipe": msgspec.to_builtins(recipe),
        "columns": [{"name": name, "type": kind} for name, kind in types.items()],
        "counts": asdict(counts), "rows": count, "parts": draft.parts,
    }


def _parts(
    session: Session, draft: Writing, recipe: Export, query: str, types: dict[str, str]
) -> int:
    if recipe.format == "csv":
        text = rows.line_query(query, types, rows.simple_columns(recipe))
        lines = session.con.sql(text).to_arrow_reader(BATCH_ROWS)
        first = rows.header(list(types)) if recipe.header else ""
        return export_parts.write_csv(draft, lines, first, recipe.rows_per_part, recipe.gzip)
    reader = session.con.sql(query).to_arrow_reader(BATCH_ROWS)
    repeating = [name for name in types if name in recipe.tags or name == CHANGE]
    return export_parts.write_parquet(draft, reader, recipe.rows_per_part, recipe.gzip, repeating)


def _changes(session: Session) -> dict[str, int]:
    """Rows added and removed."""
    had, now, both = session.rows(
        """SELECT (SELECT count(*) FROM export_had), (SELECT count(*) FROM export_now),
        (SELECT count(*) FROM (SELECT * FROM export_had INTERSECT ALL SELECT * FROM export_now))"""
    )[0]
    session.execute("DROP TABLE export_had; DROP TABLE export_now")
    return {"added": int(str(now)) - int(str(both)), "removed": int(str(had)) - int(str(both))}


@contextmanager
def _in_order(session: Session) -> Iterator[None]:
    """Rows come out as ORDER BY has put them, also through a projection above it."""
    session.execute("SET preserve_insertion_order = true")
    try:
        yield
    finally:
        session.execute("SET preserve_insertion_order = false")
