"""What the exchange tells of requests and quotes, read once into typed values. Nothing is stored here.

WebSocket and REST name the same things differently (`yes_contracts_offered_fp`, `yes_contracts_fp`).
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from apps.core.errors import WireFormatError
from apps.core.money import parse_count, parse_dollars, parse_price
from apps.core.rfq import Outcome, QuotePrices, QuoteState
from apps.core.timestamps import parse_rfc3339
from apps.exchange.wire.schemas import communications as rest
from apps.exchange.wire.schemas import ws

_STATES = {state.value: state for state in QuoteState} | {"canceled": QuoteState.CANCELLED}


@dataclass(frozen=True, slots=True)
class RfqReport:
    """A request as the exchange holds it. is_open None: the message does not say."""

    rfq_id: str
    ticker: str
    event_ticker: str = ""
    requester: str = ""
    contracts: Decimal | None = None
    target_cost: Decimal | None = None
    collection: str = ""
    legs: tuple[dict[str, str], ...] = ()
    is_open: bool | None = None
    subaccount: int = 0
    rest_remainder: bool | None = None
    created_at: datetime | None = None
    closed_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class QuoteReport:
    """A quote as the exchange tells it. state None: the word is newer than this desk."""

    quote_id: str
    rfq_id: str
    ticker: str
    prices: QuotePrices
    state: QuoteState | None = QuoteState.OPEN
    maker: str = ""
    requester: str = ""
    contracts: Decimal | None = None
    target_cost: Decimal | None = None
    yes_contracts: Decimal | None = None
    no_contracts: Decimal | None = None
    accepted_side: Outcome | None = None
    post_only: bool | None = None
    rest_remainder: bool | None = None
    subaccount: int | None = None
    created_at: datetime | None = None
    accepted_at: datetime | None = None
    confirmed_at: datetime | None = None
    executed_at: datetime | None = None
    cancelled_at: datetime | None = None
    reason: str = ""
    maker_order_id: str = ""
    requester_order_id: str = ""

    @property
    def accepted_contracts(self) -> Decimal | None:
        """What an accept is for: of a request by target cost only the accepted side's count says it."""
        if self.accepted_side is Outcome.YES and self.yes_contracts is not None:
            return self.yes_contracts
        if self.accepted_side is Outcome.NO and self.no_contracts is not None:
            return self.no_contracts
        return self.contracts


def rfq_from_rest(record: rest.Rfq) -> RfqReport:
    """Raises WireFormatError."""
    return RfqReport(
        rfq_id=record.id,
        ticker=record.market_ticker,
        requester=record.creator_id,
        contracts=_size(record.contracts_fp),
        target_cost=_dollars(record.target_cost_dollars),
        collection=record.mve_collection_ticker or "",
        legs=_legs(record.mve_selected_legs),
        is_open={"open": True, "closed": False}.get(record.status),
        subaccount=record.creator_subaccount or 0,
        rest_remainder=record.rest_remainder,
        created_at=_time(record.created_ts),
        closed_at=_time(record.cancelled_ts),
        reason=record.cancellation_reason or "",
    )


def rfq_from_ws(message: ws.RfqCreated) -> RfqReport:
    """Raises WireFormatError."""
    return RfqReport(
        rfq_id=message.id,
        ticker=message.market_ticker,
        event_ticker=message.event_ticker,
        requester=message.creator_id,
        contracts=_size(message.contracts_fp),
        target_cost=_dollars(message.target_cost_dollars),
        collection=message.mve_collection_ticker or "",
        legs=_legs(message.mve_selected_legs),
        is_open=True,
        created_at=_time(message.created_ts),
    )


def quote_from_rest(record: rest.Quote) -> QuoteReport:
    """Raises WireFormatError."""
    side = record.accepted_side
    return QuoteReport(
        quote_id=record.id,
        rfq_id=record.rfq_id,
        ticker=record.market_ticker,
        prices=QuotePrices(_bid(record.yes_bid_dollars), _bid(record.no_bid_dollars)),
        state=_STATES.get(record.status),
        maker=record.creator_id,
        requester=record.rfq_creator_id,
        contracts=_size(record.contracts_fp),
        target_cost=_dollars(record.rfq_target_cost_dollars),
        yes_contracts=_count(record.yes_contracts_fp),
        no_contracts=_count(record.no_contracts_fp),
        accepted_side=Outcome(side) if side in ("yes", "no") else None,
        post_only=record.post_only,
        rest_remainder=record.rest_remainder,
        subaccount=record.creator_subaccount,
        created_at=_time(record.created_ts),
        accepted_at=_time(record.accepted_ts),
        confirmed_at=_time(record.confirmed_ts),
        executed_at=_time(record.executed_ts),
        cancelled_at=_time(record.cancelled_ts),
        reason=record.cancellation_reason or "",
        maker_order_id=record.creator_order_id or "",
        requester_order_id=record.rfq_creator_order_id or "",
    )


def quote_from_ws(message: ws.QuoteCreated | ws.QuoteAccepted) -> QuoteReport:
    """Raises WireFormatError."""
    accepted = isinstance(message, ws.QuoteAccepted)
    side = message.accepted_side if isinstance(message, ws.QuoteAccepted) else None
    return QuoteReport(
        quote_id=message.quote_id,
        rfq_id=message.rfq_id,
        ticker=message.market_ticker,
        prices=QuotePrices(_bid(message.yes_bid_dollars), _bid(message.no_bid_dollars)),
        state=QuoteState.ACCEPTED if accepted else QuoteState.OPEN,
        maker=message.quote_creator_id,
        contracts=_count(message.contracts_accepted_fp) if isinstance(message, ws.QuoteAccepted) else None,
        target_cost=_dollars(message.rfq_target_cost_dollars),
        yes_contracts=_count(message.yes_contracts_offered_fp),
        no_contracts=_count(message.no_contracts_offered_fp),
        accepted_side=Outcome(side) if side in ("yes", "no") else None,
        created_at=_time(message.created_ts) if isinstance(message, ws.QuoteCreated) else None,
    )


def _bid(raw: str | None) -> Decimal:
    """A missing price and a price of 0 both say: not quoted."""
    bid = parse_price(raw) if raw else Decimal(0)
    if not 0 <= bid <= 1:
        raise WireFormatError(f"a bid of {raw} is not between 0 and 1")
    return bid


def _count(raw: str | None) -> Decimal | None:
    return parse_count(raw) if raw else None


def _size(raw: str | None) -> Decimal | None:
    """Contracts of a request; a request by target cost has none, which the exchange may write as 0."""
    return _count(raw) or None


def _dollars(raw: str | None) -> Decimal | None:
    return (parse_dollars(raw) if raw else None) or None


def _time(raw: str | None) -> datetime | None:
    moment = parse_rfc3339(raw) if raw else None
    return None if moment is None or moment.year < 2000 else moment  # year 1 stands for "never"


def _legs(legs: list[ws.ComboLeg] | None) -> tuple[dict[str, str], ...]:
    return tuple(
        {"event_ticker": leg.event_ticker, "market_ticker": leg.market_ticker, "side": leg.side} for leg in legs or ()
    )
