"""Above a desk's limit whoever places an order proves again who they are: once in five minutes, and nothing is lost."""

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.urls import reverse

from apps.accounts.access import actor_for_session
from apps.accounts.four_eyes import change_approve, seen_hash
from apps.accounts.models import ChangeRequest
from apps.core.errors import DeskError
from apps.core.permissions import Actor
from apps.core.ports import commands
from apps.core.timestamps import utc_now
from apps.orders.models import ChangeIntent, OrderIntent, RiskLimit
from apps.orders.services import intent_send, intent_submit
from tests.orders.conftest import TICKER, Place, make_ticket
from tests.orders.scripted import ScriptedExchange
from tests.support.people import actor_of, client_of, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def limit(place: Place) -> RiskLimit:
    """Above $20; the band and the others stay as wide as they are."""
    return RiskLimit.objects.create(
        desk=place.desk, set_by_id=place.trader.user_id, set_at=utc_now(), ask_again_notional=Decimal(20)
    )


def proven(actor: Actor, *, ago: float = 10, method: str = "password") -> Actor:
    return replace(actor, proofs=((method, time.time() - ago),))


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(DeskError) as told:
        call()
    return told.value.code


@pytest.mark.parametrize(("count", "asks"), [("40", False), ("41", True)])
def test_above_it_and_not_at_it(place: Place, count: str, asks: bool) -> None:
    ticket = make_ticket(place, price=Decimal("0.50"), count=Decimal(count))
    if not asks:
        assert intent_submit(place.trader, ticket).state == OrderIntent.State.COMMITTED
        return
    assert refused(lambda: intent_submit(place.trader, ticket)) == "ask_again"
    assert not OrderIntent.objects.exists()

    # The same order with the same key, once its author has proved who they are; a repeat is asked nothing.
    intent = intent_submit(proven(place.trader), ticket)
    assert intent_submit(place.trader, ticket) == intent


def test_without_such_a_limit_nobody_is_asked(place: Place, limit: RiskLimit) -> None:
    limit.delete()
    assert intent_submit(place.trader, make_ticket(place, price=Decimal("0.50"), count=Decimal(900)))


@pytest.mark.parametrize(
    ("ago", "method", "has_factor", "asks"),
    [
        (299, "password", False, False),
        (301, "password", False, True),
        (-60, "password", False, True),  # of a clock that was set back since
        (10, "password", True, True),
        (10, "mfa", True, False),
    ],
)
def test_what_counts_as_a_proof(
    place: Place, monkeypatch: Any, ago: float, method: str, has_factor: bool, asks: bool
) -> None:
    now = time.time()
    monkeypatch.setattr("apps.accounts.step_up.time.time", lambda: now)
    if has_factor:
        Authenticator.objects.create(user_id=place.trader.user_id, type=Authenticator.Type.TOTP, data={})
    actor = replace(place.trader, proofs=((method, now - ago),))
    ticket = make_ticket(place, count=Decimal(60))
    if asks:
        assert refused(lambda: intent_submit(actor, ticket)) == "ask_again"
    else:
        assert intent_submit(actor, ticket)


def test_a_sockets_person_brings_the_proofs_of_their_session(place: Place) -> None:
    person = make_person(place.desk, "trader")
    for is_fresh in (True, False):
        key = client_of(person, is_fresh=is_fresh).session.session_key or ""
        actor = actor_for_session(person.pk, key)
        assert actor is not None
        assert bool(actor.proofs) is is_fresh


def test_the_plain_form_says_where_to_prove_it_and_keeps_what_was_typed(place: Place) -> None:
    person = make_person(place.desk, "trader")
    typed = {"idempotency_key": str(uuid.uuid4()), "side": "buy_yes", "price": "50", "count": "41", "terms": "gtc"}
    path = reverse("order_place", args=[TICKER])

    answer = client_of(person, is_fresh=False).post(path, typed)
    assert answer.status_code == 422
    assert "/confirm/" in answer.content.decode()
    assert 'value="41"' in answer.content.decode()
    client_of(person).post(path, typed)
    assert OrderIntent.objects.get().count == 41


