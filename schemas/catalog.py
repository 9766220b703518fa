"""Every table of the lake, by name."""

from __future__ import annotations

import pyarrow as pa

from schemas import erasures, events, identity, lists, releases, tags
from schemas.errors import NotFoundError
from schemas.table import Table

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        events.DELIVERIES,
        events.QUARANTINE,
        events.REPLAYS,
        events.EVENTS,
        events.ORDER_LINES,
        events.CONVERSATIONS,
        events.CONSENTS,
        events.PRODUCTS,
        identity.IDENTIFIERS,
        identity.BUNDLES,
        identity.SIGHTINGS,
        identity.IDENTITY_DECISIONS,
        identity.SCREENED,
        identity.RAW_COMPONENTS,
        identity.TENURES,
        identity.LINKS,
        identity.PERSONS,
        identity.PERSON_NUMBERS,
        identity.BUNDLE_PERSONS,
        identity.IDENTITY_MOVES,
        identity.IDENTITY_CHANGES,
        identity.IDENTITY_RUNS,
        identity.IDENTITY_HEALTH,
        tags.PARTIALS,
        tags.PARTIAL_VALUES,
        tags.PARTIAL_MEASURES,
        tags.PERSON_MEASURES,
        tags.MODEL_SCORES,
        tags.MODEL_HEALTH,
        tags.TAG_VALUES,
        tags.TAG_VALUES_SPARSE,
        tags.TAG_COVERAGE,
        tags.TAG_BITMAPS,
        tags.TAG_DEFINITIONS,
        lists.LIST_MEMBERS,
        tags.AUDIENCE_MEMBERS,
        erasures.ERASED,
        erasures.SUPPRESSIONS,
        erasures.BIRTH_TOMBSTONES,
        releases.RELEASES,
    )
}


def table(name: str) -> Table:
    """The table called ``name``; NotFoundError names those that exist."""
    if name not in TABLES:
        raise NotFoundError(
            f"there is no table {name!r}",
            expected="one of " + ", ".join(TABLES),
            got=name,
            todo="see `guiyi table list`",
        )
    return TABLES[name]


def is_varied(name: str, schema: pa.Schema) -> bool:
    """Whether ``schema`` has columns beyond those declared, which may come and go (tags do)."""
    return bool(set(schema.names) - set(table(name).columns))
