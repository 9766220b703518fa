"""Published models: immutable snapshots of plain JSON, read without any library of learning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from lake import snapshots
from models.logistic import Fitted


def read(root: Path, name: str, version: str | None = None) -> Fitted:
    """The numbers of a published model: the current one, or that of ``version``."""
    files = snapshots.read(root, name, version)
    return msgspec.json.decode(files["model.json"], type=Fitted)


def summary(root: Path, name: str, version: str | None = None) -> dict[str, Any]:
    """How a published model did: AUC, baseline, Brier score, calibration bins, weights, counts."""
    files = snapshots.read(root, name, version)
    return msgspec.json.decode(files["summary.json"], type=dict[str, Any])
