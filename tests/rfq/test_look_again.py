"""A last look without prices waits for them while the window runs, and lapses with its reason when it ends."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core.rfq import ConfirmationState as State
from apps.core.rfq import Decision
from apps.core.timestamps import utc_now
from apps.rfq.events.confirmations import confirmation_row
from apps.rfq.models import Confirmation
from apps.rfq.services import guard, look_again
from apps.rfq.services.confirmations import confirmations_expire, decide
from apps.rfq.services.look_again import looks_again
from tests.rfq.window import Window, state_of, window

__all__ = ["window"]
BLIND = [({"feed": "stale"}, "feed"), ({"feed": "down"}, "feed"), ({"fair": None}, "price_age")]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call looks, however short after the one before."""
    monkeypatch.setattr(look_again, "EVERY", 0.0)


def blind(window: Window, change: dict[str, Any]) -> Confirmation:
    """An accept that is heard while there are no prices."""
    quote = window.quote()
    for name, value in change.items():
        setattr(window, name, value)
    window.accept(quote)
    window.scene.hear()
    return Confirmation.objects.get()


def seeing(window: Window) -> None:
    window.feed, window.fair = "live", Decimal("0.35")


@pytest.mark.parametrize(("change", "reason"), BLIND)
def test_it_waits_and_confirms_once_there_are_prices(window: Window, change: dict[str, Any], reason: str) -> None:
    confirmation = blind(window, change)
    assert looks_again() == 0
    window.scene.work()
    assert (state_of(confirmation), confirmation.decision, confirmation.reason) == (State.OPEN, "", reason)
    assert (confirmation.attempts, window.theirs(confirmation.quote)["status"]) == (0, "accepted")
    assert confirmation_row(confirmation)["state_text"].startswith("Waits for live prices")

    seeing(window)
    assert looks_again() == 1
    assert looks_again() == 0
    window.scene.work()

    assert (state_of(confirmation), confirmation.decision, confirmation.reason) == (
        *(State.CONFIRMED, "confirm"),
        "last_look",
    )
    assert all(check["ok"] for check in confirmation.checks)
    told = AuditEntry.objects.filter(target=f"rfq_confirmation:{confirmation.pk}").values_list("action", flat=True)
    assert "rfq.confirm.looked_again" in list(told)


def test_what_it_then_sees_may_be_a_reason_to_let_it_lapse(window: Window) -> None:
    confirmation = blind(window, {"feed": "down"})
    window.feed, window.fair = "live", Decimal("0.30")

    assert looks_again() == 1
    window.scene.work()

    assert (state_of(confirmation), confirmation.reason, confirmation.attempts) == (State.LAPSED, "move", 0)


@pytest.mark.parametrize(("change", "reason"), BLIND)
def test_without_prices_until_the_end_it_lapses_for_that_reason(
    window: Window, change: dict[str, Any], reason: str
) -> None:
    confirmation = blind(window, change)
    end = confirmation.send_by

    assert confirmations_expire(now=end) == 1
    seeing(window)
    assert looks_again(now=end + timedelta(milliseconds=1)) == 0
    window.scene.work()

    assert (state_of(confirmation), confirmation.reason, confirmation.attempts) == (State.LAPSED, reason, 0)
    failing = next(check for check in confirmation.checks if not check["ok"])
    assert failing["text"] in confirmation_row(confirmation)["state_text"]


def test_past_its_time_it_is_not_decided_any_more(window: Window) -> None:
    confirmation = blind(window, {"feed": "down"})
    seeing(window)
    Confirmation.objects.filter(pk=confirmation.pk).update(send_by=utc_now())

    assert looks_again(now=utc_now() - timedelta(seconds=5)) == 0
    assert (state_of(confirmation), confirmation.decision) == (State.OPEN, "")


@pytest.mark.parametrize(("decision", "state"), [("confirm", State.CONFIRMED), ("lapse", State.LAPSED)])
def test_a_person_may_decide_while_it_waits(window: Window, decision: str, state: State) -> None:
    confirmation = blind(window, {"feed": "down"})
    decide(window.scene.quoter, confirmation, Decision(decision))
    seeing(window)

    assert looks_again() == 0
    window.scene.work()

    assert (state_of(confirmation), confirmation.decided_by_id) == (state, window.scene.quoter.user_id)


def test_the_guard_looks_again_and_not_more_often_than_need_be(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    confirmation = blind(window, {"feed": "down"})
    monkeypatch.setattr(look_again, "EVERY", 3_600.0)
    assert guard.look()[1]
    seeing(window)
    guard.look()
    assert state_of(confirmation) == State.OPEN

    monkeypatch.setattr(look_again, "EVERY", 0.0)
    guard.look()
    assert state_of(confirmation) == State.CONFIRMING
