"""The table of records that came over topics and wait for a release."""

from __future__ import annotations

import pyarrow as pa

from schemas.table import TIMESTAMP, Invariant, Table, column

TEXT, LONG, DAY = pa.string(), pa.int64(), pa.date32()

LANDED_RECORDS = Table(
    name="landed_records",
    grain="one record of one topic",
    key=("topic", "partition", "offset"),
    mode="append",
    partition="received_on",
    schema=pa.schema(
        [
            column("topic", TEXT, "topic it came over"),
            column("partition", pa.int32(), "partition of the topic"),
            column("offset", LONG, "place in the partition"),
            column(
                "key", TEXT, "key of the record; bytes that are not UTF-8 are escaped",
                nullable=True,
            ),
            column("source", TEXT, "source as the header says", nullable=True),
            column("schema", TEXT, "fingerprint of the source's declaration", nullable=True),
            column("version", TEXT, "version of the headers", nullable=True),
            column("received_at", TIMESTAMP, "time of the record, never after it was landed"),
            column("received_on", DAY, "UTC day of received_at"),
            column("value", TEXT, "the record, where it is UTF-8", nullable=True),
            column("value_base64", TEXT, "the record, where it is not UTF-8", nullable=True),
        ]
    ),
    invariants=(
        Invariant("offset_counts_from_zero", '"offset" >= 0', "offsets are counted from 0"),
        Invariant(
            "value_stands_once", "value IS NULL OR value_base64 IS NULL", "as text or as bytes"
        ),
    ),
    says="Every offset once: rows and next offsets are one commit. It is of no release, and lies "
    "beside their tables; what a release has taken is dropped.",
)
