"""A world of any size: the raw files and the truth, without the real purchases."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from random import Random

import numpy as np

from pipelines.world.campaigns import products_file
from pipelines.world.files import FIRST_DAY, RawFile, next_day_at, pack
from pipelines.world.generator import World
from pipelines.world.order_files import build_lines, order_files, set_file_traps, spoil_lines
from pipelines.world.parameters import PARAMETERS, Parameters, Traps
from pipelines.world.scale_feed import FeedWriter, build_events
from pipelines.world.scale_orders import ChatWriter, build_orders
from pipelines.world.scale_persons import build_crowd
from pipelines.world.scale_truth import Sources, feed_path, scale_truth

# Of all events: the app's are most, a service message is rare.
ORDER_LINES = 0.22
MESSAGES = 0.03
WORKERS = 2
DAYS_AHEAD = 4


def generate_at_scale(
    persons: int, events: int, seed: int = 1, traps: Traps = "basic",
    parameters: Parameters = PARAMETERS,
) -> World:
    """Return a world of so many persons and about so many events, one file per day and source.

    The traps of the basic set are laid except bots and same contents; `all` adds nothing.
    """
    has_traps = traps != "none"
    p = parameters if has_traps else replace(parameters, malformed=0.0)
    rng = np.random.default_rng([seed, 3])
    crowd = build_crowd(persons, rng, seed, p, has_traps)
    random = Random(f"{seed}:scale")
    count_lines, count_messages = round(events * ORDER_LINES), round(events * MESSAGES)
    feed = build_events(crowd, events - count_lines - count_messages, rng, p, has_traps)
    purchases, orders, owned = build_orders(crowd, count_lines, rng, random, p, has_traps)
    lines = build_lines(purchases, orders, rng, p)
    if has_traps:
        chosen = set_file_traps(lines, random)
        spoil_lines(lines, random, p.malformed, list(chosen.values()))
    chats = ChatWriter(crowd, count_messages, rng, seed)
    writer = FeedWriter(crowd, feed, seed)
    sources = Sources(crowd, writer, lines, orders, owned, chats)
    shelf = iter((products_file(purchases.products),))
    files = chain(shelf, order_files(lines), feed_files(writer), chats.files())
    return World(files, scale_truth(sources))


def feed_files(writer: FeedWriter) -> Iterator[RawFile]:
    """Yield a gzip file a day, packed on two cores a few days ahead of the reader."""
    with ThreadPoolExecutor(WORKERS) as pool:
        ahead: deque[Future[RawFile | None]] = deque()
        for day in range(365):
            ahead.append(pool.submit(_feed_file, writer, day))
            if len(ahead) > DAYS_AHEAD:
                yield from _ready(ahead.popleft())
        while ahead:
            yield from _ready(ahead.popleft())


def _ready(future: Future[RawFile | None]) -> Iterator[RawFile]:
    found = future.result()
    if found is not None:
        yield found


def _feed_file(writer: FeedWriter, day: int) -> RawFile | None:
    content = writer.day(day)
    if not content:
        return None
    delivered_at = next_day_at(FIRST_DAY + timedelta(days=day), 0, 5)
    return RawFile("app_events", feed_path(day), delivered_at, pack(content, level=1))
