"""Decisions of people beside the edges: JSON lines that say who is who and who is not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
import pyarrow as pa

from domain.identifiers import identifier_key
from lake.engines.duckdb import Session
from pipelines.edges.graph import Graph
from pipelines.edges.texts import Ints
from pipelines.edges.writing import Writer
from pipelines.identity.decisions import Entry, contradicted, standing
from pipelines.identity.evidence import keep
from schemas.errors import ConfigError, NotFoundError

Named = Annotated[str, msgspec.Meta(pattern=r"^[^:]+:(.|\n)+$")]
_START = datetime(1970, 1, 1, tzinfo=UTC)
_TABLE = pa.schema(
    [
        ("decision_id", pa.string()),
        ("kind", pa.string()),
        ("identifier_key_a", pa.int64()),
        ("identifier_key_b", pa.int64()),
    ]
)


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line: a link or unlink names ``a`` and ``b``, a block ``a``, each as type:value."""

    kind: Literal["link", "unlink", "block"]
    a: Named
    b: Named | None = None
    reason: str = ""
    author: str = ""

    def __post_init__(self) -> None:
        if (self.b is None) != (self.kind == "block"):
            wanted = "a alone" if self.kind == "block" else "a and b"
            raise ValueError(f"a {self.kind} names {wanted}")


@dataclass(frozen=True, slots=True)
class Decisions:
    """What people decided, each thing once, in order of their ids; keys have an empty secret."""

    entries: tuple[Entry, ...] = ()
    count_repeated: int = 0

    @property
    def ids(self) -> list[str]:
        """Their ids."""
        return [one.decision_id for one in self.entries]


def read_decisions(path: Path, writer: Writer) -> Decisions:
    """The decisions of a file of JSON lines, their values brought into normal form.

    ConfigError names the line that is none, and both lines of two that contradict each other.
    """
    if not path.is_file():
        raise NotFoundError("no decisions there", expected="JSON lines", where=str(path))
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip("\n").split("\n")
    except UnicodeDecodeError as error:
        raise ConfigError(
            "decisions that cannot be read", expected="UTF-8", got=str(error), where=f"{path}:1"
        ) from None
    found = [(number, _entry(one, f"{path}:{number}", writer))
             for number, one in enumerate(lines, 1) if one.strip()]  # fmt: skip
    return _agreed(found, path)


def parse_decisions(lines: Iterable[dict[str, str]], writer: Writer) -> Decisions:
    """The same from dicts with the keys of a line."""
    found = [(number, _entry(msgspec.json.encode(one).decode(), f"decisions[{number}]", writer))
             for number, one in enumerate(lines)]  # fmt: skip
    return _agreed(found, None)


def _entry(line: str, where: str, writer: Writer) -> Entry:
    try:
        one = msgspec.json.decode(line, type=Line)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ConfigError(
            "this is no decision",
            expected='{"kind": "link|unlink|block", "a": "type:value", "b": "type:value", '
            '"reason": "…", "author": "…"}',
            got=str(error),
            where=where,
        ) from None
    keys = [_key(named, where, writer) for named in (one.a, one.b) if named is not None]
    if len(set(keys)) < len(keys):
        raise ConfigError(
            f"a {one.kind} needs two identifiers", expected="two", got="one twice", where=where
        )
    a, b = min(keys), (max(keys) if len(keys) > 1 else None)
    said = hashlib.sha256(f"{one.kind}|{a}|{b}".encode()).hexdigest()
    return Entry(_START, f"d{said[:16]}", one.kind, a, b)


def _key(named: str, where: str, writer: Writer) -> int:
    type, _, value = named.partition(":")
    normal = writer.one(type, value)
    if normal is None:
        raise ConfigError(
            f"this names no {type}", expected=f"a value of {type}", got=value, where=where
        )
    return identifier_key(type, normal, b"")


def _agreed(found: Sequence[tuple[int, Entry]], path: Path | None) -> Decisions:
    first = {one.decision_id: (number, one) for number, one in reversed(found)}
    entries = [one for _, one in first.values()]
    taken = standing(entries)
    if len(taken) < len(entries):
        _refuse_contradiction(sorted(first.values(), key=lambda it: it[0]), path)
    ordered = sorted(entries, key=lambda one: one.decision_id)
    return Decisions(tuple(ordered), len(found) - len(entries))


def _refuse_contradiction(found: Sequence[tuple[int, Entry]], path: Path | None) -> None:
    line = {one: number for number, one in found}
    timed: list[Entry] = []
    for number, one in found:
        # In the order of the lines, so that the later of two is the one that is named.
        at = one._replace(received_at=_START + timedelta(seconds=number))
        against = contradicted(timed, at)
        if against:
            numbers = sorted(line[it._replace(received_at=_START)] for it in against)
            others = ", ".join(map(str, numbers))
            raise ConfigError(
                f"lines {line[one]} and {others} contradict each other",
                expected="decisions that can all hold",
                got=f"{one.kind} against " + ", ".join(it.kind for it in against),
                where=f"{path or 'decisions'}:{line[one]}",
                todo="remove one of them",
            )
        timed.append(at)


def lay_out_decisions(session: Session, graph: Graph, decisions: Decisions) -> Ints:
    """Make ``work_decisions`` by numbers; returns the numbers that decisions name.

    A decision about an identifier that no edge has changes nothing and is left out.
    """
    rows = []
    for one in decisions.entries:
        numbers = [_number(graph, key) for key in (one.a, one.b) if key is not None]
        if min(numbers) >= 0:
            a, b = min(numbers), (max(numbers) if len(numbers) > 1 else None)
            rows.append((one.decision_id, one.kind, a, b))
    named = [dict(zip(_TABLE.names, row, strict=True)) for row in rows]
    keep(session, "work_decisions", pa.Table.from_pylist(named, _TABLE))
    ends = [n for _, kind, *pair in rows if kind != "block" for n in pair]
    return np.unique(np.array(ends, np.int64))


def _number(graph: Graph, key: int) -> int:
    place = int(np.searchsorted(graph.keys, key))
    return place if place < len(graph.keys) and int(graph.keys[place]) == key else -1
