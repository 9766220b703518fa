"""Tables of what happened: events, their details, deliveries and quarantine."""

from __future__ import annotations

import pyarrow as pa

from schemas.table import MONEY, TIMESTAMP, Invariant, Table, column

TEXT, LONG, DAY = pa.string(), pa.int64(), pa.date32()

_WHEN = [
    column("source", TEXT, "the source that sent it"),
    column("event_id", TEXT, "the source's own id of the event, unique within the source"),
    column("occurred_at", TIMESTAMP, "when it happened, corrected for the sender's clock"),
    column("received_at", TIMESTAMP, "when its file was delivered to the landing"),
    column("business_date", DAY, "day of occurred_at in the programme's zone"),
    column("bundle_id", LONG, "identifiers seen on it; NULL when there were none", nullable=True),
]

_DAY_OF_OCCURRENCE = Invariant(
    "business_date_near_occurred_at",
    "abs(date_diff('day', CAST(occurred_at AS DATE), business_date)) <= 1",
    "the business date is the UTC date of occurrence, give or take the zone",
)

EVENTS = Table(
    name="events",
    grain="one event of one source",
    key=("source", "event_id"),
    mode="append",
    partition="business_date",
    schema=pa.schema(
        [
            *_WHEN,
            column("type", TEXT, "what happened, e.g. product_viewed or order_line"),
            column("is_clock_corrected", pa.bool_(), "occurred_at was moved by the skew"),
            column(
                "is_clock_suspect", pa.bool_(), "no believable time came: received_at stands in"
            ),
            column("properties", pa.map_(TEXT, TEXT), "declared properties that are not personal"),
            column("file", TEXT, "landing file it came in"),
            column("line", LONG, "line of that file, from 1, the header counted"),
        ]
    ),
    invariants=(
        _DAY_OF_OCCURRENCE,
        Invariant("line_counts_from_one", "line >= 1", "lines are counted from 1"),
    ),
    says="Everything that happened, from every source, in one envelope.",
)

ORDER_LINES = Table(
    name="order_lines",
    grain="one line of one order, or of one refund",
    key=("source", "event_id"),
    mode="append",
    partition="business_date",
    schema=pa.schema(
        [
            *_WHEN,
            column("order_id", TEXT, "order, or refund document"),
            column("line_no", pa.int32(), "line within the order", nullable=True),
            column("store_id", TEXT, "store", nullable=True),
            column("product_id", TEXT, "product", nullable=True),
            column("quantity", LONG, "pieces; negative on a refund"),
            column("unit_price", MONEY, "price of one piece, where the source says", nullable=True),
            column("paid_minor", LONG, "paid for the line in minor units; negative on a refund"),
            column("coupon_minor", LONG, "taken off by coupons, minor units"),
            column("currency", TEXT, "ISO 4217"),
            column("received_on", DAY, "day the customer received the goods", nullable=True),
            column("after_sale_ends_at", TIMESTAMP, "end of the right to return", nullable=True),
            column("refund_of", TEXT, "order that this refund undoes", nullable=True),
        ]
    ),
    invariants=(
        Invariant(
            "refund_is_not_income",
            "refund_of IS NULL OR paid_minor <= 0",
            "a refund never adds money",
        ),
        Invariant("currency_is_iso", "length(currency) = 3", "currency is an ISO 4217 code"),
    ),
    references={"event_id": "events"},
    says="What was bought and given back, one row per line.",
)

CONVERSATIONS = Table(
    name="conversations",
    grain="one message between a customer and the staff",
    key=("source", "event_id"),
    mode="append",
    partition="business_date",
    schema=pa.schema(
        [
            *_WHEN,
            column("direction", TEXT, "inbound (from the customer) or outbound"),
            column("staff_id", TEXT, "member of staff", nullable=True),
            column("message_type", TEXT, "text, image, …"),
            column("text_masked", TEXT, "text with phones and e-mails masked", nullable=True),
        ]
    ),
    invariants=(
        Invariant(
            "direction_is_known", "direction IN ('inbound', 'outbound')", "one of two directions"
        ),
    ),
    references={"event_id": "events"},
    says="Service messages as the SCRM archives them.",
)

