"""A request from the click to its end, and quotes on it."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core import ports
from apps.core.errors import DeskError, NotAllowed
from apps.core.ports import Holding
from apps.core.rfq import QuoteState, RfqState
from apps.core.timestamps import utc_now
from apps.paper.testing import DECI, LINEAR
from apps.rfq.events.requests import rfq_row
from apps.rfq.models import Rfq
from apps.rfq.services import requests, requests_send, requests_sweep
from tests.rfq.scene import Scene


def code(call: Any) -> str:
    with pytest.raises(DeskError) as refused:
        call()
    return refused.value.code


def test_a_request_is_stored_before_it_is_sent_and_then_open(scene: Scene) -> None:
    rfq = requests.rfq_submit(scene.quoter, scene.ask())

    assert (rfq.state, scene.theirs()) == (RfqState.COMMITTED, [])
    scene.work()
    rfq.refresh_from_db()
    assert (rfq.state, rfq.rfq_id) == (RfqState.OPEN, scene.theirs()[0]["id"])
    assert rfq_row(rfq)["state_text"] == "Live, 0 quotes"


def test_the_same_click_makes_one_request_and_another_one_is_refused(scene: Scene) -> None:
    ask = scene.ask()
    first = requests.rfq_submit(scene.quoter, ask)
    again = requests.rfq_submit(scene.quoter, ask)
    scene.work()
    requests_send.rfq_send(first.pk)

    assert first.pk == again.pk
    assert len(scene.theirs()) == 1
    other = scene.ask(idempotency_key=ask.idempotency_key, contracts=Decimal(5))
    assert code(lambda: requests.rfq_submit(scene.quoter, other)) == "idempotency_mismatch"


@pytest.mark.parametrize("fault", ["lose_next_answer", "lose_next_request"])
def test_a_lost_answer_is_looked_up_and_never_sent_again(scene: Scene, fault: str) -> None:
    rfq = requests.rfq_submit(scene.quoter, scene.ask())
    scene.queued.clear()
    getattr(scene.paper.transport, fault)()

    requests_send.rfq_send(rfq.pk)
    rfq.refresh_from_db()
    assert rfq.state == RfqState.UNKNOWN
    scene.work()
    rfq.refresh_from_db()
    if fault == "lose_next_answer":
        assert (rfq.state, rfq.rfq_id) == (RfqState.OPEN, scene.theirs()[0]["id"])
    else:
        assert rfq.state == RfqState.UNKNOWN
        requests_sweep.rfq_resolve(rfq.pk, now=utc_now() + timedelta(minutes=1))
        rfq.refresh_from_db()
        assert (rfq.state, scene.theirs()) == (RfqState.NOT_SEEN, [])
    assert len(scene.theirs()) <= 1


def test_a_409_is_a_question_and_a_request_made_elsewhere_is_shown_as_such(scene: Scene) -> None:
    answer = scene.us.post(
        "/communications/rfqs", json={"market_ticker": LINEAR, "contracts": 7, "rest_remainder": False}
    )
    ours = requests.rfq_submit(scene.quoter, scene.ask())
    scene.work()
    ours.refresh_from_db()

    assert ours.state == RfqState.UNKNOWN
    external = Rfq.objects.get(rfq_id=answer.json()["id"])
    assert (external.placed_by_id, external.contracts, external.state) == (None, 7, RfqState.OPEN)


def test_a_second_request_on_a_market_is_refused_unless_it_replaces(scene: Scene) -> None:
    first = scene.request()

    assert code(lambda: requests.rfq_submit(scene.quoter, scene.ask())) == "rfq_open"
    second = scene.request(replace_existing=True)
    first.refresh_from_db()
    assert (first.state, second.state) == (RfqState.CLOSED, RfqState.OPEN)
    assert [row["status"] for row in scene.theirs()] == ["open", "closed"]


def test_closing_repeats_until_it_is_gone(scene: Scene) -> None:
    rfq = scene.request()
    requests.rfq_close(scene.quoter, rfq)
    scene.queued.clear()
    scene.paper.transport.lose_next_request()

    requests_send.rfq_delete(rfq.pk)
    rfq.refresh_from_db()
    assert rfq.state == RfqState.OPEN
    requests_sweep.requests_sweep(now=utc_now() + timedelta(minutes=1))
    scene.work()
    rfq.refresh_from_db()
    assert rfq.state == RfqState.CLOSED
    assert code(lambda: requests.rfq_close(scene.quoter, Rfq.objects.create(**_copy(rfq)))) == "rfq_over"


def _copy(rfq: Rfq) -> dict[str, Any]:
    names = ("desk_id", "account_id", "ticker", "contracts", "created_at", "state")
    return {name: getattr(rfq, name) for name in names}


def test_its_own_time_out_closes_it(scene: Scene) -> None:
    rfq = scene.request(ends_in=timedelta(seconds=30))

    requests_sweep.requests_sweep(now=utc_now() + timedelta(seconds=31))
    scene.work()
    rfq.refresh_from_db()

    assert rfq.state == RfqState.CLOSED
    assert scene.theirs()[0]["status"] == "closed"


def test_a_viewer_asks_for_nothing_and_a_stale_request_is_not_sent(scene: Scene) -> None:
    with pytest.raises(NotAllowed):
        requests.rfq_submit(scene.place.viewer, scene.ask())
    rfq = requests.rfq_submit(scene.quoter, scene.ask())
    Rfq.objects.filter(pk=rfq.pk).update(created_at=utc_now() - timedelta(minutes=1))
    scene.work()
    rfq.refresh_from_db()

    assert (rfq.state, rfq.error_code, scene.theirs()) == (RfqState.REFUSED, "too_late", [])


def test_a_role_lowered_after_the_click_counts(scene: Scene) -> None:
    from apps.accounts.models import Membership

    rfq = requests.rfq_submit(scene.quoter, scene.ask())
    Membership.objects.filter(user_id=scene.quoter.user_id).update(roles=["viewer"])
    scene.work()
    rfq.refresh_from_db()

    assert (rfq.state, rfq.error_code, scene.theirs()) == (RfqState.REFUSED, "not_allowed", [])


def test_quotes_are_ranked_by_what_each_outcome_costs(scene: Scene) -> None:
    rfq = scene.request()
    cheap_yes = scene.quote(rfq, "0.2000", "0.7500")
    cheap_no = scene.quote(rfq, "0.3000", "0.6500", by="trader-2")
    scene.hear()

    rows = {row["quote_id"]: row for row in rfq_row(Rfq.objects.get(pk=rfq.pk))["quotes"]}

    assert (rows[cheap_yes]["buy_yes"], rows[cheap_yes]["buy_no"]) == ("0.2500", "0.8000")
    assert (rows[cheap_yes]["rank_yes"], rows[cheap_yes]["rank_no"]) == (1, 2)
    assert (rows[cheap_no]["rank_yes"], rows[cheap_no]["rank_no"]) == (2, 1)
    assert rows[cheap_yes]["cost_yes"] == "25.0000"


def test_a_newer_quote_of_a_maker_replaces_the_older_and_a_side_may_be_missing(scene: Scene) -> None:
    rfq = scene.request()
    scene.quote(rfq, "0.2000", "0.7500")
    newer = scene.quote(rfq, "0", "0.7600")
    scene.hear()

    states = {quote.quote_id: quote.state for quote in rfq.quotes.all()}
    row = next(row for row in rfq_row(Rfq.objects.get(pk=rfq.pk))["quotes"] if row["quote_id"] == newer)

    assert sorted(states.values()) == [QuoteState.OPEN, QuoteState.REPLACED]
    assert (states[newer], row["buy_no"], row["rank_no"]) == (QuoteState.OPEN, None, None)


def test_frames_that_were_lost_are_read(scene: Scene) -> None:
    rfq = scene.request()
    scene.quote(rfq, "0.2000", "0.7500")
    scene.hear(drop=("quote_created",))
    assert not rfq.quotes.exists()

    requests_sweep.account_read(scene.place.account.pk)

    assert rfq.quotes.get().yes_bid == Decimal("0.2")


def test_the_same_frame_twice_changes_nothing(scene: Scene) -> None:
    rfq = scene.request()
    scene.quote(rfq, "0.2000", "0.7500")
    texts = list(scene.socket.texts)
    scene.hear()
    version = Rfq.objects.get(pk=rfq.pk).version
    scene.socket.texts += texts
    scene.hear()

    assert Rfq.objects.get(pk=rfq.pk).version == version


@pytest.mark.parametrize(
    ("over", "expected", "field"),
    [
        ({"contracts": Decimal("1.5")}, "count_not_whole", "contracts"),
        ({"contracts": Decimal(0)}, "count_too_small", "contracts"),
        ({"contracts": Decimal(2_000_000)}, "count_too_large", "contracts"),
        ({"contracts": None, "target_cost": Decimal(0)}, "cost_too_small", "target_cost"),
        ({"contracts": None, "target_cost": Decimal(501)}, "insufficient_funds", "target_cost"),
        ({"limit_yes": Decimal(1)}, "limit_out_of_range", "limit_yes"),
        ({"ticker": "KXNONE"}, "not_found", ""),
        ({"ticker": ""}, "combo_unresolved", ""),
    ],
)
def test_what_the_exchange_would_refuse_is_said_first_beside_its_field(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, over: dict[str, Any], expected: str, field: str
) -> None:
    monkeypatch.setattr(ports, "holdings", [lambda *_: Holding(cash=Decimal(500), position=Decimal(0))])
    with pytest.raises(DeskError) as refused:
        requests.rfq_submit(scene.quoter, scene.ask(**over))
    assert (refused.value.code, list(refused.value.fields)) == (expected, [field] if field else [])
    assert not Rfq.objects.exists()


def test_another_desks_request_looks_like_none(scene: Scene) -> None:
    from apps.rfq.access import rfq_for
    from tests.support.people import actor_of, make_desk, make_person

    rfq = scene.request(ticker=DECI)
    stranger = actor_of(make_person(make_desk(), "quoter"))

    assert code(lambda: rfq_for(stranger, f"rfq:{rfq.pk}")) == "not_found"
    assert code(lambda: rfq_for(scene.quoter, "rfq:x")) == "not_found"
    assert rfq_for(scene.quoter, f"rfq:{rfq.pk}").pk == rfq.pk
    assert uuid.UUID(str(rfq.idempotency_key))
