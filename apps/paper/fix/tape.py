"""Turns what the exchange tells of members' orders into execution reports, whoever placed or changed them.

The exchange tells of fills as they were and of orders as they are now; each step is found by comparing an order with
how it was last reported. So what was missed (a stop in the middle, a disk that lost its end) is found in the same way.

ExecIDs are (number of the exchange's last step, place among those with the same number): they rise, with gaps.
"""

from collections.abc import Callable
from typing import Any

from apps.paper.engine.events import Event, OrderChanged
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.orders import Fill, Order
from apps.paper.fix.reports import Kind, Known, Report
from apps.paper.fix.store import ExecId, Store

KEPT_MS = 72 * 3_600_000


class Tape:
    """on_report: hears of each report, in order. origin_of: which session (and its own id) an unnamed order is of."""

    def __init__(self, exchange: PaperExchange, store: Store) -> None:
        self._exchange = exchange
        self._store = store
        self._known: dict[str, Known] = {}
        self._by_client: dict[tuple[str, str], str] = {}
        self._last: ExecId = (0, 0)
        self.on_report: Callable[[Report], None] = _ignore
        self.origin_of: Callable[[Order], tuple[str, str]] = _nobody
        self.placing: tuple[str, str] | None = None  # (client order id, session) of the order that is being placed
        self.requests: dict[str, str] = {}  # order id -> ClOrdID of the request that is changing it

    # --- finding ---------------------------------------------------------------------------------
    def known(self, order_id: str) -> Known | None:
        """How an order was last reported."""
        return self._known.get(order_id)

    def find(self, user_id: str, client_order_id: str) -> Order | None:
        """A member's order by its present ClOrdID, over or not."""
        order_id = self._by_client.get((user_id, client_order_id))
        return None if order_id is None else self._exchange.all_orders.get(order_id)

    def placed_by(self, origin: str) -> list[Known]:
        """Open orders of a session."""
        return [known for known in self._known.values() if known.origin == origin and not known.over]

    # --- following -------------------------------------------------------------------------------
    def catch_up(self) -> None:
        """Take up where the store left off, and report what happened in the meantime. At the first start: nothing."""
        store, exchange = self._store, self._exchange
        self._last = store.latest_report() or (0, 0)
        for known in store.known():
            self._keep(known)
        members = [member for member in exchange.members.values() if member.keeps_history]
        begun = store.fact("begun_ms")
        if begun is None:
            store.set_fact("begun_ms", exchange.clock.now_ms())
            for member in members:
                for order in member.orders:
                    self._keep(_as_is(order))
            store.add_known(self._known.values())
            store.set_fact("fill", max((fill.sequence for m in members for fill in m.fills), default=0))
            return
        seen = store.fact("fill") or 0
        for fill in sorted((f for m in members for f in m.fills if f.sequence > seen), key=lambda f: f.sequence):
            self._hear_fill(fill)
        since = max(begun, exchange.clock.now_ms() - KEPT_MS)
        for member in members:
            for order in member.orders:
                # One that nothing is known of, and that ended before anything is kept, was reported and forgotten.
                is_missed = order.created_ms >= begun and (order.status == "resting" or order.updated_ms >= since)
                if order.order_id in self._known or is_missed:
                    self._hear_order(order)

    def hear(self, event: Event) -> None:
        """Take one event of the exchange."""
        if isinstance(event, Fill):
            if self._keeps(event.user_id):
                self._hear_fill(event)
        elif isinstance(event, OrderChanged) and self._keeps(event.order.user_id):
            self._hear_order(event.order)

    def add_unplaced(self, order: Order, *, text: str, origin: str) -> None:
        """Report the end of an order that never came to be (fill-or-kill)."""
        known = _as_is(order)
        known.origin = origin
        known.over = self._exchange.clock.now_ms()
        known.leaves = 0
        self._report("canceled", order, known, text=text)

    def prune(self) -> None:
        """Forget what is older than any retention."""
        before_ms = self._exchange.clock.now_ms() - KEPT_MS
        self._store.forget_reports(before_ms=before_ms)
        for known in [known for known in self._known.values() if 0 < known.over < before_ms]:
            del self._known[known.order_id]
            self._by_client.pop((known.user_id, known.client_order_id), None)

    def _keeps(self, user_id: str) -> bool:
        return self._exchange.members[user_id].keeps_history

    def _keep(self, known: Known) -> None:
        self._known[known.order_id] = known
        if known.client_order_id:
            self._by_client[known.user_id, known.client_order_id] = known.order_id

    def _hear_fill(self, fill: Fill) -> None:
        order = self._exchange.all_orders.get(fill.order_id)
        if order is None:
            return  # of an order that has left the live tier meanwhile
        known = self._known.get(order.order_id)
        if known is None:
            known = self._begin(order, folded=True)
        elif _was_changed(order, known):
            total = order.initial_count if order.status == "canceled" else order.filled + order.remaining
            self._replace(order, known, leaves=total - known.cum)
        known.cum += fill.count
        known.leaves = max(0, known.leaves - fill.count)
        known.value += fill.price * fill.count
        if not known.leaves:
            known.over = fill.ts_ms
        self._report(
            "trade",
            order,
            known,
            last_price=fill.price,
            last_count=fill.count,
            is_taker=fill.is_taker,
            trade_id=fill.trade_id,
            fee=fill.fee,
            balance_change=fill.balance_change,
            post_position=fill.post_position,
            fill=fill.sequence,
        )

    def _hear_order(self, order: Order) -> None:
        known = self._known.get(order.order_id)
        if known is None:
            known = self._begin(order, folded=False)
        if known.over:
            return
        if order.status == "canceled":
            self._cancel(order, known)
        elif order.status == "resting" and (
            _is_renamed(order, known) or (order.price, order.remaining) != (known.price, known.leaves)
        ):
            self._replace(order, known, leaves=order.remaining)

    def _begin(self, order: Order, *, folded: bool) -> Known:
        client_order_id, origin = order.client_order_id, ""
        if self.placing is not None and self.placing[0] == client_order_id:
            origin = self.placing[1]
        else:
            origin, other = self.origin_of(order)
            client_order_id = other or client_order_id
        known = _as_is(order)
        known.client_order_id, known.origin = client_order_id, origin
        known.leaves, known.cum, known.value, known.over = order.initial_count, 0, 0, 0
        self._keep(known)
        self._report("new", order, known, folded=folded)
        return known

    def _replace(self, order: Order, known: Known, *, leaves: int) -> None:
        before = known.client_order_id
        if _is_renamed(order, known):
            known.client_order_id = order.client_order_id
        known.price, known.original, known.leaves = order.price, order.initial_count, leaves
        self._keep(known)
        self._report("replaced", order, known, orig=before)

    def _cancel(self, order: Order, known: Known) -> None:
        before, left = known.client_order_id, known.leaves
        request = self.requests.get(order.order_id)
        if request is not None:
            known.client_order_id = request
        elif _is_renamed(order, known):
            known.client_order_id = order.client_order_id
        known.leaves, known.over = 0, self._exchange.clock.now_ms()
        reason = order.cancel_reason
        quiet = reason == "IMMEDIATE_OR_CANCELLED" and known.cum > 0 and left > 0
        self._keep(known)
        self._report("canceled", order, known, orig=before, text="" if reason == "CANCELED" else reason, quiet=quiet)

    def _report(
        self, kind: Kind, order: Order, known: Known, *, orig: str = "", fill: int | None = None, **extra: Any
    ) -> None:
        number = max(self._exchange.sequence, self._last[0])
        self._last = (number, self._last[1] + 1 if number == self._last[0] else 1)
        report = Report(
            batch=self._last[0],
            place=self._last[1],
            ms=self._exchange.clock.now_ms(),
            user_id=order.user_id,
            kind=kind,
            order_id=order.order_id,
            client_order_id=known.client_order_id,
            orig_client_order_id=orig,
            ticker=order.ticker,
            side=order.side,
            price=known.price,
            original=known.original,
            leaves=known.leaves,
            cum=known.cum,
            value=known.value,
            subaccount=order.subaccount,
            expiration_ms=order.expiration_ms,
            origin=known.origin,
            **extra,
        )
        self._store.add_report(report, known, fill=fill)
        self.on_report(report)


