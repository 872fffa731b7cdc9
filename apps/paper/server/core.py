"""What all operations work on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from apps.paper.clock import Clock
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.history import ReadLag
from apps.paper.server.auth import AccessKey, KeyRing
from apps.paper.server.buckets import DEFAULT_COST, Kind, MemberBudgets
from apps.paper.server.catalogue import Catalogue
from apps.paper.server.http import Request, Response
from apps.paper.server.replay_markets import ReplayMarkets

DEFAULT_TIER = "basic"
Edition = Literal["3.18", "3.28"]  # of the Trade API: 3.28 adds to what is there, and takes little away


@dataclass(slots=True)
class Core:
    """The exchange with everything around it that requests need. tiers: user id -> tier name."""

    exchange: PaperExchange
    catalogue: Catalogue
    clock: Clock
    keys: KeyRing = field(default_factory=KeyRing)
    budgets: MemberBudgets = field(default_factory=MemberBudgets)
    tiers: dict[str, str] = field(default_factory=dict)
    replay_markets: ReplayMarkets | None = None
    edition: Edition = "3.18"
    resume_at_ms: int | None = None
    resumes_itself: bool = False  # a pause ends at `resume_at_ms` without being told
    lag: ReadLag = field(init=False)

    def __post_init__(self) -> None:
        self.exchange.rfq_rules.fractional = self.edition == "3.28"
        self.exchange.most_subaccounts = 63 if self.edition == "3.28" else 32
        self.lag = ReadLag(self.exchange)

    @property
    def view(self) -> ReadLag | None:
        """How reads of a member's own things see them: None as they are."""
        return self.lag if self.lag.lag_ms else None

    def tier(self, user_id: str) -> str:
        return self.tiers.get(user_id, DEFAULT_TIER)


@dataclass(slots=True)
class Call:
    """One request on its way to an operation; `key` is None on a public operation without signature."""

    request: Request
    key: AccessKey | None
    path: dict[str, str]

    @property
    def user_id(self) -> str:
        assert self.key is not None, "the router lets no unsigned request past here"
        return self.key.user_id


Handler = Callable[[Core, Call], Response]
Access = Literal["public", "read", "write"]


@dataclass(frozen=True, slots=True)
class Operation:
    """access: the scope that the key needs. bucket: who pays. cost: tokens, or how to count them for a request."""

    method: str
    template: str
    handler: Handler
    access: Access = "read"
    bucket: Kind = "read"
    cost: int | Callable[[Request], int] = DEFAULT_COST
