from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from lake.destinations.webhook import WebhookPlace, _asked, key_of, signature
from schemas.destinations import Webhook
from schemas.errors import ConfigError, DeliveryError, UnreachableError
from tests.lake.destinations.servers import Server, free_port, package, receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "receiver").mkdir()
    with receiver(tmp_path / "receiver", SECRET) as started:
        yield started


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)


class Slept(list[float]):
    """The waits between attempts, none of which is waited."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def place(port: int, slept: Slept | None = None, **fields: float) -> WebhookPlace:
    plain = {"url": f"http://127.0.0.1:{port}/in", "secret": "HOOK_SECRET", "attempts": 3}
    hook = msgspec.convert(plain | {"first_wait_s": 1, "timeout_s": 0.5} | fields, Webhook)
    return WebhookPlace(hook, sleep=Slept() if slept is None else slept)


def taken(server: Server) -> list[str]:
    return (server.folder / "taken").read_text().split()


NAMES = ["x~v1~part-00000.csv", "x~v1~part-00001.csv", "x~v1~part-00002.csv", "x~v1"]


def test_a_signature_is_that_of_the_published_example() -> None:
    body = io.BytesIO(b'{"test": 2432232314}')
    signed = signature(key_of(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_parts_and_then_the_manifest_are_taken_each_once(server: Server, tmp_path: Path) -> None:
    given, to = package(tmp_path), place(server.port)
    for _ in range(2):
        assert to.deliver(given).rows == 2500
    assert taken(server) == NAMES
    for name, path, _ in given.parts():
        assert (server.folder / "kept" / f"x~v1~{name}").read_bytes() == path.read_bytes()


def test_a_receiver_that_fails_hangs_and_is_busy_is_asked_again(
    server: Server, tmp_path: Path
) -> None:
    (server.folder / "plan").write_text("500 hang")
    slept = Slept()
    place(server.port, slept).deliver(package(tmp_path))
    assert slept == [1, 2]
    assert taken(server) == NAMES


def test_it_waits_as_long_as_the_receiver_asks(server: Server, tmp_path: Path) -> None:
    (server.folder / "plan").write_text("429:7 503:100000")
    slept = Slept()
    place(server.port, slept).deliver(package(tmp_path))
    assert slept == [7, 300]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("Wed, 21 Oct 2015 07:28:30 -0000", 30), ("Wed, 21 Oct 2015 07:28:30 GMT", 30),
     ("Wed, 21 Oct 2015 07:27:00 GMT", 0), ("Wed, 21 Oct 2035 07:28:00 GMT", 300), ("7", 7),
     ("-7", 0), ("nan", None), ("inf", None), ("1e999", None), ("soon", None), (None, None)],
)
def test_a_wait_is_read_from_numbers_and_dates(header: str | None, seconds: float | None) -> None:
    assert _asked(header, datetime(2015, 10, 21, 7, 28, tzinfo=UTC).timestamp()) == seconds


def test_a_receiver_that_dies_in_the_middle_gets_it_once_from_the_next_run(
    server: Server, tmp_path: Path
) -> None:
    given = package(tmp_path)
    place(server.port).deliver(package(tmp_path / "other", rows=1))
    (server.folder / "plan").write_text("die")
    for path in (server.folder / "kept").iterdir():
        path.unlink()
    (server.folder / "taken").unlink()
    with pytest.raises(UnreachableError, match="in 3 attempts") as told:
        place(server.port).deliver(given)
    assert told.value.exit_code == 75
    server.wait()
    server.start()
    place(server.port).deliver(given)
    assert taken(server) == NAMES


@pytest.mark.parametrize("status", ["410", "400", "401", "404", "301"])
def test_a_refusal_is_not_tried_again(server: Server, tmp_path: Path, status: str) -> None:
    (server.folder / "plan").write_text(status)
    with pytest.raises(DeliveryError, match=f"the webhook refused(.|\n)*HTTP {status}") as told:
        place(server.port).deliver(package(tmp_path))
    assert told.value.exit_code == 1
    assert len((server.folder / "calls").read_text().splitlines()) == 1


def test_an_answer_that_acknowledges_too_little_is_an_error(
    server: Server, tmp_path: Path
) -> None:
    given = package(tmp_path)
    (server.folder / "kept" / "x~v1~part-00001.csv").write_text("h\nonly one row\n")
    with pytest.raises(DeliveryError, match="did not acknowledge every row(.|\n)*1501"):
        place(server.port).deliver(given)


def test_another_secret_is_refused_and_stands_in_no_message(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "whsec_AAAA")
    with pytest.raises(DeliveryError, match="HTTP 401") as told:
        place(server.port).deliver(package(tmp_path))
    assert "AAAA" not in str(told.value)
    monkeypatch.setenv("HOOK_SECRET", "whsec_no base64")
    with pytest.raises(ConfigError, match="no webhook secret") as wrong:
        place(server.port)
    assert "no base64" not in str(wrong.value)


def test_a_receiver_that_does_not_answer_is_tried_later(tmp_path: Path) -> None:
    slept = Slept()
    with pytest.raises(UnreachableError, match="no connection"):
        place(free_port(), slept).deliver(package(tmp_path))
    assert slept == [1, 2]
