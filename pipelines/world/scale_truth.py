"""The truth of a world of any size, built column by column."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.world.files import FIRST_DAY, YEAR_END, YEAR_START, Counted
from pipelines.world.order_files import OrderLines, spoiled_rows
from pipelines.world.orders import Orders
from pipelines.world.scale_feed import IDENTIFY, MARKS, NULLISH_ID, FeedWriter
from pipelines.world.scale_orders import ChatWriter
from pipelines.world.scale_persons import NOBODY, Crowd, Held
from pipelines.world.scale_text import digit_text
from pipelines.world.spoils import JSON_REASONS, Spoiled
from pipelines.world.truth import EVENTS, STAMP, expected_table, spoiled_table


@dataclass(frozen=True, slots=True)
class Sources:
    """What the truth is told from."""

    crowd: Crowd
    writer: FeedWriter
    lines: OrderLines
    orders: Orders
    owned: np.ndarray
    chats: ChatWriter


def scale_truth(sources: Sources) -> dict[str, pa.Table]:
    """Return the truth's tables as in the sample world; `chain` is null throughout."""
    return {
        "persons": _persons(sources.crowd),
        "identifiers": _identifiers(sources.crowd),
        "events": pa.concat_tables(
            [_order_events(sources), _feed_events(sources.writer), _chat_events(sources.chats)]
        ),
        "spoiled": _spoiled(sources),
        "repeats": _repeats(sources),
        "traps": _traps(sources),
        "expected": expected_table(_counted(sources)),
    }


def person_ids(numbers: np.ndarray) -> pa.Array:
    """Return the truth's ids of person numbers; null where nobody."""
    text = pc.binary_join_element_wise("P", digit_text(np.maximum(numbers, 0) + 1, 9), "")
    return pc.if_else(pa.array(numbers >= 0), text, pa.scalar(None, pa.string()))


def _persons(crowd: Crowd) -> pa.Table:
    households = digit_text(crowd.household + 1, 9)
    return pa.table(
        {
            "person_id": person_ids(np.arange(crowd.count)),
            "household_id": pc.binary_join_element_wise("H", households, ""),
            "has_app": pa.array(crowd.has_app),
            "has_mini_program": pa.array(crowd.has_mini),
        }
    )


def _identifiers(crowd: Crowd) -> pa.Table:
    everyone = np.arange(crowd.count)
    has_user = crowd.has_app | crowd.has_mini
    plain = (
        ("user_id", has_user), ("openid", crowd.has_mini), ("unionid", crowd.has_unionid),
        ("external_userid", crowd.has_contact),
    )
    parts = [_stays(crowd, kind, everyone[mask], everyone[mask]) for kind, mask in plain]
    parts.append(_stays(crowd, "member_card", crowd.card, everyone, crowd.is_card_shared))
    parts += _tenures(crowd, "phone", crowd.phones, np.ones(crowd.count, dtype=bool))
    parts += _tenures(crowd, "device_id", crowd.devices, crowd.has_app)
    holders = everyone[crowd.tablet >= 0]
    is_shared = np.ones(len(holders), dtype=bool)
    parts.append(_stays(crowd, "device_id", crowd.tablet[holders], holders, is_shared))
    return pa.concat_tables(parts)


def _tenures(crowd: Crowd, kind: str, held: Held, mask: np.ndarray) -> list[pa.Table]:
    is_open = held.border == YEAR_END
    found = []
    for values, starts, ends in (
        (held.first, np.full(crowd.count, YEAR_START), held.border),
        (held.second, held.border, np.where(is_open, YEAR_START, YEAR_END)),
    ):
        rows = np.flatnonzero(mask & (values != NOBODY) & (ends > YEAR_START))
        found.append(_stays(crowd, kind, values[rows], rows, None, starts[rows], ends[rows]))
    return found


def _stays(
    crowd: Crowd, kind: str, values: np.ndarray, persons: np.ndarray,
    is_shared: np.ndarray | None = None, starts: np.ndarray | None = None,
    ends: np.ndarray | None = None,
) -> pa.Table:
    count = len(values)
    starts = np.full(count, YEAR_START) if starts is None else starts
    ends = np.full(count, YEAR_END) if ends is None else ends
    shared = np.zeros(count, dtype=bool) if is_shared is None else is_shared
    return pa.table(
        {
            "type": pa.repeat(kind, count),
            "value": crowd.text(kind, values),
            "person_id": person_ids(persons),
            "valid_from": pa.array(starts * 1_000_000, mask=starts == YEAR_START).cast(STAMP),
            "valid_to": pa.array(ends * 1_000_000, mask=ends == YEAR_END).cast(STAMP),
            "is_shared": pa.array(shared),
            "chain": pa.nulls(count, pa.int64()),
        }
    )


