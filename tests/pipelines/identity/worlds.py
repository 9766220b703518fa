"""Small worlds, each with one thing that keeps two persons apart; none meets another."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.pipelines.identity.seen import Seen, key

Named = tuple[str, str]


def phone(number: int) -> Named:
    return ("phone", f"+861391234{number:04}")


def device(name: str) -> Named:
    return ("device_id", f"device-{name}-0001")


def user(name: str) -> Named:
    return ("user_id", f"user-{name}-0001")


def card(number: int) -> Named:
    return ("member_card", f"M{number:08}")


def together(name: str, days: range, *members: Named, source: str = "app_events") -> list[Seen]:
    """An event a day that shows all of the members."""
    return [Seen(f"{name}{day}", day, members, source=source) for day in days]


RECYCLED = [
    *together("anna", range(0, 15, 3), user("anna"), phone(1), device("anna")),
    *together("bert", range(100, 112, 3), user("bert"), phone(1), device("bert")),
    *together("anna-card", range(1, 3), card(1), user("anna"), source="erp_orders"),
]
SHARED_CARD = [
    *together("cora", range(0, 40, 4), card(2), phone(2), source="erp_orders"),
    *together("carl", range(2, 42, 4), card(2), phone(3), source="erp_orders"),
    *together("cora-app", range(3), user("cora"), phone(2)),
    *together("carl-app", range(3), user("carl"), phone(3)),
]
TABLET = device("tablet")
CROWD = [
    Seen("dora", 0, (user("dora"), TABLET)),
    Seen("dora-home", 0, (user("dora"), device("dora"))),
    *(Seen(f"stranger{n}", 1, (TABLET, user(f"stranger{n}"))) for n in range(5)),
]
UNLINKED = [
    *together("emma", range(3), user("emma"), phone(4)),
    *together("emma-device", range(2), user("emma"), device("emma")),
    *together("emil", range(2), card(3), phone(4), source="erp_orders"),
]
LIMITED = [
    *together("fred", range(5), user("fred"), card(4)),
    *together("gina", range(3), user("gina"), device("gina")),
    Seen("mixed", 3, (card(4), device("gina"))),
]
WAIVED = [
    *together("ines", range(2), user("ines"), card(5)),
    *together("jana", range(2), user("jana"), device("jana")),
]
PLACEHOLDER = [Seen("hans", 0, (user("hans"), ("device_id", "unknown")))]
DAYS = [*RECYCLED, *SHARED_CARD, *CROWD, *UNLINKED, *LIMITED, *WAIVED, *PLACEHOLDER]


def decision(decision_id: str, kind: str, a: Named, b: Named) -> str:
    """A query for a row of ``identity_decisions``."""
    at = f"TIMESTAMPTZ '{datetime(2017, 1, 9, tzinfo=UTC).isoformat()}'"
    return (
        f"SELECT '{decision_id}' AS decision_id, '{kind}' AS kind, {key(*a)} AS identifier_key_a, "
        f"{key(*b)} AS identifier_key_b, NULL AS revokes, 'not her phone' AS reason, 'lin' AS "
        f"author, {at} AS decided_at, {at} AS received_at, 'd.jsonl' AS file"
    )
