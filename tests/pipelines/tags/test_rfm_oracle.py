"""RFM against the R package rfm, on its own example."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lake.engines import duckdb as embedded
from lake.engines.duckdb import Session
from pipelines.tags import declared
from pipelines.tags.cells import all_cells
from pipelines.tags.direct import direct
from pipelines.tags.factory import tag_query
from pipelines.tags.merging import Relations, merged
from pipelines.tags.partials import numbers_step, slots_of, values_step
from schemas.tag_definitions import Tag, TagFile
from tests import tiny

ANALYSIS = date(2006, 12, 31)
ORDERS = {"from_": "order_lines", "window": "ever"}


def rfm_tags() -> list[Tag]:
    tag = tiny.tag
    return declared(
        [
            TagFile(
                [
                    tag("days", measure="days_since", **ORDERS),
                    tag("orders", measure="distinct_count", field="order_id", **ORDERS),
                    tag("amount", measure="sum", field="paid_minor", **ORDERS),
                    tag("r", of="days", score={"bands": 5, "best": "lowest"}),
                    tag("f", of="orders", score={"bands": 5}),
                    tag("m", of="amount", score={"bands": 5}),
                    tag("rfm", type="text", join=["r", "f", "m"]),
                ]
            )
        ]
    )


@pytest.fixture(scope="module")
def orders(request: pytest.FixtureRequest) -> list[tuple[str, date, int]]:
    path = Path(__file__).parents[4] / "shared" / "data" / "rfm_r" / "rfm_data_orders.csv"
    if not path.exists():
        pytest.skip("the example of the R package rfm (../shared/data/rfm_r) is absent")
    epoch = date(1970, 1, 1)
    with path.open(encoding="utf-8") as file:
        return [
            (row["customer_id"], epoch + timedelta(int(float(row["order_date"]))),
             int(float(row["revenue"])))
            for row in csv.DictReader(file)
        ]


def by_numpy(orders: list[tuple[str, date, int]]) -> dict[str, str]:
    held: dict[str, list[tuple[date, int]]] = {}
    for name, on, paid in orders:
        held.setdefault(name, []).append((on, paid))
    names = sorted(held)
    days = np.array([(ANALYSIS - max(on for on, _ in held[name])).days for name in names])
    counts = np.array([len(held[name]) for name in names])
    amounts = np.array([sum(paid for _, paid in held[name]) for name in names])

    def score(values: np.ndarray) -> np.ndarray:
        edges = np.quantile(values, [0.2, 0.4, 0.6, 0.8])
        return 1 + (values[:, None] > edges[None, :]).sum(axis=1)

    parts = zip(6 - score(days), score(counts), score(amounts), strict=True)
    return {name: "".join(map(str, part)) for name, part in zip(names, parts, strict=True)}


@pytest.mark.rule("CDP-6")
@pytest.mark.parametrize("plan", ["direct", "merged"])
def test_scores_equal_those_of_the_r_package(
    tmp_path: Path, orders: list[tuple[str, date, int]], plan: str
) -> None:
    tags = rfm_tags()
    cells = all_cells(tags)
    numbers = {name: number for number, name in enumerate(sorted({name for name, _, _ in orders}))}
    lines = pa.table(
        {
            "bundle_id": [numbers[name] for name, _, _ in orders],
            "business_date": [on for _, on, _ in orders],
            "occurred_at": [tiny.local(f"{on} 12:00:00") for _, on, _ in orders],
            "order_id": [f"o{n}" for n in range(len(orders))],
            "paid_minor": [paid for _, _, paid in orders],
        }
    )
    # Without a lake: seven hundred dates would be as many files.
    with Session(tmp_path) as session:
        session.register("order_lines", lines)
        session.register("events", lines)
        session.register(
            "persons", pa.table({"one_id": list(numbers), "person_no": list(numbers.values())})
        )
        session.execute(
            "CREATE TABLE work_bundle_numbers AS SELECT person_no AS bundle_id, person_no, "
            "DATE '0001-01-01' AS valid_from, DATE '9999-12-31' AS valid_to FROM persons"
        )
        for step in (numbers_step(slots_of(cells)), values_step(slots_of(cells))):
            session.register(step.writes[0], embedded.run(session, step, {}))
        made = direct(cells, ANALYSIS) if plan == "direct" else merged(cells, ANALYSIS, Relations())
        query = tag_query(tags, ANALYSIS, f"({made})").sql(dialect="duckdb")
        rows = session.rows(f"SELECT one_id, rfm FROM ({query})")
    found = {str(name): score for name, score in rows}
    assert len(found) == 995
    assert [found[name] for name in sorted(found)[:5]] == ["343", "412", "323", "544", "433"]
    assert found == by_numpy(orders)
