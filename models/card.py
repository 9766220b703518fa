"""The card of a model: what it foretells, from what, how well, and what it does not know."""

from __future__ import annotations

from typing import Any

from models.summary import ModelSummary
from schemas.model_definitions import Feature, Model

WHAT = {
    "absence": "the chance that `{event}` does not come within {days} days",
    "presence": "the chance that `{event}` comes within {days} days",
    "category": "the {field} that most is paid for in the next order of the {days} days to come "
    "that has any of the classes, and its chance",
    "value": "purchase days and payments of the {days} days to come, and the chance of any",
}
LIMITS = {
    "absence": "What a person does under another, unknown identifier counts as not done.",
    "presence": "What a person does under another, unknown identifier counts as not done.",
    "category": "Says nothing of whether there will be an order; tested on persons who made one.",
    "value": "Knows dates and payments only; two purchases of one day are one; the season is that "
    "of the calibration snapshot.",
}
LIMITS_OF_ALL = (
    "Reasons are contributions to the score, not causes.",
    "Trained on what happened without it: acting on a score changes what it foretells.",
)


def card(definition: Model, summary: ModelSummary) -> dict[str, Any]:
    """The card as plain values."""
    return {
        "model": definition.name,
        "label": definition.label,
        "predicts": what(definition),
        "population": in_words(definition.population),
        "split": {
            "test": str(summary.tested_on),
            "horizon_days": definition.horizon_days,
            "offsets_days": {
                "test": definition.test_offset_days,
                "calibration": definition.calibration_offset_days,
                "training": sorted(definition.train_offsets_days),
            },
            "persons": {
                "training": summary.count_train,
                "calibration": summary.count_calibration,
                "test": summary.count_test,
            },
        },
        "figures": summary.figures(),
        "features": {feature.name: in_words(feature) for feature in definition.features},
        "limits": [LIMITS[definition.predicts], *LIMITS_OF_ALL],
    }


def markdown(definition: Model, summary: ModelSummary) -> str:
    """The card as a page."""
    told = card(definition, summary)
    persons, split = told["split"]["persons"], told["split"]["offsets_days"]
    lines = [
        f"# {definition.name}: {definition.label}", "",
        f"Foretells {told['predicts']}. Scores {summary.count_scored:,} persons of "
        f"{summary.business_date}: those with {told['population']}.", "",
        "## Data", "",
        "| sample | days before | persons |", "|---|---|---|",
        f"| training | {', '.join(map(str, split['training'])) or 'histories of the test day'} "
        f"| {persons['training']:,} |",
        f"| calibration | {split['calibration']} | {persons['calibration']:,} |",
        f"| test | {split['test']} | {persons['test']:,} |", "",
        "Each sample's outcomes end on the next one's day or before.", "",
        "## Figures", "", *_figures(definition, summary), "",
        "## Calibration", "", *_calibration(summary), "",
        "## Features and weights", "", *_weights(definition, summary), "",
        "## Limits", "", *[f"- {limit}" for limit in told["limits"]], "",
    ]
    return "\n".join(lines)


def what(definition: Model) -> str:
    """What a model foretells, in words."""
    return WHAT[definition.predicts].format(
        event=definition.event.name, days=definition.horizon_days,
        field=definition.choice.field if definition.choice else "",
    )


def in_words(feature: Feature) -> str:
    """What a feature measures, in words."""
    window = feature.window
    over = "ever" if window in (None, "ever") else ", ".join(
        f"{name} {getattr(window, name)}"
        for name in getattr(window, "__struct_fields__", ())
        if getattr(window, name) is not None
    )
    of = f" of {feature.field}" if feature.field else ""
    types = f" ({', '.join(feature.types)})" if feature.types else ""
    where = ", under a condition" if feature.where else ""
    return f"{feature.measure}{of} in {feature.source}{types}{where}, {over}"


def _figures(definition: Model, summary: ModelSummary) -> list[str]:
    level = f"{definition.gate.confidence:.0%}"
    rows = [
        (summary.measure, summary.value, summary.value_baseline),
        ("AUC", summary.auc, summary.auc_baseline),
    ]
    rows_once = dict.fromkeys(rows)
    lines = ["| figure | model | baseline |", "|---|---|---|"]
    lines += [f"| {name} | {ours:.4f} | {theirs:.4f} |" for name, ours, theirs in rows_once]
    lines += ["", f"Gain {summary.gain:.4f}, {level} interval {summary.gain_low:.4f} to "
              f"{summary.gain_high:.4f}; the gate asks for {definition.gate.margin} at least."]
    lines += [f"Brier score {summary.brier:.4f}; the outcome came for "
              f"{summary.share_positive:.1%}."]
    lines += [f"{n[0].upper()}{n[1:]}: {value:,.6g}." for n, value in summary.others.items()]
    return lines


def _calibration(summary: ModelSummary) -> list[str]:
    lines = [f"Error {summary.calibration_error:.4f}.", "",
             "| predicted | observed | persons |", "|---|---|---|"]
    lines += [
        f"| {b.predicted:.4f} | {b.observed:.4f} | {b.count:,} |" for b in summary.calibration
    ]
    if summary.amounts:
        lines += ["", f"Amounts, error {summary.amount_error:.4f}.", "",
                  "| expected | paid | persons |", "|---|---|---|"]
        lines += [
            f"| {b.predicted:,.2f} | {b.observed:,.2f} | {b.count:,} |" for b in summary.amounts
        ]
    return lines


def _weights(definition: Model, summary: ModelSummary) -> list[str]:
    told = {feature.name: in_words(feature) for feature in definition.features}
    strongest = sorted(summary.weights.items(), key=lambda item: (-abs(item[1]), item[0]))
    lines = ["| weight of | | what |", "|---|---|---|"]
    lines += [f"| {name} | {weight:.4f} | {told.get(name, '')} |" for name, weight in strongest]
    unnamed = [f"- {name}: {told[name]}" for name in told if name not in summary.weights]
    return [*lines, *([""] if unnamed else []), *unnamed]
