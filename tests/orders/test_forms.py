"""The plain ticket form: what a person types is read as meant, or asked back, never guessed."""

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.core.errors import DeskError
from apps.orders.forms import cents_typed, ticket_as_typed, ticket_params
from apps.orders.models import OrderIntent
from tests.orders.conftest import TICKER, Place
from tests.support.people import client_of


def typed(**over: Any) -> dict[str, Any]:
    fields = {"idempotency_key": "k", "side": "buy_yes", "price": "52", "count": "10", "terms": "gtc"}
    return ticket_as_typed({**fields, **over}, TICKER)


@pytest.mark.parametrize(
    ("price", "dollars"),
    [("52", "0.52"), ("52,5", "0.525"), ("45c", "0.45"), ("0.45", "0.45"), ("0,45", "0.45"), (".455", "0.455"),
     ("$0.5", "0.5"), ("0.5c", "0.005"), ("1.00", "0.01")],
)  # fmt: skip
def test_a_price_is_read_as_the_live_ticket_reads_it(price: str, dollars: str) -> None:
    assert ticket_params(typed(price=price), zone="UTC")["price"] == dollars


@pytest.mark.parametrize("price", ["0.5", "0,5", ".5", "1e1", "4_5", "٤٥", "NaN", "-5", "", "  ", "5 2"])
def test_a_price_that_may_mean_something_else_is_asked_back(price: str) -> None:
    with pytest.raises(DeskError) as refused:
        ticket_params(typed(price=price), zone="UTC")

    assert refused.value.fields.keys() == {"price"}


def test_a_comma_in_a_count_is_kept_or_asked_back_but_never_dropped() -> None:
    assert ticket_params(typed(count="12,345"), zone="UTC")["count"] == "12345"
    assert ticket_params(typed(count="1 000.5"), zone="UTC")["count"] == "1000.5"
    with pytest.raises(DeskError, match=r"1\.5"):
        ticket_params(typed(count="1,5"), zone="UTC")


def test_an_order_that_expires_says_when() -> None:
    with pytest.raises(DeskError) as refused:
        ticket_params(typed(terms="expires", expires_at=""), zone="UTC")

    assert refused.value.fields == {"expires_at": "Say until when."}


def test_no_term_of_the_form_is_lost_on_its_way() -> None:
    params = ticket_params(typed(cancel_on_pause="1", self_trade_prevention="maker"), zone="UTC")

    assert params["cancel_on_pause"] is True
    assert params["self_trade_prevention"] == "maker"
    assert not params["post_only"]
    assert not params["reduce_only"]


def test_cents_of_a_limit_are_plain_numbers() -> None:
    assert cents_typed("21,5c") == "0.215"
    assert cents_typed("0.5") == "0.005"
    assert cents_typed("1e1") == "1e1"  # which no reader takes


@pytest.mark.django_db
def test_a_form_of_another_subaccount_is_refused_and_comes_back_as_typed(place: Place) -> None:
    client: Client = client_of(User.objects.get(pk=place.trader.user_id))
    form = {
        "idempotency_key": str(uuid.uuid4()),
        "side": "buy_yes",
        "price": "0,56",
        "count": "1,000",
        "subaccount": "3",
    }

    answer = client.post(reverse("order_place", args=[TICKER]), form)

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "The account was changed" in page
    assert 'value="0,56"' in page
    assert 'value="1,000"' in page
    assert not OrderIntent.objects.exists()
