"""What the job ``release`` accepts, and what becomes of its figures."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from console.report import gather
from jobs import release, run, settings
from lake.store import Lake
from schemas.errors import ConfigError, NotYetError, UsageError
from tests.lakes import guiyi, last_days, same_landing


@pytest.mark.slow
@pytest.mark.rule("CDP-1")
def test_rows_in_are_events_quarantined_and_duplicates_per_source_and_file(
    sample_lake: Lake,
) -> None:
    truth = pq.read_table(sample_lake.root / "truth" / "expected.parquet")
    with sample_lake.reader() as session:
        session.register("expected", truth)
        rows = session.rows(
            "SELECT d.source, sum(d.count_rows) AS rows, sum(x.count_rows) AS truly, "
            "sum(count_events) + sum(count_quarantined) + sum(count_duplicates) AS out, "
            "count(*) FILTER (WHERE d.count_rows <> x.count_rows) AS wrong "
            "FROM deliveries d JOIN expected x ON x.path = d.file GROUP BY d.source"
        )
        landed = {d.source for d in sample_lake.landing.deliveries()}
        kept = session.rows(
            "SELECT d.source, d.n = e.n FROM (SELECT source, sum(count_events) AS n "
            "FROM deliveries WHERE source <> 'products' GROUP BY ALL) d "
            "JOIN (SELECT source, count(*) AS n FROM events GROUP BY ALL) e USING (source)"
        )
    assert {row[0] for row in rows} == landed
    assert len(landed) >= 7
    assert all(row[1] == row[2] == row[3] for row in rows)
    assert all(row[4] == 0 for row in rows)
    assert len(kept) == len(landed) - 1, "every source but the catalogue of products"
    assert all(equal for _, equal in kept)


@pytest.mark.slow
@pytest.mark.rule("CDP-2")
def test_each_spoiled_row_of_the_world_is_quarantined_with_its_reason_and_no_other(
    sample_lake: Lake,
) -> None:
    truth = pq.read_table(sample_lake.root / "truth" / "spoiled.parquet")
    with sample_lake.reader() as session:
        session.register("spoiled", truth)
        (counts,) = session.rows(
            "SELECT count(*) FILTER (WHERE q.line IS NULL), count(*) FILTER (WHERE s.line IS NULL),"
            " count(*) FILTER (WHERE q.reason <> s.reason), count(*) FROM (SELECT spoiled.* FROM "
            "spoiled JOIN deliveries ON file = path) s FULL JOIN quarantine q "
            "ON q.file = s.path AND q.line = s.line"
        )
    missing, surplus, other_reason, total = counts
    assert total > 100
    assert (missing, surplus, other_reason) == (0, 0, 0)


@pytest.mark.slow
def test_repeated_rows_are_counted_once(sample_lake: Lake) -> None:
    truth = pq.read_table(sample_lake.root / "truth" / "repeats.parquet")
    with sample_lake.reader() as session:
        session.register("repeats", truth)
        rows = session.rows(
            "SELECT r.source, count(*), any_value(n) FROM repeats r JOIN deliveries ON file = path "
            "JOIN (SELECT source, sum(count_duplicates) AS n FROM deliveries GROUP BY ALL) d "
            "ON d.source = r.source GROUP BY ALL"
        )
    assert rows
    assert all(expected == got for _, expected, got in rows)


@pytest.mark.slow
def test_money_agrees_with_a_query_over_the_raw_files(sample_lake: Lake) -> None:
    raw = str(sample_lake.landing.root / "erp_orders" / "2017-06-*" / "group-0?.csv")
    (expected,) = duckdb.sql(
        "SELECT sum(CAST(round(paid * 100) AS BIGINT)), count(*) FROM (SELECT DISTINCT ON "
        "(order_id, line_no) TRY_CAST(paid_amount AS DECIMAL(18, 2)) AS paid FROM "
        f"read_csv('{raw}', all_varchar = true, union_by_name = true, ignore_errors = true) "
        "WHERE TRY_CAST(ordered_at AS TIMESTAMP) IS NOT NULL AND "
        "TRY_CAST(quantity AS BIGINT) IS NOT NULL) WHERE paid IS NOT NULL"
    ).fetchall()
    with sample_lake.reader() as session:
        (got,) = session.rows(
            "SELECT CAST(sum(paid_minor) AS BIGINT), count(*) FROM order_lines WHERE "
            "source = 'erp_orders' AND event_id IN (SELECT event_id FROM events "
            "WHERE file LIKE 'erp_orders/2017-06-%')"
        )
    assert got == expected


@pytest.mark.slow
def test_a_date_without_deliveries_is_not_yet_or_a_mistake(sample_lake: Lake) -> None:
    settled = settings.read()
    with pytest.raises(NotYetError, match=r"up to 2017-12-31") as caught:
        release.plan(sample_lake, settled, date(2018, 3, 1), run.clock())
    assert caught.value.exit_code == 75
    with pytest.raises(UsageError, match="before"):
        release.plan(sample_lake, settled, date(2016, 1, 1), run.clock())


@pytest.mark.slow
def test_a_full_disk_is_said_and_nothing_is_published(landed_world: Lake, tmp_path: Path) -> None:
    lake = same_landing(landed_world, tmp_path / "data")
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); "
        "from jobs.cli import main; sys.argv = ['guiyi', 'job', 'run', 'release', '--date', "
        f"'{last_days(1)[0]}', '--data', '{lake.root}']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "disk space" in done.stderr
    assert "Traceback" not in done.stderr
    assert lake.releases() == []
    again = guiyi("job", "run", "release", "--date", str(last_days(1)[0]), data=lake.root)
    assert again.returncode == 0, again.stderr


@pytest.mark.slow
def test_a_date_is_not_published_before_its_cut(landed_world: Lake, tmp_path: Path) -> None:
    lake, day = same_landing(landed_world, tmp_path / "data"), last_days(1)[0]
    early = datetime(2017, 12, 31, 18, 59, 59, tzinfo=UTC)
    with pytest.raises(NotYetError, match="2017-12-31 is not over"):
        release.publish(lake, settings.read(), day, "run", lambda: early)
    assert release.plan(lake, settings.read(), day, early + timedelta(seconds=1)).fresh


@pytest.mark.slow
def test_another_identifier_secret_is_refused(sample_lake: Lake, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "data")
    shutil.copytree(sample_lake.root, lake.root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GUIYI_IDENTIFIER_SECRET", "another")
        with pytest.raises(ConfigError, match="not the one this lake was made with"):
            release.publish(lake, settings.read(), last_days(1)[0], "run", run.clock, force=True)


@pytest.mark.slow
def test_a_delivery_in_the_past_of_what_is_published_is_refused(
    sample_lake: Lake, tmp_path: Path
) -> None:
    file = tmp_path / "late.jsonl"
    file.write_text("{}\n")
    at = ("--delivered-at", "2017-12-01T00:00:00Z")
    done = guiyi("land", "consents", str(file), *at, data=sample_lake.root)
    assert done.returncode == 2
    assert "in the past of what is published" in done.stderr


def test_two_definitions_of_one_name_are_refused(tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    shutil.copytree(Path(__file__).parents[2] / "conf", conf)
    sources = conf / "base" / "sources"
    shutil.copy(sources / "consents.yml", sources / "again.yml")
    with pytest.raises(ConfigError, match="two definitions have the name 'consents'"):
        settings.read(conf)


def test_a_definition_called_otherwise_than_its_file_is_refused(tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    shutil.copytree(Path(__file__).parents[2] / "conf", conf)
    file = conf / "base" / "sources" / "consents.yml"
    file.write_text(file.read_text().replace("name: consents", "name: other"))
    with pytest.raises(ConfigError, match="called otherwise than its file"):
        settings.read(conf)


@pytest.mark.slow
def test_same_content_under_another_id_is_kept_and_reported(sample_lake: Lake) -> None:
    traps = pq.read_table(sample_lake.root / "truth" / "traps.parquet")
    laid = traps["trap"].to_pylist().count("same_content")
    with sample_lake.reader() as session:
        found = gather(session).count_same_content
    assert laid > 10
    assert 0.9 * laid <= found <= laid
