"""Promise 7: after an erasure nothing holds a byte of the person, and nothing brings them back."""

from __future__ import annotations

import base64
import gzip
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from console.api import Shelf
from jobs import exports, rebuild, release
from jobs.commands import people
from jobs.privacy import erase, receipts, subject
from jobs.run import clock as now
from lake import locks
from lake.exports import versions as every
from lake.store import Lake
from pipelines.audiences.view import View
from pipelines.erasure import veil
from pipelines.identity import find_person
from pipelines.identity.consent import explain_consent
from pipelines.tags import declared
from pipelines.tags.published import TagBitmaps, version_on
from schemas import catalog
from schemas.errors import (
    BusyError,
    InputError,
    NotFoundError,
    NothingToDo,
    StorageError,
    UsageError,
)
from services.database import open_database
from services.handovers.store import HandoverRow
from tests.erasable import ANN, FIRST, LAST, SPELT, files, landed, settled
from tests.pipelines.ingest.feeds import File

ERASED_AT = datetime(2018, 1, 1, 12, tzinfo=UTC)
RETAINED, DAY = timedelta(days=30), timedelta(days=1)


def clock() -> datetime:
    return ERASED_AT


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Two dates published and exported, the last also with a wider audience than it tells of."""
    lake = landed(tmp_path_factory.mktemp("erase") / "lake")
    for day in (FIRST, LAST):
        release.publish(lake, settled(), day, "run", clock)
        exports.publish(lake, settled(), day)
    wide = settled(is_wide=True)
    exports.publish_one(lake, wide, exports.find(wide, "hashes"), LAST)
    return lake


@pytest.fixture
def lake(published: Lake, tmp_path: Path) -> Lake:
    shutil.copytree(published.root, tmp_path / "lake", symlinks=True)
    return Lake(tmp_path / "lake")


@pytest.fixture(scope="module")
def erased(published: Lake, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The same without Ann; read only."""
    root = tmp_path_factory.mktemp("erased") / "lake"
    shutil.copytree(published.root, root, symlinks=True)
    erase_ann(Lake(root))
    return Lake(root)


def erase_ann(lake: Lake, who: str = ANN["user"]) -> dict[str, Any]:
    return erase.erase(
        lake, settled(), who, reason="asked", author="tester", run_id="erase", clock=clock
    )


def rows(lake: Lake, sql: str) -> list[tuple[object, ...]]:
    with lake.reader() as session:
        return session.rows(sql)


HISTORY = {"releases", "identity_moves", "identity_changes", "identity_runs", "identity_health"}


def state(lake: Lake) -> dict[str, list[tuple[object, ...]]]:
    """Every table of the last date, as sorted rows, save those that tell of publications."""
    found = {}
    with lake.reader() as session:
        for name, table in catalog.TABLES.items():
            if name in HISTORY:
                continue
            is_of_date = table.partition == "business_date" and table.mode == "partition"
            is_of_date &= name not in ("sightings", "partials", "partial_values")
            where = f" WHERE business_date = DATE '{LAST}'" if is_of_date else ""
            leave = " EXCLUDE (previous_date, share_known_change, distance)"
            columns = f"*{leave if name == 'tag_coverage' else ''}"
            inner = f'SELECT {columns} FROM "{name}"{where}'
            found[name] = session.rows(f"SELECT CAST(t AS VARCHAR) FROM ({inner}) t ORDER BY 1")
    return found


def test_a_rebuild_from_the_redacted_landing_gives_the_same(erased: Lake, tmp_path: Path) -> None:
    again, _ = rebuild.rebuild(erased, settled(), LAST, "again", clock, folder=tmp_path / "again")
    mine, other = state(erased), state(again)
    assert {name for name in mine if mine[name] != other[name]} == set()


