"""Puts the report together: what the newest release holds, what the models and exports left."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from console import report
from jobs.settings import Settings
from lake import exports, runs
from lake.engines.duckdb import Session
from lake.releases import Release
from lake.store import Lake
from models import registry
from pipelines import identity
from pipelines.audiences.words import words
from pipelines.tags import declared, show_sparse_tags


def write(lake: Lake, settings: Settings, path: Path) -> dict[str, Any]:
    """Write the report of the newest release to ``path``; returns its headline figures."""
    labels = {tag.name: tag.label for tag in declared(settings.tags)}
    release = lake.release()
    with lake.session() as session:
        show_sparse_tags(release.open(session))
        measured = _evaluation(lake, settings, session)
        versions = _scored_with(session, release)
        facts = report.gather(
            session,
            programme=settings.programme.name,
            zone=settings.programme.zone,
            evaluation=[_method(score) for score in measured.methods],
            models=_models(lake, settings, versions),
            traps=_traps(lake, measured.traps),
            unpublished=_unpublished(lake, settings, release, versions),
            tag_labels=labels,
            audiences=_audiences(lake, settings, labels),
        )
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(report.render(facts), encoding="utf-8")
    os.replace(fresh, path)
    return summary(facts)


def summary(facts: report.ReportFacts) -> dict[str, Any]:
    """The headline figures: rows, events, persons, members, precision and recall."""
    totals = {
        name: sum(getattr(day, f"count_{name}") for day in facts.deliveries)
        for name in ("rows", "events", "quarantined", "duplicates")
    }
    return {
        **totals,
        "persons": facts.count_persons,
        "members": {
            audience.name: audience.sizes[-1].count if audience.sizes else 0
            for audience in facts.audiences
        },
        "business_date": facts.tags_on,
        "identity": [
            {"method": s.method, "precision": s.precision, "recall": s.recall}
            for s in facts.evaluation
        ],
        "models": {model.name: model.auc for model in facts.models},
        "not_published": {model.name: list(model.reasons) for model in facts.unpublished},
    }


def summary_text(found: dict[str, Any], path: Path) -> str:
    """The headline figures as a few lines."""
    lines = [
        f"{found['rows']:,} rows in = {found['events']:,} taken + "
        f"{found['quarantined']:,} quarantined + {found['duplicates']:,} duplicates",
        f"{found['persons']:,} persons on {found['business_date']}",
    ]
    lines += [f"{count:,} members of {name}" for name, count in found["members"].items()]
    for score in found["identity"]:
        precision, recall = score["precision"] or 0.0, score["recall"] or 0.0
        lines.append(f"identity, {score['method']}: precision {precision:.3f}, recall {recall:.3f}")
    lines += [f"{name}: AUC {auc:.3f}" for name, auc in found["models"].items()]
    lines += [f"{name}: not published" for name in found["not_published"]]
    return "\n".join([*lines, f"report: {path}"])


def _traps(lake: Lake, scores: Sequence[identity.TrapScore]) -> list[report.Trap]:
    truth = lake.root / "truth" / "traps.parquet"
    if not truth.exists():
        return []
    named = {score.trap for score in scores}
    found = [
        report.Trap(
            _words(one.trap),
            one.count_decidable + one.count_undecidable,
            one.count_decidable,
            one.count_right,
            one.what,
            one.bar,
            one.count_over_two,
        )
        for one in scores
    ]
    rows = pq.read_table(truth, columns=["trap", "decidable"]).to_pylist()
    laid = Counter(row["trap"] for row in rows if row["trap"] not in named)
    decidable = Counter(row["trap"] for row in rows if row["decidable"])
    found += [report.Trap(_words(one), laid[one], decidable[one]) for one in laid]
    return sorted(found, key=lambda one: one.name)


def _words(trap: str) -> str:
    return trap.replace("_", " ")


def _evaluation(lake: Lake, settings: Settings, session: Session) -> identity.Evaluation:
    truth = lake.root / "truth"
    if not (truth / "identifiers.parquet").exists():
        return identity.Evaluation((), ())
    names = ("identifiers", "events", "traps")
    tables = (pq.read_table(truth / f"{name}.parquet") for name in names)
    return identity.evaluate(session, settings.identity, identity.Truth(*tables))


def _method(score: identity.Score) -> report.MethodScore:
    return report.MethodScore(
        score.method,
        score.precision or 0.0,
        score.recall or 0.0,
        score.attribution,
        score.largest_person,
        score.precision_all,
        score.attribution_all,
    )


def _scored_with(session: Session, release: Release) -> dict[str, str]:
    """Model → the version that the release was scored with on its own date."""
    rows = session.rows(
        "SELECT model, max(version) FROM model_scores "
        f"WHERE business_date = DATE '{release.business_date}' GROUP BY model"
    )
    return {str(model): str(version) for model, version in rows}


def _models(lake: Lake, settings: Settings, versions: dict[str, str]) -> list[report.ModelSummary]:
    found = []
    for model in settings.models:
        if model.name not in versions:
            continue
        stored = registry.summary(lake.snapshots, model.name, versions[model.name])
        bins = tuple(report.CalibrationBin(**one) for one in stored["calibration"])
        found.append(
            report.ModelSummary(
                model.name,
                stored["auc"],
                stored["auc_baseline"],
                stored["brier"],
                bins,
                model.label,
            )
        )
    return found


def _unpublished(
    lake: Lake, settings: Settings, release: Release, versions: dict[str, str]
) -> list[report.UnpublishedModel]:
    """Declared models without scores on the release's date, with the reasons its run recorded."""
    told: dict[str, list[str]] = {}
    for run in runs.history(lake.root, "release"):
        if (run.run_id, run.business_date) == (release.run_id, release.business_date):
            figures: Any = run.summary.get("models", [])
            told |= {one["model"]: one["refusals"] for one in figures}
    return [
        report.UnpublishedModel(model.name, model.label, tuple(told.get(model.name, ())))
        for model in settings.models
        if model.name not in versions
    ]


def _audiences(lake: Lake, settings: Settings, labels: dict[str, str]) -> list[report.Audience]:
    manifests = exports.newest(lake.exports)
    return [
        report.Audience(
            audience.name,
            audience.label,
            words(audience, labels),
            exports=tuple(_export(m) for m in manifests if m["audience"] == audience.name),
        )
        for audience in settings.audiences
    ]


def _export(manifest: dict[str, Any]) -> report.Export:
    counts, recipe = manifest["counts"], manifest["recipe"]
    allowed = counts["members"] - counts["without_consent"]
    steps = [
        report.ExportStep("members", counts["members"]),
        report.ExportStep(f"consent to {recipe['purpose']}", allowed),
    ]
    if recipe.get("suppress"):
        steps.append(report.ExportStep("on no list", allowed - counts["suppressed"]))
    if identifiers := recipe.get("identifiers", []):
        types = " or ".join(dict.fromkeys(one["type"] for one in identifiers))
        steps.append(report.ExportStep(f"a {types} of their own", counts["exported"]))
    hashing = dict.fromkeys(one["recipe"] for one in identifiers)
    return report.Export(
        manifest["audience"], ", ".join(hashing) or "no identifier", tuple(steps),
        tuple(part["name"] for part in manifest.get("parts", [])),
    )
