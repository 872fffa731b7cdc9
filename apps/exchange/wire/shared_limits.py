"""One budget per exchange account for all processes of the desk, kept in Redis."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, cast

import redis

from apps.exchange.ahead import Pending
from apps.exchange.wire.limits import Bucket, Budget, Kind, Level, LocalLimiter, bucket_of, floor_of, too_expensive

logger = logging.getLogger(__name__)

# Share of the real budget that one process may spend while Redis is away. The embedded
# installation has four processes that talk to the exchange, so together they stay within it.
FALLBACK_SHARE = 0.25
# Seconds without asking Redis again after it failed: an order must not wait for a dead broker.
_RETRY_AFTER = 1.0

# Check and take in one step, on Redis's own clock, so that processes on machines with different
# clocks agree. Tokens are kept in 1/1,000,000 as strings: Lua numbers lose their fraction on the
# way out. KEYS: bucket. ARGV: rate, capacity, cost, floor.
# Returns the microseconds to wait (0: taken).
_TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local rate, capacity = tonumber(ARGV[1]), tonumber(ARGV[2])
local cost, floor = tonumber(ARGV[3]), tonumber(ARGV[4])
local state = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(state[1]) or capacity
local elapsed = math.max(0, now - (tonumber(state[2]) or now))
tokens = math.min(capacity, tokens + elapsed * rate / 1000000)
local wait = 0
if cost <= tokens - floor then
  tokens = tokens - cost
else
  wait = math.ceil((cost + floor - tokens) / rate * 1000000)
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%d', now))
redis.call('EXPIRE', KEYS[1], 3600)
return wait
"""

# KEYS: bucket. The bucket is empty as of now.
_DRAIN = """
local t = redis.call('TIME')
redis.call('HSET', KEYS[1], 'tokens', '0', 'at', string.format('%d', t[1] * 1000000 + t[2]))
redis.call('EXPIRE', KEYS[1], 3600)
return 0
"""

# KEYS: bucket. ARGV: rate, capacity. Returns millionths of a token.
_LEVEL = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local rate, capacity = tonumber(ARGV[1]), tonumber(ARGV[2])
local state = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(state[1]) or capacity
local elapsed = math.max(0, now - (tonumber(state[2]) or now))
return string.format('%d', math.min(capacity, tokens + elapsed * rate / 1000000) * 1000000)
"""


class SharedLimiter:
    """Buckets of one account in Redis; see `Limiter`.

    While Redis is away each process counts alone, at FALLBACK_SHARE of the budget: trading goes
    on, slower. `degraded` says so, and so does the log.

    Args:
        client: must have short socket time-outs (0.2 s), because orders wait for it.
        account: names the buckets; one per exchange account, not per key.
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        account: str,
        read: Budget,
        write: Budget,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._account = account
        self._clock = clock
        self._lock = threading.Lock()
        self._budgets: dict[Bucket, Budget] = {"read": read, "write": write}
        self._local = LocalLimiter(read=_share(read), write=_share(write), clock=clock)
        self._away_since: float | None = None
        self._ask_again_at = 0.0
        self._take = client.register_script(_TAKE)
        self._drain = client.register_script(_DRAIN)
        self._level = client.register_script(_LEVEL)

    @property
    def degraded(self) -> bool:
        """True while Redis is away and this process counts alone."""
        return self._away_since is not None

    def take(self, cost: int, *, kind: Kind) -> float:
        name = bucket_of(kind)
        budget = self._budgets[name]
        floor = floor_of(kind, budget)
        if cost > budget.capacity - floor:
            raise ValueError(too_expensive(cost, budget.capacity - floor))
        wait = self._ask(self._take, name, budget.rate, budget.capacity, cost, floor)
        if wait is not None:
            return int(cast(int, wait)) / 1_000_000
        return self._local.take(cost, kind=kind)

    def take_begin(self, cost: int, *, kind: Kind) -> "SharedTaking":
        """As `take`, up to the answer: what stands in the way is met by its `wait`."""
        name = bucket_of(kind)
        budget = self._budgets[name]
        floor = floor_of(kind, budget)
        pending: Pending | None = None
        if self._away_since is None and cost <= budget.capacity - floor:
            args = (budget.rate, budget.capacity, cost, floor)
            command = ("EVALSHA", self._take.sha, 1, self._key(name), *args)
            with contextlib.suppress(redis.RedisError, OSError):
                pending = Pending(self._client, (command,))
        return SharedTaking(self, pending, cost, kind)

    def drain(self, *, kind: Kind) -> None:
        self._ask(self._drain, bucket_of(kind))
        self._local.drain(kind=kind)

    def levels(self) -> dict[Bucket, Level]:
        levels: dict[Bucket, Level] = {}
        for name, budget in self._budgets.items():
            left = self._ask(self._level, name, budget.rate, budget.capacity)
            if left is None:
                local = self._local.levels()[name]
                levels[name] = Level(tokens=local.tokens, capacity=local.capacity, rate=local.rate, degraded=True)
            else:
                tokens = int(cast(bytes, left)) / 1_000_000
                levels[name] = Level(tokens=tokens, capacity=budget.capacity, rate=budget.rate)
        return levels

    def configure(self, *, read: Budget, write: Budget) -> None:
        self._budgets = {"read": read, "write": write}
        self._local.configure(read=_share(read), write=_share(write))

    def _key(self, name: Bucket) -> str:
        return f"desk:tokens:{self._account}:{name}"

    def _ask(self, script: Any, name: Bucket, *args: float) -> object | None:
        """Run a script; None when Redis is away (then it is not asked again for a second)."""
        if self._away_since is not None and self._clock() < self._ask_again_at:
            return None
        try:
            answer: object = script(keys=[self._key(name)], args=list(args))
        except redis.RedisError as exc:
            with self._lock:
                if self._away_since is None:
                    self._away_since = self._clock()
                    logger.warning(
                        "rate budgets of account %s are counted by this process alone, at %.0f %%: Redis is away (%s)",
                        self._account,
                        FALLBACK_SHARE * 100,
                        type(exc).__name__,
                    )
                self._ask_again_at = self._clock() + _RETRY_AFTER
            return None
        if self._away_since is not None:
            with self._lock:
                self._away_since = None
            logger.warning("rate budgets of account %s are shared through Redis again", self._account)
        return answer


class SharedTaking:
    """Tokens that were asked for, and whose answer is on its way (see `wire.limits.Taking`)."""

    def __init__(self, limiter: SharedLimiter, pending: Pending | None, cost: int, kind: Kind) -> None:
        self._limiter, self._pending, self._cost, self._kind = limiter, pending, cost, kind

    def wait(self) -> float:
        pending, self._pending = self._pending, None
        if pending is not None:
            # An answer that does not come may have been taken: asking again spends twice, and never too little.
            with contextlib.suppress(redis.RedisError, OSError):
                [wait] = pending.read()
                return int(wait) / 1_000_000
        return self._limiter.take(self._cost, kind=self._kind)

    def drop(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.drop()


def _share(budget: Budget) -> Budget:
    # The capacity stays: a single request that fits the account must fit here too.
    return Budget(rate=budget.rate * FALLBACK_SHARE, capacity=budget.capacity)
