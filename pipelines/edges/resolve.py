"""Edges to persons: gather → number → screen → settle what is contested → prove → write."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lake import conf
from lake.engines.duckdb import Session
from pipelines.components.plain import resolve_plain
from pipelines.edges import outcome
from pipelines.edges.classes import Classes
from pipelines.edges.contested import components, contested, settle_contested
from pipelines.edges.decisions import (
    Decisions,
    lay_out_decisions,
    parse_decisions,
    read_decisions,
)
from pipelines.edges.folder import made_whole
from pipelines.edges.gather import gather
from pipelines.edges.graph import Graph, build
from pipelines.edges.inputs import BATCH, KEY, Edges, Input, extras_of, open_edges
from pipelines.edges.manifest import FILES, Made, Told, plain_identities, write_manifest
from pipelines.edges.previous import moves, open_previous
from pipelines.edges.proof import prove, prove_counts
from pipelines.edges.refusals import Refusals
from pipelines.edges.screening import Screened, find_screened, values
from pipelines.edges.stays import put_together
from pipelines.edges.texts import Ints
from pipelines.edges.writing import Writer, ways
from schemas.errors import NotFoundError, UsageError
from schemas.identity_rules import NO_RULES, IdentityRules
from schemas.programme import Programme

Rules = IdentityRules | str | Path | None
"""Rules, a file of rules, ``"none"`` for plain connected components, None for safe defaults."""
Said = str | Path | Iterable[Mapping[str, str]] | None
"""A file of decisions as JSON lines, or dicts of the same keys."""


def safe_rules() -> IdentityRules:
    """What holds without a file of rules: the packaged ones, any other type being the weakest."""
    rules = conf.load("identity.yml", IdentityRules)[0]
    return msgspec.structs.replace(rules, undeclared="accept")


def resolve_to(
    edges: Edges | Sequence[Edges],
    out: Path,
    *,
    rules: Rules = None,
    decisions: Said = None,
    previous: Path | None = None,
    only_identities: bool = False,
) -> dict[str, Any]:
    """Write who is who into the folder ``out``, whole or not at all; returns its manifest.

    The files are ``FILES`` as Parquet and ``manifest.json``. ``only_identities`` writes but the
    first of them and the manifest; of plain components it takes a third of the time, without a
    proof and with the identifiers in the order in which they come first. Errors name the file and
    row, or the line of the rules or decisions; QualityError where the result does not prove itself.
    """
    inputs = open_edges(edges)
    _refuse_inside(edges, out)
    is_plain = rules == "none"
    _refuse_together(is_plain, decisions, previous, only_identities)
    if is_plain and only_identities:
        return _plain_identities(inputs, out)
    ruled = _rules(rules)
    before = open_previous(previous) if previous is not None else None
    region = conf.load("programme.yml", Programme)[0].region
    with made_whole(out) as (result, work):
        with Writer(None if is_plain else ways(ruled), region) as writer:
            said = _decisions(decisions, writer)
            with Refusals(work / "refused.arrow") as refusals:
                known = _known(ruled)
                declared = frozenset(one.type for one in ruled.types)
                gathered = gather(inputs, writer, refusals, work, known, declared)
                graph = build(gathered, refusals)
        with Session(work / "spill") as session:
            made = _resolve(session, graph, ruled, said, is_plain)
            prove_counts(graph, gathered.count_rows, refusals.total)
            _refuse_nothing(gathered.count_rows, refusals)
            _write(session, made, result, refusals, before, previous, only_identities)
        written = [path for path in _places(result).values() if path.is_file()]
        files = {path.stem: pq.read_metadata(path).num_rows for path in written}
        told = Told(inputs, gathered, refusals, made, _named(rules), before, files).told()
        write_manifest(told, result)
    return told


@dataclass(frozen=True, slots=True)
class Resolved:
    """Who is who, as Arrow tables in the columns of the files."""

    identities: pa.Table
    tenures: pa.Table
    links: pa.Table
    moves: pa.Table
    refused: pa.Table
    manifest: dict[str, Any]


def resolve_edges(
    edges: Edges | Sequence[Edges],
    *,
    rules: Rules = None,
    decisions: Said = None,
    previous: Path | None = None,
) -> Resolved:
    """Who is who by ``edges``: a path, an Arrow table or reader, a DuckDB relation, or several.

    The same as ``guiyi identity resolve``, in memory. ``rules`` are a file, ``"none"`` for plain
    connected components, or the safe defaults.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        manifest = resolve_to(edges, out, rules=rules, decisions=decisions, previous=previous)
        found = {name: pq.read_table(out / f"{name}.parquet") for name in FILES}
    return Resolved(**found, manifest=manifest)


def _resolve(
    session: Session, graph: Graph, rules: IdentityRules, said: Decisions, is_plain: bool
) -> Made:
    named = lay_out_decisions(session, graph, said)
    screened = Screened(np.empty(0, np.int64), [], [])
    if not is_plain:
        screened = find_screened(session, graph, rules)
    usable = screened.usable(len(graph.keys))
    first = components(graph, usable)
    weighed = np.zeros(len(usable), np.bool_)
    if not is_plain:
        weighed = contested(graph, rules, usable, first, named)
    settled = None
    if weighed.any():
        near = np.flatnonzero(weighed[graph.a] | weighed[graph.b])
        settled = settle_contested(session, graph, rules, near)
    plain = usable & ~weighed
    pairs = np.flatnonzero(plain[graph.a] & plain[graph.b])
    prove(graph, rules, plain, first, pairs)
    stays = put_together(graph, rules, first, screened, weighed, settled)
    return Made(graph, rules, said, screened, first, settled, stays, pairs)


