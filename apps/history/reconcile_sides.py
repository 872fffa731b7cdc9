"""One record as each source says it, in the same plain words, so that sources can be compared and hashed.

Every value is text or null: numbers in the exchange's own fixed widths. Times are left out: the sources tell them with
different precision.
"""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal

from apps.core.money import format_count, format_dollars, format_price
from apps.orders.models import Fill, Order
from apps.orders.reports import FillReport, OrderReport

Side = dict[str, str | None]
# What must be the same. The rest of a side helps people to find the record.
COMPARED: dict[str, tuple[str, ...]] = {
    "trade": ("ticker", "side", "price", "count", "fee", "subaccount", "is_taker"),
    "order": ("ticker", "side", "price", "status", "filled", "remaining", "subaccount"),
    "position": ("contracts",),
    "settled": ("result", "value", "yes_count", "no_count", "payout"),
}


def trade_side(fill: FillReport | Fill) -> Side:
    order_id = fill.order_id_text if isinstance(fill, Fill) else fill.order_id
    return {
        "trade_id": fill.trade_id,
        "order_id": order_id,
        "ticker": fill.ticker,
        "side": fill.book_side,
        "price": format_price(fill.yes_price),
        "count": format_count(fill.count),
        "fee": format_dollars(fill.fee),
        "subaccount": str(fill.subaccount),
        "is_taker": "yes" if fill.is_taker else "no",
    }


def trade_key(fill: FillReport | Fill) -> str:
    """Both sides of a self-trade carry one trade id."""
    order_id = fill.order_id_text if isinstance(fill, Fill) else fill.order_id
    return f"{fill.trade_id}:{order_id}"


def order_side(order: OrderReport | Order) -> Side:
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id or None,
        "ticker": order.ticker,
        "side": order.book_side,
        "price": format_price(order.price),
        "status": order.status,
        "filled": format_count(order.filled_count),
        "remaining": format_count(order.remaining_count),
        "subaccount": str(order.subaccount),
    }


def position_side(*, subaccount: int, ticker: str, contracts: Decimal) -> Side:
    return {"ticker": ticker, "subaccount": str(subaccount), "contracts": format_count(contracts)}


def position_key(subaccount: int, ticker: str) -> str:
    return f"{subaccount}:{ticker}"


def differing(subject: str, one: Mapping[str, str | None], other: Mapping[str, str | None]) -> list[str]:
    """Return the names of the fields that differ."""
    return [name for name in COMPARED[subject] if one.get(name) != other.get(name)]


def side_hash(side: Mapping[str, str | None] | None) -> str:
    """SHA-256 of a side's canonical JSON: sorted names, no spaces, UTF-8; "" when the source does not have it."""
    if side is None:
        return ""
    text = json.dumps(dict(side), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
