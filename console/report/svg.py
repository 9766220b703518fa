"""Draws with matplotlib in the page's own colours: SVG text that stands inside the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Each colour is a stand-in that becomes a CSS variable, so that a picture follows the page
# from light to dark.
INK, MUTED, GRID, PAPER = "#010101", "#020202", "#030303", "#040404"
EVENTS, QUARANTINED, DUPLICATES, ACCENT = "#050505", "#060606", "#070707", "#080808"
_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    PAPER: "paper",
    EVENTS: "events",
    QUARANTINED: "quarantined",
    DUPLICATES: "duplicates",
    ACCENT: "accent",
}

WIDTH = 960
"""Width of a picture in the page, in CSS pixels: one point of a figure is one pixel."""

_STYLE: dict[Any, Any] = {
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11.5,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "figure.facecolor": "none",
    "font.size": 12,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "hatch.color": GRID,
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "none",
    "path.simplify": True,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.color": GRID,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 11.5,
    "ytick.labelsize": 11.5,
    "ytick.left": False,
}

_DROPPED = re.compile(
    r"<metadata>.*?</metadata>|<defs>\s*<style[^>]*>.*?</style>\s*</defs>"
    r"|\s+xmlns(?::\w+)?=\"[^\"]*\"|\s+id=\"[\w.]+_\d+\"|\s*font-family: [^;\"]*;?",
    re.DOTALL,
)
_FONT = re.compile(r"font: (?:(\d+) )?([\d.]+px) [^;\"]*")
_TAG = re.compile(r"<[^>]*>")
_NUMBER = re.compile(r"(\d+\.\d)\d+")


@contextmanager
def style(name: str) -> Iterator[None]:
    """Draw in the page's style; ``name`` seeds the ids, so that no two pictures share one."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # The browser has the glyphs that the font of the measuring backend lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def canvas(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of ``width`` by ``height`` CSS pixels."""
    return Figure(figsize=(width / 72, height / 72), dpi=72)


def place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a box in CSS pixels from the figure's upper left corner."""
    across, down = figure.get_size_inches() * 72
    return figure.add_axes(
        (left / across, 1 - (top + height) / down, width / across, height / down)
    )


def text_at(figure: Figure, x: float, y: float, words: str, **how: object) -> None:
    """Write at pixels from the figure's upper left corner; ``y`` is the base line."""
    across, down = figure.get_size_inches() * 72
    figure.text(x / across, 1 - y / down, words, **how)  # type: ignore[arg-type]


def inline(figure: Figure, says: str) -> str:
    """The figure as an ``<svg>`` element for an HTML page; ``says`` is what a reader hears."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = _DROPPED.sub("", text[text.index("<svg") :])
    text = text.replace("xlink:href", "href").replace("<g/>", "")
    text = _FONT.sub(_font, text)
    text = _TAG.sub(lambda tag: _NUMBER.sub(r"\1", tag[0]), text)
    for stand_in, variable in _VARIABLES.items():
        text = text.replace(stand_in, f"var(--{variable})")
    across, down = (round(side * 72) for side in figure.get_size_inches())
    head = (
        f'<svg role="img" aria-label="{escape(says)}" viewBox="0 0 {across} {down}" '
        f'style="--natural: {across}px">'
    )
    return re.sub(r"<svg[^>]*>", lambda _: head, text, count=1).strip()


def _font(found: re.Match[str]) -> str:
    return f"font-weight: {found[1] or 400}; font-size: {found[2]}"
