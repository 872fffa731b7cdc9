"""Who is looking at which request or quote: in Redis, with an expiry. Losing it costs a name on a screen."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import redis

from apps.core.timestamps import unix_ms_now
from apps.exchange.live import redis_client

logger = logging.getLogger(__name__)

# A look counts for this long; browsers that show a subject repeat it more often than that.
LOOK_FOR = timedelta(seconds=15)
_PREFIX = "desk:looking:"  # + account: sorted set, member "<row key>|<person>", score = Unix ms of its end


def look(account_id: int, subject: str, user_id: int, *, now_ms: int | None = None) -> int:
    """Note that a person looks at a subject now; return until when that counts (Unix ms)."""
    now_ms = unix_ms_now() if now_ms is None else now_ms
    until = now_ms + int(LOOK_FOR.total_seconds() * 1_000)
    key = f"{_PREFIX}{account_id}"
    try:
        with redis_client().pipeline(transaction=False) as pipe:
            pipe.zremrangebyscore(key, "-inf", now_ms)
            pipe.zadd(key, {f"{subject}|{user_id}": until})
            pipe.pexpire(key, LOOK_FOR)
            pipe.execute()
    except (redis.RedisError, OSError) as exc:
        logger.info("who is looking was not noted: %s", type(exc).__name__)
    return until


def looking(account_id: int, *, now_ms: int | None = None) -> Mapping[str, dict[int, int]]:
    """Return subject -> {person: until when, Unix ms}; empty while Redis is away."""
    now_ms = unix_ms_now() if now_ms is None else now_ms
    try:
        found: Any = redis_client().zrangebyscore(f"{_PREFIX}{account_id}", f"({now_ms}", "+inf", withscores=True)
    except (redis.RedisError, OSError) as exc:
        logger.info("who is looking was not read: %s", type(exc).__name__)
        return {}
    watchers: dict[str, dict[int, int]] = {}
    for member, until in found:
        subject, _, user_id = member.decode().rpartition("|")
        watchers.setdefault(subject, {})[int(user_id)] = int(until)
    return watchers
