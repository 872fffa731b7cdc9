"""Token budgets per member (docs: getting_started/rate_limits).

Every authenticated request costs tokens; reads and writes have a bucket each, batches are billed
per item. Tokens flow back continuously; what does not fit now is refused and costs nothing.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["read", "write"]

DEFAULT_COST = 10
CANCEL_COST = 2
ORDER_READ_COST = 2
LOOKUP_COST = 2  # the page says that it is cheaper than the default, and not how much
QUOTE_COST = 2  # to create, delete or read one

# tier -> (read tokens per second, write tokens per second). The write bucket holds two seconds,
# at Basic one; the page names no larger read bucket, so it holds one second at every tier.
TIERS: dict[str, tuple[int, int]] = {
    "basic": (200, 100),
    "advanced": (300, 300),
    "premier": (1000, 1000),
    "paragon": (2000, 2000),
    "prime": (4000, 4000),
}

# What GET /account/endpoint_costs lists: everything that differs from DEFAULT_COST.
ENDPOINT_COSTS: list[dict[str, str | int]] = [
    {"method": "GET", "path": "/trade-api/v2/portfolio/orders/{order_id}", "cost": ORDER_READ_COST},
    {"method": "DELETE", "path": "/trade-api/v2/portfolio/events/orders/{order_id}", "cost": CANCEL_COST},
    {"method": "DELETE", "path": "/trade-api/v2/portfolio/events/orders/batched", "cost": CANCEL_COST},
    {"method": "DELETE", "path": "/trade-api/v2/portfolio/orders/{order_id}", "cost": CANCEL_COST},
    {"method": "DELETE", "path": "/trade-api/v2/portfolio/orders/batched", "cost": CANCEL_COST},
    {"method": "POST", "path": "/trade-api/v2/communications/quotes", "cost": QUOTE_COST},
    {"method": "GET", "path": "/trade-api/v2/communications/quotes/{quote_id}", "cost": QUOTE_COST},
    {"method": "DELETE", "path": "/trade-api/v2/communications/quotes/{quote_id}", "cost": QUOTE_COST},
    {
        "method": "PUT",
        "path": "/trade-api/v2/multivariate_event_collections/{collection_ticker}/lookup",
        "cost": LOOKUP_COST,
    },
]


@dataclass(slots=True)
class TokenBucket:
    """rate: tokens per second. capacity, tokens: tokens. at_ms: monotonic milliseconds."""

    rate: int
    capacity: int
    tokens: float
    at_ms: float

    def take(self, cost: int, *, now_ms: float) -> bool:
        """Take `cost` tokens if they are there; otherwise take nothing and return False."""
        self.tokens = min(float(self.capacity), self.tokens + (now_ms - self.at_ms) * self.rate / 1000)
        self.at_ms = now_ms
        # A float sum may end a hair below the whole number it stands for.
        if cost > self.tokens + 1e-6:
            return False
        self.tokens -= cost
        return True


class MemberBudgets:
    """Both buckets of each member; shared by all of the member's keys."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, Kind], tuple[str, TokenBucket]] = {}

    def bucket(self, user_id: str, kind: Kind, *, tier: str, now_ms: float) -> TokenBucket:
        known = self._buckets.get((user_id, kind))
        if known is not None and known[0] == tier:
            return known[1]
        rate, capacity = limits(tier, kind)
        bucket = TokenBucket(rate, capacity, float(capacity), now_ms)
        self._buckets[user_id, kind] = (tier, bucket)
        return bucket

    def take(self, user_id: str, kind: Kind, cost: int, *, tier: str, now_ms: float) -> bool:
        return self.bucket(user_id, kind, tier=tier, now_ms=now_ms).take(cost, now_ms=now_ms)

    def fill(self, user_id: str) -> None:
        """Give a member full buckets (control endpoint)."""
        for kind in ("read", "write"):
            self._buckets.pop((user_id, kind), None)


def limits(tier: str, kind: Kind) -> tuple[int, int]:
    """Return (tokens per second, capacity) of one bucket of a tier."""
    read, write = TIERS[tier]
    if kind == "read":
        return read, read
    return write, write if tier == "basic" else write * 2
