"""One answer on all engines: every step, function and value, save the gaps that are declared."""

from __future__ import annotations

import builtins
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs import settings
from pipelines.ingest.normalising import normalise_step
from pipelines.tags.cells import all_cells
from pipelines.tags.partials import numbers_step, slots_of, values_step
from schemas import errors
from schemas.measured import Operation
from schemas.step import Step
from tests.engines import traps, vocabulary
from tests.engines.engines import (
    Engine,
    OnBeam,
    OnDuckDB,
    OnSpark,
    OnStream,
    Values,
    expected,
    needed,
    tables,
)

DECLARED = yaml.safe_load((Path(__file__).parent / "what_runs_where.yml").read_text())
WORK: dict[str, dict[str, dict[str, str]]] = DECLARED["work"]
SLOTS = slots_of(all_cells([tag for tag in vocabulary.TAGS if tag.source is not None]))
STEPS: dict[str, Callable[[], Step]] = {
    "normalise": lambda: normalise_step(settings.read().programme.region),
    "partials": lambda: numbers_step(SLOTS),
    "partial_values": lambda: values_step(SLOTS),
    "passed on": traps.passed_on,
    "added and compared": traps.added,
}
OF_TABLES = ("steps", "values")


def cells(is_of_tables: bool) -> list[Any]:
    """Each piece of work on each engine; declared gaps must fail, with their exact exception."""
    made = []
    for group, work in WORK.items():
        for name, gaps in work.items() if (group in OF_TABLES) == is_of_tables else ():
            for engine in DECLARED["engines"]:
                gap = DECLARED["gaps"].get(gaps.get(engine), {})
                if gap and "raises" not in gap:
                    continue
                marks = [pytest.mark.slow] if engine in ("spark", "beam") else []
                if gap:
                    marks.append(_fails(gap))
                made.append(pytest.param(engine, name, marks=marks, id=f"{name} on {engine}"))
    return made


def _fails(gap: dict[str, str]) -> Any:
    module, _, name = gap["raises"].rpartition(".")
    try:
        place: Any = importlib.import_module(module) if module else errors
    except ImportError:
        return pytest.mark.skip(reason=f"{module} is not installed")
    raises = getattr(place, name, None) or getattr(builtins, name)
    return pytest.mark.xfail(raises=raises, strict=True, reason=gap["says"])


@pytest.fixture(scope="module")
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Engine]:
    made: dict[str, Engine] = {}

    def of(name: str) -> Engine:
        folder = tmp_path_factory.mktemp(name)
        if name not in made and name == "spark":
            made[name] = OnSpark(folder, request.getfixturevalue("spark_cluster").spark)
        elif name not in made:
            kinds = {"duckdb": OnDuckDB, "beam": OnBeam}
            made[name] = kinds[name](folder) if name in kinds else OnStream()
        return made[name]

    return of


@pytest.fixture(scope="module")
def told(engine: Callable[[str], Engine]) -> Callable[[str, str], Values]:
    """An engine's values: in one go of all functions that it has, alone of one that it has not."""
    once: dict[str, Values] = {}

    def of(name: str, function: str) -> Values:
        gaps = {f: g for group in WORK.values() for f, g in group.items()}
        has = [f for f in vocabulary.BY_FUNCTION if name not in gaps[f]]
        if function not in has:
            return engine(name).values(needed([vocabulary.BY_FUNCTION[function].name]))
        if name not in once:
            names = [vocabulary.BY_FUNCTION[f].name for f in has]
            once[name] = engine(name).values(needed(names))
        return once[name]

    return of


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> Values:
    return expected(vocabulary.TAGS, tmp_path_factory.mktemp("wanted"))


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("name", "work"), cells(is_of_tables=True))
def test_a_step_gives_the_same_table(
    engine: Callable[[str], Engine], name: str, work: str, tmp_path: Path
) -> None:
    step, given = STEPS[work](), tables()
    here = OnDuckDB(tmp_path).step(step, given)
    if work == "passed on":
        assert rows(here) == rows(traps.table())
    there = engine(name).step(step, given)
    assert here.num_rows
    assert rows(there) == rows(here)


@pytest.mark.rule("CDP-6")
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("name", "function"), cells(is_of_tables=False))
def test_a_function_of_the_vocabulary_gives_the_same_value(
    told: Callable[[str, str], Values], wanted: Values, name: str, function: str
) -> None:
    tag = vocabulary.BY_FUNCTION[function].name
    found = {key: row[tag] for key, row in told(name, function).items()}
    assert found == {key: row[tag] for key, row in wanted.items()}
    assert any(value is not None for value in found.values())


def test_every_function_of_the_vocabulary_stands_in_the_table() -> None:
    from typing import get_args

    assert set(get_args(Operation)) <= set(WORK["measures"])
    functions = [name for group, work in WORK.items() if group not in OF_TABLES for name in work]
    assert sorted(functions) == sorted(vocabulary.BY_FUNCTION)
    assert {name for group in OF_TABLES for name in WORK[group]} == set(STEPS)


def rows(table: Any) -> list[str]:
    """Rows as text, in no order; a real is told to its last bit, its sign with it."""
    return sorted(str([_exact(value) for value in row.items()]) for row in table.to_pylist())


def _exact(one: tuple[str, Any]) -> tuple[str, Any]:
    name, value = one
    return name, value.hex() if isinstance(value, float) else value
