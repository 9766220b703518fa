"""The app's feed of a world of any size: one file a day, lines joined column by column."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.world.app_feed import NULLISH
from pipelines.world.completejourney import read_products
from pipelines.world.files import DAY_SECONDS, YEAR_END, YEAR_START
from pipelines.world.parameters import Parameters
from pipelines.world.persons import MINI_APPS
from pipelines.world.scale_persons import NOBODY, Crowd
from pipelines.world.scale_text import Stamps, hex_text, scatter
from pipelines.world.spoils import JSON_REASONS, spoil

EVENTS_PER_SESSION = 5
TABLET_SESSIONS = 0.3  # of the sessions of those who share one
PERSONS_PER_STORE_TABLET = 2_000
APP = '"context":{"app":{"name":"归一商城","appid":"cn.guiyi.mall"},"device":{"type":"android"}'
MINI = (
    f'"context":{{"app":{{"name":"归一商城小程序","appid":"{MINI_APPS[0]}"}},'
    '"device":{"type":"wechat"},"externalIds":[{"id":"'
)
# Kinds of events by place in the session; the log-in comes second.
HEADS = ("track", "identify", "screen", "track", "track", "track")
BODIES = (
    '"event":"App Opened","properties":{"session_id":"s', '"traits":{',
    '"name":"Home","properties":{"session_id":"s',
    '"event":"Product Viewed","properties":{"session_id":"s',
    '"event":"Products Searched","properties":{"session_id":"s',
    '"event":"Product Added","properties":{"session_id":"s',
)
OPENED, IDENTIFY, SCREEN, VIEWED, SEARCHED, ADDED = range(6)
LATE, NULLISH_ID, CLOCK, REPEATED = 1, 2, 4, 8
MARKS = ("late", "nullish_anonymous_id", "wrong_clock", "repeated")


@dataclass(slots=True)
class Events:
    """Events as columns; `line_*` are the feed's lines in file order, repeats among them."""

    session: np.ndarray
    person: np.ndarray
    device: np.ndarray
    is_mini: np.ndarray
    has_login: np.ndarray
    kind: np.ndarray
    at_ms: np.ndarray
    wait_ms: np.ndarray
    clock_ms: np.ndarray
    has_traits: np.ndarray
    marks: np.ndarray
    line_event: np.ndarray
    line_delay_ms: np.ndarray
    line_reason: np.ndarray
    day_starts: np.ndarray

    def line_received(self) -> np.ndarray:
        """Return when each line was received, epoch milliseconds."""
        event = self.line_event
        received = self.at_ms[event] + self.wait_ms[event] + 200
        return np.asarray(received + self.line_delay_ms)


