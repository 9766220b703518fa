from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from lake.engines.duckdb import Session
from pipelines.fuzzy import match, measure, model
from schemas.errors import InputError, UsageError
from tests.pipelines.fuzzy.register import SETTINGS, register, truth


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(tmp_path, threads=1) as open_session:
        yield open_session


@pytest.fixture
def splink() -> Any:
    return pytest.importorskip("splink", reason="Splink (guiyi[fuzzy]) is not installed")


def matched(session: Session, records: pa.Table, **changes: Any) -> pa.Table:
    session.register("source", records)
    settings = msgspec.structs.replace(SETTINGS, **changes)
    return match(session, "source", settings, "crm.csv").edges


def test_without_splink_one_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError) as caught:
        model.require_splink()
    assert caught.value.todo == "pip install 'guiyi[fuzzy]'"


@pytest.mark.usefixtures("splink")
def test_records_of_one_person_get_an_edge_with_its_probability(session: Session) -> None:
    records = register()
    edges = matched(session, records, seen_at="made")
    pairs, clusters = measure(edges, truth(records))
    assert pairs.precision >= 0.95
    assert pairs.recall >= 0.9
    assert clusters.f1 >= 0.95
    names = ["type_a", "value_a", "type_b", "value_b", "source"]
    assert edges.column_names == [*names, "first_seen", "last_seen", "count", "probability"]
    first = edges.to_pylist()[0]
    assert (first["source"], first["count"]) == ("splink", 1)
    assert f"{first['first_seen']:%Y-%m-%d}" == "2017-05-09"
    assert all(0.95 <= p <= 1 for p in edges["probability"].to_pylist())
    assert all(row["value_a"] < row["value_b"] for row in edges.to_pylist())


@pytest.mark.usefixtures("splink")
def test_records_in_any_order_give_the_same_edges(session: Session, tmp_path: Path) -> None:
    records = register(60)
    first = matched(session, records)
    backwards = records.take(pa.array(range(len(records) - 1, -1, -1)))
    with Session(tmp_path / "second", threads=1) as second:
        assert matched(second, backwards).equals(first)


@pytest.mark.usefixtures("splink")
def test_records_of_one_register_are_not_joined_where_only_others_may(session: Session) -> None:
    records = register(60)
    sides = [no[-1] for no in records["no"].to_pylist()]
    across = msgspec.structs.replace(SETTINGS.id, type=None, type_column="side")
    edges = matched(
        session, records.append_column("side", pa.array(sides)), id=across, pairs="across_types"
    )
    assert len(edges) > 40
    assert set(edges["type_a"].to_pylist()) == {"a"}
    assert set(edges["type_b"].to_pylist()) == {"b"}


@pytest.mark.usefixtures("splink")
def test_what_cannot_be_learnt_from_is_said(session: Session) -> None:
    with pytest.raises(InputError, match="no two records agree on a rule of `certain`"):
        matched(session, register(60), certain=(("no",),))
    with pytest.raises(InputError, match="agree on more pairs than their recall allows"):
        matched(session, register(60), certain=(("made",),), certain_recall=0.2)
    with pytest.raises(InputError, match="rule 2 of `train` has none"):
        matched(session, register(60), train=(("born",), ("no",)))
    with pytest.raises(InputError, match="rule 1 of `block` makes too many candidates"):
        matched(session, register(60), block=(("made",),), max_candidates=100)


@pytest.mark.usefixtures("splink")
@pytest.mark.parametrize("threshold", [0, 1, -0.5, float("nan")])
def test_a_threshold_is_between_none_and_all(session: Session, threshold: float) -> None:
    with pytest.raises(UsageError, match="a threshold is a probability"):
        match(session, "source", SETTINGS, "crm.csv", threshold)
