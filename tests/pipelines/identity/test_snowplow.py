"""The stitched users that Snowplow publishes for its own test events come out of the rules.

Snowplow's stitching (dbt-snowplow-web, commit in SOURCE.md): a session's rotating cookies count as
its first one, and every cookie gets the user who logged in on it last, also for what other users
did on it before. So its user is the browser: ``user_id`` of its users is the first log-in,
``stitched_user_id`` of its sessions and page views the last.

Compared is who is who: cookies, log-ins, sessions and page views. Not compared are times, counts
of page views and engagement, which sessions make, and which events Snowplow leaves out.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from pipelines.identity import resolve
from schemas.identity_rules import Exclusive, Holders, IdentifierRules, IdentityRules, PerPerson
from tests.pipelines.identity.seen import DAY, MemoryDraft, Seen, bundle_id, persons, write

BROWSERS = IdentityRules((IdentifierRules("user_id"), IdentifierRules("domain_userid")))
"""Whoever logs in on a browser is one person with it: what Snowplow's definition says."""

NETWORK = IdentifierRules("network_userid", holders=(Holders("domain_userid", 1),))
WITH_NETWORK = IdentityRules((*BROWSERS.types, NETWORK))
"""The cookie of the network as well, which is nobody's as soon as two browsers show it."""

SESSIONS = IdentityRules((IdentifierRules("domain_userid"), IdentifierRules("domain_sessionid")))
"""Without any log-in: what one session shows is one browser's."""

ACCOUNTS = IdentityRules(
    (
        IdentifierRules("user_id", per_person=(PerPerson(1),)),
        IdentifierRules("domain_userid", transferable=True, exclusive=(Exclusive("user_id"),)),
    )
)
"""A person has one account, and a browser may pass from one to the next or be shared."""

Row = dict[str, str]


@dataclass(frozen=True)
class Snowplow:
    """Events, and what Snowplow makes of them."""

    events: list[Row]
    users: list[Row]
    sessions: list[Row]
    page_views: list[Row]


@pytest.fixture(scope="module")
def snowplow(shared_data: Path) -> Snowplow:
    folder = shared_data / "snowplow_web_apache" / "integration_tests" / "data"
    if not folder.is_dir():
        pytest.skip("the Snowplow events beside the project are absent")

    def rows(name: str) -> list[Row]:
        with (folder / name).open(newline="") as file:
            return list(csv.DictReader(file))

    return Snowplow(
        sorted(rows("source/snowplow_web_events.csv"), key=lambda one: one["collector_tstamp"]),
        rows("expected/snowplow_web_users_expected.csv"),
        rows("expected/default/snowplow_web_sessions_expected.csv"),
        rows("expected/snowplow_web_page_views_expected.csv"),
    )


def seen(events: list[Row], rules: IdentityRules) -> list[Seen]:
    """Each event once, with what it shows of the types that have rules."""
    types = [one.type for one in rules.types]
    found: dict[str, Seen] = {}
    for row in events:
        day = (date.fromisoformat(row["collector_tstamp"][:10]) - DAY).days
        members = tuple((type, row[type]) for type in types if row[type])
        found.setdefault(row["event_id"], Seen(row["event_id"], day, members, source="snowplow"))
    return list(found.values())


def resolved(memory: MemoryDraft, events: list[Row], rules: IdentityRules) -> dict[str, str]:
    """event_id → one_id, as of the date of the event."""
    evidence = seen(events, rules)
    memory.clear()
    write(memory.draft, evidence)
    resolve(memory.draft, rules)
    stretches = defaultdict(list)
    for bundle, one_id, start, end, _ in memory.session.rows("SELECT * FROM bundle_persons"):
        stretches[bundle].append((str(one_id), start, end))
    return {
        one.event_id: one_id
        for one in evidence
        for one_id, start, end in stretches[bundle_id(one)]
        if start <= one.business_date < end  # type: ignore[operator]
    }


def cookies(memory: MemoryDraft) -> dict[str, str]:
    """domain_userid → one_id."""
    return {
        value: one_id
        for one_id, held in persons(memory.session).items()
        for type, value in held
        if type == "domain_userid"
    }


def in_order(events: list[Row], whose: dict[str, str], field: str) -> dict[str, list[str]]:
    """one_id → the values of a field on its events, in order of time."""
    found = defaultdict(list)
    for row in events:
        if row[field]:
            found[whose[row["event_id"]]].append(row[field])
    return found


