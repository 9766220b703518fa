"""Drafts and rules for the tests of identity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lake import conf
from lake.engines.duckdb import Session
from lake.store import Lake, open_lake
from pipelines.identity import IdentitySummary, resolve
from schemas.identity_rules import IdentityRules
from tests.pipelines.identity.seen import BEGIN, DAY, MemoryDraft, Seen, write

Publish = Callable[..., IdentitySummary]


@pytest.fixture(scope="session")
def rules() -> IdentityRules:
    return conf.load("identity.yml", IdentityRules)[0]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(tmp_path / "lake", create=True)


@pytest.fixture
def publish(lake: Lake, rules: IdentityRules) -> Publish:
    """Publishes everything in ``seen`` for one day, and returns what identity made of it."""

    def run(
        seen: Sequence[Seen], day: int = 0, rules: IdentityRules = rules
    ) -> IdentitySummary:
        date, cut = DAY + timedelta(days=day), BEGIN + timedelta(days=day + 1)
        with lake.draft(date, cut) as draft:
            write(draft, seen)
            summary = resolve(draft, rules)
            draft.publish("run", "inputs", "rules", lambda: datetime(2018, 1, 1, tzinfo=UTC))
            return summary

    return run


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryDraft]:
    with Session(tmp_path_factory.mktemp("spill"), threads=1) as session:
        yield MemoryDraft(session)
