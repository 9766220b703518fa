from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from lake import snapshots
from lake.draft import Draft
from models import registry
from models.daily import prepare_all
from schemas.errors import StorageError
from schemas.model_definitions import Model


@pytest.fixture(scope="module")
def files(bought: Draft, models: dict[str, Model]) -> dict[str, bytes]:
    (found,) = prepare_all(bought, [models["churn"]])
    return found.files


def keep(root: Path, files: dict[str, bytes], model: bytes | None = None) -> str:
    given = files if model is None else {**files, "model.json": model}
    version = snapshots.keep(root, "churn", given)
    snapshots.point(root, "churn", version)
    return version


def test_a_snapshot_holds_numbers_figures_and_a_card(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    keep(tmp_path, files)
    fitted = registry.read(tmp_path, "churn")
    assert json.loads(files["model.json"])["fitted"]["names"] == fitted.names
    assert registry.summary(tmp_path, "churn")["refusals"] == []
    assert registry.card(tmp_path, "churn").startswith("# churn: 三十天流失")
    assert json.loads(files["card.json"])["split"]["offsets_days"]["test"] == 30


def test_a_flipped_byte_is_told_with_the_file(tmp_path: Path, files: dict[str, bytes]) -> None:
    path = tmp_path / "churn" / keep(tmp_path, files) / "model.json"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(StorageError, match="damaged") as told:
        registry.read(tmp_path, "churn")
    assert str(path) in told.value.where


def test_a_broken_manifest_is_damage_too(tmp_path: Path, files: dict[str, bytes]) -> None:
    path = tmp_path / "churn" / keep(tmp_path, files) / "manifest.json"
    path.write_text("{")
    with pytest.raises(StorageError, match="damaged"):
        registry.read(tmp_path, "churn")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 1}, "format 1"),
        ({"format": None}, "format None"),
        ({"fitted": {"type": "forest"}}, "forest"),
        ({"fitted": {"type": "logistic"}}, "missing required field"),
    ],
)
def test_a_model_file_of_another_format_is_refused(
    tmp_path: Path, files: dict[str, bytes], change: dict[str, object], told: str
) -> None:
    plain = msgspec.json.decode(files["model.json"], type=dict) | change
    keep(tmp_path, files, msgspec.json.encode(plain))
    with pytest.raises(StorageError) as error:
        registry.stored(tmp_path, "churn")
    assert told in error.value.got


def test_a_model_file_of_before_formats_is_refused(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    keep(tmp_path, files, b'{"names": [], "weights": []}')
    with pytest.raises(StorageError, match="expected: format 2") as error:
        registry.read(tmp_path, "churn")
    assert error.value.got == "no format at all"


def test_every_version_that_is_kept_is_listed(tmp_path: Path, files: dict[str, bytes]) -> None:
    old = files["model.json"].replace(b'"slope"', b'"slope" ')
    first, second = keep(tmp_path, files, old), keep(tmp_path, files)
    told = registry.versions(tmp_path, "churn")
    assert {v.version: v.is_current for v in told} == {first: False, second: True}
    assert all(v.gain > 0.02 for v in told)
