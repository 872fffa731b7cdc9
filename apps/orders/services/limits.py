"""What one person may do on one account, in one market: checked when an order is submitted, and again before it is
sent.

Rows are `RiskLimit`; where a desk has no row for everybody, DEFAULTS hold, so that a slipped key or a
runaway script meets a limit on the first day (RELIABILITY H9). Setting them: `limit_changes`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.accounts.models import ExchangeAccount
from apps.core.errors import DeskError
from apps.core.money import cents_text, count_text, dollars_text
from apps.core.permissions import Actor
from apps.orders.models import BookSide, Order, OrderIntent
from apps.orders.services.day_loss import is_reducing, loss_standing
from apps.orders.services.limit_rows import COUNTED, DEFAULTS, Figure, InForce, Within, limits_in_force, limits_of
from apps.orders.services.quotes import Quotes, QuotesAsked, quotes_of
from apps.orders.services.usage import usages_of
from apps.orders.tickets import OrderTicket

__all__ = ["DEFAULTS", "LimitUse", "limit_refusal", "limits_check", "limits_of", "limits_use", "nearest_of"]


@dataclass(frozen=True, slots=True)
class LimitUse:
    """One limit and what it would be used to with this order. Decimals as text for people in `text`.

    use: None where it is not known. stops: of a limit that is not just a comparison, whether it stops this order.
    """

    name: str
    limit: Figure
    use: Figure | None
    text: str
    field: str
    within: str = ""  # the series or market that it is of
    stops: bool | None = None

    @property
    def is_kept(self) -> bool:
        if self.stops is not None:
            return not self.stops
        return self.use is None or self.use <= self.limit

    @property
    def share(self) -> int | None:
        """Thousandths of the limit; None: not known."""
        if self.use is None:
            return None
        return int(Decimal(self.use) * 1000 / Decimal(self.limit)) if self.limit else 1000


def limits_check(
    actor: Actor,
    ticket: OrderTicket,
    *,
    account: ExchangeAccount,
    now: datetime,
    intent: OrderIntent | None = None,
    instead_of: Order | None = None,
    before: Sequence[OrderTicket] = (),
    asked: QuotesAsked | None = None,
) -> InForce:
    """Return what holds, thresholds of approvals included. asked: for the best prices of the market, already.

    Raises DeskError `limit_<name>` for the first limit that this order would break.
    """
    force = limits_in_force(
        actor.desk_id,
        user_id=actor.user_id,
        account_id=account.pk,
        environment=account.environment,
        tickers=(ticket.ticker,),
    )
    for one in _uses(
        force, actor, ticket, account=account, now=now, intent=intent, instead_of=instead_of, before=before, asked=asked
    ):
        if not one.is_kept:
            raise limit_refusal(one)
    return force


def limit_refusal(one: LimitUse) -> DeskError:
    return DeskError(f"limit_{one.name}", one.text, fields={one.field: one.text})


def nearest_of(uses: Sequence[LimitUse]) -> LimitUse | None:
    """Return the limit that is nearest to its end; None when none is known."""
    return max((one for one in uses if one.share is not None), key=lambda one: one.share or 0, default=None)


def limits_use(
    actor: Actor,
    ticket: OrderTicket,
    *,
    account: ExchangeAccount,
    now: datetime,
    intent: OrderIntent | None = None,
    instead_of: Order | None = None,
    before: Sequence[OrderTicket] = (),
) -> list[LimitUse]:
    """Return each limit with its use, this order included.

    Args:
        intent: the stored order that is about to be sent: what came after it does not count against it.
        instead_of: the resting order that this one replaces (an amend).
        before: earlier lines of the same batch, not stored yet.
    """
    force = limits_in_force(
        actor.desk_id,
        user_id=actor.user_id,
        account_id=account.pk,
        environment=account.environment,
        tickers=(ticket.ticker,),
    )
    return _uses(force, actor, ticket, account=account, now=now, intent=intent, instead_of=instead_of, before=before)


def _uses(
    force: InForce,
    actor: Actor,
    ticket: OrderTicket,
    *,
    account: ExchangeAccount,
    now: datetime,
    intent: OrderIntent | None,
    instead_of: Order | None,
    before: Sequence[OrderTicket],
    asked: QuotesAsked | None = None,
) -> list[LimitUse]:
    found = []
    for name, limit in force.of_one.items():
        match name:
            case "max_count":
                found.append(_use(name, limit, ticket.count))
            case "max_notional":
                found.append(_use(name, limit, notional_of(ticket)))
            case "price_band":
                quotes = asked.quotes() if asked else quotes_of(account.environment, ticket.ticker)
                beyond = _beyond(ticket, quotes)
                if beyond is not None:
                    is_old = quotes is not None and not quotes.is_live
                    found.append(_use(name, limit, beyond, more=_BY_OLD_PRICES if is_old else ""))
    counted = {key: limit for key, limit in force.counted.items() if key[0] in COUNTED}
    if counted:
        places = list(dict.fromkeys(within for _, within in counted))
        usages = usages_of(actor, account, now=now, intent=intent, instead_of=instead_of, within=places)
        for (name, within), limit in counted.items():
            same = [one for one in before if _is_within(one.ticker, ticket, within)]
            usage = usages[within]
            if name == "orders_per_minute":
                found.append(_use(name, limit, usage.orders + 1 + len(same), within=within))
            else:
                waiting = sum((one.count for one in same), Decimal(0))
                found.append(_use(name, limit, usage.contracts + ticket.count + waiting, within=within))
    if force.losses:
        for standing in loss_standing(force.losses, account_id=account.pk, now=now):
            stops = bool(standing.refusal) and not is_reducing(
                ticket, intent=intent, instead_of=instead_of, before=before
            )
            words = standing.refusal or standing.text
            found.append(LimitUse("max_daily_loss", standing.limit, standing.loss, words, "general", stops=stops))
    return found


def _is_within(other: str, ticket: OrderTicket, within: Within) -> bool:
    """Does an earlier line count where this order counts? What cannot be told does."""
    if within.ticker:
        return other == ticket.ticker
    return not within.series or other == ticket.ticker or other.split("-")[0] == within.series


def _use(name: str, limit: Figure, use: Figure, *, within: Within | None = None, more: str = "") -> LimitUse:
    where = within.words if within else ""
    return LimitUse(name, limit, use, _words(name, limit, use, where) + more, _FIELDS[name], where.strip())


def notional_of(ticket: OrderTicket) -> Decimal:
    """Return what the contracts cost at the ticket's price, dollars."""
    price = ticket.yes_price if ticket.book_side == BookSide.BID else 1 - ticket.yes_price
    return price * ticket.count


