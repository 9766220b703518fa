"""How long work shows itself: a bar on a terminal, log lines elsewhere; always on stderr."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Item = TypeVar("Item")
log = logging.getLogger("guiyi")


def start_logging(verbose: bool = False) -> None:
    """Send log lines to stderr, coloured on a terminal."""
    level = logging.DEBUG if verbose else logging.INFO
    handler: logging.Handler
    if sys.stderr.isatty():
        handler = RichHandler(console=Console(stderr=True), show_path=False, markup=False)
        form = "%(message)s"
    else:
        handler = logging.StreamHandler(sys.stderr)
        form = "%(asctime)s %(levelname)s %(message)s"
    logging.getLogger("sqlglot").setLevel(logging.WARNING)
    logging.basicConfig(level=level, format=form, handlers=[handler], force=True)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Log how long the block took."""
    started = time.monotonic()
    yield
    log.info("%s: %.1f s", name, time.monotonic() - started)


def tracked(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """``items`` one by one with a bar on a terminal, or a log line every five seconds elsewhere."""
    size = total if total is not None else (len(items) if isinstance(items, Sized) else None)
    if sys.stderr.isatty():
        yield from _with_bar(items, label, size)
        return
    told = time.monotonic()
    for number, item in enumerate(items, 1):
        yield item
        if time.monotonic() - told > 5:
            log.info("%s: %d%s", label, number, f" of {size}" if size else "")
            told = time.monotonic()


def _with_bar(items: Iterable[Item], label: str, size: int | None) -> Iterator[Item]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=size)
        for item in items:
            yield item
            progress.advance(task)