def _events(
    source: pa.Array, ids: pa.Array, person: np.ndarray, owned: np.ndarray, at_us: np.ndarray,
    marks: pa.Array | None = None,
) -> pa.Table:
    empty = pa.nulls(len(person), pa.list_(pa.string()))
    columns = [source, ids, person_ids(person), pa.array(owned), pa.array(at_us).cast(STAMP)]
    return pa.Table.from_arrays([*columns, empty if marks is None else marks], schema=EVENTS)


def _order_events(sources: Sources) -> pa.Table:
    lines = sources.lines
    readable = np.ones(len(lines.text), dtype=bool)
    readable[list(lines.spoiled)] = False
    basket = lines.basket[readable]
    ids = lines.event_id.filter(pa.array(readable))
    person = sources.orders.person[basket]
    source = pa.repeat("erp_orders", len(basket))
    return _events(source, ids, person, sources.owned[basket], lines.at[readable] * 1_000_000)


def _feed_events(writer: FeedWriter) -> pa.Table:
    events = writer.events
    readable = np.ones(len(events.at_ms), dtype=bool)
    readable[events.line_event[events.line_reason >= 0]] = False
    event = np.flatnonzero(readable)
    session = events.session[event]
    device = events.device[session]
    is_blank = (events.marks[event] & NULLISH_ID) > 0
    is_tablet = np.zeros(writer.crowd.count_devices, dtype=bool)
    for trap in ("family_tablet", "store_tablet"):
        if trap in writer.crowd.pairs:
            is_tablet[writer.crowd.pairs[trap][1].ravel()] = True
    has_device = (device >= 0) & ~is_blank
    is_own = has_device & ~is_tablet[device]
    has_user = events.has_login[session] & (event % 5 > 0)
    is_followed = events.has_login[session] & has_device
    owned = is_own | has_user | is_followed | events.is_mini[session]
    return _events(
        pa.repeat("app_events", len(event)), writer.message_ids(event), events.person[session],
        owned, events.at_ms[event] * 1000, _mark_lists(events.marks[event]),
    )


def _mark_lists(marks: np.ndarray) -> pa.Array:
    bits = (marks[:, None] >> np.arange(len(MARKS))) & 1
    offsets = np.r_[0, np.cumsum(bits.sum(axis=1))].astype(np.int32)
    names = pa.array(MARKS).take(pa.array(np.nonzero(bits)[1]))
    return pa.ListArray.from_arrays(pa.array(offsets), names)


def _chat_events(chats: ChatWriter) -> pa.Table:
    count = len(chats.at)
    owned = np.ones(count, dtype=bool)
    source = pa.repeat("service_chats", count)
    return _events(source, chats.event_ids(), chats.person, owned, chats.at * 1_000_000)