@pytest.mark.rule("CDP-4")
@pytest.mark.parametrize("rules", [BROWSERS, WITH_NETWORK], ids=["browsers", "with-network"])
def test_the_expected_users_come_out(
    memory: MemoryDraft, snowplow: Snowplow, rules: IdentityRules
) -> None:
    whose = resolved(memory, snowplow.events, rules)
    holders = cookies(memory)
    log_ins = in_order(snowplow.events, whose, "user_id")
    browsers = in_order(snowplow.events, whose, "domain_userid")
    ours = {
        (browsers[one_id][0], log_ins[one_id][0])
        for one_id in {holders[row["domain_userid"]] for row in snowplow.users}
    }
    assert ours == {(row["domain_userid"], row["user_id"]) for row in snowplow.users}
    assert len(ours) == len(snowplow.users) == 11
    (rotating,) = [row["domain_userid"] for row in snowplow.users if "Rotating" in row["user_id"]]
    assert len(set(browsers[holders[rotating]])) == 3


@pytest.mark.rule("CDP-4")
@pytest.mark.parametrize("rules", [BROWSERS, WITH_NETWORK], ids=["browsers", "with-network"])
def test_every_session_and_page_view_is_stitched_to_the_expected_user(
    memory: MemoryDraft, snowplow: Snowplow, rules: IdentityRules
) -> None:
    whose = resolved(memory, snowplow.events, rules)
    holders = cookies(memory)
    last = {one: names[-1] for one, names in in_order(snowplow.events, whose, "user_id").items()}
    compared = 0
    for row in (*snowplow.sessions, *snowplow.page_views):
        if not row["domain_userid"]:
            # Snowplow stitches by cookie alone; its one row without a cookie has no user there.
            assert row["user_id"] == "NULL domain_userid"
            continue
        one_id = holders[row["original_domain_userid"]]
        assert one_id == holders[row["domain_userid"]]
        assert last[one_id] == row["stitched_user_id"]
        assert whose.get(row.get("event_id", ""), one_id) == one_id
        compared += 1
    assert compared == len(snowplow.sessions) - 1 + len(snowplow.page_views) - 1 == 59


@pytest.mark.rule("CDP-4")
def test_sessions_alone_fold_rotating_cookies_as_expected(
    memory: MemoryDraft, snowplow: Snowplow
) -> None:
    resolved(memory, snowplow.events, SESSIONS)
    holders = cookies(memory)
    folded = [row for row in snowplow.page_views if row["domain_userid"]]
    for row in folded:
        assert holders[row["original_domain_userid"]] == holders[row["domain_userid"]]
    assert len({holders[row["domain_userid"]] for row in snowplow.users}) == 11
    assert len({row["original_domain_userid"] for row in folded}) == 13


def test_without_its_limit_the_network_cookie_would_join_two_of_the_users(
    memory: MemoryDraft, snowplow: Snowplow
) -> None:
    plain = IdentityRules((*BROWSERS.types, IdentifierRules("network_userid")))
    resolved(memory, snowplow.events, plain)
    holders = cookies(memory)
    assert len({holders[row["domain_userid"]] for row in snowplow.users}) == 10


@pytest.mark.rule("CDP-4")
def test_where_a_person_has_one_account_a_shared_browser_is_not_its_last_users(
    memory: MemoryDraft, snowplow: Snowplow
) -> None:
    """The one user on whom the two definitions differ: ten log-ins on one cookie in three days."""
    whose = resolved(memory, snowplow.events, ACCOUNTS)
    holders = cookies(memory)
    (shared,) = [row for row in snowplow.users if row["domain_userid"] not in holders]
    assert shared["user_id"] == "user stitch - session: 1st id: 1"
    kinds = memory.session.rows(
        "SELECT DISTINCT kind FROM tenures JOIN identifiers USING (identifier_key) "
        f"WHERE value = '{shared['domain_userid']}'"
    )
    assert kinds == [("shared",)]
    assert len({holders[row["domain_userid"]] for row in snowplow.users if row != shared}) == 10
    log_ins = in_order(snowplow.events, whose, "user_id")
    assert all(len(set(names)) == 1 for names in log_ins.values())
    stitched = [row for row in snowplow.page_views if row["stitched_user_id"]]
    ours = {row["event_id"]: log_ins[whose[row["event_id"]]][0] for row in snowplow.page_views}
    assert all(ours[row["event_id"]] == row["user_id"] for row in snowplow.page_views)
    differing = [row for row in stitched if ours[row["event_id"]] != row["stitched_user_id"]]
    assert {row["domain_userid"] for row in differing} == {shared["domain_userid"]}
    assert (len(differing), len(stitched)) == (6, 42)
