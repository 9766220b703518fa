"""Tables of identity: who holds which identifier, on which evidence, and what changed."""

from __future__ import annotations

import pyarrow as pa

from schemas.table import TIMESTAMP, Invariant, Table, column

TEXT, LONG, DAY = pa.string(), pa.int64(), pa.date32()

IDENTIFIERS = Table(
    name="identifiers",
    grain="one identifier",
    key=("identifier_key",),
    mode="append",
    schema=pa.schema(
        [
            column("identifier_key", LONG, "63 bits of the keyed SHA-256 of type and value"),
            column("type", TEXT, "identifier type, e.g. phone"),
            column("value", TEXT, "normalised clear value; personal"),
            column("received_at", TIMESTAMP, "delivery that named it first"),
        ]
    ),
    invariants=(
        Invariant("key_is_63_bits", "identifier_key >= 0", "the key has 63 bits"),
        Invariant("value_is_not_empty", "length(value) > 0", "an identifier has a value"),
    ),
    says="The dictionary of identifiers: the only table that holds their clear values.",
)

BUNDLES = Table(
    name="bundles",
    grain="one distinct set of identifiers seen on an event, each with the field it stood in",
    key=("bundle_id",),
    mode="append",
    schema=pa.schema(
        [
            column("bundle_id", LONG, "63 bits of the SHA-256 over the sorted members"),
            column(
                "identifiers",
                pa.list_(
                    pa.struct(
                        [
                            pa.field("identifier_key", LONG),
                            pa.field("type", TEXT),
                            pa.field("path", TEXT),
                        ]
                    )
                ),
                "members sorted by identifier_key",
            ),
        ]
    ),
    invariants=(Invariant("bundle_has_members", "len(identifiers) >= 1", "a bundle has a member"),),
    says="What stood together on one event.",
)

SIGHTINGS = Table(
    name="sightings",
    grain="one bundle, in one source, on one business date",
    key=("bundle_id", "source", "business_date"),
    mode="partition",
    partition="business_date",
    schema=pa.schema(
        [
            column("bundle_id", LONG, "bundle"),
            column("source", TEXT, "source"),
            column("business_date", DAY, "business date"),
            column("first_at", TIMESTAMP, "first occurrence that day"),
            column("last_at", TIMESTAMP, "last occurrence that day"),
            column("count", LONG, "events"),
            column("received_at", TIMESTAMP, "receipt of the event received first"),
            column("event_id", TEXT, "event received first"),
        ]
    ),
    invariants=(
        Invariant("first_before_last", "first_at <= last_at", "first is not after last"),
        Invariant("count_is_positive", "count >= 1", "a sighting counts events"),
    ),
    references={"bundle_id": "bundles"},
    says="The dated evidence of identity.",
)

SCREENED = Table(
    name="screened",
    grain="one identifier that unites nothing",
    key=("identifier_key",),
    mode="snapshot",
    schema=pa.schema(
        [
            column("identifier_key", LONG, "identifier"),
            column("type", TEXT, "its type"),
            column("reason", TEXT, "blocked or hub"),
            column("rule", TEXT, "the rule or decision that says so"),
            column("count_partners", LONG, "partners of the type counted; 0 when blocked"),
        ]
    ),
    invariants=(Invariant("reason_is_known", "reason IN ('blocked', 'hub')", "blocked or hub"),),
    references={"identifier_key": "identifiers"},
    says="The registry of blocked values and hubs.",
)

RAW_COMPONENTS = Table(
    name="raw_components",
    grain="one identifier that is not screened",
    key=("identifier_key",),
    mode="snapshot",
    schema=pa.schema(
        [
            column("identifier_key", LONG, "identifier"),
            column("component", LONG, "least identifier_key that a chain of bundles joins it to"),
            column("is_dated", pa.bool_(), "whether dates decide anything in this component"),
        ]
    ),
    references={"identifier_key": "identifiers"},
    says="What may influence one another, wider than what is linked; a new day redoes only those "
    "components that it touches.",
)

