"""One order from the click to its last fill: each step with its own clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from apps.core.money import cents_text, count_text, dollars_text
from apps.orders.events import change_words, outcome_view
from apps.orders.models import CancelIntent, ChangeIntent, Fill, Order, OrderIntent
from apps.orders.pages.filters import SIDE_WORDS, entered_side

State = OrderIntent.State
Tone = Literal["", "ok", "warning", "danger", "accent"]


@dataclass(frozen=True, slots=True)
class Step:
    """clock: whose time `at` is. Two machines' clocks differ, so steps of one may seem out of order."""

    at: datetime
    title: str
    text: str = ""
    clock: Literal["desk", "exchange"] = "desk"
    tone: Tone = ""
    order: int = 0  # of steps at one instant


def timeline(
    intent: OrderIntent | None,
    order: Order | None,
    *,
    fills: Iterable[Fill],
    cancels: Iterable[CancelIntent],
    changes: Iterable[ChangeIntent] = (),
    people: Mapping[int, str],
    ended: str = "",
) -> list[Step]:
    """Return what happened, oldest first. ended: why it was cancelled, where no cancel of ours did it."""
    steps: list[Step] = []
    if intent is not None:
        steps += _intent_steps(intent, has_order=order is not None, people=people)
    if order is not None:
        steps += _order_steps(order, is_ours=intent is not None, ended=ended)
    steps += [_fill_step(fill) for fill in fills]
    for cancel in cancels:
        steps += _cancel_steps(cancel, people=people)
    for change in changes:
        steps += _change_steps(change, people=people)
    return sorted(steps, key=lambda step: (step.at, step.order))


def terms_words(intent: OrderIntent) -> str:
    """For example "BUY YES 100 at 31¢, good till cancelled, post-only"."""
    side = entered_side(intent.entered_as, intent.book_side)
    price = 1 - intent.price if side.endswith("_no") else intent.price
    words = [f"{SIDE_WORDS[side]} {count_text(intent.count)} at {cents_text(price)}"]
    words.append(
        {"immediate_or_cancel": "immediate or cancel", "fill_or_kill": "fill or kill"}.get(
            intent.time_in_force, "good till cancelled"
        )
    )
    if intent.expires_at:
        words[-1] = f"good till {intent.expires_at:%-d %b %Y %H:%M:%S} UTC"
    flags = {
        "post-only": intent.is_post_only,
        "reduce-only": intent.is_reduce_only,
        "cancelled on pause": intent.cancel_on_pause,
    }
    return ", ".join(words + [name for name, is_set in flags.items() if is_set])


def _intent_steps(intent: OrderIntent, *, has_order: bool, people: Mapping[int, str]) -> Iterable[Step]:
    who = people.get(intent.placed_by_id, "somebody who has left the desk")
    yield Step(
        intent.created_at, f"Recorded by {who}", f"{terms_words(intent)}. Written down before anything was sent."
    )
    if intent.claimed_at:
        yield Step(
            intent.claimed_at,
            "Claimed for its one send",
            "From here on it is never sent again, whatever happens.",
            order=1,
        )
    if intent.answered_at:
        yield _answer_step(intent, has_order=has_order)
    if intent.resolved_at:
        yield _resolved_step(intent)


def _answer_step(intent: OrderIntent, *, has_order: bool) -> Step:
    assert intent.answered_at is not None
    said = f"{intent.error_text} ({intent.error_code})" if intent.error_code else intent.error_text
    if intent.state == State.REFUSED:
        return Step(intent.answered_at, "Refused", said, tone="danger", order=2)
    if intent.state in (State.UNKNOWN, State.NOT_SEEN) or (intent.error_code and not has_order):
        return Step(intent.answered_at, "Sent, and no certain answer came", said, tone="warning", order=2)
    if intent.error_code:
        return Step(intent.answered_at, "No certain answer came at first", said, tone="warning", order=2)
    return Step(intent.answered_at, "The exchange accepted it", tone="ok", order=2)


def _resolved_step(intent: OrderIntent) -> Step:
    assert intent.resolved_at is not None
    if intent.state == State.NOT_SEEN:
        return Step(intent.resolved_at, "Not seen at the exchange", intent.evidence, tone="warning", order=3)
    return Step(intent.resolved_at, "Found at the exchange", intent.evidence, tone="ok", order=3)


def _order_steps(order: Order, *, is_ours: bool, ended: str) -> Iterable[Step]:
    if order.created_at:
        title = "Created at the exchange" if is_ours else "Created at the exchange, not from this desk"
        yield Step(order.created_at, title, f"Order {order.order_id}", clock="exchange", order=4)
    if order.updated_at and order.status == Order.Status.CANCELED:
        left = order.initial_count - order.filled_count
        yield Step(
            order.updated_at,
            "Cancelled",
            f"{count_text(order.filled_count)} filled, {count_text(left)} taken off. {ended}".strip(),
            clock="exchange",
            order=9,
        )
    if order.updated_at and order.status == Order.Status.EXECUTED:
        yield Step(
            order.updated_at, "Filled completely", count_text(order.filled_count), clock="exchange", tone="ok", order=9
        )


def _fill_step(fill: Fill) -> Step:
    outcome, price = outcome_view(fill.book_side, fill.yes_price)
    role = "taker" if fill.is_taker else "maker"
    return Step(
        fill.traded_at,
        f"Filled {count_text(fill.count)} at {cents_text(price)} {outcome.upper()}",
        f"as {role}, fee {dollars_text(fill.fee)}, trade {fill.trade_id}",
        clock="exchange",
        tone="accent",
        order=5,
    )


def _cancel_steps(cancel: CancelIntent, *, people: Mapping[int, str]) -> Iterable[Step]:
    who = people.get(cancel.requested_by_id, "somebody who has left the desk")
    yield Step(cancel.created_at, f"Cancel asked for by {who}", order=6)
    if cancel.sent_at:
        times = "once" if cancel.attempts == 1 else f"{cancel.attempts} times, last then"
        said = f"{cancel.error_text} ({cancel.error_code})" if cancel.error_code else ""
        yield Step(cancel.sent_at, f"Cancel sent {times}", said, order=7)
    if cancel.resolved_at:
        if cancel.state == CancelIntent.State.REFUSED:
            yield Step(cancel.resolved_at, "Cancel refused", cancel.error_text, tone="danger", order=8)
        else:
            yield Step(cancel.resolved_at, "Nothing left to cancel", "The order is done.", order=8)


def _change_steps(change: ChangeIntent, *, people: Mapping[int, str]) -> Iterable[Step]:
    who = people.get(change.requested_by_id, "somebody who has left the desk")
    is_amend = change.kind == ChangeIntent.Kind.AMEND
    if is_amend:
        wish = f"To {count_text(change.count)} in all at {cents_text(change.price)} YES"
    else:
        wish = f"To {count_text(change.count)} left"
    name = "Amend" if is_amend else "Decrease"
    yield Step(change.created_at, f"{name} asked for by {who}", wish, order=6)
    if change.sent_at:
        yield Step(change.sent_at, f"{name} sent", order=7)
    if change.answered_at and change.state == ChangeIntent.State.UNKNOWN:
        yield Step(change.answered_at, f"{name} not confirmed", change_words(change), tone="warning", order=8)
    if change.resolved_at:
        is_done = change.state == ChangeIntent.State.DONE
        yield Step(
            change.resolved_at,
            change_words(change),
            tone="ok" if is_done else "danger" if change.state == ChangeIntent.State.REFUSED else "warning",
            order=8,
        )
