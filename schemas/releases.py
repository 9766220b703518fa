"""The table of releases: which versions of which tables belong together."""

from __future__ import annotations

import pyarrow as pa

from schemas.table import TIMESTAMP, Invariant, Table, column

TEXT, LONG, DAY = pa.string(), pa.int64(), pa.date32()

RELEASES = Table(
    name="releases",
    grain="one publication",
    key=("release_no",),
    mode="append",
    schema=pa.schema(
        [
            column("release_no", LONG, "number, from 1"),
            column("business_date", DAY, "last business date it speaks of"),
            column("cut", TIMESTAMP, "its inputs were received before this instant"),
            column("published_at", TIMESTAMP, "when it was published"),
            column("run_id", TEXT, "run that published it"),
            column("inputs", TEXT, "fingerprint of the deliveries it has read"),
            column("rules", TEXT, "fingerprint of the definitions in force"),
            column("tables", pa.map_(TEXT, LONG), "Delta version of every table"),
        ]
    ),
    invariants=(
        Invariant(
            "cut_after_date", "CAST(cut AS DATE) >= business_date", "the cut follows the date"
        ),
    ),
    says="Readers resolve every table through one of these rows, so that all change as one.",
)
