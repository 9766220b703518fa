"""Deliveries that workers parse in any stretches give the tables of one load."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import random
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from functools import cache
from pathlib import Path

import msgspec
import pytest

from domain.identifiers import identifier_key
from lake import conf
from lake.store import open_lake
from pipelines.ingest import apart, staging
from pipelines.ingest.accounts import IngestSummary
from pipelines.ingest.apart import Stretch
from pipelines.ingest.erasures import identified
from schemas import catalog
from schemas.erasures import ERASURES, Erasure, Suppression
from schemas.sources import Source
from tests.pipelines.ingest.feeds import (
    AT,
    ERP_HEADER,
    PROGRAMME,
    SECRET,
    Feed,
    File,
    app,
    app_event,
    erp,
    order_line,
)

TABLES = [name for name in catalog.TABLES if name != "releases"]
OTHER_HEADER = ",".join(reversed(ERP_HEADER.split(",")))


def erasure() -> File:
    """An erasure of the device d1-aaaa."""
    key = identifier_key("device_id", "d1-aaaa", SECRET)
    gone = Suppression(type="device_id", identifier_key=key)
    said = identified(Erasure(suppressions=[gone], reason="asked", author="a", erased_at=AT))
    return File(ERASURES, "erasures/1.jsonl", msgspec.json.encode(said) + b"\n", AT)


@cache
def traps() -> list[File]:
    """One of everything that a file can be, some rows twice, of an erased device, or bad."""
    lines = [app_event(f"m{n % 9}", anonymousId=f"d{n % 3}-aaaa") for n in range(20)]
    other = ",".join(reversed(order_line("O3").split(",")))
    consent = {"consent_id": "k1", "user_id": "u1", "purpose": "p", "channel": "sms",
               "status": "granted", "text_version": "v1", "at": "2017-03-01T08:00:00+08:00"}
    files = [
        app(*lines, app_event("m90", anonymousId="d1-aaaa"), path="app/1.jsonl.gz"),
        app(*lines[:5], b'{"broken', b"", b'{"anonymousId": "d1-aaaa"', path="app/2.jsonl"),
        File("app_events", "app/cut.jsonl.gz", gzip.compress(b"\n".join(lines))[:-40]),
        File("app_events", "app/not.jsonl.gz", b"no gzip at all\n"),
        File("app_events", "app/open.jsonl", lines[0] + b"\n" + app_event("m77")),
        File("app_events", "app/empty.jsonl", b""),
        erp([order_line("O1"), order_line("O2", quantity="x"), "a,b"], path="erp/1.csv"),
        File("erp_orders", "erp/2.csv", f"{OTHER_HEADER}\n{other}\n".encode()),
        File("erp_orders", "erp/3.csv", f"{ERP_HEADER}\n{order_line('O4')}".encode()),
        File("erp_orders", "erp/4.csv", ERP_HEADER[:20].encode()),
        File("consents", "c.jsonl", json.dumps(consent).encode() + b"\n"),
        File("products", "p1.csv", b"product_id,department,category,name\n1,D,C,x\n2,D,C,y\n"),
        File("products", "p2.csv", b"product_id,department,category,name\n1,D,C,z\n"),
        File("nobody_knows", "n.txt", b"one\ntwo\n"),
        erasure(),
    ]
    return [
        File(f.source, f.path, f.content, AT + timedelta(minutes=n // 3))
        for n, f in enumerate(files)
    ]


def parsed(feed: Feed, folder: Path, groups: dict[int, list[int]]) -> list[Stretch]:
    """The landing's files in stretches of the numbers that ``groups`` puts together."""
    files = dict(apart.numbered(feed.lake.landing.deliveries()))
    folder.mkdir(exist_ok=True)
    return [
        apart.staged(
            [files[n] for n in numbers], numbers, feed.sources, PROGRAMME,
            feed.lake.landing.read, folder,
        )
        for numbers in groups.values()
    ]