def test_all_others_are_as_they_were(published: Lake, erased: Lake) -> None:
    held = (
        "SELECT i.value, t.one_id FROM tenures AS t JOIN identifiers AS i USING (identifier_key) "
        "WHERE t.valid_to IS NULL AND i.value IN "
        "('u-bob-1', 'u-cid-1', 'u-dan-1', '+8613900001111', 'cid@example.org', '+8613700002222')"
    )
    before = dict(rows(published, held))
    assert len(before) == 6
    assert dict(rows(erased, held)) == before
    tags = (
        "SELECT v.* FROM tag_values AS v JOIN tenures AS t USING (one_id) JOIN identifiers AS i "
        "USING (identifier_key) WHERE i.value IN ('u-bob-1', 'u-cid-1', 'u-dan-1') ORDER BY ALL"
    )
    assert rows(erased, tags) == rows(published, tags)
    members = (
        "SELECT * FROM audience_members WHERE one_id IN (SELECT one_id FROM tenures AS t "
        "JOIN identifiers AS i USING (identifier_key) WHERE i.value LIKE 'u-%' "
        f"AND i.value <> '{ANN['user']}') ORDER BY ALL"
    )
    assert rows(erased, members) == rows(published, members) != []


def test_a_row_of_somebody_else_loses_the_words_alone(erased: Lake) -> None:
    told = rows(erased, "SELECT properties['query'] FROM events WHERE event_id = 'dan2'")
    assert told == [("is *** here",)]


def test_births_on_an_erased_row_are_kept_for_others(erased: Lake) -> None:
    (receipt,) = receipts.receipts(erased)
    assert receipt["remembered"]["births_of_others"] == 1
    assert rows(
        erased,
        "SELECT count(*) FROM persons JOIN birth_tombstones ON birth_event_id = event_id",
    ) == [(1,)]


def test_the_account_of_every_file_still_adds_up(erased: Lake) -> None:
    broken = rows(
        erased,
        "SELECT file FROM deliveries WHERE count_rows <> count_events + count_quarantined "
        "+ count_duplicates + count_erased",
    )
    assert broken == []
    assert rows(erased, "SELECT sum(count_erased) > 10 FROM deliveries") == [(True,)]


def test_bitmaps_of_earlier_dates_are_made_anew(published: Lake, erased: Lake) -> None:
    ((number,),) = rows(
        published, "SELECT DISTINCT person_no FROM persons JOIN tenures USING (one_id) JOIN "
        f"identifiers AS i USING (identifier_key) WHERE i.value = '{ANN['user']}'"
    )
    for day in (FIRST, LAST):
        with published.reader() as session:
            old = TagBitmaps.open(published.snapshots, version_on(session, day))
        with erased.reader() as session:
            fresh = TagBitmaps.open(erased.snapshots, version_on(session, day))
            tagged = session.rows(
                f"SELECT person_no FROM tag_values WHERE business_date = DATE '{day}' "
                "AND city = '北京' ORDER BY 1"
            )
        assert number in old.everyone()
        assert set(fresh.everyone()) == set(old.everyone()) - {number}
        assert [(one,) for one in fresh.where("city", "=", "北京")] == tagged


def test_what_is_held_is_read_by_the_person(published: Lake) -> None:
    found = subject.everything(published, settled(), ANN["phone"])
    values = {row["value"] for row in found["identifiers"]}
    assert {ANN["user"], "+8613812345678", "ann.lee@example.com"} <= values
    assert sorted(row["order_id"] for row in found["orders"]) == ["G1", "O1", "O2"]
    assert {row["reason"] for row in found["rows that could not be read"]} >= {
        "broken_json", "bad_number", "unknown_source",
    }
    assert [name.split(",")[0] for name in found["exports"]] == ["hashes", "phones", "phones"]
    assert [one.split("/")[0] for one in found["given to others"]] == ["hashes"]
    assert found["tags by date"][-1]["tags"]["城市 (city)"] == "北京"
    with pytest.raises(StorageError, match="could not be written"):
        subject.write(published.root / "landing" / "landing.jsonl", b"")


def test_what_is_allowed_is_told_with_its_proof(published: Lake) -> None:
    with published.reader() as session:
        one_id = find_person(session, ANN["user"], "CN")
        told = explain_consent(session, one_id, published.release().cut)
    allowed = {(row["purpose"], row["channel"]): row for row in told["verdicts"]}
    assert allowed["export", "any"]["allowed"]
    assert allowed["export", "any"]["decided by"] == "consents k0, text v1"


