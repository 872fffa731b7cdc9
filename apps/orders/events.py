"""Live rows of the topics `orders:<account>` and `fills:<account>`. Contract: docs/realtime.md.

All decimals are strings with fixed places (prices 4, counts 2, money at least 4), times are Unix milliseconds,
absent values are null. A row is always whole, its `v` rises with every change, so a row that comes
twice or late changes nothing.

`orders` row, key `intent:<id>` (placed here) or `order:<order_id>` (placed elsewhere):

* `v`, `key`
* `account_id`, `subaccount`, `ticker`
* `book_side` "bid" | "ask" and `price`: on the YES leg
* `outcome_side` "yes" | "no" and `outcome_price`: the same order as buying that outcome
* `entered_as` "buy_yes" | "buy_no" | "sell_yes" | "sell_no" | "": how the person said it
* `count`, `filled`, `remaining`
* `state`: "committed" | "sending" | "unknown" | "not_seen" | "refused" | "accepted" | "resting" |
  "executed" | "canceled"; `state_text`: the same in words; `is_working`: may still fill
* `cancel`: "" or the state of the newest cancel ("committed" | "sending" | "unknown" | "refused" |
  "done"); `cancel_text`
* `change`: "" or the state of the newest amend or decrease ("committed" | "sending" | "unknown" | "refused" | "done" |
  "not_seen" | "ended"); `change_kind` "amend" | "decrease" | ""; `change_text`: it, or its outcome, in words;
  `change_price` (YES leg) and `change_count` (amend: total, decrease: rest): what is asked for, null without one
* `queue`: contracts ahead of it at its price, or null; `queue_ms`: when that was read
* `fees_predicted`: dollars that our fee model gives for the fills as they happened, or null; beside `fees`, the actual
* `fee_shown`, `fee_shown_worst`: what the preview gave for the whole order before it was sent, in one fill and in the
  worst split; null when the fee was not known, and for orders placed elsewhere
* `order_group_id`, `batch_key` ("" without one)
* `ended`: why it was cancelled when no cancel of ours did it, in words, else ""
* `error_code`, `error`: why it was refused; `evidence`: what ended "unknown"
* `order_id`, `client_order_id`, `is_external`; `idempotency_key` of the click (own orders only)
* `time_in_force`, `post_only`, `reduce_only`
* `fill_cost`, `fees`: dollars
* `created_ms` (ours for intents, the exchange's for external orders), `updated_ms`, `expires_ms`
* `placed_by`: user id or null

`fills` row, key `<trade_id>:<order_id>`:
`v`, `key`, `account_id`, `subaccount`, `trade_id`, `order_id`, `intent_id` or null, `ticker`, `book_side`, `yes_price`,
`outcome_side`, `outcome_price`, `count`, `is_taker`, `fee`, `traded_ms`.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from apps.core.money import cents_text, count_text, format_count, format_dollars, format_price
from apps.core.prepared import Prepared
from apps.core.timestamps import to_unix_ms, utc_now
from apps.core.topics import TopicName
from apps.exchange import live
from apps.orders import trading_events
from apps.orders.endings import ended_words
from apps.orders.models import BookSide, CancelIntent, ChangeIntent, Fill, Order, OrderIntent

Row = dict[str, Any]

_newest_cancels = Prepared(lambda order_id: CancelIntent.objects.filter(order_id=order_id).order_by("-pk")[:1])
_newest_changes = Prepared(lambda order_id: ChangeIntent.objects.filter(order_id=order_id).order_by("-pk")[:1])

ONE = Decimal(1)
ACCEPTED = "accepted"
RECENT = timedelta(hours=24)  # what topics and lists show of what has ended

_CANCEL_WORDS = {
    CancelIntent.State.COMMITTED: "Cancelling",
    CancelIntent.State.SENDING: "Cancelling",
    CancelIntent.State.UNKNOWN: "Cancel sent, not confirmed; trying again",
    CancelIntent.State.REFUSED: "Cancel refused",
    CancelIntent.State.DONE: "",
}
_CHANGE_WORDS = {
    ChangeIntent.State.COMMITTED: "Changing to {wish}",
    ChangeIntent.State.SENDING: "Changing to {wish}",
    ChangeIntent.State.UNKNOWN: "Change to {wish} sent, not confirmed; looking it up",
    ChangeIntent.State.REFUSED: "Not changed",
    ChangeIntent.State.DONE: "Changed to {wish}",
    ChangeIntent.State.NOT_SEEN: "Change to {wish} not seen at the exchange",
    ChangeIntent.State.ENDED: "The order ended before the change to {wish}",
}
WORKING_INTENT_STATES = (OrderIntent.State.COMMITTED, OrderIntent.State.SENDING, OrderIntent.State.UNKNOWN)


def orders_topic(account_id: int) -> str:
    return str(TopicName("orders", str(account_id)))


def fills_topic(account_id: int) -> str:
    return str(TopicName("fills", str(account_id)))


def intent_key(intent_id: int) -> str:
    return f"intent:{intent_id}"


def external_key(order_id: str) -> str:
    return f"order:{order_id}"


def outcome_view(book_side: str, yes_price: Decimal) -> tuple[str, Decimal]:
    """Return (outcome bought, price in that outcome's own prices)."""
    return ("yes", yes_price) if book_side == BookSide.BID else ("no", ONE - yes_price)


def intent_row(intent: OrderIntent, order: Order | None, cancel: CancelIntent | None = None) -> Row:
    """Build the row of an order placed here; `order` is None until the exchange has shown it."""
    state, words = _intent_state(intent, order)
    row = {
        "key": intent_key(intent.pk),
        "v": intent.version + (order.version if order else 0),
        "account_id": intent.account_id,
        **_terms(order or intent, intent.subaccount),
        "entered_as": intent.entered_as,
        "count": format_count(order.initial_count if order else intent.count),
        "filled": format_count(order.filled_count) if order else "0.00",
        "remaining": format_count(order.remaining_count) if order else _unplaced_remaining(intent),
        "state": state,
        "state_text": words,
        "is_working": order.status == Order.Status.RESTING if order else _may_still_act(intent),
        "error_code": intent.error_code,
        "error": intent.error_text,
        "evidence": intent.evidence,
        "order_id": order.order_id if order else intent.exchange_order_id,
        "client_order_id": str(intent.client_order_id),
        "idempotency_key": str(intent.idempotency_key),
        "is_external": False,
        "time_in_force": intent.time_in_force,
        "post_only": intent.is_post_only,
        "reduce_only": intent.is_reduce_only,
        "created_ms": to_unix_ms(intent.created_at),
        "updated_ms": _ms((order.updated_at or order.seen_at) if order else intent.answered_at or intent.claimed_at),
        "expires_ms": _ms(intent.expires_at),
        "placed_by": intent.placed_by_id,
        "order_group_id": (order.order_group_id if order else "") or intent.order_group_id,
        "batch_key": str(intent.batch_key or ""),
        "fee_shown": None if intent.fee_shown is None else format_dollars(intent.fee_shown),
        "fee_shown_worst": None if intent.fee_shown_worst is None else format_dollars(intent.fee_shown_worst),
    }
    return row | _money(order) | _cancel(cancel) | _marks(order) | {"ended": ended_words(order, cancel)}


def external_row(order: Order, cancel: CancelIntent | None = None) -> Row:
    """Build the row of an order that was placed elsewhere."""
    row = {
        "key": external_key(order.order_id),
        "v": order.version,
        "account_id": order.account_id,
        **_terms(order, order.subaccount),
        "entered_as": "",
        "count": format_count(order.initial_count),
        "filled": format_count(order.filled_count),
        "remaining": format_count(order.remaining_count),
        "state": order.status,
        "state_text": _order_words(order),
        "is_working": order.status == Order.Status.RESTING,
        "error_code": "",
        "error": "",
        "evidence": "",
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "is_external": True,
        "time_in_force": "",
        "post_only": None,
        "reduce_only": None,
        "created_ms": _ms(order.created_at),
        "updated_ms": _ms(order.updated_at or order.seen_at),
        "expires_ms": _ms(order.expires_at),
        "placed_by": None,
        "order_group_id": order.order_group_id,
        "batch_key": "",
        "fee_shown": None,
        "fee_shown_worst": None,
    }
    return row | _money(order) | _cancel(cancel) | _marks(order) | {"ended": ended_words(order, cancel)}


def fill_row(fill: Fill, intent_id: int | None) -> Row:
    side, price = outcome_view(fill.book_side, fill.yes_price)
    return {
        "key": fill_key(fill),
        "v": 1,
        "account_id": fill.account_id,
        "subaccount": fill.subaccount,
        "trade_id": fill.trade_id,
        "order_id": fill.order_id_text,
        "intent_id": intent_id,
        "ticker": fill.ticker,
        "book_side": fill.book_side,
        "yes_price": format_price(fill.yes_price),
        "outcome_side": side,
        "outcome_price": format_price(price),
        "count": format_count(fill.count),
        "is_taker": fill.is_taker,
        "fee": format_dollars(fill.fee),
        "traded_ms": to_unix_ms(fill.traded_at),
    }


def fill_key(fill: Fill) -> str:
    return f"{fill.trade_id}:{fill.order_id_text}"


def order_publish(order: Order) -> None:
    """Publish an order's row after the commit, under its intent's key when it has one."""
    cancel = _newest_cancels.first(order.pk)
    row = intent_row(order.intent, order, cancel) if order.intent else external_row(order, cancel)
    live.publish_on_commit(orders_topic(order.account_id), rows={row["key"]: row})
    trading_events.orders_changed(order.account_id)


def intent_publish(intent: OrderIntent) -> None:
    """Publish an intent's row after the commit, with its order when the exchange has shown one."""
    order = Order.objects.filter(intent=intent).first()
    cancel = _newest_cancels.first(order.pk) if order else None
    row = intent_row(intent, order, cancel)
    live.publish_on_commit(orders_topic(intent.account_id), rows={row["key"]: row})
    trading_events.orders_changed(intent.account_id)


def intent_new_publish(intent: OrderIntent) -> None:
    """Publish the row of an intent that was just stored, after the commit. Costs no query: it has no order yet."""
    transaction.on_commit(lambda: _own_row_publish(intent))


def intent_sending_publish(intent: OrderIntent) -> None:
    """Publish at once that an intent is on its way. Costs no query: it is told while the exchange works on it.

    When the order's own message was faster, its row has a higher version and this one changes nothing.
    """
    _own_row_publish(intent)


def _own_row_publish(intent: OrderIntent) -> None:
    row = intent_row(intent, None)
    live.publish_rows(orders_topic(intent.account_id), {row["key"]: row})


def external_row_gone(order: Order) -> None:
    """Take back the row of an order that turned out to be one of ours."""
    live.publish_on_commit(orders_topic(order.account_id), rows={external_key(order.order_id): None})


def fills_publish(account_id: int, fills: list[Fill]) -> None:
    """Publish new fills after the commit; those that a first sync finds from long ago are no news."""
    recent = [fill for fill in fills if fill.traded_at >= utc_now() - RECENT]
    rows = {fill_key(fill): fill_row(fill, fill.order.intent_id if fill.order else None) for fill in recent}
    if rows:
        live.publish_on_commit(fills_topic(account_id), rows=rows)


def _terms(of: Order | OrderIntent, subaccount: int) -> Row:
    side, price = outcome_view(of.book_side, of.price)
    return {
        "subaccount": subaccount,
        "ticker": of.ticker,
        "book_side": of.book_side,
        "price": format_price(of.price),
        "outcome_side": side,
        "outcome_price": format_price(price),
    }


def _money(order: Order | None) -> Row:
    predicted = order.fees_predicted if order else None
    return {
        "fill_cost": format_dollars(order.fill_cost) if order else None,
        "fees": format_dollars(order.fees) if order else None,
        "fees_predicted": None if predicted is None else format_dollars(predicted),
    }


def _marks(order: Order | None) -> Row:
    """What else is known of an order: its newest change, and its place in the queue while it rests."""
    queue: Row = {"queue": None, "queue_ms": None}
    if order is not None and order.status == Order.Status.RESTING and order.queue_position is not None:
        queue = {"queue": format_count(order.queue_position), "queue_ms": _ms(order.queue_seen_at)}
    change = _newest_change(order) if order else None
    if change is None:
        return queue | {"change": "", "change_kind": "", "change_text": "", "change_price": None, "change_count": None}
    return queue | {
        "change": change.state,
        "change_kind": change.kind,
        "change_text": change_words(change),
        "change_price": format_price(change.price),
        "change_count": format_count(change.count),
    }


def _newest_change(order: Order) -> ChangeIntent | None:
    """From a prefetch to `changes_newest_first` where there is one (`selectors.with_marks`)."""
    known: list[ChangeIntent] | None = getattr(order, "changes_newest_first", None)
    return _newest_changes.first(order.pk) if known is None else next(iter(known), None)


def change_words(change: ChangeIntent) -> str:
    """Return what a change asks for, or what came of it, in words."""
    if change.kind == ChangeIntent.Kind.AMEND:
        # In YES prices: what the exchange was asked for, whichever way the person looks at it.
        wish = f"{count_text(change.count)} in all at {cents_text(change.price)} YES"
    else:
        wish = f"{count_text(change.count)} left"
    text = change.outcome or _CHANGE_WORDS[ChangeIntent.State(change.state)].format(wish=wish)
    return f"{text}: {change.error_text}" if change.state == ChangeIntent.State.REFUSED and change.error_text else text


def _cancel(cancel: CancelIntent | None) -> Row:
    if cancel is None:
        return {"cancel": "", "cancel_text": ""}
    text = _CANCEL_WORDS[CancelIntent.State(cancel.state)]
    if cancel.state == CancelIntent.State.REFUSED and cancel.error_text:
        text = f"{text}: {cancel.error_text}"
    return {"cancel": cancel.state, "cancel_text": text}


def _intent_state(intent: OrderIntent, order: Order | None) -> tuple[str, str]:
    if order is not None:
        return order.status, _order_words(order)
    state = OrderIntent.State(intent.state)
    if state == OrderIntent.State.ACKED:
        return ACCEPTED, str(state.label)
    return state.value, str(state.label)


def _order_words(order: Order) -> str:
    status = Order.Status(order.status)
    if status == Order.Status.RESTING and order.filled_count:
        return "Resting, partly filled"
    if status == Order.Status.CANCELED and order.filled_count:
        return "Cancelled after a partial fill"
    return str(status.label)


def _may_still_act(intent: OrderIntent) -> bool:
    return intent.state in WORKING_INTENT_STATES or intent.state == OrderIntent.State.ACKED


def _unplaced_remaining(intent: OrderIntent) -> str:
    return format_count(intent.count) if _may_still_act(intent) else "0.00"


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_unix_ms(moment)
