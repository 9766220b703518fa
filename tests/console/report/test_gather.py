from __future__ import annotations

import base64
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from console.report import (
    Audience,
    AudienceSize,
    Changes,
    DayOfSource,
    EventType,
    PersonSize,
    ReportFacts,
    Screened,
    gather,
    render,
)
from lake.draft import Draft
from lake.store import open_lake
from schemas.table import Table, column
from schemas.tags import TAG_VALUES

DAY = date(2017, 1, 2)
CUT = datetime(2017, 1, 2, 19, tzinfo=UTC)
AT = "TIMESTAMPTZ '2017-01-01 18:30:00+00'"
"""Half past two on the second of January in Shanghai."""

TAGGED = Table(
    name="tag_values",
    grain=TAG_VALUES.grain,
    key=TAG_VALUES.key,
    mode=TAG_VALUES.mode,
    partition=TAG_VALUES.partition,
    schema=pa.schema(
        [
            *TAG_VALUES.schema,
            column("city", pa.string(), "city", nullable=True),
            column("age_band", pa.string(), "age", nullable=True),
            column("likes_coffee", pa.bool_(), "coffee", nullable=True),
            column("spend", pa.int64(), "spend", nullable=True),
            column("few", pa.int64(), "mostly zero", nullable=True),
            column("nobody_knows", pa.float64(), "empty", nullable=True),
        ]
    ),
)


def fill(draft: Draft) -> None:
    raw = base64.b64encode("门店,138 0013 8000,zhang@example.com".encode("gb18030")).decode()
    draft.append(
        "deliveries",
        f"SELECT 'f' || i AS file, 's' AS source, {AT} AS delivered_at, 1 AS size_bytes, '' AS "
        "sha256, 'loaded' AS status, 10 * i AS count_rows, 10 * i - 1 AS count_events, "
        "1 AS count_quarantined, 0 AS count_duplicates, 0 AS count_erased FROM range(1, 3) t(i)",
    )
    draft.append(
        "quarantine",
        "SELECT 's' AS source, 'f' || i AS file, 4 AS line, 'bad_time' AS reason, 'expected a "
        f"time, got 13800138000' AS detail, '{raw}' AS raw_base64, NULL AS header_base64, "
        f"{AT} AS received_at, DATE '{DAY}' AS received_on FROM range(1, 5) t(i)",
    )
    draft.append("replays", "SELECT 'f4' AS file, 4 AS line, 'f5' AS replay_file")
    draft.append(
        "events",
        f"SELECT 's' AS source, 'e' || i AS event_id, {AT} AS occurred_at, {AT} AS received_at, "
        f"DATE '{DAY}' AS business_date, NULL AS bundle_id, 'message' AS type, false AS "
        "is_clock_corrected, false AS is_clock_suspect, MAP {} AS properties, 'f1' AS file, "
        "i AS line FROM range(1, 6) t(i)",
    )
    draft.replace(
        "persons",
        f"SELECT 'p' || i AS one_id, i AS person_no, {AT} AS born_at, 's' AS birth_source, '' AS "
        "birth_event_id, '' AS birth_path, 1 + i % 2 AS count_identifiers "
        "FROM range(100) t(i)",
    )
    draft.replace(
        "screened",
        "SELECT i AS identifier_key, 'phone' AS type, 'hub' AS reason, 'r' AS rule, "
        "9 AS count_partners FROM range(2) t(i)",
    )
    draft.replace_dates(
        "identity_changes", [DAY],
        f"SELECT DATE '{DAY}' AS published_for, 'created' AS kind, 'p' || i AS one_id, '' AS "
        "other_one_id FROM range(100) t(i)",
    )
    draft.replace_dates(
        "audience_members", [DAY],
        f"SELECT DATE '{DAY}' AS business_date, 'a' AS audience, 'v' AS version, 'p' || i AS "
        "one_id, i AS person_no FROM range(7) t(i)",
    )
    draft.replace_dates(
        "tag_values", [DAY],
        f"SELECT DATE '{DAY}' AS business_date, 'p' || i AS one_id, i AS person_no, "
        "CASE WHEN i < 60 THEN '北京' WHEN i < 80 THEN 'city ' || i END AS city, "
        "CASE WHEN i < 50 THEN '25-34' ELSE '18-24' END AS age_band, i < 30 AS likes_coffee, "
        "CASE WHEN i > 0 THEN i * 100 END AS spend, "
        "greatest(0, i - 89) AS few, NULL AS nobody_knows FROM range(100) t(i)",
        table=TAGGED,
    )


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> ReportFacts:
    lake = open_lake(tmp_path_factory.mktemp("lake"), create=True)
    with lake.draft(DAY, CUT) as draft:
        fill(draft)
        draft.publish("run", "inputs", "rules", lambda: CUT)
    with lake.reader() as session:
        return gather(
            session,
            zone="Asia/Shanghai",
            tag_labels={"likes_coffee": "喜欢咖啡", "city": "城市"},
            audiences=[Audience("a", "An audience", ("likes coffee",)), Audience("b", "B", ())],
        )


def test_rows_are_counted_on_the_day_of_delivery_in_the_programmes_zone(
    facts: ReportFacts,
) -> None:
    assert facts.deliveries == (DayOfSource("s", DAY, 30, 28, 2, 0),)
    assert facts.event_types == (EventType("s", "message", 5),)
    assert facts.count_events == 5


