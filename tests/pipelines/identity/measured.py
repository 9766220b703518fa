"""Identity on a sample world, measured: from raw files to figures, without tags and models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from domain.dates import cut
from jobs import settings
from lake.engines.duckdb import Session
from pipelines import ingest, world
from pipelines.components import first_of_each
from pipelines.identity import Evaluation, Truth, evaluate, resolve
from tests.lakes import LAST, land_world

TRUTH = ("identifiers", "events", "traps")
MOST_PER_PERSON, MOST_PER_COMPONENT = 16, 200


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, and the stays of the largest component of candidate links."""

    evaluation: Evaluation
    largest_component: int


def measure(root: Path, seed: int, traps: world.Traps, households: int | None) -> Measured:
    """Generate a world, take its files, resolve it whole, and hold it against its truth."""
    lake, settled = land_world(root, households, traps, seed), settings.read()
    programme = settled.programme
    end = cut(LAST, programme.zone, programme.cut_hours)
    tables = (pq.read_table(root / "truth" / f"{name}.parquet") for name in TRUTH)
    with lake.draft(LAST, end) as draft:
        delivered = lake.landing.deliveries(before=end)
        secret = lake.identifier_secret()
        ingest.load(draft, settled.sources, programme, delivered, lake.landing.read, secret)
        resolve(draft, settled.identity)
        found = evaluate(draft.session, settled.identity, Truth(*tables))
        return Measured(found, largest_component(draft.session))


def largest_component(session: Session) -> int:
    """Stays in the largest component of candidate links: no hub, nothing shared, nobody passing."""
    edges = session.table(
        """
        WITH ends AS (
          SELECT identifier_key, tenure, row_number() OVER () - 1 AS code FROM tenures
        )
        SELECT a.code AS a, b.code AS b FROM links
        JOIN ends AS a ON a.identifier_key = identifier_key_a AND a.tenure = tenure_a
        JOIN ends AS b ON b.identifier_key = identifier_key_b AND b.tenure = tenure_b
        WHERE rule IS DISTINCT FROM 'outlier'
        """
    )
    ((count,),) = session.rows("SELECT count(*) FROM tenures")
    first = first_of_each(int(str(count)), edges["a"].to_numpy(), edges["b"].to_numpy())
    return int(np.bincount(first).max())


def table(found: Measured) -> str:
    """The figures as lines of text: methods, traps, the largest component."""
    lines = [
        f"{one.method}: precision {one.precision:.4f} (nothing excused {one.precision_all:.4f}), "
        f"recall {one.recall:.4f}, attribution {one.attribution:.4f} "
        f"(nothing excused {one.attribution_all:.4f}), largest person {one.largest_person}"
        for one in found.evaluation.methods
    ]
    lines += [
        f"{one.trap}: {one.count_right} of {one.count_decidable} handled, at least {one.bar:.0%}; "
        f"{one.count_undecidable} undecidable, over {one.count_over_two} more than two joined"
        for one in found.evaluation.traps
    ]
    return "\n".join([*lines, f"largest component of candidate links: {found.largest_component}"])


def shortfalls(worlds: Sequence[Measured], least: float, by_chance: int = 0) -> list[str]:
    """Each bar that is missed by ``worlds`` together, in words.

    ``least`` is that of precision, recall and attribution, on average; instances of traps are
    added up, of which ``by_chance`` more may fail than the bar says where it is below 1; no person
    and no component may be larger than its bar.
    """
    best = [one.evaluation.methods[0] for one in worlds]
    missed = []
    for name in ("precision", "recall", "attribution"):
        value = sum(getattr(one, name) for one in best) / len(best)
        missed += [f"{name} {value:.4f}"] if value < least else []
    traps = {one.trap: one.bar for world in worlds for one in world.evaluation.traps}
    for name, bar in traps.items():
        found = [one for it in worlds for one in it.evaluation.traps if one.trap == name]
        right, every = sum(t.count_right for t in found), sum(t.count_decidable for t in found)
        wanted = bar * every - (by_chance if bar < 1 else 0)
        missed += [f"{name} {right} of {every}"] if right < wanted else []
    largest = max(one.largest_person for one in best), max(w.largest_component for w in worlds)
    missed += [f"largest person {largest[0]}"] if largest[0] > MOST_PER_PERSON else []
    missed += [f"largest component {largest[1]}"] if largest[1] > MOST_PER_COMPONENT else []
    return missed
