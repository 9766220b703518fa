"""Publishes the tags of a date: one wide row for every person."""

from __future__ import annotations

from collections.abc import Sequence

from lake.draft import Draft
from pipelines.tags.factory import tag_query
from pipelines.tags.partials import person_partials_sql
from pipelines.tags.vocabulary import tag_values_table
from schemas.errors import ConfigError
from schemas.tag_definitions import Tag

_REGROUPED = "regrouped_partials"


def publish_tags(draft: Draft, tags: Sequence[Tag]) -> int:
    """Write ``tag_values`` of the draft's date; returns the number of persons.

    ``tags`` come from ``declared``; ``partials``, ``persons``, ``bundle_persons`` and
    ``model_scores`` of the draft are read. ConfigError when a tag has changed its type.
    """
    table = tag_values_table(tags)
    _require_same_types(draft, tags)
    day = draft.business_date
    draft.session.execute(f"CREATE TEMP VIEW {_REGROUPED} AS {person_partials_sql(day)}")
    query = tag_query(tags, day, _REGROUPED).sql(dialect="duckdb")
    rows = draft.replace_dates("tag_values", [day], query, table=table)
    draft.session.execute(f"DROP VIEW {_REGROUPED}")
    return rows


def _require_same_types(draft: Draft, tags: Sequence[Tag]) -> None:
    if draft.parent is None:
        return
    released = draft.parent.schema("tag_values")
    for field in tag_values_table(tags).schema:
        known = released.field(field.name).type if field.name in released.names else field.type
        if known != field.type:
            raise ConfigError(
                f"the tag {field.name} changed its type", expected=str(known),
                got=str(field.type), where=f"tag {field.name}",
                todo="give the new meaning a new name; published dates keep the old one",
            )
