"""Puts facts and pictures into the page: one HTML document that needs nothing from outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from console.report import flow, pictures
from console.report.facts import Changes, DayOfSource, Refusal, ReportFacts

INITIAL = 5
"""A first publication this many times larger than any later one is told in words, not drawn."""


@dataclass(frozen=True, slots=True)
class Account:
    """Rows of one source, or of all: ``days`` are its deliveries."""

    name: str
    rows: int
    events: int
    quarantined: int
    duplicates: int
    days: tuple[DayOfSource, ...] = ()

    @property
    def is_balanced(self) -> bool:
        """Whether rows = events + quarantined + duplicates."""
        return self.rows == self.events + self.quarantined + self.duplicates


def render(facts: ReportFacts) -> str:
    """The report as one HTML page: no network, no script, light and dark."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=_count, share=_share, day=_day, instant=lambda at: _instant(at, facts.zone)
    )
    accounts = [_account(name, days) for name, days in _by_source(facts.deliveries)]
    later = _drawn(facts.changes)
    style = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html").render(
        facts=facts,
        style=Markup(style),
        total=_account("all sources", facts.deliveries),
        accounts=accounts,
        identifiers=sum(size.identifiers * size.count for size in facts.person_sizes),
        first=facts.changes[0] if len(later) < len(facts.changes) else None,
        pictures=_pictures(facts, later),
        refused=sum(refusal.count for refusal in facts.refusals),
        reasons=_reasons(facts.refusals),
        handled=[trap for trap in facts.traps if trap.count_handled is not None],
        laid=[trap for trap in facts.traps if trap.count_handled is None],
    )


def _pictures(facts: ReportFacts, later: Sequence[Changes]) -> dict[str, Markup]:
    drawn: dict[str, str] = {}
    if facts.deliveries:
        drawn["flow"] = flow.picture(facts.deliveries)
    if facts.person_sizes:
        drawn["person_sizes"] = pictures.person_sizes(facts.person_sizes)
    if later:
        drawn["changes"] = pictures.changes(later)
    for tag in facts.tags:
        if tag.kind == "number" and tag.bins:
            drawn[f"tag_{tag.name}"] = pictures.histogram(tag)
    for summary in facts.models:
        drawn[f"model_{summary.name}"] = pictures.model(summary)
    for audience in facts.audiences:
        if len(audience.sizes) > 1:
            drawn[f"audience_{audience.name}"] = pictures.audience_sizes(
                audience.name, audience.sizes
            )
    if facts.evaluation:
        drawn["evaluation"] = pictures.evaluation(facts.evaluation)
    return {name: Markup(text) for name, text in drawn.items()}


def _by_source(deliveries: Sequence[DayOfSource]) -> list[tuple[str, tuple[DayOfSource, ...]]]:
    return [(name, tuple(days)) for name, days in groupby(deliveries, key=lambda row: row.source)]


def _account(name: str, days: Sequence[DayOfSource]) -> Account:
    return Account(
        name,
        sum(day.count_rows for day in days),
        sum(day.count_events for day in days),
        sum(day.count_quarantined for day in days),
        sum(day.count_duplicates for day in days),
        tuple(days),
    )


def _reasons(refusals: Sequence[Refusal]) -> list[tuple[str, int]]:
    counted: Counter[str] = Counter()
    for refusal in refusals:
        counted[refusal.reason.replace("_", " ")] += refusal.count
    return counted.most_common()


def _drawn(changes: Sequence[Changes]) -> Sequence[Changes]:
    """The publications worth one scale: without a first load that would dwarf the others."""
    if len(changes) < 2:
        return ()
    most = max(change.created for change in changes[1:])
    return changes[1:] if changes[0].created > INITIAL * max(most, 1) else changes


def _count(number: int) -> str:
    return f"{number:,}"


def _share(part: float, whole: float = 1) -> str:
    """A share as a percentage that is never rounded to nothing or to all."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 0.05:
        return "<\u202f0.1\u202f%"
    if 99.95 <= percent < 100:
        return ">\u202f99.9\u202f%"
    return f"{percent:.1f}\u202f%"


def _day(day: date) -> str:
    return day.isoformat()


def _instant(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
