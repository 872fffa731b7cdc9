"""Orders V2: create, amend, decrease, cancel, batches. Writes are sent at most once each.

`side` is on the YES leg: "bid" buys YES, "ask" sells YES (= buys NO at one minus the price).
"""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from apps.exchange.wire.api.calls import one, segment
from apps.exchange.wire.client import Ahead, ExchangeClient
from apps.exchange.wire.errors import missing_object
from apps.exchange.wire.schemas.base import build
from apps.exchange.wire.schemas.rest import CancelAck, DecreaseAck, ItemError, OrderAck

_PATH = "/portfolio/events/orders"
# Tokens (docs:rate_limits); batches are billed per item.
CREATE_COST = 10
CANCEL_COST = 2

BookSide = Literal["bid", "ask"]


class NewOrder(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A create request. price and count are wire strings: "0.5600", "10.00".

    expiration_time: Unix seconds, only with good_till_canceled (there is no GTT word).
    """

    ticker: str
    client_order_id: str
    side: BookSide
    count: str
    price: str
    time_in_force: Literal["fill_or_kill", "good_till_canceled", "immediate_or_cancel"]
    self_trade_prevention_type: Literal["taker_at_cross", "maker"]
    expiration_time: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    cancel_order_on_pause: bool = False
    subaccount: int = 0
    order_group_id: str | None = None


class Outcome(msgspec.Struct):
    """One item of a batch: exactly one of ack and error; neither means its outcome is unknown."""

    client_order_id: str | None
    order_id: str | None
    ack: OrderAck | CancelAck | None = None
    error: ItemError | None = None


def create_order_ahead(client: ExchangeClient, signed: Ahead | None = None) -> Ahead:
    """Ask for what a create needs beside its order. Raises nothing. signed: of `create_order_sign`, of this client."""
    return client.ask_ahead("POST", _PATH, cost=CREATE_COST, kind="write", signed=signed)


def create_order_sign(client: ExchangeClient, kept: Ahead | None = None) -> Ahead:
    """Ask for the signature of a create alone: it costs no tokens. kept: one that was not used, returned while it is
    fresh. Raises nothing.
    """
    if kept is not None and client.is_signed(_PATH, kept):
        return kept
    if kept is not None:
        kept.drop()
    return client.sign_ahead("POST", _PATH)


def create_order(
    client: ExchangeClient,
    order: NewOrder,
    *,
    on_sent: Callable[[], None] | None = None,
    ahead: Ahead | None = None,
) -> OrderAck:
    """Place an order. Raises NotExecuted, AlreadyExists, OutcomeUnknown. Cost: 10 write tokens.

    on_sent: called once the request has been written, while the exchange works on it.
    ahead: of `create_order_ahead`, of the same client.
    """
    body = client.post(_PATH, json=msgspec.to_builtins(order), cost=CREATE_COST, on_sent=on_sent, ahead=ahead)
    return one(OrderAck, body, is_read=False)


def create_orders(
    client: ExchangeClient, orders: list[NewOrder], *, on_sent: Callable[[], None] | None = None
) -> list[Outcome]:
    """Place several orders in one request; answers come per item, in the order asked.

    Raises:
        NotExecuted: none of them was placed.
        OutcomeUnknown: any of them may have been.
    """
    json = {"orders": [msgspec.to_builtins(order) for order in orders]}
    body = client.post(f"{_PATH}/batched", json=json, cost=CREATE_COST * len(orders), on_sent=on_sent)
    return [
        _outcome(OrderAck, item, client_order_id=order.client_order_id, order_id=None)
        for order, item in zip(orders, _items(body, expected=len(orders)), strict=True)
    ]


def amend_order(
    client: ExchangeClient,
    order_id: str,
    *,
    ticker: str,
    side: BookSide,
    price: str,
    count: str,
    subaccount: int,
    client_order_id: str | None = None,
    updated_client_order_id: str | None = None,
) -> OrderAck:
    """Change price or size; the order loses its place. count: already filled plus wanted remainder.

    Raises NotExecuted, OutcomeUnknown (a 409 here too is a question: AlreadyExists).
    """
    json = {"ticker": ticker, "side": side, "price": price, "count": count}
    if client_order_id is not None:
        json["client_order_id"] = client_order_id
    if updated_client_order_id is not None:
        json["updated_client_order_id"] = updated_client_order_id
    body = client.post(
        f"{_PATH}/{segment(order_id)}/amend", params={"subaccount": subaccount}, json=json, cost=CREATE_COST
    )
    return one(OrderAck, body, is_read=False)


def decrease_order(client: ExchangeClient, order_id: str, *, reduce_to: str, subaccount: int) -> DecreaseAck:
    """Lower the remaining count to `reduce_to` contracts; the order keeps its place.

    Only the absolute form exists here: repeating reduce_by would reduce twice.
    """
    body = client.post(
        f"{_PATH}/{segment(order_id)}/decrease",
        params={"subaccount": subaccount},
        json={"reduce_to": reduce_to},
        cost=CREATE_COST,
    )
    return one(DecreaseAck, body, is_read=False)


def cancel_order(client: ExchangeClient, order_id: str, *, subaccount: int) -> CancelAck:
    """Take an order off the book. A 404 (Refused) is a question, not an answer: it may have filled."""
    body = client.delete(f"{_PATH}/{segment(order_id)}", params={"subaccount": subaccount}, cost=CANCEL_COST)
    return one(CancelAck, body, is_read=False)


def cancel_orders(client: ExchangeClient, orders: list[tuple[str, int]]) -> list[Outcome]:
    """Cancel several orders, given as (order id, subaccount), in one request."""
    json = {"orders": [{"order_id": order_id, "subaccount": subaccount} for order_id, subaccount in orders]}
    body = client.delete(f"{_PATH}/batched", json=json, cost=CANCEL_COST * len(orders))
    return [
        _outcome(CancelAck, item, client_order_id=None, order_id=order_id)
        for (order_id, _), item in zip(orders, _items(body, expected=len(orders)), strict=True)
    ]


def _items(body: dict[str, Any], *, expected: int) -> list[Any]:
    items = body.get("orders")
    if not isinstance(items, list) or len(items) != expected:
        raise missing_object(f"list of {expected} orders", is_read=False, body=body)
    return items


def _outcome(
    cls: type[OrderAck] | type[CancelAck], item: Any, *, client_order_id: str | None, order_id: str | None
) -> Outcome:
    outcome = Outcome(client_order_id=client_order_id, order_id=order_id)
    fields = item if isinstance(item, dict) else {}
    try:
        if fields.get("error"):
            outcome.error = build(ItemError, fields["error"])
        else:
            outcome.ack = build(cls, {name: value for name, value in fields.items() if name != "error"})
            outcome.order_id = outcome.ack.order_id
    except (msgspec.ValidationError, AttributeError):
        # Neither an order nor an error: unknown, as the docstring of Outcome says.
        return outcome
    return outcome
