"""Why somebody is in an audience, or is not: each part of its tree, with the person's values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.hold_out import is_held_out
from pipelines.audiences import sequences
from pipelines.audiences.compile import Base, Day, on_list, tag_column
from pipelines.audiences.selector import Selector
from pipelines.audiences.tree import (
    AudienceLeaf,
    DidLeaf,
    Group,
    Node,
    Resolved,
    SequenceLeaf,
    TagLeaf,
    leaves,
)
from pipelines.audiences.words import phrase
from schemas.audiences import Audience, Condition
from schemas.audiences import Sequence as Steps
from schemas.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Verdict:
    """One part of an audience: whether it holds of a person (None: unknown), and by which values.

    ``parts`` are the verdicts that it is made of, in the order of the definition.
    """

    text: str
    holds: bool | None
    values: dict[str, Any] = field(default_factory=dict)
    parts: tuple[Verdict, ...] = ()


def explain(selector: Selector, audience: Audience | str, person_no: int) -> Verdict:
    """Why the person is in the audience, or is not.

    ``parts``: the tree, then each list, the hold-out and the top, where it has them. A sequence
    has the times (UTC) of the steps that were done last. NotFoundError for a person that the date
    does not have.
    """
    if person_no not in selector.bitmaps.everyone():
        raise NotFoundError(
            f"no person of {selector.date} has the number {person_no}",
            expected="the person_no of a person of that date", got=str(person_no),
            todo="see `guiyi explain person`",
        )
    found: dict[str, Verdict] = {}
    for one in selector.resolve(audience):
        found[one.audience.name] = _Person(selector, person_no, found).of_audience(one)
    return found[one.audience.name]


@dataclass(slots=True)
class _Person:
    """One person's verdicts; ``others`` are those of the audiences that this one stands on."""

    selector: Selector
    person_no: int
    others: Mapping[str, Verdict]

    @property
    def day(self) -> Day:
        """The date, narrowed down to the person."""
        return dataclasses.replace(self.selector.day, person_no=self.person_no)

    def of_audience(self, one: Resolved) -> Verdict:
        """The tree and all that stands beside it."""
        audience, told = one.audience, self._told(one)
        labels = {tag.name: tag.label for tag in self.selector.tags}
        query = self._walk(one.node, audience.query, told, labels, iter(range(len(told))))
        included = [self._listed(name, "or on the list") for name in audience.include]
        beside = [self._listed(name, "not on the list") for name in audience.exclude]
        if audience.hold_out is not None:
            chance = audience.hold_out
            is_out = is_held_out(self.person_no, chance.seed, chance.share)
            beside.append(Verdict(f"not held out by chance ({chance.share:.4g})", not is_out))
        holds = any(part.holds is True for part in (query, *included))
        holds = holds and all(part.holds is True for part in beside)
        if audience.top is not None and one.top is not None:
            top = audience.top
            # Who is left is ordered as a whole, so that the members are asked for.
            holds = holds and self.selector.contains(audience, self.person_no)
            text = f"among the {top.n} {top.order} by {labels.get(top.by, top.by)}"
            beside.append(Verdict(text, holds, {top.by: told[tag_column(one.top)]}))
        return Verdict(audience.label, holds, {}, (query, *included, *beside))

    def _told(self, one: Resolved) -> dict[str, Any]:
        """The person's values, and which leaves hold, by the columns of one row."""
        base = Base(self.day)
        base.add(one.node)
        if one.top is not None:
            base.tags[one.top.name] = one.top
        ends = [leaf for leaf in leaves(one.node) if isinstance(leaf, (TagLeaf, DidLeaf))]
        holds = "".join(f', {base.holds(leaf)} AS "holds {n}"' for n, leaf in enumerate(ends))
        query = f"SELECT *{holds} FROM ({base.sql()})"
        row: dict[str, Any] = self.selector.session.table(query).to_pylist()[0]
        return row | {f"at {n}": base.value(leaf) for n, leaf in enumerate(ends)}

    def _walk(
        self, node: Node, rule: Condition, told: Mapping[str, Any], labels: Mapping[str, str],
        places: Iterator[int],
    ) -> Verdict:
        if isinstance(node, Group):
            parts = tuple(
                self._walk(part, inner, told, labels, places)
                for part, inner in zip(node.parts, rule.rules or [], strict=True)
            )
            return Verdict(_group_text(node), _joined(node, parts), {}, parts)
        text = phrase(rule, labels)
        if isinstance(node, AudienceLeaf):
            other = self.others[node.name]
            return Verdict(text, other.holds, {}, (other,))
        if isinstance(node, SequenceLeaf):
            times = self._times(node.sequence)
            return Verdict(text, bool(times), times)
        place = next(places)
        value = told[told[f"at {place}"]]
        name = node.tag.name if isinstance(node, TagLeaf) else str(node.definition.measure)
        return Verdict(text, told[f"holds {place}"], {name: value})

    def _listed(self, name: str, text: str) -> Verdict:
        is_on = bool(self.selector.session.rows(
            f"SELECT 1 FROM (SELECT {self.person_no} AS person_no) WHERE {on_list(name, self.day)}"
        ))
        return Verdict(f"{text} {name}", is_on if text.startswith("or") else not is_on)

    def _times(self, sequence: Steps) -> dict[str, Any]:
        """When each step was done, of the last time that all were; empty when never."""
        query = sequences.rows(sequence, self.day.date, self.day.end, self.day.bundles)
        rows = self.selector.session.table(f"SELECT * FROM ({query}) ORDER BY place").to_pylist()
        last = [n for n, row in enumerate(rows) if row["is_done"]]
        if not last:
            return {}
        place, found = last[-1], list[int]()
        for number in range(len(sequence.steps), 0, -1):
            # The last that came to the step leaves most time: the first that did may be too old.
            before = [n for n, row in enumerate(rows[: place + 1]) if row[f"did_{number}"]]
            place = before[-1] - 1
            found.append(rows[before[-1]]["at_us"])
        return {f"step {n}": _moment(at) for n, at in enumerate(reversed(found), 1)}


def _group_text(node: Group) -> str:
    joined = "any of" if node.is_or else "all of"
    return f"not {joined}" if node.is_not else joined


def _joined(node: Group, parts: Sequence[Verdict]) -> bool | None:
    """What a group makes of true, false and unknown."""
    said, decisive = [part.holds for part in parts], node.is_or
    if decisive in said:
        holds: bool | None = decisive
    else:
        holds = None if None in said else not decisive
    return holds if holds is None else holds is not node.is_not


def _moment(at_us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
