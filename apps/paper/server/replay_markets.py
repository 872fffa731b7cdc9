"""The markets of a replay: catalogue entries, books, trades and candles built from recorded frames."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from apps.core.money import WireFormatError, count_units_from_wire, price_units_from_wire
from apps.core.timestamps import parse_rfc3339, to_unix_ms
from apps.paper.engine.candles import CandleStore
from apps.paper.engine.catalogue import Market, MarketEvent, MarketStatistics, Series, SettlementSource
from apps.paper.engine.fees import FeeSchedule
from apps.paper.engine.grids import PRICE_LEVEL_STRUCTURES
from apps.paper.engine.ids import market_uuid
from apps.paper.engine.orders import Trade
from apps.paper.engine.units import DOLLAR_PRICE, Outcome
from apps.paper.server.catalogue import Levels
from apps.paper.server.recording import RecordedMsg, Recording, RecordingError

TRADES_KEPT = 5_000


@dataclass(slots=True)
class ReplayMarket:
    """based: a snapshot was seen; deltas before one have nothing to change and are dropped."""

    market: Market
    yes: dict[int, int] = field(default_factory=dict)
    no: dict[int, int] = field(default_factory=dict)
    based: bool = False
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=TRADES_KEPT))
    candles: CandleStore = field(default_factory=CandleStore)

    def rebase(self, msg: RecordedMsg, *, ts_ms: int) -> None:
        self.yes = _levels(msg.yes_dollars_fp)
        self.no = _levels(msg.no_dollars_fp)
        self.based = True
        self.refresh(ts_ms=ts_ms)

    def change(self, side: Outcome, price: int, delta: int, *, ts_ms: int) -> bool:
        """Apply one delta and return whether the best bid or ask changed."""
        levels = self.yes if side == "yes" else self.no
        size = levels.get(price, 0) + delta
        if size > 0:
            levels[price] = size
        else:
            levels.pop(price, None)
        return self.refresh(ts_ms=ts_ms)

    def refresh(self, *, ts_ms: int) -> bool:
        market = self.market
        bid = max(self.yes, default=0)
        no_bid = max(self.no, default=0)
        quote = (bid, self.yes.get(bid, 0), DOLLAR_PRICE - no_bid, self.no.get(no_bid, 0))
        if quote == (market.yes_bid, market.yes_bid_size, market.yes_ask, market.yes_ask_size):
            return False
        market.yes_bid, market.yes_bid_size, market.yes_ask, market.yes_ask_size = quote
        self.candles.quote(ts_ms=ts_ms, yes_bid=bid, yes_ask=quote[2], open_interest=market.open_interest)
        return True

    def record(self, trade: Trade) -> None:
        market = self.market
        market.last_price, market.last_size, market.last_trade_ms = trade.price, trade.count, trade.ts_ms
        market.volume += trade.count
        market.dollar_volume += trade.price * trade.count
        self.trades.append(trade)
        self.candles.trade(ts_ms=trade.ts_ms, price=trade.price, count=trade.count, open_interest=market.open_interest)


class ReplayMarkets:
    """A market source (see catalogue.py) over recorded files."""

    def __init__(self, recordings: Sequence[Recording], *, now_ms: int, keep_times: bool) -> None:
        self.rows: dict[str, ReplayMarket] = {}
        self._series: dict[str, Series] = {}
        self._events: dict[str, MarketEvent] = {}
        for recording in sorted(recordings, key=lambda r: r.first_ms):
            shift = 0 if keep_times else now_ms - recording.first_ms
            for ticker, market_id in recording.markets.items():
                if ticker not in self.rows:
                    self._add(recording, ticker, market_id or market_uuid(ticker), shift)

    def reset(self) -> None:
        """Back to before the first frame."""
        for row in self.rows.values():
            row.yes, row.no, row.based = {}, {}, False
            row.trades.clear()
            row.candles = CandleStore()
            market = row.market
            market.last_price = market.last_size = market.last_trade_ms = market.volume = market.dollar_volume = 0
            row.refresh(ts_ms=market.open_ms)

    def series_all(self) -> Sequence[Series]:
        return list(self._series.values())

    def events_all(self) -> Sequence[MarketEvent]:
        return list(self._events.values())

    def markets_all(self) -> Sequence[Market]:
        return [row.market for row in self.rows.values()]

    def series(self, ticker: str) -> Series | None:
        return self._series.get(ticker)

    def event(self, ticker: str) -> MarketEvent | None:
        return self._events.get(ticker)

    def market(self, ticker: str) -> Market | None:
        row = self.rows.get(ticker)
        return row.market if row else None

    def market_by_id(self, market_id: str) -> Market | None:
        return next((row.market for row in self.rows.values() if row.market.market_id == market_id), None)

    def levels(self, ticker: str) -> tuple[Levels, Levels]:
        row = self.rows[ticker]
        return sorted(row.yes.items()), sorted(row.no.items())

    def trades(self, ticker: str) -> Sequence[Trade]:
        return list(self.rows[ticker].trades)

    def statistics(self, ticker: str, *, now_ms: int) -> MarketStatistics:
        # Nothing is known of the day before the recording.
        return MarketStatistics(self.rows[ticker].candles.volume_24h(now_ms), 0, DOLLAR_PRICE, 0)

    def candle_store(self, ticker: str) -> CandleStore:
        return self.rows[ticker].candles

    def _add(self, recording: Recording, ticker: str, market_id: str, shift_ms: int) -> None:
        event_ticker = ticker.rpartition("-")[0] or ticker
        record = _event_record(recording.path, event_ticker)
        event_fields: dict[str, Any] = record.get("event", {})
        market_fields: dict[str, Any] = next(
            (market for market in record.get("markets", []) if market.get("ticker") == ticker), {}
        )
        series_ticker = event_fields.get("series_ticker") or event_ticker.partition("-")[0]
        if series_ticker not in self._series:
            self._series[series_ticker] = _series(series_ticker, event_fields)
        event = self._events.get(event_ticker)
        if event is None:
            event = self._events[event_ticker] = _event(event_ticker, series_ticker, event_fields, shift_ms)
        event.market_tickers.append(ticker)
        self.rows[ticker] = ReplayMarket(_market(ticker, market_id, event, market_fields, recording, shift_ms))


def _levels(rows: list[tuple[str, str]]) -> dict[int, int]:
    return {price_units_from_wire(price): count_units_from_wire(size) for price, size in rows}


def _event_record(path: Path, event_ticker: str) -> dict[str, Any]:
    """The event record in `metadata/` beside the recorded files, or {} when there is none."""
    for folder in path.resolve().parents[:4]:
        candidate = folder / "metadata" / f"{event_ticker}.json"
        if candidate.is_file():
            try:
                content = msgspec.json.decode(candidate.read_bytes())
                return dict(content["response"])
            except (msgspec.DecodeError, KeyError, TypeError, ValueError) as exc:
                raise RecordingError(
                    f"{candidate} is not an event record ({exc}). Repair it, or move it away."
                ) from exc
    return {}


def _series(ticker: str, event: dict[str, Any]) -> Series:
    sources = [SettlementSource(str(s.get("name")), str(s.get("url"))) for s in event.get("settlement_sources", [])]
    return Series(
        ticker=ticker,
        title=f"{ticker} (replay)",
        category=str(event.get("category") or "Replay"),
        frequency="custom",
        tags=["replay"],
        settlement_sources=sources,
        contract_url="",
        contract_terms_url="",
        fees=FeeSchedule("quadratic"),
    )


def _event(ticker: str, series_ticker: str, fields: dict[str, Any], shift_ms: int) -> MarketEvent:
    return MarketEvent(
        ticker=ticker,
        series_ticker=series_ticker,
        title=str(fields.get("title") or ticker),
        sub_title=str(fields.get("sub_title") or "Recorded frames"),
        category=str(fields.get("category") or "Replay"),
        mutually_exclusive=bool(fields.get("mutually_exclusive")),
        strike_ms=_time(fields, "strike_date", None, shift_ms),
        product_metadata=fields.get("product_metadata"),
    )


def _market(
    ticker: str, market_id: str, event: MarketEvent, fields: dict[str, Any], recording: Recording, shift_ms: int
) -> Market:
    opened = recording.first_ms + shift_ms
    closing = recording.last_ms + shift_ms
    structure = str(fields.get("price_level_structure"))
    close_ms = _time(fields, "close_time", closing, shift_ms) or closing
    strike = fields.get("floor_strike")
    return Market(
        ticker=ticker,
        event_ticker=event.ticker,
        series_ticker=event.series_ticker,
        market_id=market_id,
        title=str(fields.get("title") or ticker),
        yes_sub_title=str(fields.get("yes_sub_title") or "Yes"),
        no_sub_title=str(fields.get("no_sub_title") or "No"),
        rules_primary=str(fields.get("rules_primary") or "Recorded frames, played back."),
        rules_secondary=str(fields.get("rules_secondary") or ""),
        created_ms=_time(fields, "created_time", opened, shift_ms) or opened,
        open_ms=min(_time(fields, "open_time", opened, shift_ms) or opened, opened),
        close_ms=close_ms,
        expected_expiration_ms=_time(fields, "expected_expiration_time", close_ms, shift_ms) or close_ms,
        latest_expiration_ms=_time(fields, "latest_expiration_time", close_ms, shift_ms) or close_ms,
        price_level_structure=structure if structure in PRICE_LEVEL_STRUCTURES else "linear_cent",
        strike_type=fields.get("strike_type"),
        floor_strike=None if strike is None else Decimal(str(strike)),
        custom_strike=fields.get("custom_strike"),
    )


def _time(fields: dict[str, Any], name: str, default: int | None, shift_ms: int) -> int | None:
    raw = fields.get(name)
    if raw is None:
        return default
    try:
        return to_unix_ms(parse_rfc3339(raw)) + shift_ms
    except WireFormatError:
        return default
