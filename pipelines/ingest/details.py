"""SQL of the tables beside events: order lines, conversations, consents and products."""

from __future__ import annotations

from lake.engines.duckdb import quoted
from pipelines.ingest import columns
from schemas.programme import Programme
from schemas.sources import DETAILS, Conversation, OrderLine, Source

# ISO 4217: currencies whose minor unit is not a hundredth.
_DECIMALS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "BHD": 3, "JOD": 3, "KWD": 3, "TND": 3}
_DIGITS = r"[0-9０-９]"
_LONG_NUMBER = rf"{_DIGITS}([ -]?{_DIGITS}){{6,}}"
_EMAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+"


def of(source: Source, programme: Programme) -> dict[str, str]:
    """Column of the detail table to its expression, for what the source lands in."""
    if source.order_line:
        return _order_line(source, source.order_line, source.currency or programme.currency)
    if source.conversation:
        return _conversation(source, source.conversation)
    part = source.consent or source.product
    if part is None:
        return {}
    return {
        name: columns.text(source, column) if column else "CAST(NULL AS VARCHAR)"
        for name in part.__struct_fields__
        for column in [getattr(part, name)]
    }


def required(source: Source) -> set[str]:
    """Columns without which the detail row cannot be."""
    if source.order_line:
        line = source.order_line
        return {line.order_id, line.quantity, line.paid or line.unit_price} - {""}
    if source.conversation:
        return {source.conversation.message_type}
    if source.consent:
        return {source.consent.purpose, source.consent.channel, source.consent.status}
    return {source.product.product_id} if source.product else set()


def checks(source: Source) -> list[tuple[str, str, str]]:
    """Checks of the row as a whole: (fails, reason, detail)."""
    if source.consent:
        status = columns.meaning(source.consent.status)
        shown = f"'expected granted or withdrawn, got ' || {status}"
        return [(f"{status} NOT IN ('granted', 'withdrawn')", "unknown_value", shown)]
    line = source.order_line
    if line is None:
        return []
    paid = _amount(line)
    found = [(f"{paid} IS NULL", "bad_number", quoted("expected an amount below 10^12"))]
    if line.refund_of:
        shown = quoted("expected a refund that adds no money, got a positive amount")
        adds = f"({columns.meaning(line.refund_of)} IS NOT NULL AND {paid} > 0)"
        found.append((adds, "bad_refund", shown))
    return found


def select(source: Source) -> str:
    """Staged detail columns under the names of their table."""
    part = getattr(source, DETAILS[source.into])
    names = part.__struct_fields__
    if source.order_line:
        names = (
            "order_id", "line_no", "store_id", "product_id", "quantity", "unit_price",
            "paid_minor", "coupon_minor", "currency", "received_on", "after_sale_ends_at",
            "refund_of",
        )
    if source.conversation:
        names = ("direction", "staff_id", "message_type", "text_masked")
    return ", ".join(f'"d_{name}" AS "{name}"' for name in names)


def _order_line(source: Source, line: OrderLine, currency: str) -> dict[str, str]:
    decimals = _DECIMALS.get(currency, 2)

    def given(column: str, kind: str) -> str:
        return columns.meaning(column) if column else f"CAST(NULL AS {kind})"

    coupon = _minor(columns.meaning(line.coupon), decimals) if line.coupon else "NULL"
    return {
        "order_id": columns.text(source, line.order_id),
        "line_no": f"CAST({given(line.line_no, 'INTEGER')} AS INTEGER)",
        "store_id": given(line.store_id, "VARCHAR"),
        "product_id": given(line.product_id, "VARCHAR"),
        "quantity": columns.meaning(line.quantity),
        "unit_price": given(line.unit_price, "DECIMAL(18,6)"),
        "paid_minor": _minor(_amount(line), decimals),
        "coupon_minor": f"coalesce({coupon}, CAST(0 AS BIGINT))",
        "currency": quoted(currency),
        "received_on": given(line.received_on, "DATE"),
        "after_sale_ends_at": given(line.after_sale_ends_at, "TIMESTAMPTZ"),
        "refund_of": given(line.refund_of, "VARCHAR"),
    }


def _amount(line: OrderLine) -> str:
    if line.paid:
        return columns.meaning(line.paid)
    quantity = f"CAST({columns.meaning(line.quantity)} AS DECIMAL(9,0))"
    return f"TRY_CAST({quantity} * {columns.meaning(line.unit_price)} AS DECIMAL(18,6))"


def _minor(amount: str, decimals: int) -> str:
    """``amount`` in minor units, halves to the even one (exact: on whole millionths)."""
    millionths = f"CAST({amount} * 1000000 AS BIGINT)"
    unit = 10 ** (6 - decimals)
    rest = f"(abs({millionths}) % {unit})"
    whole = f"({millionths} // {unit})"
    up = f"({rest} * 2 > {unit} OR ({rest} * 2 = {unit} AND {whole} % 2 <> 0))"
    return f"({whole} + CASE WHEN {up} THEN sign({millionths}) ELSE 0 END)"


def _conversation(source: Source, part: Conversation) -> dict[str, str]:
    inbound = columns.condition(source, part.inbound)
    text = columns.text(source, part.text)
    without_mail = f"regexp_replace({text}, '{_EMAIL}', '***', 'g')"
    return {
        "direction": f"CASE WHEN {inbound} THEN 'inbound' ELSE 'outbound' END",
        "staff_id": (
            f"CASE WHEN {inbound} THEN {columns.text(source, part.staff_inbound)} "
            f"ELSE {columns.text(source, part.staff_outbound)} END"
        ),
        "message_type": columns.text(source, part.message_type),
        "text_masked": f"regexp_replace({without_mail}, '{_LONG_NUMBER}', '***', 'g')",
    }
