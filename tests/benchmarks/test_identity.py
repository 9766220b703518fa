"""The benchmark of identity compares like with like, and gives its figures in the agreed shape."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import networkx as nx
import pytest

from benchmarks import _identity_rivals as rivals
from benchmarks import identity

EDGES = 8_000


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("edges") / "edges.parquet"
    identity.write_edges(file, EDGES)
    return file


def groups(path: Path, column: str) -> set[frozenset[tuple[str, str]]]:
    rows = duckdb.sql(f"SELECT list((type, value)) FROM '{path}' GROUP BY {column}").fetchall()
    return {frozenset(members) for (members,) in rows}


def test_edges_are_the_same_each_time_and_none_joins_one_to_itself(
    edges: Path, tmp_path: Path
) -> None:
    identity.write_edges(tmp_path / "again.parquet", EDGES)
    rows = duckdb.sql(f"FROM '{edges}' ORDER BY ALL").fetchall()
    assert rows == duckdb.sql(f"FROM '{tmp_path / 'again.parquet'}' ORDER BY ALL").fetchall()
    assert len(rows) == EDGES
    assert all(row[:2] != row[2:] for row in rows)


def test_there_are_six_tenths_as_many_identifiers_as_edges(edges: Path) -> None:
    ends = f"SELECT type_a AS t, value_a AS v FROM '{edges}' UNION SELECT type_b, value_b FROM "
    ((count, types),) = duckdb.sql(
        f"SELECT count(*), count(DISTINCT t) FROM ({ends} '{edges}')"
    ).fetchall()
    assert 0.58 < count / EDGES < 0.66
    assert types == 7


def test_at_most_a_tenth_of_the_persons_has_a_wrong_link(edges: Path, tmp_path: Path) -> None:
    identity.run_plain(edges, tmp_path / "ours.parquet")
    persons = EDGES // identity.EDGES_PER_PERSON
    assert 0.85 * persons < len(groups(tmp_path / "ours.parquet", "one_id")) < 0.96 * persons


@pytest.mark.parametrize("name", ["networkx", "scipy"])
def test_a_rival_finds_the_same_groups(name: str, edges: Path, tmp_path: Path) -> None:
    identity.run_plain(edges, tmp_path / "ours.parquet")
    rivals.RIVALS[name](str(edges), str(tmp_path / "rival.parquet"))()
    ours = groups(tmp_path / "ours.parquet", "one_id")
    assert ours == groups(tmp_path / "rival.parquet", "cluster")


@pytest.mark.parametrize("shape", identity.SHAPES)
def test_a_shape_joins_all_its_nodes(shape: str) -> None:
    a, b = identity.shape_edges(shape, 50)
    graph = nx.Graph(zip(a.tolist(), b.tolist(), strict=True))
    assert (len(graph), graph.size(), nx.is_connected(graph)) == (51, 50, True)


@pytest.mark.slow
def test_the_comparisons_are_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    identity.main(["--quick", "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["benchmark", "machine", "comparisons"]
    for one in found["comparisons"]:
        assert list(one)[:9] == [
            "what", "ours", "rival", "rival_name", "unit", "ratio", "bar", "holds", "peak_mb"
        ]
