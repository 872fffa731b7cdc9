"""With gateway and urgent worker dead another worker hears, judges and sends; what is too late is not begun."""

import threading
import uuid
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import redis
from celery import current_app

from apps.core.errors import DeskError
from apps.core.rfq import HAND_OVER, Deadline, Decision, Policy
from apps.core.rfq import ConfirmationState as State
from apps.core.timestamps import utc_now
from apps.exchange import live
from apps.exchange.selectors import FeedState
from apps.exchange.wire.schemas import communications
from apps.paper.server.rest_faults import RestFault
from apps.paper.testing import LINEAR
from apps.rfq import tasks
from apps.rfq.events.confirmations import confirmation_row
from apps.rfq.models import Confirmation, Quote
from apps.rfq.reports import quote_from_rest
from apps.rfq.services import confirm_send as sending
from apps.rfq.services import guard, look_again, round_trips, stand_by
from apps.rfq.services.confirmations import OFFSET_ERROR, auto_verdict, decide, quote_told
from apps.rfq.services.last_look import reference_of
from apps.rfq.services.look_again import looks_again
from tests.rfq.test_confirm_deaths import lease_runs_out, tried
from tests.rfq.window import Window, state_of, window

__all__ = ["window"]
TICK = timedelta(microseconds=1)
MILLISECOND = timedelta(milliseconds=1)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EVERY", "READ_EVERY"):
        monkeypatch.setattr(look_again, name, 0.0)


def make_book(window: Window, *, bid: str = "0.3400", ask: str = "0.3600") -> None:
    """Let a third member quote the market, so that the exchange has a book to read."""
    with window.scene.paper.client("trader-2") as client:
        for side, price in (("bid", bid), ("ask", ask)):
            body = {
                "ticker": LINEAR,
                "client_order_id": str(uuid.uuid4()),
                "side": side,
                "count": "5.00",
                "price": price,
                "time_in_force": "good_till_canceled",
                "self_trade_prevention_type": "taker_at_cross",
            }
            answer = client.post("/portfolio/events/orders", json=body)
            assert answer.status_code == 201, answer.text


def gateway_is_dead(window: Window) -> None:
    window.feed, window.fair = "down", None


# --- what is decided too late ----------------------------------------------------------------------------


def test_a_decision_that_nobody_could_send_any_more_is_a_lapse_for_that_reason() -> None:
    send_by = utc_now()
    deadline = Deadline(send_by - timedelta(seconds=3), send_by + timedelta(seconds=1), send_by)

    in_time = auto_verdict("", deadline, now=deadline.decide_by - TICK)
    too_late = auto_verdict("", deadline, now=deadline.decide_by)

    assert (in_time["state"], in_time["decision"]) == (State.CONFIRMING, "confirm")
    assert (too_late["state"], too_late["decision"], too_late["reason"]) == (State.LAPSED, "lapse", "no_time")


