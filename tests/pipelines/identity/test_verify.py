"""A small resolution written down by hand proves itself; with any one fault planted it does not."""

from __future__ import annotations

from datetime import date, timedelta
from importlib import import_module
from itertools import combinations
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lake.engines.duckdb import Session
from lake.store import Lake
from pipelines.identity.limits import Limit, limits
from pipelines.identity.verify import _breaking, verify
from schemas.errors import QualityError
from schemas.identity_rules import Exclusive, IdentifierRules, IdentityRules, PerPerson
from tests.pipelines.identity.seen import Seen

DAY = date(2017, 1, 1)
ALWAYS_FROM, ALWAYS_TO = date(1, 1, 1), date(9999, 12, 31)
TYPES = ["user_id", "member_card", "phone", "device_id", "order_ref"]
RULES = IdentityRules(
    (
        IdentifierRules("user_id", per_person=(PerPerson(1),)),
        IdentifierRules("member_card", per_person=(PerPerson(1, overlapping_days=3),)),
        IdentifierRules(
            "phone",
            per_person=(PerPerson(1, overlapping_days=3, unless_verified=True), PerPerson(3)),
            exclusive=(Exclusive("user_id"),),
            transferable=True,
        ),
        IdentifierRules(
            "device_id",
            exclusive=(Exclusive("user_id", near_days=30),),
            transferable=True,
            borrowed_by="user_id",
        ),
        IdentifierRules("order_ref", may_stand_alone=False),
    )
)


def on(day: int) -> date:
    return DAY + timedelta(days=day)


# Bundle → its members by key (the tens say the type) and the days on which it was seen.
SEEN: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    101: ((1, 21), (0, 10)),
    102: ((1, 31), (0, 1, 2, 3, 4)),
    103: ((2, 31), (2,)),
    104: ((2, 22), (0, 9)),
    105: ((11, 21), (1,)),
    106: ((11, 22), (3,)),
    107: ((3, 23), (0, 1)),
    108: ((4, 23), (20, 21)),
    109: ((1, 32), (0, 2)),
    110: ((2, 32), (1, 3)),
    111: ((32,), (2, 7)),
    112: ((1, 33), (5,)),
    113: ((41,), (5,)),
    114: ((3, 24), (5,)),
    115: ((12,), (1,)),
    116: ((5, 25), (4,)),
    117: ((6,), (4,)),
    118: ((23,), (0, 30)),
}
BORDER = {23: on(15)}
SHARED = {32}
SCREENED = {33: "hub", 25: "blocked"}
DECISIONS = [
    ("d1", "unlink", 3, 24), ("d2", "link", 4, 12), ("d3", "link", 5, 6), ("d4", "block", 25, None),
]  # fmt: skip
# (key, stay) of both ends → what became of the link.
LINKS: dict[tuple[tuple[int, int], tuple[int, int]], str | None] = {
    ((1, 0), (21, 0)): None,
    ((1, 0), (31, 0)): None,
    ((2, 0), (31, 0)): "outlier",
    ((2, 0), (22, 0)): None,
    ((11, 0), (21, 0)): None,
    ((11, 0), (22, 0)): "user_id: at most 1",
    ((3, 0), (23, 0)): None,
    ((4, 0), (23, 1)): None,
    ((3, 0), (24, 0)): "decision d1",
    ((4, 0), (12, 0)): None,
    ((5, 0), (6, 0)): "decision d3 waives user_id: at most 1",
}
PERSONS: dict[tuple[int, int], list[tuple[int, int]]] = {
    (1, 0): [(1, 0), (21, 0), (31, 0), (11, 0)],
    (2, 0): [(2, 0), (22, 0)],
    (3, 0): [(3, 0), (23, 0)],
    (4, 0): [(4, 0), (23, 1), (12, 0)],
    (24, 0): [(24, 0)],
    (5, 0): [(5, 0), (6, 0)],
}
ALONE = {(32, 0), (41, 0)}
ORDER = [one for held in PERSONS.values() for one in held] + sorted(ALONE)
NUMBER = {one: place for place, one in enumerate(ORDER)}
BUNDLE_PERSONS = {
    1: (101, 102, 105, 109, 112), 2: (103, 104, 110), 3: (107, 114), 4: (108, 115), 5: (116, 117)
}  # fmt: skip


