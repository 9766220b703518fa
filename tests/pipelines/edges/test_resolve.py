"""Edges become persons: the same in any order, plain or by rules, with or without dates."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import duckdb
import networkx as nx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.edges import Resolved, resolve, resolve_edges, resolve_to, safe_rules
from pipelines.edges.graph import Graph
from schemas.errors import UsageError
from tests.pipelines.edges.made import (
    OTHER_PHONE,
    PHONE,
    bare,
    crowd,
    edges,
    groups,
    holders,
    met,
    split,
    stays,
)

SEEN = ("first_seen", "last_seen")


def same(one: Resolved, other: Resolved) -> bool:
    names = ("identities", "tenures", "links", "moves", "refused")
    return all(getattr(one, name).equals(getattr(other, name)) for name in names)


@pytest.mark.parametrize("seed", range(20))
def test_without_rules_persons_are_what_networkx_joins(seed: int) -> None:
    table = bare(crowd(seed, persons=60, wrong=0.1))
    graph = nx.Graph()
    for row in table.to_pylist():
        graph.add_edge((row["type_a"], row["value_a"]), (row["type_b"], row["value_b"]))
    found = resolve_edges(table, rules="none")
    assert groups(found) == {frozenset(one) for one in nx.connected_components(graph)}
    pairs = {frozenset(pair) for pair in graph.edges}
    links = found.links.to_pylist()
    assert {
        frozenset([(one["type_a"], one["value_a"]), (one["type_b"], one["value_b"])])
        for one in links
    } == pairs
    assert sum(one["count"] for one in links) == len(table)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("rules", [None, "none"])
def test_order_and_split_of_the_input_change_nothing(rules: str | None, seed: int) -> None:
    table = crowd(seed)
    order = random.Random(seed).sample(range(len(table)), len(table))
    swapped = table.rename_columns(
        ["type_b", "value_b", "type_a", "value_a", *table.column_names[4:]]
    ).select(table.column_names)
    whole = resolve_edges(table, rules=rules)
    assert same(whole, resolve_edges(split(table.take(order), 3), rules=rules))
    assert same(whole, resolve_edges(swapped, rules=rules))


def test_the_same_edges_give_the_same_bytes(tmp_path: Path) -> None:
    table = crowd(5)
    for name, rows in (("one", table), ("other", table.take(list(reversed(range(len(table))))))):
        pq.write_table(rows, tmp_path / f"{name}.parquet")
        resolve_to(tmp_path / f"{name}.parquet", tmp_path / name)
    for path in (tmp_path / "one").glob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_a_table_a_reader_a_relation_and_a_file_give_the_same(tmp_path: Path) -> None:
    table = crowd(6)
    pq.write_table(table, tmp_path / "edges.parquet")
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(7))
    whole = resolve_edges(table, rules="none")
    for one in (tmp_path / "edges.parquet", tmp_path, reader):
        assert same(whole, resolve_edges(one, rules="none"))
    with duckdb.connect() as con:
        relation = con.sql(f"FROM '{tmp_path / 'edges.parquet'}'")
        assert same(whole, resolve_edges(relation, rules="none"))


@pytest.mark.parametrize("dated", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_not_contested_comes_out_as_the_whole_resolution_has_it(
    seed: int, dated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = crowd(seed) if dated else bare(crowd(seed))
    fast = resolve_edges(table)
    assert fast.manifest["links"]["refused"] > 0

    def all_of_it(graph: Graph, rules: Any, usable: Any, *_: object) -> Any:
        has_link = np.zeros(len(usable), np.bool_)
        has_link[graph.a] = has_link[graph.b] = True
        return usable & has_link

    monkeypatch.setattr(resolve, "contested", all_of_it)
    assert same(fast, resolve_edges(table))


def test_where_no_rule_bites_persons_have_the_names_of_plain_components() -> None:
    rows = [
        ("user_id", "u1", "phone", PHONE),
        ("user_id", "u1", "email", "a@mail.example"),
        ("user_id", "u2", "device_id", "d2"),
        ("loyalty", "l3", "member_card", "C3"),
    ]
    by_rules, plain = resolve_edges(edges(rows)), resolve_edges(edges(rows), rules="none")
    assert holders(by_rules) == holders(plain)
    assert len(groups(plain)) == 3


def test_a_phone_that_changed_hands_has_two_stays_with_a_border_in_its_silence() -> None:
    phone = f"phone:{PHONE}"
    rows = [met("user_id:old", phone, 0, 90), met("user_id:new", phone, 200, 300)]
    found = resolve_edges(edges(rows, *SEEN))
    first, second = stays(found, PHONE)
    assert [first[2], second[2]] == ["handover", "handover"]
    assert first[4] == second[3] == rows[1][4]
    assert (first[3], second[4]) == (None, None)
    ids = {
        row["value"]: row["one_id"] for row in found.tenures.to_pylist() if row["value"] != PHONE
    }
    assert (first[1], second[1]) == (ids["old"], ids["new"])
    assert ids["old"] != ids["new"]
    assert holders(found)["phone", PHONE] == ids["new"]


def test_a_phone_that_two_use_at_one_time_unites_nobody() -> None:
    phone = f"phone:{PHONE}"
    rows = [met("user_id:a", phone, 0, 90), met("user_id:b", phone, 30, 120)]
    found = resolve_edges(edges(rows, *SEEN))
    assert stays(found, PHONE)[0][1:3] == (None, "shared")
    assert len(groups(found)) == 2


def test_without_dates_stays_are_open() -> None:
    found = resolve_edges(edges([("user_id", "a", "phone", PHONE)]))
    (only,) = stays(found, PHONE)
    assert only[2:] == ("sole", None, None)
    assert found.links["first_seen"].null_count == 1


def test_an_edge_without_a_date_does_not_stretch_the_days_of_its_ends() -> None:
    rows = [
        met("user_id:a", f"phone:{PHONE}", 0, 10),
        met("user_id:b", f"phone:{OTHER_PHONE}", 100, 120),
        ("user_id", "a", "email", "x@mail.example", None, None),
    ]
    found = resolve_edges(edges(rows, *SEEN))
    assert found.manifest["links"]["refused"] == 0
    undated = [one for one in found.links.to_pylist() if one["first_seen"] is None]
    assert [{one["value_a"], one["value_b"]} for one in undated] == [{"a", "x@mail.example"}]


def test_placeholders_and_hubs_unite_nothing_and_say_why() -> None:
    rows = [("user_id", f"u{n}", "device_id", "kiosk") for n in range(5)]
    rows += [("user_id", f"u{n}", "email", "null@mail.example") for n in range(2)]
    rows += [("user_id", f"u{n}", "device_id", "00000000-0000-0000-0000-000000000000")
             for n in range(2)]  # fmt: skip
    found = resolve_edges(edges(rows))
    told = {row["value"]: (row["kind"], row["rule"]) for row in found.tenures.to_pylist()}
    assert told["kiosk"] == ("hub", "device_id: at most 3 user_id")
    assert told["00000000-0000-0000-0000-000000000000"] == ("blocked", "any: all_zeros")
    assert len(groups(found)) == 5
    assert found.manifest["identifiers"]["hub"] == 1


def test_values_are_compared_in_their_normal_form() -> None:
    rows = [
        ("user_id", "u", "phone", "138 0000 0001"),
        ("email", "A@Mail.Example", "phone", PHONE),
        ("user_id", "\uff55", "email", "a@mail.example"),
    ]
    found = resolve_edges(edges(rows))
    assert groups(found) == {
        frozenset([("user_id", "u"), ("phone", PHONE), ("email", "a@mail.example")])
    }
    assert len(groups(resolve_edges(edges(rows), rules="none"))) == 3


def test_a_rules_file_says_how_values_are_written(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text("types: [{type: code, normaliser: lower}, {type: user_id}]\n")
    found = resolve_edges(edges([("code", "ABC", "user_id", "U")]), rules=path)
    assert set(holders(found)) == {("code", "abc"), ("user_id", "U")}


def test_likeness_is_the_weakest_evidence_and_keeps_its_probability() -> None:
    rows = [
        ("user_id", "u1", "phone", PHONE, "app", 1, None),
        ("crm", "1", "user_id", "u1", "splink", 1, 0.99),
        ("crm", "1", "user_id", "u2", "splink", 1, 0.97),
    ]
    found = resolve_edges(edges(rows, "source", "count", "probability"))
    links = {frozenset([one["value_a"], one["value_b"]]): one for one in found.links.to_pylist()}
    assert links[frozenset(["u1", PHONE])]["evidence"] == "verified profile"
    like = [one for one in links.values() if one["evidence"] == "matched by likeness"]
    assert sorted(one["probability"] for one in like) == [0.97, 0.99]
    (refused,) = [one for one in like if one["status"] == "refused"]
    assert refused["rule"] == "user_id: at most 1"
    assert refused["blocker"].startswith("user_id:u")
    assert links[frozenset(["u1", PHONE])]["probability"] is None


def test_safe_defaults_take_any_type() -> None:
    assert safe_rules().undeclared == "accept"
    found = resolve_edges(edges([("shoe", "42", "hat", "7")]))
    assert len(groups(found)) == 1


def test_no_edges_are_no_persons() -> None:
    for rules in (None, "none"):
        found = resolve_edges(edges([]), rules=rules)
        assert (found.identities.num_rows, found.manifest["persons"]["count"]) == (0, 0)


@pytest.mark.parametrize("rules", [None, "none"])
def test_identities_alone_are_the_same_identities(rules: str | None, tmp_path: Path) -> None:
    table = pa.concat_tables([crowd(2), crowd(2).slice(0, 1).set_column(1, "value_a", [[""]])])
    whole = resolve_edges(table, rules=rules)
    told = resolve_to(table, tmp_path / "out", rules=rules, only_identities=True)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["identities.parquet", "manifest.json", "refused.parquet"]
    alone = pq.read_table(tmp_path / "out" / "identities.parquet")
    order = [("type", "ascending"), ("value", "ascending")]
    assert alone.sort_by(order).equals(whole.identities.sort_by(order))
    assert told["rows"]["refused"] == 1
    assert told["persons"] == whole.manifest["persons"]
    with pytest.raises(UsageError, match="no moves among identities"):
        resolve_to(
            table, tmp_path / "out", rules=rules, only_identities=True, previous=tmp_path / "out"
        )


def test_rules_may_name_partners_of_types_that_they_do_not_list(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(
        "undeclared: accept\n"
        "types:\n"
        "  - {type: phone, holders: [{of: hat, at_most: 2}], exclusive: [{of: shoe}]}\n"
    )
    rows = [("phone", PHONE, "hat", f"h{n}") for n in range(3)]
    rows += [("phone", OTHER_PHONE, "shoe", f"s{n}") for n in range(2)]
    found = resolve_edges(edges(rows), rules=path)
    assert [stays(found, one)[0][2] for one in (PHONE, OTHER_PHONE)] == ["hub", "shared"]
