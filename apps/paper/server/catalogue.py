"""One view of all markets: those of the engine and those of a replay."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from apps.paper.engine.candles import CandleStore
from apps.paper.engine.catalogue import Market, MarketEvent, MarketStatistics, Series
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.orders import Trade

Levels = list[tuple[int, int]]  # (price units in the side's own prices, count units), ascending, best last


class MarketSource(Protocol):
    """Where markets live. Every look-up answers None for what it does not know."""

    def series_all(self) -> Sequence[Series]: ...
    def events_all(self) -> Sequence[MarketEvent]: ...
    def markets_all(self) -> Sequence[Market]: ...
    def series(self, ticker: str) -> Series | None: ...
    def event(self, ticker: str) -> MarketEvent | None: ...
    def market(self, ticker: str) -> Market | None: ...
    def market_by_id(self, market_id: str) -> Market | None: ...
    def levels(self, ticker: str) -> tuple[Levels, Levels]: ...
    def trades(self, ticker: str) -> Sequence[Trade]:
        """Oldest first."""
        ...

    def statistics(self, ticker: str, *, now_ms: int) -> MarketStatistics: ...
    def candle_store(self, ticker: str) -> CandleStore: ...


class Catalogue:
    """Asks each source in turn; a ticker belongs to the first source that knows it."""

    def __init__(self, sources: Sequence[MarketSource]) -> None:
        self._sources = tuple(sources)

    def series_all(self) -> Iterator[Series]:
        for source in self._sources:
            yield from source.series_all()

    def events_all(self) -> Iterator[MarketEvent]:
        for source in self._sources:
            yield from source.events_all()

    def markets_all(self) -> Iterator[Market]:
        for source in self._sources:
            yield from source.markets_all()

    def series(self, ticker: str) -> Series | None:
        return next((found for source in self._sources if (found := source.series(ticker))), None)

    def event(self, ticker: str) -> MarketEvent | None:
        return next((found for source in self._sources if (found := source.event(ticker))), None)

    def market(self, ticker: str) -> Market | None:
        for source in self._sources:
            found = source.market(ticker)
            if found is not None:
                return found
        return None

    def market_by_id(self, market_id: str) -> Market | None:
        return next((found for source in self._sources if (found := source.market_by_id(market_id))), None)

    def series_volume(self, ticker: str) -> int:
        """Count units traded in all markets of a series."""
        return sum(market.volume for market in self.markets_all() if market.series_ticker == ticker)

    def levels(self, ticker: str) -> tuple[Levels, Levels]:
        return self._source_of(ticker).levels(ticker)

    def trades(self, ticker: str) -> Sequence[Trade]:
        return self._source_of(ticker).trades(ticker)

    def statistics(self, ticker: str, *, now_ms: int) -> MarketStatistics:
        return self._source_of(ticker).statistics(ticker, now_ms=now_ms)

    def candle_store(self, ticker: str) -> CandleStore:
        return self._source_of(ticker).candle_store(ticker)

    def _source_of(self, ticker: str) -> MarketSource:
        for source in self._sources:
            if source.market(ticker) is not None:
                return source
        raise KeyError(ticker)


class EngineMarkets:
    """The engine's live tier as a market source."""

    def __init__(self, exchange: PaperExchange) -> None:
        self._exchange = exchange
        self._tickers: dict[str, str] = {}  # by market id

    def series_all(self) -> Sequence[Series]:
        return list(self._exchange.series.values())

    def events_all(self) -> Sequence[MarketEvent]:
        return list(self._exchange.events.values())

    def markets_all(self) -> Sequence[Market]:
        exchange = self._exchange
        return [market for market in exchange.markets.values() if not exchange.is_historical(market)]

    def series(self, ticker: str) -> Series | None:
        return self._exchange.series.get(ticker)

    def event(self, ticker: str) -> MarketEvent | None:
        return self._exchange.events.get(ticker)

    def market(self, ticker: str) -> Market | None:
        market = self._exchange.markets.get(ticker)
        return None if market is None or self._exchange.is_historical(market) else market

    def market_by_id(self, market_id: str) -> Market | None:
        markets = self._exchange.markets
        if len(self._tickers) != len(markets):
            # Markets are only ever added while it runs.
            self._tickers = {market.market_id: market.ticker for market in markets.values()}
        ticker = self._tickers.get(market_id)
        return None if ticker is None else self.market(ticker)

    def levels(self, ticker: str) -> tuple[Levels, Levels]:
        book = self._exchange.book(ticker)
        return book.yes, book.no

    def trades(self, ticker: str) -> Sequence[Trade]:
        return self._exchange.market_trades[ticker]

    def statistics(self, ticker: str, *, now_ms: int) -> MarketStatistics:
        return self._exchange.statistics(ticker)

    def candle_store(self, ticker: str) -> CandleStore:
        return self._exchange.candles[ticker]
