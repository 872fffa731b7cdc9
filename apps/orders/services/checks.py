"""May this order be placed now? Asked when it is submitted, and again right before it is sent.

Each check refuses in words that say what to do. What the desk does not know (a balance that was
never read, a status older than a minute) refuses nothing: the exchange decides.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from apps.accounts.access import account_get_on
from apps.accounts.models import ExchangeAccount
from apps.core import ports
from apps.core.errors import DeskError, NotFound, WireFormatError
from apps.core.grid import PriceGrid
from apps.core.money import cents_text, count_text, dollars_text
from apps.core.permissions import Actor, Permission
from apps.core.prepared import Prepared, PreparedColumns
from apps.exchange.models import ExchangeStatus
from apps.markets.access import market_for
from apps.markets.models import Market
from apps.orders.access import require_on
from apps.orders.costs import CostEstimate, cost_estimate
from apps.orders.models import OrderGroup
from apps.orders.services.shown import shown_check, shown_of
from apps.orders.tickets import FILL_OR_KILL, GOOD_TILL_CANCELED, IMMEDIATE_OR_CANCEL, OrderTicket
from apps.vault.models import ApiKey

MAX_COUNT = Decimal(1_000_000)  # contracts in one order: a slipped key, not a trade
STATUS_TRUSTED_FOR = timedelta(seconds=60)
_CLOSED = frozenset(
    {"initialized", "inactive", "closed", "determined", "disputed", "amended", "finalized", "settled", "unlisted"}
)

_USABLE = (ApiKey.Status.VALID, ApiKey.Status.UNTESTED)
_keys = PreparedColumns(
    lambda account_id: ApiKey.objects.filter(
        account_id=account_id, purpose=ApiKey.Purpose.REST_TRADE, status__in=_USABLE
    ).values_list("pk")
)
_statuses = Prepared(lambda environment: ExchangeStatus.objects.filter(environment=environment))
_groups = Prepared(lambda account_id, group_id: OrderGroup.objects.filter(account_id=account_id, group_id=group_id))


def account_check(actor: Actor, account_id: int, subaccount: int) -> ExchangeAccount:
    """Return the account when `actor` may place orders on this subaccount and it has a key that can sign them.

    Raises NotAllowed, NotFound (another desk's account), DeskError `no_key`.
    """
    require_on(actor, Permission.ORDER_PLACE, account_id, subaccount)
    account = account_get_on(actor, account_id, subaccount)
    key_check(account)
    return account


def account_check_again(actor: Actor, account: ExchangeAccount, subaccount: int) -> None:
    """`account_check` for an account that was read just now. Raises as it does."""
    require_on(actor, Permission.ORDER_PLACE, account.pk, subaccount)
    if not account.is_active or account.desk_id != actor.desk_id:
        raise NotFound("This account does not exist, or it belongs to another desk.")
    key_check(account)


def key_check(account: ExchangeAccount) -> None:
    if not _keys(account.pk):
        raise DeskError("no_key", "This account has no working key for trading. Add one in Settings > Vault.")


def order_check(actor: Actor, ticket: OrderTicket, *, account: ExchangeAccount, now: datetime) -> CostEstimate:
    """Check everything but the role. Returns what the order would cost.

    Raises:
        DeskError: with a code, a text, and the field to blame.
    """
    terms_check(ticket, now=now)
    market = market_check(actor, account.environment, ticket.ticker, now=now)
    exchange_check(account.environment, now=now)
    holding = holding_of(ticket.account_id, ticket.subaccount, ticket.ticker)
    estimate = cost_estimate(market, ticket, position=holding.position or Decimal(0), now=now)
    if ticket.shown:
        shown_check(ticket.shown, shown_of(market, estimate))
    grid_check(market, ticket)
    count_check(market, ticket.count)
    group_check(ticket.account_id, ticket.subaccount, ticket.order_group_id)
    funds_check(ticket, estimate, cash=holding.cash)
    return estimate


def market_check(actor: Actor, environment: str, ticker: str, *, now: datetime) -> Market:
    market = market_for(actor, environment=environment, ticker=ticker)
    if market.status in _CLOSED:
        raise DeskError("market_closed", f"{ticker} is {market.status}: it takes no orders.")
    if market.close_time is not None and market.close_time <= now:
        raise DeskError("market_closed", f"{ticker} closed at {market.close_time:%Y-%m-%d %H:%M:%S} UTC.")
    return market


def exchange_check(environment: str, *, now: datetime) -> None:
    """Refuse only while the exchange is known to be paused."""
    status = _statuses.first(environment)
    if status is None or status.checked_at is None or now - status.checked_at > STATUS_TRUSTED_FOR:
        return
    if status.trading_active is False or status.exchange_active is False:
        until = f" It expects to resume at {status.resume_at:%H:%M} UTC." if status.resume_at else ""
        raise DeskError("exchange_paused", f"Trading is paused at the exchange.{until} Nothing was sent.")


def grid_check(market: Market, ticket: OrderTicket) -> None:
    """The YES-leg price must be one the market accepts; say the nearest ones in the person's prices."""
    price = ticket.yes_price
    if not 0 < price < 1:
        raise _field("price_out_of_range", "price", "The price must be above 0¢ and below 100¢.")
    try:
        grid = PriceGrid.from_ranges(market.price_ranges)
    except WireFormatError:
        return  # the catalogue has not told the grid yet: the exchange decides
    if grid.contains(price):
        return
    near = sorted({ticket.in_own_prices(one) for one in (grid.floor(price), grid.ceil(price)) if one is not None})
    nearest = " or ".join(cents_text(one) for one in near)
    raise _field("off_grid", "price", f"{cents_text(ticket.price)} is between this market's steps. Nearest: {nearest}.")


def count_check(market: Market, count: Decimal) -> None:
    if count <= 0:
        raise _field("count_too_small", "count", "Give at least one contract.")
    if count > MAX_COUNT:
        text = f"At most {count_text(MAX_COUNT)} contracts in one order."
        raise _field("count_too_large", "count", text)
    # docs:fixed_point_contracts: fractions are enabled market by market.
    if count != count.to_integral_value() and market.extra.get("fractional_trading_enabled") is not True:
        raise _field("count_not_whole", "count", "This market takes whole contracts only.")


def group_check(account_id: int, subaccount: int, group_id: str) -> None:
    """Raises DeskError unless this group takes orders of this subaccount, as far as the desk knows."""
    if not group_id:
        return
    group = _groups.first(account_id, group_id)
    if group is not None and group.subaccount is None:
        text = "This order group was made elsewhere, and the desk does not know in which subaccount. Choose another."
        raise _field("group_unplaced", "order_group_id", text)
    if group is None or group.subaccount != subaccount:
        raise _field("group_unknown", "order_group_id", "This order group is not known here. Choose another, or none.")
    if group.state != OrderGroup.State.ACTIVE:
        raise _field("group_not_active", "order_group_id", f"{group.get_state_display()}. It takes no orders.")


def terms_check(ticket: OrderTicket, *, now: datetime) -> None:
    """Combinations that the exchange refuses (docs:create-order-v2)."""
    if ticket.expires_at is not None:
        if ticket.time_in_force == IMMEDIATE_OR_CANCEL:
            raise _field("ioc_with_expiry", "expires_at", "An immediate-or-cancel order cannot also expire.")
        if ticket.time_in_force != GOOD_TILL_CANCELED:
            raise _field("fok_with_expiry", "expires_at", "A fill-or-kill order cannot also expire.")
        if ticket.expires_at <= now:
            raise _field("expired", "expires_at", "The expiry is in the past.")
    if ticket.is_post_only and ticket.time_in_force in (IMMEDIATE_OR_CANCEL, FILL_OR_KILL):
        raise _field("post_only_taker", "post_only", "Post-only must rest: it cannot be immediate or fill-or-kill.")


def funds_check(ticket: OrderTicket, estimate: CostEstimate, *, cash: Decimal | None) -> None:
    if cash is None or ticket.is_reduce_only:
        return
    needed = estimate.cost + (estimate.fee_one_fill or Decimal(0))
    if needed > cash:
        text = f"This needs about {dollars_text(needed)} with fees; the balance is {dollars_text(cash)}."
        raise _field("insufficient_funds", "count", text)


def holding_of(account_id: int, subaccount: int, ticker: str) -> ports.Holding:
    for lookup in ports.holdings:
        return lookup(account_id, subaccount, ticker)
    return ports.Holding(cash=None, position=None)


def _field(code: str, field: str, text: str) -> DeskError:
    return DeskError(code, text, fields={field: text})
