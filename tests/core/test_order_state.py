from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest

from apps.core.order_state import (
    CANCEL,
    INTENT,
    ORDER,
    CancelState,
    IllegalTransition,
    IntentState,
    OrderReport,
    OrderStatus,
    intent_after_restart,
    report_is_newer,
)
from apps.orders.models import CancelIntent, Order, OrderIntent

NOON = datetime(2026, 5, 14, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=1)

LEGAL_INTENT_MOVES = {
    ("committed", "sending"), ("committed", "refused"),
    ("sending", "acked"), ("sending", "refused"), ("sending", "unknown"),
    ("unknown", "acked"), ("unknown", "not_seen"), ("unknown", "unknown"),
    ("not_seen", "acked"), ("not_seen", "not_seen"),
    ("acked", "acked"), ("refused", "refused"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("states", "choices"),
    [(IntentState, OrderIntent.State), (OrderStatus, Order.Status), (CancelState, CancelIntent.State)],
)
def test_the_states_are_those_of_the_models(states, choices):
    assert {state.value for state in states} == set(choices.values)


@pytest.mark.parametrize("current", IntentState)
@pytest.mark.parametrize("new", IntentState)
def test_an_intent_moves_only_as_the_table_says(current, new):
    if (current.value, new.value) in LEGAL_INTENT_MOVES:
        assert INTENT.advance(current.value, new.value) is new
        assert INTENT.allows(current, new)
    else:
        assert not INTENT.allows(current, new)
        with pytest.raises(IllegalTransition) as caught:
            INTENT.advance(current, new)
        assert (caught.value.machine, caught.value.current, caught.value.new) == ("intent", current, new)


@pytest.mark.parametrize("state", IntentState)
def test_a_restart_never_makes_an_intent_sendable_again(state):
    after = intent_after_restart(state.value)

    assert after is (IntentState.UNKNOWN if state is IntentState.SENDING else state)


def test_nothing_sent_once_can_reach_sending_again():
    reached = {IntentState.SENDING}
    while new := {t for s in reached for t in IntentState if INTENT.allows(s, t)} - reached:
        reached |= new

    assert not any(INTENT.allows(state, "sending") for state in reached)
    assert IntentState.COMMITTED not in reached


@pytest.mark.parametrize(("current", "new"), list(permutations(OrderStatus, 2)))
def test_a_terminal_order_stays_what_it_is(current, new):
    assert ORDER.allows(current, new) == (current is OrderStatus.RESTING)


def test_repeated_reports_are_legal():
    assert all(ORDER.advance(status, status) is status for status in OrderStatus)


def test_terminal_states_are_known():
    assert {s.value for s in OrderStatus if ORDER.is_terminal(s)} == {"canceled", "executed"}
    assert {s.value for s in IntentState if INTENT.is_terminal(s)} == {"acked", "refused"}
    assert {s.value for s in CancelState if CANCEL.is_terminal(s)} == {"done"}


def test_a_cancel_may_be_sent_again():
    assert CANCEL.allows("sending", "sending")
    assert CANCEL.allows("unknown", "sending")
    assert not CANCEL.allows("done", "sending")


@pytest.mark.parametrize(
    "call",
    [
        lambda: ORDER.is_terminal("gone"),
        lambda: ORDER.advance("gone", "resting"),
        lambda: ORDER.advance("resting", "gone"),
    ],
)
def test_an_unknown_state_is_illegal(call):
    with pytest.raises(IllegalTransition):
        call()


def report(status: str, filled: int, remaining: int, updated_at: datetime | None = NOON) -> OrderReport:
    return OrderReport(OrderStatus(status), Decimal(filled), Decimal(remaining), updated_at)


@pytest.mark.parametrize(
    ("current", "new", "is_newer"),
    [
        (report("resting", 0, 10), report("resting", 0, 10), False),
        (report("resting", 0, 10), report("resting", 3, 7), True),
        (report("resting", 3, 7), report("resting", 0, 10, LATER), False),
        (report("resting", 3, 7, LATER), report("resting", 5, 5, None), True),
        (report("resting", 3, 7), report("canceled", 3, 0), True),
        (report("resting", 3, 7, LATER), report("canceled", 3, 0, None), True),
        (report("canceled", 3, 0), report("resting", 3, 7, LATER), False),
        (report("canceled", 0, 0), report("executed", 10, 0), True),
        (report("canceled", 10, 0), report("executed", 10, 0, LATER), True),
        (report("canceled", 10, 0), report("executed", 10, 0), True),
        (report("canceled", 10, 0), report("executed", 10, 0, None), True),
        (report("canceled", 10, 0, None), report("executed", 10, 0, NOON), True),
        (report("resting", 0, 10), report("resting", 0, 6, LATER), True),
        (report("resting", 0, 10, LATER), report("resting", 0, 6, NOON), False),
        (report("resting", 0, 10), report("resting", 0, 6, None), False),
        (report("resting", 0, 10, None), report("resting", 0, 6, None), True),
        (report("resting", 0, 10, None), report("resting", 0, 10, None), False),
        (report("resting", 0, 10, None), report("resting", 0, 10, NOON), True),
    ],
)
def test_late_and_repeated_reports_are_told_from_news(current, new, is_newer):
    assert report_is_newer(current, new) is is_newer


def test_any_order_of_arrival_ends_in_the_same_report():
    life = [report("resting", 0, 10, NOON), report("resting", 4, 6, LATER), report("canceled", 4, 0, LATER)]

    for arrival in permutations([*life, life[1]]):
        seen = arrival[0]
        for one in arrival[1:]:
            if report_is_newer(seen, one):
                ORDER.advance(seen.status, one.status)
                seen = one
        assert seen == life[-1]
