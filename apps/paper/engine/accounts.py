"""Members, their keys, cash and positions."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from apps.paper.engine.orders import Fill, Order, Settlement
from apps.paper.engine.units import CENT, DOLLAR_PRICE, Outcome, Side

PaymentKind = Literal["deposit", "withdrawal"]
PaymentMethod = Literal["ach", "wire", "crypto", "debit", "apm"]
PaymentStatus = Literal["pending", "applied", "failed", "returned"]


@dataclass(frozen=True, slots=True)
class ApiKeyRecord:
    """A registered public key. The private half never comes here."""

    key_id: str
    user_id: str
    public_key_pem: str
    scopes: tuple[str, ...]
    name: str = ""


@dataclass(slots=True)
class Position:
    """A net position in one market and subaccount. `count` positive YES, negative NO; money in micro-dollars."""

    user_id: str
    subaccount: int
    ticker: str
    event_ticker: str
    count: int = 0
    cost: int = 0  # what the open contracts cost, without fees
    fee_cost: int = 0  # fees paid to open the open contracts
    realized_pnl: int = 0  # without fees
    fees_paid: int = 0
    total_traded: int = 0  # own-leg price x count of all fills
    volume: int = 0
    updated_ms: int = 0

    def closable(self, side: Side) -> int:
        """Contracts that an order on this side would close before it opens any."""
        return max(0, -self.count if side == "bid" else self.count)

    def revenue(self, *, side: Side, price: int, count: int) -> int:
        """What a fill at this YES-leg price brings before fees: negative when money is paid in.

        Contracts that close an opposite holding redeem the pair for a dollar each.
        """
        leg_price = price if side == "bid" else DOLLAR_PRICE - price
        return DOLLAR_PRICE * min(count, self.closable(side)) - leg_price * count

    def apply(self, *, side: Side, price: int, count: int, fee: int, ts_ms: int) -> None:
        """Take in one fill at this YES-leg price; `fee` is its net fee."""
        leg_price = price if side == "bid" else DOLLAR_PRICE - price
        closing = min(count, self.closable(side))
        opening = count - closing
        if closing:
            held = abs(self.count)
            cost_out = self.cost * closing // held
            self.realized_pnl += (DOLLAR_PRICE - leg_price) * closing - cost_out
            self.cost -= cost_out
            self.fee_cost -= self.fee_cost * closing // held
        if opening:
            self.cost += leg_price * opening
            self.fee_cost += fee * opening // count
        self.count += count if side == "bid" else -count
        self.fees_paid += fee
        self.total_traded += leg_price * count
        self.volume += count
        self.updated_ms = ts_ms


@dataclass(slots=True)
class Exposure:
    """One account in one market: its position, its resting orders, and the money both lock.

    Resting orders that would only close the position lock nothing. Covered are those that would trade first, so that
    whatever trades next never needs more than is locked.
    """

    position: Position
    bids: dict[str, Order] = field(default_factory=dict)
    asks: dict[str, Order] = field(default_factory=dict)
    bid_hold: int = 0
    ask_hold: int = 0
    hold: int = 0
    reduce_only: dict[str, Order] = field(default_factory=dict)
    bid_queue: list[tuple[int, int, Order]] = field(default_factory=list)  # what trades first comes first
    ask_queue: list[tuple[int, int, Order]] = field(default_factory=list)

    def add(self, order: Order) -> None:
        """An order begins to rest."""
        self.side(order.side)[order.order_id] = order
        insort(self._queue(order.side), (-order.book_price, order.priority, order))

    def drop(self, order: Order) -> None:
        """An order rests no more."""
        del self.side(order.side)[order.order_id]
        queue = self._queue(order.side)
        del queue[bisect_left(queue, (-order.book_price, order.priority))]

    def _queue(self, side: Side) -> list[tuple[int, int, Order]]:
        return self.bid_queue if side == "bid" else self.ask_queue

    def side(self, side: Side) -> dict[str, Order]:
        """Resting orders of a side."""
        return self.bids if side == "bid" else self.asks

    def add_hold(self, side: Side, amount: int) -> None:
        """Change what a side would lock if nothing covered it."""
        if side == "bid":
            self.bid_hold += amount
        else:
            self.ask_hold += amount

    def locked(self, *, extra: Order | None = None) -> int:
        """Money locked by resting orders, with `extra` (its `hold` set, not yet resting) among them."""
        total = self.bid_hold + self.ask_hold + (extra.hold if extra else 0)
        covering: Side = "ask" if self.position.count > 0 else "bid"
        left = self.position.closable(covering)
        if not left:
            return total
        queue = self._queue(covering)
        if extra and extra.side == covering:
            queue = queue.copy()
            insort(queue, (-extra.book_price, extra.priority, extra))
        for _, _, order in queue:
            covered = min(left, order.remaining)
            total -= order.hold if covered == order.remaining else order.hold * covered // order.remaining
            left -= covered
            if not left:
                break
        return total


@dataclass(slots=True)
class Account:
    """One subaccount's money: `cash` is whole cents always, `held` is locked by resting orders."""

    user_id: str
    subaccount: int
    cash: int
    updated_ms: int
    held: int = 0
    exposures: dict[str, Exposure] = field(default_factory=dict)
    netting: bool = True  # see `Subaccounts`
    created_ms: int = 0

    @property
    def available(self) -> int:
        """What new orders may use; rounding fees of many tiny fills can take it a few cents below zero."""
        return self.cash - self.held

    @property
    def available_cents(self) -> int:
        """`available` in whole cents, rounded down."""
        return self.available // CENT


