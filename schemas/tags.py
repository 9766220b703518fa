"""Tables of description and selection: partials, tag values, scores, audience members."""

from __future__ import annotations

import pyarrow as pa

from schemas.table import TIMESTAMP, Invariant, Table, column

TEXT, LONG, DAY = pa.string(), pa.int64(), pa.date32()

PARTIALS = Table(
    name="partials",
    grain="one measure of one bundle on one business date",
    key=("bundle_id", "business_date", "measure"),
    mode="partition",
    partition="business_date",
    schema=pa.schema(
        [
            column("bundle_id", LONG, "bundle"),
            column("business_date", DAY, "business date"),
            column("measure", TEXT, "name of the measure"),
            column("count", LONG, "events or lines that counted"),
            column("sum", LONG, "sum of the measured integer", nullable=True),
            column("first_at", TIMESTAMP, "first that counted"),
            column("last_at", TIMESTAMP, "last that counted"),
            column("last_value", TEXT, "value on the last", nullable=True),
            column("values", pa.list_(TEXT), "distinct values, sorted", nullable=True),
        ]
    ),
    invariants=(
        Invariant("count_is_positive", "count >= 1", "a partial counts something"),
        Invariant("first_before_last", "first_at <= last_at", "first is not after last"),
        Invariant(
            "values_within_count",
            "values IS NULL OR len(values) <= count",
            "no more distinct values than events",
        ),
    ),
    references={"bundle_id": "bundles"},
    says="Mergeable daily measures per bundle: a merge of persons only regroups them.",
)

PARTIAL_MEASURES = Table(
    name="partial_measures",
    grain="one measure",
    key=("measure",),
    mode="snapshot",
    schema=pa.schema([column("measure", TEXT, "name of the measure")]),
    invariants=(
        Invariant("measure_is_not_empty", "length(measure) > 0", "a measure has a name"),
    ),
    says="The measures that every date's partials hold; partials of any other are out of date.",
)

TAG_VALUES = Table(
    name="tag_values",
    grain="one person on one business date",
    key=("business_date", "one_id"),
    mode="partition",
    partition="business_date",
    schema=pa.schema(
        [
            column("business_date", DAY, "date the tags are of"),
            column("one_id", TEXT, "person"),
            column("person_no", LONG, "dense number"),
        ]
    ),
    references={"one_id": "persons"},
    says="One wide row of tags per person and date; a column per declared tag.",
)

MODEL_SCORES = Table(
    name="model_scores",
    grain="one person, model and business date",
    key=("business_date", "model", "one_id"),
    mode="partition",
    partition="business_date",
    schema=pa.schema(
        [
            column("business_date", DAY, "date the score is of"),
            column("model", TEXT, "model"),
            column("version", TEXT, "fingerprint of the model's snapshot"),
            column("one_id", TEXT, "person"),
            column("probability", pa.float64(), "calibrated probability"),
        ]
    ),
    invariants=(Invariant("probability_is_one", "probability BETWEEN 0 AND 1", "between 0 and 1"),),
    references={"one_id": "persons"},
    says="What models say, after their gate.",
)

AUDIENCE_MEMBERS = Table(
    name="audience_members",
    grain="one member of one audience on one business date",
    key=("business_date", "audience", "one_id"),
    mode="partition",
    partition="business_date",
    schema=pa.schema(
        [
            column("business_date", DAY, "date"),
            column("audience", TEXT, "audience"),
            column("version", TEXT, "fingerprint of its rule tree"),
            column("one_id", TEXT, "person"),
            column("person_no", LONG, "dense number"),
        ]
    ),
    references={"one_id": "persons"},
    says="Who is in which audience.",
)
