"""The short way of a new order to its sender: an id in a list of Redis that threads of the `orders` worker wait at.

Confirmations of accepted quotes go to the `urgent` worker in the same way, by a list of their own.

Celery's way costs about 2 ms of what stands between a click and the exchange: a message of 1 kB through four layers
at each end, two writes of its own bookkeeping, and one more thread to wake. None of that is needed here. What must
happen stands in SQL, the claim sends at most once however often an id comes, and the sweep hands over again, by
Celery, what was lost. Where no worker says that it waits at the list, the caller takes Celery's way at once.
"""

import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
import redis
from django.conf import settings
from django.db import close_old_connections
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.core.trace import trace_id, tracing
from apps.exchange.ahead import Pending

logger = logging.getLogger(__name__)


class Lane(NamedTuple):
    """Names in Redis: the list, and what exists while a thread waits at it."""

    list: str
    attended: str


LIST = "desk:lane:orders"
ATTENDED = "desk:lane:attended"
ORDERS: Final = Lane(LIST, ATTENDED)
CONFIRMS: Final = Lane("desk:lane:confirms", "desk:lane:confirms-attended")
ATTENDED_FOR = 10_000  # ms; a worker whose threads all hang is passed by after this long
WAITS_FOR = 2.0  # seconds at the list, then it says again that it is there
LANES = 4  # as many orders leave at once
GIVES_UP_AFTER = 0.2  # seconds; a person waits for who hands over
_AWAY_FOR = 1.0  # seconds between two looks at a Redis that is away

# One step, so that nothing is put where nobody is.
_PUT = "if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end redis.call('LPUSH', KEYS[1], ARGV[1]) return 1"


class Handed(msgspec.Struct, array_like=True):
    """What lies in the list: which intent, and the trace of the click.

    intent_id 0: an order of this account is being checked.
    """

    intent_id: int
    trace: str
    account_id: int = 0


_decode = msgspec.json.Decoder(Handed).decode


def hand_over(intent_id: int, *, to: Lane = ORDERS) -> bool:
    """Put a committed intent before the senders. False: nobody is there to take it, or Redis is away."""
    try:
        put = _client(settings.REDIS_URL).evalsha(
            _sha(settings.REDIS_URL), 2, *to, msgspec.json.encode(Handed(intent_id, trace_id()))
        )
    except redis.exceptions.NoScriptError:
        _sha.cache_clear()  # Redis was restarted, and forgot it
        return False
    except (redis.RedisError, OSError) as exc:
        logger.info("%s of %s goes the long way (%s)", intent_id, to.list, type(exc).__name__)
        return False
    return bool(put)


class Announced:
    """Word to the senders that an order of an account is being checked: they wake up and make themselves ready.

    Nothing of it is needed. It says nothing of the order, nothing is claimed or sent for it, and a sender that never
    hears it sends as well. `end` is called however the checks end.
    """

    def __init__(self, account_id: int, *, to: Lane = ORDERS) -> None:
        self._pending: Pending | None = None
        with contextlib.suppress(redis.RedisError, OSError):
            raw = msgspec.json.encode(Handed(0, trace_id(), account_id))
            self._pending = Pending(_client(settings.REDIS_URL), (("EVALSHA", _sha(settings.REDIS_URL), 2, *to, raw),))

    def end(self) -> None:
        """Take in what Redis says to it, which is there by now; it changes nothing."""
        if self._pending is not None:
            with contextlib.suppress(redis.RedisError, OSError):
                self._pending.read()


@functools.lru_cache(maxsize=4)
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        socket_timeout=GIVES_UP_AFTER,
        socket_connect_timeout=GIVES_UP_AFTER,
        retry=Retry(NoBackoff(), 1),
        client_name="desk-lane",
    )


@functools.lru_cache(maxsize=4)
def _sha(url: str) -> str:
    return str(_client(url).script_load(_PUT))


def forget() -> None:
    """Drop the connections of this process (tests)."""
    _sha.cache_clear()
    _client.cache_clear()


class Attendants:
    """Threads that send what comes, each with a connection of its own to Redis and to the database.

    Args:
        send: sends one intent by its id; what it raises is logged, as a task's would be.
        at: which list they wait at.
        warm: called with the account of an order that is announced; what it raises is logged.
    """

    def __init__(
        self,
        send: Callable[[int], object],
        *,
        lanes: int = LANES,
        at: Lane = ORDERS,
        warm: Callable[[int], object] = lambda account_id: None,
    ) -> None:
        self._send = send
        self._warm = warm
        self._at = at
        self._ending = threading.Event()
        self.threads = [
            threading.Thread(target=self._attend, name=f"lane-{number}", daemon=True) for number in range(lanes)
        ]
        self._busy = 0
        self._idle = threading.Condition()

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """Take nothing more."""
        self._ending.set()

    def join(self, within: float = 8.0) -> None:
        """Wait until what was taken is sent and written down, `within` seconds at most."""
        with self._idle:
            self._idle.wait_for(lambda: not self._busy, timeout=within)

    def _attend(self) -> None:
        client = redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=WAITS_FOR + 3, socket_connect_timeout=1, client_name="desk-lane-taker"
        )
        said_at = None
        while not self._ending.is_set():
            try:
                now = time.monotonic()
                if said_at is None or now - said_at >= WAITS_FOR:
                    client.set(self._at.attended, 1, px=ATTENDED_FOR)
                    said_at = now
                found = client.brpop([self._at.list], timeout=WAITS_FOR)
                if found is not None and self._ending.is_set():
                    client.rpush(self._at.list, found[1])  # for whoever comes after us
                    found = None
            except (redis.RedisError, OSError) as exc:
                logger.info("the lane %s waits for Redis (%s)", self._at.list, type(exc).__name__)
                said_at = None
                self._ending.wait(_AWAY_FOR)
                continue
            if found is not None:
                self._take(found[1])
        client.close()

    def _take(self, raw: bytes | str) -> None:
        with self._idle:
            self._busy += 1
        close_old_connections()
        try:
            handed = _decode(raw)
            with tracing(handed.trace):
                if handed.intent_id:
                    self._send(handed.intent_id)
                else:
                    self._warm(handed.account_id)
        except Exception:
            # The intent is as the send left it; the sweep looks after it.
            logger.exception("%s: what was taken was not sent by the lane", self._at.list)
        finally:
            close_old_connections()
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()
