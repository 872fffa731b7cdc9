"""Read lag: what a member's orders, fills, positions and money were a while ago.

Nothing is kept while there is no lag. With one, every state of the last `lag_ms` is; what is older is dropped, so the
memory used is bounded by the lag and by the orders that rest. The instant that reads show never goes back.
"""

from collections import deque
from copy import copy
from dataclasses import dataclass
from typing import Generic, TypeVar

from apps.paper.engine.accounts import Account, Position
from apps.paper.engine.events import (
    AccountChanged,
    Deposited,
    Event,
    OrderChanged,
    PositionChanged,
    SettlementPaid,
    Transferred,
)
from apps.paper.engine.orders import Fill, Order
from apps.paper.engine.state import ExchangeState

MAX_LAG_MS = 600_000

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Money:
    """An account at an instant, micro-dollars."""

    cash: int
    held: int
    updated_ms: int

    @property
    def available(self) -> int:
        """What new orders could use."""
        return self.cash - self.held


class _Versions(Generic[Key, Value]):
    """States by instant. A key that is not here has not changed since the beginning."""

    def __init__(self) -> None:
        self._rows: dict[Key, list[tuple[int, Value]]] = {}
        self._written: deque[tuple[int, Key]] = deque()

    def put(self, key: Key, ts_ms: int, value: Value) -> None:
        rows = self._rows.setdefault(key, [])
        if rows and rows[-1][0] == ts_ms:
            rows[-1] = (ts_ms, value)
        else:
            rows.append((ts_ms, value))
            self._written.append((ts_ms, key))

    def at(self, key: Key, ts_ms: int, live: Value) -> Value | None:
        """The state at an instant; None when it was not there yet."""
        rows = self._rows.get(key)
        if rows is None:
            return live
        return next((value for since, value in reversed(rows) if since <= ts_ms), None)

    def drop_before(self, ts_ms: int) -> None:
        """Forget states that were replaced before or at an instant."""
        while self._written and self._written[0][0] <= ts_ms:
            since, key = self._written.popleft()
            rows = self._rows.get(key, [])
            while len(rows) > 1 and rows[1][0] <= since:
                del rows[0]

    def forget(self, key: Key) -> None:
        self._rows.pop(key, None)

    def __len__(self) -> int:
        return sum(len(rows) for rows in self._rows.values())


class ReadLag:
    """`set` begins, changes and ends the lag; the exchange is listened to only while there is one."""

    def __init__(self, exchange: ExchangeState) -> None:
        self._exchange = exchange
        self.lag_ms = 0
        self._from_ms = 0
        self._clear()

    @property
    def states(self) -> int:
        """How many states are kept."""
        return len(self._orders) + len(self._positions) + len(self._money)

    def set(self, lag_ms: int) -> None:
        """Show reads as of `lag_ms` ago; the instant first stands still until that is so. 0 ends it.

        Raises:
            ValueError: negative, or more than ten minutes.
        """
        if not 0 <= lag_ms <= MAX_LAG_MS:
            raise ValueError(f"ms must be 0 to {MAX_LAG_MS}")
        if lag_ms == 0:
            if self.lag_ms:
                self._exchange.unsubscribe(self._hear)
            self._clear()
        elif self.lag_ms == 0:
            self._from_ms = self._exchange.clock.now_ms()
            self._begin()
            self._exchange.subscribe(self._hear)
        else:
            self._from_ms = self.as_of_ms()
        self.lag_ms = lag_ms

    def as_of_ms(self) -> int:
        """The instant that reads show."""
        now = self._exchange.clock.now_ms()
        return max(self._from_ms, now - self.lag_ms) if self.lag_ms else now

    def _hear(self, event: Event) -> None:
        match event:
            case OrderChanged():
                self._put_order(event.order)
                self._put_money(event.order.user_id, event.order.subaccount)
            case PositionChanged():
                self._put_position(event.position)
            case Fill():
                self._put_money(event.user_id, event.subaccount)
            case Deposited() | SettlementPaid() | AccountChanged():
                self._put_money(event.account.user_id, event.account.subaccount)
            case Transferred():
                self._put_money(event.source.user_id, event.source.subaccount)
                self._put_money(event.target.user_id, event.target.subaccount)
            case _:
                return
        self._drop_old()

    def order(self, order: Order) -> Order | None:
        """The order as it was; None when it was not there yet."""
        return self._orders.at(order.order_id, self.as_of_ms(), order)

    def position(self, position: Position) -> Position | None:
        """The position as it was; None when it was not there yet."""
        key = (position.user_id, position.subaccount, position.ticker)
        return self._positions.at(key, self.as_of_ms(), position)

    def money(self, account: Account) -> Money:
        """The account as it was."""
        live = _money(account)
        return self._money.at((account.user_id, account.subaccount), self.as_of_ms(), live) or live

    def _clear(self) -> None:
        self._orders: _Versions[str, Order] = _Versions()
        self._positions: _Versions[tuple[str, int, str], Position] = _Versions()
        self._money: _Versions[tuple[str, int], Money] = _Versions()
        self._ended: deque[tuple[int, str]] = deque()

    def _begin(self) -> None:
        """Copy what may still change; dead orders do not."""
        for member in self._exchange.members.values():
            if not member.keeps_history:
                continue
            for account in member.accounts.values():
                self._put_money(member.user_id, account.subaccount)
                for exposure in account.exposures.values():
                    self._put_position(exposure.position)
                    for order in (*exposure.bids.values(), *exposure.asks.values()):
                        self._put_order(order)

    def _put_order(self, order: Order) -> None:
        if self._exchange.members[order.user_id].keeps_history:
            now = self._exchange.clock.now_ms()
            self._orders.put(order.order_id, now, copy(order))
            if order.status != "resting":
                self._ended.append((now, order.order_id))

    def _put_position(self, position: Position) -> None:
        if self._exchange.members[position.user_id].keeps_history:
            key = (position.user_id, position.subaccount, position.ticker)
            self._positions.put(key, self._exchange.clock.now_ms(), copy(position))

    def _put_money(self, user_id: str, subaccount: int) -> None:
        member = self._exchange.members[user_id]
        if member.keeps_history:
            self._money.put((user_id, subaccount), self._exchange.clock.now_ms(), _money(member.accounts[subaccount]))

    def _drop_old(self) -> None:
        as_of = self.as_of_ms()
        self._orders.drop_before(as_of)
        self._positions.drop_before(as_of)
        self._money.drop_before(as_of)
        while self._ended and self._ended[0][0] <= as_of:
            # Dead and past the lag: the order itself says the same.
            self._orders.forget(self._ended.popleft()[1])


def _money(account: Account) -> Money:
    return Money(account.cash, account.held, account.updated_ms)
