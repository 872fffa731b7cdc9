"""What an order would cost, said before it is placed. Nothing is stored or sent."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from apps.accounts.access import account_get_on
from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.exchange import news
from apps.exchange.clients import limiter_for
from apps.exchange.hours import Window
from apps.exchange.wire.limits import Level
from apps.markets.access import market_for
from apps.orders.access import require_on
from apps.orders.costs import CostEstimate, cost_estimate
from apps.orders.models import BookSide
from apps.orders.services.checks import holding_of, order_check
from apps.orders.services.gate import gate_check
from apps.orders.services.limits import LimitUse, limit_refusal, limits_use
from apps.orders.services.pauses import pause_check
from apps.orders.services.quotes import quotes_of
from apps.orders.services.recover import spill_check
from apps.orders.services.shown import shown_of
from apps.orders.tickets import GOOD_TILL_CANCELED, OrderTicket

MAINTENANCE_AHEAD = timedelta(days=1)  # what rests may rest longer; the weekly window would else be told always


@dataclass(frozen=True, slots=True)
class FeeNow:
    """The fee of an order that takes at once at the best price, which is better than its limit. Dollars."""

    price: Decimal  # in the prices of the ticket's side
    one_fill: Decimal
    worst_split: Decimal


@dataclass(frozen=True, slots=True)
class OrderPreview:
    """An estimate. Unknown parts are None with their reason in `reasons`; `refusal` says why it would be refused."""

    estimate: CostEstimate
    position: Decimal | None
    cash: Decimal | None
    reasons: dict[str, str]
    refusal: DeskError | None
    limits: list[LimitUse]
    shown: str  # for `order.place`, see services.shown
    tokens: Level  # of the account's write bucket now
    maintenance: Window | None = None  # the next one within a day that the order may rest into
    fee_now: FeeNow | None = None

    @property
    def position_after(self) -> Decimal | None:
        return None if self.position is None else self.estimate.position_after

    @property
    def balance_after(self) -> Decimal | None:
        change = self.estimate.cash_change
        return None if self.cash is None or change is None else self.cash + change


def order_preview(actor: Actor, ticket: OrderTicket, *, now: datetime | None = None) -> OrderPreview:
    """Estimate a ticket. Also for people who may only look: a preview touches nothing.

    Raises:
        NotAllowed, NotFound: not the actor's account, or no such market.
    """
    require_on(actor, Permission.DESK_VIEW, ticket.account_id, ticket.subaccount)
    now = now or utc_now()
    account = account_get_on(actor, ticket.account_id, ticket.subaccount)
    market = market_for(actor, environment=account.environment, ticker=ticket.ticker)
    holding = holding_of(account.pk, ticket.subaccount, ticket.ticker)
    estimate = cost_estimate(market, ticket, position=holding.position or Decimal(0), now=now)
    reasons = dict(estimate.reasons)
    if holding.cash is None:
        reasons["balance_after"] = "The balance is not known yet."
    elif estimate.cash_change is None:
        reasons["balance_after"] = reasons["fee"]
    if holding.position is None:
        reasons["position_after"] = "The position is not known yet."
    refusal = None
    try:
        order_check(actor, ticket, account=account, now=now)
        spill_check()
        pause_check(user_id=actor.user_id, desk_id=actor.desk_id)
        gate_check(account.pk)
    except DeskError as exc:
        refusal = exc
    limits = limits_use(actor, ticket, account=account, now=now)
    broken = next((one for one in limits if not one.is_kept), None)
    if refusal is None and broken is not None:
        refusal = limit_refusal(broken)
    return OrderPreview(
        estimate,
        holding.position,
        holding.cash,
        reasons,
        refusal,
        limits,
        shown=shown_of(market, estimate),
        tokens=limiter_for(account).levels()["write"],
        maintenance=_maintenance(ticket, account.environment, now),
        fee_now=_fee_now(ticket, estimate, environment=account.environment),
    )


def _maintenance(ticket: OrderTicket, environment: str, now: datetime) -> Window | None:
    if ticket.time_in_force != GOOD_TILL_CANCELED:
        return None
    window = news.maintenance_near(news.schedule_of(environment), now, ahead=MAINTENANCE_AHEAD)
    ends = ticket.expires_at
    return None if window is None or (ends is not None and ends <= window.start) else window


def _fee_now(ticket: OrderTicket, estimate: CostEstimate, *, environment: str) -> FeeNow | None:
    """None where the order rests, where it would fill at its limit, and where the book is not known as of now."""
    if estimate.fees is None or ticket.is_post_only:
        return None
    quotes = quotes_of(environment, ticket.ticker)
    if quotes is None or not quotes.is_live:
        return None
    limit, is_bid = ticket.yes_price, ticket.book_side == BookSide.BID
    best = quotes.ask if is_bid else quotes.bid
    if best is None or (best >= limit if is_bid else best <= limit):
        return None
    return FeeNow(ticket.in_own_prices(best), *estimate.fees.taking_at(best))
