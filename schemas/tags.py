"""Tables of description and selection: partials, tag values, scores, audience members."""

from __future__ import annotations

import pyarrow as pa

from schemas.table import TIMESTAMP, Invariant, Table, column

TEXT, LONG, DAY = pa.string(), pa.int64(), pa.date32()

PARTIALS = Table(
    name="partials",
    grain="one bundle on one business date in one source",
    key=("source", "bundle_id", "business_date"),
    mode="partition",
    partition="business_date",
    schema=pa.schema(
        [
            column("bundle_id", LONG, "bundle"),
            column("business_date", DAY, "business date"),
            column("source", TEXT, "events or order_lines"),
        ]
    ),
    references={"bundle_id": "bundles"},
    rows_per_group=8192,
    says="Mergeable daily measures per bundle, a column each: a merge of persons regroups them.",
)

PARTIAL_VALUES = Table(
    name="partial_values",
    grain="one value of one measure of one bundle on one business date",
    key=("measure", "bundle_id", "value", "business_date"),
    mode="partition",
    partition="business_date",
    schema=pa.schema(
        [
            column("bundle_id", LONG, "bundle"),
            column("business_date", DAY, "business date"),
            column("measure", TEXT, "name of the measure, see partial_measures"),
            column("value", TEXT, "value, as text"),
            column("count", LONG, "rows that had it"),
        ]
    ),
    invariants=(Invariant("count_is_positive", "count >= 1", "a value was had"),),
    references={"bundle_id": "bundles", "measure": "partial_measures"},
    rows_per_group=8192,
    says="The values of a day, for what counts different ones, ranks them or names the commonest.",
)

PARTIAL_MEASURES = Table(
    name="partial_measures",
    grain="one measure",
    key=("measure",),
    mode="snapshot",
    schema=pa.schema(
        [
            column("measure", TEXT, "its column of partials, or its name in partial_values"),
            column("says", TEXT, "what is measured, in words", nullable=True),
        ]
    ),
    invariants=(
        Invariant("measure_is_not_empty", "length(measure) > 0", "a measure has a name"),
    ),
    says="The measures that every date's partials hold; partials of any other are out of date.",
)

PERSON_MEASURES = Table(
    name="person_measures",
    grain="one person",
    key=("person_no",),
    mode="snapshot",
    schema=pa.schema(
        [
            column("person_no", LONG, "dense number"),
        ]
    ),
    references={"person_no": "persons"},
    says="Measures merged per person and window on the release's date: the next day adds to them.",
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
            column("probability", pa.float64(), "calibrated: the outcome's, or the label's"),
            column("label", TEXT, "likeliest class", nullable=True),
            column("purchases", pa.float64(), "expected in the horizon", nullable=True),
            column("amount", pa.float64(), "expected, in minor units", nullable=True),
            column(
                "reasons",
                pa.list_(
                    pa.struct(
                        [
                            pa.field("feature", TEXT),
                            pa.field("value", pa.float64()),
                            pa.field("contribution", pa.float64()),
                        ]
                    )
                ),
                "features that moved the score most, the strongest first",
                nullable=True,
            ),
        ]
    ),
    invariants=(
        Invariant("probability_is_one", "probability BETWEEN 0 AND 1", "between 0 and 1"),
        Invariant(
            "expected_is_not_negative",
            "coalesce(purchases, 0) >= 0 AND coalesce(amount, 0) >= 0",
            "nothing less than 0 is expected",
        ),
    ),
    references={"one_id": "persons"},
    says="What models say, after their gate, and why.",
)