def test_refusals_are_counted_and_two_of_them_shown_masked(facts: ReportFacts) -> None:
    (refusal,) = facts.refusals
    assert (refusal.reason, refusal.count) == ("bad_time", 3), "the fourth was taken since"
    assert facts.count_taken_since == 1
    assert [example.file for example in refusal.examples] == ["f1", "f2"]
    assert refusal.examples[0].raw == "门店,••• •••• ••••,•••@example.com"
    assert refusal.examples[0].detail == "expected a time, got •••••••••••"


def test_persons_and_what_became_of_them_are_counted(facts: ReportFacts) -> None:
    assert facts.count_persons == 100
    assert facts.person_sizes == (PersonSize(1, 50), PersonSize(2, 50))
    assert facts.screened == (Screened("phone", "hub", 2),)
    assert facts.changes == (Changes(DAY, 100, 0, 0, 0),)


def test_a_publication_that_changed_nobody_is_a_day_of_zeros(tmp_path: Path) -> None:
    lake = open_lake(tmp_path, create=True)
    for day in (DAY, DAY + timedelta(1)):
        with lake.draft(day, CUT + timedelta(1)) as draft:
            if day == DAY:
                fill(draft)
            draft.publish("run", str(day), "rules", lambda: CUT)
    with lake.reader() as session:
        assert gather(session).changes == (
            Changes(DAY, 100, 0, 0, 0), Changes(DAY + timedelta(1), 0, 0, 0, 0),
        )


def test_remains_of_two_persons_that_join_are_one_new_person(tmp_path: Path) -> None:
    lake = open_lake(tmp_path, create=True)
    with lake.draft(DAY, CUT) as draft:
        draft.replace_dates(
            "identity_changes", [DAY],
            f"SELECT DATE '{DAY}' AS published_for, kind, one_id, other_one_id FROM (VALUES "
            "('split', 'new', 'a'), ('split', 'new', 'b'), "
            "('merged', 'c', 'gone'), ('merged', 'd', 'gone')) t(kind, one_id, other_one_id)",
        )
        draft.publish("run", "inputs", "rules", lambda: CUT)
    with lake.reader() as session:
        assert gather(session).changes == (Changes(DAY, 0, 1, 1, 0),)


def test_scores_of_an_earlier_date_are_not_those_of_the_release(tmp_path: Path) -> None:
    lake = open_lake(tmp_path, create=True)
    counts = []
    for day in (DAY, DAY + timedelta(1)):
        with lake.draft(day, CUT + timedelta(1)) as draft:
            draft.replace_dates(
                "tag_values", [day],
                f"SELECT DATE '{day}' AS business_date, 'p' AS one_id, 0 AS person_no",
            )
            if day == DAY:
                draft.replace_dates(
                    "model_scores", [day],
                    f"SELECT DATE '{day}' AS business_date, 'churn' AS model, 'v' AS version, "
                    "'p' AS one_id, 0.5 AS probability, "
                    "NULL AS label, NULL AS purchases, NULL AS amount, NULL AS reasons",
                )
            draft.publish("run", str(day), "rules", lambda: CUT)
        with lake.reader() as session:
            counts.append(gather(session).count_scores)
    assert counts == [{"churn": 1}, {}]


def test_tags_show_coverage_and_distribution_whatever_their_type(facts: ReportFacts) -> None:
    assert facts.tags_on == DAY
    assert [tag.name for tag in facts.tags] == [
        "likes_coffee", "city", "age_band", "spend", "few", "nobody_knows",
    ]
    coffee, city, age, spend, few, nobody = facts.tags
    assert (coffee.kind, coffee.label) == ("flag", "喜欢咖啡")
    assert [(bar.label, bar.count) for bar in coffee.bins] == [("yes", 30), ("no", 70)]
    assert (city.kind, city.count_known, city.count_persons) == ("category", 80, 100)
    assert (city.bins[0].label, city.bins[0].count) == ("北京", 60)
    assert (city.bins[-1].label, city.bins[-1].count) == ("13 others", 13)
    assert [bar.label for bar in age.bins] == ["18-24", "25-34"], "bands stand in order"
    assert (spend.kind, spend.count_known) == ("number", 99)
    assert sum(bar.count for bar in spend.bins) == 99
    assert {bar.high - bar.low for bar in spend.bins if bar.high and bar.low} == {409.0}
    assert (few.kind, few.count_zero, [bar.count for bar in few.bins]) == ("number", 90, [1] * 10)
    assert (nobody.count_known, nobody.bins) == (0, ())


def test_audiences_get_their_sizes_and_releases_are_listed(facts: ReportFacts) -> None:
    assert [(a.name, a.sizes) for a in facts.audiences] == [
        ("a", (AudienceSize(DAY, 7),)), ("b", ()),
    ]
    (release,) = facts.releases
    assert (release.release_no, release.business_date, release.cut) == (1, DAY, CUT)
    assert release.count_tables == 9


def test_what_is_gathered_can_be_rendered(facts: ReportFacts) -> None:
    page = render(facts)
    assert "13800138000" not in page
    assert "喜欢咖啡" in page
    assert re.search(r"1 more have been\s+taken since", page)


def test_a_lake_with_an_empty_release_gives_empty_facts(tmp_path: Path) -> None:
    lake = open_lake(tmp_path, create=True)
    with lake.draft(DAY, CUT) as draft:
        draft.publish("run", "inputs", "rules", lambda: CUT)
    with lake.reader() as session:
        empty = gather(session)
    assert (empty.deliveries, empty.tags, empty.tags_on, empty.count_persons) == ((), (), None, 0)
    assert len(empty.releases) == 1
    render(empty)
