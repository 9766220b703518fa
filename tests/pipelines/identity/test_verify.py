"""A small resolution written down by hand proves itself; with any one fault planted it does not."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from lake.engines.duckdb import Session
from lake.store import Lake
from pipelines.identity.verify import verify
from schemas.errors import QualityError
from schemas.identity_rules import IdentityRules
from tests.pipelines.identity.proved import (
    BORDER,
    DAY,
    NUMBER,
    RULES,
    days_of,
    lay_out,
    no,
    on,
    type_of,
)
from tests.pipelines.identity.seen import Seen


@pytest.fixture
def session(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with Session(tmp_path_factory.mktemp("spill"), threads=1) as session:
        lay_out(session)
        yield session


def test_a_resolution_in_which_all_is_well_proves_itself(session: Session) -> None:
    verify(session, RULES)


def test_nothing_proves_itself(session: Session) -> None:
    for (name,) in session.rows("SELECT table_name FROM duckdb_tables() WHERE temporary"):
        session.execute(f"DELETE FROM {name} WHERE '{name}' <> 'work_types'")
    verify(session, RULES)


def move(key: int, to: int) -> str:
    return f"UPDATE work_components SET first_no = {no(to)} WHERE node_no = {no(key)}"


def accept(a: tuple[int, int], b: tuple[int, int]) -> str:
    return (
        "UPDATE work_links SET status = 'accepted', rule = NULL "
        f"WHERE a_no = {NUMBER[a]} AND b_no = {NUMBER[b]}"
    )


def merge(a: int, b: int) -> str:
    """Persons a and b as one in every table, as a kernel that forgot its limits would leave it."""
    return (
        f"UPDATE work_components SET first_no = {no(a)} WHERE first_no = {no(b)};"
        f"DELETE FROM work_named WHERE first_no = {no(b)};"
        f"UPDATE work_bundle_persons SET one_id = 'p{a}' WHERE one_id = 'p{b}'"
    )


def seen_on(key: int, *days: int) -> str:
    """Further receipts of a bundle that shows the identifier alone, as its node says too."""
    rows = ", ".join(f"(900 + {key}, DATE '{on(day)}', 900)" for day in days)
    dates = [*days_of((key, 0)), *(on(day) for day in days)]
    return (
        f"INSERT INTO work_receipts (bundle_id, business_date, receipt_no) VALUES {rows};"
        f"INSERT INTO work_members VALUES (900 + {key}, {key}, '{type_of(key)}');"
        f"UPDATE work_nodes SET first_on = DATE '{min(dates)}', last_on = DATE '{max(dates)}' "
        f"WHERE identifier_key = {key};"
        f"INSERT INTO work_bundle_persons SELECT 900 + {key}, one_id, DATE '0001-01-01', "
        "DATE '9999-12-31' FROM work_components JOIN work_named USING (first_no) "
        f"WHERE node_no = {no(key)}"
    )


FAULTS: list[tuple[str, str]] = [
    ("nodes with a wrong number", f"UPDATE work_nodes SET node_no = 99 WHERE node_no = {no(41)}"),
    ("nodes in no or several components", f"DELETE FROM work_components WHERE node_no = {no(41)}"),
    (
        "nodes in no or several components",
        f"INSERT INTO work_components VALUES ({no(31)}, {no(2)})",
    ),
    ("components with a foreign label", f"UPDATE work_components SET first_no = {no(21)} "
     f"WHERE first_no = {no(1)}"),
    ("links that are malformed", "INSERT INTO work_links SELECT * FROM work_links LIMIT 1"),
    ("links without a verdict", "UPDATE work_links SET status = 'maybe' WHERE a_no = 0"),
    ("links without a verdict", "UPDATE work_links SET rule = NULL WHERE rule = 'outlier'"),
    ("links that are malformed", "UPDATE work_links SET b_no = 4711 WHERE rule = 'outlier'"),
    ("accepted links between two persons", accept((2, 0), (31, 0))),
    ("accepted links between two persons", move(12, 2)),
    ("components with a foreign label", move(21, 2)),
    ("persons not joined by accepted links",
     f"DELETE FROM work_links WHERE a_no = {no(4)} AND b_no = {no(12)}"),
    ("persons not joined by accepted links", merge(2, 24)),
    ("shared stays with a link or a person",
     f"INSERT INTO work_named VALUES ({no(32)}, 'p32')"),
    ("shared stays with a link or a person",
     f"INSERT INTO work_links (a_no, b_no, status, receipt_no) VALUES ({no(1)}, {no(32)}, "
     "'accepted', 13)"),
    ("shared stays with a link or a person", move(32, 1)),
    ("screened identifiers with a node", "INSERT INTO work_screened VALUES (22, 'hub')"),
    ("unlinked identifiers in one person", merge(3, 24) + ";" + accept((3, 0), (24, 0))),
    ("blocked identifiers with a node",
     "INSERT INTO work_decisions VALUES ('d5', 'block', 22, NULL)"),
    ("linked identifiers in two persons",
     "INSERT INTO work_decisions VALUES ('d5', 'link', 1, 2)"),
    ("identifiers seen in no or several stays",
     "INSERT INTO work_members VALUES (113, 42, 'order_ref')"),
    ("identifiers seen in no or several stays",
     f"UPDATE work_nodes SET valid_from = DATE '{on(25)}' WHERE node_no = {no(23, 1)}"),
    ("identifiers seen in no or several stays",
     f"UPDATE work_nodes SET valid_to = DATE '{on(21)}' WHERE node_no = {no(23)}"),
    ("stays with foreign days",
     f"UPDATE work_nodes SET last_on = last_on - 5 WHERE node_no = {no(21)}"),
    ("stays with foreign days", "DELETE FROM work_members WHERE bundle_id = 113"),
    ("links without evidence",
     f"INSERT INTO work_links (a_no, b_no, status, receipt_no) VALUES ({no(1)}, {no(11)}, "
     "'accepted', 1)"),
    ("links without evidence",
     f"UPDATE work_links SET b_no = {no(23)} WHERE b_no = {no(23, 1)}"),
    ("links without evidence", "DELETE FROM work_decisions WHERE decision_id = 'd2'"),
    ("identifiers seen together without a link",
     "DELETE FROM work_links WHERE rule = 'outlier'"),
    ("bundles with two persons at a time",
     "INSERT INTO work_bundle_persons VALUES (101, 'p1', DATE '2017-01-05', DATE '2017-02-01')"),
    ("bundles without their person", "DELETE FROM work_bundle_persons WHERE bundle_id = 104"),
    ("bundles without their person",
     f"DELETE FROM work_bundle_persons WHERE bundle_id = 118 AND valid_from = DATE '{BORDER[23]}'"),
    ("bundles without their person",
     "UPDATE work_bundle_persons SET one_id = 'p2' WHERE bundle_id = 101"),
    ("bundles with a person from nowhere",
     "INSERT INTO work_bundle_persons VALUES (113, 'p1', DATE '0001-01-01', DATE '9999-12-31')"),
    ("components with no, several or undue names",
     "DELETE FROM work_named WHERE one_id = 'p24'"),
    ("components with no, several or undue names",
     f"INSERT INTO work_named VALUES ({no(41)}, 'p41')"),
    ("components with no, several or undue names",
     "UPDATE work_named SET one_id = 'p1' WHERE one_id = 'p24'"),
    ("refused links inside one person", merge(1, 2)),
    ("refusals that no decision bears out",
     "UPDATE work_links SET rule = 'decision d1' WHERE rule = 'user_id: at most 1'"),
    ("refusals without a reason by user_id: at most 1",
     "UPDATE work_links SET rule = 'user_id: at most 1' WHERE rule = 'decision d1'"),
    ("refusals without a reason by phone: at most 1 overlapping 3 days",
     "UPDATE work_links SET rule = 'phone: at most 1 overlapping 3 days' "
     "WHERE rule = 'decision d1'"),
    ("links with an unknown rule",
     "UPDATE work_links SET rule = 'phone: at most 7' WHERE rule = 'user_id: at most 1'"),
    ("links with an unknown rule",
     "UPDATE work_links SET rule = 'decision d9' WHERE rule = 'decision d1'"),
    ("links with an unknown rule",
     "UPDATE work_links SET rule = 'decision d3 waives it' WHERE rule LIKE '%waives%'"),
    ("waivers without a reason of phone: at most 3",
     "UPDATE work_links SET rule = 'decision d3 waives phone: at most 3' "
     "WHERE rule LIKE '%waives%'"),
    ("persons beyond user_id: at most 1",
     "UPDATE work_links SET rule = NULL WHERE rule LIKE '%waives%'"),
    ("persons beyond user_id: at most 1", merge(3, 4)),
    ("persons beyond member_card: at most 1 overlapping 3 days",
     merge(1, 4) + ";" + seen_on(11, 0, 9) + ";" + seen_on(12, 6)),
    ("persons beyond phone: at most 1 overlapping 3 days", merge(1, 2)),
    ("outliers without a rival",
     "UPDATE work_links SET rule = 'outlier' WHERE rule = 'user_id: at most 1'"),
    ("outliers without a rival",
     "DELETE FROM work_receipts WHERE bundle_id = 102"),
]  # fmt: skip


@pytest.mark.parametrize(("broken", "fault"), FAULTS)
def test_a_planted_fault_is_found_and_named(session: Session, broken: str, fault: str) -> None:
    session.execute(fault)
    with pytest.raises(QualityError) as caught:
        verify(session, RULES)
    assert caught.value.exit_code == 3
    assert f"{broken}: " in caught.value.got
    assert caught.value.expected
    assert caught.value.todo


def test_an_error_counts_and_gives_up_to_three_examples(session: Session) -> None:
    session.execute("DELETE FROM work_bundle_persons WHERE one_id = 'p1'")
    with pytest.raises(QualityError) as caught:
        verify(session, RULES)
    assert caught.value.got == (
        "bundles without their person: 6 (e.g. bundle 101 on 2017-01-01; "
        "bundle 102 on 2017-01-01; bundle 105 on 2017-01-02)"
    )
    assert str(caught.value).startswith(
        "identity fails its proof: bundles without their person; nothing was published\n"
        "  expected: on each date a bundle has the person of its strongest identifier that unites"
    )


def test_a_run_that_fails_its_proof_releases_nothing(
    lake: Lake, publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [Seen("e0", 0, (("user_id", "a"), ("phone", "+8613912345678")))]
    publish(seen)
    resolution = import_module("pipelines.identity.resolve")
    settle = resolution.settle_links

    def forgetful(session: Session, rules: IdentityRules, label: Any) -> None:
        settle(session, rules, label)
        session.execute("UPDATE work_components SET first_no = 0")

    monkeypatch.setattr(resolution, "settle_links", forgetful)
    with pytest.raises(QualityError, match="persons not joined by accepted links") as caught:
        publish([*seen, Seen("e1", 1, (("user_id", "b"),)), Seen("e2", 1, (("user_id", "c"),))], 1)
    assert caught.value.exit_code == 3
    assert [one.business_date for one in lake.releases()] == [DAY]
