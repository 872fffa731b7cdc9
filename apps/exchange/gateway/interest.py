"""Which markets somebody looks at: the hub's sorted set and channel of docs/realtime.md."""

import asyncio
import logging
from collections.abc import Callable

import redis
import redis.asyncio
from django.conf import settings

from apps.core.errors import WireFormatError
from apps.core.timestamps import unix_ms_now
from apps.core.topics import parse_topic
from apps.exchange import live

logger = logging.getLogger(__name__)

KEPT_MS = 60_000  # a market is let go this long after its last need
KINDS = frozenset({"book", "tape"})
_RETRY_SECONDS = 0.5


def interesting_tickers(environment: str, *, now_ms: int | None = None) -> set[str] | None:
    """Return the markets of an environment that were needed within KEPT_MS; None when Redis is away."""
    since = (unix_ms_now() if now_ms is None else now_ms) - KEPT_MS
    try:
        with live.redis_client().pipeline(transaction=False) as pipe:
            pipe.zremrangebyscore(live.INTEREST, "-inf", f"({since}")
            pipe.zrange(live.INTEREST, 0, -1)
            topics = pipe.execute()[1]
    except (redis.RedisError, OSError):
        return None
    return {ticker for raw in topics if (ticker := ticker_of(raw, environment))}


def interesting_names(kind: str, *, now_ms: int, kept_ms: int) -> set[str] | None:
    """Return the topics of one kind that were needed within kept_ms; None when Redis is away. Blocks."""
    try:
        found = live.redis_client().zrangebyscore(live.INTEREST, now_ms - kept_ms, "+inf")
    except (redis.RedisError, OSError):
        return None
    names = (raw.decode(errors="replace") for raw in found if isinstance(raw, bytes))
    return {name for name in names if name.startswith(f"{kind}:")}


def ticker_of(raw: bytes | str, environment: str) -> str | None:
    """Return the market of a book or tape topic of this environment, None for any other topic."""
    try:
        topic = parse_topic(raw.decode() if isinstance(raw, bytes) else raw)
    except (WireFormatError, UnicodeDecodeError):
        return None
    return topic.name or None if topic.kind in KINDS and topic.scope == environment else None


async def follow_interest(on_topic: Callable[[bytes], None]) -> None:
    """Call `on_topic` for each newly needed topic, at once. The sorted set catches what this misses."""
    while True:
        # No time-out on reading: a channel may be silent for hours.
        client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=None, socket_connect_timeout=1)
        try:
            async with client.pubsub(ignore_subscribe_messages=True) as channel:
                await channel.subscribe(live.INTEREST)
                async for message in channel.listen():
                    on_topic(message["data"])
        except (redis.RedisError, OSError) as exc:
            logger.debug("interest is not heard: %s", exc)
        finally:
            await client.aclose()
        await asyncio.sleep(_RETRY_SECONDS)
