"""The forecast of a numeric event over time, by percentiles."""

from apps.paper.engine.candles import Candle
from apps.paper.engine.catalogue import Market
from apps.paper.engine.reads import MAX_CANDLES
from apps.paper.engine.units import DOLLAR_PRICE
from apps.paper.server import params
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import Response
from apps.paper.server.params import Query
from apps.paper.server.shapes import Json
from apps.paper.world.build import BY_TICKER
from apps.paper.world.forecasts import Ladder, ladder_of
from apps.paper.world.listing import amount_text

PERIODS = {0: 5, 1: 60, 60: 3_600, 1440: 86_400}  # the parameter's minutes -> seconds; 0 stands for five seconds
MINUTE_S = 60
MOST_PERCENTILES = 10
MAX_TS = 253_402_300_799  # the end of the year 9999


def forecast_percentile_history(core: Core, call: Call) -> Response:
    """Events whose strikes are no numbers have an empty history. Unknown ones are a 400: the file has no 404 here."""
    event = core.catalogue.event(call.path["ticker"])
    if event is None or event.series_ticker != call.path["series_ticker"]:
        raise params.invalid("ticker", "of an event of this series")
    query = call.request.query
    percentiles = _percentiles(query)
    start, end, interval = (_given(query, name) for name in ("start_ts", "end_ts", "period_interval"))
    if interval not in PERIODS:
        raise params.invalid("period_interval", "0, 1, 60 or 1440")
    if end < start:
        raise params.invalid("end_ts", "at or after start_ts")
    markets = [market for ticker in event.market_tickers if (market := core.catalogue.market(ticker))]
    ladder = ladder_of(markets)
    now_s = -(-core.clock.now_ms() // 1000)
    step = PERIODS[interval]
    ends = range(-(-start // step) * step, min(end, now_s) + 1, step)
    if len(ends) * max(1, len(markets)) > MAX_CANDLES:
        raise params.invalid("end_ts", f"near enough to start_ts for at most {MAX_CANDLES} market prices")
    history = [] if ladder is None else _history(core, markets, ladder, ends, percentiles)
    points = [
        {"event_ticker": event.ticker, "end_period_ts": at, "period_interval": interval, "percentile_points": row}
        for at, row in history
    ]
    return Response.json({"forecast_history": points})


def _percentiles(query: Query) -> list[int]:
    given = params.texts(query, "percentiles", most=MOST_PERCENTILES)
    if not given:
        raise params.invalid("percentiles", "given 1 to 10 times")
    try:
        values = [int(value) for value in given]
    except ValueError as exc:
        raise params.invalid("percentiles", "whole numbers") from exc
    if not all(0 <= value <= 10_000 for value in values):
        raise params.invalid("percentiles", "between 0 and 10000")
    return values


def _given(query: Query, name: str) -> int:
    value = params.whole(query, name, maximum=MAX_TS)
    if value is None:
        raise params.invalid(name, "given")
    return value


def _history(
    core: Core, markets: list[Market], ladder: Ladder, ends: range, percentiles: list[int]
) -> list[tuple[int, list[Json]]]:
    """The forecast at the end of each period from which on all markets have prices."""
    if not ends:
        return []
    chances = [_chances(core, market.ticker, ends) for market in markets]
    unit, digits = _number_format(markets[0])
    rows = []
    for at in ends:
        prices = [by_end.get(at) for by_end in chances]
        known = [price for price in prices if price is not None]
        if len(known) == len(prices):
            rows.append((at, [_point(ladder.percentile(known, p / 10_000), p, unit, digits) for p in percentiles]))
    return rows


def _chances(core: Core, ticker: str, ends: range) -> dict[int, float]:
    """Chance of Yes (0 to 1) at the end of each period, by the middle of the best prices.

    Candles are kept by the minute: within one, five-second periods have the value of the minute before.
    """
    step = max(ends.step, MINUTE_S)
    store = core.catalogue.candle_store(ticker)
    first = ends.start // step * step
    candles = store.candles(start_s=first, end_s=ends[-1], period_s=step, now_ms=core.clock.now_ms())
    found = {candle.end_s: _middle(candle) for candle in candles}
    if candles and candles[0].end_s > first:
        found = {at: value for at, value in found.items() if at > candles[0].end_s - step}
    return {at: found[at // step * step] for at in ends if at // step * step in found}


def _middle(candle: Candle) -> float:
    return (candle.yes_bid.close + candle.yes_ask.close) / 2 / DOLLAR_PRICE


def _number_format(market: Market) -> tuple[str, int]:
    """Unit and decimals of the event's number."""
    template = BY_TICKER.get(market.series_ticker)
    strike = market.floor_strike if market.floor_strike is not None else market.cap_strike
    digits = 0 if strike is None else max(0, -int(strike.normalize().as_tuple().exponent))
    return ("" if template is None else template.unit), digits


def _point(value: float, percentile: int, unit: str, digits: int) -> Json:
    rounded = round(value, digits)
    return {
        "percentile": percentile,
        "raw_numerical_forecast": value,
        "numerical_forecast": rounded,
        "formatted_forecast": amount_text(f"{rounded:,.{digits}f}", unit),
    }


OPERATIONS = [
    Operation(
        "GET", "/series/{series_ticker}/events/{ticker}/forecast_percentile_history", forecast_percentile_history
    ),
]
