"""What pages and previews read about markets. Nothing here needs a key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.cache import cache
from django.db.models import Count, ExpressionWrapper, F, OrderBy, Prefetch, Q, QuerySet

from apps.core.errors import DeskError, NotFound, WireFormatError
from apps.core.fees import FeeNotKnown
from apps.core.fields import PriceField
from apps.core.grid import PriceGrid
from apps.core.money import parse_price
from apps.core.timestamps import to_unix_seconds, utc_now
from apps.exchange.clients import environment_client
from apps.exchange.wire.api.calls import segment
from apps.exchange.wire.errors import ExchangeError
from apps.markets.fee_changes import series_fees
from apps.markets.incentives import rewarded_now
from apps.markets.models import Event, Market, Series, Watchlist

LIST_AT_MOST = 500
OPEN_STATUSES = ("active", "inactive", "initialized")

# What a reader of the list may choose; the values are ours, the exchange's words are on the rows.
STATUS_FILTERS: dict[str, tuple[str, ...]] = {
    "open": ("active",),
    "paused": ("inactive",),
    "unopened": ("initialized",),
    "closed": ("closed", "determined", "disputed", "amended"),
    "settled": ("finalized",),
    "unlisted": ("unlisted",),
}
# Sort key -> column or expression, and whether a plain key runs downwards. "-" before a key turns it round.
_SPREAD = ExpressionWrapper(F("yes_ask") - F("yes_bid"), output_field=PriceField())
SORTS: dict[str, tuple[Any, bool]] = {
    "volume": (F("volume_24h"), True),
    "open_interest": (F("open_interest"), True),
    "close": (F("close_time"), False),
    "ticker": (F("ticker"), False),
    "last": (F("last_price"), True),
    "spread": (_SPREAD, False),
}


@dataclass(frozen=True, slots=True)
class MarketFilter:
    """What the list of markets shows. Empty or None: no limit.

    sort: a key of SORTS, with "-" before it the other way round; anything else is "volume".
    text: every word must occur in ticker, titles or the event's title, in any case.
    status: a key of STATUS_FILTERS, an exact status of the exchange, or "" for all.
    """

    text: str = ""
    category: str = ""
    series: str = ""
    event: str = ""
    status: str = "open"
    closes_before: datetime | None = None
    closes_after: datetime | None = None
    tickers: Sequence[str] | None = None  # of a watchlist; an empty one shows nothing
    series_in: Sequence[str] | None = None  # of a tag; an empty one shows nothing
    max_spread: Decimal | None = None  # dollars; leaves out markets that are not quoted on both sides
    min_volume_24h: Decimal | None = None  # contracts
    is_rewarded: bool = False  # only where an incentive program runs
    sort: str = "volume"


@dataclass(frozen=True, slots=True)
class MarketPage:
    markets: list[Market]  # each with its event
    total: int
    limit: int
    offset: int

    @property
    def has_more(self) -> bool:
        return self.offset + len(self.markets) < self.total


def markets_list(
    environment: str, *, filters: MarketFilter | None = None, limit: int = 50, offset: int = 0
) -> MarketPage:
    """Return one page of markets, at most LIST_AT_MOST. Three queries' worth, whatever the size."""
    chosen = filters or MarketFilter()
    limit = max(1, min(limit, LIST_AT_MOST))
    offset = max(0, offset)
    query = _filtered(environment, Market.objects.filter(environment=environment), chosen)
    total = query.count()
    ordered = query.select_related("event").order_by(*_ordering(chosen.sort))
    return MarketPage(list(ordered[offset : offset + limit]), total, limit, offset)


def market_get(environment: str, ticker: str) -> Market:
    """Return one market with its event. Raises NotFound."""
    market = Market.objects.select_related("event").filter(environment=environment, ticker=ticker).first()
    if market is None:
        raise NotFound(f"There is no market {ticker[:120]} in this environment.")
    return market


def markets_known(environment: str, tickers: Iterable[str]) -> set[str]:
    """Return which of `tickers` the catalogue holds."""
    rows = Market.objects.filter(environment=environment, ticker__in=list(tickers))
    return set(rows.values_list("ticker", flat=True))


