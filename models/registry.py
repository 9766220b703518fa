"""Published models: immutable snapshots of plain JSON, read without any library of learning."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from lake import snapshots
from models.drift import Reference
from models.fitted import Fitted
from schemas.errors import StorageError

FORMAT = 2
"""Goes up when the numbers of a model file come to mean something else."""


class Stored(msgspec.Struct, frozen=True):
    """The file ``model.json``: its format, the numbers, and how they were spread in training."""

    format: int
    model: str
    business_date: date
    fitted: Fitted
    reference: dict[str, Reference]
    """By feature, and `score`."""


@dataclass(frozen=True, slots=True)
class Version:
    """One published version of a model; ``is_current`` when the pointer names it."""

    version: str
    business_date: date
    measure: str
    gain: float
    is_current: bool


def stored(root: Path, name: str, version: str | None = None) -> Stored:
    """A published model: the current one, or that of ``version``.

    NotFoundError when there is none; StorageError when a file is damaged or of another format.
    """
    files = _files(root, name, version)
    where = str(root / name / (version or "current") / "model.json")
    try:
        found = msgspec.json.decode(files["model.json"], type=dict[str, Any])
    except (KeyError, ValueError) as error:
        raise _damaged(where, str(error)) from error
    if found.get("format") != FORMAT:
        raise StorageError(
            "a model file of another format",
            expected=f"format {FORMAT}",
            got=f"format {found['format']}" if "format" in found else "no format at all",
            where=where,
            todo="take `pinned` out of the model's definition, so that it is trained anew",
        )
    try:
        return msgspec.convert(found, Stored)
    except msgspec.ValidationError as error:
        raise _damaged(where, str(error)) from error


def read(root: Path, name: str, version: str | None = None) -> Fitted:
    """The numbers of a published model, see ``stored``."""
    return stored(root, name, version).fitted


def summary(root: Path, name: str, version: str | None = None) -> dict[str, Any]:
    """How a published model did: AUC, baseline, gain, Brier score, calibration, weights, counts."""
    files = _files(root, name, version)
    return msgspec.json.decode(files["summary.json"], type=dict[str, Any])


def card(root: Path, name: str, version: str | None = None) -> str:
    """The card of a published model, as markdown."""
    return _files(root, name, version)["card.md"].decode()


def files(root: Path, name: str, version: str) -> dict[str, bytes]:
    """All files of a published version."""
    return _files(root, name, version)


def versions(root: Path, name: str) -> list[Version]:
    """Every version that is kept, the newest business date first; damaged ones raise."""
    folder = root / name
    names = sorted(p.parent.name for p in folder.glob("[0-9a-f]*/manifest.json"))
    current = snapshots.current(root, name)
    found = []
    for one in names:
        told = summary(root, name, one)
        found.append(
            Version(
                one, date.fromisoformat(told["business_date"]), told.get("measure", "AUC"),
                told.get("gain", round(told["auc"] - told["auc_baseline"], 6)), one == current,
            )
        )
    return sorted(found, key=lambda v: (v.business_date, v.version), reverse=True)


def _files(root: Path, name: str, version: str | None) -> dict[str, bytes]:
    try:
        return snapshots.read(root, name, version)
    except (ValueError, KeyError, OSError) as error:
        # A manifest that is no JSON, or names a file that is gone.
        raise _damaged(str(root / name / (version or "current")), str(error)) from error


def _damaged(where: str, got: str) -> StorageError:
    return StorageError(
        "a model's snapshot is damaged",
        expected="the files as they were published", got=got, where=where,
        todo="take `pinned` out of the model's definition, so that it is trained anew",
    )