def _as_is(order: Order) -> Known:
    """An order as it is now, as if all had been reported."""
    return Known(
        order_id=order.order_id,
        user_id=order.user_id,
        client_order_id=order.client_order_id,
        price=order.price,
        original=order.initial_count,
        leaves=order.remaining,
        cum=order.filled,
        value=_value(order),
        over=0 if order.status == "resting" else order.updated_ms,
    )


def _value(order: Order) -> int:
    """Sum of YES price x count: the costs are in the order's own leg."""
    cost = order.taker_fill_cost + order.maker_fill_cost
    return cost if order.side == "bid" else 10_000 * order.filled - cost


def _was_changed(order: Order, known: Known) -> bool:
    """Whether an order that trades was replaced before: its price, its id, or (while it is not cancelled) its total."""
    if order.price != known.price or _is_renamed(order, known):
        return True
    return order.status != "canceled" and order.filled + order.remaining != known.cum + known.leaves


def _is_renamed(order: Order, known: Known) -> bool:
    """Whether the order has another id than reports give it. Orders of accepted quotes may go by the accept's id."""
    return order.client_order_id != known.client_order_id and not order.client_order_id.startswith("rfq:")


def _ignore(report: Report) -> None:
    """Nobody listens."""


def _nobody(order: Order) -> tuple[str, str]:
    return "", ""