def type_of(key: int) -> str:
    return TYPES[key // 10]


def stay_of(key: int, day: date) -> tuple[int, int]:
    return key, int(key in BORDER and day >= BORDER[key])


def days_of(one: tuple[int, int]) -> list[date]:
    key = one[0]
    seen = (on(day) for members, days in SEEN.values() if key in members for day in days)
    return [day for day in seen if stay_of(key, day) == one]


def receipts() -> list[dict[str, Any]]:
    pairs = [(bundle, day) for bundle, (_, days) in SEEN.items() for day in days]
    return [
        {"bundle_id": bundle, "business_date": on(day), "receipt_no": place}
        for place, (bundle, day) in enumerate(pairs, 1)
    ]


def receipt_no(a: tuple[int, int], b: tuple[int, int]) -> int | None:
    """A receipt on which both ends stand."""
    for row in receipts():
        members = SEEN[row["bundle_id"]][0]
        stays = {stay_of(key, row["business_date"]) for key in members}
        if {a, b} <= stays:
            return int(row["receipt_no"])
    return None


def nodes() -> list[dict[str, Any]]:
    return [
        {
            "node_no": number, "identifier_key": key, "tenure": tenure, "type": type_of(key),
            "is_shared": key in SHARED, "first_on": min(days_of((key, tenure))),
            "last_on": max(days_of((key, tenure))),
            "valid_from": BORDER[key] if tenure else ALWAYS_FROM,
            "valid_to": BORDER[key] if key in BORDER and not tenure else ALWAYS_TO,
        }
        for (key, tenure), number in NUMBER.items()
    ]  # fmt: skip


def links() -> list[dict[str, Any]]:
    return [
        {
            "a_no": NUMBER[a], "b_no": NUMBER[b], "receipt_no": receipt_no(a, b), "rule": rule,
            "status": "refused" if rule and "waives" not in rule else "accepted",
        }
        for (a, b), rule in LINKS.items()
    ]  # fmt: skip


def bundle_persons() -> list[tuple[int, str, date, date]]:
    whole = [
        (bundle, f"p{key}", ALWAYS_FROM, ALWAYS_TO)
        for key, bundles in BUNDLE_PERSONS.items()
        for bundle in bundles
    ]
    # One phone with two holders, one phone on its own, one shared device that was borrowed.
    return [
        *whole,
        (106, "p1", ALWAYS_FROM, ALWAYS_TO),
        (118, "p3", ALWAYS_FROM, BORDER[23]),
        (118, "p4", BORDER[23], ALWAYS_TO),
        (111, "p1", on(2), on(3)),
    ]


def lay_out(session: Session) -> None:
    """Make the work tables of a resolution in which all is well."""
    components = [
        {"node_no": NUMBER[one], "first_no": NUMBER[first]}
        for first, held in [*PERSONS.items(), *((one, [one]) for one in ALONE)]
        for one in held
    ]
    names = ("bundle_id", "one_id", "valid_from", "valid_to")
    decided = ("decision_id", "kind", "identifier_key_a", "identifier_key_b")
    tables: dict[str, list[dict[str, Any]]] = {
        "receipts": receipts(),
        "bundles": [
            {"bundle_id": bundle, "first_on": on(min(days)), "last_on": on(max(days))}
            for bundle, (_, days) in SEEN.items()
        ],
        "members": [
            {"bundle_id": bundle, "identifier_key": key, "type": type_of(key)}
            for bundle, (members, _) in SEEN.items()
            for key in members
        ],
        "types": [{"type": name, "strength": place} for place, name in enumerate(TYPES, 1)],
        "screened": [{"identifier_key": key, "reason": why} for key, why in SCREENED.items()],
        "decisions": [dict(zip(decided, row, strict=True)) for row in DECISIONS],
        "nodes": nodes(),
        "verified": [{"node_no": NUMBER[21, 0]}],
        "links": links(),
        "components": components,
        "named": [{"first_no": NUMBER[one], "one_id": f"p{one[0]}"} for one in PERSONS],
        "bundle_persons": [dict(zip(names, row, strict=True)) for row in bundle_persons()],
    }
    for name, rows in tables.items():
        session.register("incoming", pa.Table.from_pylist(rows))
        session.execute(f"CREATE OR REPLACE TEMP TABLE work_{name} AS SELECT * FROM incoming")
        session.con.unregister("incoming")


def no(key: int, tenure: int = 0) -> int:
    return NUMBER[key, tenure]


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


Node = tuple[int, int, int, bool]
held = st.lists(
    st.tuples(st.integers(1, 5), st.integers(0, 9), st.integers(0, 6), st.booleans()), max_size=7
)
bounds = st.builds(
    lambda most, tolerance, unless: Limit("phone", most, tolerance, unless, ""),
    st.integers(1, 3),
    st.sampled_from([-100_000_000, -4, 0, 1, 3]),
    st.booleans(),
)


def is_broken(nodes: list[Node], limit: Limit) -> bool:
    """Tries every set of nodes of distinct identifiers for one that conflicts pairwise."""
    if limit.unless_verified and limit.at_most > 1:
        nodes = [node for node in nodes if not node[3]]

    def conflict(a: Node, b: Node) -> bool:
        spared = limit.unless_verified and limit.at_most == 1 and a[3] and b[3]
        apart = min(a[1] + a[2], b[1] + b[2]) - max(a[1], b[1])
        return a[0] != b[0] and apart >= limit.tolerance and not spared

    size = limit.at_most + 1
    return any(
        all(conflict(a, b) for a, b in combinations(chosen, 2))
        for chosen in combinations(nodes, size)
    )


@settings(max_examples=60, deadline=None)
@given(held, held, bounds)
def test_limits_break_where_trying_every_set_of_values_says_so(
    memory: Any, one: list[Node], other: list[Node], limit: Limit
) -> None:
    rows = [
        f"({group}, {key}, DATE '{on(first)}', DATE '{on(first + length)}', {verified})"
        for group, found in enumerate((one, other))
        for key, first, length, verified in found
    ]
    groups = (
        f"SELECT * FROM (VALUES {', '.join([*rows, '(9, 0, NULL, NULL, false)'])}) "
        "AS t(group_no, identifier_key, first_on, last_on, is_verified)"
    )
    broken = {row[0] for row in memory.session.rows(_breaking(groups, limit))}
    assert broken == {place for place, it in enumerate((one, other)) if is_broken(it, limit)}


def test_limits_are_named_as_refusals_name_them() -> None:
    assert [(one.name, one.tolerance) for one in limits(RULES)] == [
        ("user_id: at most 1", -100_000_000),
        ("member_card: at most 1 overlapping 3 days", 3),
        ("phone: at most 1 overlapping 3 days", 3),
        ("phone: at most 3", -100_000_000),
    ]
    within = IdentityRules((IdentifierRules("email", per_person=(PerPerson(2, within_days=30),)),))
    (limit,) = limits(within)
    assert (limit.name, limit.tolerance) == ("email: at most 2 within 30 days", -29)


def test_a_run_that_fails_its_proof_releases_nothing(
    lake: Lake, publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [Seen("e0", 0, (("user_id", "a"), ("phone", "+8613912345678")))]
    publish(seen)
    resolution = import_module("pipelines.identity.resolve")
    settle = resolution.settle_links

    def forgetful(session: Session, rules: IdentityRules) -> None:
        settle(session, rules)
        session.execute("UPDATE work_components SET first_no = 0")

    monkeypatch.setattr(resolution, "settle_links", forgetful)
    with pytest.raises(QualityError, match="persons not joined by accepted links") as caught:
        publish([*seen, Seen("e1", 1, (("user_id", "b"),)), Seen("e2", 1, (("user_id", "c"),))], 1)
    assert caught.value.exit_code == 3
    assert [one.business_date for one in lake.releases()] == [DAY]
