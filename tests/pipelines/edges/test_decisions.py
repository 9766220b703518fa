"""Decisions beside the edges hold whatever limits say, and cannot contradict each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.edges import resolve_edges
from schemas.errors import ConfigError, UsageError
from tests.pipelines.edges.made import PHONE, edges, groups, holders

ROWS = [
    ("user_id", "u1", "phone", PHONE),
    ("user_id", "u2", "email", "a@mail.example"),
    ("user_id", "u1", "email", "b@mail.example"),
]


def said(kind: str, a: str, b: str | None = None) -> dict[str, str]:
    return {"kind": kind, "a": a, "reason": "asked", "author": "me"} | ({"b": b} if b else {})


def test_a_link_joins_what_a_limit_keeps_apart_and_says_so() -> None:
    link = said("link", "user_id:u1", "user_id:u2")
    found = resolve_edges(edges(ROWS), decisions=[link])
    assert len(groups(found)) == 1
    (waived,) = [one for one in found.links.to_pylist() if one["evidence"] == "decision"]
    assert "waives user_id: at most 1" in waived["rule"]
    assert (waived["count"], waived["first_seen"]) == (0, None)


def test_an_unlink_parts_and_a_block_takes_out() -> None:
    unlink = said("unlink", "phone:138 0000 0001", "email:b@mail.example")
    apart = resolve_edges(edges(ROWS), decisions=[unlink])
    assert holders(apart)["phone", PHONE] != holders(apart)["email", "b@mail.example"]
    (refused,) = [one for one in apart.links.to_pylist() if one["status"] == "refused"]
    assert refused["rule"].startswith("decision d")
    blocked = resolve_edges(edges(ROWS), decisions=[said("block", f"phone:{PHONE}")])
    assert holders(blocked)["phone", PHONE] is None
    assert blocked.manifest["identifiers"]["blocked"] == 1


def test_decisions_about_what_no_edge_has_change_nothing() -> None:
    known = resolve_edges(edges(ROWS))
    more = resolve_edges(
        edges(ROWS),
        decisions=[said("link", "user_id:u1", "user_id:zz"), said("block", "user_id:yy")],
    )
    assert more.identities.equals(known.identities)
    assert more.manifest["decisions"]["count"] == 2


def test_contradictory_decisions_name_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    lines = [
        said("link", "user_id:u1", "user_id:u2"),
        said("link", "user_id:u1", "user_id:u2"),
        said("link", "user_id:u2", "user_id:u3"),
        said("unlink", "user_id:u1", "user_id:u3"),
    ]
    path.write_text("\n".join(json.dumps(one) for one in lines))
    with pytest.raises(ConfigError, match=r"lines 4 and 1, 3 contradict(.|\n)*jsonl:4"):
        resolve_edges(edges(ROWS), decisions=path)


@pytest.mark.parametrize(
    "line",
    [
        "link u1 u2",
        '{"kind": "merge", "a": "user_id:u1"}',
        '{"kind": "link", "a": "user_id:u1"}',
        '{"kind": "block", "a": "user_id:u1", "b": "user_id:u2"}',
        '{"kind": "block", "a": "u1"}',
        '{"kind": "block", "a": "phone:12"}',
        '{"kind": "link", "a": "user_id:u1", "b": "user_id:u1"}',
    ],
)
def test_a_line_that_is_no_decision_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_text("\n" + line + "\n")
    with pytest.raises(ConfigError, match="jsonl:2"):
        resolve_edges(edges(ROWS), decisions=path)


def test_plain_components_know_no_decisions() -> None:
    with pytest.raises(UsageError, match="know no decisions"):
        resolve_edges(edges(ROWS), rules="none", decisions=[])
