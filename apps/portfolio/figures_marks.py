"""Marks: at what YES price open contracts are valued, with where it comes from and how old it is.

The rule (docs/portfolio.md, "Mark"), first that applies: the result of a market that has one; the middle of the live
book's best bid and ask; the one side that is quoted; the last trade; nothing. static/js/portfolio/mark-model.js does
the same in the browser from the live topics.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

import msgspec
import redis

from apps.core.errors import WireFormatError
from apps.core.money import PRICE_STEP, parse_price
from apps.core.timestamps import to_unix_ms
from apps.exchange import live
from apps.markets.models import Market

logger = logging.getLogger(__name__)

Kind = Literal["result", "mid", "one_side", "last", "none"]
_READ_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Mark:
    """price: of YES, dollars; None when `kind` is "none". at_ms: when it was last known to hold (Unix ms).

    is_live: from a feed that is alive, so that no change since then was missed.
    """

    kind: Kind
    price: Decimal | None
    at_ms: int | None
    is_live: bool = False
    is_void: bool = False  # contracts are worth what they cost


def marks_of(environment: str, tickers: Iterable[str]) -> dict[str, Mark]:
    """Return a mark for every ticker; markets that the catalogue does not hold have one of kind "none"."""
    names = sorted(set(tickers))
    found: dict[str, Mark] = {}
    is_alive = live.heartbeat_ms(environment) is not None
    for start in range(0, len(names), _READ_AT_ONCE):
        chunk = names[start : start + _READ_AT_ONCE]
        rows = _published(environment, chunk)
        markets = {one.ticker: one for one in Market.objects.filter(environment=environment, ticker__in=chunk)}
        for ticker in chunk:
            found[ticker] = mark_of(markets.get(ticker), rows.get(ticker), is_alive=is_alive)
    return found


def mark_of(market: Market | None, row: Mapping[str, Any] | None, *, is_alive: bool) -> Mark:
    """Choose one market's mark from the catalogue and its row of the live tickers."""
    if market is None:
        return Mark("none", None, None)
    at_ms = to_unix_ms(market.updated_at)
    if market.result == "void":
        return Mark("result", None, at_ms, is_live=True, is_void=True)
    settled = {"yes": Decimal(1), "no": Decimal(0)}.get(market.result, market.settlement_value)
    if market.result and settled is not None:
        return Mark("result", settled, at_ms, is_live=True)
    bid, ask, last = _quoted(market.yes_bid), _quoted(market.yes_ask), _quoted(market.last_price)
    is_live = False
    if row is not None and row.get("v", 0) > at_ms * 1_000:
        bid, ask, last = _price(row.get("bid")), _price(row.get("ask")), _price(row.get("last")) or last
        at_ms, is_live = row["v"] // 1_000, is_alive
    if bid is not None and ask is not None:
        middle = ((bid + ask) / 2).quantize(PRICE_STEP, rounding=ROUND_HALF_UP)
        return Mark("mid", middle, at_ms, is_live=is_live)
    side = bid if bid is not None else ask
    if side is not None:
        return Mark("one_side", side, at_ms, is_live=is_live)
    return Mark("last", last, at_ms, is_live=is_live) if last is not None else Mark("none", None, None)


def _quoted(price: Decimal | None) -> Decimal | None:
    """Nobody quotes at 0 or 1: the exchange writes them for an empty side."""
    return price if price is not None and 0 < price < 1 else None


def _price(raw: Any) -> Decimal | None:
    try:
        return None if raw is None else parse_price(raw)
    except WireFormatError:
        return None


def _published(environment: str, tickers: list[str]) -> dict[str, dict[str, Any]]:
    """Return what the gateway last said of these markets; nothing when Redis is away."""
    try:
        raws = live.redis_client().hmget(f"{live.ROWS_PREFIX}tickers:{environment}", tickers)
    except (redis.RedisError, OSError) as exc:
        logger.info("no live prices for marks (%s)", type(exc).__name__)
        return {}
    return {ticker: msgspec.json.decode(raw) for ticker, raw in zip(tickers, raws, strict=True) if raw is not None}
