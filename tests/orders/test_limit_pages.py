"""The pages of limits and groups: who may set what, what is used, and what a lead's typing means."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.core.timestamps import utc_now
from apps.orders.models import RiskLimit
from apps.orders.pages.limits import use_of_everybody
from tests.orders.blotter import client_as, make_intent, make_order
from tests.orders.conftest import Place
from tests.support.people import make_desk, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead(place: Place) -> Client:
    return client_as(place, "lead")


def typed(**over: str) -> dict[str, str]:
    names = ("user_id", "account_id", "max_count", "max_notional", "price_band", "orders_per_minute")
    return dict.fromkeys((*names, "max_open_contracts"), "") | {"reason": "as agreed"} | over


def test_a_lead_sets_limits_as_people_type_them(place: Place, lead: Client) -> None:
    form = typed(
        user_id=str(place.trader.user_id),
        account_id=str(place.account.pk),
        max_count="5,000",
        max_notional="$2,500.50",
        price_band="12.5c",
        orders_per_minute="60",
    )

    answer = lead.post("/orders/limits/set/", form, follow=True)

    row = RiskLimit.objects.get()
    assert (row.user_id, row.account_id) == (place.trader.user_id, place.account.pk)
    assert (row.max_count, row.max_notional, row.price_band) == (Decimal(5000), Decimal("2500.5"), Decimal("0.125"))
    assert (row.orders_per_minute, row.max_open_contracts) == (60, None)
    page = answer.content.decode()
    assert "The limits are set." in page
    assert "5,000" in page
    assert "$2,500.50" in page
    assert "12.5¢" in page
    edited = lead.get(f"/orders/limits/?edit={row.pk}").content.decode()
    for text in ('value="5000"', 'value="2500.5"', 'value="12.5"', 'value="60"'):
        assert text in edited


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"max_count": "many"}, "“many” is not a number of contracts."),
        ({"price_band": "1.234567c"}, "“1.234567c” is not a number of cents."),
        ({"max_notional": "NaN"}, "“NaN” is not a number of dollars."),
        ({"orders_per_minute": "1.5"}, "“1.5” is not a number of orders."),
        ({"max_count": "0"}, "Give a number above zero, or nothing."),
        ({}, "Give at least one limit, or remove the row."),
        ({"max_count": "5", "user_id": "x"}, "Choose from the list."),
    ],
)
def test_what_cannot_be_a_limit_comes_back_as_typed(lead: Client, over: dict[str, str], words: str) -> None:
    answer = lead.post("/orders/limits/set/", typed(**over))

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not RiskLimit.objects.exists()


def test_a_person_or_row_of_another_desk_is_not_there(place: Place, lead: Client) -> None:
    stranger = make_person(make_desk("Other"), "trader")
    theirs = RiskLimit.objects.create(desk=make_desk("Third"), max_count=Decimal(1), set_by=stranger, set_at=utc_now())

    refused = lead.post("/orders/limits/set/", typed(user_id=str(stranger.pk), max_count="5"))
    removed = lead.post("/orders/limits/remove/", {"limit_id": str(theirs.pk), "reason": "as agreed"}, follow=True)

    assert "This person is not on this desk." in refused.content.decode()
    assert "belongs to another desk" in removed.content.decode()
    assert 'name="max_count" value=""' in lead.get(f"/orders/limits/?edit={theirs.pk}").content.decode()
    assert RiskLimit.objects.count() == 1


@pytest.mark.parametrize("role", ["trader", "viewer"])
def test_others_read_limits_and_hold_no_control(place: Place, role: str) -> None:
    lead = User.objects.get(pk=place.viewer.user_id)
    row = RiskLimit.objects.create(desk=place.desk, max_count=Decimal(77), set_by=lead, set_at=utc_now())
    client = client_as(place, role)

    page = client.get("/orders/limits/").content.decode()

    assert "77" in page
    assert "Set the limits" not in page
    assert "Remove" not in page
    assert client.post("/orders/limits/set/", typed(max_count="5")).status_code == 403
    assert client.post("/orders/limits/remove/", {"limit_id": row.pk}).status_code == 403
    assert RiskLimit.objects.get().max_count == Decimal(77)


def test_the_use_of_each_person_is_counted_as_the_check_counts_it(place: Place) -> None:
    now = utc_now()
    other, idle = make_person(place.desk, "trader"), make_person(place.desk, "quoter")
    make_order(
        place,
        intent=make_intent(place, created_at=now - timedelta(seconds=10)),
        remaining_count=Decimal("40"),
        price=Decimal("0.30"),
        book_side="ask",
    )
    make_intent(place, state="committed", created_at=now - timedelta(seconds=70), count=Decimal("100"))
    make_order(place, is_ours=False, remaining_count=Decimal("7"))
    RiskLimit.objects.create(desk=place.desk, user=other, max_open_contracts=Decimal(7), set_by=other, set_at=now)

    uses = {one["user_id"]: one["bars"] for one in use_of_everybody(place.trader, place.account, now=now)}

    assert idle.pk not in uses, "who has no limit and nothing open is not a row without figures"
    size, cost, band, minute, working = uses[place.trader.user_id]
    assert (size.use, size.limit, size.share) == ("100", "10,000", 10)
    assert cost.use == "$56.00"
    assert band.share is None
    assert (minute.use, minute.limit) == ("1", "600")
    assert working.use == "147"
    assert [bar.use for bar in uses[other.pk]][3:] == ["0", "7"]
    assert (uses[other.pk][4].level, uses[other.pk][4].share) == ("full", 1000)
    assert place.viewer.user_id not in uses


def test_names_are_told_to_whoever_sees_the_desk(place: Place) -> None:
    told = client_as(place, "viewer").get("/orders/people.json").json()["people"]

    assert str(place.trader.user_id) in told


@pytest.mark.parametrize(
    ("role", "has_control"), [("trader", True), ("lead", True), ("viewer", False), ("auditor", False)]
)
def test_the_pause_is_on_every_page_for_whoever_may_cancel(place: Place, role: str, has_control: bool) -> None:
    client = client_as(place, role)
    for address in ("/markets/", "/orders/", "/orders/groups/", "/orders/limits/", "/settings/preferences/"):
        page = client.get(address).content.decode()
        assert ("data-halt-open" in page) is has_control, address
        assert "data-halt-label" in page, address


def test_orders_together_are_set_in_minutes_beside_a_threshold(place: Place, lead: Client) -> None:
    answer = lead.post("/orders/limits/set/", typed(approve_count="50", approve_within="30"), follow=True)
    assert "50, together in 30 min" in answer.content.decode()
    lead.post("/orders/limits/set/", typed(approve_count="50"))
    assert "50, together in 10 min" in lead.get("/orders/limits/").content.decode()
    wrong = {
        "Set contracts or dollars for four eyes beside it.": {"approve_within": "5", "max_count": "5"},
        "Minutes from 1 to 1,440, or 0 for each order by itself.": {"approve_within": "1441", "approve_count": "5"},
    }
    for words, over in wrong.items():
        refused = lead.post("/orders/limits/set/", typed(**over))
        assert (refused.status_code, words in refused.content.decode()) == (422, True)
    lead.post("/orders/limits/set/", typed(approve_count="50", approve_within="0"))
    assert "50, each by itself" in lead.get("/orders/limits/").content.decode()