@dataclass(frozen=True, slots=True)
class Transfer:
    """Cash moved between two subaccounts of a member; `client_transfer_id` is the member's own, used once."""

    transfer_id: str
    client_transfer_id: str
    sequence: int
    user_id: str
    source: int
    target: int
    cents: int
    ts_ms: int


@dataclass(slots=True)
class Payment:
    """Money on its way to or from the primary account. `steps`: (Unix ms, status), oldest first, never empty.

    `fee_cents` is the payment service's: a deposit brings the amount less the fee, a withdrawal takes both.
    """

    payment_id: str
    sequence: int
    user_id: str
    kind: PaymentKind
    method: PaymentMethod
    cents: int
    fee_cents: int
    steps: list[tuple[int, PaymentStatus]]
    subaccount: int = 0

    @property
    def status(self) -> PaymentStatus:
        """What it has come to."""
        return self.steps[-1][1]

    @property
    def created_ms(self) -> int:
        """When it was asked for."""
        return self.steps[0][0]

    @property
    def effect(self) -> int:
        """What it changes about the account when it is applied, micro-dollars."""
        return (self.cents - self.fee_cents if self.kind == "deposit" else -self.cents - self.fee_cents) * CENT


@dataclass(slots=True)
class Member:
    """A person or firm with accounts. `keeps_history` is off for bots, whose dead orders are forgotten.

    `transfers` by client transfer id and `payments` by id, both oldest first. `subtraders`: of an FCM member, the
    subaccount that each subtrader's orders and positions are kept in.
    """

    user_id: str
    name: str
    accounts: dict[int, Account]
    keeps_history: bool = True
    client_order_ids: set[str] = field(default_factory=set)
    orders: list[Order] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    transfers: dict[str, Transfer] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)
    subtraders: dict[str, int] = field(default_factory=dict)

    def positions(self, *, subaccount: int | None = None) -> Iterator[Position]:
        """Positions in all markets ever traded, in the order of first trade."""
        for number, account in self.accounts.items():
            if subaccount in (None, number):
                yield from (e.position for e in account.exposures.values() if e.position.volume)


@dataclass(frozen=True, slots=True)
class Balance:
    """`available` and `portfolio_value` (positions at the price one could sell at), micro-dollars."""

    available: int
    portfolio_value: int
    updated_ms: int


@dataclass(frozen=True, slots=True)
class EventPosition:
    """Positions of one event, summed."""

    event_ticker: str
    total_cost: int
    total_cost_shares: int
    event_exposure: int
    realized_pnl: int
    fees_paid: int


def market_value(*, count: int, yes_bid: int, yes_ask: int) -> int:
    """What a position would bring at the best opposite price (micro-dollars); nothing when nobody bids."""
    outcome: Outcome = "yes" if count > 0 else "no"
    price = yes_bid if outcome == "yes" else DOLLAR_PRICE - yes_ask
    return price * abs(count)
