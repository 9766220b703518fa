"""A query of ours in Spark's SQL: what sqlglot renders, and what it cannot say rewritten first."""

from __future__ import annotations

from sqlglot import exp, parse_one


def rendered(tree: exp.Expr) -> str:
    """``tree`` as a query for Spark, with the same answer."""
    return tree.copy().transform(_sorted_list).sql(dialect="spark")


def _sorted_list(node: exp.Expr) -> exp.Expr:
    """``LIST(x ORDER BY …) FILTER (…)[1:n]``: Spark's lists come in no order and may be empty."""
    slice_, kept = node.find(exp.Slice), node.find(exp.Filter)
    if not (isinstance(node, exp.Bracket) and slice_ and kept):
        return node
    order = kept.this.this
    if not (isinstance(kept.this, exp.ArrayAgg) and isinstance(order, exp.Order)):
        return node
    keys = ", ".join(f"'k{n}', {_key(key)}" for n, key in enumerate(order.expressions))
    rows = f"NAMED_STRUCT({keys}, 'kept', {order.this.sql(dialect='spark')})"
    only = kept.expression.this.sql(dialect="spark")
    first, last = (int(slice_.args[side].name) for side in ("this", "expression"))
    listed = f"TRANSFORM(ARRAY_SORT(COLLECT_LIST({rows}) FILTER (WHERE {only})), one -> one.kept)"
    return parse_one(
        f"CASE WHEN COUNT(*) FILTER (WHERE {only}) > 0 "
        f"THEN SLICE({listed}, {first}, {last - first + 1}) END",
        dialect="spark",
    )


def _key(ordered: exp.Expr) -> str:
    """What sorts upwards as ``ordered`` does; only numbers may be asked downwards."""
    text = ordered.this.sql(dialect="spark")
    return f"-{text}" if ordered.args.get("desc") else text
