"""Plain components of identifiers, held against networkx and hashlib."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import networkx as nx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.identifiers import identifier_key
from lake.engines.duckdb import Session, quoted
from pipelines.components import digests, plain
from schemas.errors import QualityError

Identifier = tuple[str, str]
Edge = tuple[Identifier, Identifier]
ENDS = st.tuples(st.sampled_from(["phone", "email", "设备"]), st.sampled_from("abcdé"))
EDGES = st.lists(st.tuples(ENDS, ENDS), max_size=12)
NAMES = ["type_a", "value_a", "type_b", "value_b"]


def batches(edges: list[Edge], size: int = 100) -> list[pa.RecordBatch]:
    rows = [(*a, *b) for a, b in edges]
    columns = zip(*rows, strict=True) if rows else [[]] * 4
    table = pa.table({n: pa.array(c, pa.string()) for n, c in zip(NAMES, columns, strict=True)})
    return list(table.to_batches(max_chunksize=size))


def persons(edges: list[Edge]) -> dict[Identifier, str]:
    graph: Any = nx.Graph(edges)
    found = {}
    for group in nx.connected_components(graph):
        least = str(min(identifier_key(type, value, b"") for type, value in group))
        for member in group:
            found[member] = "p" + hashlib.sha256(least.encode()).hexdigest()[:24]
    return found


def written(path: Path) -> dict[Identifier, str]:
    rows = pq.read_table(path).to_pylist()
    found = {(row["type"], row["value"]): row["one_id"] for row in rows}
    assert len(found) == len(rows)
    return found


@given(EDGES, st.integers(1, 5))
def test_each_identifier_gets_the_person_that_networkx_gives(edges: list[Edge], size: int) -> None:
    with TemporaryDirectory() as folder:
        out = Path(folder) / "identities.parquet"
        counts = plain.resolve_plain(batches(edges, size), out)
        found = written(out)
    expected = persons(edges)
    assert found == expected
    assert counts.count_edges == len(edges)
    assert counts.count_identifiers == len(expected)
    assert counts.count_persons == len(set(expected.values()))
    sizes = [list(expected.values()).count(one) for one in expected.values()]
    assert counts.largest_person == max(sizes, default=0)


SOME: list[Edge] = [(("phone", "1"), ("email", "a")), (("email", "a"), ("card", "c" * 300))]


def test_files_and_queries_give_the_same(tmp_path: Path) -> None:
    for number, batch in enumerate(batches(SOME, 1)):
        pq.write_table(pa.Table.from_batches([batch]), tmp_path / f"{number}.parquet")
    files = sorted(tmp_path.glob("*.parquet"))
    plain.resolve_plain(plain.read_edges(files), tmp_path / "from_files")
    with Session(tmp_path / "spill") as session:
        sql = f"SELECT * FROM read_parquet({quoted(str(tmp_path / '*.parquet'))})"
        plain.resolve_plain(plain.query_edges(session, sql), tmp_path / "from_query")
    assert written(tmp_path / "from_files") == written(tmp_path / "from_query") == persons(SOME)


KINDS = [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.large_string())]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_strings_may_come_in_any_layout(kind: pa.DataType, tmp_path: Path) -> None:
    one = pa.Table.from_batches(batches(SOME)).cast(pa.schema([(name, kind) for name in NAMES]))
    plain.resolve_plain(one.to_batches(), tmp_path / "out.parquet")
    assert written(tmp_path / "out.parquet") == persons(SOME)


def test_nothing_but_the_result_is_left(tmp_path: Path) -> None:
    plain.resolve_plain(batches(SOME), tmp_path / "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_the_columns_are_plain_strings(tmp_path: Path) -> None:
    plain.resolve_plain(batches(SOME), tmp_path / "out.parquet")
    schema = pq.read_schema(tmp_path / "out.parquet")
    assert [(f.name, f.type) for f in schema] == [
        (name, pa.string()) for name in ("type", "value", "one_id")
    ]


def test_persons_that_would_share_a_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def coarse(types: pa.Array, values: pa.Array) -> Any:
        return digests.identifier_keys(types, values) // 2**62

    monkeypatch.setattr(plain, "identifier_keys", coarse)
    edges: list[Edge] = [(("t", str(number)), ("u", str(number))) for number in range(9)]
    with pytest.raises(QualityError, match="two persons have the same smallest identifier_key"):
        plain.resolve_plain(batches(edges), tmp_path / "out.parquet")
