"""The best prices of a market, for the price band: live ones, else the last known.

The rule: the live book; else the market's row of the live tickers; else, when no gateway lives or the book is empty,
the last book that was published, whatever its age; else the catalogue's best prices, else its last trade. A band
that lapsed whenever the feed does would be missing on the very day that prices run; a slipped key is far from old
prices, too. Only a market that nobody ever quoted has no reference: then the band refuses nothing.
"""

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
from apps.exchange.ahead import Pending
from apps.markets.models import Market

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Quotes:
    """Best YES prices, dollars; None where that side of the book is empty. is_live: as of now, not as last known."""

    bid: Decimal | None
    ask: Decimal | None
    is_live: bool = True

    @property
    def is_empty(self) -> bool:
        return self.bid is None and self.ask is None


def quotes_of(environment: str, ticker: str) -> Quotes | None:
    """Return the best prices by the rule above; None when nothing was ever quoted."""
    return QuotesAsked(environment, ticker).quotes()


class QuotesAsked:
    """The same question, asked now and answered later; `drop` it where nobody needs the answer any more."""

    def __init__(self, environment: str, ticker: str) -> None:
        self._environment, self._ticker = environment, ticker
        self._pending: Pending | None = None
        try:
            self._pending = Pending(
                _client(settings.REDIS_URL),
                (
                    ("GET", live.HEARTBEAT_PREFIX + environment),
                    ("HGET", live.STATE, f"book:{environment}:{ticker}"),
                    ("HGET", f"{live.ROWS_PREFIX}tickers:{environment}", ticker),
                ),
            )
        except (redis.RedisError, OSError) as exc:
            _away(exc)

    def quotes(self) -> Quotes | None:
        """Wait for the answer; once."""
        found = None if self._pending is None else _published(self._pending, self._ticker)
        return _catalogued(self._environment, self._ticker) if found is None or found.is_empty else found

    def drop(self) -> None:
        if self._pending is not None:
            self._pending.drop()


def _catalogued(environment: str, ticker: str) -> Quotes | None:
    known = Market.objects.filter(environment=environment, ticker=ticker)
    for bid, ask, last in known.values_list("yes_bid", "yes_ask", "last_price"):
        # Nobody quotes at 0 or 1: the exchange writes them for an empty side.
        bid, ask, last = (price if price is not None and 0 < price < 1 else None for price in (bid, ask, last))
        quotes = Quotes(bid, ask, is_live=False) if bid or ask else Quotes(last, last, is_live=False)
        return None if quotes.is_empty else quotes
    return None


def _away(exc: Exception) -> None:
    logger.info("no live prices for the price band (%s)", type(exc).__name__)


def _published(pending: Pending, ticker: str) -> Quotes | None:
    """Return what the gateway published last; its whole book, else its ticker row."""
    try:
        heartbeat, book, row = pending.read()
    except (redis.RedisError, OSError) as exc:
        _away(exc)
        return None
    try:
        frame = msgspec.json.decode(book)[1] if book else {}
        if heartbeat is None:
            return _from_book({**frame, "state": "live"}, is_live=False) if frame else None
        return _from_book(frame) or _from_row(msgspec.json.decode(row or b"{}"))
    except (msgspec.DecodeError, WireFormatError, LookupError, TypeError) as exc:
        logger.warning("live prices of %s cannot be read: %s", ticker, exc)
        return None


def _from_book(frame: dict[str, Any], *, is_live: bool = True) -> Quotes | None:
    """Bids of both sides, best last; a NO bid at q is a YES ask at 1 - q."""
    if frame.get("state") != "live":
        return None
    yes, no = frame["yes"], frame["no"]
    return Quotes(
        bid=parse_price(yes[-1][0]) if yes else None,
        ask=1 - parse_price(no[-1][0]) if no else None,
        is_live=is_live,
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