CONSENTS = Table(
    name="consents",
    grain="one statement of consent",
    key=("source", "event_id"),
    mode="append",
    schema=pa.schema(
        [
            *_WHEN,
            column("purpose", TEXT, "marketing, analytics, export, advertising"),
            column("channel", TEXT, "sms, push, wechat or any"),
            column("status", TEXT, "granted or withdrawn"),
            column("text_version", TEXT, "version of the text agreed to", nullable=True),
        ]
    ),
    invariants=(
        Invariant("status_is_known", "status IN ('granted', 'withdrawn')", "granted or withdrawn"),
    ),
    references={"event_id": "events"},
    says="Who allowed what, for which purpose, over which channel, and when.",
)

PRODUCTS = Table(
    name="products",
    grain="one product",
    key=("product_id",),
    mode="snapshot",
    schema=pa.schema(
        [
            column("product_id", TEXT, "product"),
            column("department", TEXT, "department", nullable=True),
            column("category", TEXT, "category", nullable=True),
            column("name", TEXT, "name", nullable=True),
            column("received_at", TIMESTAMP, "delivery that said so last"),
        ]
    ),
    says="The catalogue of products, the last delivered row of each.",
)

DELIVERIES = Table(
    name="deliveries",
    grain="one file delivered to the landing",
    key=("file",),
    mode="append",
    schema=pa.schema(
        [
            column("file", TEXT, "path below the landing"),
            column("source", TEXT, "source it belongs to"),
            column("delivered_at", TIMESTAMP, "when it was delivered"),
            column("size_bytes", LONG, "size"),
            column("sha256", TEXT, "content hash, hex"),
            column("status", TEXT, "loaded, empty, truncated or refused"),
            column("count_rows", LONG, "rows found in the file"),
            column("count_events", LONG, "rows that became events (or catalogue rows)"),
            column("count_quarantined", LONG, "rows that went to quarantine"),
            column("count_duplicates", LONG, "rows already known"),
            column("count_erased", LONG, "rows of erased persons, not kept", nullable=True),
        ]
    ),
    invariants=(
        Invariant(
            "rows_in_equal_rows_out",
            "count_rows = count_events + count_quarantined + count_duplicates "
            "+ coalesce(count_erased, 0)",
            "rows in = events + quarantined + duplicates + erased",
        ),
        Invariant(
            "counts_are_not_negative",
            "least(count_events, count_quarantined, count_duplicates, coalesce(count_erased, 0)) "
            ">= 0",
            "no row is counted twice",
        ),
    ),
    says="The exact account of each file: a row is an event, quarantined, a duplicate, or erased.",
)

QUARANTINE = Table(
    name="quarantine",
    grain="one refused row of one file",
    key=("file", "line"),
    mode="append",
    partition="received_on",
    schema=pa.schema(
        [
            column("source", TEXT, "source"),
            column("file", TEXT, "landing file"),
            column("line", LONG, "line of that file, from 1; 0 for the file as a whole"),
            column("reason", TEXT, "short name, e.g. broken_json"),
            column("detail", TEXT, "expected and got"),
            column("raw_base64", TEXT, "the bytes of the row as they came, base64"),
            column("header_base64", TEXT, "the file's header line, base64", nullable=True),
            column("received_at", TIMESTAMP, "delivery"),
            column("received_on", DAY, "day of delivery in the programme's zone"),
        ]
    ),
    says="Rows that could not be taken, with reason, origin and bytes, until they are replayed.",
)

REPLAYS = Table(
    name="replays",
    grain="one quarantined row handed in again",
    key=("file", "line"),
    mode="append",
    schema=pa.schema(
        [
            column("file", TEXT, "landing file of the quarantined row"),
            column("line", LONG, "its line"),
            column("replay_file", TEXT, "landing file it was delivered in again"),
        ]
    ),
    says="Which quarantined rows have been taken after a fix.",
)
