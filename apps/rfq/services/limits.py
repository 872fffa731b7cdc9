"""A person's limits (`orders.RiskLimit`) on requests, accepts and quotes: size and cost of the largest trade of each,
how many are open at once, and the day's loss.

The other limits are of orders: an RFQ rests nowhere. Asked when something is submitted, and again before it is sent.
Rows of a series or a market count for a combo when they name it or one of its legs.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_UP, Decimal
from typing import Any, Final, Literal

from django.db.models import Q

from apps.accounts.models import ExchangeAccount
from apps.core.errors import DeskError
from apps.core.money import count_text, dollars_text
from apps.core.permissions import Actor
from apps.core.rfq import QuoteState, RfqState
from apps.core.timestamps import utc_now
from apps.orders.services.ask_again import cost_check
from apps.orders.services.day_loss import loss_refusal
from apps.orders.services.limit_rows import Figure, InForce, Within, limits_in_force
from apps.orders.services.limits import LimitUse
from apps.rfq.models import Quote, Rfq
from apps.rfq.services.four_eyes import Size

Kind = Literal["request", "accept", "quote"]
FIELDS: Final[dict[Kind, str]] = {"request": "contracts", "accept": "general", "quote": "yes_bid"}
_LIVE_RFQS: Final = (RfqState.COMMITTED, RfqState.SENDING, RfqState.UNKNOWN, RfqState.OPEN)
_LIVE_QUOTES: Final = (QuoteState.COMMITTED, QuoteState.SENDING, QuoteState.UNKNOWN, QuoteState.OPEN)


def limits_use(
    account: ExchangeAccount,
    *,
    user_id: int,
    size: Size,
    kind: Kind,
    tickers: Sequence[str] = (),
    but: Q | None = None,
) -> list[LimitUse]:
    """Return the limits that speak of this size, with their use; what is not known yet is left out.

    tickers: the market, and those of a combo's legs.
    but: which requests or quotes this one replaces, or is itself: they do not count.
    """
    force = limits_in_force(
        account.desk_id, user_id=user_id, account_id=account.pk, environment=account.environment, tickers=tickers
    )
    found = []
    for name, largest, places in (("max_count", size.contracts, "0.01"), ("max_notional", size.cost, "0.0001")):
        limit = force.of_one.get(name)
        if limit is not None and largest is not None:
            # What a target cost comes to is no round number: never understated.
            use = largest.quantize(Decimal(places), rounding=ROUND_UP)
            words = _words(name, Decimal(limit), use, kind)
            found.append(LimitUse(name, limit, use, words, FIELDS[kind]))
    return found + _open_use(force, account, user_id=user_id, kind=kind, but=but)


def limits_check(
    account: ExchangeAccount,
    *,
    user_id: int,
    size: Size,
    kind: Kind,
    tickers: Sequence[str] = (),
    but: Q | None = None,
) -> None:
    """Raises DeskError `limit_<name>`."""
    uses = limits_use(account, user_id=user_id, size=size, kind=kind, tickers=tickers, but=but)
    for one in uses:
        if not one.is_kept:
            raise DeskError(f"limit_{one.name}", one.text, fields={one.field: one.text})
    # A request by itself binds nobody; a quote may be hit, and an accept trades.
    refused = "" if kind == "request" else loss_stop(account, user_id=user_id)
    if refused:
        raise DeskError("limit_max_daily_loss", refused, fields={FIELDS[kind]: refused})


def ask_again_check(actor: Actor, account: ExchangeAccount, *, size: Size, tickers: Sequence[str] = ()) -> None:
    """Of a quote or an accept by hand, above the limit of that name. Raises DeskError `ask_again`."""
    force = limits_in_force(
        account.desk_id, user_id=actor.user_id, account_id=account.pk, environment=account.environment, tickers=tickers
    )
    cost_check(actor, force, size.cost)


def loss_stop(account: ExchangeAccount, *, user_id: int) -> str:
    """Return why no new risk may be taken on this account now; "" when it may."""
    force = limits_in_force(account.desk_id, user_id=user_id, account_id=account.pk)
    return loss_refusal(force.losses, account_id=account.pk, now=utc_now())


def _open_use(force: InForce, account: ExchangeAccount, *, user_id: int, kind: Kind, but: Q | None) -> list[LimitUse]:
    """How many requests or quotes of this person are open at once; an accept adds none."""
    name = {"request": "max_open_rfqs", "quote": "max_open_quotes"}.get(kind)
    limits: Mapping[Within, Figure] = {within: value for (one, within), value in force.counted.items() if one == name}
    if name is None or not limits:
        return []
    model: Any = Rfq if kind == "request" else Quote
    states = _LIVE_RFQS if kind == "request" else _LIVE_QUOTES
    legs = "legs" if kind == "request" else "incoming__legs"
    mine = model.objects.filter(account=account, placed_by_id=user_id, state__in=states)
    if but is not None:
        mine = mine.exclude(but)
    rows = [(ticker, market_tickers(parts)) for ticker, parts in mine.values_list("ticker", legs)]
    found = []
    for within, limit in limits.items():
        use = 1 + sum(_is_within(within, (ticker, *legs)) for ticker, legs in rows)
        what = "requests" if kind == "request" else "quotes"
        words = f"Your limit is {limit} open {what} at once{within.words}; this would make {use}."
        found.append(LimitUse(name, limit, use, words, FIELDS[kind], within.words.strip()))
    return found


def open_rows(account_id: int) -> Iterator[tuple[int | None, str, tuple[str, ...]]]:
    """Yield what is open of an account, for the page of limits: person, limit, and the market with a combo's legs."""
    models: tuple[tuple[str, Any, Any, str], ...] = (
        ("max_open_rfqs", Rfq, _LIVE_RFQS, "legs"),
        ("max_open_quotes", Quote, _LIVE_QUOTES, "incoming__legs"),
    )
    for name, model, states, legs in models:
        rows = model.objects.filter(account_id=account_id, state__in=states)
        for user_id, ticker, parts in rows.values_list("placed_by_id", "ticker", legs):
            yield user_id, name, (ticker, *market_tickers(parts))


def market_tickers(legs: Sequence[Mapping[str, Any]] | None) -> tuple[str, ...]:
    """The markets of a combo's stored legs."""
    return tuple(leg["market_ticker"] for leg in legs or ())


def _is_within(within: Within, tickers: Sequence[str]) -> bool:
    if within.ticker:
        return within.ticker in tickers
    return not within.series or any(ticker.split("-")[0] == within.series for ticker in tickers)


def _words(name: str, limit: Decimal, use: Decimal, kind: Kind) -> str:
    if name == "max_count":
        if kind == "quote":
            return f"Your limit is {count_text(limit)} contracts in one trade; a hit could bring {count_text(use)}."
        return f"Your limit is {count_text(limit)} contracts in one {kind}; this is {count_text(use)}."
    if kind == "quote":
        return f"Your limit is {dollars_text(limit)} in one trade; a hit could cost {dollars_text(use)}."
    return f"Your limit is {dollars_text(limit)} in one {kind}; this is up to {dollars_text(use)}."
