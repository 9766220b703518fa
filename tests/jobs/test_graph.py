"""The graph of jobs says what really depends on what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from jobs import graph, registry, release, run, steps
from jobs.commands.jobs import app
from jobs.steps import FILES, LANDED, LANDING
from lake.draft import Draft
from lake.engines.duckdb import Session
from schemas import catalog
from tests import erasable

JOBS = list(registry.JOBS.values())
STAGES = {
    "ingest": ["ingest"], "identity": ["identity"], "tags": ["partials"],
    "models": ["model_scores"], "tag values and audiences": ["tag_values", "audience_members"],
}
"""Steps by the words with which a release logs them."""


def test_every_table_is_written_by_one_step_and_read_after_it() -> None:
    written = [table for job in JOBS for step in job.steps for table in step.writes]
    assert sorted(written) == sorted(set(written))
    assert {*written} - {FILES, LANDED} == {*catalog.TABLES} - {"releases"}
    known = {LANDING, LANDED}
    for job in graph.in_order(JOBS):
        for step in job.steps:
            assert {*step.reads} <= known, step.name
            known |= {*step.writes}


def test_a_job_stands_behind_those_it_comes_after() -> None:
    order = [job.name for job in graph.in_order(reversed(JOBS))]
    assert order.index("release") < order.index("exports")
    assert len(order) == len(JOBS)


def test_drawings_show_every_step_and_where_its_tables_come_from() -> None:
    text, mermaid, dot = (draw(JOBS) for draw in (graph.as_text, graph.as_mermaid, graph.as_dot))
    for node in graph.nodes(JOBS):
        assert f"  {node.step}\n" in text
        assert f'["{node.job}: {node.step}"]' in mermaid
        assert f'"{node.name}";' in dot
    assert "exports, after release:" in text
    assert "    from release.audience_members: audience_members\n" in text
    assert 'release__audience_members -->|"audience_members"| exports__exports' in mermaid
    assert '"landing" -> "release.ingest";' in dot


def test_the_command_tells_programs_the_same() -> None:
    told = json.loads(CliRunner().invoke(app, ["graph", "--format", "json"]).stdout)
    assert told == {"steps": json.loads(json.dumps(list(graph.rows(JOBS))))}


@pytest.mark.slow
def test_a_release_reads_and_writes_what_its_steps_declare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, seen = [""], {name: (set[str](), set[str]()) for name in STAGES}
    tables = re.compile(rf'\b(?:FROM|JOIN) "?({"|".join(catalog.TABLES)})\b(?!\.)', re.I)

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        now[0] = "ingest" if name.startswith("ingest") else name
        yield
        now[0] = ""

    def watched(of: type, name: str, note: Any) -> None:
        real = getattr(of, name)

        def told(self: Any, first: Any, *rest: Any, **named: Any) -> Any:
            if now[0] in seen:
                note(first)
            return real(self, first, *rest, **named)

        monkeypatch.setattr(of, name, told)

    monkeypatch.setattr(release, "stage", stage)
    for name in ("execute", "rows", "table", "write"):
        watched(Session, name, lambda sql: seen[now[0]][0].update(tables.findall(sql)))
    watched(Draft, "_change", lambda table: seen[now[0]][1].add(table.name))
    lake = erasable.landed(tmp_path / "lake")
    release.publish(lake, erasable.settled(), erasable.LAST, "run", run.clock)
    declared = {step.name: step for step in registry.JOBS["release"].steps}
    for name, (read, written) in seen.items():
        mine = [declared[step] for step in STAGES[name]]
        assert written <= {table for step in mine for table in step.writes}, name
        own = {table for step in mine for table in (*step.reads, *step.writes)}
        assert read <= own, name
    assert seen["ingest"][1] >= {"events", "deliveries"}
    assert seen["identity"][0] & {*steps.IDENTITY.reads}
