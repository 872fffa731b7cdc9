"""What the exchange says about an order or a fill, whichever way it came. Pure data, no I/O.

Three sources say the same thing in three shapes: the answer to a create or cancel, a WebSocket
message, and a REST listing. Each becomes one of the two dataclasses here, at the edge, with exact
numbers; `services.order_apply` and `services.fills_record` know only these.

Directions are on the YES leg: `bid` buys YES, `ask` sells YES (docs:order_direction).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from apps.core.errors import WireFormatError
from apps.core.money import parse_count, parse_dollars, parse_price
from apps.core.timestamps import from_unix_ms, from_unix_seconds, parse_rfc3339

Source = Literal["answer", "ws", "rest"]

_BOOK_SIDES = ("bid", "ask")


@dataclass(frozen=True, slots=True)
class OrderReport:
    """One order as the exchange reported it. Price: YES leg, dollars; times: exchange clock.

    None for money says "this source does not tell", never zero.
    """

    order_id: str
    ticker: str
    book_side: str
    price: Decimal
    status: str
    initial_count: Decimal
    filled_count: Decimal
    remaining_count: Decimal
    client_order_id: str = ""
    subaccount: int = 0
    fill_cost: Decimal | None = None
    fees: Decimal | None = None
    order_group_id: str = ""
    expires_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FillReport:
    """One match of one order as the exchange reported it. Price: YES leg, dollars."""

    trade_id: str
    order_id: str
    ticker: str
    book_side: str
    yes_price: Decimal
    count: Decimal
    is_taker: bool
    fee: Decimal
    traded_at: datetime
    subaccount: int = 0
    client_order_id: str = ""


def order_from_rest(raw: Mapping[str, Any]) -> OrderReport:
    """Read an `Order` of GET /portfolio/orders. Raises WireFormatError."""
    try:
        return OrderReport(
            order_id=_text(raw, "order_id"),
            ticker=_text(raw, "ticker"),
            book_side=_book_side(raw),
            price=parse_price(raw["yes_price_dollars"]),
            status=_text(raw, "status"),
            initial_count=parse_count(raw["initial_count_fp"]),
            filled_count=parse_count(raw["fill_count_fp"]),
            remaining_count=parse_count(raw["remaining_count_fp"]),
            client_order_id=str(raw.get("client_order_id") or ""),
            subaccount=int(raw.get("subaccount_number") or 0),
            fill_cost=_sum(raw, "taker_fill_cost_dollars", "maker_fill_cost_dollars"),
            fees=_sum(raw, "taker_fees_dollars", "maker_fees_dollars"),
            order_group_id=str(raw.get("order_group_id") or ""),
            expires_at=_time(raw.get("expiration_time")),
            created_at=_time(raw.get("created_time")),
            updated_at=_time(raw.get("last_update_time")),
        )
    except KeyError as exc:
        raise WireFormatError(f"order without {exc}") from exc


def fill_from_rest(raw: Mapping[str, Any]) -> FillReport:
    """Read a `Fill` of GET /portfolio/fills. Raises WireFormatError."""
    try:
        return FillReport(
            trade_id=str(raw.get("fill_id") or _text(raw, "trade_id")),
            order_id=_text(raw, "order_id"),
            ticker=str(raw.get("ticker") or _text(raw, "market_ticker")),
            book_side=_book_side(raw),
            yes_price=parse_price(raw["yes_price_dollars"]),
            count=parse_count(raw["count_fp"]),
            is_taker=raw["is_taker"] is True,
            fee=parse_dollars(raw["fee_cost"]),
            traded_at=_time(raw.get("created_time")) or from_unix_seconds(raw["ts"]),
            subaccount=int(raw.get("subaccount_number") or 0),
        )
    except KeyError as exc:
        raise WireFormatError(f"fill without {exc}") from exc


def order_from_ws(message: Any) -> OrderReport:
    """Read the body of a `user_order` message. Raises WireFormatError."""
    return OrderReport(
        order_id=message.order_id,
        ticker=message.ticker,
        book_side=_known_side(message.book_side),
        price=parse_price(message.yes_price_dollars),
        status=message.status,
        initial_count=parse_count(message.initial_count_fp),
        filled_count=parse_count(message.fill_count_fp),
        remaining_count=parse_count(message.remaining_count_fp),
        client_order_id=message.client_order_id or "",
        subaccount=message.subaccount_number or 0,
        fill_cost=parse_dollars(message.taker_fill_cost_dollars) + parse_dollars(message.maker_fill_cost_dollars),
        fees=parse_dollars(message.taker_fees_dollars) + parse_dollars(message.maker_fees_dollars),
        order_group_id=message.order_group_id or "",
        expires_at=_ms(message.expiration_ts_ms),
        created_at=_ms(message.created_ts_ms),
        updated_at=_ms(message.last_updated_ts_ms) or _ms(message.created_ts_ms),
    )


def fill_from_ws(message: Any) -> FillReport:
    """Read the body of a `fill` message. Raises WireFormatError."""
    return FillReport(
        trade_id=message.trade_id,
        order_id=message.order_id,
        ticker=message.market_ticker,
        book_side=_known_side(message.book_side),
        yes_price=parse_price(message.yes_price_dollars),
        count=parse_count(message.count_fp),
        is_taker=message.is_taker,
        fee=parse_dollars(message.fee_cost),
        traded_at=from_unix_ms(message.ts_ms),
        subaccount=message.subaccount or 0,
        client_order_id=message.client_order_id or "",
    )


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw[key]
    if not isinstance(value, str) or not value:
        raise WireFormatError(f"{key}: expected a text, was {type(value).__name__}")
    return value


def _book_side(raw: Mapping[str, Any]) -> str:
    return _known_side(raw["book_side"])


def _known_side(value: object) -> str:
    if value not in _BOOK_SIDES:
        raise WireFormatError(f"book_side: expected bid or ask, was {str(value)[:20]!r}")
    return str(value)


def _sum(raw: Mapping[str, Any], first: str, second: str) -> Decimal | None:
    if first not in raw or second not in raw:
        return None
    return parse_dollars(raw[first]) + parse_dollars(raw[second])


def _time(raw: object) -> datetime | None:
    return parse_rfc3339(str(raw)) if raw else None


def _ms(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_unix_ms(milliseconds)
