"""Publish live frames to the browsers' hubs over Redis. Contract: docs/realtime.md.

Every frame is whole (or rows with their own versions), so a frame that is lost costs freshness and
never correctness. Redis being down therefore never breaks the caller: trading goes on, the outage is
logged once, and the hub tells the browsers "down".
"""

import functools
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import redis
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

CHANNEL = "desk:live"
STATE = "desk:state"  # hash: topic -> JSON [version, frame], for topics of mode "whole"
ROWS_PREFIX = "desk:rows:"  # + topic: hash row key -> JSON row, for topics of mode "rows" that keep rows
INTEREST = "desk:interest"  # sorted set (topic, Unix ms of last need) and channel (a new topic)
HEARTBEAT_PREFIX = "desk:heartbeat:"  # + environment: Unix ms, expires after 5 s

Frame = Mapping[str, Any]
Publication = tuple[str, int, Frame]  # topic, version, frame

_encoder = msgspec.json.Encoder(decimal_format="string")
_decode_publications = msgspec.json.Decoder(list[Publication]).decode
_decode_state = msgspec.json.Decoder(tuple[int, dict[str, Any]]).decode
_version_lock = threading.Lock()
_last_version = 0


@functools.lru_cache(maxsize=8)
def _client_of(url: str, pid: int) -> redis.Redis:
    # One retry, at once, replaces a pooled connection that a restarted Redis has closed. redis-py's
    # default of several retries with backoff would hold a caller for seconds during an outage.
    return redis.Redis.from_url(
        url,
        socket_timeout=2,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 1),
        client_name=f"desk-{pid}",
    )


def redis_client() -> redis.Redis:
    """Return this process's synchronous client of settings.REDIS_URL (thread-safe, bytes in and out)."""
    return _client_of(settings.REDIS_URL, os.getpid())


