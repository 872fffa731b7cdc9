"""An accept is heard: one row, its deadline, the last look, and what the policy or a person decides."""

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.accounts.models import Membership
from apps.audit.models import AuditEntry
from apps.core.errors import DeskError
from apps.core.rfq import ConfirmationState as State
from apps.core.rfq import Decision, Policy, QuoteState
from apps.core.timestamps import parse_rfc3339, utc_now
from apps.orders.models import TradingPause
from apps.orders.services.pauses import pause_set
from apps.paper.testing import DECI, LINEAR
from apps.rfq.commands import confirmations as commands
from apps.rfq.events.confirmations import confirmation_row
from apps.rfq.models import Confirmation, Quote
from apps.rfq.selectors.confirmations import confirmation_rows_of
from apps.rfq.services import confirmations, guard, requests_sweep
from apps.rfq.services.confirmations import MARGIN, OFFSET_ERROR, confirmations_expire, decide
from apps.rfq.services.round_trips import UNMEASURED
from tests.orders.conftest import Published
from tests.rfq.scene import QUOTES, RFQS, post
from tests.rfq.window import Window, state_of, window

__all__ = ["window"]
WAY = UNMEASURED + MARGIN  # what a deadline leaves for the way


def refused(call: Any) -> DeskError:
    with pytest.raises(DeskError) as found:
        call()
    return found.value


def actions(confirmation: Confirmation) -> list[str]:
    rows = AuditEntry.objects.filter(target=f"rfq_confirmation:{confirmation.pk}").order_by("sequence")
    return [action.removeprefix("rfq.confirm.") for action in rows.values_list("action", flat=True)]


def test_an_accept_becomes_one_row_with_what_we_would_own_and_a_deadline(window: Window, published: Published) -> None:
    before = utc_now()
    confirmation = window.accepted("yes", policy=Policy.MANUAL)

    assert (confirmation.state, confirmation.decision, confirmation.heard_by) == (State.OPEN, "", "ws")
    assert (confirmation.accepted_side, confirmation.contracts) == ("yes", Decimal(50))
    assert confirmation.accepted_at <= confirmation.heard_at
    assert confirmation.window_ends_at - confirmation.accepted_at == timedelta(seconds=30)
    assert confirmation.window_ends_at - confirmation.send_by == WAY
    assert before - timedelta(seconds=1) <= confirmation.heard_at <= utc_now()
    row = confirmation_row(confirmation)
    assert (row["price"], row["cost"], row["move"], row["position_after"]) == ("0.3000", "15.0000", "0.0000", "50.00")
    assert (row["is_open"], row["state_text"]) == (True, "Confirm, or let it lapse")
    assert [one["key"] for one in published.rows("confirms") if one] == [row["key"]]
    assert confirmation.quote.state == QuoteState.ACCEPTED
    assert actions(confirmation) == ["heard"]
    assert ("confirm_send", confirmation.pk) not in window.scene.queued


def test_no_is_owned_at_our_no_bid(window: Window) -> None:
    row = confirmation_row(window.accepted("no", policy=Policy.MANUAL))

    assert (row["accepted_side"], row["price"], row["cost"], row["position_after"]) == (
        *("no", "0.6000"),
        *("30.0000", "-50.00"),
    )


def test_a_target_cost_is_counted_by_the_side_that_was_taken(window: Window) -> None:
    confirmation = window.accepted("yes", size={"target_cost_dollars": "70.00"}, policy=Policy.MANUAL)

    offered = window.theirs(confirmation.quote)["yes_contracts_fp"]
    assert confirmation.contracts == Decimal(offered) > 0


def test_told_twice_and_by_both_ways_it_stays_one(window: Window) -> None:
    confirmation = window.accepted(policy=Policy.MANUAL)
    requests_sweep.account_read(window.scene.place.account.pk)
    requests_sweep.account_read(window.scene.place.account.pk)

    assert Confirmation.objects.count() == 1
    assert state_of(confirmation) == State.OPEN


# --- by policy -----------------------------------------------------------------------------------


def test_auto_confirms_when_every_check_passes(window: Window) -> None:
    confirmation = window.accepted()

    assert (confirmation.decision, confirmation.reason, confirmation.state) == (
        "confirm",
        "last_look",
        State.CONFIRMING,
    )
    assert all(check["ok"] for check in confirmation.checks)
    assert ("confirm_send", confirmation.pk) in window.scene.queued


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fair": Decimal("0.3299")}, "move"),
        ({"position": Decimal(99_990)}, "limit_position"),
        ({"cash": Decimal("14.99")}, "funding"),
    ],
)
def test_auto_lets_lapse_for_the_first_reason_and_never_sends(
    window: Window, change: dict[str, Any], reason: str
) -> None:
    quote = window.quote()
    for name, value in change.items():
        setattr(window, name, value)
    window.accept(quote)
    window.scene.hear()
    window.scene.work()

    confirmation = Confirmation.objects.get()
    assert (confirmation.decision, confirmation.reason, confirmation.state) == ("lapse", reason, State.LAPSED)
    assert (confirmation.attempts, window.theirs(quote)["status"]) == (0, "accepted")
    failing = next(check for check in confirmation.checks if not check["ok"])
    assert failing["name"] == reason
    assert failing["text"] in confirmation_row(confirmation)["state_text"]
    assert state_of(confirmation) == State.LAPSED


