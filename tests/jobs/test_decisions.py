"""A decision is refused where it contradicts another, and enters a release as a delivery."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from jobs import decisions, settings
from jobs.cli import app
from lake.store import open_lake
from pipelines.identity.decisions import in_force
from schemas.errors import GuiyiError, NotFoundError, UsageError
from tests.pipelines.ingest.feeds import AT, SECRET, Feed, erp, order_line

LATER = AT + timedelta(days=2)
PHONES = ["13812345671", "13812345672", "13812345673", "13812345674"]


@dataclass
class Desk:
    """A lake that has seen four phones, each with a card, and the person who decides."""

    feed: Feed

    def says(self, kind: str, *named: str, code: int = 0, reason: str = "seen the papers") -> Any:
        """Call the command; its answer as JSON."""
        called = ["identity", kind, *named, "--reason", reason, "--author", "Ana"]
        called += ["--delivered-at", LATER.isoformat(), "--data", str(self.feed.lake.root)]
        done = CliRunner().invoke(app, [*called, "--format", "json"])
        if code:
            assert isinstance(done.exception, GuiyiError), done.output
            assert done.exception.exit_code == code
            return str(done.exception)
        assert done.exit_code == 0, done.exception or done.output
        return msgspec.json.decode(done.stdout)

    def decide(self, kind: str, *named: str) -> str:
        """The id of a new decision."""
        return str(self.says(kind, *named)["decision_id"])

    def listed(self, *, is_all: bool = False) -> list[dict[str, Any]]:
        return decisions.listing(self.feed.lake, is_all=is_all)

    def release(self) -> None:
        """Load what waits in the landing."""
        loaded = {file for (file,) in self.feed.rows("SELECT file FROM deliveries")}
        waiting = self.feed.lake.landing.deliveries()
        self.feed.take([one for one in waiting if one.file not in loaded])

    def in_force(self) -> list[Any]:
        """Ids and kinds of the decisions in force in the newest release."""
        with self.feed.lake.reader() as session:
            in_force(session)
            return session.rows("SELECT decision_id, kind FROM work_decisions ORDER BY ALL")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("GUIYI_IDENTIFIER_SECRET", SECRET.decode())
    feed = Feed(open_lake(tmp_path / "lake", create=True), settings.read().sources)
    lines = [
        order_line(f"O{no}", phone=phone, member_card=f"M0000000{no}")
        for no, phone in enumerate(PHONES)
    ]
    feed.deliver(erp(lines))
    return Desk(feed)


A, B, C, D = PHONES


@pytest.mark.rule("CDP-4")
def test_a_decision_enters_a_release_as_it_was_made(desk: Desk) -> None:
    told = desk.says("link", A, "member_card:m00000002", reason=" seen  the papers ")
    assert told["enters_release_of"] == "2017-03-04"
    desk.release()
    (row,) = desk.feed.rows(
        "SELECT decision_id, kind, reason, author, epoch_us(decided_at) = epoch_us(received_at), "
        "file, identifier_key_a < identifier_key_b, "
        "(SELECT list(type ORDER BY type) FROM identifiers AS i "
        "WHERE i.identifier_key IN (identifier_key_a, identifier_key_b)) FROM identity_decisions"
    )
    assert row == (
        told["decision_id"], "link", "seen the papers", "Ana", True, told["file"], True,
        ["member_card", "phone"],
    )
    content = (desk.feed.lake.landing.root / told["file"]).read_text()
    assert A not in content
    assert "M00000002" not in content
    assert desk.in_force() == [(told["decision_id"], "link")]


@pytest.mark.rule("CDP-4")
@pytest.mark.parametrize(("first", "second"), [("link", "unlink"), ("unlink", "link")])
def test_a_contradictory_decision_is_refused_and_names_the_other(
    desk: Desk, first: str, second: str
) -> None:
    other = desk.decide(first, A, B)
    told = desk.says(second, B, A, code=2)
    assert f"this {second} contradicts a decision in force" in told
    assert f"{first} {other} by Ana at 2017-03-04 18:30:00Z: seen the papers" in told
    assert f"guiyi identity revoke {other}" in told
    desk.release()
    assert "contradicts" in desk.says(second, A, B, code=2), "whether in a release or not"


@pytest.mark.rule("CDP-4")
def test_an_unlink_across_a_chain_of_links_is_refused(desk: Desk) -> None:
    chain = [desk.decide("link", A, B), desk.decide("link", B, C)]
    told = desk.says("unlink", A, C, code=2)
    assert all(one in told for one in chain)


@pytest.mark.rule("CDP-4")
def test_a_link_that_would_join_what_is_kept_apart_is_refused(desk: Desk) -> None:
    desk.decide("link", A, B)
    apart = desk.decide("unlink", A, C)
    told = desk.says("link", B, C, code=2)
    assert f"unlink {apart} by Ana" in told
    desk.decide("link", B, D)


@pytest.mark.rule("CDP-4")
def test_what_is_blocked_is_not_linked_and_what_is_linked_is_not_blocked(desk: Desk) -> None:
    block = desk.decide("block", A)
    assert f"block {block} by Ana" in desk.says("link", A, B, code=2)
    link = desk.decide("link", C, D)
    assert f"link {link} by Ana" in desk.says("block", C, code=2)


@pytest.mark.rule("CDP-4")
def test_the_same_decision_twice_is_nothing_to_do(desk: Desk) -> None:
    desk.decide("unlink", A, B)
    assert "decided already" in desk.says("unlink", B, A, code=99, reason="another")
    desk.decide("block", C)
    assert "decided already" in desk.says("block", f"phone:+86 {C}", code=99)


@pytest.mark.rule("CDP-4")
def test_a_revoke_lets_the_opposite_in(desk: Desk) -> None:
    link = desk.decide("link", A, B)
    desk.decide("revoke", link)
    unlink = desk.decide("unlink", A, B)
    desk.release()
    assert desk.in_force() == [(unlink, "unlink")]


def test_only_a_decision_in_force_is_revoked(desk: Desk) -> None:
    assert "which nobody entered" in desk.says("revoke", "d0", code=2)
    link = desk.decide("link", A, B)
    revoke = desk.decide("revoke", link)
    told = desk.says("revoke", link, code=2)
    assert f"link {link} by Ana" in told
    assert f"revoke {revoke} by Ana" in told
    assert "there is nothing to revoke" in desk.says("revoke", revoke, code=2)
    assert "within the same instant" in desk.says("link", A, B, code=2)


@pytest.mark.parametrize(
    ("called", "code", "words"),
    [
        (("link", A, A), 2, "link needs two identifiers"),
        (("unlink", A, f"phone:{A}"), 2, r"phone \+86138\*\*\*\*5671 twice"),
        (("link", A, "13912345678"), 2, "names no identifier"),
        (("unlink", A, "phone:1"), 2, "names no identifier"),
        (("block", "nobody"), 2, "names no identifier"),
    ],
)
def test_a_wrong_call_is_answered_with_words(
    desk: Desk, called: tuple[str, ...], code: int, words: str
) -> None:
    assert re.search(words, desk.says(*called, code=code))


def test_a_decision_has_a_reason(desk: Desk) -> None:
    assert "a decision needs a reason" in desk.says("link", A, B, code=2, reason=" \t")


def test_a_value_of_two_types_is_asked_back(desk: Desk) -> None:
    desk.feed.deliver(erp([order_line("O9", member_card=A)], path="b.csv"))
    assert "member_card, phone" in desk.says("block", A, code=2)
    desk.decide("block", f"phone:{A}")


@pytest.mark.rule("CDP-4")
def test_a_value_never_seen_is_blocked_by_its_type(desk: Desk, tmp_path: Path) -> None:
    desk.decide("block", "email:Nobody@example.com")
    (row,) = desk.listed()
    assert (row["a"], row["released"]) == ("email (never seen)", False)
    lake = open_lake(tmp_path / "empty", create=True)
    (one,) = decisions.identifiers(lake, ["phone:13912345678"], "CN", may_be_unseen=True)
    decisions.enter(lake, "block", [one], reason="a placeholder", author="Ana")
    assert [one["a"] for one in decisions.listing(lake)] == ["phone (never seen)"]
    with pytest.raises(NotFoundError, match="there is no such release"):
        decisions.identifiers(lake, ["13912345678"], "CN", may_be_unseen=True)


def test_with_another_secret_nothing_is_decided(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUIYI_IDENTIFIER_SECRET", "another")
    assert "identifier secret" in desk.says("block", "phone:13912345678", code=2)


def test_what_a_rule_screens_is_not_linked(desk: Desk) -> None:
    (one,) = decisions.identifiers(desk.feed.lake, [A], "CN")
    rows = f"SELECT {one.identifier_key} AS identifier_key, 'phone' AS type, "
    with desk.feed.lake.draft(AT.date(), AT + timedelta(days=1)) as draft:
        draft.replace(
            "screened",
            f"{rows} 'hub' AS reason, 'phone: at most 4 user_id' AS rule, 9 AS count_partners",
        )
        draft.publish("run", "inputs", "rules", lambda: AT)
    told = desk.says("link", A, B, code=2)
    assert "phone +86138****5671: hub (phone: at most 4 user_id)" in told
    desk.decide("unlink", A, B)


def test_the_list_shows_masked_values_and_what_became_of_each(desk: Desk) -> None:
    link, block = desk.decide("link", A, "M00000001"), desk.decide("block", D)
    desk.release()
    revoke = desk.decide("revoke", block)
    assert [(one["decision_id"], one["released"]) for one in desk.listed()] == [(link, True)]
    (row,) = desk.listed()
    assert {row["a"], row["b"]} == {"phone +86138****5671", "member_card M****0001"}
    states = {one["decision_id"]: one["state"] for one in desk.listed(is_all=True)}
    assert states == {
        link: "in force", block: f"revoked by {revoke}", revoke: f"revokes {block}",
    }
    called = ["identity", "decisions", "--all", "--data", str(desk.feed.lake.root)]
    shown = CliRunner().invoke(app, called)
    assert shown.exit_code == 0
    assert A not in shown.stdout
    assert "seen the papers" in shown.stdout


def test_a_time_before_another_decision_is_refused(desk: Desk) -> None:
    desk.decide("link", A, B)
    named = decisions.identifiers(desk.feed.lake, [C, D], "CN")
    for early in (LATER - timedelta(seconds=1), AT):
        with pytest.raises(UsageError, match=r"later decision|in the past of what is published"):
            decisions.enter(
                desk.feed.lake, "link", named, reason="r", author="Ana", at=early
            )


@pytest.mark.rule("CDP-4")
def test_of_two_contradictory_decisions_at_once_one_gets_in(desk: Desk) -> None:
    named = decisions.identifiers(desk.feed.lake, [A, B], "CN")
    ends: list[str] = []

    def enter(kind: Any) -> None:
        try:
            decisions.enter(desk.feed.lake, kind, named, reason="r", author="Ana")
            ends.append("in")
        except UsageError:
            ends.append("refused")

    for _ in range(5):
        threads = [Thread(target=enter, args=(kind,)) for kind in ("link", "unlink")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(ends) == ["in", "refused"]
        (one,) = desk.listed()
        decisions.enter(
            desk.feed.lake, "revoke", [], reason="r", author="Ana", revokes=one["decision_id"]
        )
        ends.clear()
