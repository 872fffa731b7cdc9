"""E12 of the requester's side: what the exchange calls cancelled is believed once our fills were read."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core.rfq import QuoteState
from apps.core.timestamps import utc_now
from apps.orders.models import Fill
from apps.paper.testing import LINEAR
from apps.rfq import tasks
from apps.rfq.events.requests import rfq_row
from apps.rfq.models import Accept, ReceivedQuote, Rfq
from apps.rfq.services import accepts_send
from tests.orders.blotter import make_order
from tests.rfq.scene import Scene

State = Accept.State
SOON = timedelta(seconds=1)


def taken(scene: Scene, **over: Any) -> tuple[Accept, str]:
    """A request with one quote that we took, its maker's answer outstanding."""
    rfq = scene.request(**over)
    quote_id = scene.quote(rfq, "0.3000", "0.6500")
    scene.hear()
    accept = scene.accept(rfq, quote_id, "yes", "0.35")
    scene.work()
    return fresh(accept), quote_id


def fresh(accept: Accept) -> Accept:
    return Accept.objects.select_related("rfq__account", "quote").get(pk=accept.pk)


def row(accept: Accept) -> dict[str, Any]:
    return rfq_row(Rfq.objects.get(pk=accept.rfq_id))


def fault(scene: Scene, kind: str) -> None:
    scene.paper.control("POST", "/rfq/fault", {"kind": kind, "ticker": LINEAR})


def work(scene: Scene) -> None:
    """Run our own tasks; those of orders only read what these tests have read."""
    while scene.queued:
        scene.queued[:] = [entry for entry in scene.queued if hasattr(tasks, entry[0])]
        mine, scene.queued[:] = scene.queued[:1], scene.queued[1:]
        for name, *ids in mine:
            getattr(tasks, name)(*ids)


def resolve(accept: Accept, **later: float) -> Accept:
    return accepts_send.accept_resolve(accept.pk, now=utc_now() + timedelta(**later))


def test_e12_a_quote_called_cancelled_that_filled_is_executed_with_its_fills(scene: Scene) -> None:
    fault(scene, "cancelled_but_filled")
    accept, quote_id = taken(scene)
    scene.confirm(quote_id)
    scene.step(seconds=16)
    scene.socket.texts.clear()  # neither the fills nor anything else is heard

    resolve(accept)
    work(scene)
    accept = fresh(accept)

    assert accept.state == State.EXECUTED
    (fill,) = Fill.objects.all()
    assert (accept.order_id, fill.order_id_text, fill.count) == (fill.order_id_text, accept.order_id, Decimal(100))
    quote = ReceivedQuote.objects.get()
    assert (quote.state, quote.order_id) == (QuoteState.EXECUTED, accept.order_id)
    shown = row(accept)["accept"]
    assert (shown["filled"], shown["cost"], shown["fees"]) == ("100.00", "35.0000", f"{fill.fee:.4f}")


def test_what_is_called_cancelled_is_followed_until_the_reads_reach_past_its_end(scene: Scene) -> None:
    fault(scene, "execution_fails")
    accept, quote_id = taken(scene)
    scene.confirm(quote_id)
    resolve(accept)
    assert fresh(accept).state == State.EXECUTING
    scene.paper.control("POST", "/lag", {"ms": 60_000})
    scene.step(seconds=16)
    scene.hear()

    resolve(accept)
    accept = fresh(accept)
    assert (accept.state, accept.error_code) == (State.EXECUTING, "unverified")
    assert row(accept)["state_text"] == "Called cancelled; looking whether it was filled"
    scene.paper.control("POST", "/lag", {"ms": 0})
    scene.step(seconds=5)
    scene.queued.clear()
    accepts_send.accepts_sweep(now=utc_now() + timedelta(minutes=1))
    work(scene)
    accept = fresh(accept)

    assert (accept.state, accept.error_code) == (State.FAILED, "not_executed")
    assert not Fill.objects.exists()


def test_fills_that_come_later_than_the_cancellation_are_waited_for(scene: Scene) -> None:
    fault(scene, "cancelled_but_filled")
    accept, quote_id = taken(scene)
    scene.confirm(quote_id)
    scene.paper.control("POST", "/lag", {"ms": 60_000})
    scene.step(seconds=16)
    scene.socket.texts.clear()
    resolve(accept)
    work(scene)
    assert fresh(accept).state == State.EXECUTING

    scene.paper.control("POST", "/lag", {"ms": 0})
    scene.step(seconds=5)
    resolve(accept)

    assert fresh(accept).state == State.EXECUTED


def test_a_fill_of_an_order_of_ours_proves_nothing_about_a_quote(scene: Scene) -> None:
    fault(scene, "lapse")
    accept, _ = taken(scene)
    scene.step(seconds=1)
    placed = {"ticker": LINEAR, "client_order_id": "by-hand", "side": "bid", "count": "5.00", "price": "0.5000"}
    rest = {"time_in_force": "good_till_canceled", "self_trade_prevention_type": "taker_at_cross"}
    order_id = scene.us.post("/portfolio/events/orders", json=placed | rest).json()["order_id"]
    against = placed | rest | {"client_order_id": "m", "side": "ask"}
    assert scene.maker.post("/portfolio/events/orders", json=against).status_code == 201
    make_order(scene.place, ticker=LINEAR, order_id=order_id)
    scene.step(seconds=40)

    resolve(accept, seconds=40)

    assert fresh(accept).state == State.LAPSED


def test_after_a_lapse_the_next_best_is_named_with_what_it_costs_more(scene: Scene) -> None:
    accept, _ = taken(scene, limit_yes=Decimal("0.38"))
    scene.quote(accept.rfq, "0.3000", "0.6300", by="trader-2")
    scene.hear()
    assert row(accept)["next_best"] is None
    scene.step(seconds=32)
    resolve(accept, seconds=40)

    told = row(accept)["next_best"]

    assert (told["buys"], told["price"], told["dearer_by"], told["is_within_limit"]) == (
        "yes",
        "0.3700",
        "0.0200",
        True,
    )
    Rfq.objects.update(limit_yes=Decimal("0.36"))
    assert row(accept)["next_best"]["is_within_limit"] is False
    assert scene.accept(accept.rfq, told["quote_id"], "yes", told["price"]).state == State.COMMITTED


@pytest.mark.parametrize("is_heard", [True, False])
def test_fills_are_shown_with_their_accept_heard_or_read(scene: Scene, is_heard: bool) -> None:
    accept, quote_id = taken(scene)
    scene.confirm(quote_id)
    scene.step(seconds=16)
    scene.hear(drop=() if is_heard else ("fill", "user_order"))
    scene.queued.clear()
    assert fresh(accept).state == State.EXECUTED

    accepts_send.accepts_sweep(now=utc_now() + timedelta(seconds=10))
    work(scene)

    shown = row(accept)["accept"]
    assert (shown["filled"], shown["cost"]) == ("100.00", "35.0000")
    assert Decimal(shown["fees"]) > 0
    assert {"what": "filled", "text": "Filled 100 at 35¢"}.items() <= row(accept)["timeline"][-1].items()
    assert fresh(accept).next_look_at is None