def test_a_pause_of_the_desk_and_a_person_who_left_stop_the_policy(window: Window) -> None:
    first = window.quote()
    pause_set(window.scene.lead, scope=TradingPause.Scope.DESK, why="news")
    window.accept(first)
    window.scene.hear()
    assert Confirmation.objects.get(quote=first).reason == "paused"

    TradingPause.objects.update(released_at=utc_now())
    second = window.quote(ticker=DECI)
    Membership.objects.filter(user_id=window.scene.quoter.user_id).update(is_active=False)
    window.accept(second)
    window.scene.hear()
    assert Confirmation.objects.get(quote=second).reason == "right"


def test_never_confirm_is_never_confirmed(window: Window) -> None:
    confirmation = window.accepted(policy=Policy.LAPSE)

    assert (confirmation.state, confirmation.reason) == (State.LAPSED, "policy")
    assert refused(lambda: decide(window.scene.quoter, confirmation, Decision.CONFIRM)).code == "decided"


def test_two_hits_at_once_each_see_what_the_other_will_cost(window: Window) -> None:
    first, second = window.quote(), window.quote(ticker=DECI)
    window.cash = Decimal("20.00")  # one of them costs $15
    window.accept(first)
    window.accept(second)
    window.scene.hear()

    assert Confirmation.objects.get(quote=first).state == State.CONFIRMING
    assert Confirmation.objects.get(quote=second).reason == "funding"


# --- by a person -----------------------------------------------------------------------------------


def test_a_person_confirms_over_the_socket(window: Window) -> None:
    confirmation = window.accepted(policy=Policy.MANUAL)
    answer = commands.decide(window.scene.other, {"confirm": f"confirm:{confirmation.pk}", "decision": "confirm"})

    row = answer["confirm"]
    assert (row["state"], row["decision"], row["decided_by"]["id"]) == (
        *("confirming", "confirm"),
        window.scene.other.user_id,
    )
    window.scene.work()
    assert state_of(confirmation) == State.CONFIRMED
    assert window.theirs(confirmation.quote)["status"] == "confirmed"
    assert confirmation_rows_of(window.scene.place.account.pk).keys() == {f"confirm:{confirmation.pk}"}


def test_a_person_may_confirm_against_prices_but_not_against_a_limit(window: Window) -> None:
    window.fair = None
    confirmation = window.accepted(policy=Policy.MANUAL)
    window.position = Decimal(99_990)
    assert refused(lambda: decide(window.scene.quoter, confirmation, Decision.CONFIRM)).code == "limit_position"

    window.position = Decimal(0)
    decide(window.scene.quoter, confirmation, Decision.CONFIRM)
    assert state_of(confirmation) == State.CONFIRMING


@pytest.mark.parametrize("who", ["viewer", "lead", "elsewhere"])
def test_who_may_not_trade_requests_decides_nothing(window: Window, who: str) -> None:
    confirmation = window.accepted(policy=Policy.MANUAL)
    actor = {"viewer": window.scene.place.viewer, "lead": window.scene.lead}.get(who, window.stranger())

    error = refused(lambda: decide(actor, confirmation, Decision.CONFIRM))
    assert error.code == ("not_found" if who == "elsewhere" else "not_allowed")
    assert state_of(confirmation) == State.OPEN


def test_e8_the_first_durable_decision_wins_and_both_are_shown(window: Window) -> None:
    confirmation = window.accepted(policy=Policy.MANUAL)
    decide(window.scene.quoter, confirmation, Decision.LAPSE)

    error = refused(lambda: decide(window.scene.other, confirmation, Decision.CONFIRM))
    assert (error.code, "first decision stands" in error.text) == ("decided", True)
    assert decide(window.scene.quoter, confirmation, Decision.LAPSE).state == State.LAPSED  # again: the same answer
    window.scene.work()
    row = confirmation_row(Confirmation.objects.get())
    assert (row["decision"], [one["decision"] for one in row["later"]]) == ("lapse", ["confirm"])
    assert window.theirs(confirmation.quote)["status"] == "accepted"
    assert actions(confirmation) == ["heard", "decided", "overtaken"]


def test_e8_a_person_who_declines_while_the_policy_confirms_is_told(window: Window) -> None:
    confirmation = window.accepted()

    error = refused(lambda: decide(window.scene.quoter, confirmation, Decision.LAPSE))
    assert error.text.startswith("The policy confirmed already")
    window.scene.work()
    assert state_of(confirmation) == State.CONFIRMED


def test_after_its_time_a_decision_is_refused_in_words_and_it_has_lapsed(window: Window) -> None:
    confirmation = window.accepted(policy=Policy.MANUAL)
    late = confirmation.send_by

    error = refused(lambda: decide(window.scene.quoter, confirmation, Decision.CONFIRM, now=late))
    assert (error.code, "Too late" in error.text) == ("window_over", True)
    assert (state_of(confirmation), confirmation.reason, confirmation.attempts) == (State.LAPSED, "no_decision", 0)