def tables(feed: Feed) -> dict[str, str]:
    """Every table's rows, where errors name the lake as any other would be named."""
    found = {name: str(feed.rows(f"SELECT * FROM {name} ORDER BY ALL")) for name in TABLES}
    return {name: rows.replace(str(feed.lake.root), "lake") for name, rows in found.items()}


def landed(feed: Feed) -> Feed:
    feed.lake.landing.receive(traps())
    (feed.lake.landing.root / "app" / "empty.jsonl").unlink()
    return feed


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[IngestSummary, dict[str, str]]:
    """What one load says of the traps, and its tables."""
    lake = open_lake(tmp_path_factory.mktemp("whole") / "lake", create=True)
    feed = landed(Feed(lake, conf.load("sources", Source)))
    said = feed.take(lake.landing.deliveries())
    assert len(feed.quarantine()) > 5
    assert said.total.count_erased > 5
    return said, tables(feed)


@pytest.mark.slow
@pytest.mark.parametrize("is_small", [False, True])
def test_any_cut_into_stretches_gives_the_tables_of_one_load(
    new_feed: Callable[[], Feed],
    whole: tuple[IngestSummary, dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_small: bool,
) -> None:
    if is_small:
        monkeypatch.setattr(sys.modules["pipelines.ingest.load"], "PART_BYTES", 1500)
        monkeypatch.setattr(apart, "ROWS_PER_FILE", 3)
        monkeypatch.setattr("lake.lines.BATCH_BYTES", 700)
    split = landed(new_feed())
    groups = at_random(split, random.Random(is_small))
    stretches = parsed(split, tmp_path / "apart", groups)
    said = split.take(split.lake.landing.deliveries(), stretches=stretches)
    assert (said, tables(split)) == whole


def at_random(feed: Feed, chance: random.Random) -> dict[int, list[int]]:
    """Most files of declared sources in one of four stretches, the others in none."""
    declared = {source.name for source in feed.sources}
    groups: dict[int, list[int]] = {}
    for number, delivery in apart.numbered(feed.lake.landing.deliveries()):
        place = chance.randrange(5)
        if delivery.source in declared and place:
            groups.setdefault(place, []).append(number)
    return groups


@pytest.mark.slow
def test_worker_processes_parse_stretches_side_by_side(
    new_feed: Callable[[], Feed], whole: tuple[IngestSummary, dict[str, str]], tmp_path: Path
) -> None:
    split = landed(new_feed())
    deliveries = split.lake.landing.deliveries()
    cut = apart.cuts(apart.numbered(deliveries), split.sources, size=1000)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        asked = [
            pool.submit(
                apart.staged, [d for _, d in files], [n for n, _ in files], split.sources,
                PROGRAMME, split.lake.landing.read, tmp_path,
            )
            for files in cut
        ]
        stretches = [one.result() for one in asked]
    assert (split.take(deliveries, stretches=stretches), tables(split)) == whole


def test_cuts_hold_every_file_of_a_declared_source_once(new_feed: Callable[[], Feed]) -> None:
    feed = landed(new_feed())
    files = apart.numbered(feed.lake.landing.deliveries())
    declared = {source.name for source in feed.sources}
    cut = apart.cuts(files, feed.sources, size=500)
    assert sorted(n for stretch in cut for n, _ in stretch) == [
        n for n, delivery in files if delivery.source in declared
    ]
    assert all(len({d.source for _, d in stretch}) == 1 for stretch in cut)
    assert len(cut) > 5


def test_staged_columns_keep_their_types_in_parquet(feed: Feed, tmp_path: Path) -> None:
    with feed.lake.session() as session:
        session.execute("CREATE TABLE ingest_files (file_no INTEGER, delivered_at TIMESTAMPTZ)")
        for source in feed.sources:
            staging.create(session, source, PROGRAMME)
            path = tmp_path / f"{source.name}.parquet"
            session.execute(f"COPY stage_{source.name} TO '{path}' (FORMAT parquet)")
            wanted = session.rows(f"DESCRIBE stage_{source.name}")
            got = session.rows(f"DESCRIBE SELECT * FROM '{path}'")
            assert [row[:2] for row in got] == [row[:2] for row in wanted]
