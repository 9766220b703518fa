"""Every statement of identity is SQL that the other engines' translator reads."""

from __future__ import annotations

import pytest
import sqlglot

from lake.engines.duckdb import Session
from pipelines.identity import evaluate, resolve, timeline
from schemas.identity_rules import IdentityRules
from tests.pipelines.identity.seen import MemoryDraft, Seen, persons, write
from tests.pipelines.identity.test_evaluation import NO_TRUTH


def test_statements_are_readable_by_sqlglot(
    memory: MemoryDraft, rules: IdentityRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.clear()
    for name in ("order_lines", "conversations"):
        memory.empty(name)
    write(memory.draft, [Seen("e0", 0, (("user_id", "a"), ("device_id", "x")))])
    said: list[str] = []
    for name in ("execute", "table", "rows"):
        plain = getattr(Session, name)

        def heard(self: Session, sql: str, plain: object = plain) -> object:
            said.append(sql)
            return plain(self, sql)  # type: ignore[operator]

        monkeypatch.setattr(Session, name, heard)
    resolve(memory.draft, rules)
    (one_id,) = persons(memory.session)
    timeline(memory.session, one_id)
    evaluate(memory.session, rules, NO_TRUTH)
    assert len(said) > 50
    for sql in set(said):
        assert sqlglot.parse_one(sql, dialect="duckdb").sql(dialect="duckdb")
