"""The audiences in force, and what they are as of each release that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs import audiences, audiences_as_of, rebuild, run, settings
from jobs.audiences import Defined
from jobs.audiences_as_of import AsOf, opened
from lake.retention import vacuum
from lake.store import Lake, open_lake
from pipelines.audiences import version
from schemas.audiences import Audience
from schemas.errors import ConfigError, NotFoundError, UsageError
from services.access.core import Actor
from services.audiences import store
from services.database import open_database
from tests import tiny
from tests.lakes import last_days
from tests.pipelines.audiences import two_dates
from tests.pipelines.audiences.two_dates import CITY, LEVEL, NEW, NOW, THEN, high, made

STARRED = high("starred", query={"field": "stars", "operator": "=", "value": 1})


def defined(*extra: Audience) -> Defined:
    given = [high(), STARRED, *extra]
    origins = {one.name: "tests" for one in given}
    return Defined(given, origins, [LEVEL, CITY, NEW], {}, tiny.ZONE, "CN")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return made(tmp_path_factory.mktemp("two") / "lake")


@pytest.fixture
def now(lake: Lake) -> Iterator[AsOf]:
    with opened(lake, defined()) as one:
        yield one


def test_a_count_says_release_cut_and_version(now: AsOf) -> None:
    found = now.count(["high", "starred"])
    assert (found["release_no"], found["business_date"], found["persons"]) == (2, NOW, 8)
    assert found["cut"] == now.release.cut
    first, second = found["audiences"]
    assert (first["members"], first["share"], first["version"]) == (6, 0.75, version(high()))
    assert second["members"] == 8


def test_members_come_in_pages_and_as_one_file(now: AsOf, tmp_path: Path) -> None:
    page = now.members("high", 4, None)
    rest = now.members("high", 4, page["next"])
    assert (len(page["members"]), len(rest["members"]), rest["next"]) == (4, 2, None)
    done = now.write("high", tmp_path / "members.parquet")
    table = pq.read_table(tmp_path / "members.parquet")
    assert done["count"] == table.num_rows == 6
    assert table.to_pylist() == page["members"] + rest["members"]
    assert list(tmp_path.iterdir()) == [tmp_path / "members.parquet"]
    with pytest.raises(UsageError, match=r"(?s)a new file.*a file that is there"):
        now.write("high", tmp_path / "members.parquet")


def test_nobody_is_a_file_without_rows(lake: Lake, tmp_path: Path) -> None:
    nobody = high("nobody", query={"field": "level", "operator": ">", "value": 99})
    with opened(lake, defined(nobody)) as one:
        assert one.write("nobody", tmp_path / "none.parquet")["count"] == 0
    assert pq.read_table(tmp_path / "none.parquet").num_rows == 0


def test_two_releases_are_compared_the_earlier_one_first(lake: Lake) -> None:
    with opened(lake, defined(), THEN) as then, opened(lake, defined(), NOW) as now:
        found = audiences_as_of.compared(then, now, "high", 1)
        assert (found["count_came"], found["count_went"], found["count_merged"]) == (3, 4, 2)
        assert [len(found[side]) for side in ("came", "went", "merged")] == [1, 1, 1]
        told = audiences_as_of.compared(then, now, "high", 0, is_why=True)
        assert {row["one_id"]: row.get("changed") for row in told["came"]} == {
            "joins": ["level at least 3: no (level 1) then, yes (level 3) now"],
            "fresh": None, "child": None,
        }
        assert told["went"][0]["changed"] == [
            "level at least 3: yes (level 4) then, unknown (level is unknown) now"
        ]
        with pytest.raises(UsageError, match="--from before --to"):
            audiences_as_of.compared(now, then, "high", 1)


def test_a_tag_published_later_is_named_with_its_first_date(lake: Lake) -> None:
    with opened(lake, defined(), THEN) as one, pytest.raises(NotFoundError) as caught:
        one.count(["starred"])
    assert f"expected: a date from {NOW} on" in str(caught.value)
    assert "audience starred" in str(caught.value)


def test_one_person_is_explained_leaf_by_leaf(now: AsOf) -> None:
    found = now.explain("high", str(two_dates.NUMBERS["stranger"]))
    text = audiences_as_of.explained(found)
    assert not found["is_member"]
    assert "is not in high" in text
    assert "(level 1)" in text


def test_a_release_whose_files_are_gone_says_so(tmp_path: Path) -> None:
    lake = made(tmp_path / "lake")
    vacuum(lake.tables, lake.releases(), keep=1)
    with pytest.raises(NotFoundError) as caught, opened(lake, defined(), THEN):
        pass
    assert f"the files of the release of {THEN} are kept no longer" in str(caught.value)
    assert f"the newest, {NOW}" in str(caught.value)
    with opened(lake, defined()) as one:
        assert one.count(["high"])["audiences"][0]["members"] == 6


def test_the_apis_audiences_are_in_force_from_their_making_on(tmp_path: Path) -> None:
    lake = open_lake(tmp_path, create=True)
    assert audiences.together(lake, [high()], two_dates.made_at(THEN)) == [high()]
    assert not (tmp_path / "services.db").exists()
    ana = Actor("ana", "marketer", frozenset())
    database, cut = open_database(tmp_path), two_dates.made_at(THEN)
    top = {"n": 2, "by": "level"}
    with database.session() as session:
        for one, minutes in ((high("best", top=top), -2), (high("best"), 2), (high(), -2)):
            store.put(session, one, version(one), ana, cut + timedelta(minutes=minutes))
    database.close()
    declared = high(label="declared")
    assert audiences.together(lake, [declared], cut) == [declared, high("best", top=top)]
    later = audiences.together(lake, [declared], cut + timedelta(hours=1))
    assert later == [declared, high("best")]


def test_an_audience_of_the_api_that_cannot_be_computed_stops_no_release(tmp_path: Path) -> None:
    ana = Actor("ana", "marketer", frozenset())
    gone = high("gone", query={"field": "no_such_tag", "operator": "=", "value": 1})
    above = high("above", query={"audience": "gone"})
    with tiny.tiny_draft(tmp_path) as draft:
        lake = Lake(tmp_path)
        database = open_database(tmp_path)
        with database.session() as session:
            for one in (gone, above, high("fine")):
                store.put(session, one, version(one), ana, draft.cut - timedelta(hours=1))
        database.close()
        found = audiences.in_force(lake, [high()], draft, [LEVEL])
    assert [one.name for one in found] == ["high", "fine"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "a", "label": "a", "query": {"rules": []}}, r"\$\.query\.rules"),
        ('{"name": "a", "lab', "truncated"),
        ({"name": "a", "label": "a", "query": {"audience": "b"}, "colour": 1}, "colour"),
    ],
)
def test_a_definition_that_is_none_is_refused_with_its_place(given: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        audiences.definition(given)  # type: ignore[arg-type]


def test_a_fault_in_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(
        "name: mine\nlabel: m\nquery:\n  combinator: and\n  rules:\n"
        "    - {field: city, operator: '=', value: 北京}\n"
        "    - {field: is_active_7d, operator: '=', value: 3}\n"
    )
    (error,) = audiences.read(files=[path]).faults(["mine"])
    assert f"{path}:7" in error.where
    assert error.expected == "a value of type boolean"


@pytest.mark.slow
@pytest.mark.rule("CDP-7")
def test_members_as_of_a_date_are_those_of_a_rebuild_from_raw_at_its_cut(
    sample_lake: Lake, tmp_path: Path
) -> None:
    day = last_days(3)[1]
    known = audiences.read(sample_lake)
    fresh, _ = rebuild.rebuild(
        sample_lake, settings.read(), day, "rebuild", run.clock, tmp_path / "rebuilt"
    )
    with opened(sample_lake, known, day) as kept, opened(fresh, known, day) as again:
        for one in known.audiences:
            members = kept.view.members(one.name)
            assert members == again.view.members(one.name)
            published = (
                f"SELECT person_no FROM audience_members WHERE audience = '{one.name}' "
                f"AND business_date = DATE '{day}' AND version = '{version(one, known.audiences)}'"
            )
            for each in (kept, again):
                found = each.view.session.rows(published)
                assert {number for (number,) in found} == set(members)
                by_sql = each.view.session.rows(
                    f"SELECT person_no FROM ({each.view.selector.query(one.name)})"
                )
                assert sorted(by_sql) == sorted(found)
        assert any(len(kept.view.members(one.name)) for one in known.audiences)