def _write(
    session: Session,
    made: Made,
    result: Path,
    refusals: Refusals,
    before: dict[str, Any] | None,
    previous: Path | None,
    only_identities: bool,
) -> None:
    graph, stays, place = made.graph, made.stays, _places(result)
    _write_refused(session, refusals, place["refused"])
    outcome.write(place["identities"], outcome.IDENTITIES, outcome.identities(graph, stays))
    if only_identities:
        return
    outcome.write(place["tenures"], outcome.TENURES, outcome.tenures(graph, stays))
    links = outcome.Links(graph, made.plain_pairs, made.settled, Classes(graph, made.rules))
    outcome.write(place["links"], links.schema, links.batches())
    moved = outcome.new_moves(graph, stays)
    if previous is not None and before is not None:
        decided = values(graph, _newly_decided(made, before))
        moved = moves(session, previous / "tenures.parquet", place["tenures"], decided)
    outcome.write(place["moves"], outcome.MOVES, moved)


def _places(result: Path) -> dict[str, Path]:
    return {name: result / f"{name}.parquet" for name in FILES}


def _plain_identities(inputs: Sequence[Input], out: Path) -> dict[str, Any]:
    extras = extras_of(inputs)
    with made_whole(out) as (result, work):
        with Refusals(work / "refused.arrow") as refusals:
            rows = (batch for one in inputs for batch in one.read(extras))
            sound = (refusals.sift(batch).select(KEY) for batch in rows)
            counts = resolve_plain(sound, result / "identities.parquet")
        with Session(work / "spill") as session:
            _write_refused(session, refusals, result / "refused.parquet")
        told = plain_identities(inputs, refusals, counts)
        write_manifest(told, result)
    return told


def _refuse_together(
    is_plain: bool, decisions: Said, previous: Path | None, only_identities: bool
) -> None:
    if is_plain and decisions is not None:
        raise UsageError(
            "plain components know no decisions",
            expected="--decisions with rules, or --rules none alone",
            got="both",
        )
    if previous is not None and only_identities:
        raise UsageError(
            "there are no moves among identities",
            expected="--previous, or --only-identities",
            got="both",
        )


def _newly_decided(made: Made, before: Mapping[str, Any]) -> Ints:
    """The identifiers of components in which a decision is new."""
    known = set(before.get("decisions", {}).get("ids", []))
    keys = [
        key
        for one in made.said.entries
        if one.decision_id not in known
        for key in (one.a, one.b)
        if key is not None
    ]
    graph = made.graph
    numbers = np.flatnonzero(np.isin(graph.keys, np.array(keys, np.int64)))
    near = np.isin(made.first, made.first[numbers])
    return np.flatnonzero(near)


def _write_refused(session: Session, refusals: Refusals, path: Path) -> None:
    """The refused rows in order, those that say the same counted together."""
    with pa.memory_map(str(refusals.path)) as file:
        session.register("refused_rows", pa.ipc.open_file(file).read_all())
        found = session.con.sql(
            f'SELECT {", ".join(KEY)}, reason, count(*) AS "count" FROM refused_rows '
            "GROUP BY ALL ORDER BY ALL"
        ).to_arrow_reader(BATCH)
        with pq.ParquetWriter(path, found.schema) as writer:
            for batch in found:
                writer.write_batch(batch)
        session.con.unregister("refused_rows")


def _refuse_inside(edges: Any, out: Path) -> None:
    """The next run over a folder would read what this one wrote into it."""
    for place in edges if isinstance(edges, list | tuple) else [edges]:
        if isinstance(place, str | Path) and out.resolve().is_relative_to(Path(place).resolve()):
            raise UsageError(
                "the result would lie among the edges",
                expected="--out outside of --edges",
                got=str(out),
                where=str(place),
                todo="name a folder beside it",
            )


def _rules(rules: Rules) -> IdentityRules:
    if rules is None:
        return safe_rules()
    if rules == "none":
        return NO_RULES
    if isinstance(rules, IdentityRules):
        return rules
    path = Path(rules)
    if not path.is_file():
        raise NotFoundError(
            "no rules there",
            expected="a file of rules, or none for plain connected components",
            where=str(path),
            todo="see docs/definitions.md; without --rules safe defaults hold",
        )
    return conf.load_file(path, IdentityRules)


def _named(rules: Rules) -> str:
    if rules is None:
        return "safe defaults"
    return "given" if isinstance(rules, IdentityRules) else str(rules)


def _refuse_nothing(count_rows: int, refusals: Refusals) -> None:
    """A result without any row would take the place of a good one."""
    if count_rows and refusals.total == count_rows:
        reasons = ", ".join(f"{count:,} {name}" for name, count in sorted(refusals.counts.items()))
        raise UsageError(
            "every row was refused, so that nothing was written",
            expected="edges between identifiers of the types that the rules list",
            got=f"{count_rows:,} rows: {reasons}",
            todo="mend the edges, or list their types in --rules (or say undeclared: accept there)",
        )


def _known(rules: IdentityRules) -> frozenset[str] | None:
    """The types that are taken; None for any."""
    return None if rules.undeclared == "accept" else frozenset(one.type for one in rules.types)


def _decisions(said: Said, writer: Writer) -> Decisions:
    if said is None:
        return Decisions()
    if isinstance(said, str | Path):
        return read_decisions(Path(said), writer)
    return parse_decisions([dict(one) for one in said], writer)
