"""Gather what the last look looks at: pauses, rights, the exchange, live prices, limits, what is held and owed."""

import functools
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.core.combos import bounds
from apps.core.errors import DeskError, WireFormatError
from apps.core.last_look import LastLook
from apps.core.money import parse_price
from apps.core.permissions import Permission
from apps.core.rfq import Outcome, QuotePrices, QuoteState
from apps.core.timestamps import from_unix_ms, to_unix_ms, utc_now
from apps.exchange.selectors import FEED_PREFIX, FeedState
from apps.exchange.wire.api import markets as api
from apps.exchange.wire.client import ExchangeClient
from apps.orders.access import actor_of
from apps.orders.services.checks import STATUS_TRUSTED_FOR, holding_of
from apps.orders.services.limit_rows import limits_of
from apps.orders.services.pauses import pause_check
from apps.orders.services.quotes import Quotes, quotes_of
from apps.rfq import stored
from apps.rfq.models import FairMark, IncomingRfq, Quote
from apps.rfq.services.limits import loss_stop, market_tickers

logger = logging.getLogger(__name__)

# Sources of rules whose values people set: as good as their own end says.
MARKED = ("manual", "file")
BOOKS_AT_ONCE = 100  # of one call


@dataclass(frozen=True, slots=True)
class Prices:
    """Live value of one YES, and the feed that it comes from. None: not known."""

    feed: FeedState
    fair_yes: Decimal | None = None
    yes_bid: Decimal | None = None
    yes_ask: Decimal | None = None
    marked_at: datetime | None = None  # the value is a mark in force at this moment, not a live price

    @property
    def priced_at(self) -> datetime | None:
        if self.marked_at is not None:
            return self.marked_at
        if self.fair_yes is None or self.feed.frame_ms is None:
            return None
        return from_unix_ms(self.feed.frame_ms)

    def as_book(self) -> dict[str, str | None]:
        """What is kept with a quote: prices as they were, and the value that its moves are measured from."""

        def text(value: Decimal | None) -> str | None:
            return None if value is None else str(value)

        return {"yes_bid": text(self.yes_bid), "yes_ask": text(self.yes_ask), "reference": text(self.fair_yes)}


def prices_of(environment: str, incoming: IncomingRfq) -> Prices:
    """Return the middle of the live book; of a combo without one, the product of its legs' middles."""
    feed = feed_state(environment)
    if feed.state == "down":
        return Prices(feed)
    quotes = quotes_of(environment, incoming.ticker)
    bid, ask = (quotes.bid, quotes.ask) if quotes is not None and quotes.is_live else (None, None)
    fair = _middle(quotes)
    if fair is None:
        fair = _chances_product(incoming, functools.partial(quotes_of, environment))
    return Prices(feed, fair, bid, ask)


def prices_read(
    client: ExchangeClient, requests: Collection[IncomingRfq], *, why: str, now: datetime | None = None
) -> dict[int, Prices]:
    """Read from the exchange what the feed does not bring: prices by row id of the request, as of the call.

    why: what is wrong with the feed, in words. Raises ExchangeError, WireFormatError.
    """
    at = now or utc_now()
    tickers = {name for one in requests for name in (one.ticker, *(leg["market_ticker"] for leg in one.legs))}
    middles: dict[str, Quotes] = {}
    wanted = sorted(tickers)
    for start in range(0, len(wanted), BOOKS_AT_ONCE):
        for ticker, levels in api.get_orderbooks(client, wanted[start : start + BOOKS_AT_ONCE]).items():
            yes, no = levels.yes_dollars, levels.no_dollars
            bid = parse_price(yes[-1][0]) if yes else None
            middles[ticker] = Quotes(bid, 1 - parse_price(no[-1][0]) if no else None)
    feed = FeedState("read", f"{why or 'No live prices'}: the book was read from the exchange.", to_unix_ms(at))
    found = {}
    for one in requests:
        book = middles.get(one.ticker, Quotes(None, None))
        fair = _middle(book)
        if fair is None:
            fair = _chances_product(one, middles.get)
        found[one.pk] = Prices(feed, fair, book.bid, book.ask)
    return found


def prices_for(quote: Quote, *, now: datetime | None = None, seen: Prices | None = None) -> Prices:
    """Return what a quote is judged by: live prices, or the mark that the rule behind it prices by.

    seen: prices that were read instead.
    """
    prices = seen or prices_of(quote.account.environment, quote.incoming)
    source = quote.book_at_send.get("fair_source")
    if source not in MARKED:
        return prices
    now = now or utc_now()
    mark = (
        FairMark.objects.filter(
            desk_id=quote.desk_id, environment=quote.account.environment, ticker=quote.ticker, source=source
        )
        .exclude(ends_at__lte=now)
        .first()
    )
    if mark is None:  # it ended, or was taken back: nothing else stands for it
        return replace(prices, fair_yes=None)
    return replace(prices, fair_yes=mark.yes, marked_at=now)


