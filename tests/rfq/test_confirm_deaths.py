"""Whoever dies wherever on the way to a confirmation, twice in a row: the next one gets it through in time.

The next one knows what SQL knows and nothing else: here the guard's look, or the sweep of another process.
"""

import itertools
from datetime import timedelta

import pytest

from apps.core import killpoints
from apps.core.killpoints import RFQ_POINTS
from apps.core.rfq import ConfirmationState as State
from apps.core.rfq import QuoteState
from apps.core.timestamps import utc_now
from apps.rfq.models import Confirmation, Quote
from apps.rfq.services import guard
from apps.rfq.services.confirm_send import LEASE, confirm_send, confirmations_due, confirmations_sweep
from tests.rfq.test_confirm_send import Death, after_window, die_at
from tests.rfq.window import Window, state_of, window

__all__ = ["window"]
HEARING = [place for place in RFQ_POINTS if place.startswith("accept.")]
CONFIRMING = [place for place in RFQ_POINTS if place.startswith("confirm.")]


def lease_runs_out(confirmation: Confirmation) -> None:
    """Time passes: what a dead holder had is free again, long before the deadline."""
    confirmation.refresh_from_db()
    if confirmation.lease_until is not None:
        assert confirmation.lease_until <= utc_now() + LEASE
        assert confirmation.lease_until < confirmation.send_by
        Confirmation.objects.filter(pk=confirmation.pk).update(lease_until=utc_now())


def tried(confirmation: Confirmation, place: str) -> bool:
    """One process takes what is due and dies at a place; False when there was nothing left to do, or it got past."""
    due = confirmations_due(now=utc_now())
    if not due:
        return False
    assert due == [confirmation.pk]
    try:
        with die_at(place):
            confirm_send(confirmation.pk, by="gateway")
    except Death:
        return True
    return False


# Twice at the same place in each run; at two different ones in the long one.
PAIRS = [
    pytest.param(first, second, marks=[] if first == second else pytest.mark.long)
    for first, second in itertools.product(CONFIRMING, repeat=2)
]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_two_confirmers_die_in_a_row_and_the_third_gets_it_through(window: Window, first: str, second: str) -> None:
    confirmation = window.accepted()
    window.scene.queued.clear()  # the message died with the first worker
    assert tried(confirmation, first)
    lease_runs_out(confirmation)
    tried(confirmation, second)
    lease_runs_out(confirmation)

    confirmations_sweep()
    window.scene.work()

    assert state_of(confirmation) == State.CONFIRMED
    assert window.theirs(confirmation.quote)["status"] == "confirmed"
    assert utc_now() < confirmation.send_by
    assert Quote.objects.get().state == QuoteState.CONFIRMED


@pytest.mark.parametrize("place_of_death", CONFIRMING[:-1])
def test_with_worker_and_gateway_dead_who_sweeps_sends(window: Window, place_of_death: str) -> None:
    confirmation = window.accepted()
    window.scene.queued.clear()
    assert tried(confirmation, place_of_death)
    lease_runs_out(confirmation)
    decided = utc_now() - guard.TAKE_OVER_AFTER
    Confirmation.objects.filter(pk=confirmation.pk).update(decided_at=decided)

    assert guard.take_over() == [confirmation.pk]
    assert guard.take_over() == []

    assert state_of(confirmation) == State.CONFIRMED
    assert window.theirs(confirmation.quote)["status"] == "confirmed"


def test_who_sweeps_gives_the_others_their_time(window: Window) -> None:
    confirmation = window.accepted()
    Confirmation.objects.filter(pk=confirmation.pk).update(decided_at=utc_now() + timedelta(hours=1))

    assert guard.take_over() == []
    assert (state_of(confirmation), confirmation.attempts) == (State.CONFIRMING, 0)


@pytest.mark.parametrize("hook", HEARING)
def test_who_hears_dies_and_the_next_gets_it_through(window: Window, hook: str) -> None:
    quote = window.quote()
    window.accept(quote)
    with die_at(hook), pytest.raises(Death):
        window.scene.hear()
    if hook in ("accept.heard", "accept.stored"):  # rolled back, which the test's own transaction does not show
        Confirmation.objects.all().delete()
        Quote.objects.update(state=QuoteState.OPEN)
    window.scene.queued.clear()

    guard.own_quotes_sweep()
    confirmations_sweep()
    window.scene.work()

    assert Confirmation.objects.get().state == State.CONFIRMED


@pytest.mark.parametrize("hook", CONFIRMING)
def test_nobody_confirms_after_the_deadline_whoever_died(window: Window, hook: str) -> None:
    confirmation = window.accepted()
    window.scene.queued.clear()
    assert tried(confirmation, hook)
    status = window.theirs(confirmation.quote)["status"]
    reached: list[str] = []
    late = timedelta(minutes=2)
    Confirmation.objects.filter(pk=confirmation.pk).update(
        send_by=confirmation.send_by - late, window_ends_at=confirmation.window_ends_at - late, lease_until=None
    )

    with killpoints.handled_by(reached.append):
        assert confirm_send(confirmation.pk) is None
        guard.look()
        confirmations_sweep()

    assert "confirm.noted" not in reached
    assert window.theirs(confirmation.quote)["status"] == status
    window.scene.work()
    expected = {"confirmed": (State.CONFIRMED,), "accepted": (State.MISSED,)}[status]
    assert state_of(confirmation) in expected
    assert after_window(confirmation) > utc_now() - late
