"""The page of the RFQ desk: who sees what of it before any script runs."""

import pytest
from django.urls import reverse

from tests.support.people import client_of, make_account, make_desk, make_person

pytestmark = pytest.mark.django_db


def page_of(role: str) -> str:
    desk = make_desk()
    make_account(desk)
    answer = client_of(make_person(desk, role)).get(reverse("rfq_desk"))
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_the_page_names_its_account_and_its_four_areas() -> None:
    text = page_of("quoter")
    for area in ("My RFQs", "Quotes", "Request", 'data-module="rfq"'):
        assert area in text
    assert 'href="/rfq/" aria-current="page"' in text


def test_without_an_account_the_page_says_so() -> None:
    desk = make_desk()
    answer = client_of(make_person(desk, "quoter")).get(reverse("rfq_desk"))
    assert "No account is selected" in answer.content.decode()


def test_who_may_not_trade_gets_no_control_at_all() -> None:
    controls = ("data-new", "data-ask", "data-next", "data-close", "data-ticket-close", "data-team-claim")
    watched, traded = page_of("viewer"), page_of("quoter")
    assert [name for name in controls if f" {name}" in traded] == list(controls)
    assert [name for name in controls if f" {name}" in watched] == []
