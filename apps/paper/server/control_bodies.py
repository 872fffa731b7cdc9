"""Bodies of control calls: what they may hold, and how they are read."""

from decimal import Decimal
from typing import Literal, TypeVar

import msgspec

from apps.paper.engine.accounts import PaymentKind, PaymentMethod, PaymentStatus
from apps.paper.engine.groups import TriggersAt
from apps.paper.engine.state import Dedupe, PastExpiration, TransferRepeat
from apps.paper.engine.units import SelfTradePrevention, Side, TimeInForce
from apps.paper.server.faults import FrameFaultKind
from apps.paper.server.http import ApiError, Request
from apps.paper.server.rest_faults import RestFaultKind, When

Body = TypeVar("Body", bound="Checked")


class Checked(msgspec.Struct, forbid_unknown_fields=True):
    """A body in which a misspelt field is an error."""


class FrameFaultBody(Checked):
    kind: FrameFaultKind
    count: int = 1
    channel: str = ""
    ticker: str = ""
    member: str = ""
    delay_ms: int = 0
    how: str = "truncate"
    type: str = ""


class CommandFaultBody(Checked):
    code: int
    count: int = 1
    cmd: str = ""
    member: str = ""
    when: When = "before"


class RestFaultBody(Checked):
    """count and duration_ms left out: once. status: 503, and 307 for a redirect."""

    kind: RestFaultKind
    count: int | None = None
    duration_ms: int | None = None
    skip: int = 0
    method: str = ""
    path: str = ""
    member: str = ""
    status: int | None = None
    when: When | None = None
    delay_ms: int = 0
    hold_ms: int = 0
    how: str = ""
    at_byte: int = 0
    chunk_bytes: int = 1
    every_ms: int = 100
    location: str = ""


class CloseBody(Checked):
    member: str = ""
    code: int = 1001
    reason: str = ""
    abort: bool = False


class MemberOnly(Checked):
    member: str = ""


class SocketOptions(Checked):
    replies_consume_seq: bool


class TradingBody(Checked):
    """resume_in_seconds is told to clients; it is kept only with `resume`."""

    trading_active: bool = True
    exchange_active: bool = True
    resume_in_seconds: int | None = None
    resume: bool = False


class MarketBody(Checked):
    """close_ms: of close_at. structure: of grid. result, value_dollars: of determine. The last two: of metadata."""

    ticker: str
    action: Literal["pause", "resume", "close_at", "close_early", "grid", "determine", "dispute", "settle", "metadata"]
    close_ms: int | None = None
    structure: str = ""
    result: Literal["yes", "no", "scalar", "void"] | None = None
    value_dollars: str | None = None
    yes_sub_title: str | None = None
    floor_strike: Decimal | None = None


class ExternalBody(Checked):
    """place: ticker, side, price, count. amend: order_id, price, count. decrease: order_id, count. cancel: order_id."""

    action: Literal["place", "amend", "decrease", "cancel"]
    member: str
    order_id: str = ""
    ticker: str = ""
    side: Side | None = None
    price: str = ""
    count: str = ""
    time_in_force: TimeInForce = "good_till_canceled"
    self_trade_prevention_type: SelfTradePrevention = "taker_at_cross"
    subaccount: int = 0
    client_order_id: str = ""


class LagBody(Checked):
    ms: int


class ResultsBody(Checked):
    """after_ms: from a market's close to its result; null: only by control."""

    after_ms: int | None


class OrderRulesBody(Checked):
    """What is left out stays as it is."""

    dedupe: Dedupe | None = None
    dedupe_window_ms: int | None = None
    past_expiration: PastExpiration | None = None
    group_triggers_at: TriggersAt | None = None


class ClockBody(Checked):
    step_ms: int = 0
    speed: float | None = None


class ReplayBody(Checked):
    action: Literal["play", "pause", "restart", "pause_at", "speed"]
    recv_ms: list[int] = []
    speed: float | None = None


class MemberBody(Checked):
    member: str
    tier: str | None = None
    deposit_cents: int = 0
    refill: bool = False


class PaymentBody(Checked):
    """A new one: kind and amount_cents, which then goes to `status`. One of before: payment_id and status."""

    member: str
    payment_id: str = ""
    kind: PaymentKind = "deposit"
    type: PaymentMethod = "ach"
    amount_cents: int = 0
    fee_cents: int = 0
    status: PaymentStatus = "pending"


class PortfolioRulesBody(Checked):
    """What is left out stays as it is."""

    transfer_repeat: TransferRepeat | None = None


class HistoryBody(Checked):
    """What is left out stays. age_ms -1: the cutoffs move only by this call. Cutoffs (Unix ms) only go forward."""

    age_ms: int | None = None
    step_ms: int | None = None
    market_settled_ms: int = 0
    trades_created_ms: int = 0
    orders_updated_ms: int = 0


class HistoryFillsBody(Checked):
    """A past day of a member: so many fills, over its subaccounts 0 to subaccounts - 1."""

    member: str
    fills: int
    subaccounts: int = 1


class RfqBotsBody(Checked):
    """As `RfqBotRules`: RFQs per second, the others in percent. What is left out stays as it is."""

    per_second: int | None = None
    combos: int | None = None
    lapse: int | None = None
    accept: int | None = None


class BotsBody(Checked):
    """active: all bots."""

    active: bool | None = None
    rfqs: RfqBotsBody | None = None


def decode(request: Request, kind: type[Body]) -> Body:
    """The body of a control call.

    Raises:
        ApiError: 400, not JSON, or not of this shape.
    """
    try:
        return msgspec.json.decode(request.body or b"{}", type=kind)
    except msgspec.DecodeError as exc:
        raise ApiError(400, "invalid_parameters", str(exc)) from exc


def check_count(count: int) -> None:
    """Raises ValueError for a number of hits that cannot be meant."""
    if not 1 <= count <= 1_000_000:
        raise ValueError("count must be 1 to 1000000")
