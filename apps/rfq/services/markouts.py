"""What a filled quote of ours was worth 10 s, 1 min and 10 min later, and at settlement: YES prices, dollars.

Taken from the live book's middle when it is due. What could not be taken then is not made up
later: the row says why not.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q

from apps.core.rfq import QuoteState
from apps.core.timestamps import utc_now
from apps.markets.models import Market
from apps.orders.services.quotes import quotes_of
from apps.rfq.models import Markout, Quote

SETTLE = "settle"
HORIZONS = {"10s": timedelta(seconds=10), "1m": timedelta(minutes=1), "10m": timedelta(minutes=10)}
ALL_HORIZONS = (*HORIZONS, SETTLE)
# A price this much later than its horizon is another horizon's price: a tenth of it, and no less than beat may be late.
_LEAST_LATE = timedelta(seconds=5)
_SETTLE_AGAIN = timedelta(minutes=5)
_SETTLE_GIVEN_UP = timedelta(days=60)
_MOST_AT_ONCE = 200

NO_BOOK = "no live book with both sides"
TOO_LATE = "the desk was not running when it was due"
NOT_SETTLED = "the market was not settled within 60 days"
NO_MARKET = "the market is not in the catalogue"


def markouts_sweep(*, now: datetime | None = None) -> int:
    """Write down what is to be taken of newly executed quotes, and take what is due; returns how many were taken."""
    now = now or utc_now()
    _plan(now=now)
    due = Markout.objects.filter(taken_at=None, due_at__lte=now).select_related("quote__account")
    return sum(_take(markout, now=now) for markout in due.order_by("due_at")[:_MOST_AT_ONCE])


def wanted_tickers(environment: str) -> set[str]:
    """Return the markets whose books are needed soon: the gateway keeps them, whether or not somebody looks."""
    soon = Markout.objects.filter(taken_at=None, horizon__in=HORIZONS, quote__account__environment=environment)
    return set(soon.values_list("quote__ticker", flat=True))


def _plan(*, now: datetime) -> None:
    fresh = Quote.objects.filter(state=QuoteState.EXECUTED, markouts=None).select_related("account", "confirmation")
    for quote in fresh.order_by("pk")[:_MOST_AT_ONCE]:
        confirmation = getattr(quote, "confirmation", None)
        executed_at = (confirmation and confirmation.executed_at) or quote.ended_at or now
        rows = [Markout(quote=quote, horizon=name, due_at=executed_at + after) for name, after in HORIZONS.items()]
        rows.append(Markout(quote=quote, horizon=SETTLE, due_at=_close_of(quote) or executed_at))
        # Two sweeps at once plan the same.
        Markout.objects.bulk_create(rows, ignore_conflicts=True)


def _take(markout: Markout, *, now: datetime) -> bool:
    if markout.horizon == SETTLE:
        return _settle(markout, now=now)
    late = max(_LEAST_LATE, HORIZONS[markout.horizon] / 10)
    if now - markout.due_at > late:
        return _write(markout, None, TOO_LATE, now=now)
    found = quotes_of(markout.quote.account.environment, markout.quote.ticker)
    if found is None or not found.is_live or found.bid is None or found.ask is None:
        # The book may come within what still counts as this horizon.
        return now - markout.due_at > late / 2 and _write(markout, None, NO_BOOK, now=now)
    return _write(markout, (found.bid + found.ask) / 2, "", now=now)


def _settle(markout: Markout, *, now: datetime) -> bool:
    quote = markout.quote
    market = Market.objects.filter(environment=quote.account.environment, ticker=quote.ticker).first()
    value = None if market is None else settlement_of(market)
    if value is not None:
        return _write(markout, value, "", now=now)
    if now - quote.created_at > _SETTLE_GIVEN_UP:
        return _write(markout, None, NO_MARKET if market is None else NOT_SETTLED, now=now)
    again = now + _SETTLE_AGAIN
    if market is not None and market.close_time is not None:
        again = max(again, market.close_time)
    Markout.objects.filter(pk=markout.pk, taken_at=None).update(due_at=again)
    return False


def settlement_of(market: Market) -> Decimal | None:
    """Return what one YES paid, dollars; None before the exchange has said so."""
    value: Decimal | None = market.settlement_value
    return value if value is not None else {"yes": Decimal(1), "no": Decimal(0)}.get(market.result)


def _close_of(quote: Quote) -> datetime | None:
    known = Market.objects.filter(environment=quote.account.environment, ticker=quote.ticker)
    return known.filter(~Q(close_time=None)).values_list("close_time", flat=True).first()


def _write(markout: Markout, yes_mid: Decimal | None, why_not: str, *, now: datetime) -> bool:
    """Once: of two sweeps at once the first has taken it."""
    rows = Markout.objects.filter(pk=markout.pk, taken_at=None)
    return rows.update(yes_mid=yes_mid, why_not=why_not, taken_at=now) == 1
