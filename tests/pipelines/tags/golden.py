"""Golden cases: a person with a few rows, and the value that a tag must give this person.

All cases of a module stand in one lake, a person each, so that a hundred facts cost one release.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from lake.draft import Draft
from pipelines.tags import declared, publish_tags, refresh_partials
from pipelines.tags.cells import all_cells
from pipelines.tags.state import held_cells
from schemas.tag_definitions import Tag, TagFile
from tests import tiny

CLOCK = datetime(2018, 1, 1, tzinfo=UTC)
NOBODY = "who has nothing"
Values = dict[str, dict[str, Any]]
"""Tags by person."""


@dataclass(frozen=True)
class Case:
    """The value of ``tag`` for a person of these rows.

    ``events`` are (time, type, properties), ``lines`` (time, order, paid in fen, product, refunded
    order), as in ``tests.tiny``; times are of ``zone``.
    """

    tag: str
    says: str
    value: Any
    events: Sequence[tuple[Any, ...]] = ()
    lines: Sequence[tuple[Any, ...]] = ()
    zone: str = tiny.ZONE

    @property
    def person(self) -> str:
        """Its ``one_id``."""
        return f"{self.tag}: {self.says}"


def _nothing(_: Draft) -> None:
    pass


@dataclass(frozen=True)
class Golden:
    """The tags and the cases of a module; ``also`` writes what the tags read beside rows."""

    tags: Sequence[Tag]
    cases: Sequence[Case]
    day: date = tiny.DAY
    also: Callable[[Draft], None] = _nothing

    def in_one_release(self, root: Path) -> Values:
        """All rows at once: every cell is computed from events."""
        with tiny.tiny_draft(root, self.day) as draft:
            self._begin(draft)
            return self._publish(draft, slice(None))

    def in_two_releases(self, root: Path) -> Values:
        """Every second row on the day before, the others late: the cells are carried on."""
        with tiny.tiny_draft(root, self.day - timedelta(days=1)) as draft:
            self._begin(draft)
            self._publish(draft, slice(None, None, 2))
            draft.publish("run", "inputs", "rules", lambda: CLOCK)
        with tiny.tiny_draft(root, self.day) as draft:
            cells = all_cells(self.tags)
            assert held_cells(draft, cells) == cells
            return self._publish(draft, slice(1, None, 2))

    def _begin(self, draft: Draft) -> None:
        names = [NOBODY, *(case.person for case in self.cases)]
        assert len(set(names)) == len(names), "two cases say the same"
        tiny.put_products(draft)
        tiny.put_persons(draft, {name: [bundle] for bundle, name in enumerate(names)})

    def _publish(self, draft: Draft, rows: slice) -> Values:
        for zone in sorted({case.zone for case in self.cases}):
            mine = [(n, case) for n, case in enumerate(self.cases, 1) if case.zone == zone]
            events = [(n, *row) for n, case in mine for row in case.events]
            lines = [(n, *row) for n, case in mine for row in case.lines]
            tiny.put_events(draft, events[rows], zone)
            tiny.put_lines(draft, lines[rows])
        self.also(draft)
        tags = declared([TagFile(list(self.tags))])
        refresh_partials(draft, tags)
        publish_tags(draft, tags)
        return tiny.tag_rows(draft)
