"""Take everything of one account off the exchange, and read what is left. No database: it must work without one.

A cancel's answer decides nothing here. What is left is what the exchange lists afterwards, so a cancel that was
lost, refused or late shows by itself, and the next pass asks again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from apps.core.errors import DeskError
from apps.exchange.wire import api
from apps.exchange.wire.api import cash, communications, groups
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError

PER_REQUEST = 20  # cancels in one request: 40 tokens of the smallest budget (100)
_NOT_FOUND = 404
T = TypeVar("T")


@dataclass(slots=True)
class Cleared:
    """What one pass did to an account, and what the exchange lists after it.

    None: it could not be read. problems: what was refused or failed, in words. ended: ids by kind that were asked away.
    """

    orders: int | None = None
    quotes: int | None = None
    rfqs: int | None = None
    groups: int = 0  # order groups whose trigger was not answered well
    problems: list[str] = field(default_factory=list)
    ended: dict[str, list[str]] = field(default_factory=dict)

    @property
    def left(self) -> int | None:
        """How much is known to be left; None while something could not be read."""
        if self.orders is None or self.quotes is None or self.rfqs is None:
            return None
        return self.orders + self.quotes + self.rfqs + self.groups


def account_clear(client: ExchangeClient, *, has_triggered: bool = False) -> Cleared:
    """Pull quotes, cancel orders, trigger order groups, close requests; then read all of it again.

    Quotes go first: somebody may take one at any moment. has_triggered: the groups were triggered by an earlier
    pass. Safe to repeat, and to run twice at the same moment. Raises nothing of the exchange's.
    """
    done = Cleared()
    _quotes(client, done)
    _orders(client, done)
    if not has_triggered:
        _groups(client, done)
    _rfqs(client, done)
    _read_again(client, done)
    return done


def _quotes(client: ExchangeClient, done: Cleared) -> None:
    for quote in _listed(partial(communications.get_quotes, client, own=True, status="open"), done, "quotes"):
        _ask(partial(communications.delete_quote, client, quote.id), done, "quotes", quote.id)


def _rfqs(client: ExchangeClient, done: Cleared) -> None:
    for rfq in _listed(partial(communications.get_rfqs, client, own=True, status="open"), done, "requests"):
        _ask(partial(communications.delete_rfq, client, rfq.id), done, "rfqs", rfq.id)


def _orders(client: ExchangeClient, done: Cleared) -> None:
    listed = [
        (order.order_id, order.subaccount_number or 0)
        for order in _listed(partial(api.get_orders, client, status="resting"), done, "orders")
    ]
    for at in range(0, len(listed), PER_REQUEST):
        batch = listed[at : at + PER_REQUEST]
        try:
            api.cancel_orders(client, batch)
        except (ExchangeError, DeskError) as exc:
            done.problems.append(f"cancel of {len(batch)} orders: {exc.text}")
            if len(batch) > 1:
                _one_by_one(client, batch, done)
            continue
        done.ended.setdefault("orders", []).extend(order_id for order_id, _ in batch)


def _one_by_one(client: ExchangeClient, batch: list[tuple[str, int]], done: Cleared) -> None:
    """The exchange did not take the batch: one order that it chokes on must not save the others."""
    for order_id, subaccount in batch:
        _ask(partial(api.cancel_order, client, order_id, subaccount=subaccount), done, "orders", order_id)


def _groups(client: ExchangeClient, done: Cleared) -> None:
    try:
        listed = list(groups.get_groups(client))
    except (ExchangeError, DeskError) as exc:
        done.groups += 1
        done.problems.append(f"reading the order groups: {exc.text}")
        return
    subaccounts: list[int] | None = None
    for group in listed:
        if _trigger(client, group.id, 0, done):
            continue
        # A record does not say whose subaccount it is, and asked elsewhere the exchange says 404.
        subaccounts = _subaccounts(client) if subaccounts is None else subaccounts
        if not any(_trigger(client, group.id, number, done) for number in subaccounts if number):
            done.groups += 1
            done.problems.append(f"order group {group.id} was not triggered")


def _trigger(client: ExchangeClient, group_id: str, subaccount: int, done: Cleared) -> bool:
    try:
        groups.trigger_group(client, group_id, subaccount=subaccount)
    except (ExchangeError, DeskError):
        return False
    done.ended.setdefault("groups", []).append(group_id)
    return True


def _subaccounts(client: ExchangeClient) -> list[int]:
    try:
        return [one.subaccount_number for one in cash.get_subaccount_balances(client)]
    except (ExchangeError, DeskError):
        return []


def _read_again(client: ExchangeClient, done: Cleared) -> None:
    done.orders = _count(partial(api.get_orders, client, status="resting"), done, "orders")
    done.quotes = _count(partial(communications.get_quotes, client, own=True, status="open"), done, "quotes")
    done.rfqs = _count(partial(communications.get_rfqs, client, own=True, status="open"), done, "requests")


def _listed(read: Callable[[], Iterator[T]], done: Cleared, what: str) -> list[T]:
    try:
        return list(read())
    except (ExchangeError, DeskError, ValueError) as exc:
        done.problems.append(f"reading the {what}: {getattr(exc, 'text', exc)}")
        return []


def _count(read: Callable[[], Iterator[T]], done: Cleared, what: str) -> int | None:
    try:
        return sum(1 for _ in read())
    except (ExchangeError, DeskError, ValueError) as exc:
        done.problems.append(f"reading the {what} again: {getattr(exc, 'text', exc)}")
        return None


def _ask(act: Callable[[], object], done: Cleared, kind: str, name: str) -> None:
    try:
        act()
    except ExchangeError as exc:
        if getattr(exc, "status", None) != _NOT_FOUND:  # gone already: the list that follows says so
            done.problems.append(f"{kind} {name}: {exc.text}")
            return
    except DeskError as exc:
        done.problems.append(f"{kind} {name}: {exc.text}")
        return
    done.ended.setdefault(kind, []).append(name)