def test_silence_lets_it_lapse(window: Window) -> None:
    confirmation = window.accepted(policy=Policy.MANUAL)

    assert confirmations_expire(now=confirmation.send_by - timedelta(microseconds=1)) == 0
    assert confirmations_expire(now=confirmation.send_by) == 1
    assert (state_of(confirmation), confirmation.reason) == (State.LAPSED, "no_decision")


# --- when the window began -----------------------------------------------------------------------------


@pytest.mark.parametrize("skew_ms", [0, 2_000, 60_000])
def test_e13_the_deadline_follows_the_exchanges_time_by_the_measured_offset(window: Window, skew_ms: int) -> None:
    window.offset(skew_ms)
    quote = window.quote(policy=Policy.MANUAL)
    window.scene.paper.clock.step(skew_ms)
    window.accept(quote)
    Quote.objects.filter(pk=quote.pk).update(claimed_at=None)  # else nothing is earlier than our own send
    window.scene.hear(drop=("quote_accepted",))
    guard.own_quotes_sweep()

    confirmation = Confirmation.objects.get()
    accepted = parse_rfc3339(window.theirs(quote)["accepted_ts"])
    assert confirmation.heard_by == "rest"
    assert confirmation.accepted_at == accepted - timedelta(milliseconds=skew_ms) - OFFSET_ERROR
    assert confirmation.accepted_at <= confirmation.heard_at


def test_e13_nothing_is_accepted_after_it_was_heard_or_before_it_was_sent(window: Window) -> None:
    window.offset(-60_000)  # wrong: it would put the accept into our future
    quote = window.quote(policy=Policy.MANUAL)
    window.accept(quote)
    window.scene.hear()
    requests_sweep.account_read(window.scene.place.account.pk)
    first = Confirmation.objects.get()
    assert first.accepted_at <= first.heard_at

    window.offset(60_000)  # wrong the other way: before we quoted
    requests_sweep.account_read(window.scene.place.account.pk)
    first.refresh_from_db()
    assert first.accepted_at >= quote.claimed_at


def test_e4_a_lost_accept_is_heard_by_the_sweep(window: Window) -> None:
    quote = window.quote()
    window.accept(quote)
    assert "quote_accepted" in window.scene.hear(drop=("quote_accepted",))
    assert not Confirmation.objects.exists()

    guard.own_quotes_sweep()
    window.scene.work()

    confirmation = Confirmation.objects.get()
    assert (confirmation.heard_by, confirmation.state) == ("rest", State.CONFIRMED)


def test_e5_an_accept_that_is_heard_when_its_window_is_over_is_not_confirmed_and_raises_an_alarm(
    window: Window, caplog: pytest.LogCaptureFixture
) -> None:
    window.offset(0)
    quote = window.quote()
    window.accept(quote)
    Quote.objects.filter(pk=quote.pk).update(claimed_at=None)
    window.scene.hear(drop=("quote_accepted",))
    window.offset(31_000)  # what our clock says now: it was 31 s ago
    with caplog.at_level(logging.ERROR):
        guard.own_quotes_sweep()
        window.scene.work()

    confirmation = Confirmation.objects.get()
    assert (confirmation.state, confirmation.reason, confirmation.attempts) == (State.MISSED, "late", 0)
    assert "MISSED confirmation" in caplog.text
    assert window.theirs(quote)["status"] == "accepted"
    assert "heard when the window was over" in confirmation_row(confirmation)["state_text"]


def test_an_accept_of_another_tool_long_ago_is_history(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    rfq_id = post(window.scene.maker, RFQS, market_ticker=LINEAR, contracts=5, rest_remainder=False)["id"]
    made = post(window.scene.us, QUOTES, rfq_id=rfq_id, yes_bid="0.1000", no_bid="0", rest_remainder=False)
    answer = window.scene.maker.put(f"{QUOTES}/{made['id']}/accept", json={"accepted_side": "yes"})
    assert answer.status_code == 204
    days_after = utc_now() + timedelta(days=2)
    monkeypatch.setattr(confirmations, "utc_now", lambda: days_after)

    requests_sweep.account_read(window.scene.place.account.pk)

    quote = Quote.objects.get()
    assert (quote.state, Confirmation.objects.exists()) == (QuoteState.CANCELLED, False)


# --- policy and window ---------------------------------------------------------------------------------


def test_a_short_window_and_a_person_go_together_only_when_insisted_on(window: Window, settings: Any) -> None:
    settings.RFQ_FAST_MARKETS = (LINEAR,)
    window.scene.paper.control("POST", "/rfq", {"hvm": [LINEAR]})
    error = refused(lambda: window.quote(policy=Policy.MANUAL))
    assert (error.code, set(error.fields)) == ("policy_too_slow", {"policy"})

    rfq = window.asked[-1]
    window.scene.maker.delete(f"/communications/rfqs/{rfq}")
    confirmation = window.accepted(policy=Policy.MANUAL, insists=True)
    assert confirmation.window_ends_at - confirmation.accepted_at == timedelta(seconds=3)