def next_version() -> int:
    """Return a frame version: Unix microseconds; rises strictly within the process and, since the clock
    goes on, over processes and restarts."""
    global _last_version
    with _version_lock:
        _last_version = max(time.time_ns() // 1_000, _last_version + 1)
        return _last_version


def encode(value: object) -> bytes:
    """JSON as the live channel carries it: decimals as strings."""
    return _encoder.encode(value)


def decode_message(raw: bytes | str) -> list[Publication]:
    """Return the publications of one message of the channel `desk:live`."""
    return _decode_publications(raw)


class _Outage:
    """Logs the first failure and the end of an outage, and keeps callers from waiting in between."""

    RETRY_SECONDS = 0.5

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed_at: float | None = None
        self._lost = itertools.count()

    def may_try(self) -> bool:
        failed_at = self._failed_at
        return failed_at is None or time.monotonic() - failed_at >= self.RETRY_SECONDS

    def failed(self, exc: Exception) -> None:
        with self._lock:
            first = self._failed_at is None
            self._failed_at = time.monotonic()
        if first:
            logger.error("live updates are not reaching Redis (%s); trading goes on", type(exc).__name__)

    def ended(self) -> None:
        if self._failed_at is None:
            return
        with self._lock:
            self._failed_at = None
        logger.warning("live updates reach Redis again")


_outage = _Outage()


def _attempt(fill: Callable[[Any], None]) -> bool:
    """Run one pipeline that `fill` fills; False when Redis did not take it."""
    if not _outage.may_try():
        return False
    try:
        with redis_client().pipeline(transaction=False) as pipe:
            fill(pipe)
            pipe.execute()
    except (redis.RedisError, OSError) as exc:
        _outage.failed(exc)
        return False
    _outage.ended()
    return True


def publish_many(publications: Iterable[Publication], *, kept: bool = True) -> bool:
    """Publish frames of mode "whole" in one message; `kept` also stores them for `state_read`.

    Returns whether Redis took them. Callers that must not lose a last frame (the gateway) try again;
    everyone else may ignore the answer.
    """
    items = list(publications)
    if not items:
        return True

    def fill(pipe: Any) -> None:
        if kept:
            # State first: a subscriber that missed the publication reads the newer state.
            pipe.hset(STATE, mapping={topic: encode((version, frame)) for topic, version, frame in items})
        pipe.publish(CHANNEL, encode(items))

    return _attempt(fill)


def publish(topic: str, frame: Frame, version: int | None = None) -> bool:
    """Publish one frame of a topic of mode "whole" and keep it as the topic's state."""
    return publish_many([(topic, next_version() if version is None else version, frame)])


def publish_rows(
    topic: str,
    rows: Mapping[str, Frame | None],
    *,
    version: int | None = None,
    kept: bool = False,
    is_all: bool = False,
) -> bool:
    """Publish rows of a topic of mode "rows": key -> row, or None when the row is gone.

    Each row carries its own rising "v"; a row without one gets the frame's version. `kept` also
    stores the rows for `rows_read` (market data; private rows have their state in SQL).
    is_all: these are all that there are, and replace what browsers have.
    """
    if not rows and not is_all:
        return True
    version = next_version() if version is None else version
    full = {key: row if row is None or "v" in row else {"v": version, **row} for key, row in rows.items()}

    def fill(pipe: Any) -> None:
        if kept:
            present = {key: encode(row) for key, row in full.items() if row is not None}
            gone = [key for key, row in full.items() if row is None]
            if present:
                pipe.hset(ROWS_PREFIX + topic, mapping=present)
            if gone:
                pipe.hdel(ROWS_PREFIX + topic, *gone)
        frame = {"rows": full, "all": True} if is_all else {"rows": full}
        pipe.publish(CHANNEL, encode([(topic, version, frame)]))

    return _attempt(fill)


def publish_on_commit(
    topic: str,
    frame: Frame | Callable[[], Frame] | None = None,
    *,
    rows: Mapping[str, Frame | None] | None = None,
) -> None:
    """Publish after the current transaction commits (at once outside of one).

    Give either a frame of a "whole" topic (or a callable that builds it after the commit, so that the
    newest version carries the newest state), or `rows` of a "rows" topic.
    """
    if (frame is None) == (rows is None):
        raise ValueError("publish_on_commit takes a frame or rows")

    def run() -> None:
        if rows is not None:
            publish_rows(topic, rows)
        elif frame is not None:
            # Before the state is read: of two processes that publish at once, the one that read the newer
            # state then has the newer version, whichever frame leaves first.
            version = next_version()
            publish(topic, frame() if callable(frame) else frame, version)

    transaction.on_commit(run)


def state_read(topic: str) -> tuple[int, dict[str, Any]] | None:
    """Return (version, frame) last kept for a topic of mode "whole"; None when there is none or Redis is down."""
    try:
        raw = redis_client().hget(STATE, topic)
    except (redis.RedisError, OSError) as exc:
        _outage.failed(exc)
        return None
    if raw is None:
        return None
    return _decode_state(raw)


def rows_read(topic: str) -> dict[str, dict[str, Any]]:
    """Return the rows last kept for a topic of mode "rows"; empty when there are none or Redis is down."""
    try:
        raw = redis_client().hgetall(ROWS_PREFIX + topic)
    except (redis.RedisError, OSError) as exc:
        _outage.failed(exc)
        return {}
    return {_text(key): msgspec.json.decode(value) for key, value in raw.items()}


def _text(raw: bytes | str) -> str:
    return raw.decode() if isinstance(raw, bytes) else raw


def state_forget(topics: Iterable[str]) -> bool:
    """Drop what was kept for topics of mode "whole" (nobody maintains them any more)."""
    names = list(topics)
    return not names or _attempt(lambda pipe: pipe.hdel(STATE, *names))


def heartbeat_ms(environment: str) -> int | None:
    """Return when the gateway of an environment last said it lives (Unix ms), None when it does not."""
    try:
        raw = redis_client().get(HEARTBEAT_PREFIX + environment)
    except (redis.RedisError, OSError) as exc:
        _outage.failed(exc)
        return None
    return None if raw is None else int(raw)
