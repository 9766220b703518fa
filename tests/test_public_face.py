from __future__ import annotations

from datetime import date

import pytest

import guiyi
from lake.store import Lake


def test_the_public_surface_is_one_list() -> None:
    assert sorted(guiyi.__all__) == guiyi.__all__
    assert {"open", "Lake", "Release", "GuiyiError"} <= set(guiyi.__all__)
    assert all(hasattr(guiyi, name) for name in guiyi.__all__)


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
