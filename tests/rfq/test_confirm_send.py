"""A decided confirmation is sent until the exchange says what became of it, by whoever holds the lease."""

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.accounts.models import Membership
from apps.core import killpoints
from apps.core.rfq import ConfirmationState as State
from apps.core.rfq import Policy, QuoteState
from apps.core.timestamps import utc_now
from apps.orders.models import AccountSync, TradingPause
from apps.orders.services import sync as orders_sync
from apps.orders.services.pauses import pause_set
from apps.paper.server.rest_faults import RestFault
from apps.paper.testing import DECI
from apps.rfq.events.confirmations import confirmation_row
from apps.rfq.models import Confirmation, Quote
from apps.rfq.services import confirm_send as sending
from apps.rfq.services import guard, verify
from apps.rfq.services.confirm_send import confirm_send, confirmation_look, confirmations_due, confirmations_sweep
from tests.rfq.window import Window, again_at_once, state_of, window

__all__ = ["again_at_once", "window"]
CONFIRM = "/trade-api/v2/communications/quotes/*/confirm"


class Death(BaseException):
    """The process ends here."""


def die_at(name: str) -> Any:
    def reached(place: str) -> None:
        if place == name:
            raise Death

    return killpoints.handled_by(reached)


def lease_over(confirmation: Confirmation) -> None:
    Confirmation.objects.filter(pk=confirmation.pk).update(lease_until=utc_now())


def after_window(confirmation: Confirmation) -> Any:
    return confirmation.window_ends_at + timedelta(seconds=6)


def time_is_up(confirmation: Confirmation) -> None:
    """Move its window into the past: the controlled clock of these tests."""
    back = timedelta(seconds=60)
    Confirmation.objects.filter(pk=confirmation.pk).update(
        accepted_at=confirmation.accepted_at - back,
        window_ends_at=confirmation.window_ends_at - back,
        send_by=confirmation.send_by - back,
    )
    confirmation.refresh_from_db()


def test_it_is_confirmed_and_followed_to_its_execution(window: Window) -> None:
    confirmation = window.accepted()
    window.scene.work()
    assert (state_of(confirmation), confirmation.attempts) == (State.CONFIRMED, 1)
    assert Quote.objects.get().state == QuoteState.CONFIRMED

    window.scene.step(seconds=16)
    assert "quote_executed" in window.scene.hear()

    assert (state_of(confirmation), Quote.objects.get().state) == (State.EXECUTED, QuoteState.EXECUTED)
    assert confirmation.order_id == window.theirs(confirmation.quote)["creator_order_id"]
    row = confirmation_row(confirmation)
    assert (row["state_text"], row["executed_ms"] is not None) == ("Executed", True)


def test_an_execution_that_no_frame_told_is_read(window: Window) -> None:
    confirmation = window.accepted()
    window.scene.work()
    window.scene.step(seconds=16)
    window.scene.hear(drop=("quote_executed",))

    confirmations_sweep(now=utc_now() + timedelta(seconds=18))
    window.scene.work()

    assert state_of(confirmation) == State.EXECUTED


@pytest.mark.parametrize(
    "fault",
    [
        RestFault("lose_before", 2, method="PUT", path=CONFIRM),
        RestFault("status", 2, method="PUT", path=CONFIRM, status=500),
        RestFault("rate_limit", 2, method="PUT", path=CONFIRM),
        RestFault("body", 2, method="PUT", path=CONFIRM, how="html", when="before"),
    ],
)
@pytest.mark.usefixtures("again_at_once")
def test_e3_what_did_not_arrive_is_sent_again_until_it_does(window: Window, fault: RestFault) -> None:
    confirmation = window.accepted()
    window.scene.paper.server.rest_faults.arm(fault)
    window.scene.work()

    assert (state_of(confirmation), confirmation.attempts >= 3) == (State.CONFIRMED, True)


def test_e2_a_lost_answer_is_found_by_reading_the_quote(window: Window) -> None:
    confirmation = window.accepted()
    window.scene.paper.server.rest_faults.arm(RestFault("lose_after", 1, method="PUT", path=CONFIRM))
    window.scene.work()

    assert state_of(confirmation) == State.CONFIRMED
    assert confirmation.confirmed_at is not None


@pytest.mark.usefixtures("again_at_once")
def test_a_refusal_while_the_window_runs_is_tried_again(window: Window) -> None:
    confirmation = window.accepted()
    window.scene.paper.control("POST", "/rfq/fault", {"kind": "refuse_confirm", "count": 2})
    window.scene.work()

    assert (state_of(confirmation), confirmation.attempts >= 3) == (State.CONFIRMED, True)


def test_e3_expired_is_missed_with_an_alarm(window: Window, caplog: pytest.LogCaptureFixture) -> None:
    confirmation = window.accepted()
    window.scene.step(seconds=31)
    with caplog.at_level(logging.ERROR):
        window.scene.work()

    assert (state_of(confirmation), confirmation.reason) == (State.MISSED, "expired")
    assert "MISSED confirmation" in caplog.text
    confirmation_look(confirmation.pk, now=after_window(confirmation))
    quote = Quote.objects.get()
    assert (quote.state, quote.end_reason) == (QuoteState.CANCELLED, "it was not confirmed in time")


