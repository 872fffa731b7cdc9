"""Taking a quote: one per request, at the price seen, sent once, followed to its end."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core.errors import DeskError
from apps.core.rfq import Outcome
from apps.core.timestamps import utc_now
from apps.rfq.models import Accept, ReceivedQuote, Rfq
from apps.rfq.services import accepts_send, auto_accept
from tests.rfq.scene import Scene

State = Accept.State


def code(call: Any) -> str:
    with pytest.raises(DeskError) as refused:
        call()
    return refused.value.code


def quoted(scene: Scene, yes_bid: str = "0.3000", no_bid: str = "0.6500", **over: Any) -> tuple[Rfq, str]:
    rfq = scene.request(**over)
    quote_id = scene.quote(rfq, yes_bid, no_bid)
    scene.hear()
    return rfq, quote_id


def status(scene: Scene, quote_id: str) -> dict[str, Any]:
    found: dict[str, Any] = scene.us.get(f"/communications/quotes/{quote_id}").json()["quote"]
    return found


@pytest.mark.parametrize(("buys", "price", "side"), [("yes", "0.35", "no"), ("no", "0.70", "yes")])
def test_what_is_bought_hits_the_makers_other_bid(scene: Scene, buys: str, price: str, side: str) -> None:
    rfq, quote_id = quoted(scene)

    accept = scene.accept(rfq, quote_id, buys, price)
    scene.work()
    accept.refresh_from_db()

    assert accept.state == State.AWAITING
    assert (status(scene, quote_id)["status"], status(scene, quote_id)["accepted_side"]) == ("accepted", side)


def test_the_whole_way_to_the_execution(scene: Scene) -> None:
    rfq, quote_id = quoted(scene)
    accept = scene.accept(rfq, quote_id, "yes", "0.35")
    scene.work()
    assert scene.confirm(quote_id).status_code == 204
    accepts_send.accept_resolve(accept.pk)
    accept.refresh_from_db()
    assert accept.state == State.EXECUTING
    scene.step(seconds=16)
    heard = scene.hear()
    scene.work()
    accept.refresh_from_db()

    assert "quote_executed" in heard
    assert (accept.state, bool(accept.order_id)) == (State.EXECUTED, True)
    fills = scene.us.get("/portfolio/fills", params={"order_id": accept.order_id}).json()["fills"]
    assert sum(Decimal(fill["count_fp"]) for fill in fills) == 100
    assert {fill["outcome_side"] for fill in fills} == {"yes"}


def test_one_quote_of_a_request_is_taken_whoever_clicks(scene: Scene) -> None:
    rfq, first = quoted(scene)
    second = scene.quote(rfq, "0.3100", "0.6600", by="trader-2")
    scene.hear()
    scene.accept(rfq, first, "yes", "0.35")

    assert code(lambda: scene.accept(rfq, second, "no", "0.69", by=scene.other)) == "accept_taken"
    scene.work()
    assert [status(scene, quote)["status"] for quote in (first, second)].count("accepted") == 1


def test_the_same_click_is_one_accept(scene: Scene) -> None:
    rfq, quote_id = quoted(scene)
    key = uuid.uuid4()

    first = scene.accept(rfq, quote_id, "yes", "0.35", idempotency_key=key)
    assert scene.accept(rfq, quote_id, "yes", "0.35", idempotency_key=key).pk == first.pk
    assert code(lambda: scene.accept(rfq, quote_id, "no", "0.70", idempotency_key=key)) == "idempotency_mismatch"


def test_a_price_that_moved_is_refused_at_the_click_and_before_the_send(scene: Scene) -> None:
    rfq, quote_id = quoted(scene)

    assert code(lambda: scene.accept(rfq, quote_id, "yes", "0.34")) == "price_moved"
    accept = scene.accept(rfq, quote_id, "yes", "0.35")
    ReceivedQuote.objects.filter(quote_id=quote_id).update(no_bid=Decimal("0.60"))
    scene.work()
    accept.refresh_from_db()

    assert (accept.state, accept.error_code) == (State.REFUSED, "price_moved")
    assert status(scene, quote_id)["status"] == "open"


def test_a_quote_that_changed_a_moment_ago_is_not_armed_yet(scene: Scene) -> None:
    rfq, quote_id = quoted(scene)
    changed = ReceivedQuote.objects.get(quote_id=quote_id).changed_at

    soon = changed + timedelta(milliseconds=299)
    assert code(lambda: scene.accept(rfq, quote_id, "yes", "0.35", now=soon)) == "just_changed"
    scene.accept(rfq, quote_id, "yes", "0.35", now=changed + timedelta(milliseconds=300))


def test_a_side_without_a_price_cannot_be_taken(scene: Scene) -> None:
    rfq, quote_id = quoted(scene, no_bid="0")

    assert code(lambda: scene.accept(rfq, quote_id, "yes", "1")) == "side_not_quoted"


@pytest.mark.parametrize("fault", ["lose_next_answer", "lose_next_request"])
def test_a_lost_answer_is_unknown_and_then_read(scene: Scene, fault: str) -> None:
    rfq, quote_id = quoted(scene)
    accept = scene.accept(rfq, quote_id, "yes", "0.35")
    scene.queued.clear()
    getattr(scene.paper.transport, fault)()
    accepts_send.accept_send(accept.pk)
    accept.refresh_from_db()
    assert accept.state == State.UNKNOWN
    assert code(lambda: scene.accept(rfq, quote_id, "yes", "0.35")) == "accept_taken"

    arrived = fault == "lose_next_answer"
    accepts_send.accept_resolve(accept.pk, now=utc_now() + timedelta(seconds=2 if arrived else 60))
    accept.refresh_from_db()

    assert accept.state == (State.AWAITING if arrived else State.NOT_SEEN)
    accepts_send.accept_send(accept.pk)
    assert status(scene, quote_id)["status"] == ("accepted" if arrived else "open")


def test_a_lapse_is_read_because_no_frame_tells_it_and_the_next_best_may_be_taken(scene: Scene) -> None:
    rfq, quote_id = quoted(scene)
    accept = scene.accept(rfq, quote_id, "yes", "0.35")
    scene.work()
    scene.step(seconds=32)
    scene.hear()
    accept.refresh_from_db()
    assert accept.state == State.AWAITING
    assert accept.next_look_at is not None

    accepts_send.accept_resolve(accept.pk, now=utc_now() + timedelta(seconds=40))
    accept.refresh_from_db()

    assert (accept.state, accept.error_code) == (State.LAPSED, "lapsed")
    scene.confirm(quote_id)
    better = scene.quote(rfq, "0.3200", "0.6600", by="trader-2")
    scene.hear()
    assert scene.accept(rfq, better, "yes", "0.34").state == State.COMMITTED


def test_what_was_called_lapsed_may_still_turn_out_executed(scene: Scene) -> None:
    rfq, quote_id = quoted(scene)
    accept = scene.accept(rfq, quote_id, "yes", "0.35")
    scene.work()
    scene.confirm(quote_id)
    Accept.objects.filter(pk=accept.pk).update(state=State.LAPSED)
    scene.step(seconds=16)
    scene.hear()
    accept.refresh_from_db()

    assert accept.state == State.EXECUTED


def test_a_worker_that_died_while_sending_leads_to_a_reading(scene: Scene) -> None:
    rfq, quote_id = quoted(scene)
    accept = scene.accept(rfq, quote_id, "yes", "0.35")
    scene.queued.clear()
    Accept.objects.filter(pk=accept.pk).update(state=State.SENDING, claimed_at=utc_now() - timedelta(minutes=1))

    accepts_send.accepts_sweep()
    accept.refresh_from_db()
    assert accept.state == State.UNKNOWN
    accepts_send.accept_resolve(accept.pk, now=utc_now() + timedelta(minutes=1))
    accept.refresh_from_db()

    assert accept.state == State.NOT_SEEN
    assert status(scene, quote_id)["status"] == "open"


def test_it_takes_by_itself_once_and_only_within_the_limit(scene: Scene) -> None:
    from apps.rfq.asks import AutoAccept

    rfq, _ = quoted(scene, limit_yes=Decimal("0.30"), auto=AutoAccept(Outcome.YES))
    assert auto_accept.auto_accepts_fire(now=utc_now() + timedelta(seconds=1)) == 0
    better = scene.quote(rfq, "0.2500", "0.7000", by="trader-2")
    scene.hear()

    assert auto_accept.auto_accepts_fire(now=utc_now() + timedelta(seconds=1)) == 1
    assert auto_accept.auto_accepts_fire(now=utc_now() + timedelta(seconds=2)) == 0
    scene.work()

    accept = Accept.objects.get()
    assert (accept.is_auto, accept.state, accept.quote.quote_id) == (True, State.AWAITING, better)
