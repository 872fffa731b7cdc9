"""What the exchange says about positions, from either source. Pure data, no I/O."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from apps.core.money import parse_count, parse_dollars
from apps.core.timestamps import parse_rfc3339
from apps.exchange.wire.schemas import rest, ws

Source = Literal["ws", "rest"]


@dataclass(frozen=True, slots=True)
class PositionReport:
    """Net contracts of one market: positive YES, negative NO. Dollars; None: this source does not tell.

    valid_at: our clock; nothing that happened after it is certain to be in the report.
    """

    ticker: str
    position: Decimal
    valid_at: datetime
    subaccount: int = 0
    cost: Decimal | None = None
    realized_pnl: Decimal | None = None
    fees_paid: Decimal | None = None
    total_traded: Decimal | None = None
    reported_at: datetime | None = None


def position_from_rest(record: rest.PositionRecord, *, subaccount: int, valid_at: datetime) -> PositionReport:
    """Read a row of GET /portfolio/positions. Raises WireFormatError."""
    return PositionReport(
        ticker=record.ticker,
        position=parse_count(record.position_fp, signed=True),
        valid_at=valid_at,
        subaccount=subaccount,
        cost=_dollars(record.market_exposure_dollars),
        realized_pnl=_dollars(record.realized_pnl_dollars),
        fees_paid=_dollars(record.fees_paid_dollars),
        total_traded=_dollars(record.total_traded_dollars),
        reported_at=parse_rfc3339(record.last_updated_ts) if record.last_updated_ts else None,
    )


def position_from_ws(message: ws.MarketPosition, *, received_at: datetime) -> PositionReport:
    """Read a `market_position` message, which carries no time of its own. Raises WireFormatError."""
    return PositionReport(
        ticker=message.market_ticker,
        position=parse_count(message.position_fp, signed=True),
        valid_at=received_at,
        subaccount=message.subaccount or 0,
        cost=_dollars(message.position_cost_dollars),
        realized_pnl=_dollars(message.realized_pnl_dollars),
        fees_paid=_dollars(message.fees_paid_dollars),
    )


def _dollars(raw: str | None) -> Decimal | None:
    return None if raw is None else parse_dollars(raw)
