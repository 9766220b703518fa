from __future__ import annotations

from pathlib import Path

import pytest

from lake.packs import Pack, packed
from schemas.errors import NotFoundError, StorageError

BLOBS = {"known": b"abc", "0": b"", "1": bytes(range(256))}


def written(root: Path, content: bytes) -> Path:
    path = root / "tag.city"
    path.write_bytes(content)
    return path


def read_all(path: Path) -> dict[str, bytes]:
    pack = Pack(path)
    return {name: bytes(pack.blob(name)) for name in ("known", "1")}


def test_each_blob_comes_back_and_what_it_is_about(tmp_path: Path) -> None:
    pack = Pack(written(tmp_path, packed({"type": "text", "label": "城市"}, BLOBS)))
    assert pack.about == {"type": "text", "label": "城市"}
    assert {name: bytes(pack.blob(name)) for name in BLOBS} == BLOBS
    assert "1" in pack
    assert "2" not in pack


def test_the_same_blobs_are_the_same_bytes() -> None:
    assert packed({"a": 1}, BLOBS) == packed({"a": 1}, dict(BLOBS))


def test_a_flipped_byte_is_found_wherever_it_is(tmp_path: Path) -> None:
    content = packed({"type": "text"}, {"known": b"abc", "1": bytes(40)})
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1
        with pytest.raises(StorageError, match="a pack is damaged"):
            read_all(written(tmp_path, bytes(flipped)))


def test_a_blob_that_is_not_asked_for_is_not_looked_at(tmp_path: Path) -> None:
    flipped = bytearray(packed({}, {"known": b"abc", "1": bytes(40)}))
    flipped[8] ^= 1
    assert bytes(Pack(written(tmp_path, bytes(flipped))).blob("1")) == bytes(40)


@pytest.mark.parametrize("kept", [0, 1, 8, 20, -1])
def test_a_cut_file_is_damaged(kept: int, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="a pack is damaged"):
        Pack(written(tmp_path, packed({}, BLOBS)[:kept]))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"tag\.none"):
        Pack(tmp_path / "tag.none")
