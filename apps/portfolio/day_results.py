"""The running figure behind limits of the day's loss: what the trading day has brought, by account and by person.

An account's: realised less fees, plus what its open contracts have gained at the desk's marks since the day began; the
same figures as the portfolio's. A person's: the fills of their own orders of today against those marks, less fees.
Positions are the account's, so what was held over night is nobody's alone and counts for the account only.

Worked out after each reading of the account, and only where such a limit is set; orders read the row (`day_loss`).
"""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from apps.accounts.models import ExchangeAccount
from apps.core.pnl_days import day_start, trading_day
from apps.core.timestamps import utc_now
from apps.orders.models import BookSide, Fill
from apps.orders.services.day_loss import day_result_store, loss_people
from apps.portfolio.equity import value_of
from apps.portfolio.figures import day_figures
from apps.portfolio.figures_marks import Mark, marks_of
from apps.portfolio.models import Balance, Position

ZERO = Decimal(0)


def day_results_record(account_id: int, *, now: datetime | None = None) -> None:
    """Bring the figures of one account up to date. Reads the exchange for nothing; safe to repeat."""
    now = utc_now() if now is None else now
    account = ExchangeAccount.objects.get(pk=account_id)
    is_wanted, people = loss_people(account)
    if not is_wanted and not people:
        return
    read = list(Balance.objects.filter(account=account).values_list("seen_at", flat=True))
    # As old as the oldest part of it; never read is as old as can be.
    as_of = min(read, default=day_start(trading_day(now)))
    day = trading_day(now)
    held = list(Position.objects.filter(account=account).exclude(position=0))
    fills = _fills(account, day, people)
    marks = marks_of(account.environment, {row.ticker for row in held} | {fill.ticker for _, fill in fills})
    if is_wanted:
        result, why = account_result(account, held, marks, now=now)
        day_result_store(account, user_id=None, day=day, result=result, as_of=as_of, why_unknown=why)
    for user_id in people:
        result, why = trades_result((fill for person, fill in fills if person == user_id), marks)
        day_result_store(account, user_id=user_id, day=day, result=result, as_of=as_of, why_unknown=why)


def account_result(
    account: ExchangeAccount, held: list[Position], marks: dict[str, Mark], *, now: datetime
) -> tuple[Decimal | None, str]:
    """Return what the day has brought the account, dollars after fees; None with the reason where it is not known."""
    figures = day_figures(account.pk, now=now)
    worth = value_of(held, marks)
    if worth is None:
        return None, "an open position has no price"
    if figures.start is None:
        return None, "what it had when the day began is not known"
    if figures.start.unrealized is None:
        return None, "a position had no price when the day began"
    unrealized = worth - sum((row.cost for row in held), start=ZERO)
    return figures.total.net + unrealized - figures.start.unrealized, ""


def trades_result(fills: Iterable[Fill], marks: dict[str, Mark]) -> tuple[Decimal | None, str]:
    """Return what some fills are worth now against what they cost, dollars after fees; as `account_result`."""
    total = ZERO
    for fill in fills:
        mark = marks[fill.ticker]
        total -= fill.fee
        if mark.is_void:
            continue  # given back at what it cost
        if mark.price is None:
            return None, f"{fill.ticker} has no price"
        gained = (mark.price - fill.yes_price) * fill.count
        total += gained if fill.book_side == BookSide.BID else -gained
    return total, ""


def _fills(account: ExchangeAccount, day: date, people: list[int]) -> list[tuple[int, Fill]]:
    """Return today's fills of these people's own orders, each with whose it is."""
    if not people:
        return []
    rows = Fill.objects.filter(
        account=account, traded_at__gte=day_start(day), order__intent__placed_by_id__in=people
    ).select_related("order__intent")
    return [(row.order.intent.placed_by_id, row) for row in rows if row.order and row.order.intent]
