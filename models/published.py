"""A model as a release was scored with it: its figures, its card, and why a score is what it is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from domain.near import meant
from lake.engines.duckdb import Session, quoted
from schemas.errors import NotFoundError

WHY = pa.schema([
    pa.field("feature", pa.string()), pa.field("says", pa.string()),
    pa.field("value", pa.float64()), pa.field("contribution", pa.float64()),
])


@dataclass(frozen=True)
class PublishedModel:
    """A version of a model that passed its gate; a notebook shows its card.

    ``business_date`` is the newest date that it scored, ``summary`` its figures on the test
    snapshot, ``features`` what it knows of a person, in words.
    """

    name: str
    version: str
    business_date: date
    summary: dict[str, Any] = field(repr=False)
    features: dict[str, str] = field(repr=False)
    card: str = field(repr=False)

    def _repr_markdown_(self) -> str:
        return self.card


def published(session: Session, kept: Path, name: str) -> PublishedModel:
    """The model that gave the newest scores of ``name`` that an open release shows.

    ``kept`` is the folder of snapshots. NotFoundError for a model without any score.
    """
    # Loads scikit-learn, which takes longer than all else that a notebook begins with.
    from models import registry

    rows = session.rows(
        "SELECT business_date, version FROM model_scores "
        f"WHERE model = {quoted(name)} ORDER BY business_date DESC LIMIT 1"
    )
    if not rows:
        raise _no_model(session, name)
    ((day, version),) = rows
    assert isinstance(day, date)
    card = json.loads(registry.files(kept, name, str(version))["card.json"])
    return PublishedModel(
        name, str(version), day, registry.summary(kept, name, str(version)), card["features"],
        registry.card(kept, name, str(version)),
    )


def explained(session: Session, model: PublishedModel, one_id: str) -> pa.Table:
    """The features that moved a person's newest score most, the strongest first.

    Columns are those of ``WHY``; contributions as in ``model_scores``. NotFoundError for who has
    no score.
    """
    rows = session.rows(
        f"SELECT reasons FROM model_scores WHERE model = {quoted(model.name)} AND "
        f"business_date = DATE '{model.business_date}' AND one_id = {quoted(one_id)}"
    )
    if not rows:
        raise NotFoundError(
            f"{model.name} has no score of this person", got=one_id,
            expected=f"a person it scored on {model.business_date}",
            todo=f"its card says whom it scores: release.model({model.name!r})",
        )
    reasons: Any = rows[0][0]
    told = [one | {"says": model.features.get(one["feature"])} for one in reasons or []]
    return pa.Table.from_pylist(told, schema=WHY)


def _no_model(session: Session, name: str) -> NotFoundError:
    known = [str(one) for (one,) in session.rows("SELECT DISTINCT model FROM model_scores")]
    refused = session.rows(f"SELECT count(*) FROM model_health WHERE model = {quoted(name)}")
    is_refused = refused != [(0,)]
    return NotFoundError(
        f"the model {name!r} was never published", got=name,
        expected="one of " + (", ".join(sorted(known)) or "none yet"),
        todo="its gate refused it; `guiyi report` says why" if is_refused
        else meant(name, known) or "see conf/base/models",
    )
