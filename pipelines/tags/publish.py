"""Publishes the tags of a date: one wide row for every person."""

from __future__ import annotations

from collections.abc import Sequence

from lake.draft import Draft
from pipelines.tags.factory import tag_query
from pipelines.tags.free_queries import require_one_value_each
from pipelines.tags.published.layout import put_values
from pipelines.tags.state import drop_work, refresh_person_measures
from pipelines.tags.vocabulary import ARROW, tag_values_table
from schemas.errors import ConfigError
from schemas.tag_definitions import Tag


def publish_tags(draft: Draft, tags: Sequence[Tag], *, is_direct: bool = False) -> int:
    """Write ``person_measures`` and ``tag_values`` of the draft's date; returns the persons.

    ``tags`` come from ``declared``; ``partials``, ``persons``, ``bundle_persons`` and
    ``model_scores`` of the draft are read; with ``is_direct`` the sources' rows, whatever the
    released state holds. ConfigError when a tag has changed its type.
    """
    _require_same_types(draft, tags)
    day = draft.business_date
    try:
        refresh_person_measures(draft, tags, is_direct=is_direct)
        for tag in tags:
            if tag.sql is not None:
                require_one_value_each(draft.session, tag, day)
        query = tag_query(tags, day, "work_measures").sql(dialect="duckdb")
        return put_values(draft, tags, query)
    finally:
        drop_work(draft)


def _require_same_types(draft: Draft, tags: Sequence[Tag]) -> None:
    if draft.parent is None:
        return
    released = draft.parent.schema("tag_values")
    types = {kind: name for name, kind in ARROW.items()}
    for field in tag_values_table(tags).schema:
        known = released.field(field.name).type if field.name in released.names else field.type
        if known != field.type:
            raise ConfigError(
                f"the tag {field.name} changed its type", expected=types.get(known, str(known)),
                got=types.get(field.type, str(field.type)), where=f"tag {field.name}",
                todo="give the new meaning a new name; published dates keep the old one",
            )
