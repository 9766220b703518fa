"""How a source is declared: a new feed is one YAML file and no code.

A record is one physical line: a CSV field may hold quotes and delimiters, not a line break.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Literal, get_args

import msgspec

from schemas.programme import currency_complaints, zone_complaints

IdentifierType = Literal[
    "user_id",
    "phone",
    "email",
    "device_id",
    "idfa",
    "oaid",
    "imei",
    "cookie_id",
    "openid",
    "unionid",
    "external_userid",
    "member_card",
    "order_ref",
    "person_record",
]
IDENTIFIER_TYPES: tuple[str, ...] = get_args(IdentifierType)

ColumnType = Literal[
    "text", "integer", "decimal", "money", "date", "local_time", "iso_time", "epoch_ms", "json"
]
"""Integers have up to 9 digits, decimals 12 before and 6 after the point; money may carry a
currency sign and thousands separators; an ``iso_time`` names its offset."""
Encoding = Literal["utf-8", "gbk", "gb18030", "latin-1"]
Into = Literal["events", "order_lines", "conversations", "consents", "products"]

When = dict[str, str]
"""Conditions that must all hold: column to value. ``*`` is any value, ``C*`` what begins with C,
``wm*|wo*`` one of two."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column that is read."""

    type: ColumnType = "text"
    field: str = ""
    """Header name, or JSON path such as ``context.device.type`` or ``tolist[0]``; default: name."""
    required: bool = False
    """A row without it is quarantined."""
    personal: bool = False
    """It may not become a property."""
    lenient: bool = False
    """What cannot be read counts as absent instead of spoiling the row."""
    format: str = ""
    """strptime format of a date or local time; default ISO."""
    values: dict[str, str] = {}
    """What each written form stands for."""
    others: Literal["keep", "drop", "refuse"] = "keep"
    """What becomes of a value that ``values`` does not name."""


class Each(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Identifiers in a JSON list of objects."""

    value: str
    """Key of the identifier's value."""
    type: str
    """Key of its type as the source says it."""
    types: dict[str, IdentifierType]
    """The source's types that are taken, and what they are here."""


class Identifier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an identifier stands."""

    column: str
    type: IdentifierType | None = None
    path: str = ""
    """Name of the place in bundles; default the column's field."""
    when: When = {}
    each: Each | None = None
    """For a ``json`` column that holds a list."""
    find: bool = False
    """For free text: every valid mobile number in it."""


class EventType(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"name": "is"}):
    """What a row means; the first whose conditions hold wins."""

    name: str
    when: When = {}


class Clock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns by which a sender's wrong clock is corrected, and the limits of belief."""

    sent: str
    received: str
    tolerance_s: int = 60
    """A smaller difference between sending and receipt is the network's."""
    ahead_s: int = 3600
    """Further after receipt nothing happened."""
    behind_days: int = 400
    """Longer before receipt nothing waits."""


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The columns that tell two events apart; joined by ``:`` they are the event id."""

    key: list[str]


class OrderLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns of an order line; ``paid`` absent means quantity times unit price."""

    order_id: str
    quantity: str
    line_no: str = ""
    store_id: str = ""
    product_id: str = ""
    unit_price: str = ""
    paid: str = ""
    coupon: str = ""
    received_on: str = ""
    after_sale_ends_at: str = ""
    refund_of: str = ""


class Conversation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns of a message between customer and staff."""

    inbound: When
    """When it holds the customer wrote, else the staff."""
    staff_inbound: str
    """Column that names the staff of an inbound message."""
    staff_outbound: str
    message_type: str
    text: str


class Consent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns of a statement of consent."""

    purpose: str
    channel: str
    status: str
    text_version: str = ""


class Product(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns of a catalogue row."""

    product_id: str
    department: str = ""
    category: str = ""
    name: str = ""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``conf/base/sources/NAME.yml``: how the files of one source are read."""

    name: str
    format: Literal["csv", "jsonl"]
    columns: dict[str, Column]
    into: Into = "events"
    says: str = ""
    compression: Literal["by_name", "gzip", "none"] = "by_name"
    """``by_name``: gzip where the file ends in ``.gz``."""
    encoding: Encoding = "utf-8"
    delimiter: str = ","
    final_newline: Literal["required", "optional"] = "required"
    """Whether a last line without its end was cut off."""
    zone: str = ""
    """IANA zone of local times and dates; default the programme's."""
    currency: str = ""
    """ISO 4217 code of amounts; default the programme's."""
    earliest_on: date = date(1990, 1, 1)
    """What claims to have happened before is refused."""
    ahead_hours: int = 24
    """What claims to have happened longer after delivery is refused."""
    dedupe: Key | Literal["content", "content_and_occurrence"] = "content"
    """Event id: columns, the hash of the line, or that and how often it came in the file."""
    event_types: list[EventType] = []
    occurred: str = ""
    """Column of the time of occurrence, by the sender's clock."""
    clock: Clock | None = None
    identifiers: list[Identifier] = []
    properties: list[str] = []
    """Columns kept with the event; none may be personal."""
    ignored: list[str] = []
    """Fields of a CSV header that are known and not read."""
    order_line: OrderLine | None = None
    conversation: Conversation | None = None
    consent: Consent | None = None
    product: Product | None = None

    def __post_init__(self) -> None:
        """Refuse a declaration whose parts do not fit; msgspec gives the error its place."""
        for complaint in _complaints(self):
            raise ValueError(complaint)

    def field(self, column: str) -> str:
        """The header name or JSON path of ``column``."""
        return self.columns[column].field or column


DETAILS: dict[str, str] = {
    "order_lines": "order_line",
    "conversations": "conversation",
    "consents": "consent",
    "products": "product",
}
"""Section of a declaration that fills each detail table."""


def _complaints(source: Source) -> Iterator[str]:
    if len(source.delimiter) != 1 or source.delimiter in '"\r\n' or not source.delimiter.isascii():
        yield (
            "expected `delimiter` to be one ASCII character, no quote and no line end, "
            f"got {source.delimiter!r}"
        )
    names = [source.name, *source.columns]
    for name in names:
        if not _NAME.fullmatch(name):
            yield f"the name {name!r} is not in lower snake case"
    for column in _used(source):
        if column not in source.columns:
            yield f"the column {column!r} is used and not declared under columns"
    for name in source.properties:
        if source.columns[name].personal:
            yield f"the property {name!r} is personal; personal fields stay out of events"
    for table, section in DETAILS.items():
        if (getattr(source, section) is not None) != (source.into == table):
            yield f"into: {table} and the section {section!r} belong together"
    if source.into != "products" and not (source.occurred and source.event_types):
        yield "a source of events says occurred and event_types"
    if source.zone:
        yield from zone_complaints(source.zone)
    if source.currency:
        yield from currency_complaints(source.currency)
    for one in source.identifiers:
        if (one.type is None) == (one.each is None):
            yield f"the identifier in {one.column!r} needs a type, or each, and not both"


def _used(source: Source) -> Iterator[str]:
    yield from source.properties
    yield from (name for name in [source.occurred] if name)
    yield from source.dedupe.key if isinstance(source.dedupe, Key) else []
    if source.clock:
        yield from (source.clock.sent, source.clock.received)
    for rule in source.event_types:
        yield from rule.when
    for one in source.identifiers:
        yield from (one.column, *one.when)
    yield from _used_by_details(source)


def _used_by_details(source: Source) -> Iterable[str]:
    for section in DETAILS.values():
        part = getattr(source, section)
        if part is None:
            continue
        for value in msgspec.structs.asdict(part).values():
            yield from value if isinstance(value, dict) else [value] if value else []