TENURES = Table(
    name="tenures",
    grain="one stay of one identifier with one holder",
    key=("identifier_key", "tenure"),
    mode="snapshot",
    schema=pa.schema(
        [
            column("identifier_key", LONG, "identifier"),
            column("tenure", pa.int32(), "number of the stay, from 0"),
            column("type", TEXT, "identifier type"),
            column("one_id", TEXT, "holder; NULL when it has none", nullable=True),
            column("kind", TEXT, "sole, handover, shared, alone, blocked or hub"),
            column("valid_from", DAY, "first business date; NULL is open", nullable=True),
            column("valid_to", DAY, "business date after the last; NULL is open", nullable=True),
            column("received_at", TIMESTAMP, "receipt of the first sighting in the stay"),
            column("source", TEXT, "source of that receipt"),
            column("event_id", TEXT, "event of that receipt"),
        ]
    ),
    invariants=(
        Invariant(
            "from_before_to",
            "valid_from IS NULL OR valid_to IS NULL OR valid_from < valid_to",
            "a stay is not empty",
        ),
        Invariant(
            "sole_and_handed_over_have_a_holder",
            "(kind IN ('sole', 'handover')) = (one_id IS NOT NULL)",
            "what is shared, screened or may not stand alone has no holder, all else has one",
        ),
    ),
    says="Who held what from when to when.",
)

LINKS = Table(
    name="links",
    grain="one candidate link between two tenures",
    key=("identifier_key_a", "tenure_a", "identifier_key_b", "tenure_b"),
    mode="snapshot",
    schema=pa.schema(
        [
            column("identifier_key_a", LONG, "smaller key"),
            column("tenure_a", pa.int32(), "its stay"),
            column("identifier_key_b", LONG, "larger key"),
            column("tenure_b", pa.int32(), "its stay"),
            column("status", TEXT, "accepted or refused"),
            column("rule", TEXT, "why it was refused, or what it waived", nullable=True),
            column("blocker", LONG, "identifier at fault", nullable=True),
            column("evidence", TEXT, "class of the evidence"),
            column("received_at", TIMESTAMP, "first receipt"),
            column("source", TEXT, "source of that receipt"),
            column("event_id", TEXT, "event of that receipt"),
        ]
    ),
    invariants=(
        Invariant("keys_are_ordered", "identifier_key_a < identifier_key_b", "a is below b"),
        Invariant(
            "refusal_has_a_rule",
            "status = 'accepted' OR (status = 'refused' AND rule IS NOT NULL)",
            "a refused link names its rule",
        ),
    ),
    says="Which identifiers were joined, on which evidence, and which were not, and why.",
)

PERSONS = Table(
    name="persons",
    grain="one person",
    key=("one_id",),
    mode="snapshot",
    schema=pa.schema(
        [
            column("one_id", TEXT, "stable id, derived from the earliest birth"),
            column("person_no", LONG, "dense number, uint32"),
            column("born_at", TIMESTAMP, "receipt of the first sighting"),
            column("birth_source", TEXT, "its source"),
            column("birth_event_id", TEXT, "its event"),
            column("birth_path", TEXT, "field on that event"),
            column("count_identifiers", LONG, "identifiers held"),
        ]
    ),
    invariants=(
        Invariant("holds_something", "count_identifiers >= 1", "a person holds an identifier"),
        Invariant("number_is_uint32", "person_no BETWEEN 0 AND 4294967295", "person_no is uint32"),
    ),
    says="Everybody who is known, once.",
)

PERSON_NUMBERS = Table(
    name="person_numbers",
    grain="one one_id that ever was",
    key=("one_id",),
    mode="append",
    schema=pa.schema(
        [
            column("one_id", TEXT, "person"),
            column("person_no", LONG, "dense number, given once, never reused"),
        ]
    ),
    says="The dense numbers, which a rebuild reads instead of deriving.",
)

BUNDLE_PERSONS = Table(
    name="bundle_persons",
    grain="one bundle with one person for one stretch of time",
    key=("bundle_id", "valid_from"),
    mode="snapshot",
    schema=pa.schema(
        [
            column("bundle_id", LONG, "bundle"),
            column("one_id", TEXT, "person"),
            column("valid_from", DAY, "first business date; 0001-01-01 is open"),
            column("valid_to", DAY, "last business date, exclusive; 9999-12-31 is open"),
            column("is_borrowed", pa.bool_(), "whether only a log-in of that date tells"),
        ]
    ),
    invariants=(Invariant("from_before_to", "valid_from < valid_to", "the stretch is not empty"),),
    references={"bundle_id": "bundles", "one_id": "persons"},
    says="How an event gets its person as of its own date.",
)