MODEL_HEALTH = Table(
    name="model_health",
    grain="one watched thing of one model on one business date",
    key=("business_date", "model", "what"),
    mode="partition",
    partition="business_date",
    schema=pa.schema(
        [
            column("business_date", DAY, "date the scores are of"),
            column("model", TEXT, "model"),
            column("version", TEXT, "its snapshot; none when refused", nullable=True),
            column("what", TEXT, "gate, score, or `feature NAME`"),
            column("psi", pa.float64(), "shift of its spread since the training", nullable=True),
            column("status", TEXT, "published or refused; steady, moved or drifted"),
        ]
    ),
    invariants=(
        Invariant("psi_is_not_negative", "coalesce(psi, 0) >= 0", "a shift has no sign"),
        Invariant(
            "status_is_known",
            "status IN ('published', 'refused', 'steady', 'moved', 'drifted')",
            "one of five",
        ),
    ),
    says="How each model stands day by day: its gate, and the drift of its features and scores.",
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

TAG_VALUES_SPARSE = Table(
    name="tag_values_sparse",
    grain="the value of one tag that few have, of one person on one business date",
    key=("business_date", "tag", "person_no"),
    mode="partition",
    partition="business_date",
    schema=pa.schema(
        [
            column("business_date", DAY, "date the value is of"),
            column("tag", TEXT, "tag"),
            column("person_no", LONG, "dense number"),
            column("boolean", pa.bool_(), "value of a tag of this type", nullable=True),
            column("integer", LONG, "the same", nullable=True),
            column("number", pa.float64(), "the same", nullable=True),
            column("text", TEXT, "the same", nullable=True),
            column("date", DAY, "the same", nullable=True),
            column("texts", pa.list_(TEXT), "the same", nullable=True),
        ]
    ),
    invariants=(
        Invariant(
            "one_value",
            "1 = "
            + " + ".join(
                f'("{kind}" IS NOT NULL)::INT'
                for kind in ("boolean", "integer", "number", "text", "date", "texts")
            ),
            "a row has one value",
        ),
    ),
    says="Tags that few persons have, where there are very many tags: a row per value.",
)

TAG_COVERAGE = Table(
    name="tag_coverage",
    grain="one tag on one business date",
    key=("business_date", "tag"),
    mode="partition",
    partition="business_date",
    schema=pa.schema(
        [
            column("business_date", DAY, "date the values are of"),
            column("tag", TEXT, "tag"),
            column("type", TEXT, "its type"),
            column("is_sparse", pa.bool_(), "whether its values lie in tag_values_sparse"),
            column("count_persons", LONG, "persons on the date"),
            column("count_known", LONG, "of whom the value is known"),
            column("share_known", pa.float64(), "coverage: known by persons"),
            column("count_values", LONG, "different values"),
            column("lowest", TEXT, "lowest value", nullable=True),
            column("highest", TEXT, "highest value", nullable=True),
            column("shape", TEXT, "what bins are: values, or ranges that end with their value"),
            column(
                "bins",
                pa.list_(pa.struct([pa.field("value", TEXT), pa.field("count", LONG)])),
                "the most frequent values, or tenths of the known, and how many persons",
            ),
            column("count_other", LONG, "persons, or mentions in lists, in no bin"),
            column("previous_date", DAY, "date it is compared with", nullable=True),
            column("share_known_change", pa.float64(), "coverage since then", nullable=True),
            column(
                "distance", pa.float64(), "share that changed bins since then, net", nullable=True
            ),
        ]
    ),
    invariants=(
        Invariant("known_are_persons", "count_known BETWEEN 0 AND count_persons", "of the persons"),
        Invariant("share_is_one", "share_known BETWEEN 0 AND 1", "between 0 and 1"),
        Invariant("distance_is_one", "coalesce(distance, 0) BETWEEN 0 AND 1", "between 0 and 1"),
        Invariant("shape_is_known", "shape IN ('values', 'ranges')", "one of two"),
    ),
    says="How many persons each tag is known of, how its values are spread, and what moved.",
)

TAG_BITMAPS = Table(
    name="tag_bitmaps",
    grain="one tag on one business date",
    key=("business_date", "tag"),
    mode="partition",
    partition="business_date",
    schema=pa.schema(
        [
            column("business_date", DAY, "date the values are of"),
            column("tag", TEXT, "tag"),
            column("version", TEXT, "the snapshot of `tag_bitmaps` that holds them"),
            column("form", TEXT, "values: a bitmap each; slices: one per binary digit"),
            column("count_bitmaps", LONG, "bitmaps, the one of the known included"),
            column("count_bytes", LONG, "their size"),
        ]
    ),
    invariants=(
        Invariant("form_is_known", "form IN ('values', 'slices')", "one of two"),
        Invariant("known_is_there", "count_bitmaps >= 1", "who is known has a bitmap"),
    ),
    says="Where the bitmaps of a date lie, so that a release names them with its tables.",
)

TAG_DEFINITIONS = Table(
    name="tag_definitions",
    grain="one change of the definition of one tag",
    key=("change_no",),
    mode="append",
    schema=pa.schema(
        [
            column("change_no", LONG, "1 for the first change, never given again"),
            column("tag", TEXT, "the tag's name since then"),
            column("change", TEXT, "created, changed, renamed or removed"),
            column("previous_name", TEXT, "the name before, of a renamed one", nullable=True),
            column("fingerprint", TEXT, "of the definition"),
            column("definition", TEXT, "as JSON; of a removed tag, the last"),
            column("author", TEXT, "who published it"),
            column("business_date", DAY, "first date that is published with it"),
            column("changed_at", TIMESTAMP, "cut of that date's release"),
        ]
    ),
    invariants=(
        Invariant("numbers_begin_with_one", "change_no >= 1", "changes are counted"),
        Invariant(
            "change_is_known", "change IN ('created', 'changed', 'renamed', 'removed')",
            "one of four",
        ),
        Invariant(
            "the_renamed_had_a_name", "(change = 'renamed') = (previous_name IS NOT NULL)",
            "who has another name had one",
        ),
    ),
    says="Every change of a tag's definition: a record of acts, which a rebuild hands over.",
)