def test_a_reason_that_names_the_person_is_refused(published: Lake) -> None:
    for reason in ("138 1234 5678 asked", f"letter of {ANN['email']}"):
        with pytest.raises(UsageError, match="tells who it is"):
            erase.land(
                published, settled(), ANN["user"], reason=reason, author="a", clock=clock,
                dry_run=True,
            )


def test_a_receipt_that_was_changed_is_not_genuine(erased: Lake) -> None:
    (receipt,) = receipts.receipts(erased)
    receipts.require_genuine(erased, receipt)
    with pytest.raises(InputError, match="not genuine"):
        receipts.require_genuine(erased, receipt | {"release": 99})


def test_erasing_again_is_nothing_to_do(erased: Lake) -> None:
    with pytest.raises(NothingToDo, match="erased already"):
        erase_ann(erased)
    with pytest.raises(NothingToDo, match="erased already"):
        erase_ann(erased, "138-1234-5678")
    with pytest.raises(NotFoundError, match="names nobody"):
        erase_ann(erased, "13511112222")


def test_earlier_dates_do_not_show_who_was_erased(
    published: Lake, erased: Lake, tmp_path: Path
) -> None:
    lake, tags = copied(erased, tmp_path), declared(settled().tags)
    ((one_id, number),) = rows(
        published, "SELECT DISTINCT one_id, person_no FROM persons JOIN tenures USING (one_id) "
        f"JOIN identifiers AS i USING (identifier_key) WHERE i.value = '{ANN['user']}'"
    )
    with lake.reader(FIRST) as session:
        before = View(session, lake.snapshots, FIRST, tags, settled().audiences)
        assert number in before.members("beijing")
        members = set(before.members("beijing"))
    with veil.reader(lake, FIRST) as session:
        fresh = View(session, lake.snapshots, FIRST, tags, settled().audiences)
        assert set(fresh.members("beijing")) == members - {number}
        assert number not in fresh.bitmaps.everyone() | fresh.bitmaps.known("city")
        for name, table in catalog.TABLES.items():
            told = str(session.rows(f'SELECT * FROM "{name}"'))
            assert str(one_id) not in told
            assert table.name == "events" or not any(value in told for value in SPELT)
    with Shelf(lake, tags, "UTC").open(FIRST) as shown:
        assert number not in shown.view(settled().audiences).bitmaps.everyone()
    for who in (ANN["phone"], str(one_id), ANN["openid"]):
        with pytest.raises(NotFoundError):
            people.explain_person(who, as_of_text=str(FIRST), data=str(lake.root))
    recipe = msgspec.structs.replace(exports.find(settled(), "phones"), name="late")
    manifest, _ = exports.run(lake, settled(), recipe, FIRST)
    (part,) = manifest["parts"]
    written = lake.exports / "late" / manifest["version"] / part["name"]
    assert b"+8613900001111" in written.read_bytes()
    assert b"+8613812345678" not in written.read_bytes()


def test_an_export_of_another_audience_than_published_is_withdrawn(erased: Lake) -> None:
    (receipt,) = receipts.receipts(erased)
    gone = [name.split("/")[0] for name in receipt["removed"]["exports"]]
    assert gone == ["hashes", "phones", "phones"]
    (given,) = receipt["removed"]["handed_over"]
    assert given in [f"{name} to desk" for name in receipt["removed"]["exports"]]
    assert len([one for one in every(erased.exports) if "withdrawn" not in one]) == 2


