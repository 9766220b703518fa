"""Fuzz: whatever bytes are delivered, every row is accounted for and nothing is raised."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from domain.dates import cut
from jobs import settings
from lake.store import Lake, open_lake
from pipelines.ingest import load
from tests.pipelines.ingest.feeds import File

ROUNDS = 60
FILES = 20


def hurt(content: bytes, chance: random.Random) -> bytes:
    """``content`` cut, with bytes flipped, put in, or left out."""
    data = bytearray(
        content[: chance.randint(0, len(content))] if chance.random() < 0.3 else content
    )
    for _ in range(chance.choice((0, 1, 3, 30))):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(3)
        if kind == 0 and at < len(data):
            data[at] = chance.randrange(256)
        elif kind == 1:
            data[at:at] = bytes(chance.choice((b'"', b"\n", b"\x00", b"\xff", b",", b"{", b"\r\n")))
        else:
            del data[at : at + chance.randint(1, 40)]
    return bytes(data)


@pytest.mark.prove
@pytest.mark.parametrize("number", range(ROUNDS))
def test_hurt_files_are_accounted_for_row_by_row(
    landed_world: Lake, tmp_path: Path, number: int
) -> None:
    chance = random.Random(number)
    settled = settings.read()
    known = landed_world.landing.deliveries()
    lake = open_lake(tmp_path / "data", create=True)
    hurt_files = [_hurt_file(landed_world, chance.choice(known), chance) for _ in range(FILES)]
    fresh = lake.landing.receive(hurt_files)
    day = date(2018, 1, 5)
    with lake.draft(day, cut(day, "Asia/Shanghai", 3)) as draft:
        arguments = (settled.sources, settled.programme, fresh, lake.landing.read, b"secret")
        load(draft, *arguments)
        draft.check()
        (wrong,) = draft.session.rows(
            "SELECT count(*) FROM deliveries WHERE count_rows <> "
            "count_events + count_quarantined + count_duplicates"
        )
        rows = draft.session.rows("SELECT file, count_rows FROM deliveries")
    assert wrong == (0,)
    assert {name for name, _ in rows} == {one.file for one in fresh}


def _hurt_file(lake: Lake, delivery: object, chance: random.Random) -> File:
    from lake.landing import Delivery

    assert isinstance(delivery, Delivery)
    content = lake.landing.read(delivery)
    packed = delivery.file.endswith(".gz")
    inside: Callable[[bytes], bytes] = gzip.decompress if packed else bytes
    if packed and chance.random() < 0.5:
        whole = gzip.compress(hurt(inside(content), chance), mtime=0)
    else:
        whole = hurt(content, chance)
    return File(delivery.source, delivery.file, whole, delivery.delivered_at)
