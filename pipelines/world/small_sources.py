"""Sources of one small file a day: rows with their identifiers, cut into delivered files."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from datetime import date
from random import Random

from pipelines.world.files import Counted, RawFile, next_day_at
from pipelines.world.spoils import Spoiled, draw_reason, spoil

Identifier = tuple[str, str]


@dataclass(slots=True)
class Row:
    """One record of a small source; `day` names its file, `ids` stand on it."""

    event_id: str
    person: int
    at: int
    day: date
    ids: tuple[Identifier, ...]
    text: str
    is_spoiled: bool = False


@dataclass(slots=True)
class SmallSource:
    """A small source's rows and files, with the truth of both."""

    source: str
    rows: list[Row]
    files: list[RawFile] = field(default_factory=list)
    spoiled: list[Spoiled] = field(default_factory=list)
    counted: list[Counted] = field(default_factory=list)


def cut_days(
    source: str, rows: list[Row], random: Random, share: float, header: str = "",
    hour: int = 2, minute: int = 30,
) -> SmallSource:
    """Return rows cut into one file a day, a share of the lines malformed."""
    cut = SmallSource(source, rows)
    days: dict[date, list[Row]] = {}
    for row in sorted(rows, key=lambda one: (one.at, one.event_id)):
        days.setdefault(row.day, []).append(row)
    for day, members in sorted(days.items()):
        path = f"{source}/{day}.{'csv' if header else 'jsonl'}"
        lines = [header.encode()] if header else []
        for row in members:
            line = row.text.encode()
            if random.random() < share:
                row.is_spoiled = True
                reason = draw_reason(source, random)
                line = spoil(source, line, reason)
                cut.spoiled.append(Spoiled(source, path, len(lines) + 1, reason))
            lines.append(line)
        delivered_at = next_day_at(day, hour, minute)
        cut.files.append(RawFile(source, path, delivered_at, b"\n".join(lines) + b"\n"))
        cut.counted.append(Counted(source, path, len(members)))
    return cut


def csv_text(rows: list[list[object]]) -> str:
    """Return CSV text with LF and quotes only where needed."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
