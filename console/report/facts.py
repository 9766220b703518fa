"""Everything the page says, as plain values: gathered from a release, or given by the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

TagKind = Literal["flag", "category", "number"]


@dataclass(frozen=True, slots=True)
class DayOfSource:
    """What the files of one source, delivered on one day, brought."""

    source: str
    day: date
    count_rows: int
    count_events: int
    count_quarantined: int
    count_duplicates: int


@dataclass(frozen=True, slots=True)
class EventType:
    """How many events of one type one source gave."""

    source: str
    type: str
    count: int


@dataclass(frozen=True, slots=True)
class Example:
    """One refused row; ``detail`` and ``raw`` are masked and cut to one line."""

    file: str
    line: int
    detail: str
    raw: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Rows of one source that were refused for one reason and have not been taken since."""

    source: str
    reason: str
    count: int
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class PersonSize:
    """How many persons hold exactly ``identifiers`` identifiers."""

    identifiers: int
    count: int


@dataclass(frozen=True, slots=True)
class Screened:
    """Identifiers of one type that unite nothing, for one reason (blocked or hub)."""

    type: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of persons at one publication, in distinct persons."""

    published_for: date
    created: int
    merged: int
    split: int
    vanished: int


@dataclass(frozen=True, slots=True)
class TagBin:
    """One bar of a tag's distribution: a value, or the range that ``label`` names."""

    label: str
    count: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class TagFacts:
    """One tag on the newest date: for how many of ``count_persons`` it is known, and how spread.

    Where many persons have 0, ``count_zero`` of them stand outside the bins.
    """

    name: str
    label: str
    kind: TagKind
    count_known: int
    count_persons: int
    bins: tuple[TagBin, ...] = ()
    count_zero: int = 0


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Persons with about the same predicted probability, and the share for whom it came true."""

    predicted: float
    observed: float
    count: int


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """How good a model is on a later window, beside the simple rule that it must beat."""

    name: str
    auc: float
    auc_baseline: float
    brier: float
    calibration: tuple[CalibrationBin, ...] = ()
    label: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """How far what a model reads or says has moved on a date since it was trained (PSI)."""

    model: str
    business_date: date
    what: str
    psi: float
    status: str


@dataclass(frozen=True, slots=True)
class UnpublishedModel:
    """A declared model without scores on the release's date; ``reasons`` is empty if unknown."""

    name: str
    label: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MethodScore:
    """One way to resolve identity against the truth; shares between 0 and 1.

    ``attribution`` is the share of attributable events with the right person, None where it was
    not measured. The first score of a sequence is the method in use.
    """

    method: str
    precision: float
    recall: float
    attribution: float | None
    count_largest_person: int
    precision_all: float | None = None
    """With nothing excused of what nobody can decide; so too the next."""
    attribution_all: float | None = None


@dataclass(frozen=True, slots=True)
class AudienceSize:
    """Members of an audience on one business date."""

    business_date: date
    count: int


@dataclass(frozen=True, slots=True)
class ExportStep:
    """One step of the way from members to exported rows, e.g. ``consent to export``."""

    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Export:
    """One export's manifest in words: what was written and who fell out on the way."""

    audience: str
    recipe: str
    steps: tuple[ExportStep, ...]
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Audience:
    """One audience: its definition in words, its size day by day, and what left of it."""

    name: str
    label: str
    definition: tuple[str, ...]
    sizes: tuple[AudienceSize, ...] = ()
    exports: tuple[Export, ...] = ()


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """One publication."""

    release_no: int
    business_date: date
    cut: datetime
    published_at: datetime
    run_id: str
    inputs: str
    rules: str
    count_tables: int


@dataclass(frozen=True, slots=True)
class Trap:
    """How often the sample world laid a trap, and how often its evidence can decide it.

    Of a trap of identity also how many of those were handled, what that means, and the share
    that must be.
    """

    name: str
    count: int
    count_decidable: int
    count_handled: int | None = None
    what: str = ""
    bar: float = 0.0
    count_over_two: int = 0
    """Undecidable instances over which more than two persons were joined."""

    @property
    def is_kept(self) -> bool:
        """Whether as many were handled as must be."""
        return (self.count_handled or 0) >= self.bar * self.count_decidable


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """All that ``render`` shows. Every part may be empty: the page then says so in a sentence."""

    programme: str = "Guiyi"
    zone: str = "UTC"
    deliveries: tuple[DayOfSource, ...] = ()
    event_types: tuple[EventType, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    count_taken_since: int = 0
    """Refused rows that were handed in again and taken."""
    count_same_content: int = 0
    """Events that say what another of their source says, under an id of their own; kept."""
    traps: tuple[Trap, ...] = ()
    count_events: int = 0
    count_persons: int = 0
    person_sizes: tuple[PersonSize, ...] = ()
    screened: tuple[Screened, ...] = ()
    changes: tuple[Changes, ...] = ()
    tags_on: date | None = None
    tags: tuple[TagFacts, ...] = ()
    count_scores: Mapping[str, int] = field(default_factory=dict)
    models: tuple[ModelSummary, ...] = ()
    unpublished: tuple[UnpublishedModel, ...] = ()
    drifts: tuple[Drift, ...] = ()
    audiences: tuple[Audience, ...] = ()
    evaluation: tuple[MethodScore, ...] = ()
    releases: tuple[ReleaseRow, ...] = ()
