from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lake import conf
from lake.draft import Draft
from pipelines.tags import declared, publish_tags, refresh_partials
from schemas.tag_definitions import Tag, TagFile
from tests import tiny

Compute = Callable[[Callable[[Draft], None]], dict[str, dict[str, Any]]]


@pytest.fixture(scope="session")
def sample_tags() -> list[Tag]:
    return declared(conf.load("tags", TagFile))


@pytest.fixture
def compute(tmp_path: Path, sample_tags: list[Tag]) -> Compute:
    """Tags by person of the rows that a function puts into an empty lake."""

    def run(put: Callable[[Draft], None]) -> dict[str, dict[str, Any]]:
        with tiny.tiny_draft(tmp_path) as draft:
            tiny.put_products(draft)
            put(draft)
            refresh_partials(draft, sample_tags)
            publish_tags(draft, sample_tags)
            return tiny.tag_rows(draft)

    return run
