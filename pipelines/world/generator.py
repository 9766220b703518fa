"""The whole world in order: persons, traps, orders, sessions, small sources, truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from random import Random

import numpy as np
import pyarrow as pa

from pipelines.world import truth
from pipelines.world.app_feed import Feed, build_feed, feed_files, feed_spoils, hour_path
from pipelines.world.campaigns import (
    REDEMPTIONS_HEADER,
    SENDS_HEADER,
    products_file,
    write_redemptions,
    write_sends,
)
from pipelines.world.chats import write_chats
from pipelines.world.completejourney import Purchases, read_purchases, read_table
from pipelines.world.consents import write_consents
from pipelines.world.decidable import decide
from pipelines.world.evidence import (
    Holders,
    Sighting,
    find_holders,
    number_chains,
    see_feed,
    see_orders,
    see_small,
)
from pipelines.world.files import Counted, RawFile
from pipelines.world.order_files import (
    OrderLines,
    build_lines,
    order_files,
    set_file_traps,
    spoil_lines,
    spoiled_rows,
)
from pipelines.world.orders import Orders, assign_baskets, identify_orders
from pipelines.world.parameters import PARAMETERS, Parameters, Traps
from pipelines.world.persons import Person, build_persons, draw_sizes
from pipelines.world.plan import Instance, Plan
from pipelines.world.session_events import Catalog
from pipelines.world.sessions import add_visits, settle_visits
from pipelines.world.small_sources import SmallSource, cut_days
from pipelines.world.tenures import set_basic_traps, set_hard_traps


@dataclass(frozen=True, slots=True)
class World:
    """The raw files, made one by one as they are asked for, and the truth by table name."""

    files: Iterator[RawFile]
    truth: dict[str, pa.Table]


def generate(
    seed: int = 1, traps: Traps = "basic", households: int | None = None,
    parameters: Parameters = PARAMETERS,
) -> World:
    """Return the sample world over the real purchases, of all households or the first few."""
    purchases = read_purchases(parameters, households)
    plan, orders = _plan_world(purchases, seed, traps, parameters)
    p = parameters if traps != "none" else replace(parameters, malformed=0.0)
    lines = build_lines(purchases, orders, np.random.default_rng([seed, 2]), p)
    instances = plan.instances + orders.instances
    if traps != "none":
        instances += _hurt_order_files(lines, Random(f"{seed}:order files"), p)
    feed = build_feed(plan, Catalog(purchases), Random(f"{seed}:feed"), traps != "none")
    instances += feed.instances
    small, foreign = _write_small(plan, purchases, traps, p)
    instances += foreign
    times = purchases.at.tolist()
    holders = find_holders(plan, instances)
    sightings = _see(plan, orders, times, feed, small)
    number_chains(sightings, holders)
    decide(instances, sightings, holders)
    tables = _truth(plan, orders, times, lines, feed, small, holders, instances)
    tables["expected"] = truth.expected_table(_count(purchases, lines, feed, small))
    shelf = iter((products_file(purchases.products),))
    cut = chain.from_iterable(one.files for one in small)
    return World(chain(shelf, order_files(lines), feed_files(feed), cut), tables)


def _plan_world(
    purchases: Purchases, seed: int, traps: Traps, p: Parameters
) -> tuple[Plan, Orders]:
    random = Random(f"{seed}:persons")
    demographics = read_table("demographics")
    known = dict(
        zip(
            demographics["household_id"].to_pylist(), demographics["household_size"].to_pylist(),
            strict=True,
        )
    )
    sizes = draw_sizes([known.get(n) for n in np.unique(purchases.household).tolist()], random, p)
    persons, mint = build_persons(sizes, random, p)
    owner = assign_baskets(purchases, sizes, np.random.default_rng([seed, 1]), p)
    basket_times: list[list[int]] = [[] for _ in persons]
    for number, at in zip(owner.tolist(), purchases.at.tolist(), strict=True):
        basket_times[number].append(at)
    plan = Plan(persons, basket_times, mint, p)
    if traps != "none":
        set_basic_traps(plan)
    if traps == "all":
        set_hard_traps(plan)
    orders = identify_orders(purchases, owner, persons, mint, p, traps)
    add_visits(plan, purchases, owner.tolist())
    settle_visits(plan)
    return plan, orders


def _hurt_order_files(lines: OrderLines, random: Random, p: Parameters) -> list[Instance]:
    chosen = set_file_traps(lines, random)
    spoil_lines(lines, random, p.malformed, list(chosen.values()))
    return [Instance(trap, [], [one.path]) for trap, one in chosen.items()]


def _write_small(
    plan: Plan, purchases: Purchases, traps: Traps, p: Parameters
) -> tuple[list[SmallSource], list[Instance]]:
    numbers = np.unique(purchases.household).tolist()
    members: dict[int, list[Person]] = {number: [] for number in numbers}
    for person in plan.persons:
        members[numbers[person.household]].append(person)
    chats, foreign = write_chats(plan, traps == "all")
    random, share = plan.random, p.malformed
    redemptions, sends = write_redemptions(plan, members), write_sends(plan, members)
    consents = write_consents(plan)
    small = [
        cut_days("service_chats", chats, random, share, hour=1, minute=0),
        cut_days("coupon_redemptions", redemptions, random, share, REDEMPTIONS_HEADER),
        cut_days("campaign_sends", sends, random, share, SENDS_HEADER),
        cut_days("consents", consents, random, share, hour=1, minute=0),
    ]
    return small, foreign


def _see(
    plan: Plan, orders: Orders, times: list[int], feed: Feed, small: list[SmallSource]
) -> list[Sighting]:
    rest = chain.from_iterable(see_small(one) for one in small)
    return [*see_orders(orders, times), *see_feed(feed, plan), *rest]


def _truth(
    plan: Plan, orders: Orders, times: list[int], lines: OrderLines, feed: Feed,
    small: list[SmallSource], holders: Holders, instances: list[Instance],
) -> dict[str, pa.Table]:
    events = [truth.order_events(lines, orders, times, len(plan.persons), holders)]
    events.append(truth.feed_events(feed, plan, holders))
    events += [truth.small_events(one, holders) for one in small]
    spoiled = [*spoiled_rows(lines), *feed_spoils(feed)]
    spoiled += [row for one in small for row in one.spoiled]
    return {
        "persons": truth.persons_table(plan.persons),
        "identifiers": truth.identifiers_table(holders),
        "events": pa.concat_tables(events),
        "spoiled": truth.spoiled_table(spoiled),
        "repeats": truth.repeats_table(feed, lines),
        "traps": truth.traps_table(instances),
    }


def _count(
    purchases: Purchases, lines: OrderLines, feed: Feed, small: list[SmallSource]
) -> Iterator[Counted]:
    yield Counted("products", "products/2017-01-01.csv", purchases.products.num_rows)
    for one in lines.files:
        yield Counted(one.source, one.path, one.end - one.start)
    for hour, rows in feed.hours.items():
        yield Counted("app_events", hour_path(hour), len(rows))
    for source in small:
        yield from source.counted
