from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lake import crash
from lake.destinations.object_store import ObjectStorePlace
from schemas.destinations import ObjectStore
from schemas.errors import ConfigError, DeliveryError, UnreachableError
from tests.lake.destinations.servers import Server, free_port, is_whole, package, rclone


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("store")
    (folder / "audiences").mkdir()
    with rclone("s3", folder, "--auth-key", "an-access-key,secret-of-it") as server:
        yield server


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_ID", "an-access-key")
    monkeypatch.setenv("STORE_SECRET", "secret-of-it")


def place(port: int, prefix: str, bucket: str = "audiences") -> ObjectStorePlace:
    return ObjectStorePlace(ObjectStore(
        bucket=bucket, prefix=prefix, endpoint=f"http://127.0.0.1:{port}", timeout_s=10,
        access_key="STORE_ID", secret_key="STORE_SECRET",
    ))


def test_a_version_lies_in_the_bucket_and_is_not_put_twice(store: Server, tmp_path: Path) -> None:
    given, to = package(tmp_path), place(store.port, "a/b")
    receipt = to.deliver(given)
    assert (receipt.rows, receipt.is_new) == (2500, True)
    assert receipt.where == "s3://audiences/a/b/x/v1"
    assert is_whole(given, store.folder / "audiences" / "a" / "b" / "x" / "v1")
    assert not to.deliver(given).is_new


def test_a_store_that_dies_in_the_middle_gets_the_rest_from_the_next_run(
    store: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, to = package(tmp_path), place(store.port, "dies")
    folder = store.folder / "audiences" / "dies" / "x" / "v1"
    with monkeypatch.context() as patched:
        patched.setattr(crash, "point", lambda name: store.kill())
        with pytest.raises(UnreachableError, match="did not take everything") as told:
            to.deliver(given)
    assert told.value.exit_code == 75
    assert not (folder / "manifest.json").exists()
    store.start()
    assert to.deliver(given).is_new
    assert is_whole(given, folder)
    assert not to.deliver(given).is_new


def test_another_manifest_in_its_place_is_left_alone(store: Server, tmp_path: Path) -> None:
    to = place(store.port, "taken")
    to.deliver(package(tmp_path / "other", rows=1))
    with pytest.raises(DeliveryError, match="something else lies"):
        to.deliver(package(tmp_path / "mine"))


def test_a_bucket_that_is_not_there_is_refused_and_not_tried_later(
    store: Server, tmp_path: Path
) -> None:
    with pytest.raises(DeliveryError, match="the object store refused") as told:
        place(store.port, "", "elsewhere").deliver(package(tmp_path))
    assert told.value.exit_code == 1


def test_wrong_credentials_are_refused_and_stand_in_no_message(
    store: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORE_SECRET", "a wrong secret")
    with pytest.raises(DeliveryError) as told:
        place(store.port, "wrong").deliver(package(tmp_path))
    assert told.value.exit_code == 1
    assert "a wrong secret" not in str(told.value)


def test_a_store_that_does_not_answer_is_tried_later(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError) as told:
        place(free_port(), "").deliver(package(tmp_path))
    assert told.value.exit_code == 75


def test_credentials_come_from_the_environment_or_a_file_that_it_names(
    store: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORE_SECRET")
    with pytest.raises(ConfigError, match="STORE_SECRET is not given(.|\n)*STORE_SECRET_FILE"):
        place(store.port, "file")
    (tmp_path / "secret").write_text("secret-of-it\n")
    monkeypatch.setenv("STORE_SECRET_FILE", str(tmp_path / "secret"))
    assert place(store.port, "file").deliver(package(tmp_path)).is_new
