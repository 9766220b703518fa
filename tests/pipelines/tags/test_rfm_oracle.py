"""RFM against the R package rfm, on its own example."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from pipelines.tags import declared, publish_tags, refresh_partials
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
    names = sorted({name for name, _, _ in orders})
    days = np.array([(ANALYSIS - max(d for n, d, _ in orders if n == m)).days for m in names])
    counts = np.array([sum(n == m for n, _, _ in orders) for m in names])
    amounts = np.array([sum(a for n, _, a in orders if n == m) for m in names])

    def score(values: np.ndarray) -> np.ndarray:
        edges = np.quantile(values, [0.2, 0.4, 0.6, 0.8])
        return 1 + (values[:, None] > edges[None, :]).sum(axis=1)

    parts = zip(6 - score(days), score(counts), score(amounts), strict=True)
    return {name: "".join(map(str, part)) for name, part in zip(names, parts, strict=True)}


@pytest.mark.rule("CDP-6")
def test_scores_equal_those_of_the_r_package(
    tmp_path: Path, orders: list[tuple[str, date, int]]
) -> None:
    bundles = {name: n + 1 for n, name in enumerate(sorted({name for name, _, _ in orders}))}
    tags = rfm_tags()
    with tiny.tiny_draft(tmp_path, ANALYSIS) as draft:
        tiny.put_persons(draft, {name: [n] for name, n in bundles.items()})
        tiny.put_lines(
            draft,
            [(bundles[name], f"{on} 12:00:00", f"o{n}", paid)
             for n, (name, on, paid) in enumerate(orders)],
        )
        refresh_partials(draft, tags)
        publish_tags(draft, tags)
        found = {name: row["rfm"] for name, row in tiny.tag_rows(draft).items()}
    assert len(found) == 995
    assert [found[name] for name in sorted(found)[:5]] == ["343", "412", "323", "544", "433"]
    assert found == by_numpy(orders)