def markets_by_ticker(environment: str, tickers: Iterable[str]) -> dict[str, Market]:
    """Return the markets that the catalogue holds, by ticker (one query)."""
    rows = Market.objects.select_related("event").filter(environment=environment, ticker__in=list(tickers))
    return {market.ticker: market for market in rows}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One market of an event and what its prices say about its chance, dollars of 1 (None: nobody quotes)."""

    market: Market
    bid: Decimal | None
    ask: Decimal | None
    probability: Decimal | None


@dataclass(frozen=True, slots=True)
class EventView:
    """An event with its markets side by side.

    The sums are over markets that can still trade. A mutually exclusive set should come to 1: buying
    every YES costs `ask_sum`, selling every YES brings `bid_sum`. None when a quote is missing.
    """

    event: Event
    series: Series | None
    outcomes: list[Outcome]
    probability_sum: Decimal | None
    bid_sum: Decimal | None
    ask_sum: Decimal | None


def event_get(environment: str, ticker: str) -> EventView:
    """Return an event with all its markets, by last known chance. Raises NotFound."""
    markets = Prefetch("markets", queryset=Market.objects.order_by("ticker"))
    event = Event.objects.prefetch_related(markets).filter(environment=environment, ticker=ticker).first()
    if event is None:
        raise NotFound(f"There is no event {ticker[:120]} in this environment.")
    outcomes = [outcome_of(market) for market in event.markets.all()]
    outcomes.sort(key=lambda one: one.probability if one.probability is not None else Decimal(-1), reverse=True)
    tradable = [one for one in outcomes if one.market.status in OPEN_STATUSES]
    series = Series.objects.filter(environment=environment, ticker=event.series_ticker).first()
    return EventView(
        event,
        series,
        outcomes,
        probability_sum=_sum(one.probability for one in tradable),
        bid_sum=_sum(one.bid for one in tradable),
        ask_sum=_sum(one.ask for one in tradable),
    )


def outcome_of(market: Market) -> Outcome:
    """Return the chance that a market's quotes imply: the middle of bid and ask, else the last price."""
    bid = market.yes_bid if market.yes_bid else None
    ask = market.yes_ask if market.yes_ask and market.yes_ask < 1 else None
    if bid is not None and ask is not None:
        probability: Decimal | None = (bid + ask) / 2
    else:
        probability = market.last_price if market.last_price else None
    return Outcome(market, bid, ask, probability)


def series_get(environment: str, ticker: str) -> Series:
    """Raises NotFound."""
    series = Series.objects.filter(environment=environment, ticker=ticker).first()
    if series is None:
        raise NotFound(f"There is no series {ticker[:80]} in this environment.")
    return series


def series_list(environment: str, *, category: str = "") -> list[Series]:
    """Return the series that have markets, by title."""
    used = Market.objects.filter(environment=environment).order_by().values("series_ticker").distinct()
    query = Series.objects.filter(environment=environment, ticker__in=used)
    if category:
        query = query.filter(category=category)
    return list(query.order_by("title", "ticker"))


def categories(environment: str) -> list[tuple[str, int]]:
    """Return (category, number of open markets) of all categories with open markets, by name."""
    rows = (
        Market.objects.filter(environment=environment, status__in=OPEN_STATUSES)
        .exclude(event__category="")
        .order_by("event__category")
        .values_list("event__category")
        .annotate(markets=Count("pk"))
    )
    return [(str(category), int(count)) for category, count in rows]


def watchlists(desk_id: int, environment: str, *, user_id: int) -> list[Watchlist]:
    """Return the desk's shared lists and the person's own, by name."""
    mine = Q(owner=None) | Q(owner_id=user_id)
    return list(Watchlist.objects.filter(mine, desk_id=desk_id, environment=environment).order_by("name", "pk"))


# --- what an order needs to know -------------------------------------------------------------


def price_grid(market: Market) -> PriceGrid:
    """Return the prices at which the market takes orders.

    Raises:
        DeskError: the exchange gave no usable price ranges; nobody should guess a tick size.
    """
    try:
        return PriceGrid.from_ranges(market.price_ranges)
    except WireFormatError as exc:
        raise DeskError(
            "no_price_grid", f"The exchange gave no usable prices for {market.ticker}, so it cannot be traded here yet."
        ) from exc


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """What decides a market's trade fees (docs: fee schedule); the formula is core.fees'.

    fee_type: quadratic | quadratic_with_maker_fees | flat, or a newer word.
    waived_until: no fee on trades before this time.
    """

    fee_type: str
    multiplier: Decimal
    waived_until: datetime | None

    def is_waived(self, at: datetime) -> bool:
        return self.waived_until is not None and at < self.waived_until


def fee_terms(market: Market, *, now: datetime | None = None) -> FeeTerms:
    """Return a market's fee terms at `now`: the event's override wins over its series.

    Raises:
        DeskError: neither is known, so that no preview may show a fee.
    """
    series = series_fees(market.environment, market.series_ticker)
    try:
        own = series.at(now or utc_now()) if series else (None, None)
    except FeeNotKnown:
        own = (None, None)
    fee_type = market.event.fee_type_override or own[0]
    raw = market.event.fee_multiplier_override or own[1]
    try:
        multiplier = Decimal(raw) if raw is not None else None
    except InvalidOperation:
        multiplier = None
    if fee_type is None or multiplier is None or not multiplier.is_finite():
        raise DeskError("no_fee_terms", f"The fees of {market.ticker} are not known yet. The next sync reads them.")
    return FeeTerms(fee_type, multiplier, market.fee_waiver_expiration_time)


# --- candles ---------------------------------------------------------------------------------

PERIODS = (1, 60, 1440)  # minutes (docs: GET candlesticks)
CANDLES_AT_MOST = 5_000
CANDLES_KEPT_SECONDS = 5


