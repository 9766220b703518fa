"""What was known of persons at the end of a date, and what came after: the door to partials.

Nothing else in ``models`` reads partials.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import date, timedelta

from lake.draft import Draft
from pipelines.tags import as_of
from schemas.model_definitions import Feature


def person_partials(
    draft: Draft, wanted: Iterable[Feature]
) -> AbstractContextManager[str]:
    """The name of a table of what partials hold for ``wanted``, by person, while it is open."""
    return as_of.person_partials(draft, list(wanted))


def unmeasured(draft: Draft, wanted: Iterable[Feature]) -> list[str]:
    """Names of the features that the draft's partials do not hold."""
    return as_of.unmeasured(draft, wanted)


def features(relation: str, wanted: Mapping[str, Feature], day: date) -> str:
    """A query of ``one_id`` and a number per entry of ``wanted``, as of the end of ``day``.

    A row for each person of ``relation``; a yes is 1, what is not known NULL.
    """
    columns = ", ".join(f'CAST("{name}" AS DOUBLE) AS "{name}"' for name in wanted)
    return f"SELECT one_id, {columns} FROM ({as_of.values_on(relation, wanted, day)})"


def outcome(relation: str, event: Feature, day: date, horizon_days: int) -> str:
    """A query of the ``one_id`` of all who had the event in the horizon after ``day``."""
    last = day + timedelta(days=horizon_days)
    return as_of.came_between(relation, event, day, last)
