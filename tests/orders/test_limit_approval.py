"""Wider limits wait for a second person where the desk wants that; narrower ones never wait."""

from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse

from apps.accounts.four_eyes import change_approve, seen_hash
from apps.accounts.four_eyes_kinds import policy_set
from apps.accounts.models import ChangeRequest, Desk, User
from apps.core.errors import DeskError
from apps.orders.models import RiskLimit
from apps.orders.services import limit_remove, limit_set, limits_of
from tests.support.people import actor_of, client_of, make_desk, make_person

pytestmark = pytest.mark.django_db
NARROW: dict[str, Any] = {
    "max_count": Decimal(100),
    "max_notional": Decimal(50),
    "price_band": Decimal("0.10"),
    "orders_per_minute": 60,
    "max_open_contracts": Decimal(500),
}


@pytest.fixture
def desk() -> Desk:
    return make_desk()


@pytest.fixture
def lead(desk: Desk) -> User:
    lead = make_person(desk, "lead")
    policy_set(actor_of(lead), ["limits"])
    return lead


def most(desk: Desk) -> Decimal | int:
    return limits_of(desk.pk, user_id=0, account_id=0)["max_count"]


def typed(count: str) -> dict[str, str]:
    return {
        "max_count": count,
        "max_notional": "$50",
        "price_band": "10c",
        "orders_per_minute": "60",
        "max_open_contracts": "500",
        "reason": "as agreed",
    }


def test_a_narrower_limit_counts_at_once_and_a_wider_one_after_a_second_person(desk: Desk, lead: User) -> None:
    browser = client_of(lead)
    browser.post(reverse("order_limit_set"), typed("100"))
    assert most(desk) == 100

    browser.post(reverse("order_limit_set"), typed("200"))

    assert most(desk) == 100
    row = ChangeRequest.objects.get()
    assert "max_count 200" in row.title
    change_approve(actor_of(make_person(desk, "admin")), row.pk, hash_seen=seen_hash(row))
    assert most(desk) == 200
    assert RiskLimit.objects.get().set_by_id == lead.pk


def test_no_limit_is_wider_than_any(desk: Desk, lead: User) -> None:
    limit_set(actor_of(lead), NARROW, reason="as agreed", user_id=None, account_id=None)

    with pytest.raises(DeskError) as refused:
        limit_set(actor_of(lead), NARROW | {"price_band": None}, reason="as agreed", user_id=None, account_id=None)

    assert refused.value.code == "approval_needed"


def test_removing_the_row_is_no_way_around(desk: Desk, lead: User) -> None:
    row = limit_set(actor_of(lead), NARROW, reason="as agreed", user_id=None, account_id=None)

    with pytest.raises(DeskError, match="four eyes"):
        limit_remove(actor_of(lead), row.pk, reason="as agreed")

    assert most(desk) == 100


def test_a_further_row_only_narrows(desk: Desk, lead: User) -> None:
    trader = make_person(desk, "trader")
    limit_set(actor_of(lead), NARROW, reason="as agreed", user_id=None, account_id=None)

    limit_set(
        actor_of(lead), NARROW | {"max_count": Decimal(9_000)}, reason="as agreed", user_id=trader.pk, account_id=None
    )

    assert limits_of(desk.pk, user_id=trader.pk, account_id=0)["max_count"] == 100


def test_without_the_policy_a_lead_widens_alone(desk: Desk) -> None:
    alone = actor_of(make_person(desk, "lead"))

    limit_set(alone, NARROW, reason="as agreed", user_id=None, account_id=None)
    limit_set(alone, NARROW | {"max_count": Decimal(900)}, reason="as agreed", user_id=None, account_id=None)

    assert most(desk) == 900


@pytest.mark.parametrize(
    ("before", "after", "waits"), [(None, 5, True), (None, 0, True), (30, None, True), (5, 10, False), (0, None, False)]
)
def test_to_sum_orders_over_less_time_is_wider(
    desk: Desk, lead: User, before: int | None, after: int | None, waits: bool
) -> None:
    values = NARROW | {"approve_count": Decimal(50)}
    row = limit_set(actor_of(lead), values, reason="as agreed", user_id=lead.pk, account_id=None)
    RiskLimit.objects.filter(pk=row.pk).update(approve_within=before)
    change = dict.fromkeys(("user_id", "account_id"), None) | {"user_id": lead.pk}
    if waits:
        with pytest.raises(DeskError) as asked:
            limit_set(actor_of(lead), values | {"approve_within": after}, reason="as agreed", **change)
        assert asked.value.code == "approval_needed"
    else:
        limit_set(actor_of(lead), values | {"approve_within": after}, reason="as agreed", **change)
        assert RiskLimit.objects.get().approve_within == after
