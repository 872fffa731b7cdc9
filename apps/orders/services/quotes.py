"""The live best prices of a market, for the price band. Not known is None: then the band refuses nothing."""

import functools
import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.core.errors import WireFormatError
from apps.core.money import parse_price
from apps.exchange import live

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Quotes:
    """Best YES prices, dollars; None where that side of the book is empty."""

    bid: Decimal | None
    ask: Decimal | None


def quotes_of(environment: str, ticker: str) -> Quotes | None:
    """Return what the gateway published last, while it lives; its whole book, else its ticker row."""
    try:
        with _client(settings.REDIS_URL).pipeline(transaction=False) as pipe:
            pipe.get(live.HEARTBEAT_PREFIX + environment)
            pipe.hget(live.STATE, f"book:{environment}:{ticker}")
            pipe.hget(f"{live.ROWS_PREFIX}tickers:{environment}", ticker)
            heartbeat, book, row = pipe.execute()
    except (redis.RedisError, OSError) as exc:
        logger.info("no live prices for the price band (%s)", type(exc).__name__)
        return None
    if heartbeat is None:
        return None
    try:
        return _from_book(msgspec.json.decode(book)[1] if book else {}) or _from_row(msgspec.json.decode(row or b"{}"))
    except (msgspec.DecodeError, WireFormatError, LookupError, TypeError) as exc:
        logger.warning("live prices of %s cannot be read: %s", ticker, exc)
        return None


def _from_book(frame: dict[str, Any]) -> Quotes | None:
    """Bids of both sides, best last; a NO bid at q is a YES ask at 1 - q."""
    if frame.get("state") != "live":
        return None
    yes, no = frame["yes"], frame["no"]
    return Quotes(
        bid=parse_price(yes[-1][0]) if yes else None,
        ask=1 - parse_price(no[-1][0]) if no else None,
    )


def _from_row(row: dict[str, Any]) -> Quotes | None:
    bid, ask = row.get("bid"), row.get("ask")
    if bid is None and ask is None:
        return None
    return Quotes(bid=parse_price(bid) if bid else None, ask=parse_price(ask) if ask else None)


@functools.lru_cache(maxsize=4)
def _client(url: str) -> redis.Redis:
    # An order waits for this one: it gives up at once.
    return redis.Redis.from_url(
        url, socket_timeout=0.2, socket_connect_timeout=0.2, retry=Retry(NoBackoff(), 1), client_name="desk-quotes"
    )