IDENTITY_MOVES = Table(
    name="identity_moves",
    grain="one tenure that went from one person to another at one publication",
    key=("published_for", "identifier_key", "tenure"),
    mode="partition",
    partition="published_for",
    schema=pa.schema(
        [
            column("published_for", DAY, "business date of the publication"),
            column("identifier_key", LONG, "identifier"),
            column("tenure", pa.int32(), "its stay"),
            column("one_id_from", TEXT, "holder before; NULL when new", nullable=True),
            column("one_id_to", TEXT, "holder after; NULL when screened", nullable=True),
            column("cause", TEXT, "evidence, merge, split, screen or decision"),
        ]
    ),
    invariants=(
        Invariant("a_move_moves", "one_id_from IS DISTINCT FROM one_id_to", "from and to differ"),
    ),
    says="Enough for a downstream store to follow: apply them in order of publication.",
)

IDENTITY_CHANGES = Table(
    name="identity_changes",
    grain="one thing that happened to one person at one publication",
    key=("published_for", "kind", "one_id", "other_one_id"),
    mode="partition",
    partition="published_for",
    schema=pa.schema(
        [
            column("published_for", DAY, "business date of the publication"),
            column("kind", TEXT, "created, merged, split or vanished"),
            column("one_id", TEXT, "the person who is left or new"),
            column("other_one_id", TEXT, "absorbed by it, or what it was split from; else empty"),
        ]
    ),
    invariants=(
        Invariant(
            "kind_is_known",
            "kind IN ('created', 'merged', 'split', 'vanished')",
            "one of four kinds",
        ),
    ),
    says="What became of persons, publication by publication.",
)

IDENTITY_DECISIONS = Table(
    name="identity_decisions",
    grain="one decision of a person about identity",
    key=("decision_id",),
    mode="append",
    schema=pa.schema(
        [
            column("decision_id", TEXT, "derived from its content"),
            column("kind", TEXT, "link, unlink, block or revoke"),
            column("identifier_key_a", LONG, "the one identifier; NULL of a revoke", nullable=True),
            column("identifier_key_b", LONG, "the other, of link and unlink", nullable=True),
            column("revokes", TEXT, "decision that a revoke takes back", nullable=True),
            column("reason", TEXT, "why"),
            column("author", TEXT, "who decided"),
            column("decided_at", TIMESTAMP, "when"),
            column("received_at", TIMESTAMP, "delivery that brought it"),
            column("file", TEXT, "that delivery"),
        ]
    ),
    invariants=(
        Invariant(
            "kind_is_known", "kind IN ('link', 'unlink', 'block', 'revoke')", "one of four kinds"
        ),
        Invariant(
            "names_what_it_decides",
            "(kind = 'revoke') = (revokes IS NOT NULL) "
            "AND (kind = 'revoke') = (identifier_key_a IS NULL) "
            "AND (kind IN ('link', 'unlink')) = (identifier_key_b IS NOT NULL)",
            "each kind names what it is about",
        ),
    ),
    says="Decisions of people about who is who; never changed, only revoked by another.",
)

IDENTITY_RUNS = Table(
    name="identity_runs",
    grain="one resolution",
    key=("published_for",),
    mode="partition",
    partition="published_for",
    schema=pa.schema(
        [
            column("published_for", DAY, "business date of the publication"),
            column("plan", TEXT, "whole, or delta"),
            column("rules", TEXT, "fingerprint of the rules of identity"),
            column("count_components_redone", LONG, "raw components worked out anew"),
            column("count_components", LONG, "raw components"),
            column("largest_component", LONG, "identifiers of the largest"),
            column("wrong_links_per_person", pa.float64(), "refused or shared links a person"),
        ]
    ),
    says="How each publication of identity was made.",
)

IDENTITY_HEALTH = Table(
    name="identity_health",
    grain="one identifier type at one publication",
    key=("published_for", "type"),
    mode="partition",
    partition="published_for",
    schema=pa.schema(
        [
            column("published_for", DAY, "business date of the publication"),
            column("type", TEXT, "identifier type"),
            column("count_values", LONG, "identifiers seen"),
            column("count_held", LONG, "identifiers that a person holds"),
            column("count_persons", LONG, "persons who hold one"),
            column("most_per_person", LONG, "identifiers of the person with most"),
            column("most_holders", LONG, "persons who held the value with most"),
            column("count_blocked", LONG, "blocked values"),
            column("count_hubs", LONG, "hubs"),
            column("count_shared", LONG, "shared values"),
            column("count_handed_over", LONG, "values that went from one person to another"),
            column("count_refused", LONG, "refused links with such an end"),
        ]
    ),
    says="How identity fares, type by type and day by day.",
)
