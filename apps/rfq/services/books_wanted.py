"""Which books the gateway keeps for the desk's own requests, and asking for one at once.

The gateway keeps the markets of `ports.wanted_tickers`, which it reads each second. Who is about to send a request or
a quote says so here: the book is then there when the first quote, or an accept, has to be judged by it.
"""

import logging
from collections.abc import Iterable, Mapping

import redis
from django.db import transaction

from apps.core.rfq import RfqState
from apps.core.timestamps import unix_ms_now
from apps.exchange import live
from apps.rfq.models import Rfq

logger = logging.getLogger(__name__)

_LIVE = (RfqState.COMMITTED, RfqState.SENDING, RfqState.UNKNOWN, RfqState.OPEN)


def requested_tickers(environment: str) -> set[str]:
    """Return the markets of own requests that may still get quotes, and those of their legs."""
    rows = Rfq.objects.filter(account__environment=environment, state__in=_LIVE)
    wanted: set[str] = set()
    for ticker, legs in rows.values_list("ticker", "legs"):
        wanted |= tickers_of(ticker, legs)
    return wanted


def tickers_of(ticker: str, legs: Iterable[Mapping[str, str]]) -> set[str]:
    return {leg["market_ticker"] for leg in legs} | ({ticker} if ticker else set())


def books_ask(environment: str, tickers: Iterable[str]) -> None:
    """Have the gateway take these books after the commit, as if somebody looked at them. Without Redis: nothing."""
    topics = sorted(f"book:{environment}:{ticker}" for ticker in set(tickers))

    def ask() -> None:
        now_ms = unix_ms_now()
        try:
            with live.redis_client().pipeline(transaction=False) as pipe:
                pipe.zadd(live.INTEREST, dict.fromkeys(topics, now_ms))
                for topic in topics:
                    pipe.publish(live.INTEREST, topic)
                pipe.execute()
        except (redis.RedisError, OSError) as exc:
            logger.debug("books were not asked for: %s", exc)

    if topics:
        transaction.on_commit(ask)
