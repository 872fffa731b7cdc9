"""Which state may follow which: tables for intents, orders and cancels.

The values equal the choices in apps/orders/models.py (a test compares them). A report that asks for
a move not in the table is a discrepancy to store and show; it never overwrites. RELIABILITY 3a.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Generic, TypeVar


class IntentState(StrEnum):
    """An instruction to create an order: sent at most once, ever."""

    COMMITTED = "committed"
    SENDING = "sending"
    ACKED = "acked"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    NOT_SEEN = "not_seen"


class OrderStatus(StrEnum):
    """An order as the exchange reports it."""

    RESTING = "resting"
    CANCELED = "canceled"
    EXECUTED = "executed"


class CancelState(StrEnum):
    """A wish to cancel: sent again until the order is terminal, because a repeat is harmless."""

    COMMITTED = "committed"
    SENDING = "sending"
    DONE = "done"
    UNKNOWN = "unknown"
    REFUSED = "refused"


class IllegalTransition(Exception):
    """The move is not in the table. Nothing was changed."""

    def __init__(self, machine: str, current: str, new: str) -> None:
        super().__init__(f"{machine}: {current} cannot become {new}")
        self.machine = machine
        self.current = current
        self.new = new


S = TypeVar("S", bound=StrEnum)


class Machine(Generic[S]):
    """One table of legal moves."""

    def __init__(self, name: str, table: Mapping[S, frozenset[S]]) -> None:
        self.name = name
        self._table = table

    def advance(self, current: S | str, new: S | str) -> S:
        """Return `new` if it may follow `current`.

        Raises:
            IllegalTransition: it may not, or one of the two is no state of this machine.
        """
        for source, targets in self._table.items():
            if source.value == current:
                for target in targets:
                    if target.value == new:
                        return target
        raise IllegalTransition(self.name, str(current), str(new))

    def allows(self, current: S | str, new: S | str) -> bool:
        try:
            self.advance(current, new)
        except IllegalTransition:
            return False
        return True

    def is_terminal(self, state: S | str) -> bool:
        """Say whether no other state can follow. Raises IllegalTransition for an unknown state."""
        for source, targets in self._table.items():
            if source.value == state:
                return targets <= {source}
        raise IllegalTransition(self.name, str(state), str(state))


INTENT: Final = Machine(
    "intent",
    {
        # Refused before it left: a check at send time failed.
        IntentState.COMMITTED: frozenset({IntentState.SENDING, IntentState.REFUSED}),
        # Never back to COMMITTED, never SENDING again: either would allow a second send.
        IntentState.SENDING: frozenset({IntentState.ACKED, IntentState.REFUSED, IntentState.UNKNOWN}),
        IntentState.UNKNOWN: frozenset({IntentState.UNKNOWN, IntentState.ACKED, IntentState.NOT_SEEN}),
        # "Not seen" is our policy, not a fact: any later evidence of the order ends it.
        IntentState.NOT_SEEN: frozenset({IntentState.NOT_SEEN, IntentState.ACKED}),
        IntentState.ACKED: frozenset({IntentState.ACKED}),
        IntentState.REFUSED: frozenset({IntentState.REFUSED}),
    },
)

ORDER: Final = Machine(
    "order",
    {
        OrderStatus.RESTING: frozenset({OrderStatus.RESTING, OrderStatus.CANCELED, OrderStatus.EXECUTED}),
        OrderStatus.CANCELED: frozenset({OrderStatus.CANCELED}),
        OrderStatus.EXECUTED: frozenset({OrderStatus.EXECUTED}),
    },
)

CANCEL: Final = Machine(
    "cancel",
    {
        CancelState.COMMITTED: frozenset({CancelState.SENDING, CancelState.DONE, CancelState.REFUSED}),
        # Unlike a create, a cancel may be claimed and sent again, also after a restart.
        CancelState.SENDING: frozenset(CancelState),
        CancelState.UNKNOWN: frozenset(CancelState),
        CancelState.REFUSED: frozenset({CancelState.REFUSED, CancelState.DONE}),
        CancelState.DONE: frozenset({CancelState.DONE}),
    },
)


def intent_after_restart(state: IntentState | str) -> IntentState:
    """Return the state of an intent whose sender died.

    What was being sent may have reached the exchange, so it is UNKNOWN and is resolved by reading,
    never sent again. What was not claimed yet stays as it was.
    """
    current = IntentState(state)
    return INTENT.advance(current, IntentState.UNKNOWN) if current is IntentState.SENDING else current


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What one report says about an order. `updated_at`: exchange clock, None when it gave none."""

    status: OrderStatus
    filled: Decimal  # contracts
    remaining: Decimal  # contracts
    updated_at: datetime | None


def report_is_newer(current: OrderReport, new: OrderReport) -> bool:
    """Say whether `new` tells something that `current` does not: False for late ones and duplicates.

    The same facts come by answer, WebSocket and REST in any order, so progress decides before
    clocks do: fills never shrink and an order does not rest again. True does not mean legal: the
    caller still asks `ORDER.advance`, which refuses cancelled-to-filled and the like.
    """
    if new.filled != current.filled:
        return new.filled > current.filled
    if new.status is not current.status:
        return new.status is not OrderStatus.RESTING
    if new.updated_at is None:
        return current.updated_at is None and new.remaining != current.remaining
    return current.updated_at is None or new.updated_at > current.updated_at
