"""What the steps of each job read and write; of it `guiyi job graph` and lineage are made."""

from __future__ import annotations

from dataclasses import dataclass

LANDING = "landing"
"""Files as delivered, which no step writes."""
LANDED = "landed_records"
"""What came over topics and no release has yet."""
FILES = "files"
"""What an export gives to others."""


@dataclass(frozen=True, slots=True)
class JobStep:
    """A step of a job: tables that it reads as they are when it begins, and those it writes."""

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]


INGEST = JobStep(
    "ingest",
    (LANDING, LANDED),
    (
        "deliveries", "quarantine", "replays", "events", "order_lines", "conversations",
        "consents", "products", "identifiers", "bundles", "sightings", "identity_decisions",
        "list_members", "erasures", "suppressions", "birth_tombstones", "tag_definitions",
    ),
)
IDENTITY = JobStep(
    "identity",
    ("bundles", "identifiers", "sightings", "identity_decisions", "birth_tombstones"),
    (
        "screened", "raw_components", "tenures", "links", "persons", "person_numbers",
        "bundle_persons", "identity_moves", "identity_changes", "identity_runs",
        "identity_health",
    ),
)
PARTIALS = JobStep(
    "partials",
    ("events", "order_lines", "conversations", "consents", "products", "tag_definitions"),
    ("partials", "partial_values", "partial_measures"),
)
MODEL_SCORES = JobStep(
    "model_scores",
    ("partials", "partial_values", "partial_measures", "persons", "bundle_persons",
     "order_lines", "products"),
    ("model_scores", "model_health"),
)
TAG_VALUES = JobStep(
    "tag_values",
    ("partials", "partial_values", "partial_measures", "persons", "person_numbers",
     "bundle_persons", "identity_moves", "model_scores", "events", "order_lines",
     "conversations", "consents", "products", "tag_definitions"),
    ("person_measures", "tag_values", "tag_values_sparse", "tag_coverage", "tag_bitmaps"),
)
AUDIENCE_MEMBERS = JobStep(
    "audience_members",
    ("tag_values", "tag_values_sparse", "tag_bitmaps", "events", "order_lines", "persons",
     "person_numbers", "bundle_persons", "identity_changes", "list_members"),
    ("audience_members",),
)
EXPORTS = JobStep(
    "exports",
    ("audience_members", "persons", "bundle_persons", "bundles", "identifiers", "sightings",
     "tenures", "tag_values", "consents", "list_members"),
    (FILES,),
)
UPKEEP = JobStep("upkeep", (LANDED, "deliveries"), (LANDED,))
