from __future__ import annotations

import pytest

from jobs import exports, settings
from lake.store import Lake
from schemas.errors import NothingToDo
from tests.lakes import LAST


@pytest.mark.slow
@pytest.mark.rule("CDP-8")
def test_an_export_run_again_hands_nothing_over(sample_lake: Lake) -> None:
    def written() -> dict[str, int]:
        paths = sample_lake.exports.rglob("*")
        return {str(path): path.stat().st_mtime_ns for path in paths if path.is_file()}

    before = written()
    assert before
    with pytest.raises(NothingToDo, match="are written"):
        exports.publish(sample_lake, settings.read(), LAST)
    assert written() == before
