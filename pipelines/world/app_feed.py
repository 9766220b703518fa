"""The app's feed: clocks, late, repeated and malformed events, grouped by hour of receipt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from pipelines.world.files import YEAR_END, YEAR_START, RawFile, business_date, iso_ms, pack, utc
from pipelines.world.parameters import Parameters
from pipelines.world.persons import random_uuid
from pipelines.world.plan import Instance, Plan
from pipelines.world.session_events import APP_CONTEXT, Catalog, Event, message_id, visit_events
from pipelines.world.spoils import Spoiled, draw_reason, spoil

NULLISH = (
    None, "", "-1", "0", "anonymous", "unknown", "00000000-0000-0000-0000-000000000000",
    "undefined",
)
HOUR_MS = 3_600_000
NO_SENT_AT = ("", "0000-00-00T00:00:00Z", "null")


@dataclass(slots=True)
class Line:
    """One line of the feed: an event, or its repetition."""

    event: Event
    sent_ms: int
    received_ms: int
    is_repeat: bool = False
    reason: str = ""


@dataclass(slots=True)
class Feed:
    """Every line by hour of receipt, in file order; `hours` counts from the year's start."""

    hours: dict[int, list[Line]] = field(default_factory=dict)
    instances: list[Instance] = field(default_factory=list)

    def add(self, line: Line) -> None:
        """Put a line into the file of the hour in which it was received."""
        hour = (line.received_ms - YEAR_START * 1000) // HOUR_MS
        self.hours.setdefault(hour, []).append(line)

    def lines(self) -> Iterator[Line]:
        """Yield all lines, by hour, unordered within it."""
        for rows in self.hours.values():
            yield from rows


def build_feed(plan: Plan, catalog: Catalog, random: Random, has_traps: bool) -> Feed:
    """Return the feed of all visits of a plan, with the row traps if wanted."""
    p = plan.parameters
    feed = Feed()
    clocks = _draw_clocks(plan, feed, random) if has_traps else {}
    for number, visit in enumerate(plan.visits):
        person = plan.persons[visit.person]
        events = visit_events(number, visit, person, catalog, random)
        late_ms = 0
        if has_traps and random.random() < p.late_sessions:
            late_ms = int(random.uniform(*p.late_hours) * HOUR_MS)
        clock = clocks.get(visit.device or "", 0)
        for event in events:
            _send(event, late_ms, clock, random)
            feed.add(Line(event, event.sent_ms, event.received_ms))
    if has_traps:
        _add_bots(feed, catalog, random, p)
        _set_row_traps(feed, random, p)
    for rows in feed.hours.values():
        rows.sort(key=lambda line: (line.received_ms, line.event.message_id, line.is_repeat))
    return feed


def _draw_clocks(plan: Plan, feed: Feed, random: Random) -> dict[str, int]:
    """Return milliseconds by which devices are wrong; an odd number means hopeless."""
    p = plan.parameters
    holders = {span.value: one.number for one in plan.persons for span in one.devices}
    clocks: dict[str, int] = {}
    for device in sorted(holders):
        if random.random() < p.wrong_clock:
            is_hopeless = random.random() < p.hopeless_clock
            hours = 2 ** random.uniform(0, 15)
            if is_hopeless:
                hours = random.uniform(2, 9) * 8766
            offset = int(hours * 3600) * 1000 * random.choice((-1, -1, 1))
            clocks[device] = offset + int(is_hopeless)
            trap = "hopeless_clock" if is_hopeless else "wrong_clock"
            feed.instances.append(Instance(trap, [holders[device]], [device]))
    return clocks


def _send(event: Event, late_ms: int, clock: int, random: Random) -> None:
    """Set when an event is sent and received, and how the device's clock reads."""
    wait = late_ms + 500 + int(random.random() * 20_000)
    event.received_ms = event.at_ms + wait + 50 + int(random.random() * 900)
    if event.received_ms >= YEAR_END * 1000:
        wait, late_ms = 0, 0
        event.received_ms = event.at_ms + 50
    event.sent_ms = event.at_ms + wait
    if late_ms:
        event.marks.append("late")
    if clock:
        event.clock = str(clock)
        event.marks.append("hopeless_clock" if clock % 2 else "wrong_clock")


