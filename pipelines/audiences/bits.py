"""The bitmap plan: an audience from the published bitmaps of its tags, without reading a row.

Who fulfils a tree and who fails it are two sets, and who is in neither is unknown: `not` takes the
other set. Each is only made where it is asked for. What people did is asked of SQL, once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyroaring import AbstractBitMap, BitMap

from domain.hold_out import held_out_sql
from lake.engines.duckdb import Session
from pipelines.audiences import sequences, values
from pipelines.audiences.compile import Day, measured, on_list
from pipelines.audiences.tree import (
    AudienceLeaf,
    DidLeaf,
    Group,
    Node,
    Resolved,
    SequenceLeaf,
    TagLeaf,
)
from pipelines.tags.cells import cells_of, value
from pipelines.tags.published import TagBitmaps
from pipelines.tags.published.coded import whole
from pipelines.tags.published.containers import of_sorted
from pipelines.tags.published.ranked import first_by

MOST_HELD = 64
"""Answers of SQL that are held at most."""
Sides = tuple[AbstractBitMap, AbstractBitMap]


@dataclass(slots=True)
class Bits:
    """Evaluates audiences of one date; ``of_audience`` gives the members of another by name."""

    session: Session
    bitmaps: TagBitmaps
    day: Day
    of_audience: Callable[[str], AbstractBitMap]
    _held: dict[str, Sides] = field(default_factory=dict)

    def members(self, resolved: Resolved) -> AbstractBitMap:
        """Who is in the audience; nobody may change the answer."""
        audience = resolved.audience
        found = self.side(resolved.node, wanted=True)
        for name in audience.include:
            found = found | self.on_list(name)
        for name in audience.exclude:
            found = found - self.on_list(name)
        if audience.hold_out is not None:
            found = found - self._held_out(found, audience.hold_out.seed, audience.hold_out.share)
        if audience.top is not None and resolved.top is not None:
            is_highest = audience.top.order == "highest"
            bits = self.bitmaps.tag(self.day.column(resolved.top))
            found = first_by(bits, found, audience.top.n, is_highest=is_highest)
        return found

    def side(self, node: Node, *, wanted: bool) -> AbstractBitMap:
        """Who fulfils the tree, or, unless ``wanted``, who fails it."""
        if isinstance(node, Group):
            is_true = wanted is not node.is_not
            if node.is_or is is_true:
                return union([self.side(part, wanted=is_true) for part in node.parts])
            return intersection(self._parts(node, wanted=is_true))
        if isinstance(node, TagLeaf):
            operator = node.test.operator if wanted else values.OPPOSITE[node.test.operator]
            return self.bitmaps.where(self.day.column(node.tag), operator, node.test.value)
        if isinstance(node, DidLeaf):
            return self._did(node)[0 if wanted else 1]
        inside = self._whole(node)
        return inside if wanted else self.bitmaps.everyone() - inside

    def count(self, resolved: Resolved) -> int:
        """How many are in the audience; the last set of a group is met without being made."""
        audience, node = resolved.audience, resolved.node
        is_more = audience.include or audience.exclude or audience.hold_out or audience.top
        if is_more or not isinstance(node, Group) or node.is_or is not node.is_not:
            return len(self.members(resolved))
        *others, last = self._parts(node, wanted=not node.is_not)
        return intersection(others).intersection_cardinality(last) if others else len(last)

    def _parts(self, node: Group, *, wanted: bool) -> list[AbstractBitMap]:
        """One side of each part, the smallest first; nothing more once one is empty."""
        found: list[AbstractBitMap] = []
        for part in sorted(node.parts, key=self._cost):
            found.append(self.side(part, wanted=wanted))
            if not found[-1]:
                return found[-1:]
        return sorted(found, key=len)

    def _cost(self, node: Node) -> int:
        """What is at hand comes before what must be put together."""
        if isinstance(node, TagLeaf):
            return int(self.bitmaps.tag(self.day.column(node.tag)).form == "slices")
        return 2 * isinstance(node, Group)

    def _whole(self, node: SequenceLeaf | AudienceLeaf) -> AbstractBitMap:
        if isinstance(node, AudienceLeaf):
            return self.of_audience(node.name)
        query = sequences.members(node.sequence, self.day.date, self.day.end, self.day.bundles)
        return self._asked(query, lambda: (self._persons(query), BitMap()))[0]

    def on_list(self, name: str) -> AbstractBitMap:
        """Who is on a list."""
        query = f"SELECT person_no FROM tag_values WHERE {on_list(name, self.day)}"
        query += f" AND business_date = DATE '{self.day.date}'"
        return self._asked(query, lambda: (self._persons(query), BitMap()))[0]

    def _did(self, leaf: DidLeaf) -> Sides:
        """Who did and who did not; the many without a row are told by what nothing gives."""
        query = _verdicts(leaf, self.day)
        return self._asked(query, lambda: self._sides(leaf, query))

    def _sides(self, leaf: DidLeaf, query: str) -> Sides:
        rows = self.session.table(query)
        numbers = rows["person_no"].to_numpy()
        verdicts = whole(rows["holds"])
        everyone = self.bitmaps.everyone()
        yes = self._bitmap(numbers[_flags(verdicts, wanted=True)]) & everyone
        no = self._bitmap(numbers[_flags(verdicts, wanted=False)]) & everyone
        ((of_nothing,),) = self.session.rows(_of_nothing(leaf, self.day))
        if of_nothing is not None:
            others = everyone - self._bitmap(numbers)
            return (yes | others, no) if of_nothing else (yes, no | others)
        return yes, no

    def _held_out(self, persons: AbstractBitMap, seed: str, share: float) -> AbstractBitMap:
        self.session.register("persons_by_chance", pa.table({"person_no": as_array(persons)}))
        try:
            return self._persons(
                "SELECT person_no FROM persons_by_chance WHERE "
                + held_out_sql("person_no", seed, share)
            )
        finally:
            self.session.execute("DROP VIEW persons_by_chance")

    def _persons(self, query: str) -> AbstractBitMap:
        numbers = self.session.table(query)["person_no"].to_numpy()
        return self._bitmap(numbers) & self.bitmaps.everyone()

    def _bitmap(self, numbers: NDArray[Any]) -> BitMap:
        if not len(numbers):
            return BitMap()
        return of_sorted(np.sort(numbers), int(numbers.max()) + 1)

    def _asked(self, query: str, ask: Callable[[], Sides]) -> Sides:
        if query not in self._held:
            while len(self._held) >= MOST_HELD:
                self._held.pop(next(iter(self._held)))
            self._held[query] = ask()
        return self._held[query]


def union(parts: list[AbstractBitMap]) -> AbstractBitMap:
    """All who are in any of the sets."""
    return parts[0] if len(parts) == 1 else BitMap.union(*parts)


def intersection(parts: list[AbstractBitMap]) -> AbstractBitMap:
    """All who are in each of the sets, which are met in their order."""
    found = parts[0]
    for number, part in enumerate(parts[1:]):
        # The first is somebody else's; what was made of it is changed in place.
        if number:
            found &= part
        else:
            found = found & part
    return found


def as_array(persons: AbstractBitMap) -> pa.Array:
    """The numbers of persons, rising."""
    return pa.array(np.frombuffer(persons.to_array(), dtype=np.uint32))


def _flags(verdicts: pa.Array, *, wanted: bool) -> NDArray[np.bool_]:
    said = verdicts if wanted else pc.invert(verdicts)
    flags: NDArray[np.bool_] = said.fill_null(False).to_numpy(zero_copy_only=False)
    return flags


def _verdicts(leaf: DidLeaf, day: Day) -> str:
    """Who has a row that counts, and whether the leaf holds of them."""
    return (
        f"SELECT person_no, {values.sql(leaf.test, 'did', leaf.type)} AS holds FROM ("
        f"SELECT person_no, {value(leaf.definition, day.date)} AS did "
        f"FROM ({measured([leaf], day)}))"
    )


def _of_nothing(leaf: DidLeaf, day: Day) -> str:
    """What the leaf says of who has no row."""
    cells = ", ".join(f'"{cell.name}"' for cell in cells_of(leaf.definition))
    nothing = f"SELECT {cells} FROM (SELECT 1) LEFT JOIN ({measured([leaf], day)}) ON false"
    return (
        f"SELECT {values.sql(leaf.test, 'did', leaf.type)} FROM "
        f"(SELECT {value(leaf.definition, day.date)} AS did FROM ({nothing}))"
    )