def _beyond(ticket: OrderTicket, quotes: Quotes | None) -> Decimal | None:
    """Return how far the price is beyond the best of the other side (of the own side where that is empty)."""
    if quotes is None:
        return None
    is_bid = ticket.book_side == BookSide.BID
    sides = (quotes.ask, quotes.bid) if is_bid else (quotes.bid, quotes.ask)
    reference = next((price for price in sides if price is not None), None)
    if reference is None:
        return None
    beyond = ticket.yes_price - reference if is_bid else reference - ticket.yes_price
    return max(Decimal(0), beyond)


_BY_OLD_PRICES = " By the last known prices: there is no live book."
_FIELDS = {
    "max_count": "count",
    "max_notional": "count",
    "price_band": "price",
    "orders_per_minute": "general",
    "max_open_contracts": "count",
}


def _words(name: str, limit: Any, use: Any, where: str) -> str:
    match name:
        case "max_count":
            return f"Your limit is {count_text(limit)} contracts in one order; this is {count_text(use)}."
        case "max_notional":
            return f"Your limit is {dollars_text(limit)} in one order; this is {dollars_text(use)}."
        case "price_band":
            return f"This price is {cents_text(use)} beyond the market; your limit is {cents_text(limit)}."
        case "orders_per_minute":
            return f"Your limit is {limit} orders a minute{where}; this would be number {use}. Wait a moment."
    return f"Your limit is {count_text(limit)} contracts working at once{where}; this would make {count_text(use)}."
