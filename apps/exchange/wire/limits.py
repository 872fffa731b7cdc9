"""Token buckets of one exchange account: pure, in memory, and shared by all processes.

The exchange gives every account a read and a write bucket that refill continuously
(docs:rate_limits). RESERVE of the write bucket is kept for cancels: whatever a trader or an
automation spends, pulling orders stays possible. READ_RESERVE of the read bucket is kept from "bulk" reads,
which fetch history: whoever looks up an order in doubt never waits behind them.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

Kind = Literal["read", "bulk", "write", "cancel"]
Bucket = Literal["read", "write"]

RESERVE = 0.3  # share of the write capacity that only cancels may use
READ_RESERVE = 0.5  # share of the read capacity that bulk reads leave


@dataclass(frozen=True, slots=True)
class Budget:
    """One bucket as GET /account/limits gives it. rate: tokens/second; capacity: tokens."""

    rate: float
    capacity: float

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.capacity <= 0:
            raise ValueError(f"a budget needs a positive rate and capacity, was {self.rate} and {self.capacity}")


@dataclass(frozen=True, slots=True)
class Level:
    """A bucket as it stands now. degraded: counted by this process alone, see SharedLimiter."""

    tokens: float
    capacity: float
    rate: float
    degraded: bool = False


@dataclass(slots=True)
class TokenBucket:
    """One Kalshi budget. rate: tokens/second; capacity: tokens; times: monotonic seconds."""

    rate: float
    capacity: float
    tokens: float
    updated_at: float

    def take(self, cost: int, *, now: float, floor: float = 0.0) -> float:
        """Take `cost` tokens and return 0.0, or take nothing and return the seconds to wait.

        Args:
            floor: tokens that must stay in the bucket.

        Raises:
            ValueError: `cost` exceeds what may ever be taken, so waiting would never help
                (a batch is billed per item and must fit at once, docs:rate_limits).
        """
        if cost > self.capacity - floor:
            raise ValueError(too_expensive(cost, self.capacity - floor))
        self.refill(now=now)
        if cost <= self.tokens - floor:
            self.tokens -= cost
            return 0.0
        return (cost + floor - self.tokens) / self.rate

    def refill(self, *, now: float) -> None:
        # A clock that steps back must not take tokens away.
        self.tokens = min(self.capacity, self.tokens + max(0.0, now - self.updated_at) * self.rate)
        self.updated_at = now


class Limiter(Protocol):
    """What the client asks before each request. Implementations are safe between threads."""

    def take(self, cost: int, *, kind: Kind) -> float:
        """Take `cost` tokens and return 0.0, or take nothing and return the seconds to wait.

        Raises ValueError when the cost can never be met.
        """
        ...

    def drain(self, *, kind: Kind) -> None:
        """The exchange answered 429: its bucket is empty, so is ours."""
        ...

    def levels(self) -> dict[Bucket, Level]:
        """Both buckets as they stand now, for the gauges."""
        ...

    def configure(self, *, read: Budget, write: Budget) -> None:
        """Use the budgets that the exchange says now; spent tokens stay spent."""
        ...


@runtime_checkable
class TakesAhead(Protocol):
    """A limiter that is asked over a line, and whose answer can be read later."""

    def take_begin(self, cost: int, *, kind: Kind) -> "Taking":
        """As `Limiter.take`, up to the answer."""
        ...


class Taking(Protocol):
    """Tokens that were asked for."""

    def wait(self) -> float:
        """Return what `Limiter.take` returns; once."""
        ...

    def drop(self) -> None:
        """Nobody waits for the answer. What was taken is spent."""
        ...


def too_expensive(cost: int, most: float) -> str:
    return f"A request of {cost} tokens can never be sent: this account's bucket gives {most:.0f} at once. Split it."


def bucket_of(kind: Kind) -> Bucket:
    return "read" if kind in ("read", "bulk") else "write"


def floor_of(kind: Kind, budget: Budget) -> float:
    """Tokens that a request of this kind has to leave in its bucket."""
    if kind == "bulk":
        return budget.capacity * READ_RESERVE
    return budget.capacity * RESERVE if kind == "write" else 0.0


class LocalLimiter:
    """Buckets of this process alone: for tools and tests, and SharedLimiter's fallback."""

    def __init__(self, *, read: Budget, write: Budget, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._budgets: dict[Bucket, Budget] = {"read": read, "write": write}
        self._buckets: dict[Bucket, TokenBucket] = {
            name: TokenBucket(rate=budget.rate, capacity=budget.capacity, tokens=budget.capacity, updated_at=clock())
            for name, budget in self._budgets.items()
        }

    def take(self, cost: int, *, kind: Kind) -> float:
        name = bucket_of(kind)
        with self._lock:
            return self._buckets[name].take(cost, now=self._clock(), floor=floor_of(kind, self._budgets[name]))

    def drain(self, *, kind: Kind) -> None:
        with self._lock:
            bucket = self._buckets[bucket_of(kind)]
            bucket.tokens, bucket.updated_at = 0.0, self._clock()

    def levels(self) -> dict[Bucket, Level]:
        with self._lock:
            for bucket in self._buckets.values():
                bucket.refill(now=self._clock())
            return {
                name: Level(tokens=bucket.tokens, capacity=bucket.capacity, rate=bucket.rate)
                for name, bucket in self._buckets.items()
            }

    def configure(self, *, read: Budget, write: Budget) -> None:
        with self._lock:
            self._budgets = {"read": read, "write": write}
            for name, budget in self._budgets.items():
                bucket = self._buckets[name]
                bucket.refill(now=self._clock())
                bucket.rate, bucket.capacity = budget.rate, budget.capacity
                bucket.tokens = min(bucket.tokens, budget.capacity)
