"""``guiyi tag`` on a lake of a few rows, with the definitions in force."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

import guiyi
from jobs import tags as jobs_tags
from jobs.cli import app
from lake import conf
from pipelines.tags import declared, log_definitions, publish_tags, refresh_partials
from schemas.errors import GuiyiError
from schemas.tag_definitions import TagFile
from tests import tiny

NEW = """\
tags:
  - name: visits_7d
    label: 近七天访问
    kind: rule
    type: integer
    from: events
    measure: count
    window: {last: 7 d}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two releases of two persons, one of whom spent 1,000.00 and the other a cent more."""
    root, defined = tmp_path_factory.mktemp("tags"), declared(conf.load("tags", TagFile))
    for later in (0, 1):
        with tiny.tiny_draft(root, tiny.DAY + timedelta(later)) as draft:
            if draft.parent is None:
                tiny.put_persons(draft, {"p": [1], "q": [2]})
                bought = ((1, "o", 100_000), (2, "r", 100_001))
                tiny.put_lines(draft, [(who, tiny.at(1), no, paid) for who, no, paid in bought])
                tiny.put_events(draft, [(1, tiny.at(2), "app_opened")])
            log_definitions(draft, defined, "lee")
            refresh_partials(draft, defined)
            publish_tags(draft, defined)
            draft.publish("run", "inputs", "rules", lambda: tiny.LONG_AGO)
    return root


@pytest.fixture
def new(tmp_path: Path) -> Path:
    path = tmp_path / "visits.yml"
    path.write_text(NEW, encoding="utf-8")
    return path


def call(*arguments: object, data: Path | None = None) -> Result:
    given = [str(one) for one in arguments] + (["--data", str(data)] if data else [])
    return CliRunner().invoke(app, ["tag", *given])


def told(*arguments: object, data: Path | None = None) -> dict[str, Any]:
    done = call(*arguments, "--format", "json", data=data)
    assert done.exit_code == 0, (done.stdout, done.exception)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_check_says_that_definitions_are_right(new: Path) -> None:
    assert call("check").exit_code == 0
    found = told("check", new)
    assert str(new) in found["files"]
    assert found["errors"] == []


def test_check_tells_every_fault_with_file_and_line_and_ends_with_2(new: Path) -> None:
    wrong = NEW.replace("count", "cuont").replace("近七天访问", "x")
    wrong += NEW.removeprefix("tags:\n").replace("visits_7d", "city")
    new.write_text(wrong, encoding="utf-8")
    done = call("check", new)
    assert done.exit_code == 2
    assert f"at: {new}:7" in done.stderr
    assert "did you mean `count`?" in done.stderr
    assert "two tags are called 'city'" in done.stderr
    done = call("check", new, "--format", "json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["exit_code"], len(found["errors"])) == (2, 2, 2)
    assert found["error"] == found["errors"][0]
    assert set(found["error"]) == {"message", "expected", "got", "where", "todo"}


def test_a_file_takes_the_place_of_one_in_force_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "coffee.yml"
    path.write_text(NEW, encoding="utf-8")
    done = call("check", path)
    assert done.exit_code == 2
    assert "there is no tag 'likes_coffee'" in done.stderr
    assert "beijing_coffee_women.yml:" in done.stderr


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    done = call("check", tmp_path / "none.yml")
    assert isinstance(done.exception, GuiyiError)
    assert done.exception.exit_code == 2
    assert "tags-minimal.yml" in str(done.exception)


def test_plan_shows_cost_and_queries_before_anything_runs(data: Path, new: Path) -> None:
    found = told("plan", "--file", new, data=data)
    assert found["tags"] == ["visits_7d"]
    assert found["before"] == "2017-07-01"
    assert found["day"] == "2017-07-02"
    # Events are known and counted already by `is_active_7d`: nothing of history is read.
    assert (len(found["by_increment"]), found["direct"], found["once"]) == (1, [], [])
    text = call("plan", "recency_days", data=data).stdout
    assert "from the state of 2017-07-01: recency_days" in text
    assert "person_measures: 2 rows" in text
    assert "-- cells by increment\nSELECT" in text


def test_plan_estimates_when_asked(data: Path, new: Path) -> None:
    new.write_text(NEW.replace("count", "streak"), encoding="utf-8")
    found = told("plan", "--file", new, "--measure", data=data)
    assert found["once_total"]["rows"] >= 1
    assert found["estimate"]["sampled_rows"] == 2
    text = call("plan", "--file", new, "--measure", data=data).stdout
    assert "an estimate: about " in text


def test_plan_of_a_past_date_is_refused(data: Path) -> None:
    done = call("plan", "--date", "2017-06-29", data=data)
    assert isinstance(done.exception, GuiyiError)
    assert done.exception.exit_code == 2


@pytest.mark.rule("CDP-6")
def test_run_computes_a_tag_that_is_not_in_force_and_publishes_nothing(
    data: Path, new: Path, tmp_path: Path
) -> None:
    before = sorted(data.joinpath("tables").rglob("*"))
    out = tmp_path / "out.parquet"
    found = told("run", "--file", new, "--out", out, data=data)
    (one,) = found["tags"]
    assert (one["tag"], one["count_known"], one["differ_from_published"]) == ("visits_7d", 2, None)
    rows = pq.read_table(out).to_pylist()
    assert [(row["one_id"], row["visits_7d"]) for row in rows] == [("p", 1), ("q", 0)]
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".parquet"] == [out.name]
    assert sorted(data.joinpath("tables").rglob("*")) == before
    text = call("run", "is_big_spender_30d", "--date", "2017-06-30", data=data).stdout
    assert "  false: 1\n  true: 1\n  other than published: 0 persons" in text


def test_describe_tells_what_a_tag_is_made_of_and_who_has_it(data: Path) -> None:
    found = told("describe", "is_big_spender_30d", data=data)
    assert found["defined_at"].endswith("orders.yml:13")
    assert found["made_of"]["of"][0]["first_date"] == "2017-06-02"
    assert found["published"]["count_known"] == 2
    text = call("describe", "is_big_spender_30d", data=data).stdout
    assert "window: 2017-06-02 to 2017-07-01, both inside" in text
    assert "known of 2 of 2 persons (100.0%)" in text


def test_a_tag_that_is_not_there_is_named_with_the_nearest(data: Path) -> None:
    done = call("describe", "likes_cofee", data=data)
    assert isinstance(done.exception, GuiyiError)
    assert "did you mean `likes_coffee`?" in str(done.exception)


def test_history_tells_changes_and_coverage(data: Path) -> None:
    found = told("history", "recency_days", data=data)
    assert [(one["change"], one["author"]) for one in found["changes"]] == [("created", "lee")]
    assert [row["known"] for row in found["coverage"]] == [2, 2]
    text = call("history", "recency_days", data=data).stdout
    assert "2017-06-30  created: recency_days, by lee (cut 2017-06-30 19:00Z)" in text
    assert "2017-07-01  2 of 2 (100.0%) as recency_days" in text


def test_bounds_of_a_tag_that_is_not_there_are_a_fault(tmp_path: Path) -> None:
    shutil.copytree(conf.folder(), tmp_path / "conf")
    path = tmp_path / "conf" / "base" / "tag_bounds.yml"
    text = path.read_text(encoding="utf-8")
    changed = text.replace("tags: {}", "tags:\n  likes_cofee: {distance: 0.5}")
    path.write_text(changed, encoding="utf-8")
    done = call("check", "--conf", tmp_path / "conf")
    line = changed.split("\n").index("  likes_cofee: {distance: 0.5}") + 1
    assert f"at: {path}:{line}" in done.stderr
    assert "did you mean `likes_coffee`?" in done.stderr


def test_a_notebook_reads_a_tag_over_all_dates(data: Path) -> None:
    found = guiyi.open(data).release().tag("recency_days")
    assert found.schema.names == ["business_date", "one_id", "person_no", "value"]
    assert found["value"].to_pylist() == [1, 1, 2, 2]


def test_the_author_is_who_is_named_or_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUIYI_AUTHOR", " kim ")
    assert jobs_tags.author() == "kim"
    monkeypatch.setenv("GUIYI_AUTHOR", "")
    monkeypatch.setattr("getpass.getuser", lambda: "login")
    assert jobs_tags.author() == "login"
