"""The gate of published tags: a tag that moved too far since the last date stops the release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import sqrt
from typing import Any

from pipelines.tags.vocabulary import references
from pipelines.tags.windows import beginning
from schemas.errors import ConfigError, QualityError
from schemas.tag_bounds import TagBounds
from schemas.tag_definitions import Tag
from schemas.windows import Window

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Jump:
    """What of a tag moved, by how much, and how much it might have."""

    tag: str
    says: str


def jumps(bounds: TagBounds, tags: Sequence[Tag], rows: Iterable[Row]) -> list[Jump]:
    """The tags of ``rows`` (of ``tag_coverage``, with their changes) that moved beyond bounds.

    A tag without an earlier date is not looked at, nor one whose calendar window has begun anew
    since. Bounds are those of a day, and grow with the square root of the days between, as
    moves that are independent of each other add up.
    """
    found = []
    accepted = {(one.tag, one.date) for one in bounds.accepted}
    for row in rows:
        day, since = row["business_date"], row.get("previous_date")
        if since is None or (row["tag"], day) in accepted:
            continue
        if row["tag"] in _begun_anew(tags, since, day):
            continue
        for says in _moves(row, bounds, sqrt((day - since).days)):
            found.append(Jump(row["tag"], says))
    return found


def _moves(row: Row, bounds: TagBounds, longer: float) -> Iterable[str]:
    known, apart = (round(bound * longer, 6) for bound in bounds.of(row["tag"]))
    now, moved = row["share_known"], row["share_known_change"]
    then = round(now - moved, 6)
    # Of the larger of the two, so that a tag that few have is watched as one that all have.
    turned = round(abs(moved) / (max(then, now) or 1), 6)
    if turned > known and abs(moved) * row["count_persons"] >= bounds.min_persons:
        yield (
            f"known of {now:.1%} of persons, {then:.1%} on {row['previous_date']}: "
            f"{turned:.3f} of them is over {known:.3f}"
        )
    moved = row.get("distance") or 0.0
    if moved > apart and moved * row["count_known"] >= bounds.min_persons:
        yield (
            f"{moved:.1%} of the known changed value or range since "
            f"{row['previous_date']}: {moved:.3f} is over {apart:.3f}"
        )


def require_steady(found: Sequence[Jump], day: date, spreads: Mapping[str, str]) -> None:
    """QualityError (exit 3) that names every jump; ``spreads`` say by tag what moved most."""
    if not found:
        return
    names = list(dict.fromkeys(jump.tag for jump in found))
    told = [
        f"{jump.tag}: {jump.says}{spreads.get(jump.tag, '') if 'changed' in jump.says else ''}"
        for jump in found
    ]
    raise QualityError(
        f"{len(names)} tags jumped beyond their bounds; nothing was published",
        expected="what moves less than tag_bounds.yml allows",
        got="; ".join(told),
        where=f"tags {', '.join(names)} on {day}",
        todo="look at the deliveries of the day (`guiyi quarantine list`) and at the definitions "
        "that changed. Where it is right, add to `accepted` in conf/base/tag_bounds.yml, commit, "
        f"run again: {{tag: {names[0]}, date: {day}, why: …}}",
    )


def largest_moves(labels: Sequence[str], then: Sequence[int], now: Sequence[int]) -> str:
    """The three bins that gained or lost most, as a part of a sentence."""
    sums = max(sum(then), 1), max(sum(now), 1)
    shares = [(a / sums[0], b / sums[1]) for a, b in zip(then, now, strict=True)]
    named = sorted(zip([*labels, "(other)"], shares, strict=True), key=_by_move)[:3]
    return "".join(f", {label} {a:.1%} → {b:.1%}" for label, (a, b) in named)


def _by_move(one: tuple[str, tuple[float, float]]) -> tuple[float, str]:
    label, (then, now) = one
    return -abs(then - now), label


def require_known_tags(bounds: TagBounds, tags: Sequence[Tag]) -> None:
    """ConfigError for bounds of a tag that is not declared; a jump once accepted may outlive it."""
    known = {tag.name for tag in tags}
    for name in bounds.tags:
        if name not in known:
            raise ConfigError(
                f"there is no tag {name!r}", expected="one of " + ", ".join(sorted(known)),
                got=name, where="tag_bounds.yml, tags", todo="name a declared tag, or take it out",
            )


def _begun_anew(tags: Sequence[Tag], since: date, day: date) -> set[str]:
    """Tags with a calendar window that began between the dates, and those made of them."""
    found: set[str] = set()
    for tag in tags:
        window = tag.window if isinstance(tag.window, Window) else None
        unit = (window.this or window.previous) if window else None
        # A day begins anew every day: its tags are held to the bounds like any other.
        unit = None if unit == "day" else unit
        turned = unit is not None and beginning(since, unit) != beginning(day, unit)
        if turned or references(tag) & found:
            found.add(tag.name)
    return found
