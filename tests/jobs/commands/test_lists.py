"""``guiyi list``: identifiers go on lists and off them, and only their keys are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from domain.identifiers import identifier_key
from jobs import settings
from jobs.cli import app
from lake.store import open_lake
from pipelines.identity import resolve
from schemas.errors import GuiyiError
from tests.pipelines.ingest.feeds import AT, SECRET, Feed, erp, order_line

LATER = AT + timedelta(days=2)
PHONES = ["13812345671", "13812345672"]


@dataclass
class Desk:
    """A lake that has seen two phones, and whoever keeps its lists."""

    feed: Feed
    folder: Path

    def call(self, *arguments: str, code: int = 0) -> Any:
        """The command's answer as JSON, or the text of its error."""
        called = ["list", *arguments, "--data", str(self.feed.lake.root), "--format", "json"]
        done = CliRunner().invoke(app, called)
        if code:
            assert isinstance(done.exception, GuiyiError), done.output
            assert done.exception.exit_code == code
            return str(done.exception)
        assert done.exit_code == 0, done.exception or done.output
        return msgspec.json.decode(done.stdout)

    def add(self, content: str, *more: str, code: int = 0, hours: int = 0) -> Any:
        """Hand in a file of phones for the list vip."""
        path = self.folder / "phones.txt"
        path.write_text(content)
        at = (LATER + timedelta(hours=hours)).isoformat()
        called = ["add", "vip", str(path), "--type", "phone", "--reason", "the best of spring"]
        return self.call(*called, "--author", "Ana", "--delivered-at", at, *more, code=code)

    def release(self) -> None:
        """Load what waits in the landing, and find out who is who."""
        loaded = {file for (file,) in self.feed.rows("SELECT file FROM deliveries")}
        waiting = [d for d in self.feed.lake.landing.deliveries() if d.file not in loaded]
        self.feed.take(waiting)
        with self.feed.lake.draft(LATER.date(), LATER + timedelta(days=1)) as draft:
            resolve(draft, settings.read().identity)
            draft.publish("run", "inputs", "rules", lambda: LATER)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("GUIYI_IDENTIFIER_SECRET", SECRET.decode())
    feed = Feed(open_lake(tmp_path / "lake", create=True), settings.read().sources)
    lines = [
        order_line(f"O{no}", phone=phone, member_card=f"M0000000{no}")
        for no, phone in enumerate(PHONES)
    ]
    feed.deliver(erp(lines))
    return Desk(feed, tmp_path)


def test_a_file_goes_on_a_list_and_no_clear_value_reaches_the_landing(desk: Desk) -> None:
    done = desk.add(f"{PHONES[0]}\n{PHONES[1]}\n{PHONES[1]}\n13900000000\n")
    assert (done["identifiers"], done["duplicates"], done["refused"]) == (3, 1, 0)
    landed = (desk.feed.lake.landing.root / done["file"]).read_bytes()
    assert str(identifier_key("phone", "+86" + PHONES[0], SECRET)).encode() in landed
    assert not any(value.encode() in landed for value in (*PHONES, "13900000000"))
    desk.release()
    (shown,) = desk.call("show")["lists"]
    assert (shown["list"], shown["identifiers"], shown["persons"]) == ("vip", 3, 2)
    members = desk.call("members", "vip")["members"]
    assert {row["identifier"] for row in members} == {
        "+86138****5671", "+86138****5672", "never seen",
    }
    assert sorted(row["person_no"] is not None for row in members) == [False, True, True]
    after = desk.call("members", "vip", "--after", str(members[0]["identifier_key"]))["members"]
    assert after == members[1:]


def test_who_is_taken_off_is_off_and_the_history_tells_both(desk: Desk) -> None:
    desk.add("\n".join(PHONES))
    desk.add(PHONES[0] + "\n13900000000\n", "--remove", hours=1)
    desk.release()
    (shown,) = desk.call("show", "vip")["lists"]
    assert (shown["identifiers"], shown["persons"], shown["changes"]) == (1, 1, 3)
    told = desk.call("history", "vip")["changes"]
    assert [(row["change"], row["identifiers"], row["author"], row["reason"]) for row in told] == [
        ("added", 2, "Ana", "the best of spring"), ("removed", 1, "Ana", "the best of spring"),
    ]


def test_what_is_on_it_already_is_nothing_to_do(desk: Desk) -> None:
    desk.add("\n".join(PHONES))
    assert "all 2 of them are on the list already" in desk.add(PHONES[0] + "\n" + PHONES[1],
                                                              code=99, hours=1)
    more = desk.add("13900000000\n" + PHONES[0], hours=2)
    assert (more["identifiers"], more["unchanged"]) == (1, 1)


def test_refused_lines_are_told_with_number_and_reason_and_kept_where_asked(desk: Desk) -> None:
    refused = desk.folder / "refused.csv"
    done = desk.add(f"{PHONES[0]}\nnobody\n", "--refused", str(refused))
    assert done["refused_lines"] == [{"line": 2, "reason": "not a phone number"}]
    assert refused.read_text() == "line,reason,text\n2,not a phone number,nobody\n"
    nothing = desk.add("nobody\n", code=1, hours=1)
    assert "1 refused of 1 lines" in nothing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--type", "fax"], r"one of user_id, phone"),
        (["--reason", " "], r"at: --reason"),
        (["--author", ""], r"at: --author"),
    ],
)
def test_a_wrong_call_says_what_would_be_right(
    desk: Desk, arguments: list[str], message: str
) -> None:
    assert message in desk.add(PHONES[0], *arguments, code=2)


def test_a_list_of_another_name_or_time_is_refused(desk: Desk) -> None:
    desk.add(PHONES[0])
    assert "changed later already" in desk.add(PHONES[1], code=2, hours=-1)
    desk.release()
    assert "expected: one of vip" in desk.call("members", "vips", code=2)
    path = desk.folder / "phones.txt"
    wrong = desk.call("add", "VIP", str(path), "--type", "phone", "--reason", "r", code=2)
    assert "lower case letters" in wrong