def _places(writer: FeedWriter, rows: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return the paths and line numbers of the feed's lines."""
    starts = writer.events.day_starts
    day = np.searchsorted(starts, rows, "right") - 1
    paths = [feed_path(one) for one in range(365)]
    return [paths[one] for one in day.tolist()], rows - starts[day] + 1


def feed_path(day: int) -> str:
    """Return the path of a day's file of the feed."""
    return f"app_events/{FIRST_DAY + timedelta(days=day)}/00.jsonl.gz"


def _spoiled(sources: Sources) -> pa.Table:
    events = sources.writer.events
    rows = np.flatnonzero(events.line_reason >= 0)
    paths, numbers = _places(sources.writer, rows)
    reasons = [JSON_REASONS[one] for one in events.line_reason[rows].tolist()]
    found = [
        Spoiled("app_events", path, number, reason)
        for path, number, reason in zip(paths, numbers.tolist(), reasons, strict=True)
    ]
    return spoiled_table([*spoiled_rows(sources.lines), *found])


def _repeats(sources: Sources) -> pa.Table:
    writer, lines = sources.writer, sources.lines
    rows = np.flatnonzero(writer.events.line_delay_ms > 0)
    paths, numbers = _places(writer, rows)
    parts = [("app_events", paths, numbers, writer.message_ids(writer.events.line_event[rows]))]
    for one in lines.files:
        if one.repeats:
            count = one.end - one.start
            ids = lines.event_id.slice(one.start, count)
            parts.append((one.source, [one.path] * count, np.arange(2, count + 2), ids))
    tables = [
        pa.table({"source": pa.repeat(source, len(ids)), "path": pa.array(where, pa.string()),
                  "line": pa.array(numbers, pa.int64()), "event_id": ids})
        for source, where, numbers, ids in parts
    ]
    return pa.concat_tables(tables)


def _traps(sources: Sources) -> pa.Table:
    crowd = sources.crowd
    tables = []
    for trap, (persons, values) in crowd.pairs.items():
        kind = {"recycled_phone": "phone", "new_phone": "phone", "shared_card": "member_card"}
        texts = crowd.text(kind.get(trap, "device_id"), values.ravel())
        count = len(values)
        serial = digit_text(np.arange(1, count + 1), 7)
        tables.append(
            pa.table(
                {
                    "trap": pa.repeat(trap, count),
                    "instance_id": pc.binary_join_element_wise(trap, serial, "-"),
                    "person_ids": _lists(person_ids(persons.ravel()), persons.shape),
                    "identifiers": _lists(texts, values.shape),
                    "decidable": pa.array(decidable(sources, trap)),
                }
            )
        )
    empty = pa.table(
        {
            "trap": pa.array([], pa.string()), "instance_id": pa.array([], pa.string()),
            "person_ids": pa.array([], pa.list_(pa.string())),
            "identifiers": pa.array([], pa.list_(pa.string())),
            "decidable": pa.array([], pa.bool_()),
        }
    )
    return pa.concat_tables([empty, *tables])


def _lists(values: pa.Array, shape: tuple[int, ...]) -> pa.Array:
    offsets = np.arange(shape[0] + 1, dtype=np.int32) * shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def decidable(sources: Sources, trap: str) -> np.ndarray:
    """Return which instances evidence decides, by rules simpler than the sample world's.

    A value passed on or replaced: a log-in (for phones: with the phone, or an unshared card
    on an order with it) on both sides of the border. A reinstalled app: its new device is
    seen. Shared by two: each shows themself on it at least twice.
    """
    crowd, events = sources.crowd, sources.writer.events
    persons, values = crowd.pairs[trap]
    if trap in ("store_tablet", "wrong_clock"):
        return np.ones(len(values), dtype=bool)
    first, last = persons[:, 0], persons[:, -1]
    if trap == "shared_card":
        shown = _phones_beside_cards(sources)
        counts = np.bincount(shown, minlength=crowd.count)
        return np.asarray((counts[first] > 1) & (counts[last] > 1))
    if trap in ("recycled_phone", "new_phone"):
        seen = _seen_phones(sources)
        sides = (seen[0][first], seen[1][last])
        return np.asarray(sides[0] & sides[1])
    is_login = events.has_login & (events.device >= 0)
    if trap == "reinstalled":
        return np.isin(values[:, 1], events.device)
    key = events.person[is_login] * np.int64(crowd.count_devices) + events.device[is_login]
    numbers, counts = np.unique(key, return_counts=True)
    wanted = 2 if trap == "family_tablet" else 1
    enough = numbers[counts >= wanted]
    left = np.isin(first * np.int64(crowd.count_devices) + values[:, 0], enough)
    right = np.isin(last * np.int64(crowd.count_devices) + values[:, -1], enough)
    return np.asarray(left & right)


def _phones_beside_cards(sources: Sources) -> np.ndarray:
    orders = sources.orders
    both = [bool(card and phone) for card, phone in zip(orders.cards, orders.phones, strict=True)]
    return np.asarray(orders.person[np.array(both, dtype=bool)])


def _seen_phones(sources: Sources) -> tuple[np.ndarray, np.ndarray]:
    """Tell per person whether the first and the second phone is seen with their user."""
    crowd, events = sources.crowd, sources.writer.events
    rows = np.flatnonzero((events.kind == IDENTIFY) & events.has_traits[events.session])
    person = events.person[events.session[rows]]
    is_first = events.at_ms[rows] // 1000 < crowd.phones.border[person]
    before = np.zeros(crowd.count, dtype=bool)
    after = np.zeros(crowd.count, dtype=bool)
    before[person[is_first]] = True
    after[person[~is_first]] = True
    return before, after


def _counted(sources: Sources) -> list[Counted]:
    found = [Counted(one.source, one.path, one.end - one.start) for one in sources.lines.files]
    sizes = np.diff(sources.writer.events.day_starts).tolist()
    found += [Counted("app_events", feed_path(d), n) for d, n in enumerate(sizes) if n]
    found += sources.chats.counted()
    found.append(
        Counted("products", "products/2017-01-01.csv", len(sources.writer.products) - 1)
    )
    return found
