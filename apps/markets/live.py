"""The live topics of market data, and what the gateway needs to know to feed them."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from apps.core import ports
from apps.core.errors import WireFormatError
from apps.core.money import (
    count_units_from_wire,
    format_count,
    format_count_units,
    format_price,
    format_price_units,
    price_units_from_wire,
)
from apps.core.permissions import Permission
from apps.core.timestamps import from_unix_ms, parse_rfc3339, to_unix_ms
from apps.core.topics import TopicName
from apps.exchange import live as exchange_live
from apps.exchange.clients import environment_client
from apps.exchange.wire.errors import ExchangeError
from apps.markets.board import TAPE_LENGTH, Frame, MarketBoard, Meta
from apps.markets.models import Market
from apps.markets.selectors import markets_known

# Of a market that is over, a last row is in SQL; the list of live rows is for what can still trade.
TICKER_STATUSES = ("initialized", "inactive", "active", "closed", "determined", "disputed", "amended")


def register() -> None:
    for kind in ("book", "tape"):
        # No state callable: the state is what the gateway published last.
        ports.register_topic(ports.Topic(kind, Permission.MARKET_VIEW, scope="environment", mode="whole"))
    ports.register_topic(
        ports.Topic("tickers", Permission.MARKET_VIEW, scope="environment", mode="rows", state=tickers_state)
    )
    ports.market_data.append(DeskMarketData())


class DeskMarketData:
    """What the gateway asks of the catalogue; see `core.ports.MarketData`. All calls may block."""

    def board(self, environment: str) -> MarketBoard:
        return MarketBoard(environment)

    def known(self, environment: str, tickers: Iterable[str]) -> set[str]:
        """Return which of `tickers` the catalogue holds: one unknown ticker fails a whole subscription."""
        return markets_known(environment, tickers)

    def metas(self, environment: str) -> dict[str, Meta]:
        """Return status and closing time of all markets that are not over."""
        rows = Market.objects.filter(environment=environment, status__in=TICKER_STATUSES).values_list(
            "ticker", "status", "close_time"
        )
        return {ticker: Meta(status, to_unix_ms(close) if close else None) for ticker, status, close in rows.iterator()}

    def recent_trades(self, environment: str, ticker: str) -> list[Frame]:
        """Return the last trades of a market as rows of the tape, by REST; empty when they cannot be read."""
        try:
            body = environment_client(environment).get(
                "/markets/trades", params={"ticker": ticker, "limit": TAPE_LENGTH}
            )
        except ExchangeError:
            return []
        return [row for raw in body.get("trades") or [] if isinstance(raw, dict) and (row := _rest_trade(raw))]

    def trade_row(self, trade: Any) -> Frame | None:
        """Return a trade message as a row of the tape, None when it cannot be read."""
        side = trade.taker_outcome_side or _SIDE_OF_BOOK.get(trade.taker_book_side, "")
        return _trade(trade.trade_id, trade.yes_price_dollars, trade.count_fp, side, trade.ts_ms or 0)


def tickers_state(topic: TopicName) -> dict[str, Any]:
    """Return the rows of all markets of an environment: the catalogue's, or the feed's where newer."""
    rows: dict[str, Frame] = {}
    query = Market.objects.filter(environment=topic.scope, status__in=TICKER_STATUSES)
    live_rows = exchange_live.rows_read(str(topic))
    for values in query.values(*_ROW_COLUMNS).iterator():
        row = _catalogue_row(values)
        newer = live_rows.get(values["ticker"])
        if newer is not None and newer["v"] > row["v"]:
            # The catalogue knows status and closing time best: it also reads what no message says.
            row = {**newer, "status": row["status"], "close_ms": row["close_ms"]}
        rows[values["ticker"]] = row
    return {"rows": rows}


# docs:order_direction: a bid buys YES, an ask buys NO.
_SIDE_OF_BOOK = {"bid": "yes", "ask": "no"}

_ROW_COLUMNS = (
    "ticker",
    "yes_bid",
    "yes_ask",
    "yes_bid_size",
    "yes_ask_size",
    "last_price",
    "volume",
    "open_interest",
    "status",
    "close_time",
    "updated_at",
)


def _catalogue_row(values: dict[str, Any]) -> Frame:
    return {
        "v": to_unix_ms(values["updated_at"]) * 1_000,
        "bid": _price(values["yes_bid"], absent=(Decimal(0),)),
        "ask": _price(values["yes_ask"], absent=(Decimal(0), Decimal(1))),
        "bid_size": _count(values["yes_bid_size"]),
        "ask_size": _count(values["yes_ask_size"]),
        "last": _price(values["last_price"], absent=(Decimal(0),)),
        "volume": _count(values["volume"]),
        "open_interest": _count(values["open_interest"]),
        "status": values["status"],
        "close_ms": to_unix_ms(values["close_time"]) if values["close_time"] else None,
    }


def _price(value: Decimal | None, *, absent: tuple[Decimal, ...]) -> str | None:
    return None if value is None or value in absent else format_price(value)


def _count(value: Decimal | None) -> str | None:
    return None if value is None else format_count(value)


def _rest_trade(raw: dict[str, Any]) -> Frame | None:
    try:
        ts_ms = to_unix_ms(parse_rfc3339(raw.get("created_time") or ""))
    except WireFormatError:
        return None
    side = raw.get("taker_outcome_side") or _SIDE_OF_BOOK.get(str(raw.get("taker_book_side")), "")
    return _trade(raw.get("trade_id"), raw.get("yes_price_dollars"), raw.get("count_fp"), side, ts_ms)


def _trade(trade_id: Any, price: Any, count: Any, side: Any, ts_ms: int) -> Frame | None:
    try:
        from_unix_ms(ts_ms)
        return {
            "id": str(trade_id or ""),
            "price": format_price_units(price_units_from_wire(price)),
            "count": format_count_units(count_units_from_wire(count)),
            "side": str(side),
            "ts_ms": ts_ms,
        }
    except WireFormatError:
        return None