@pytest.mark.usefixtures("again_at_once")
def test_e3_no_answer_until_the_end_is_missed_until_the_reading_says_otherwise(
    window: Window, caplog: pytest.LogCaptureFixture
) -> None:
    confirmation = window.accepted()
    faults = window.scene.paper.server.rest_faults
    faults.arm(RestFault("lose_after", 1, method="PUT", path=CONFIRM))
    faults.arm(RestFault("lose_before", 50, path="/trade-api/v2/communications/quotes"))

    def time_passes(place: str) -> None:
        if place == "confirm.answered":
            time_is_up(confirmation)

    with caplog.at_level(logging.ERROR), killpoints.handled_by(time_passes):
        confirm_send(confirmation.pk)
    assert state_of(confirmation) == State.MISSED
    assert confirmation_row(confirmation)["state_text"].startswith("Missed? It was sent")
    assert "MISSED confirmation" in caplog.text

    faults.clear()
    confirmations_sweep(now=utc_now() + timedelta(seconds=1))
    window.scene.work()
    assert state_of(confirmation) == State.CONFIRMED


def test_what_is_past_its_time_is_never_sent(window: Window) -> None:
    confirmation = window.accepted()
    time_is_up(confirmation)
    window.scene.work()

    assert (state_of(confirmation), confirmation.attempts) == (State.MISSED, 0)
    assert window.theirs(confirmation.quote)["status"] == "accepted"


def test_what_was_let_lapse_is_never_sent_whoever_asks(window: Window) -> None:
    confirmation = window.accepted(policy=Policy.LAPSE)
    confirm_send(confirmation.pk)
    guard.look()
    confirmations_sweep()
    window.scene.work()

    assert (state_of(confirmation), confirmation.attempts) == (State.LAPSED, 0)
    confirmation_look(confirmation.pk, now=after_window(confirmation))
    assert Quote.objects.get().end_reason == "it was let lapse"


# --- death and the lease -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["confirm.started", "confirm.leased", "confirm.ready", "confirm.noted"])
def test_e1_who_dies_before_the_answer_is_followed_by_the_next(window: Window, name: str) -> None:
    confirmation = window.accepted()
    window.scene.queued.clear()
    with die_at(name), pytest.raises(Death):
        confirm_send(confirmation.pk)
    if name != "confirm.started":
        died_at = utc_now()
        Confirmation.objects.filter(pk=confirmation.pk).update(lease_until=died_at + sending.LEASE)
        assert confirmations_due(now=died_at) == []
        lease_over(confirmation)

    now = utc_now()
    assert confirmations_due(now=now, decided_before=now - timedelta(days=1)) == []
    assert confirmations_due(now=now) == [confirmation.pk]
    assert confirm_send(confirmation.pk, by="gateway") is not None
    assert state_of(confirmation) == State.CONFIRMED


@pytest.mark.parametrize("name", ["confirm.answered", "confirm.applied"])
def test_e2_who_dies_after_the_answer_has_confirmed_and_the_next_finds_that(window: Window, name: str) -> None:
    confirmation = window.accepted()
    window.scene.queued.clear()
    with die_at(name), pytest.raises(Death):
        confirm_send(confirmation.pk)
    assert window.theirs(confirmation.quote)["status"] == "confirmed"
    lease_over(confirmation)

    confirm_send(confirmation.pk, by="gateway")

    assert state_of(confirmation) == State.CONFIRMED


@pytest.mark.parametrize("name", ["accept.heard", "accept.stored"])
def test_who_dies_while_hearing_leaves_nothing_half_and_the_sweep_hears_it(window: Window, name: str) -> None:
    quote = window.quote()
    window.accept(quote)
    with die_at(name), pytest.raises(Death):
        window.scene.hear()
    Confirmation.objects.all().delete()  # what the death rolled back; the test's own transaction goes on
    Quote.objects.update(state=QuoteState.OPEN)

    guard.own_quotes_sweep()
    window.scene.work()

    assert Confirmation.objects.get().state == State.CONFIRMED


def test_what_was_decided_and_never_queued_is_handed_over_again(window: Window) -> None:
    confirmation = window.accepted()
    window.scene.queued.clear()

    confirmations_sweep()
    assert ("confirm_send", confirmation.pk) in window.scene.queued
    due, is_busy = guard.look()
    assert is_busy
    assert set(due) <= {confirmation.pk}


def test_one_lease_at_a_time_and_a_stopped_holder_gives_it_back(window: Window) -> None:
    confirmation = window.accepted()
    inner: list[object] = []

    def second_comes(place: str) -> None:
        if place == "confirm.leased" and not inner:
            inner.append("asked")
            inner.append(confirm_send(confirmation.pk, by="second"))

    with killpoints.handled_by(second_comes):
        confirm_send(confirmation.pk, is_stopped=lambda: True)
    assert inner == ["asked", None]
    assert (state_of(confirmation), window.theirs(confirmation.quote)["status"]) == (State.CONFIRMING, "accepted")
    assert confirmations_due(now=utc_now()) == [confirmation.pk]


