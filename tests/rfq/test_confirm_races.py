"""Two at the same moment, each with a connection of its own: accepts heard twice, deciders, senders, takers."""

import threading
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections

from apps.core.errors import DeskError
from apps.core.ports import FeedContext
from apps.core.rfq import ConfirmationState as State
from apps.core.rfq import Decision, Outcome, Policy
from apps.core.timestamps import unix_ms_now, utc_now
from apps.exchange.wire.schemas.decode import Message, decode
from apps.rfq import feed
from apps.rfq.models import Accept, Confirmation
from apps.rfq.services import accepts
from apps.rfq.services.confirm_send import confirm_send
from apps.rfq.services.confirmations import decide
from tests.rfq.scene import SOON
from tests.rfq.window import Window, state_of, window

__all__ = ["window"]
pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run each in a thread, let go together; return what each gave or raised."""
    gate = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def run(number: int, work: Callable[[], Any]) -> None:
        try:
            gate.wait(60)
            results[number] = work()
        except Exception as exc:
            results[number] = exc
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    return results


def frame_of(window: Window, kind: str) -> Any:
    found = [decode(text.encode()) for text in window.scene.socket.texts]
    return next(one.body for one in found if isinstance(one, Message) and one.type == kind)


def test_an_accept_heard_on_two_connections_at_once_is_one_confirmation(window: Window) -> None:
    quote = window.quote()
    window.accept(quote)
    message = frame_of(window, "quote_accepted")
    context = FeedContext(window.scene.place.account.pk, "paper", unix_ms_now())

    results = at_once(*[lambda: feed.accept_heard(context, message)] * 4)

    assert results == [None] * 4
    confirmation = Confirmation.objects.get()
    assert confirmation.state == State.CONFIRMING
    assert window.scene.queued.count(("confirm_send", confirmation.pk)) == 1


def test_worker_and_guard_at_once_confirm_once(window: Window) -> None:
    confirmation = window.accepted()

    results = at_once(*[lambda: confirm_send(confirmation.pk)] * 2)

    assert not [one for one in results if isinstance(one, Exception)]
    assert (state_of(confirmation), confirmation.attempts) == (State.CONFIRMED, 1)


@pytest.mark.parametrize("turn", range(3))
def test_e8_confirm_and_lapse_at_once_leave_one_decision(window: Window, turn: int) -> None:
    confirmation = window.accepted(policy=Policy.MANUAL)
    pk = confirmation.pk

    def say(who: Any, decision: Decision) -> Any:
        return decide(who, Confirmation.objects.select_related("quote__account").get(pk=pk), decision).decision

    results = at_once(
        lambda: say(window.scene.quoter, Decision.CONFIRM), lambda: say(window.scene.other, Decision.LAPSE)
    )

    errors = [one for one in results if isinstance(one, Exception)]
    assert [error.code for error in errors if isinstance(error, DeskError)] == ["decided"]
    won = next(one for one in results if isinstance(one, str))
    window.scene.work()
    assert (state_of(confirmation), confirmation.decision) == (
        State.CONFIRMED if won == Decision.CONFIRM else State.LAPSED,
        won,
    )
    assert confirmation.attempts == (1 if won == Decision.CONFIRM else 0)


@pytest.mark.parametrize("turn", range(3))
def test_e6_two_people_take_quotes_of_one_request_at_once_and_one_accept_is_made(window: Window, turn: int) -> None:
    scene = window.scene
    rfq = scene.request(scene.quoter)
    first, second = scene.quote(rfq, "0.30", "0.60"), scene.quote(rfq, "0.31", "0.61", by="trader-2")
    scene.hear()
    taken = ((scene.quoter, first, Decimal("0.40")), (scene.other, second, Decimal("0.39")))

    def take(who: Any, quote_id: str, price: Decimal) -> Accept:
        rfq.refresh_from_db()
        return accepts.accept_submit(
            who,
            type(rfq).objects.get(pk=rfq.pk),
            quote_id=quote_id,
            buys=Outcome.YES,
            price_seen=price,
            idempotency_key=uuid.uuid4(),
            now=utc_now() + SOON,
        )

    results = at_once(*[lambda one=one: take(*one) for one in taken])

    assert sorted(type(one).__name__ for one in results) == ["Accept", "DeskError"]
    loser = next(one for one in results if isinstance(one, DeskError))
    assert loser.code in ("accept_taken", "not_owner")
    scene.work()
    assert Accept.objects.count() == 1
    received = scene.us.get("/communications/quotes", params={"rfq_user_filter": "self"}).json()["quotes"]
    assert [row["status"] for row in received].count("accepted") == 1
