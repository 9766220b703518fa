from __future__ import annotations

import json
from pathlib import Path

import pytest

from lake.store import Lake
from tests.lakes import guiyi


def says(*arguments: str, code: int, data: Path | None = None) -> str:
    done = guiyi(*arguments, data=data)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr if code else done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["job", "run", "nothing", "--date", "2017-12-31"], 2, "there is no job 'nothing'"),
        (["job", "run", "release"], 2, "no business date given"),
        (["job", "run", "release", "--date", "31.12.2017"], 2, "--date is not a date"),
        (["job", "run", "release", "--start", "2017-12-31", "--end", "2017-12-31"], 2, "no date"),
        (["job", "run", "release", "--date", "2017-12-31", "--engine", "abacus"], 2, "abacus"),
        (["table", "show", "nothing"], 2, "there is no table 'nothing'"),
        (["table", "sql", "DROP TABLE events"], 2, "only a query is answered"),
        (["table", "sql", "SELEC 1"], 2, "this is not SQL"),
        (["table", "sql", "SELECT * FROM read_text('/etc/hostname')"], 1, "disabled"),
        (["table", "sql", "SELECT nothing FROM persons"], 1, "nothing"),
        (["release", "show", "1999-01-01"], 2, "there is no such release"),
        (["timeline", "nobody-at-all"], 2, "nobody"),
        (["generate", "--traps", "some"], 2, "'some' is not one of"),
        (["generate", "--persons", "10"], 2, "go together"),
        (["land", "nothing", "x.csv"], 2, "no source 'nothing' is declared"),
        (["land", "erp_orders", "/"], 1, "a folder"),
        (["job", "run", "release", "--date", "9999-12-31"], 2, "--date is not a date"),
        (["timeline", "0", "--start", "2018-01-01", "--end", "2017-01-01"], 2, "no date"),
        (["timeline", "0", "--limit", "-3"], 2, "greater than or equal to 0"),
    ],
)
def test_a_wrong_call_is_answered_with_words_and_a_code(
    sample_lake: Lake, arguments: list[str], code: int, words: str
) -> None:
    assert words in says(*arguments, code=code, data=sample_lake.root)


@pytest.mark.slow
def test_a_folder_without_a_lake_is_named(tmp_path: Path) -> None:
    assert "guiyi generate" in says("release", "list", code=2, data=tmp_path / "none")
    assert "the landing is empty" in says("run", code=2, data=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["job", "list"],
        ["job", "status"],
        ["table", "list"],
        ["table", "show", "persons"],
        ["release", "list"],
        ["release", "show", "2017-12-31"],
        ["quarantine", "list"],
        ["quarantine", "show"],
        ["timeline", "0"],
        ["explain", "person", "0"],
        ["doctor"],
        ["job", "run", "exports", "--date", "2017-12-31", "--dry-run"],
    ],
)
def test_every_look_gives_one_json_object(sample_lake: Lake, arguments: list[str]) -> None:
    answer = says(*arguments, "--format", "json", code=0, data=sample_lake.root)
    assert isinstance(json.loads(answer), dict)
    assert says(*arguments, code=0, data=sample_lake.root).strip()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["release", "show", "1999-01-01"], 2),
        (["job", "run", "release", "--date", "2018-06-01"], 75),
        (["job", "run", "release", "--date", "2017-12-31"], 99),
        (["quarantine", "replay"], 99),
    ],
)
def test_a_call_that_fails_still_answers_with_one_json_object(
    sample_lake: Lake, arguments: list[str], code: int
) -> None:
    done = guiyi(*arguments, "--format", "json", data=sample_lake.root)
    assert done.returncode == code, done.stderr
    assert isinstance(json.loads(done.stdout), dict)


@pytest.mark.slow
def test_an_older_release_is_read_by_its_date(sample_lake: Lake) -> None:
    query = ["table", "sql", "SELECT max(business_date) AS d FROM tag_values", "--format", "json"]
    newest = json.loads(says(*query, code=0, data=sample_lake.root))
    older = json.loads(says(*query, "--as-of", "2017-12-30", code=0, data=sample_lake.root))
    assert newest["rows"] == [{"d": "2017-12-31"}]
    assert older["rows"] == [{"d": "2017-12-30"}]
