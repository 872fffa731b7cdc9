"""An order's own page: its timeline, its words for what is unknown, and who sees the trail."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.orders.models import CancelIntent, ChangeIntent, Fill
from tests.orders.blotter import NOW, client_as, make_intent, make_order
from tests.orders.conftest import TICKER, Place
from tests.support.people import client_of, make_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(place: Place) -> Client:
    return client_of(User.objects.get(pk=place.trader.user_id))


def test_the_timeline_runs_from_the_click_to_each_fill(place: Place, client: Client) -> None:
    intent = make_intent(
        place,
        claimed_at=NOW + timedelta(milliseconds=5),
        answered_at=NOW + timedelta(milliseconds=40),
        exchange_order_id="EX-1",
    )
    order = make_order(
        place,
        intent=intent,
        order_id="EX-1",
        at=NOW + timedelta(milliseconds=30),
        filled_count=Decimal("4"),
        remaining_count=Decimal("6"),
    )
    Fill.objects.create(
        account=place.account,
        order=order,
        trade_id="T-1",
        order_id_text="EX-1",
        ticker=TICKER,
        book_side="bid",
        yes_price=Decimal("0.55"),
        count=Decimal("4"),
        is_taker=True,
        fee=Decimal("0.07"),
        traded_at=NOW + timedelta(seconds=1),
        seen_at=NOW + timedelta(seconds=1),
        source="ws",
    )
    CancelIntent.objects.create(
        order=order,
        requested_by_id=place.trader.user_id,
        idempotency_key=uuid.uuid4(),
        created_at=NOW + timedelta(seconds=2),
        sent_at=NOW + timedelta(seconds=3),
        attempts=2,
        state="unknown",
        error_text="No answer.",
        error_code="timeout",
    )

    page = client.get(f"/orders/intent:{intent.pk}/").content.decode()

    milestones = [
        "Recorded by",
        "BUY YES 10 at 56¢, good till cancelled",
        "Claimed for its one send",
        "Created at the exchange",
        "The exchange accepted it",
        "Filled 4 at 55¢ YES",
        "as taker, fee $0.07",
        "Cancel asked for by",
        "Cancel sent 2 times",
    ]
    places = [page.index(words) for words in milestones]
    assert places == sorted(places)
    assert "EX-1" in page
    assert str(intent.client_order_id) in page


def test_changes_stand_in_the_timeline_with_what_came_of_them(place: Place, client: Client) -> None:
    order = make_order(place, fees_predicted=Decimal("0.0700"))
    values: dict[str, Any] = {"order": order, "requested_by_id": place.trader.user_id, "price": Decimal("0.56")}
    ChangeIntent.objects.create(
        **values,
        kind="decrease",
        idempotency_key=uuid.uuid4(),
        count=Decimal("6"),
        seen_filled=Decimal("0"),
        state="done",
        created_at=NOW,
        sent_at=NOW + timedelta(seconds=1),
        resolved_at=NOW + timedelta(seconds=2),
    )
    ChangeIntent.objects.create(
        **values,
        kind="amend",
        idempotency_key=uuid.uuid4(),
        count=Decimal("12"),
        seen_filled=Decimal("0"),
        state="refused",
        created_at=NOW + timedelta(seconds=3),
        resolved_at=NOW + timedelta(seconds=4),
        error_text="Too much.",
    )

    page = client.get(f"/orders/intent:{order.intent_id}/").content.decode()

    milestones = [
        "To 6 left",
        "Decrease sent",
        "Changed to 6 left",
        "To 12 in all at 56¢ YES",
        "Not changed: Too much.",
    ]
    places = [page.index(words) for words in milestones]
    assert places == sorted(places)
    assert "Fees our model gives" in page


def test_an_unknown_order_is_explained_and_offers_no_cancel(place: Place, client: Client) -> None:
    intent = make_intent(
        place,
        state="unknown",
        claimed_at=NOW,
        answered_at=NOW,
        error_code="timeout",
        error_text="No answer in 5 s.",
        evidence="Not listed in data up to 04:00 so far",
        looks=2,
    )

    page = client.get(f"/orders/intent:{intent.pk}/").content.decode()

    assert "Sent, and not confirmed by the exchange" in page
    assert "never sends it again" in page
    assert "Looked 2 times so far" in page
    assert "No answer in 5 s. (timeout)" in page
    assert "/orders/cancel/" not in page


def test_an_external_order_has_its_page_too(place: Place, client: Client) -> None:
    make_order(place, is_ours=False, order_id="EXT-7")

    page = client.get("/orders/order:EXT-7/").content.decode()

    assert "placed elsewhere" in page
    assert "not from this desk" in page


@pytest.mark.parametrize(
    "key", ["intent:0", "intent:99999", "intent:x", "order:none", "nothing", "intent:9" + "9" * 30]
)
def test_a_key_that_names_nothing_is_not_found(client: Client, key: str) -> None:
    assert client.get(f"/orders/{key}/").status_code == 404


def test_audit_entries_are_shown_to_those_who_may_see_the_trail(
    place: Place, client: Client, queued: list[Any]
) -> None:
    order = make_order(place)
    client.post("/orders/cancel-all/", {"confirmed": "yes"})
    path = f"/orders/intent:{order.intent_id}/"

    assert "orders.cancel.committed" in client_as(place, "auditor").get(path).content.decode()
    assert "orders.cancel.committed" not in client.get(path).content.decode()


def test_an_order_of_another_account_says_which_to_choose(place: Place, client: Client) -> None:
    other = make_account(place.desk, name="Second account")
    order = make_order(place, is_ours=False, account=other, order_id="OTHER-1")

    page = client.get(f"/orders/order:{order.order_id}/").content.decode()

    assert "Choose the account Second account" in page
    assert "/orders/cancel/" not in page


def test_the_fee_that_was_shown_stands_beside_what_was_charged_and_what_the_model_gives(
    place: Place, client: Client
) -> None:
    intent = make_intent(place, fee_shown=Decimal("0.18"), fee_shown_worst=Decimal("0.25"))
    order = make_order(place, intent=intent, fees=Decimal("0.19"), fees_predicted=Decimal("0.1875"))

    page = client.get(f"/orders/intent:{order.intent_id}/").content.decode()

    assert "<dd>$0.18 / $0.25</dd>" in page
    assert "Fees our model gives for these fills" in page
    assert "$0.19" in page
