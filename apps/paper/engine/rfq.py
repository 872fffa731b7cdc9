"""RFQs and quotes: what they hold, the rules that the docs leave open, and how many contracts a quote is for.

Source: docs getting_started/rfqs, the OpenAPI descriptions, websockets/communications. What they leave open is decided
in `RfqRules` (its defaults are the readings that are hardest for a client) and listed in docs/paper-exchange.md.
"""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal
from uuid import NAMESPACE_URL, uuid5

from apps.paper.engine.units import CONTRACT, DOLLAR_PRICE, Outcome, Side

MAX_OPEN_RFQS = 100  # per member
RETENTION_MS = 14 * 86_400_000
STANDARD_WINDOWS = (30_000, 15_000)  # milliseconds to confirm, and from the confirmation to the orders
HVM_WINDOWS = (3_000, 1_000)  # the same for High Volatility Markets: all combos

RfqStatus = Literal["open", "closed"]
QuoteStatus = Literal["open", "accepted", "confirmed", "executed", "cancelled"]
RfqStep = Literal["created", "deleted", "closed", "changed", "purged"]
QuoteStep = Literal["created", "accepted", "confirmed", "executed", "cancelled", "lapsed", "purged"]
RfqFaultKind = Literal["lapse", "refuse_confirm", "execution_fails", "cancelled_but_filled"]


@dataclass(frozen=True, slots=True)
class NewRfq:
    """A create request, parsed: exactly one of `contracts` (count units) and `target_cost` (micro-dollars) is set."""

    ticker: str
    rest_remainder: bool
    contracts: int | None = None
    target_cost: int | None = None
    replace_existing: bool = False
    subaccount: int = 0


@dataclass(frozen=True, slots=True)
class NewQuote:
    """A create request, parsed; prices in price units, 0 declines a side."""

    rfq_id: str
    yes_bid: int
    no_bid: int
    rest_remainder: bool
    post_only: bool = False
    subaccount: int = 0


@dataclass(slots=True)
class Rfq:
    """A request for quotes. `contracts` is 0 when `target_cost` (micro-dollars) gives the size.

    kept: a member with a history asks, or has quoted; all others are forgotten when they close.
    """

    rfq_id: str
    sequence: int
    user_id: str
    subaccount: int
    ticker: str
    event_ticker: str
    contracts: int
    target_cost: int | None
    rest_remainder: bool
    created_ms: int
    updated_ms: int
    kept: bool
    status: RfqStatus = "open"
    cancellation_reason: str = ""
    cancelled_ms: int | None = None
    expires_ms: int | None = None


@dataclass(slots=True)
class Quote:
    """A maker's answer to an RFQ, seen by the two sides only. A bid of 0 declines its side.

    deadline_ms: until when an accepted one must be confirmed. execute_ms: when the orders of a confirmed one go out.
    lapsed: the confirmation window is over, whatever `status` says. misreported: a fault hides that it was executed.
    """

    quote_id: str
    sequence: int
    rfq_id: str
    user_id: str
    subaccount: int
    rfq_user_id: str
    rfq_subaccount: int
    ticker: str
    event_ticker: str
    contracts: int
    target_cost: int | None
    yes_bid: int
    no_bid: int
    yes_contracts: int
    no_contracts: int
    rest_remainder: bool
    post_only: bool
    created_ms: int
    updated_ms: int
    kept: bool
    status: QuoteStatus = "open"
    accepted_side: Outcome | None = None
    accepted_ms: int | None = None
    confirmed_ms: int | None = None
    executed_ms: int | None = None
    cancelled_ms: int | None = None
    cancellation_reason: str = ""
    deadline_ms: int | None = None
    execute_ms: int | None = None
    lapsed: bool = False
    misreported: bool = False
    order_id: str = ""
    client_order_id: str = ""
    rfq_order_id: str = ""
    rfq_client_order_id: str = ""

    @property
    def is_locked(self) -> bool:
        """Whether the RFQ waits for this quote: accepted and not lapsed, or confirmed."""
        return self.status == "confirmed" or (self.status == "accepted" and not self.lapsed)

    def bid(self, side: Outcome) -> int:
        """The price of a side in its own leg; 0 when declined."""
        return self.yes_bid if side == "yes" else self.no_bid

    def offered(self, side: Outcome) -> int:
        """Contracts (count units) behind a side."""
        return self.yes_contracts if side == "yes" else self.no_contracts

    def maker_terms(self, side: Outcome) -> tuple[Side, int]:
        """The maker's book side and YES price when `side` is accepted; the requester takes the other side of it.

        Accepting "yes" hits the YES bid (docs: fix/rfq-messages, AcceptQuote: SELL accepts the maker's YES quote).
        """
        return ("bid", self.yes_bid) if side == "yes" else ("ask", DOLLAR_PRICE - self.no_bid)