def look_at(
    quote: Quote, *, side: Outcome | None, contracts: Decimal | None, prices: Prices, now: datetime
) -> LastLook:
    """Return what the last look of an accepted quote looks at; the caller holds the account's lock."""
    environment = quote.account.environment
    status = stored.status_of(environment)
    is_told = status is not None and status.checked_at is not None and now - status.checked_at <= STATUS_TRUSTED_FOR
    market = stored.market_of(environment, quote.ticker)
    limits = limits_of(
        quote.desk_id,
        user_id=quote.placed_by_id or 0,
        account_id=quote.account_id,
        environment=environment,
        tickers=(quote.ticker, *market_tickers(quote.incoming.legs)),
    )
    position, cash = _held(quote)
    return LastLook(
        now=now,
        paused=_paused(quote),
        may_not=_may_not(quote),
        exchange_active=status.exchange_active if status is not None and is_told else None,
        trading_active=status.trading_active if status is not None and is_told else None,
        market_status="" if market is None else market.status,
        market_closes_at=None if market is None else market.close_time,
        feed=prices.feed.state,
        feed_why=prices.feed.why,
        priced_at=prices.priced_at,
        fair_at_quote=reference_of(quote),
        fair_now=prices.fair_yes,
        max_move=quote.max_move,
        accepted_side="" if side is None else side.value,
        price=None if side is None else QuotePrices(quote.yes_bid, quote.no_bid).maker_price(side),
        contracts=contracts,
        position=position,
        cash=cash,
        max_count=_decimal(limits.get("max_count")),
        max_notional=_decimal(limits.get("max_notional")),
        max_open_contracts=_decimal(limits.get("max_open_contracts")),
    )


def reference_of(quote: Quote) -> Decimal | None:
    """What one YES was worth when we quoted, by the same source as `prices_of`."""
    kept: dict[str, Any] = quote.book_at_send
    try:
        if kept.get("reference"):
            return Decimal(kept["reference"])
        if kept.get("yes_bid") and kept.get("yes_ask"):
            return (parse_price(kept["yes_bid"]) + parse_price(kept["yes_ask"])) / 2
    except (ArithmeticError, WireFormatError, TypeError) as exc:
        logger.warning("the prices kept with quote %s cannot be read: %s", quote.pk, exc)
    return None


def quoted_tickers(environment: str) -> set[str]:
    """The markets that our open quotes are judged by, for the gateway: their books, and those of their legs."""
    rows = Quote.objects.filter(
        account__environment=environment,
        state__in=[QuoteState.COMMITTED, QuoteState.SENDING, QuoteState.UNKNOWN, QuoteState.OPEN, QuoteState.ACCEPTED],
    )
    wanted: set[str] = set()
    for ticker, legs in rows.values_list("ticker", "incoming__legs"):
        wanted.add(ticker)
        wanted.update(leg["market_ticker"] for leg in legs)
    return wanted


def feed_state(environment: str) -> FeedState:
    """`exchange.selectors.feed_state` that gives up at once: a window of three seconds waits for it."""
    try:
        raw = _client(settings.REDIS_URL).get(FEED_PREFIX + environment)
    except (redis.RedisError, OSError):
        return FeedState("down", "the live data server (Redis) cannot be reached")
    return msgspec.json.decode(raw, type=FeedState) if raw else FeedState("down", "the gateway is not connected")


def _chances_product(incoming: IncomingRfq, book_of: Callable[[str], Quotes | None]) -> Decimal | None:
    chances = []
    for leg in incoming.legs:
        middle = _middle(book_of(leg["market_ticker"]))
        if middle is None:
            return None
        chances.append(middle if leg["side"] == Outcome.YES else 1 - middle)
    return bounds(chances).product if chances else None


def _middle(quotes: Quotes | None) -> Decimal | None:
    if quotes is None or not quotes.is_live or quotes.bid is None or quotes.ask is None:
        return None
    return (quotes.bid + quotes.ask) / 2


def _held(quote: Quote) -> tuple[Decimal | None, Decimal | None]:
    """Return position and free cash, as if all that was confirmed and is not filled yet had been filled."""
    holding = holding_of(quote.account_id, quote.subaccount, quote.ticker)
    position, cash = holding.position, holding.cash
    for contracts, accepted_side, prices, ticker in stored.pending_beside(quote):
        if contracts is None or not accepted_side:
            continue
        side = Outcome(accepted_side)
        price = prices.maker_price(side)
        if cash is not None and price is not None:
            cash -= price * contracts
        if position is not None and ticker == quote.ticker:
            position += contracts if side is Outcome.YES else -contracts
    return position, cash


def _paused(quote: Quote) -> str:
    try:
        pause_check(user_id=quote.placed_by_id or 0, desk_id=quote.desk_id)
    except DeskError as exc:
        return exc.text
    return ""


def _may_not(quote: Quote) -> str:
    """Who quoted must still have the right; a quote that was made elsewhere has nobody to ask."""
    if quote.placed_by_id is None:
        return ""
    actor = actor_of(user_id=quote.placed_by_id, desk_id=quote.desk_id)
    if actor is not None and actor.may_on(Permission.RFQ_TRADE, quote.account_id, quote.subaccount):
        return loss_stop(quote.account, user_id=actor.user_id)
    return "The person who quoted may no longer trade requests on this desk."


def _decimal(value: Decimal | int | None) -> Decimal | None:
    return None if value is None else Decimal(value)


@functools.lru_cache(maxsize=4)
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, socket_timeout=0.2, socket_connect_timeout=0.2, retry=Retry(NoBackoff(), 1), client_name="desk-last-look"
    )