def test_f13_the_task_twice_and_an_hour_late_changes_nothing(window: Window) -> None:
    confirmation = window.accepted()
    for _ in range(3):
        confirm_send(confirmation.pk)
    assert (state_of(confirmation), confirmation.attempts) == (State.CONFIRMED, 1)

    late = window.accepted(ticker=DECI)
    time_is_up(late)
    assert confirm_send(late.pk) is None
    assert (state_of(late), late.attempts) == (State.MISSED, 0)


def test_h4_the_right_and_the_pause_are_asked_for_again_before_the_send(window: Window) -> None:
    confirmation = window.accepted()
    Membership.objects.filter(user_id=window.scene.quoter.user_id).update(roles=["viewer"])
    window.scene.work()
    assert (state_of(confirmation), confirmation.reason, confirmation.attempts) == (State.LAPSED, "right", 0)

    Membership.objects.filter(user_id=window.scene.quoter.user_id).update(roles=["quoter"])
    second = window.accepted(ticker=DECI)
    pause_set(window.scene.lead, scope=TradingPause.Scope.DESK, why="news")
    window.scene.work()
    assert (state_of(second), second.reason, second.attempts) == (State.LAPSED, "paused", 0)


# --- after the confirmation ------------------------------------------------------------------------------


def synced(window: Window, monkeypatch: pytest.MonkeyPatch, quote: Quote) -> None:
    """Read orders and fills, as the account's sync does, up to a while after the quote's end."""
    monkeypatch.setattr(orders_sync, "client_for", window.scene.client)
    window.scene.paper.clock.step(60_000)
    orders_sync.orders_reconcile(window.scene.place.account.pk)
    quote.refresh_from_db()


def test_a_confirmed_quote_that_is_called_cancelled_and_was_filled_is_executed(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.scene.paper.control("POST", "/rfq/fault", {"kind": "cancelled_but_filled"})
    confirmation = window.accepted()
    window.scene.work()
    window.scene.step(seconds=16)
    window.scene.hear()
    confirmation_look(confirmation.pk)
    quote = confirmation.quote
    quote.refresh_from_db()
    assert (quote.state, quote.is_end_verified, state_of(confirmation)) == (
        *(QuoteState.CANCELLED, False),
        State.CONFIRMED,
    )
    assert verify.ends_verify() == 0  # nothing was read yet: not believed

    synced(window, monkeypatch, quote)
    assert verify.ends_verify() == 1
    quote.refresh_from_db()
    assert (quote.state, quote.is_end_verified, state_of(confirmation)) == (QuoteState.EXECUTED, True, State.EXECUTED)
    assert confirmation.order_id


def test_e12_a_confirmed_quote_that_a_pause_ended_has_failed_once_its_fills_were_read(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmation = window.accepted()
    window.scene.work()
    window.scene.paper.control("POST", "/trading", {"trading_active": False})
    window.scene.step(seconds=16)
    window.scene.hear()
    confirmation_look(confirmation.pk)
    quote = confirmation.quote
    quote.refresh_from_db()
    assert (quote.state, state_of(confirmation)) == (QuoteState.CANCELLED, State.CONFIRMED)

    window.scene.paper.control("POST", "/trading", {"trading_active": True})
    synced(window, monkeypatch, quote)
    verify.ends_verify()

    quote.refresh_from_db()
    assert (quote.is_end_verified, state_of(confirmation)) == (True, State.FAILED)


def test_a_pulled_quote_is_over_once_the_orders_were_read_past_it(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.rfq.services.quotes import quote_pull

    quote = window.quote()
    quote_pull(window.scene.quoter, quote)
    window.scene.work()
    quote.refresh_from_db()
    assert (quote.state, quote.is_end_verified) == (QuoteState.CANCELLED, False)
    assert quote.ended_at is not None
    AccountSync.objects.update_or_create(account=quote.account, defaults={"read_through": quote.ended_at})
    assert verify.ends_verify() == 0

    synced(window, monkeypatch, quote)
    assert verify.ends_verify() == 1
    quote.refresh_from_db()
    assert (quote.state, quote.is_end_verified) == (QuoteState.CANCELLED, True)


def test_the_other_side_withdraws_while_we_decide(window: Window) -> None:
    confirmation = window.accepted(policy=Policy.MANUAL)
    assert window.scene.maker.delete(f"/communications/rfqs/{window.asked[-1]}").status_code == 204
    confirmation_look(confirmation.pk)

    assert (state_of(confirmation), confirmation.reason) == (State.LAPSED, "withdrawn")


def test_one_of_ours_that_is_not_listed_any_more_is_read_and_a_stranger_is_taken_in(window: Window) -> None:
    quote = window.quote()
    with window.scene.paper.client("trader-1") as client:
        assert client.delete(f"/communications/quotes/{quote.quote_id}").status_code == 204
    guard.own_quotes_sweep()
    quote.refresh_from_db()
    assert quote.state == QuoteState.CANCELLED
    assert Quote.objects.filter(yes_bid=Decimal("0.30")).count() == 1
