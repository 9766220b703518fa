"""A small resolution in which all is well, written down by hand as the work tables it leaves."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from lake.engines.duckdb import Session
from schemas.identity_rules import Exclusive, IdentifierRules, IdentityRules, PerPerson

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
