"""Runs are told to OpenLineage where somebody asks for it, and go on where nobody listens."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from jobs import registry, settings
from jobs.commands.jobs import over
from jobs.lineage import Lineage
from jobs.registry import Call, Job
from jobs.steps import JobStep
from lake.store import open_lake
from schemas.errors import GuiyiError, NothingToDo, UsageError

DAY = date(2017, 3, 1)
pytestmark = pytest.mark.filterwarnings("default")


def job(work: Any) -> Job:
    step = JobStep("one", ("landing", "events"), ("persons",))
    return Job("example", "an example", (step,), work, lambda call: {})


def call(root: Path) -> Call:
    return Call(open_lake(root / "lake", create=True), settings.read(), DAY, "run-1")


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_is_told_with_its_tables(tmp_path: Path) -> None:
    pytest.importorskip("openlineage.client", reason="openlineage-python is not installed")
    place = tmp_path / "told.jsonl"
    over(job(lambda call: {}), [call(tmp_path)], Lineage(str(place)))
    start, complete = events(place)
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert complete["job"]["name"] == "example"
    assert [one["name"] for one in complete["inputs"]] == ["landing", "tables/events"]
    assert [one["name"] for one in complete["outputs"]] == ["tables/persons"]
    assert complete["inputs"][0]["namespace"] == f"file://{tmp_path / 'lake'}"


def test_a_run_that_fails_or_has_nothing_to_do_is_told_so(tmp_path: Path) -> None:
    pytest.importorskip("openlineage.client", reason="openlineage-python is not installed")

    def failing(call: Call) -> dict[str, Any]:
        raise GuiyiError("the tables do not balance", got="3")

    def idle(call: Call) -> dict[str, Any]:
        raise NothingToDo("done before")

    place = tmp_path / "told.jsonl"
    told = Lineage(str(place))
    with pytest.raises(GuiyiError):
        over(job(failing), [call(tmp_path)], told)
    over(job(idle), [call(tmp_path)], told)
    found = events(place)
    assert [one["eventType"] for one in found] == ["START", "FAIL", "START", "ABORT"]
    facet = found[1]["run"]["facets"]["errorMessage"]
    assert facet["message"] == "the tables do not balance"


def test_a_listener_that_is_away_stops_no_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("openlineage.client", reason="openlineage-python is not installed")
    nowhere = tmp_path / "no" / "folder" / "told.jsonl"
    assert over(job(lambda call: {"n": 1}), [call(tmp_path)], Lineage(str(nowhere))) == [
        {"business_date": DAY, "n": 1}
    ]
    assert "lineage was not told of START" in caplog.text


def test_without_the_library_asking_is_a_mistake_of_the_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "openlineage.client", None)
    assert Lineage().client is None
    with pytest.raises(UsageError, match="the library of lineage is not installed"):
        Lineage("told.jsonl")


def test_every_job_declares_what_lineage_tells() -> None:
    assert all(step.reads and step.writes for one in registry.JOBS.values() for step in one.steps)