def _add_bots(feed: Feed, catalog: Catalog, random: Random, p: Parameters) -> None:
    """Add machines that view products for days, a new device id for each event."""
    for _ in range(p.bots):
        session = f"s{random.getrandbits(48):012x}"
        at_ms = (YEAR_START + random.randrange(30, 300) * 86_400) * 1000
        devices: list[str] = []
        for _ in range(p.bot_events):
            at_ms += 1000 + int(random.random() * 40_000)
            devices.append(random_uuid(random))
            row = catalog.basket_rows(-1, random)[0]
            body = f'"event":"Product Viewed","properties":{catalog.properties(row, session)}'
            event = Event(
                -1, -1, at_ms, "track", body, message_id(random), devices[-1], None,
                APP_CONTEXT % ("android", ""), marks=["bot"],
            )
            _send(event, 0, 0, random)
            feed.add(Line(event, event.sent_ms, event.received_ms))
        feed.instances.append(Instance("bot", [], devices))


def _set_row_traps(feed: Feed, random: Random, p: Parameters) -> None:
    """Blank ids, hurt lines, repeat events and send contents under a second id."""
    for line in list(feed.lines()):
        if random.random() < p.nullish_anonymous_id:
            line.event.anonymous_id = random.choice(NULLISH)
            line.event.marks.append("nullish_anonymous_id")
        draw = random.random()
        if draw < p.malformed:
            line.reason = draw_reason("app_events", random)
        elif draw < p.malformed + p.repeated:
            _repeat(feed, line, random, p)
        elif draw < p.malformed + p.repeated + p.same_content:
            _say_twice(feed, line, random)


def _repeat(feed: Feed, line: Line, random: Random, p: Parameters) -> None:
    wait = int(random.random() * 40_000)
    if random.random() >= p.repeated_same_hour:
        wait = int(random.uniform(1.1, 48) * HOUR_MS)
    if line.received_ms + wait < YEAR_END * 1000:
        feed.add(Line(line.event, line.sent_ms + wait, line.received_ms + wait, True))
        line.event.marks.append("repeated")


def _say_twice(feed: Feed, line: Line, random: Random) -> None:
    one = line.event
    again = Event(
        one.visit, one.person, one.at_ms, one.kind, one.body, message_id(random),
        one.anonymous_id, one.user_id, one.context, one.traits, one.has_login, one.sent_ms,
        one.received_ms, one.clock, [*one.marks, "same_content"],
    )
    feed.add(Line(again, line.sent_ms, line.received_ms))
    ids = [one.message_id, again.message_id]
    persons = [one.person] if one.person >= 0 else []
    feed.instances.append(Instance("same_content", persons, ids))


def hour_path(hour: int) -> str:
    """Return the path of an hour's file, by the programme zone's clock."""
    day = business_date(YEAR_START + hour * 3600)
    return f"app_events/{day}/{hour % 24:02d}.jsonl.gz"


def feed_files(feed: Feed) -> Iterator[RawFile]:
    """Yield one gzip file per hour that received events."""
    for hour in sorted(feed.hours):
        rows = feed.hours[hour]
        content = b"\n".join([_line_bytes(line) for line in rows]) + b"\n"
        delivered_at = utc(YEAR_START + (hour + 1) * 3600) + timedelta(minutes=5)
        yield RawFile("app_events", hour_path(hour), delivered_at, pack(content))


def feed_spoils(feed: Feed) -> Iterator[Spoiled]:
    """Yield the truth of malformed lines of the feed."""
    for hour in sorted(feed.hours):
        for number, line in enumerate(feed.hours[hour], 1):
            if line.reason:
                yield Spoiled("app_events", hour_path(hour), number, line.reason)


def _line_bytes(line: Line) -> bytes:
    text = line_text(line).encode()
    return spoil("app_events", text, line.reason) if line.reason else text


def line_text(line: Line) -> str:
    """Return a line of the feed as Segment-spec JSON."""
    event = line.event
    clock = int(event.clock or 0)
    sent = f'"sentAt":"{iso_ms(line.sent_ms + clock)}",'
    if clock % 2:
        garbled = NO_SENT_AT[event.at_ms % 3]
        sent = f'"sentAt":"{garbled}",' if garbled else ""
    stamp = ""
    if not event.marks and event.at_ms % 10 == 0:
        stamp = f'"timestamp":"{iso_ms(event.at_ms)}",'
    return (
        f'{{"type":"{event.kind}","messageId":"{event.message_id}",{_ids(event)}{event.body},'
        f'"context":{event.context},"originalTimestamp":"{iso_ms(event.at_ms + clock)}",'
        f'{sent}{stamp}"receivedAt":"{iso_ms(line.received_ms)}"}}'
    )


def _ids(event: Event) -> str:
    user = f'"userId":"{event.user_id}",' if event.user_id else ""
    if event.anonymous_id is None:
        is_blanked = "nullish_anonymous_id" in event.marks
        return f'"anonymousId":null,{user}' if is_blanked else user
    return f'"anonymousId":"{event.anonymous_id}",{user}'