def test_prices_that_come_in_the_last_moment_confirm_nothing(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    quote = window.quote()
    window.feed = "down"
    window.accept(quote)
    window.scene.hear()
    confirmation = Confirmation.objects.get()
    window.feed = "live"
    last = utc_now()
    Confirmation.objects.update(send_by=last + timedelta(milliseconds=30))
    monkeypatch.setattr(look_again, "utc_now", lambda: last)

    assert looks_again(now=last) == 1
    window.scene.work()

    assert (state_of(confirmation), confirmation.reason, confirmation.attempts) == (State.LAPSED, "no_time", 0)
    assert "too little time was left" in confirmation_row(confirmation)["state_text"]
    assert window.theirs(quote)["status"] == "accepted"


def test_a_person_decides_while_there_is_time_to_send_it(window: Window) -> None:
    confirmation = window.accepted(policy=Policy.MANUAL)
    decide_by = confirmation.send_by - HAND_OVER

    with pytest.raises(DeskError) as refused:
        decide(window.scene.quoter, confirmation, Decision.CONFIRM, now=decide_by)
    assert (refused.value.code, "had to be decided by" in refused.value.text) == ("window_over", True)
    assert state_of(confirmation) == State.OPEN

    decide(window.scene.quoter, confirmation, Decision.LAPSE, now=decide_by)  # that needs no time
    assert (state_of(confirmation), confirmation.decision) == (State.LAPSED, "lapse")


def test_the_next_repetition_comes_before_the_lease_ends() -> None:
    for left_ms in (*range(1, 3_000), 30_000):
        left = left_ms * MILLISECOND
        assert sending.repeat_after(left) < sending.lease_of(left) <= sending.LEASE, left_ms


def test_whoever_dies_with_the_least_time_somebody_else_still_sends(window: Window) -> None:
    confirmation = window.accepted()
    look = timedelta(seconds=stand_by.BUSY_PAUSE)
    assert look + sending.lease_of(HAND_OVER) + look < HAND_OVER  # the first took it at once, and died
    assert sending.HURRY > HAND_OVER
    now = utc_now()
    Confirmation.objects.update(decided_at=now, send_by=now + HAND_OVER)

    # With hardly any time left nobody waits for those that it was handed to.
    assert sending.confirmations_due(now=now, decided_before=now - guard.TAKE_OVER_AFTER) == [confirmation.pk]
    Confirmation.objects.update(send_by=now + sending.HURRY + TICK)
    assert sending.confirmations_due(now=now, decided_before=now - guard.TAKE_OVER_AFTER) == []


def test_what_is_learned_later_stops_nothing_that_is_decided(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that measured longer ways tells of the same accept: the time that was counted with stays."""
    quote = window.quote()
    window.accept(quote)
    window.scene.hear()
    confirmation = Confirmation.objects.get()
    monkeypatch.setattr(round_trips, "high", lambda environment: timedelta(seconds=5))

    guard.own_quotes_sweep()

    send_by = confirmation.send_by
    assert (state_of(confirmation), confirmation.send_by) == (State.CONFIRMING, send_by)
    window.scene.work()
    assert state_of(confirmation) == State.CONFIRMED


@pytest.mark.parametrize("earlier_s", [0, 4])
def test_what_is_not_decided_loses_what_the_accept_was_earlier_and_no_more(
    window: Window, monkeypatch: pytest.MonkeyPatch, earlier_s: int
) -> None:
    window.offset(0)
    confirmation = window.accepted(policy=Policy.MANUAL)
    heard = confirmation.send_by, confirmation.accepted_at
    report = quote_from_rest(msgspec.convert(window.theirs(confirmation.quote), communications.Quote))
    report = replace(report, accepted_at=confirmation.accepted_at + OFFSET_ERROR - timedelta(seconds=earlier_s))
    Quote.objects.update(claimed_at=None)
    monkeypatch.setattr(round_trips, "high", lambda environment: timedelta(seconds=5))

    quote_told(Quote.objects.select_related("account", "incoming").get(), report)

    confirmation.refresh_from_db()
    moved = timedelta(seconds=-earlier_s)
    assert (confirmation.send_by, confirmation.accepted_at) == (heard[0] + moved, heard[1] + moved)


# --- who follows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place_of_death", ["confirm.leased", "confirm.noted"])
def test_e1_who_stands_by_sends_what_a_dead_process_held(window: Window, place_of_death: str) -> None:
    confirmation = window.accepted()
    window.scene.queued.clear()
    assert tried(confirmation, place_of_death)
    lease_runs_out(confirmation)
    Confirmation.objects.filter(pk=confirmation.pk).update(decided_at=utc_now() - guard.TAKE_OVER_AFTER)

    assert stand_by.once() == stand_by.BUSY_PAUSE

    assert state_of(confirmation) == State.CONFIRMED
    assert window.theirs(confirmation.quote)["status"] == "confirmed"


def test_e1_e4_gateway_dead_and_frame_lost_it_is_heard_judged_and_sent(window: Window) -> None:
    make_book(window)
    quote = window.quote()
    gateway_is_dead(window)
    window.accept(quote)
    window.scene.hear(drop=("quote_accepted",))
    window.scene.queued.clear()

    assert stand_by.once() == stand_by.OPEN_PAUSE  # reads our quotes
    confirmation = Confirmation.objects.get()
    assert (confirmation.heard_by, confirmation.state, confirmation.reason) == ("rest", State.OPEN, "feed")
    stand_by.once()  # reads the book, decides, and sends: the urgent worker is dead, too

    assert state_of(confirmation) == State.CONFIRMED
    feed = next(check for check in confirmation.checks if check["name"] == "feed")
    assert (feed["ok"], feed["value"], "read from the exchange" in feed["text"]) == (True, "read", True)


def test_what_the_book_says_may_be_a_reason_to_let_it_lapse(window: Window) -> None:
    make_book(window, bid="0.2000", ask="0.2200")
    quote = window.quote()
    gateway_is_dead(window)
    window.accept(quote)
    window.scene.hear()

    assert looks_again() == 0  # in the gateway nothing is read
    assert looks_again(may_read=True) == 1

    confirmation = Confirmation.objects.get()
    assert (confirmation.state, confirmation.reason, confirmation.attempts) == (State.LAPSED, "move", 0)


def test_a_book_that_cannot_be_read_or_has_one_side_decides_nothing(window: Window) -> None:
    quote = window.quote()
    gateway_is_dead(window)
    window.accept(quote)
    window.scene.hear()
    assert looks_again(may_read=True) == 0  # nobody quotes there

    window.scene.paper.server.rest_faults.arm(RestFault("lose_before", 50, path="/trade-api/v2/markets"))
    assert looks_again(may_read=True) == 0

    confirmation = Confirmation.objects.get()
    assert (confirmation.state, confirmation.decision, confirmation.reason) == (State.OPEN, "", "feed")


def test_a_quote_that_goes_without_live_prices_gets_what_moves_are_measured_from(window: Window) -> None:
    make_book(window)
    gateway_is_dead(window)
    quote = window.quote()
    assert reference_of(quote) == Decimal("0.35")

    window.accept(quote)
    window.scene.hear()
    assert looks_again(may_read=True) == 1
    window.scene.work()

    confirmation = Confirmation.objects.get()
    assert (confirmation.state, first_failure_of(confirmation)) == (State.CONFIRMED, None)


def first_failure_of(confirmation: Confirmation) -> Any:
    return next((check for check in confirmation.checks if not check["ok"]), None)


def test_a_quote_goes_out_even_when_its_book_cannot_be_read(window: Window) -> None:
    gateway_is_dead(window)
    window.scene.paper.server.rest_faults.arm(RestFault("lose_before", 50, path="/trade-api/v2/markets"))
    quote = window.quote()

    assert (quote.state, reference_of(quote)) == ("open", None)


# --- when it stands by, and when it stops -------------------------------------------------------------------


def test_it_begins_with_a_quote_and_ends_when_nothing_is_open(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def begin() -> threading.Thread:
        begun.append("thread")
        return threading.current_thread()

    monkeypatch.setattr(stand_by, "_thread_begun", begin)
    tasks.own_quotes_sync()
    assert (begun, stand_by.once()) == ([], None)

    window.quote()
    tasks.own_quotes_sync()
    tasks.rfq_sweep()  # one thread in a process, whoever asks
    assert (begun, stand_by.once()) == (["thread"], stand_by.OPEN_PAUSE)

    Quote.objects.update(state="cancelled")
    assert stand_by.once() is None


def test_a_sync_of_an_account_cannot_hold_it_up() -> None:
    routes = {
        name: current_app.amqp.router.route({}, f"apps.rfq.tasks.{name}")["queue"].name
        for name in ("own_quotes_sync", "account_rfqs_sync", "rfq_sweep")
    }
    assert routes == {"own_quotes_sync": "orders", "account_rfqs_sync": "sync", "rfq_sweep": "default"}


def test_a_worker_that_ends_begins_nothing_and_gives_its_lease_back(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pool:
        """Takes what is submitted and runs nothing."""

        def __init__(self) -> None:
            self.taken: list[tuple[Any, ...]] = []
            self.is_shut = False

        def submit(self, *work: Any) -> None:
            self.taken.append(work)

        def shutdown(self, **_: Any) -> None:
            self.is_shut = True

    pools = [Pool(), Pool()]
    monkeypatch.setattr(guard, "_sweepers", pools[0])
    monkeypatch.setattr(stand_by, "_readers", pools[1])
    monkeypatch.setattr(guard, "_stopping", threading.Event())
    monkeypatch.setattr(stand_by, "_stopping", threading.Event())
    monkeypatch.setattr(guard, "_taking", set())
    monkeypatch.setattr(stand_by, "_running", set())
    confirmation = window.accepted()
    Confirmation.objects.update(decided_at=utc_now() - timedelta(seconds=1))
    assert guard.take_over() == [confirmation.pk]
    work, *arguments = pools[0].taken.pop()

    tasks._worker_ending()
    work(*arguments)  # was under way when the end was told

    assert [pool.is_shut for pool in pools] == [True, True]
    assert (state_of(confirmation), confirmation.lease_until) == (State.CONFIRMING, None)
    assert window.theirs(confirmation.quote)["status"] == "accepted"
    assert guard.take_over() == []
    stand_by.once()
    assert [pool.taken for pool in pools] == [[], []]
    assert stand_by.stand_by() is False


def test_without_redis_each_process_reads_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise redis.ConnectionError

    monkeypatch.setattr(live, "redis_client", away)
    monkeypatch.setattr(guard, "_read_at", {})
    monkeypatch.setattr(guard, "feed_state", lambda environment: FeedState("down"))
    monkeypatch.setattr(guard, "WATCH_BLIND", 1e12)

    assert [guard._is_my_turn(account, "paper") for account in (1, 1, 2)] == [True, False, True]
