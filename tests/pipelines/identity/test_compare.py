"""What a file of rules would change is told before it is taken, with the rule at fault."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from jobs.cli import app
from lake import conf
from lake.engines.duckdb import Session
from lake.store import Lake
from pipelines.identity import compare, render_comparison, resolve
from schemas.errors import ConfigError, NotFoundError
from schemas.identity_rules import Blocked, Holders, IdentityRules, PerPerson
from tests.pipelines.identity.seen import DAY, MemoryDraft, persons, write
from tests.pipelines.identity.worlds import (
    DAYS,
    TABLET,
    card,
    decision,
    device,
    phone,
    together,
    user,
)

TWO_DEVICES = [
    *together("max", range(2), user("max"), device("max")),
    *together("max-new", range(2, 4), user("max"), ("device_id", "device-max-0002")),
]
WORLD = [*DAYS, *TWO_DEVICES]
EXAMPLES = conf.folder() / "examples"


@pytest.fixture(scope="module")
def session(rules: IdentityRules, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(tmp_path_factory.mktemp("spill"), threads=1) as opened:
        draft = MemoryDraft(opened)
        draft.clear()
        draft.business_date = DAY + timedelta(days=200)
        write(draft.draft, WORLD)
        draft.append("identity_decisions", decision("d1", "unlink", user("emma"), phone(4)))
        resolve(draft.draft, rules)
        yield opened


def changed(rules: IdentityRules, type: str, **fields: Any) -> IdentityRules:
    types = tuple(
        msgspec.structs.replace(one, **fields) if one.type == type else one for one in rules.types
    )
    return msgspec.structs.replace(rules, types=types)


def becauses(found: list[dict[str, Any]]) -> set[str]:
    return {why for one in found for why in one["because"]}


def test_the_rules_in_force_change_nothing(session: Session, rules: IdentityRules) -> None:
    found = compare(session, rules)
    assert (found["is_change"], found["is_in_force"]) == (False, True)
    assert (found["splits"], found["merges"], found["kinds"]) == ([], [], [])
    assert found["persons"]["before"] == found["persons"]["after"] == len(persons(session))
    assert render_comparison(found, rules).startswith("changes nothing")


def test_other_priorities_that_change_nobody_are_known_as_other_rules(
    session: Session, rules: IdentityRules
) -> None:
    found = compare(session, msgspec.structs.replace(rules, warn_wrong_links=9.0))
    assert (found["is_change"], found["is_in_force"]) == (False, False)


def test_a_hub_that_is_freed_merges_its_partners(session: Session, rules: IdentityRules) -> None:
    freed = changed(rules, "device_id", holders=(Holders("user_id", 50),), exclusive=())
    freed = changed(freed, "user_id", per_person=())
    found = compare(session, freed)
    assert {"type": "device_id", "before": "hub", "after": "sole", "count_identifiers": 1} in (
        found["kinds"]
    )
    (merged,) = [one for one in found["merges"] if one["count_persons"] == 6]
    assert merged["because"] == [
        "device_id devi****0001 is a hub (device_id: at most 3 user_id)"
    ]
    shown = [one for part in merged["persons"] for one in part["identifiers"]]
    assert {"type": "user_id", "value": "user****0001"} in shown
    assert found["persons"]["after"] < found["persons"]["before"]
    assert found["largest_person"]["after"] > found["largest_person"]["before"]


def test_a_new_hub_splits_whom_it_joined(session: Session, rules: IdentityRules) -> None:
    found = compare(session, changed(rules, "user_id", holders=(Holders("device_id", 1),)))
    assert found["persons"]["split"] == 1
    (split,) = found["splits"]
    assert split["because"] == [
        "user_id user****0001 would be a hub (user_id: at most 1 device_id)"
    ]
    assert [(part["one_id"] is None, part["count_identifiers"]) for part in split["persons"]] == [
        (False, 1), (False, 1), (True, 1)
    ]  # fmt: skip
    assert found["kinds"] == [
        {"type": "user_id", "before": "sole", "after": "hub", "count_identifiers": 2}
    ]


def test_a_tighter_limit_splits_and_is_named(session: Session, rules: IdentityRules) -> None:
    found = compare(session, changed(rules, "device_id", per_person=(PerPerson(1),)))
    assert (found["persons"]["split"], found["persons"]["merged"]) == (1, 0)
    assert found["persons"]["after"] == found["persons"]["before"] + 1
    assert becauses(found["splits"]) == {
        "user_id user****0001 + device_id devi****0002: the link would be refused "
        "(device_id: at most 1)"
    }
    told = render_comparison(found, rules)
    assert "split: 1 of 1 person" in told
    assert "0 → 1  device_id: at most 1" in told


def test_a_limit_that_is_lifted_merges_and_is_named(
    session: Session, rules: IdentityRules
) -> None:
    found = compare(session, changed(rules, "user_id", per_person=()))
    whys = becauses(found["merges"])
    assert any("the link is refused (user_id: at most 1)" in why for why in whys)
    (row,) = [row for row in found["refusals"] if row["rule"] == "user_id: at most 1"]
    assert (row["before"] > 0, row["after"]) == (True, 0)
    assert found["refused"]["after"] < found["refused"]["before"]


def test_what_changes_hands_no_more_merges_both_holders(
    session: Session, rules: IdentityRules
) -> None:
    found = compare(
        session,
        changed(changed(rules, "phone", exclusive=(), transferable=False), "user_id",
                per_person=()),
    )  # fmt: skip
    assert "phone +86139****0001 is handed over" in becauses(found["merges"])
    assert {"type": "phone", "before": "handover", "after": "sole", "count_identifiers": 1} in (
        found["kinds"]
    )


def test_a_blocked_value_leaves_its_person_with_less(
    session: Session, rules: IdentityRules
) -> None:
    found = compare(session, changed(rules, "phone", blocked=Blocked((phone(1)[1],))))
    assert {"type": "phone", "before": "handover", "after": "blocked", "count_identifiers": 1} in (
        found["kinds"]
    )
    assert found["stays_changed"] > 0
    assert found["persons"]["split"] == 0


def test_decisions_of_people_hold_under_any_rules(session: Session, rules: IdentityRules) -> None:
    found = compare(session, rules.without_screen())
    assert [row for row in found["refusals"] if row["rule"] == "decision d1"][0]["after"] == 1


def test_values_are_masked_and_a_sample_is_bounded(session: Session, rules: IdentityRules) -> None:
    plain = rules.without_screen()
    found = compare(session, plain, sample=1)
    assert len(found["merges"]) == 1
    told = render_comparison(found, plain) + msgspec.json.encode(found, enc_hook=str).decode()
    for type, value in (TABLET, user("dora"), phone(1), card(2), device("anna")):
        assert value not in told, type
    clear = compare(session, plain, sample=1, is_clear=True)
    assert TABLET[1] in render_comparison(clear, plain)
    assert compare(session, plain, sample=0)["merges"] == []


def test_nothing_of_the_session_is_changed(session: Session, rules: IdentityRules) -> None:
    def state() -> list[Any]:
        listed = (
            "SELECT table_name, sql FROM duckdb_tables() UNION ALL "
            "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
        )
        held = "SELECT * FROM tenures ORDER BY ALL"
        return [session.rows(listed), session.rows(held), persons(session)]

    before = state()
    compare(session, rules.without_limits())
    with pytest.raises(ConfigError, match="has no rules"):
        compare(session, IdentityRules(rules.types[:1]))
    assert state() == before


def files(root: Path) -> dict[Path, tuple[int, int]]:
    found = (path for path in root.rglob("*") if path.is_file())
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


def call(lake: Lake, *arguments: str) -> Any:
    done = CliRunner().invoke(
        app, ["identity", "rules", "check", *arguments, "--data", str(lake.root)]
    )
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_the_command_answers_in_text_and_json_and_leaves_the_lake_alone(
    lake: Lake, publish: Callable[..., Any], tmp_path: Path
) -> None:
    publish(DAYS)
    before = files(lake.root)
    done = call(lake, str(EXAMPLES / "identity-minimal.yml"), "--format", "json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["release_no"], found["is_change"]) == (0, 1, True)
    text = call(lake, str(EXAMPLES / "identity-minimal.yml")).stdout
    assert "on release 1 of 2017-01-01" in text
    assert f"persons{found['persons']['before']:>27,}" in text
    assert files(lake.root) == before
    same = call(lake, str(EXAMPLES.parent / "base" / "identity.yml"))
    assert "changes nothing" in same.stdout


def test_a_file_that_cannot_be_tried_says_why(
    lake: Lake, publish: Callable[..., Any], tmp_path: Path
) -> None:
    publish(DAYS[:2])
    with pytest.raises(NotFoundError, match="cannot be read") as absent:
        call(lake, str(tmp_path / "none.yml"))
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("types:\n  - type: phone\n    holders: [{of: phone, at_most: 0}]\n")
    with pytest.raises(ConfigError, match=r"wrong\.yml:3 ") as bad:
        call(lake, str(wrong))
    wrong.write_text("types: [{type: phone}]\n")
    with pytest.raises(ConfigError, match="has no rules") as few:
        call(lake, str(wrong))
    assert few.value.where == str(wrong)
    assert [one.value.exit_code for one in (absent, bad, few)] == [2, 2, 2]


@pytest.mark.parametrize("name", ["identity-minimal.yml", "identity-reference.yml"])
def test_an_example_of_rules_resolves_and_proves_itself(memory: MemoryDraft, name: str) -> None:
    memory.clear()
    write(memory.draft, WORLD)
    summary = resolve(memory.draft, conf.load_file(EXAMPLES / name, IdentityRules))
    memory.hold_contracts()
    assert summary.count_hubs == 1
    assert len(persons(memory.session)) == summary.count_persons > 10