def candles(
    environment: str, ticker: str, *, period: int, start: datetime, end: datetime | None = None
) -> list[dict[str, Any]]:
    """Return candles of a market, oldest first, by REST through a cache of a few seconds.

    Each: {"end_ts" (Unix seconds), "open", "high", "low", "close", "volume", "open_interest",
    "previous", "bid", "ask"}; prices are dollar strings, None when the period had no trade ("bid" and
    "ask" are the closing quotes).

    Args:
        period: minutes, one of PERIODS.

    Raises:
        NotFound: no such market.
        DeskError: a period that does not exist, too many candles, or the exchange gave none.
    """
    until = end or utc_now()
    if period not in PERIODS:
        raise DeskError("bad_period", f"There are candles of {', '.join(map(str, PERIODS))} minutes.")
    seconds = period * 60
    # Whole periods, so that readers within one period share an answer.
    first = to_unix_seconds(start) // seconds * seconds
    last = -(-to_unix_seconds(until) // seconds) * seconds
    if last <= first or (last - first) // seconds > CANDLES_AT_MOST:
        raise DeskError(
            "bad_range", f"Ask for 1 to {CANDLES_AT_MOST} candles: choose a shorter range or longer period."
        )
    market = market_get(environment, ticker)
    key = f"candles:{environment}:{ticker}:{period}:{first}:{last}"
    kept: list[dict[str, Any]] | None = cache.get(key)
    if kept is not None:
        return kept
    try:
        body = environment_client(environment).get(
            f"/series/{segment(market.series_ticker)}/markets/{segment(ticker)}/candlesticks",
            params={"start_ts": first, "end_ts": last, "period_interval": period},
        )
    except ExchangeError as exc:
        raise DeskError("no_candles", f"The exchange gave no candles: {exc.text}") from exc
    read = [_candle(raw) for raw in body.get("candlesticks") or [] if isinstance(raw, dict)]
    cache.set(key, read, timeout=CANDLES_KEPT_SECONDS)
    return read


def _candle(raw: dict[str, Any]) -> dict[str, Any]:
    price = raw.get("price") or {}
    return {
        "end_ts": raw.get("end_period_ts"),
        "open": _candle_price(price.get("open_dollars")),
        "high": _candle_price(price.get("high_dollars")),
        "low": _candle_price(price.get("low_dollars")),
        "close": _candle_price(price.get("close_dollars")),
        "previous": _candle_price(price.get("previous_dollars")),
        "volume": raw.get("volume_fp"),
        "open_interest": raw.get("open_interest_fp"),
        "bid": _candle_price((raw.get("yes_bid") or {}).get("close_dollars")),
        "ask": _candle_price((raw.get("yes_ask") or {}).get("close_dollars")),
    }


def _candle_price(raw: Any) -> str | None:
    try:
        return str(parse_price(raw)) if raw is not None else None
    except WireFormatError:
        return None


# --- plumbing --------------------------------------------------------------------------------


def _filtered(environment: str, query: QuerySet[Market], chosen: MarketFilter) -> QuerySet[Market]:
    for word in chosen.text.split()[:8]:
        query = query.filter(
            Q(ticker__icontains=word)
            | Q(title__icontains=word)
            | Q(yes_sub_title__icontains=word)
            | Q(event__title__icontains=word)
            | Q(event__sub_title__icontains=word)
        )
    if not (chosen.text or chosen.event or chosen.series) and chosen.tickers is None:
        # Combos are made by the thousand; a list of everything shows the markets that they are made of.
        query = query.filter(mve_collection_ticker="")
    if chosen.status:
        query = query.filter(status__in=STATUS_FILTERS.get(chosen.status, (chosen.status,)))
    if chosen.category:
        query = query.filter(event__category=chosen.category)
    if chosen.series:
        query = query.filter(series_ticker=chosen.series)
    if chosen.event:
        query = query.filter(event__ticker=chosen.event)
    if chosen.closes_before is not None:
        query = query.filter(close_time__lt=chosen.closes_before)
    if chosen.closes_after is not None:
        query = query.filter(close_time__gte=chosen.closes_after)
    if chosen.tickers is not None:
        query = query.filter(ticker__in=list(chosen.tickers))
    if chosen.series_in is not None:
        query = query.filter(series_ticker__in=list(chosen.series_in))
    if chosen.is_rewarded:
        query = query.filter(ticker__in=rewarded_now(environment).values("market_ticker"))
    if chosen.min_volume_24h is not None:
        query = query.filter(volume_24h__gte=chosen.min_volume_24h)
    if chosen.max_spread is not None:
        quoted = query.filter(yes_bid__gt=Decimal(0), yes_ask__lt=Decimal(1), yes_ask__gt=Decimal(0))
        query = quoted.annotate(spread=_SPREAD).filter(spread__lte=chosen.max_spread)
    return query


def _ordering(sort: str) -> tuple[OrderBy, ...]:
    """The ticker makes every order total, so that pages neither repeat nor skip; unknown values come last."""
    column, is_down = SORTS.get(sort.removeprefix("-"), SORTS["volume"])
    if sort.startswith("-"):
        is_down = not is_down
    first = column.desc(nulls_last=True) if is_down else column.asc(nulls_last=True)
    return first, F("ticker").asc()


def _sum(values: Iterable[Decimal | None]) -> Decimal | None:
    known = list(values)
    if not known or None in known:
        return None
    return sum((value for value in known if value is not None), Decimal(0))
