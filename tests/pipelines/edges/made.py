"""Edges for the tests, as short as they can be written."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from pipelines.edges import Resolved

KEY = ("type_a", "value_a", "type_b", "value_b")
DAY = date(2017, 1, 1)
Row = tuple[Any, ...]
PHONE, OTHER_PHONE = "+8613800000001", "+8613800000002"


def edges(rows: Iterable[Row], *extras: str) -> pa.Table:
    """A table of (type_a, value_a, type_b, value_b, …); ``extras`` name what follows."""
    names = [*KEY, *extras]
    kinds = {
        "first_seen": pa.date32(), "last_seen": pa.date32(), "count": pa.int64(),
        "probability": pa.float64(),
    }  # fmt: skip
    listed = [dict(zip(names, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(
        listed, pa.schema([(name, kinds.get(name, pa.string())) for name in names])
    )


def met(a: str, b: str, first: int, last: int | None = None) -> Row:
    """A dated row between two of ``type:value``, by days of 2017 from 0."""
    day = [DAY + timedelta(days=first), DAY + timedelta(days=first if last is None else last)]
    return (*a.split(":", 1), *b.split(":", 1), *day)


def holders(found: Resolved) -> dict[tuple[str, str], str | None]:
    """(type, value) → one_id, as ``identities`` has it."""
    rows = found.identities.to_pylist()
    return {(row["type"], row["value"]): row["one_id"] for row in rows}


def groups(found: Resolved) -> set[frozenset[tuple[str, str]]]:
    """The persons as sets of (type, value), by ``identities``."""
    persons: dict[str, set[tuple[str, str]]] = {}
    for identifier, one_id in holders(found).items():
        if one_id is not None:
            persons.setdefault(one_id, set()).add(identifier)
    return {frozenset(held) for held in persons.values()}


def stays(found: Resolved, value: str) -> list[Row]:
    """(tenure, one_id, kind, valid_from, valid_to) of a value."""
    names = ("tenure", "one_id", "kind", "valid_from", "valid_to")
    return [
        tuple(row[name] for name in names)
        for row in found.tenures.to_pylist()
        if row["value"] == value
    ]


_TYPES = ("user_id", "phone", "email", "device_id", "member_card", "loyalty")


def _value(type: str, number: int) -> str:
    if type == "phone":
        return f"+86138{number:08d}"
    return f"n{number}@mail.example" if type == "email" else f"{type[0]}{number}"


def crowd(seed: int, persons: int = 30, wrong: float = 0.3) -> pa.Table:
    """Random dated edges of ``persons``, of whom some are seen with another's identifiers."""
    draw = random.Random(seed)
    rows = []
    for person in range(persons):
        owned = [(type, _value(type, person)) for type in draw.sample(_TYPES, draw.randint(2, 5))]
        for _ in range(draw.randint(2, 7)):
            a, b = draw.sample(owned, 2)
            if draw.random() < wrong:
                type = draw.choice(_TYPES)
                b = (type, _value(type, draw.randrange(persons)))
            if a == b:
                continue
            first = draw.randrange(300)
            seen = [DAY + timedelta(days=first), DAY + timedelta(days=first + draw.randrange(40))]
            if draw.random() < 0.1:
                seen = [None, None]  # type: ignore[list-item]
            rows.append((*a, *b, draw.choice(["app", "shop", "splink"]), *seen, draw.randint(1, 4)))
    return edges(rows, "source", "first_seen", "last_seen", "count")


def bare(table: pa.Table) -> pa.Table:
    """The same edges without dates, sources and counts."""
    return table.select(KEY)


def split(table: pa.Table, parts: int) -> Sequence[pa.Table]:
    """The rows, dealt out."""
    return [table.take(list(range(n, len(table), parts))) for n in range(parts)]
