from __future__ import annotations

import json
import re
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

import guiyi
from jobs.cli import app
from lake import conf
from lake.store import Lake, open_lake
from pipelines.identity import resolve
from schemas.identity_rules import IdentityRules
from tests.pipelines.identity.seen import BEGIN, DAY, Seen, write


def test_the_public_surface_is_one_list() -> None:
    assert sorted(guiyi.__all__) == guiyi.__all__
    assert {"open", "Lake", "Release", "GuiyiError"} <= set(guiyi.__all__)
    assert all(hasattr(guiyi, name) for name in guiyi.__all__)


def test_a_text_that_is_no_date_is_answered_as_a_wrong_call(tmp_path: Path) -> None:
    with pytest.raises(guiyi.UsageError, match=r"expected: a business date(.|\n)*'2017-13-01'"):
        guiyi.open(tmp_path).release("2017-13-01")


@pytest.fixture
def american_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A programme of the United States that knows one person, by phone."""
    shutil.copytree(conf.folder(), tmp_path / "conf")
    programme = tmp_path / "conf" / "base" / "programme.yml"
    programme.write_text(re.sub(r"(?m)^region: CN", "region: US", programme.read_text()))
    monkeypatch.setattr(conf, "folder", lambda: tmp_path / "conf")
    lake = open_lake(tmp_path / "lake", create=True)
    with lake.draft(DAY, BEGIN + timedelta(days=1)) as draft:
        write(draft, [Seen("e0", 0, (("phone", "+14155552671"),))])
        resolve(draft, conf.load("identity.yml", IdentityRules)[0])
        draft.publish("run", "inputs", "rules", lambda: BEGIN)
    return lake


def test_a_phone_is_found_as_it_is_written_in_the_programmes_country(american_lake: Lake) -> None:
    release = guiyi.open(american_lake.root).release()
    ((one_id,),) = release.sql("SELECT one_id FROM persons").fetchall()
    assert release.person("(415) 555-2671") == one_id


@pytest.mark.parametrize("command", [["explain", "person"], ["timeline"]])
def test_so_it_is_on_the_command_line(american_lake: Lake, command: list[str]) -> None:
    called = [*command, "(415) 555-2671", "--data", str(american_lake.root)]
    done = CliRunner().invoke(app, called)
    assert done.exit_code == 0, done.output
    assert "phone" in done.output


@pytest.mark.slow
def test_a_notebook_opens_a_lake_a_release_a_table_a_timeline_and_an_audience(
    sample_lake: Lake,
) -> None:
    lake = guiyi.open(sample_lake.root)
    assert lake.releases()[-1] == date(2017, 12, 31)
    release = lake.release()
    persons = release.table("persons")
    assert persons.num_rows == release.sql("SELECT count(*) AS n FROM persons").fetchall()[0][0]
    assert set(release.sql("FROM persons").df().columns) == set(persons.column_names)
    who = str(persons["person_no"][0].as_py())
    seen = release.timeline(who)["occurred_at"].to_pylist()
    assert seen == sorted(seen) != []
    assert set(release.audience("beijing_coffee_women")["gender"].to_pylist()) <= {"female"}
    assert lake.release("2017-12-30").business_date == date(2017, 12, 30)


@pytest.mark.slow
def test_a_wrong_name_is_answered_with_the_right_ones(sample_lake: Lake) -> None:
    release = guiyi.open(sample_lake.root).release()
    with pytest.raises(guiyi.NotFoundError, match="order_lines"):
        release.table("orders")
    with pytest.raises(guiyi.NotFoundError, match="there is no audience"):
        release.audience("nobody")


@pytest.mark.slow
def test_a_notebook_sees_tags_over_dates_as_bitmaps_and_why_a_score_is_so(
    sample_lake: Lake,
) -> None:
    release = guiyi.open(sample_lake.root).release()
    tags = release.tags().to_pylist()
    declared = {row["tag"] for row in tags}
    assert {"city", "is_big_spender_30d", "churn_probability"} <= declared
    assert {row["kind"] for row in tags} == {"fact", "rule", "predictive"}
    assert release.tag_coverage("city")["business_date"].to_pylist() == (
        guiyi.open(sample_lake.root).releases()
    )
    assert set(release.bitmaps().names) == declared
    model = release.model("churn")
    assert isinstance(model, guiyi.PublishedModel)
    ((who,),) = release.sql(
        "SELECT any_value(one_id) FROM model_scores WHERE model = 'churn' "
        f"AND business_date = DATE '{model.business_date}'"
    ).fetchall()
    why = release.explain_score(who, "churn")
    assert set(why["feature"].to_pylist()) <= set(model.features)
    assert why.num_rows == 3


@pytest.mark.slow
def test_a_notebook_asks_audiences_by_name_and_by_a_definition_of_its_own(
    sample_lake: Lake,
) -> None:
    lake = guiyi.open(sample_lake.root)
    release, before = lake.release(), lake.release(lake.releases()[0])
    known = {row["audience"]: row["members"] for row in release.audiences().to_pylist()}
    assert known["cart_left"] == release.count("cart_left") > 0
    published = release.audience("cart_left")["person_no"].to_pylist()
    assert release.members("cart_left")["person_no"].to_pylist() == published
    mine = {
        "name": "mine", "label": "mine",
        "query": {"combinator": "and", "rules": [
            {"audience": "cart_left"}, {"field": "is_active_7d", "operator": "=", "value": True},
        ]},
    }
    shared = release.overlap(mine, "cart_left").to_pylist()
    assert shared[0]["cart_left"] == release.count(mine) == release.count(json.dumps(mine)) > 0
    who = release.members(mine)["one_id"][0].as_py()
    verdict = release.explain_audience(who, mine)
    assert isinstance(verdict, guiyi.Verdict)
    assert (verdict.holds, verdict.parts[0].parts[1].values) == (True, {"is_active_7d": True})
    spread = release.audience_distribution(mine, "is_active_7d").to_pylist()
    assert sum(row["count"] for row in spread) == release.count(mine)
    found = release.audience_since(before, "cart_left")
    assert found.members_now == len(published)
    with pytest.raises(guiyi.UsageError, match="not earlier"):
        before.audience_since(release, "cart_left")
    with pytest.raises(guiyi.ConfigError, match=r"a group has a `combinator`(.|\n)*\$\.query"):
        release.count({"name": "a", "label": "a", "query": {"rules": []}})
