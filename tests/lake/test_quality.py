from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from lake import contracts, quality
from lake.draft import Draft
from lake.releases import Release
from lake.store import Lake, open_lake
from schemas import catalog
from schemas.errors import NotFoundError, QualityError

pytestmark = pytest.mark.slow

DAY, NEXT = date(2017, 1, 1), date(2017, 1, 2)
CUT = datetime(2017, 1, 2, 19, tzinfo=UTC)


def sighting(bundle: str, count: int = 1, day: date = NEXT) -> str:
    at = f"TIMESTAMPTZ '{day} 01:00:00+00'"
    return (
        f"SELECT {bundle} AS bundle_id, 's' AS source, DATE '{day}' AS business_date, {at} AS "
        f"first_at, {at} AS last_at, {count} AS count, {at} AS received_at, 'e' AS event_id"
    )


IDENTIFIER = (
    "SELECT 7 AS identifier_key, 'phone' AS type, '+8613800138000' AS value, "
    "TIMESTAMPTZ '2017-01-01 01:00:00+00' AS received_at"
)


def published(root: Path, write: Callable[[Draft], object]) -> tuple[Lake, Release]:
    lake = open_lake(root, create=True)
    with lake.draft(NEXT, CUT) as draft:
        write(draft)
        return lake, draft.publish("run", "inputs", "rules", lambda: CUT)


def checked(lake: Lake, release: Release, tables: list[str] | None = None) -> quality.QualityReport:
    with lake.session() as session:
        return quality.validate(release, release.open(session), tables, lake.root / "quality")


def test_a_good_lake_keeps_every_promise_and_leaves_pages(tmp_path: Path) -> None:
    def write(draft: Draft) -> None:
        draft.append("sightings", f"{sighting('1')} UNION ALL {sighting('2')}")
        draft.append("identifiers", IDENTIFIER)

    lake, release = published(tmp_path, write)
    found = checked(lake, release)
    assert found.success
    assert [(t.table, t.count_rows) for t in found.tables] == [("identifiers", 1), ("sightings", 2)]
    assert "sightings" in found.docs.read_text()
    written = [p for p in (tmp_path / "quality").rglob("*") if p.suffix in (".html", ".json")]
    assert len(written) > 6
    assert not any("13800138000" in p.read_text() for p in written), "no clear value on a page"
    assert checked(lake, release, ["sightings"]).success, "a second call replaces the first"


def test_a_broken_row_breaks_the_same_promises_here_and_at_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Draft, "check", lambda draft: None)
    big = "4611686018427387905"
    rows = [sighting("1"), sighting("2", count=0), sighting("NULL"), sighting(big), sighting(big)]
    lake, release = published(
        tmp_path, lambda draft: draft.append("sightings", " UNION ALL ".join(rows))
    )
    (found,) = checked(lake, release, ["sightings"]).tables
    assert not found.success
    assert found.failed == ("bundle_id_is_not_null", "key_is_unique", "count_is_positive")
    paths = [file.path for file in release.files("sightings")]
    with lake.session() as session, pytest.raises(QualityError) as error:
        contracts.hold(session, catalog.table("sightings"), paths, "here")
    assert tuple(re.findall(r"(\w+): \d+ rows", str(error.value))) == found.failed


def test_only_the_newest_partition_is_read(tmp_path: Path) -> None:
    rows = f"{sighting('1', day=DAY)} UNION ALL {sighting('2', day=DAY)} UNION ALL {sighting('1')}"
    lake, release = published(tmp_path, lambda draft: draft.append("sightings", rows))
    with lake.session() as session:
        frame = quality.batch(session, catalog.table("sightings"), release)
    assert len(frame) == 1
    assert frame["bundle_id"].tolist() == ["1"]
    assert frame["holds__count_is_positive"].tolist() == [True]


def test_every_table_of_the_catalog_becomes_one_expectation_per_promise() -> None:
    for table in catalog.TABLES.values():
        promised = [check.name for check in contracts.checks(table)]
        assert [e.meta["promise"] for e in quality.expectations(table)] == promised
    assert "pyspark" not in {name for name, module in sys.modules.items() if module is None}


def test_an_unknown_table_is_refused_by_name(tmp_path: Path) -> None:
    lake, release = published(tmp_path, lambda draft: draft.append("sightings", sighting("1")))
    with pytest.raises(NotFoundError, match="there is no table 'sighting'"):
        checked(lake, release, ["sighting"])
