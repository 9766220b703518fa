"""The report: one page that shows what became of the data, from rows in to audience out."""

from console.report.facts import (
    Audience,
    AudienceSize,
    CalibrationBin,
    Changes,
    DayOfSource,
    EventType,
    Example,
    Export,
    ExportStep,
    MethodScore,
    ModelSummary,
    PersonSize,
    Refusal,
    ReleaseRow,
    ReportFacts,
    Screened,
    TagBin,
    TagFacts,
    UnpublishedModel,
)
from console.report.gather import gather
from console.report.page import render

__all__ = [
    "Audience",
    "AudienceSize",
    "CalibrationBin",
    "Changes",
    "DayOfSource",
    "EventType",
    "Example",
    "Export",
    "ExportStep",
    "MethodScore",
    "ModelSummary",
    "PersonSize",
    "Refusal",
    "ReleaseRow",
    "ReportFacts",
    "Screened",
    "TagBin",
    "TagFacts",
    "UnpublishedModel",
    "gather",
    "render",
]
