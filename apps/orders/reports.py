"""What the exchange says about an order or a fill, whichever way it came. Pure data, no I/O.

Three sources say the same thing in three shapes: the answer to a create or cancel, a WebSocket
message, and a REST listing. Each becomes one of the two dataclasses here, at the edge, with exact
numbers; `services.order_apply` and `services.fills_record` know only these.

Directions are on the YES leg: `bid` buys YES, `ask` sells YES (docs:order_direction).
"""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeVar

from apps.core.errors import WireFormatError
from apps.core.money import parse_count, parse_dollars, parse_price
from apps.core.timestamps import from_unix_ms, from_unix_seconds, parse_rfc3339
from apps.exchange.wire.schemas import rest, ws

T = TypeVar("T")
Source = Literal["answer", "ws", "rest", "fix"]

_BOOK_SIDES = ("bid", "ask")


@dataclass(frozen=True, slots=True)
class OrderReport:
    """One order as the exchange reported it. Price: YES leg, dollars; times: exchange clock.

    None for money says "this source does not tell", never zero.
    follows: the source numbers its reports, and none after this one of the order is known: at the same instant of the
    exchange's clock this one counts.
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
    follows: bool = False


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


def order_from_rest(order: rest.Order) -> OrderReport:
    """Read an order of GET /portfolio/orders. Raises WireFormatError."""
    created = _time(order.created_time)
    return _order(
        order,
        expires_at=_time(order.expiration_time),
        created_at=created,
        updated_at=_time(order.last_update_time) or created,
    )


def order_from_ws(message: ws.UserOrder) -> OrderReport:
    """Read a `user_order` message. Raises WireFormatError; a REST sync then tells the same."""
    created = _ms(message.created_ts_ms)
    return _order(
        message,
        expires_at=_ms(message.expiration_ts_ms),
        created_at=created,
        updated_at=_ms(message.last_updated_ts_ms) or created,
    )


def _order(
    told: rest.Order | ws.UserOrder,
    *,
    expires_at: datetime | None,
    created_at: datetime | None,
    updated_at: datetime | None,
) -> OrderReport:
    """Read what both shapes say in the same words; they differ in how they write times."""
    return OrderReport(
        order_id=told.order_id,
        ticker=told.ticker,
        book_side=_direction(told.book_side, told.outcome_side),
        price=parse_price(_needed(told.yes_price_dollars)),
        status=told.status,
        initial_count=parse_count(_needed(told.initial_count_fp)),
        filled_count=parse_count(_needed(told.fill_count_fp)),
        remaining_count=parse_count(_needed(told.remaining_count_fp)),
        client_order_id=told.client_order_id or "",
        subaccount=told.subaccount_number or 0,
        fill_cost=_both(told.taker_fill_cost_dollars, told.maker_fill_cost_dollars),
        fees=_both(told.taker_fees_dollars, told.maker_fees_dollars),
        order_group_id=told.order_group_id or "",
        expires_at=expires_at,
        created_at=created_at,
        updated_at=updated_at,
    )


def fill_from_rest(fill: rest.FillRecord) -> FillReport:
    """Read a fill of GET /portfolio/fills. Raises WireFormatError."""
    traded_at = _time(fill.created_time) or from_unix_seconds(_needed(fill.ts))
    return _fill(fill, ticker=fill.ticker, traded_at=traded_at, subaccount=fill.subaccount_number)


def fill_from_ws(message: ws.Fill) -> FillReport:
    """Read a `fill` message. Raises WireFormatError; a REST sync then tells the same."""
    traded_at = from_unix_ms(_needed(message.ts_ms))
    report = _fill(message, ticker=message.market_ticker, traded_at=traded_at, subaccount=message.subaccount)
    # Only this source names our own id.
    return replace(report, client_order_id=message.client_order_id or "")


def _fill(told: rest.FillRecord | ws.Fill, *, ticker: str, traded_at: datetime, subaccount: int | None) -> FillReport:
    return FillReport(
        trade_id=told.trade_id,
        order_id=told.order_id,
        ticker=ticker,
        book_side=_direction(told.book_side, told.outcome_side),
        yes_price=parse_price(told.yes_price_dollars),
        count=parse_count(told.count_fp),
        is_taker=told.is_taker,
        fee=parse_dollars(_needed(told.fee_cost)),
        traded_at=traded_at,
        subaccount=subaccount or 0,
    )


def uuid_or_none(client_order_id: str) -> uuid.UUID | None:
    """Return a client order id as one of ours could look; other tools may write anything there."""
    try:
        return uuid.UUID(client_order_id)
    except ValueError:
        return None


def _needed(value: T | None) -> T:
    if value is None:
        raise WireFormatError("a field that this message needs is missing")
    return value


def _direction(book_side: object, outcome_side: object) -> str:
    """Return "bid" or "ask"; the two fields say the same thing (docs:order_direction)."""
    side = book_side or {"yes": "bid", "no": "ask"}.get(str(outcome_side))
    if side not in _BOOK_SIDES:
        raise WireFormatError(f"book_side: expected bid or ask, was {str(book_side)[:20]!r}")
    return str(side)


def _both(first: str | None, second: str | None) -> Decimal | None:
    """Add what an order paid as taker and as maker; None unless both are told."""
    if first is None or second is None:
        return None
    return parse_dollars(first) + parse_dollars(second)


def _time(raw: str | None) -> datetime | None:
    return parse_rfc3339(raw) if raw else None


def _ms(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_unix_ms(milliseconds)