def build_events(
    crowd: Crowd, count: int, rng: np.random.Generator, p: Parameters, has_traps: bool
) -> Events:
    """Return about so many events, row traps included."""
    sessions = max(1, count // EVENTS_PER_SESSION)
    person = _draw_persons(crowd, sessions, rng)
    hour = rng.choice(24, size=sessions, p=_hours()) * 3600
    at = YEAR_START + rng.integers(0, 365, sessions) * DAY_SECONDS + hour
    at = np.minimum(at + rng.integers(0, 3600, sessions), YEAR_END - 600)
    app = crowd.has_app[person]
    is_mini = crowd.has_mini[person] & (~app | (rng.random(sessions) < p.mini_share))
    device = np.where(is_mini, NOBODY, crowd.devices.at(person, at))
    is_silent = crowd.is_silent[person] & (at >= crowd.devices.border[person])
    draw = rng.random(sessions)
    has_login = (draw < np.where(is_mini, p.mini_login, p.login)) & ~is_silent
    if has_traps:
        device = _use_tablets(crowd, person, device, has_login & ~is_mini, rng, p)
    has_traits = has_login & (rng.random(sessions) < p.login_with_traits)
    rows = np.repeat(np.arange(sessions), EVENTS_PER_SESSION)
    place = np.tile(np.arange(EVENTS_PER_SESSION), sessions)
    step = rng.integers(2_000, 60_000, len(rows)).reshape(sessions, -1).cumsum(axis=1).ravel()
    at_ms = at[rows] * 1000 + step
    kind = np.where(place == 1, np.where(has_login[rows], IDENTIFY, SCREEN), place)
    kind = np.where(place > 1, rng.choice([VIEWED, VIEWED, SEARCHED, ADDED], len(rows)), kind)
    late = np.where(rng.random(sessions) < p.late_sessions * has_traps, 1, 0)
    hours = late * rng.uniform(*p.late_hours, sessions)
    wait = (hours[rows] * 3_600_000).astype(np.int64) + rng.integers(500, 20_000, len(rows))
    wait = np.where(at_ms + wait < YEAR_END * 1000 - 3_600_000, wait, 50)
    offsets = _clocks(crowd, rng, p) if has_traps else np.zeros(crowd.count_devices, np.int64)
    clock = np.where(device >= 0, offsets[device], 0)[rows]
    marks = (late[rows] * LATE + (clock != 0) * CLOCK).astype(np.uint8)
    nullish = has_traps & (rng.random(len(rows)) < p.nullish_anonymous_id)
    marks |= (nullish * NULLISH_ID).astype(np.uint8)
    none = np.zeros(0, np.int64)
    events = Events(
        rows, person, device, is_mini, has_login, kind.astype(np.int8), at_ms, wait, clock,
        has_traits, marks, none, none, none, none,
    )
    _order_lines(events, rng, p, has_traps)
    return events


def _draw_persons(crowd: Crowd, count: int, rng: np.random.Generator) -> np.ndarray:
    users = np.flatnonzero(crowd.has_app | crowd.has_mini)
    bounds = np.cumsum(crowd.weight[users])
    chosen: np.ndarray = np.searchsorted(bounds, rng.random(count) * bounds[-1])
    return np.asarray(users[chosen])


def _hours() -> np.ndarray:
    """Return the shares of the day's hours; evenings are busiest."""
    shape = np.exp(-(((np.arange(24) - 16) / 5.0) ** 2)) + 0.05
    return np.asarray(shape / shape.sum())


def _use_tablets(
    crowd: Crowd, person: np.ndarray, device: np.ndarray, has_login: np.ndarray,
    rng: np.random.Generator, p: Parameters,
) -> np.ndarray:
    """Move sessions to families' and stores' tablets; return the sessions' devices."""
    is_family = (crowd.tablet[person] >= 0) & (rng.random(len(person)) < TABLET_SESSIONS)
    device = np.where(is_family & (device >= 0), crowd.tablet[person], device)
    stores = max(p.store_tablets, crowd.count // PERSONS_PER_STORE_TABLET)
    fit = np.flatnonzero(has_login)
    wanted = min(stores * p.store_tablet_customers, len(fit) // 10)
    chosen = rng.choice(fit, wanted, replace=False)
    numbers = crowd.count_devices + np.arange(wanted) % stores
    device[chosen] = numbers
    crowd.count_devices += stores
    crowd.pairs["store_tablet"] = (
        np.zeros((stores, 0), np.int64), (crowd.count_devices - stores + np.arange(stores))[:, None]
    )
    return device


def _clocks(crowd: Crowd, rng: np.random.Generator, p: Parameters) -> np.ndarray:
    hours = 2 ** rng.uniform(0, 15, crowd.count_devices)
    sign = rng.choice([-1, 1], crowd.count_devices)
    is_wrong = rng.random(crowd.count_devices) < p.wrong_clock
    chosen = np.flatnonzero(is_wrong)
    nobody = np.zeros((len(chosen), 0), np.int64)
    crowd.pairs["wrong_clock"] = (nobody, chosen[:, None])
    return np.where(is_wrong, (hours * 3600).astype(np.int64) * 1000 * sign, 0)


def _order_lines(
    events: Events, rng: np.random.Generator, p: Parameters, has_traps: bool
) -> None:
    """Set the feed's lines in order of receipt, some repeated, some malformed."""
    count = len(events.at_ms)
    draw = rng.random(count) if has_traps else np.ones(count)
    again = np.flatnonzero(draw < p.repeated)
    delay = rng.integers(1_000, 48 * 3_600_000, len(again))
    latest = events.at_ms[again] + events.wait_ms[again] + delay
    again, delay = (values[latest < YEAR_END * 1000 - 3_600_000] for values in (again, delay))
    events.marks[again] |= REPEATED
    events.line_event = np.r_[np.arange(count), again]
    events.line_delay_ms = np.r_[np.zeros(count, np.int64), delay]
    is_hurt = (draw >= p.repeated) & (draw < p.repeated + p.malformed)
    reason = np.where(is_hurt, rng.integers(0, len(JSON_REASONS), count), -1)
    events.line_reason = np.r_[reason, np.full(len(again), -1)].astype(np.int8)
    received = events.line_received()
    order = np.argsort(received, kind="stable")
    events.line_event, events.line_delay_ms = events.line_event[order], events.line_delay_ms[order]
    events.line_reason = events.line_reason[order]
    days = YEAR_START * 1000 + np.arange(366) * DAY_SECONDS * 1000
    events.day_starts = np.searchsorted(received[order], days)
    events.day_starts[-1] = len(order)


class FeedWriter:
    """Writes a day's lines of the feed from tables of pieces, one take per piece."""

    def __init__(self, crowd: Crowd, events: Events, salt: int) -> None:
        """Hold the tables that every day needs; their first entry is for rows without it."""
        self.crowd, self.events, self.salt = crowd, events, salt
        self.stamps = Stamps()
        everyone = np.arange(crowd.count)
        self.heads = pa.array([f'{{"type":"{head}","messageId":"' for head in HEADS])
        self.bodies = pa.array(BODIES)
        self.users = _table([""], '"userId":"', crowd.text("user_id", everyone), '",')
        blank = [f'"anonymousId":{json.dumps(one)},' for one in NULLISH]
        devices = crowd.text("device_id", np.arange(crowd.count_devices))
        self.devices = _table(["", *blank], '"anonymousId":"', devices, '",')
        self.contexts = _contexts(crowd)
        phones = crowd.text("phone", np.arange(crowd.count_phones))
        self.products = product_pieces()
        traits = _table(["},"], '"phone":"', phones, '"},')
        self.tails = pa.concat_arrays([self.products, traits])

    def message_ids(self, event: np.ndarray) -> pa.Array:
        """Return the message ids of events."""
        return hex_text(scatter(event, self.salt + 11))

    def day(self, number: int) -> bytes:
        """Return the bytes of a day's lines, not packed."""
        events = self.events
        lines = slice(events.day_starts[number], events.day_starts[number + 1])
        event, reason = events.line_event[lines], events.line_reason[lines]
        if not len(event):
            return b""
        session, kind = events.session[event], events.kind[event]
        person = events.person[session]
        sent = events.at_ms[event] + events.wait_ms[event] + events.line_delay_ms[lines]
        clock = events.clock_ms[event]
        is_known = events.has_login[session] & (event % EVENTS_PER_SESSION > 0)
        user = np.where(is_known, person + 1, 0)
        context = np.where(events.is_mini[session], person + 1, 0)
        is_identify = pa.array(kind == IDENTIFY)
        key = pc.if_else(is_identify, "", hex_text(scatter(session, self.salt + 13)))
        text = pc.binary_join_element_wise(
            self.heads.take(pa.array(kind)), self.message_ids(event), '",',
            self.devices.take(pa.array(self._device_rows(event, session))),
            self.users.take(pa.array(user)), self.bodies.take(pa.array(kind)), key,
            self.tails.take(pa.array(self._tail_rows(event, session, kind, person))),
            self.contexts.take(pa.array(context)),
            '},"originalTimestamp":"', self.stamps.text(events.at_ms[event] + clock),
            '","sentAt":"', self.stamps.text(sent + clock),
            '","receivedAt":"', self.stamps.text(sent + 200), '"}\n', "",
        )
        return cut_lines(text, reason)

    def _device_rows(self, event: np.ndarray, session: np.ndarray) -> np.ndarray:
        device = self.events.device[session]
        rows = np.where(device >= 0, device + 1 + len(NULLISH), 0)
        is_blank = (self.events.marks[event] & NULLISH_ID) > 0
        return np.asarray(np.where(is_blank, 1 + event % len(NULLISH), rows))

    def _tail_rows(
        self, event: np.ndarray, session: np.ndarray, kind: np.ndarray, person: np.ndarray
    ) -> np.ndarray:
        """Return what follows the body's head: a product, a phone trait, or nothing."""
        count = len(self.products)
        row = np.where(kind >= VIEWED, 1 + event * 7919 % (count - 1), 0)
        number = self.crowd.phones.at(person, self.events.at_ms[event] // 1000)
        has_phone = (number >= 0) & self.events.has_traits[session]
        traits = count + np.where(has_phone, number + 1, 0)
        return np.asarray(np.where(kind == IDENTIFY, traits, row))


def _table(first: list[str], head: str, values: pa.Array, tail: str) -> pa.Array:
    joined = pc.binary_join_element_wise(head, values, tail, "")
    return pa.concat_arrays([pa.array(first, pa.string()), joined])


def _contexts(crowd: Crowd) -> pa.Array:
    """Return the app's context, then each person's in the mini program."""
    everyone = np.arange(crowd.count)
    union = pc.binary_join_element_wise(
        '"},{"id":"', crowd.text("unionid", everyone), '","type":"unionid"}]', ""
    )
    union = pc.if_else(pa.array(crowd.has_unionid), union, '"}]')
    openid = crowd.text("openid", everyone)
    mini = pc.binary_join_element_wise(MINI, openid, '","type":"openid', union, "")
    return pa.concat_arrays([pa.array([APP]), mini])


def product_pieces() -> pa.Array:
    """Return the ends of an event's properties: the first without product, then one each."""
    products = read_products()
    rows = zip(products["product_id"].to_pylist(), products["category"].to_pylist(), strict=True)
    pieces = ['"},']
    for number, category in rows:
        price = f"{7 + number % 90}.{number % 100:02d}"
        named = f'"product_id":"{number}","category":{json.dumps(category)}'
        pieces.append(f'",{named},"price":{price}}},')
    return pa.array(pieces)


def cut_lines(text: pa.Array, reason: np.ndarray) -> bytes:
    """Return joined lines' bytes, those with a reason (not -1) hurt."""
    offsets = np.frombuffer(text.buffers()[1], dtype=np.int32)[text.offset :]
    content = memoryview(text.buffers()[2])
    parts: list[bytes | memoryview] = []
    start = int(offsets[0])
    for row in np.flatnonzero(reason >= 0).tolist():
        begin, end = int(offsets[row]), int(offsets[row + 1])
        parts.append(content[start:begin])
        line = bytes(content[begin : end - 1])
        parts.append(spoil("app_events", line, JSON_REASONS[reason[row]]) + b"\n")
        start = end
    parts.append(content[start : int(offsets[len(text)])])
    return b"".join(parts)
