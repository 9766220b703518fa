"""The manifest of a result: what came in, what became of it, by which rules."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.compute as pc

from pipelines.edges.contested import Contested
from pipelines.edges.decisions import Decisions
from pipelines.edges.gather import Gathered
from pipelines.edges.graph import Graph
from pipelines.edges.inputs import Input
from pipelines.edges.previous import MADE_BY
from pipelines.edges.refusals import Refusals
from pipelines.edges.screening import Screened
from pipelines.edges.stays import Small, Stays
from pipelines.edges.texts import Ints
from pipelines.identity.resolve import fingerprint
from schemas.identity_rules import IdentityRules

FILES = ("identities", "tenures", "links", "moves", "refused")
ONE_ID = (
    "derived from the person's smallest identifier_key (SHA-256 of type and value, without a "
    "secret), since edges have no events to be born of; of a value that changed hands, from the "
    "second stay on, also from the number of the stay"
)
_VERSIONS = ("guiyi", "duckdb", "pyarrow", "numpy")


@dataclass(frozen=True, slots=True)
class Made:
    """A resolution before it is written."""

    graph: Graph
    rules: IdentityRules
    said: Decisions
    screened: Screened
    first: Small
    """Of each identifier the least number of its component of usable pairs."""
    settled: Contested | None
    stays: Stays
    plain_pairs: Ints
    """Places of the pairs that are links as they stand."""


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that the manifest tells of."""

    inputs: Sequence[Input]
    gathered: Gathered
    refusals: Refusals
    made: Made
    rules: str
    before: Mapping[str, Any] | None
    files: Mapping[str, int]

    def write(self, path: Path) -> dict[str, Any]:
        """Write it as JSON; the same as a dict."""
        told: dict[str, Any] = {
            "made_by": MADE_BY,
            "one_id": ONE_ID,
            "rules": {"from": self.rules, "fingerprint": fingerprint(self.made.rules)},
            "rows": self._rows(),
            "identifiers": self._identifiers(),
            "persons": {
                "count": len(self.made.stays.one_ids),
                "largest": self.made.stays.largest(),
            },
            "links": self._links(),
            "decisions": self._decisions(),
            "previous": self.before and {"rules": self.before.get("rules")},
            "files": {f"{name}.parquet": rows for name, rows in self.files.items()},
            "inputs": [
                {"name": one.name, "rows": one.rows, "bytes": one.size} for one in self.inputs
            ],
            "versions": {name: version(name) for name in _VERSIONS}
            | {"python": platform.python_version()},
        }
        path.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n")
        return told

    def _rows(self) -> dict[str, Any]:
        taken = len(self.made.graph.rows.pairs)
        return {
            "in": self.gathered.count_rows,
            "taken": taken,
            "repeated": taken - len(self.made.graph.pairs),
            "refused": self.refusals.total,
            "refused_by_reason": dict(sorted(self.refusals.counts.items())),
        }

    def _identifiers(self) -> dict[str, int]:
        kinds = self.made.stays.counts()
        return {"count": len(self.made.graph.keys)} | {
            name: kinds[name] for name in ("blocked", "hub", "shared", "handover", "alone")
        }

    def _links(self) -> dict[str, Any]:
        refused: dict[str, int] = {}
        if self.made.settled is not None:
            rows = self.made.settled.links
            some = rows.filter(pc.equal(rows["status"], "refused"))["rule"]
            refused = {one["values"]: one["counts"] for one in some.value_counts().to_pylist()}
        count = sum(refused.values())
        return {
            "accepted": self.files["links"] - count,
            "refused": count,
            "refused_by_rule": dict(sorted(refused.items())),
        }

    def _decisions(self) -> dict[str, Any]:
        said = self.made.said
        return {"count": len(said.ids), "repeated": said.count_repeated, "ids": said.ids}
