"""Order groups: how many contracts a set of orders may trade within 15 seconds.

Source: docs getting_started/order_groups and the OpenAPI descriptions, which differ in one word: the limit is
"exceeded" in the former and "hit" in the latter. `TriggersAt` chooses.
"""

from dataclasses import dataclass, field
from typing import Literal

WINDOW_MS = 15_000
MAX_LIMIT = 1_000_000  # contracts

GroupStep = Literal["created", "triggered", "reset", "deleted", "limit_updated", "matched"]
TriggersAt = Literal["reached", "exceeded"]


@dataclass(slots=True)
class OrderGroup:
    """One group of a subaccount. `limit` in count units; `matched` is (instant, count units), oldest first."""

    group_id: str
    user_id: str
    subaccount: int
    limit: int
    created_ms: int
    updated_ms: int
    triggered: bool = False
    matched: list[tuple[int, int]] = field(default_factory=list)

    def used(self, now_ms: int) -> int:
        """Count units matched in the window that ends now; what is 15 s old has left it."""
        return sum(count for ts_ms, count in self.matched if ts_ms > now_ms - WINDOW_MS)

    def add(self, count: int, *, now_ms: int) -> None:
        """Take in a match, and forget those that have left the window."""
        self.matched = [row for row in self.matched if row[0] > now_ms - WINDOW_MS]
        self.matched.append((now_ms, count))

    def is_over(self, now_ms: int, *, triggers_at: TriggersAt) -> bool:
        """Whether the window holds too much. An empty window never does."""
        used = self.used(now_ms)
        return used > self.limit if triggers_at == "exceeded" else used >= self.limit
