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

from pipelines.components.plain import PlainCounts
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
from schemas.identity_rules import NO_RULES, IdentityRules

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

    def told(self) -> dict[str, Any]:
        """All of it, as ``manifest.json`` has it."""
        return {
            **_origin(self.rules, self.made.rules),
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
            **_inputs(self.inputs),
        }

    def _rows(self) -> dict[str, Any]:
        taken = len(self.made.graph.rows.pairs)
        counts = {"in": self.gathered.count_rows, "taken": taken}
        counts["repeated"] = taken - len(self.made.graph.pairs)
        return counts | _refused(self.refusals)

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
        settled = 0 if self.made.settled is None else len(self.made.settled.links)
        count = sum(refused.values())
        return {
            "accepted": len(self.made.plain_pairs) + settled - count,
            "refused": count,
            "refused_by_rule": dict(sorted(refused.items())),
        }

    def _decisions(self) -> dict[str, Any]:
        said = self.made.said
        return {"count": len(said.ids), "repeated": said.count_repeated, "ids": said.ids}


def plain_identities(
    inputs: Sequence[Input], refusals: Refusals, made: PlainCounts
) -> dict[str, Any]:
    """The manifest of plain components of which the identities alone were written."""
    return {
        **_origin("none", NO_RULES),
        "rows": {"in": made.count_edges + refusals.total, "taken": made.count_edges}
        | _refused(refusals),
        "identifiers": {"count": made.count_identifiers},
        "persons": {"count": made.count_persons, "largest": made.largest_person},
        "files": {"identities.parquet": made.count_identifiers},
        **_inputs(inputs),
    }


def write_manifest(told: Mapping[str, Any], folder: Path) -> None:
    """Write ``manifest.json``."""
    text = msgspec.json.format(msgspec.json.encode(told), indent=1)
    (folder / "manifest.json").write_bytes(text + b"\n")


def _origin(name: str, rules: IdentityRules) -> dict[str, Any]:
    told = {"from": name, "fingerprint": fingerprint(rules)}
    return {"made_by": MADE_BY, "one_id": ONE_ID, "rules": told}


def _refused(refusals: Refusals) -> dict[str, Any]:
    reasons = dict(sorted(refusals.counts.items()))
    return {"refused": refusals.total, "refused_by_reason": reasons}


def _inputs(inputs: Sequence[Input]) -> dict[str, Any]:
    read = [{"name": one.name, "rows": one.rows, "bytes": one.size} for one in inputs]
    versions = {name: version(name) for name in _VERSIONS}
    return {"inputs": read, "versions": versions | {"python": platform.python_version()}}
