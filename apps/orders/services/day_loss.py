"""The limit of the day's loss: past it, orders that add risk are refused, and those that reduce it pass.

The day's result is a running figure that portfolio keeps (`DayResult`). It counts for TRUSTED_FOR; older, unknown or
of another day, it is stale, and the limit's own setting says whether new risk is refused or allowed.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Q

from apps.accounts.models import ExchangeAccount, User
from apps.accounts.notices import notify_holders
from apps.audit import services as audit
from apps.core.money import dollars_text
from apps.core.permissions import Permission
from apps.core.pnl_days import trading_day
from apps.core.prepared import Prepared
from apps.orders.models import BookSide, DayResult, Order, OrderIntent, RiskLimit
from apps.orders.services.checks import holding_of
from apps.orders.services.limit_rows import LossLimit
from apps.orders.tickets import OrderTicket

logger = logging.getLogger(__name__)

_WAITING = (OrderIntent.State.COMMITTED, OrderIntent.State.SENDING, OrderIntent.State.UNKNOWN)
TRUSTED_FOR = timedelta(seconds=60)  # four readings

_results = Prepared(lambda account_id: DayResult.objects.filter(account_id=account_id))


@dataclass(frozen=True, slots=True)
class LossStanding:
    """One limit and the day's loss, dollars; None: not known. refusal: why new risk is refused, "" where it is not."""

    limit: Decimal
    user_id: int | None
    loss: Decimal | None
    text: str
    refusal: str


def loss_standing(losses: Sequence[LossLimit], *, account_id: int, now: datetime) -> list[LossStanding]:
    """Return where each limit stands; one read."""
    if not losses:
        return []
    results = {row.user_id: row for row in _results(account_id)}
    return [_standing(one, results.get(one.user_id), now=now) for one in losses]


def loss_refusal(losses: Sequence[LossLimit], *, account_id: int, now: datetime) -> str:
    """Return why nothing that adds risk may be done now; "" when it may."""
    standing = loss_standing(losses, account_id=account_id, now=now)
    return next((one.refusal for one in standing if one.refusal), "")


def loss_of(row: DayResult | None, *, now: datetime) -> Decimal | None:
    """Return the day's loss, dollars, never below 0; None: not known, or too old to rely on."""
    if row is None or row.result is None or row.day != trading_day(now) or now - row.as_of > TRUSTED_FOR:
        return None
    loss: Decimal = max(Decimal(0), -row.result)
    return loss


def _standing(one: LossLimit, row: DayResult | None, *, now: datetime) -> LossStanding:
    whose, have = ("The account", "has") if one.user_id is None else ("You", "have")
    loss = loss_of(row, now=now)
    if loss is None:
        unknown = f"The day's result is not known: {_age(row)}."
        refusal = "" if one.allows_stale else f"{unknown} This desk then takes only orders that reduce a position."
        return LossStanding(one.limit, one.user_id, None, unknown, refusal)
    text = f"{whose} {have} lost {dollars_text(loss)} today; the limit is {dollars_text(one.limit)}."
    refusal = f"{text} Only orders that reduce a position pass." if loss >= one.limit else ""
    return LossStanding(one.limit, one.user_id, loss, text, refusal)


def _age(row: DayResult | None) -> str:
    if row is None:
        return "it was never read"
    if row.result is None and row.why_unknown:
        return row.why_unknown
    return f"last read {row.as_of:%Y-%m-%d %H:%M:%S} UTC"


def is_reducing(
    ticket: OrderTicket,
    *,
    intent: OrderIntent | None = None,
    instead_of: Order | None = None,
    before: Sequence[OrderTicket] = (),
) -> bool:
    """Does it only close what is held, with everything that already works on the same side? Not known: no.

    intent, instead_of, before: as in `limits.limits_use`.
    """
    if ticket.is_reduce_only:
        return True
    held = holding_of(ticket.account_id, ticket.subaccount, ticket.ticker).position
    if not held or (held > 0) == (ticket.book_side == BookSide.BID):
        return False
    same = {
        "account_id": ticket.account_id,
        "subaccount": ticket.subaccount,
        "ticker": ticket.ticker,
        "book_side": ticket.book_side,
    }
    working = Order.objects.filter(**same, status=Order.Status.RESTING).exclude(pk=instead_of.pk if instead_of else 0)
    waiting = OrderIntent.objects.filter(**same, order=None, state__in=_WAITING)
    if intent is not None:
        waiting = waiting.filter(pk__lt=intent.pk)
    counts = [*working.values_list("remaining_count", flat=True), *waiting.values_list("count", flat=True)]
    counts += [
        one.count
        for one in before
        if (one.subaccount, one.ticker, one.book_side) == (ticket.subaccount, ticket.ticker, ticket.book_side)
    ]
    return sum(counts, ticket.count) <= abs(held)


# --- the running figure ------------------------------------------------------------------------------


def loss_people(account: ExchangeAccount) -> tuple[bool, list[int]]:
    """Return whether the account's result is limited at all, and whose own results are."""
    rows = RiskLimit.objects.filter(desk_id=account.desk_id).exclude(max_daily_loss=None)
    mine = [row for row in rows if row.account_id in (None, account.pk)]
    return any(row.user_id is None for row in mine), sorted({row.user_id for row in mine if row.user_id is not None})


def day_result_store(
    account: ExchangeAccount,
    *,
    user_id: int | None,
    day: date,
    result: Decimal | None,
    as_of: datetime,
    why_unknown: str = "",
) -> DayResult:
    """Keep the figure, and tell the leads once a day of each limit that it has passed."""
    with transaction.atomic():
        row = (
            DayResult.objects.select_for_update()
            .filter(Q(user=None) if user_id is None else Q(user_id=user_id), account=account)
            .first()
        )
        if row is None:
            row = DayResult(account=account, user_id=user_id)
        if row.day != day:
            row.told_limit = None
        row.day, row.result, row.as_of, row.why_unknown = day, result, as_of, why_unknown[:200]
        passed = _passed(account, row)
        if passed is not None and passed != row.told_limit:
            row.told_limit = passed
            row.save()
            _tell(account, row, passed)
        else:
            row.save()
    return row


def _passed(account: ExchangeAccount, row: DayResult) -> Decimal | None:
    """Return the highest limit that the loss has reached."""
    if row.result is None:
        return None
    limits = RiskLimit.objects.filter(desk_id=account.desk_id).exclude(max_daily_loss=None)
    reached = [
        one.max_daily_loss
        for one in limits
        if one.user_id == row.user_id
        and one.account_id in (None, account.pk)
        and one.max_daily_loss is not None
        and -row.result >= one.max_daily_loss
    ]
    return max(reached, default=None)


def _tell(account: ExchangeAccount, row: DayResult, limit: Decimal) -> None:
    user = User.objects.filter(pk=row.user_id).first() if row.user_id is not None else None
    whose = f"{user.get_username()} on {account.name}" if user else account.name
    loss = dollars_text(-(row.result or Decimal(0)))
    text = f"Daily loss: {whose} has lost {loss}, the limit is {dollars_text(limit)}. New risk is refused."
    notify_holders(account.desk_id, Permission.LIMIT_MANAGE, "limit.loss", text)
    audit.record(
        "orders.limit.loss_reached",
        actor_id=None,
        desk_id=account.desk_id,
        environment=account.environment,
        target=f"exchange_account:{account.pk}",
        data={"user_id": row.user_id, "day": row.day.isoformat(), "result": row.result, "limit": limit},
    )
    logger.warning("daily loss limit reached on account %s (person %s)", account.pk, row.user_id)
