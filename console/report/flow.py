"""The picture of rows in and out: one row of panels per source, day by day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from console.report import svg
from console.report.facts import DayOfSource

TOP, BOTTOM, ROW, GAP = 46.0, 30.0, 58.0, 20.0
LEFT, MIDDLE, RIGHT = 205.0, 660.0, 725.0

MANY = 30
"""Days from which on one that stands out is worth a word."""
FAR = 4
"""How many times the usual busy day a day must bring to be cut off."""
APART = 45
"""Days between two numbers in a panel, so that one does not lie upon the other."""

Counts = NDArray[np.float64]


def picture(deliveries: Sequence[DayOfSource]) -> str:
    """Rows per day of delivery, and the share of them not taken, one row of panels per source."""
    sources = [
        (name, list(days)) for name, days in groupby(deliveries, key=lambda row: row.source)
    ]
    first, last = min(row.day for row in deliveries), max(row.day for row in deliveries)
    with svg.style("flow"):
        figure = svg.canvas(TOP + BOTTOM + len(sources) * (ROW + GAP))
        heading = {"fontsize": 12, "color": svg.MUTED}
        svg.text_at(figure, LEFT, 16, "Rows per day of delivery", **heading)
        svg.text_at(figure, RIGHT, 16, "Not taken, % of the day's rows:", **heading)
        svg.text_at(figure, RIGHT, 32, "quarantined", color=svg.QUARANTINED, fontweight="bold")
        svg.text_at(figure, RIGHT + 84, 32, "duplicate", color=svg.DUPLICATES, fontweight="bold")
        for place, (name, days) in enumerate(sources):
            top = TOP + place * (ROW + GAP)
            total = sum(day.count_rows for day in days)
            svg.text_at(figure, 0, top + ROW - 18, name, fontweight="bold", fontsize=12.5)
            svg.text_at(figure, 0, top + ROW - 1, f"{total:,} rows", color=svg.MUTED)
            layers = _layers(days, first, last)
            is_last = place == len(sources) - 1
            left = svg.place(figure, LEFT, top, MIDDLE - LEFT, ROW)
            right = svg.place(figure, RIGHT, top, svg.WIDTH - RIGHT - 16, ROW)
            _stack(left, layers)
            _shares(right, layers, first)
            for axes, room in ((left, 12), (right, 4)):
                _days(axes, first, last, room, labelled=is_last)
        svg.text_at(
            figure, (LEFT + MIDDLE) / 2, TOP + len(sources) * (ROW + GAP) + 20,
            "day of delivery", color=svg.MUTED, ha="center",
        )
        return svg.inline(figure, f"Rows per day of delivery of {len(sources)} sources")


def _layers(days: Sequence[DayOfSource], first: date, last: date) -> dict[str, Counts]:
    length = (last - first).days + 1
    layers = {name: np.zeros(length) for name in ("events", "quarantined", "duplicates")}
    for day in days:
        place = (day.day - first).days
        for name, counts in layers.items():
            counts[place] += getattr(day, f"count_{name}")
    return layers


def _edges(length: int) -> Counts:
    edges: Counts = np.arange(length + 1, dtype=np.float64) - 0.5
    return edges


def _stack(axes: Axes, layers: dict[str, Counts]) -> None:
    below = np.zeros(len(layers["events"]))
    edges = _edges(len(below))
    colours = {
        "events": svg.EVENTS, "duplicates": svg.DUPLICATES, "quarantined": svg.QUARANTINED
    }
    for name, colour in colours.items():
        if layers[name].any():
            above = below + layers[name]
            axes.stairs(above, edges, baseline=below, fill=True, color=colour, linewidth=0)
            below = above
    axes.set_ylim(0, _room(axes, below))
    axes.yaxis.set_major_locator(MaxNLocator(2, integer=True, min_n_ticks=2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(axis="y")


def _room(axes: Axes, rows: Counts) -> float:
    """The panel's height: a few days far above the usual ones are cut off and say their number."""
    busy = rows[rows > 0]
    most, usual = float(rows.max()), float(np.quantile(busy, 0.97)) if len(busy) else 0.0
    if len(busy) < MANY or most <= FAR * usual:
        return most * 1.05 or 1
    height = 2 * usual
    said: list[int] = []
    for place in map(int, np.argsort(-rows, kind="stable")):
        if rows[place] <= height or any(abs(place - other) < APART for other in said):
            continue
        said.append(place)
        is_left = place < 0.9 * len(rows)
        axes.annotate(
            f"↑ {rows[place]:,.0f}", (place, height), (4 if is_left else -4, -9),
            textcoords="offset points", fontsize=11, ha="left" if is_left else "right",
        )
    return height


def _shares(axes: Axes, layers: dict[str, Counts], first: date) -> None:
    rows = sum(layers.values(), np.zeros(len(layers["events"])))
    edges = _edges(len(rows))
    below = np.zeros(len(rows))
    for name, colour in (("quarantined", svg.QUARANTINED), ("duplicates", svg.DUPLICATES)):
        share = np.divide(100 * layers[name], rows, out=np.zeros(len(rows)), where=rows > 0)
        above = below + share
        if share.any():
            axes.stairs(above, edges, baseline=below, fill=True, color=colour, linewidth=0.7)
        below = above
    if not below.any():
        axes.text(
            0.0, 0.12, "every row was taken", transform=axes.transAxes, color=svg.MUTED,
            fontsize=11.5,
        )
        axes.set_yticks([])
        axes.set_ylim(0, 1)
        return
    axes.set_ylim(0, float(below.max()) * 1.08)
    _name_peak(axes, below, first)
    axes.yaxis.set_major_locator(MaxNLocator(2, min_n_ticks=2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%"))
    axes.grid(axis="y")


def _name_peak(axes: Axes, shares: Counts, first: date) -> None:
    """Say the day of a share that stands far above all others."""
    place = int(shares.argmax())
    others = np.delete(shares, place)
    if len(shares) < MANY or shares[place] < 3 * others.max():
        return
    day = first + timedelta(days=place)
    is_left = place < len(shares) / 2
    axes.annotate(
        f"{day.day} {day:%b}", (place, float(shares[place])),
        (4 if is_left else -4, -8), textcoords="offset points", fontsize=11,
        ha="left" if is_left else "right",
    )


def _days(axes: Axes, first: date, last: date, most: int, *, labelled: bool) -> None:
    days = [first + timedelta(days=place) for place in range((last - first).days + 1)]
    axes.set_xlim(-0.5, len(days) - 0.5)
    if len(days) > 62:
        every = max(1, round(len(days) / 30.4 / most))
        shown = [place for place, day in enumerate(days) if day.day == 1][::every]
        names = [f"{days[place]:%b}" for place in shown]
    else:
        shown = list(range(0, len(days), -(-len(days) // most)))
        names = [f"{days[place].day} {days[place]:%b}" for place in shown]
    axes.set_xticks(shown, names)
    axes.tick_params(axis="x", labelbottom=labelled, length=3)