@dataclass(slots=True)
class RfqFault:
    """Hits the next `left` quotes that match; empty user_id (either side) and ticker match all."""

    kind: RfqFaultKind
    left: int
    user_id: str = ""
    ticker: str = ""

    def matches(self, kind: RfqFaultKind, quote: Quote) -> bool:
        """Whether it hits this quote."""
        users = ("", quote.user_id, quote.rfq_user_id)
        return self.kind == kind and self.user_id in users and self.ticker in ("", quote.ticker)


@dataclass(slots=True)
class RfqRules:
    """What the docs leave open. The first value of each is the default.

    lapsed: status of a quote whose confirmation window is over (observed: it stays accepted).
    closes_at: when an RFQ is closed and its other quotes are cancelled.
    grid: whether prices off the market's grid are refused (documented) or taken (observed on demo).
    target_cost: whose money a target cost is; it comes to target / (1 - bid) contracts (requester) or target / bid.
    replaces: a new quote replaces the maker's open quotes on the RFQ (REST) or in the market (FIX).
    closings_told: whether `rfq_deleted` is sent for deletions only or whenever an RFQ closes.
    put_needs_json: accept and confirm without a JSON content type are refused (observed).
    fractional: counts in hundredths of a contract (3.28), not whole contracts.
    lifetime_ms: when an open RFQ expires by itself. hvm: tickers with the short windows besides the combos.
    """

    lapsed: Literal["accepted", "cancelled"] = "accepted"
    closes_at: Literal["execution", "acceptance"] = "execution"
    grid: Literal["checked", "free"] = "checked"
    target_cost: Literal["requester", "maker"] = "requester"
    replaces: Literal["rfq", "market"] = "rfq"
    closings_told: Literal["deletions", "all"] = "deletions"
    put_needs_json: bool = True
    fractional: bool = False
    lifetime_ms: int | None = None
    hvm: tuple[str, ...] = ()
    faults: list[RfqFault] = field(default_factory=list)

    def take_fault(self, kind: RfqFaultKind, quote: Quote) -> bool:
        """Whether an armed fault hits this quote; it is used up by one."""
        fault = next((fault for fault in self.faults if fault.matches(kind, quote)), None)
        if fault is None:
            return False
        fault.left -= 1
        if fault.left <= 0:
            self.faults.remove(fault)
        return True

    def offered(self, *, contracts: int, target_cost: int | None, bid: int) -> int:
        """Count units that a quote offers on a side with this bid: nothing when the side is declined.

        A target cost is the requester's money without fees: it buys the other leg at 1 - bid. Rounded down.
        """
        if not bid:
            return 0
        if target_cost is None:
            return contracts
        price = DOLLAR_PRICE - bid if self.target_cost == "requester" else bid
        count = target_cost // price
        return count if self.fractional else count // CONTRACT * CONTRACT


def communications_id(user_id: str) -> str:
    """A member's public pseudonym: the same in every run, and no way back to the user id."""
    return str(uuid5(NAMESPACE_URL, f"paper-exchange/communications/{user_id}"))


def client_order_id(kind: Literal["quote", "rfq"], item_id: str) -> str:
    """`quote:<8 characters>:<quote id>` (docs: changelog of Jan 22, 2026); the requester's is formed alike."""
    digest = blake2b(f"{kind}:{item_id}".encode(), digest_size=4).hexdigest()
    return f"{kind}:{digest}:{item_id}"
