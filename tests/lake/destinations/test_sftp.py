from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from lake import crash
from lake.destinations.sftp import SftpPlace
from schemas.destinations import Sftp
from schemas.errors import ConfigError, DeliveryError, UnreachableError
from tests.lake.destinations.servers import Server, free_port, is_whole, package, rclone

KEY = paramiko.ECDSAKey.generate()
OTHER = paramiko.ECDSAKey.generate()


def shown(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.get_base64()}"


def text_of(key: paramiko.PKey) -> str:
    out = io.StringIO()
    key.write_private_key(out)
    return out.getvalue()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("sftp")
    (place / "key").write_text(text_of(KEY))
    (place / "authorized").write_text(shown(OTHER) + "\n")
    (place / "files").mkdir()
    options = ("--key", str(place / "key"), "--user", "guiyi", "--pass", "word",
               "--authorized-keys", str(place / "authorized"))
    with rclone("sftp", place / "files", *options) as started:
        yield started


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFTP_PASSWORD", "word")


def place(port: int, path: str, key: paramiko.PKey = KEY) -> SftpPlace:
    return SftpPlace(Sftp(
        host="127.0.0.1", port=port, user="guiyi", path=path, host_key=shown(key),
        password="SFTP_PASSWORD", timeout_s=20,
    ))


def test_a_version_lies_there_and_is_not_uploaded_twice(server: Server, tmp_path: Path) -> None:
    given, to = package(tmp_path), place(server.port, "in/audiences")
    receipt = to.deliver(given)
    assert (receipt.rows, receipt.is_new) == (2500, True)
    assert is_whole(given, server.folder / "in" / "audiences" / "x" / "v1")
    assert not to.deliver(given).is_new


def test_a_private_key_opens_it_too(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFTP_KEY", text_of(OTHER))
    to = SftpPlace(Sftp(
        host="127.0.0.1", port=server.port, user="guiyi", path="by_key", host_key=shown(KEY),
        private_key="SFTP_KEY", timeout_s=20,
    ))
    assert to.deliver(package(tmp_path)).is_new


def test_a_server_that_dies_in_the_middle_gets_the_rest_from_the_next_run(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, to = package(tmp_path), place(server.port, "dies")
    folder = server.folder / "dies" / "x" / "v1"
    with monkeypatch.context() as patched:
        patched.setattr(crash, "point", lambda name: server.kill())
        with pytest.raises(UnreachableError, match="did not take everything") as told:
            to.deliver(given)
    assert told.value.exit_code == 75
    assert not (folder / "manifest.json").exists()
    server.start()
    assert to.deliver(given).is_new
    assert is_whole(given, folder)


def test_a_part_that_was_cut_off_is_begun_anew(server: Server, tmp_path: Path) -> None:
    given = package(tmp_path)
    folder = server.folder / "torn" / "x" / "v1"
    folder.mkdir(parents=True)
    (folder / ".part-00000.csv.uploading").write_text("half")
    (folder / "part-00001.csv").write_text("of another size")
    assert place(server.port, "torn").deliver(given).is_new
    assert is_whole(given, folder)


def test_a_server_with_another_host_key_gets_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="another host key") as told:
        place(server.port, "key", OTHER).deliver(package(tmp_path))
    assert told.value.exit_code == 1
    assert not (server.folder / "key").exists()


def test_a_wrong_password_is_refused_and_stands_in_no_message(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFTP_PASSWORD", "a wrong word")
    with pytest.raises(DeliveryError, match="refused the credentials") as told:
        place(server.port, "wrong").deliver(package(tmp_path))
    assert told.value.exit_code == 1
    assert "a wrong word" not in str(told.value)


def test_a_server_that_does_not_answer_is_tried_later(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError) as told:
        place(free_port(), "").deliver(package(tmp_path))
    assert told.value.exit_code == 75


def test_another_manifest_in_its_place_is_left_alone(server: Server, tmp_path: Path) -> None:
    to = place(server.port, "taken")
    to.deliver(package(tmp_path / "other", rows=1))
    with pytest.raises(DeliveryError, match="something else lies"):
        to.deliver(package(tmp_path / "mine"))


def test_what_is_no_key_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="this is no public key"):
        SftpPlace(Sftp(host="h", user="u", host_key="ssh-ed25519 xx", password="SFTP_PASSWORD"))
    monkeypatch.setenv("SFTP_KEY", "no key")
    with pytest.raises(ConfigError, match="SFTP_KEY is no private key(.|\n)*6 characters"):
        SftpPlace(Sftp(host="h", user="u", host_key=shown(KEY), private_key="SFTP_KEY"))