def test_the_page_that_proves_it_asks_once_and_then_says_so(place: Place) -> None:
    person = make_person(place.desk, "trader")
    asked = client_of(person, is_fresh=False).get(reverse("confirm_self"))
    assert asked.url == "/accounts/reauthenticate/?next=%2Fconfirm%2F"
    assert "confirmed" in client_of(person).get(reverse("confirm_self")).content.decode()


def test_a_batch_is_dry_run_without_a_question_and_sent_after_one(place: Place, queued: Any) -> None:
    items = [
        {"idempotency_key": str(uuid.uuid4()), "ticker": TICKER, "side": "buy_yes", "price": "0.50", "count": count}
        for count in ("5", "41")
    ]
    params = {"batch_key": str(uuid.uuid4()), "items": items}
    actor = replace(place.trader, account_id=place.account.pk)

    assert commands["order.batch_preview"].handler(actor, params)["ok"]
    assert refused(lambda: commands["order.batch"].handler(actor, params)) == "ask_again"
    assert not OrderIntent.objects.exists()
    assert len(commands["order.batch"].handler(proven(actor), params)["intents"]) == 2


def test_an_amend_is_no_way_around(place: Place, exchange: ScriptedExchange) -> None:
    intent_send(intent_submit(place.trader, make_ticket(place, price=Decimal("0.50"), count=Decimal(5))).pk)
    order = OrderIntent.objects.get().order
    actor = replace(place.trader, account_id=place.account.pk)
    params = {
        "idempotency_key": str(uuid.uuid4()),
        "order_id": order.order_id,
        "price": "0.50",
        "count": "41",
        "seen": {"price": "0.50", "count": "5", "filled": "0"},
    }

    assert refused(lambda: commands["order.amend"].handler(actor, params)) == "ask_again"
    assert not ChangeIntent.objects.exists()
    assert commands["order.amend"].handler(proven(actor), params)["change"]["state"] == "committed"
    smaller = {
        "idempotency_key": str(uuid.uuid4()),
        "order_id": order.order_id,
        "remaining": "4",
        "seen": params["seen"],
    }
    ChangeIntent.objects.all().delete()
    assert commands["order.decrease"].handler(actor, smaller)["change"]["state"] == "committed"


def test_what_a_second_person_approves_asks_its_author_nothing(place: Place, limit: RiskLimit) -> None:
    """That person proves who they are (Team, Approvals); the author may have gone home."""
    limit.approve_notional = Decimal(20)
    limit.save()
    lead = actor_of(make_person(place.desk, "lead"))
    params = {"idempotency_key": str(uuid.uuid4()), "ticker": TICKER, "side": "buy_yes", "price": "0.50", "count": "41"}
    actor = replace(place.trader, account_id=place.account.pk)

    assert refused(lambda: commands["order.place"].handler(actor, params)) == "approval_asked"
    row = ChangeRequest.objects.get()
    change_approve(lead, row.pk, hash_seen=seen_hash(row))

    assert OrderIntent.objects.get().count == 41


def test_the_sender_asks_nobody(place: Place, exchange: ScriptedExchange) -> None:
    intent = intent_submit(proven(place.trader), make_ticket(place, count=Decimal(60)))
    intent_send(intent.pk)
    intent.refresh_from_db()
    assert intent.state == OrderIntent.State.ACKED


def test_a_lead_sets_it_on_the_page_of_limits(place: Place) -> None:
    lead = client_of(make_person(place.desk, "lead"))
    typed = {"kind": "all", "reason": "as agreed", "ask_again_notional": "$500"}

    lead.post("/orders/limits/set/", typed | {"account_id": str(place.account.pk)})

    row = RiskLimit.objects.get(account=place.account)
    assert row.ask_again_notional == 500
    page = lead.get("/orders/limits/").content.decode()
    assert "Asks again above" in page
    assert "$500.00" in page
