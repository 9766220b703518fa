"""``guiyi audience`` and ``guiyi explain audience`` over two small releases."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from jobs.cli import app
from lake import conf
from lake.store import Lake
from schemas.errors import GuiyiError
from tests.pipelines.audiences.two_dates import NOW, NUMBERS, THEN, made

TAGS = """tags:
  - {name: level, label: level, kind: rule, type: integer, from: events, measure: count,
     window: ever}
  - {name: stars, label: stars, kind: rule, type: integer, from: events, measure: count,
     window: ever}
"""
HIGH = "name: high\nlabel: high level\nquery: {field: level, operator: '>=', value: 3}\n"
HERE = "name: here\nlabel: here\nquery: {field: city, operator: '=', value: 北京}\n"
STARRED = "name: starred\nlabel: starred\nquery: {field: stars, operator: '=', value: 1}\n"


@dataclass
class Desk:
    """A lake, its definitions, and who asks."""

    lake: Lake
    conf: Path

    def ask(self, *arguments: str, group: str = "audience") -> Any:
        """The answer as JSON."""
        done = self._run(group, *arguments, "--format", "json")
        assert done.exit_code == 0, done.exception or done.output
        return msgspec.json.decode(done.stdout)

    def text(self, *arguments: str, group: str = "audience") -> str:
        """The answer for people."""
        done = self._run(group, *arguments)
        assert done.exit_code == 0, done.exception or done.output
        return done.stdout

    def refused(self, *arguments: str, code: int = 2) -> str:
        """The error."""
        done = self._run("audience", *arguments)
        assert isinstance(done.exception, GuiyiError), done.output
        assert done.exception.exit_code == code
        return str(done.exception)

    def check(self, *arguments: str) -> Any:
        """Exit code and answer of ``audience check``."""
        done = self._run("audience", "check", *arguments, "--format", "json")
        return done.exit_code, msgspec.json.decode(done.stdout)

    def _run(self, *arguments: str) -> Any:
        rest = ["--data", str(self.lake.root), "--conf", str(self.conf)]
        return CliRunner().invoke(app, [*arguments, *rest])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    root = tmp_path_factory.mktemp("desk")
    shutil.copytree(conf.folder(), root / "conf")
    shutil.rmtree(root / "conf" / "base" / "audiences")
    audiences = root / "conf" / "base" / "audiences"
    audiences.mkdir()
    for name, text in (("high", HIGH), ("here", HERE), ("starred", STARRED)):
        (audiences / f"{name}.yml").write_text(text)
    (root / "conf" / "base" / "tags" / "levels.yml").write_text(TAGS)
    return Desk(made(root / "lake"), root / "conf")


def test_every_audience_is_counted_with_the_release_that_was_asked(desk: Desk) -> None:
    found = desk.ask("count")
    assert (found["release_no"], found["business_date"]) == (2, str(NOW))
    assert {row["audience"]: row["members"] for row in found["audiences"]} == {
        "here": 3, "high": 6, "starred": 8,
    }
    then = desk.ask("count", "high", "--as-of", str(THEN))
    assert (then["release_no"], then["audiences"][0]["members"]) == (1, 8)
    assert "release 1 of 2017-06-30, cut 2017-06-30 19:00Z" in desk.text(
        "count", "high", "--as-of", "1"
    )


def test_members_go_on_after_the_cursor(desk: Desk, tmp_path: Path) -> None:
    first = desk.ask("members", "high", "--limit", "4")
    rest = desk.ask("members", "high", "--after", str(first["next"]))
    assert [row["one_id"] for row in first["members"] + rest["members"]] == [
        "stays", "joins", "heir", "parent", "fresh", "child",
    ]
    assert set(first["members"][0]) == {"person_no", "one_id"}
    out = tmp_path / "high.parquet"
    assert desk.ask("members", "high", "--out", str(out))["count"] == 6
    assert pq.read_table(out).num_rows == 6


def test_a_difference_tells_arrivals_losses_and_merges(desk: Desk) -> None:
    called = ["diff", "high", "--from", str(THEN), "--to", str(NOW)]
    found = desk.ask(*called)
    assert (found["from"]["release_no"], found["to"]["release_no"]) == (1, 2)
    assert (found["count_stayed"], found["count_came"], found["count_went"]) == (2, 3, 4)
    assert {row["one_id"]: row["cause"] for row in found["went"]}["lost"] == "merged_out"
    text = desk.text(*called, "--limit", "1")
    assert "stayed 2, came 3, went 4, went on as another person 2" in text
    assert "--from before --to" in desk.refused("diff", "high", "--from", str(NOW),
                                                "--to", str(THEN))


def test_overlap_and_distribution(desk: Desk) -> None:
    found = desk.ask("overlap", "high", "here")
    assert [row["with"] for row in found["audiences"]] == [
        {"high": 6, "here": 2}, {"high": 2, "here": 3},
    ]
    spread = desk.ask("distribution", "high", "level", "--as-of", str(THEN))
    assert [row["count"] for row in spread["bins"] if row["value"] == "3"] == [6]
    assert "two or more" in desk.refused("overlap", "high")


def test_a_person_is_explained_as_of_each_date(desk: Desk) -> None:
    who = str(NUMBERS["joins"])
    then = desk.ask("audience", "high", who, "--as-of", str(THEN), group="explain")
    assert (then["is_member"], then["one_id"]) == (False, "joins")
    now = desk.text("audience", "high", who, group="explain")
    assert "is in high" in now
    assert "(level 3)" in now


def test_a_definition_from_a_file_is_used_and_its_faults_have_lines(
    desk: Desk, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.yml"
    mine.write_text(HIGH.replace("value: 3", "value: 4").replace("name: high", "name: mine"))
    found = desk.ask("count", "--file", str(mine), "--as-of", str(THEN))
    assert [(row["audience"], row["members"]) for row in found["audiences"]] == [("mine", 2)]
    mine.write_text("name: mine\nlabel: m\nquery:\n  {field: levl, operator: '=', value: 3}\n")
    code, answer = desk.check("--file", str(mine))
    assert code == 2
    assert f"{mine}:4" in answer["error"]["where"]
    assert "levl" in desk.refused("count", "mine", "--file", str(mine))
    assert desk.check("high", "--file", str(mine)) == (0, {"audiences": 1, "errors": []})


def test_what_is_not_there_is_answered_with_what_is(desk: Desk) -> None:
    assert "one of here, high, starred" in desk.refused("count", "nobody")
    assert "such release" in desk.refused("count", "--as-of", "2016-01-01")
    assert f"a date from {NOW} on" in desk.refused("count", "starred", "--as-of", str(THEN))


def test_the_list_says_where_each_is_defined(desk: Desk) -> None:
    rows = {row["audience"]: row for row in desk.ask("list")["audiences"]}
    assert rows["high"]["defined_in"].endswith("base/audiences/high.yml")
    assert rows["high"]["is_right"]
    assert rows["high"]["published_members"] is None


def test_every_command_of_audiences_has_a_conf_and_a_file(desk: Desk) -> None:
    group = typer.main.get_command(app).commands["audience"]  # type: ignore[attr-defined]
    for name, command in group.commands.items():
        options = {option for one in command.params for option in one.opts}
        assert {"--conf", "--file", "--data", "--format"} <= options, name


@pytest.mark.parametrize("name", ["minimal", "reference"])
def test_the_examples_are_right(name: str, tmp_path: Path) -> None:
    path = conf.folder() / "examples" / f"audiences-{name}.yml"
    nowhere = str(tmp_path / "no_lake")
    done = CliRunner().invoke(app, ["audience", "check", "--file", str(path), "--data", nowhere])
    assert done.exit_code == 0, done.output
