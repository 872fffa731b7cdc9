"""Public trades and candles of chosen markets, which are kept for history alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Count, Min

from apps.core.errors import NotFound, WireFormatError
from apps.core.money import parse_count, parse_price
from apps.core.timestamps import from_unix_seconds, parse_rfc3339, to_unix_seconds
from apps.exchange.wire.api.calls import segment
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import Refused, missing_object
from apps.exchange.wire.schemas import rest
from apps.history.models import Candle, PublicTrade
from apps.history.sync.listing import HISTORICAL, LIVE, Answer, Listing, Place
from apps.history.sync.names import BulkReader
from apps.markets.models import Market
from apps.markets.services import markets_fetch

MINUTE = timedelta(minutes=1)
WINDOW = 4_000 * MINUTE  # of candles in one answer; the exchange gives at most 5,000
_FINAL = "finalized"
# Without an opening time: candles are looked for this far back.
_UNKNOWN_OPENING = timedelta(days=90)


# --- trades --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TradeReport:
    """taker_side: "yes" or "no", what the taker bought; price of the YES leg, dollars."""

    trade_id: str
    ticker: str
    yes_price: Decimal
    count: Decimal
    taker_side: str
    traded_at: datetime


def _trade(record: rest.PublicTrade) -> TradeReport:
    if not record.trade_id or record.created_time is None:
        raise WireFormatError("a trade without an id or a time")
    side = record.taker_outcome_side or {"bid": "yes", "ask": "no"}.get(record.taker_book_side, "")
    return TradeReport(
        trade_id=record.trade_id,
        ticker=record.ticker,
        yes_price=parse_price(record.yes_price_dollars),
        count=parse_count(record.count_fp),
        taker_side=side if side in ("yes", "no") else "",
        traded_at=parse_rfc3339(record.created_time),
    )


TRADES = {
    LIVE: Listing("/markets/trades", "trades", rest.PublicTrade, _trade, lambda one: one.traded_at, has_min_ts=True),
    HISTORICAL: Listing(
        "/historical/trades", "trades", rest.PublicTrade, _trade, lambda one: one.traded_at, has_min_ts=True
    ),
}


def trades_ask(client: ExchangeClient, place: Place) -> Answer:
    """Raises ExchangeError."""
    try:
        return TRADES[place.stage].ask(client, place, ticker=place.scope)
    except Refused as exc:
        if exc.status == 404 and not place.cursor:
            return Answer()  # a market that this tier does not know has no trades there
        raise


def trades_store(environment: str, reports: Sequence[TradeReport]) -> list[TradeReport]:
    """Store trades by their id; return those that were not known."""
    unique = {one.trade_id: one for one in reports}
    stored = PublicTrade.objects.filter(environment=environment, trade_id__in=unique)
    known = set(stored.values_list("trade_id", flat=True))
    new = [one for name, one in unique.items() if name not in known]
    rows = [
        PublicTrade(
            environment=environment,
            ticker=one.ticker,
            trade_id=one.trade_id,
            yes_price=one.yes_price,
            count=one.count,
            taker_side=one.taker_side,
            traded_at=one.traded_at,
        )
        for one in new
    ]
    # Another account may read the same market at this moment.
    PublicTrade.objects.bulk_create(rows, ignore_conflicts=True)
    return new


def trades_held(place: Place) -> tuple[int, datetime | None]:
    rows = PublicTrade.objects.filter(environment=place.environment, ticker=place.scope)
    found = rows.aggregate(count=Count("pk"), first=Min("traded_at"))
    return int(found["count"]), found["first"]


# --- candles -------------------------------------------------------------------------------------


def candles_ask(client: ExchangeClient, place: Place) -> Answer:
    """Read one window, from the newest back to the market's opening; the cursor is the end of the next one.

    A market that settled before the cutoff has its candles in the historical tier only. Raises ExchangeError.
    """
    market = _market(client, place)
    opened = market.open_time or place.until - _UNKNOWN_OPENING
    start = max(opened, place.since) if place.since else opened
    # The last minute of trading ends after the close.
    last = min(place.until, market.close_time + MINUTE) if market.close_time else place.until
    end = from_unix_seconds(int(place.cursor)) if place.cursor else last
    if end <= start:
        return Answer(is_past=True)
    first = max(start, end - WINDOW)
    params = {"start_ts": to_unix_seconds(first), "end_ts": to_unix_seconds(end), "period_interval": 1}
    live = f"/series/{segment(market.series_ticker)}/markets/{segment(market.ticker)}/candlesticks"
    historical = f"/historical/markets/{segment(market.ticker)}/candlesticks"
    # A final market is asked for in the archive first: its live answer may be empty instead of a 404.
    paths = (historical, live) if market.status == _FINAL else (live, historical)
    rows = _either(client, paths, params)
    answer = Answer(rows=len(rows), following=str(to_unix_seconds(first)) if first > start else "")
    for row in rows:
        try:
            candle = _candle(place, row)
        except (WireFormatError, TypeError, AttributeError):
            answer.unreadable += 1
            continue
        if candle.ends_at <= place.until:  # the present minute goes on
            answer.reports.append(candle)
            answer.moments.append(candle.ends_at)
    return answer


def _market(client: ExchangeClient, place: Place) -> Market:
    known = Market.objects.filter(environment=place.environment, ticker=place.scope)
    market = known.first()
    if market is None:
        markets_fetch(place.environment, [place.scope], client=BulkReader(client))
        market = known.first()
    if market is None:
        raise NotFound(f"The exchange knows no market {place.scope}.")
    return market


def _either(client: ExchangeClient, paths: Sequence[str], params: Mapping[str, int]) -> list[Any]:
    first, second = paths
    try:
        body = client.get(first, params=params, kind="bulk")
    except Refused as exc:
        if exc.status != 404:
            raise
        body = client.get(second, params=params, kind="bulk")
    rows = body.get("candlesticks")
    if not isinstance(rows, list):
        raise missing_object("list of candlesticks", is_read=True, body=body)
    return rows


def _candle(place: Place, row: Any) -> Candle:
    """The live tier's names end in `_dollars` and `_fp`, the historical tier's do not."""
    price, bid, ask = (row.get(name) or {} for name in ("price", "yes_bid", "yes_ask"))
    return Candle(
        environment=place.environment,
        ticker=place.scope,
        ends_at=from_unix_seconds(row["end_period_ts"]),
        open=_price(price, "open"),
        high=_price(price, "high"),
        low=_price(price, "low"),
        close=_price(price, "close"),
        yes_bid=_price(bid, "close"),
        yes_ask=_price(ask, "close"),
        volume=_count(row, "volume"),
        open_interest=_count(row, "open_interest"),
    )


def _price(quad: Mapping[str, Any], name: str) -> Decimal | None:
    raw = quad.get(f"{name}_dollars", quad.get(name))
    return None if raw is None else parse_price(raw)


def _count(row: Mapping[str, Any], name: str) -> Decimal:
    raw = row.get(f"{name}_fp", row.get(name))
    return parse_count(raw) if raw is not None else Decimal(0)


_COLUMNS = ("open", "high", "low", "close", "yes_bid", "yes_ask", "volume", "open_interest")


def candles_store(candles: Sequence[Candle]) -> list[Candle]:
    """Store candles of one market by their end; return those that were not known or said something else."""
    if not candles:
        return []
    unique = {one.ends_at: one for one in candles}
    sample = candles[0]
    rows = Candle.objects.filter(environment=sample.environment, ticker=sample.ticker, ends_at__in=unique)
    known = {row.ends_at: row for row in rows}
    changed = [
        one
        for moment, one in unique.items()
        if moment not in known or any(getattr(one, name) != getattr(known[moment], name) for name in _COLUMNS)
    ]
    with transaction.atomic():
        Candle.objects.bulk_create(
            changed,
            update_conflicts=True,
            unique_fields=["environment", "ticker", "ends_at"],
            update_fields=list(_COLUMNS),
        )
    return changed


def candles_held(place: Place) -> tuple[int, datetime | None]:
    rows = Candle.objects.filter(environment=place.environment, ticker=place.scope)
    found = rows.aggregate(count=Count("pk"), first=Min("ends_at"))
    return int(found["count"]), found["first"]
