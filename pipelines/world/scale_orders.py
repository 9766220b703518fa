"""Order lines and service messages of a world of any size, without real purchases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.world.completejourney import Purchases, read_products
from pipelines.world.files import (
    DAY_SECONDS,
    FIRST_DAY,
    YEAR_END,
    YEAR_START,
    Counted,
    RawFile,
    next_day_at,
)
from pipelines.world.orders import STORE_GROUPS, Orders, type_phone
from pipelines.world.parameters import Parameters
from pipelines.world.scale_persons import Crowd
from pipelines.world.scale_text import hex_text, scatter

LINES_PER_BASKET = 5
PERSONS_PER_PLACEHOLDER = 500  # one per store group and 5,000 persons, as in the sample world
STORES = 450


def build_orders(
    crowd: Crowd, count: int, rng: np.random.Generator, random: Random, p: Parameters,
    has_traps: bool,
) -> tuple[Purchases, Orders, np.ndarray]:
    """Return about so many lines in baskets, and which baskets name their person alone."""
    baskets = max(1, count // LINES_PER_BASKET)
    bounds = np.cumsum(crowd.weight)
    person = np.searchsorted(bounds, rng.random(baskets) * bounds[-1])
    at = YEAR_START + np.sort(rng.integers(8 * 3600, 365 * DAY_SECONDS, baskets))
    draw = rng.random(baskets)
    has_card = draw < p.card_and_phone + p.card_only
    has_phone = (draw < p.card_and_phone) | (~has_card & (draw < 1 - 0.10))
    phone = crowd.phones.at(person, at)
    has_phone &= phone >= 0
    phones = crowd.text("phone", np.maximum(phone, 0))
    is_false = has_traps & (rng.random(baskets) < p.placeholder_orders)
    groups = max(STORE_GROUPS, crowd.count // PERSONS_PER_PLACEHOLDER)
    placeholder = pa.array([placeholder_phone(group) for group in range(groups)])
    phones = pc.if_else(
        pa.array(is_false), placeholder.take(pa.array(rng.integers(0, groups, baskets))), phones
    )
    written = pc.if_else(pa.array(has_phone | is_false), phones, "").to_pylist()
    cards = pc.if_else(pa.array(has_card), crowd.text("member_card", crowd.card[person]), "")
    typed = [type_phone(one, random) if one else "" for one in written]
    owned = (has_card & ~crowd.is_card_shared[person]) | (has_phone & ~is_false)
    orders = Orders(person, np.ones(baskets, np.int64), cards.to_pylist(), written, typed)
    return _purchases(baskets, at, crowd.household[person], rng), orders, owned


def placeholder_phone(group: int) -> str:
    """Return a store group's placeholder; its prefix is given to no person."""
    return f"+86198{group:08d}"


def _purchases(
    baskets: int, at: np.ndarray, household: np.ndarray, rng: np.random.Generator
) -> Purchases:
    products = read_products()
    lines = baskets * LINES_PER_BASKET
    return Purchases(
        basket=10**10 + np.arange(baskets), household=household,
        store=rng.integers(1, STORES + 1, baskets), at=at,
        first=np.arange(0, lines, LINES_PER_BASKET),
        count=np.full(baskets, LINES_PER_BASKET),
        product=rng.integers(0, products.num_rows, lines),
        quantity=rng.integers(1, 4, lines), paid=rng.integers(100, 20_000, lines),
        coupon=np.where(rng.random(lines) < 0.03, rng.integers(50, 900, lines), 0),
        products=products, price=np.zeros(products.num_rows, np.int64),
    )


class ChatWriter:
    """Writes customers' messages, one file a day, sorted by time."""

    def __init__(self, crowd: Crowd, count: int, rng: np.random.Generator, salt: int) -> None:
        """Draw who writes when."""
        contacts = np.flatnonzero(crowd.has_contact)
        count = count if len(contacts) else 0
        self.crowd, self.salt = crowd, salt
        self.person = rng.choice(contacts, count) if count else np.zeros(0, np.int64)
        self.at = np.sort(rng.integers(YEAR_START, YEAR_END, count))
        self.has_unionid = crowd.has_unionid[self.person] & (rng.random(count) < 0.3)
        days = YEAR_START + np.arange(366) * DAY_SECONDS
        self.starts = np.searchsorted(self.at, days)

    def event_ids(self) -> pa.Array:
        """Return the message ids in order of time."""
        return hex_text(scatter(np.arange(len(self.at)), self.salt + 17))

    def counted(self) -> Iterator[Counted]:
        """Yield how many messages each day's file holds."""
        for day, rows in enumerate(np.diff(self.starts).tolist()):
            if rows:
                yield Counted("service_chats", self.path(day), rows)

    def path(self, day: int) -> str:
        """Return a day's path."""
        return f"service_chats/{FIRST_DAY + timedelta(days=day)}.jsonl"

    def files(self) -> Iterator[RawFile]:
        """Yield the files."""
        ids = self.event_ids()
        for day in range(365):
            rows = slice(self.starts[day], self.starts[day + 1])
            person = self.person[rows]
            if not len(person):
                continue
            union = pc.binary_join_element_wise(
                ',"unionid":"', self.crowd.text("unionid", person), '"}\n', ""
            )
            text = pc.binary_join_element_wise(
                '{"msgid":"', ids.slice(self.starts[day], len(person)),
                '","action":"send","from":"',
                self.crowd.text("external_userid", person),
                '","tolist":["staff01"],"roomid":"","msgtime":',
                pa.array(self.at[rows] * 1000).cast(pa.string()),
                ',"msgtype":"text","text":{"content":"你好，请问我的订单什么时候到？"}',
                pc.if_else(pa.array(self.has_unionid[rows]), union, "}\n"), "",
            )
            content = "".join(text.to_pylist()).encode()
            on: date = FIRST_DAY + timedelta(days=day)
            yield RawFile("service_chats", self.path(day), next_day_at(on, 1), content)
