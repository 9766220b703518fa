"""The pictures of persons, identity changes, tags, models, audiences and the evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from console.report import svg
from console.report.facts import (
    AudienceSize,
    Changes,
    MethodScore,
    ModelSummary,
    PersonSize,
    TagFacts,
)

_COUNT = FuncFormatter(lambda value, _: f"{value:,.0f}")
_SHARE = FuncFormatter(lambda value, _: f"{100 * value:.0f}%")
KINDS = ("created", "merged", "split", "vanished")
_RANGES = ((11, 15), (16, 20), (21, 30), (31, 50), (51, 100))


def person_sizes(sizes: Sequence[PersonSize]) -> str:
    """How many persons hold how many identifiers; up to ten exactly, then in ranges; log scale."""
    labels, counts = size_bars(sizes)
    with svg.style("person_sizes"):
        figure = svg.canvas(284)
        axes = svg.place(figure, 70, 16, svg.WIDTH - 80, 220)
        axes.bar(range(len(counts)), counts, width=0.72, color=svg.EVENTS)
        axes.set_yscale("log")
        axes.set_ylim(0.5, max(counts) * 2.2)
        axes.yaxis.set_major_formatter(_COUNT)
        axes.yaxis.set_minor_locator(NullLocator())
        axes.grid(axis="y")
        for place, count in enumerate(counts):
            if count:
                axes.annotate(
                    f"{count:,}", (place, count), (0, 4), textcoords="offset points",
                    ha="center", fontsize=11.5,
                )
        axes.set_xticks(range(len(labels)), labels)
        axes.tick_params(axis="x", length=0)
        axes.set_xlabel("identifiers held by one person", labelpad=8)
        axes.set_ylabel("persons (logarithmic scale)", labelpad=8)
        return svg.inline(figure, "Histogram of persons by number of identifiers")


def size_bars(sizes: Sequence[PersonSize]) -> tuple[list[str], list[int]]:
    """Labels and counts of the bars: 1 to 10 one by one, then ranges as far as they are needed."""
    most = max(size.identifiers for size in sizes)
    edges = [(number, number) for number in range(1, min(most, 10) + 1)]
    edges += [edge for edge in _RANGES if edge[0] <= most]
    if most > 100:
        edges.append((101, most))
    labels = [
        f"{low}" if low == high else f"over {low - 1}" if low > 100 else f"{low}–{high}"
        for low, high in edges
    ]
    counts = [
        sum(size.count for size in sizes if low <= size.identifiers <= high)
        for low, high in edges
    ]
    return labels, counts


def changes(days: Sequence[Changes]) -> str:
    """Created, merged, split and vanished persons, one panel each, one bar per publication."""
    with svg.style("changes"):
        figure = svg.canvas(196)
        wide = (svg.WIDTH - 3 * 28) / 4
        for place, kind in enumerate(KINDS):
            counts = [int(getattr(day, kind)) for day in days]
            axes = svg.place(figure, place * (wide + 28), 40, wide, 118)
            svg.text_at(figure, place * (wide + 28), 14, kind, fontweight="bold", fontsize=12.5)
            colour = svg.EVENTS if kind == "created" else svg.ACCENT
            _day_bars(axes, [day.published_for for day in days], counts, colour)
        return svg.inline(figure, "What became of persons at each publication after the first")


def _day_bars(axes: Axes, days: Sequence[date], counts: Sequence[int], colour: str) -> None:
    axes.bar(range(len(days)), counts, width=0.7, color=colour)
    axes.set_ylim(0, max(*counts, 1) * 1.15)
    axes.set_xlim(-0.6, max(len(days), 7) - 0.4)
    axes.set_yticks([])
    every = max(1, -(-len(days) // 10))
    if len(days) <= 14:
        for place, count in enumerate(counts):
            axes.annotate(
                f"{count:,}", (place, count), (0, 3), textcoords="offset points", ha="center",
                fontsize=11, color=svg.INK if count else svg.MUTED,
            )
    else:
        axes.set_yticks([max(counts)], [f"{max(counts):,}"])
    shown = range(0, len(days), every)
    axes.set_xticks(list(shown), [_day(days[place], place == 0) for place in shown])
    axes.tick_params(axis="x", length=0)


def _day(day: date, is_first: bool) -> str:
    return f"{day.day}\n{day:%b}" if is_first or day.day == 1 else f"{day.day}"


def histogram(tag: TagFacts) -> str:
    """The distribution of a numeric tag; the last bar holds all beyond the 99th percentile."""
    with svg.style(f"tag_{tag.name}"):
        figure = svg.canvas(128, 300)
        axes = svg.place(figure, 4, 10, 288, 88)
        edges = [float(bar.low or 0) for bar in tag.bins]
        edges.append(float(tag.bins[-1].high or 0))
        axes.stairs([bar.count for bar in tag.bins], edges, fill=True, color=svg.EVENTS)
        most = max(tag.bins, key=lambda bar: bar.count)
        axes.set_ylim(0, most.count * 1.2 or 1)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_yticks([])
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=all(edge % 1 == 0 for edge in edges)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        is_left = float(most.low or 0) < (edges[0] + edges[-1]) / 2
        at = float((most.low if is_left else most.high) or 0)
        axes.annotate(
            f"{most.count:,} persons", (at, most.count), (0, 4), textcoords="offset points",
            ha="left" if is_left else "right", fontsize=11,
        )
        return svg.inline(figure, f"Distribution of {tag.name}")


def model(summary: ModelSummary) -> str:
    """AUC beside a simple rule and a coin, and predicted against observed probability."""
    with svg.style(f"model_{summary.name}"):
        figure = svg.canvas(344)
        svg.text_at(figure, 0, 16, "Who is told apart (AUC)", fontweight="bold", fontsize=12.5)
        _auc(svg.place(figure, 108, 44, 296, 150), summary)
        svg.text_at(
            figure, 520, 16, "What is said comes true (calibration)", fontweight="bold",
            fontsize=12.5,
        )
        if summary.calibration:
            _calibration(figure, svg.place(figure, 560, 36, 300, 252), summary)
        return svg.inline(
            figure, f"AUC {summary.auc:.3f}, a simple rule {summary.auc_baseline:.3f}; calibration"
        )


def _auc(axes: Axes, summary: ModelSummary) -> None:
    rows = (
        ("a coin", 0.5, svg.MUTED),
        ("a simple rule", summary.auc_baseline, svg.MUTED),
        ("this model", summary.auc, svg.EVENTS),
    )
    least = min(0.5, *(value for _, value, _ in rows))
    for place, (_, value, colour) in enumerate(rows):
        axes.plot([least, value], [place, place], color=svg.GRID, linewidth=2, zorder=1)
        axes.scatter([value], [place], s=70, color=colour, zorder=2)
        axes.annotate(
            f"{value:.3f}", (value, place), (9, 0), textcoords="offset points", va="center",
            fontweight="bold" if place == 2 else "normal",
        )
    axes.set_ylim(-0.6, 2.6)
    axes.set_xlim(least - 0.01, 1)
    axes.set_yticks([])
    for place, (label, _, _) in enumerate(rows):
        axes.annotate(
            label, (0, place), (-108, 0), xycoords=axes.get_yaxis_transform(),
            textcoords="offset points", va="center", annotation_clip=False,
            fontweight="bold" if place == 2 else "normal",
        )
    axes.set_xlabel("area under the ROC curve; 1 is perfect", labelpad=6)


def _calibration(figure: Figure, axes: Axes, summary: ModelSummary) -> None:
    bins = summary.calibration
    most = max(max(part.predicted, part.observed) for part in bins)
    limit = 1.0 if most > 0.6 else min(1.0, most * 1.25 or 1.0)
    axes.plot([0, limit], [0, limit], color=svg.MUTED, linewidth=1, dashes=(3, 3))
    axes.annotate(
        "perfect", (limit * 0.9, limit * 0.9), (-6, 6), textcoords="offset points", ha="right",
        color=svg.MUTED, fontsize=11,
    )
    largest = max(part.count for part in bins) or 1
    axes.plot(
        [part.predicted for part in bins], [part.observed for part in bins],
        color=svg.EVENTS, linewidth=1.5,
    )
    axes.scatter(
        [part.predicted for part in bins], [part.observed for part in bins],
        s=[24 + 140 * part.count / largest for part in bins], color=svg.EVENTS, zorder=3,
        edgecolor=svg.PAPER, linewidth=1.2, clip_on=False,
    )
    axes.set_xlim(0, limit)
    axes.set_ylim(0, limit)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
        axis.set_major_formatter(_SHARE)
    axes.grid()
    axes.set_xlabel("predicted probability (dot size: persons)", labelpad=6)
    axes.set_ylabel("came true", labelpad=6)


def audience_sizes(name: str, sizes: Sequence[AudienceSize]) -> str:
    """Members day by day, as bars from zero with the number on each."""
    with svg.style(f"audience_{name}"):
        figure = svg.canvas(200)
        axes = svg.place(figure, 8, 26, svg.WIDTH - 16, 130)
        days = [size.business_date for size in sizes]
        _day_bars(axes, days, [size.count for size in sizes], svg.EVENTS)
        axes.set_xlabel("members on each business date", labelpad=4)
        return svg.inline(figure, f"Members of {name} day by day")


def evaluation(scores: Sequence[MethodScore]) -> str:
    """Precision and recall of each method as dots on a scale from zero to one."""
    with svg.style("evaluation"):
        row = 34.0
        figure = svg.canvas(66 + row * len(scores))
        for place, score in enumerate(scores):
            svg.text_at(
                figure, 0, 28 + row * (place + 0.5), score.method,
                fontweight="bold" if place == 0 else "normal",
            )
        for left, measure in ((230, "precision"), (610, "recall")):
            axes = svg.place(figure, left, 24, 300, row * len(scores))
            svg.text_at(figure, left, 14, measure, fontweight="bold", fontsize=12.5)
            _dots(axes, [float(getattr(score, measure)) for score in scores])
        return svg.inline(figure, "Precision and recall of each method")


def _dots(axes: Axes, values: Sequence[float]) -> None:
    for place, value in enumerate(values):
        colour = svg.EVENTS if place == 0 else svg.MUTED
        axes.plot([0, value], [place, place], color=svg.GRID, linewidth=2, zorder=1)
        axes.scatter([value], [place], s=70, color=colour, zorder=2, clip_on=False)
        axes.annotate(
            f"{value:.3f}", (value, place), (10, 0), textcoords="offset points", va="center",
            fontweight="bold" if place == 0 else "normal", annotation_clip=False,
        )
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(5))