def test_a_second_erasure_that_had_to_wait_tells_who_was_given_the_person(
    erased: Lake, tmp_path: Path
) -> None:
    lake, ids, said = copied(erased, tmp_path), list[str](), "13700002222"
    (first,) = receipts.receipts(lake)
    with closing(open_database(lake.root)) as database, database.session() as session:
        for row in session.scalars(select(HandoverRow)):
            row.reason = f"for {said}"
    places = "tables_with_values"
    assert receipts.check(lake, first, [said])[places] == ["handovers_handovers"]
    with ExitStack() as running:
        def noted(erasure_id: str) -> None:
            ids.append(erasure_id)
            running.enter_context(locks.exclusive(lake.root / "locks", "publish"))

        with pytest.raises(BusyError):
            erase.erase(
                lake, settled(), "u-dan-1", reason="asked", author="tester", run_id="erase",
                clock=clock, noted=noted,
            )
    with pytest.raises(NothingToDo, match=ids[0]):
        erase_ann(lake, "u-dan-1")
    receipt = receipts.receipt(lake, ids[0])
    assert receipt["removed"]["handed_over"] == first["removed"]["handed_over"]
    assert receipt["removed"]["exports"] == []
    assert receipts.check(lake, receipt, [said])[places] == []
    with veil.reader(lake, FIRST) as session:
        assert session.rows("SELECT count(*) FROM persons") == [(2,)]


def copied(lake: Lake, folder: Path) -> Lake:
    shutil.copytree(lake.root, folder / "lake", symlinks=True)
    return Lake(folder / "lake")


def test_nothing_brings_the_person_back(lake: Lake) -> None:
    erase_ann(lake)
    before = rows(lake, "SELECT one_id FROM persons ORDER BY 1")
    again = [
        File(one.source, f"again/{one.path}", without_mention(one.content), one.delivered_at + DAY)
        for one in files()
    ]
    late = gzip.decompress(files()[0].content).splitlines()[0].replace(b"ann1", b"late1")
    again.append(File("app_events", "app/late.jsonl", late + b"\n", again[-1].delivered_at))
    lake.landing.receive(again)
    release.publish(lake, settled(), LAST + timedelta(days=1), "run", clock)
    assert rows(lake, "SELECT one_id FROM persons ORDER BY 1") == before
    pattern = spelt(SPELT)
    assert [p for p in landing_files(lake) if pattern.search(unpacked(p))] == []
    broken = "SELECT count(*) FROM quarantine WHERE file LIKE 'again/%'"
    assert rows(lake, broken) == [(2,)], "of others: one of the app, one of nobody's source"


def test_after_the_retention_no_file_has_a_byte(lake: Lake) -> None:
    receipt = erase_ann(lake)
    assert receipt["removed"]["exports"], "exports that held her are withdrawn"
    assert receipts.vacuum(lake, ERASED_AT + timedelta(days=1)) == []
    (done,) = receipts.vacuum(lake, now() + RETAINED, [ANN["phone"], ANN["email"]])
    assert done["completed"]["checks"]["files_with_values"] == []
    receipts.require_genuine(lake, done)
    pattern = spelt(SPELT)
    found = [
        str(path.relative_to(lake.root)) for path in sorted(lake.root.rglob("*"))
        if path.is_file() and any(pattern.search(form) for form in forms(path))
    ]
    assert found == []


def without_mention(content: bytes) -> bytes:
    """What others say of a person in free text is not known again: nothing remembers the words."""
    if not content.startswith(b"\x1f\x8b"):
        return b"\n".join(line for line in content.split(b"\n") if b"dan2" not in line)
    return gzip.compress(without_mention(gzip.decompress(content)))


def landing_files(lake: Lake) -> list[Path]:
    return [path for path in sorted(lake.landing.root.rglob("*")) if path.is_file()]


def spelt(values: list[str]) -> re.Pattern[bytes]:
    parts = {text.encode(name, "ignore") for text in values for name in ("utf-8", "gbk")}
    return re.compile(b"|".join(re.escape(part) for part in parts if len(part) > 5))


def unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def forms(path: Path) -> Iterator[bytes]:
    content = unpacked(path)
    yield path.read_bytes()
    yield content
    if path.suffix == ".parquet":
        content = str(pq.ParquetFile(path).read().to_pylist()).encode()
        yield content
    for match in re.finditer(rb"[A-Za-z0-9+/]{12,}={0,2}", content):
        yield base64.b64decode(match[0][: len(match[0]) // 4 * 4])
