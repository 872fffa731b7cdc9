"""What a person keeps of a page's lists: their own, on this desk, bounded, and the same in every browser."""

import json

import pytest
from django.test import Client

from apps.accounts.kept import VALUE_AT_MOST, preference_keep, preferences_of
from apps.accounts.models import Preference
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Actor
from tests.support.people import actor_of, client_of, make_account, make_desk, make_person

pytestmark = pytest.mark.django_db

COLUMNS = [{"colId": "price", "width": 90, "hide": False}]


@pytest.fixture
def actor() -> Actor:
    make_desk("Elsewhere")
    return actor_of(make_person(make_desk(), "viewer"))


def test_what_is_kept_is_ones_own_and_of_this_desk(actor: Actor) -> None:
    colleague = Actor(user_id=make_person(make_desk("Other"), "viewer").pk, desk_id=actor.desk_id, roles=actor.roles)
    elsewhere = Actor(user_id=actor.user_id, desk_id=make_desk("Third").pk, roles=actor.roles)

    preference_keep(actor, "orders.columns", json.dumps(COLUMNS))
    preference_keep(actor, "orders.columns", json.dumps(COLUMNS * 2))
    preference_keep(actor, "markets.columns", "[]")

    assert preferences_of(actor, "orders") == {"orders.columns": COLUMNS * 2}
    assert preferences_of(colleague, "orders") == {}
    assert preferences_of(elsewhere, "orders") == {}
    preference_keep(actor, "orders.columns", "")
    assert preferences_of(actor, "orders") == {}
    assert Preference.objects.count() == 1


@pytest.mark.parametrize(
    ("key", "text", "code"),
    [
        ("anything.else", "[]", "bad_input"),
        ("orders.columns", "{not json", "bad_input"),
        ("orders.columns", "[NaN]", "bad_input"),
        ("orders.columns", "[" * 5_000, "bad_input"),
        ("orders.columns", json.dumps("x" * VALUE_AT_MOST), "too_large"),
    ],
)
def test_what_is_not_meant_to_be_kept_is_refused(actor: Actor, key: str, text: str, code: str) -> None:
    with pytest.raises(DeskError) as refused:
        preference_keep(actor, key, text)

    assert refused.value.code == code
    assert not Preference.objects.exists()


def test_nobody_without_a_role_keeps_anything() -> None:
    nobody = Actor(user_id=1, desk_id=1, roles=frozenset())
    with pytest.raises(NotAllowed):
        preference_keep(nobody, "orders.columns", "[]")
    with pytest.raises(NotAllowed):
        preferences_of(nobody, "orders")


def test_a_page_carries_what_its_reader_keeps_as_data_and_not_as_markup() -> None:
    desk = make_desk()
    make_account(desk)
    person = make_person(desk, "trader")
    browser, other = client_of(person), client_of(make_person(desk, "trader"))

    assert _save(browser, "orders.group", '"</script><b>"') == 204
    assert _save(browser, "orders.group", "{") == 400

    page = browser.get("/orders/").content.decode()
    assert r'id="kept-data" type="application/json">{"orders.group": "\u003C/script\u003E\u003Cb\u003E"}' in page
    assert 'id="kept-data" type="application/json">{}' in other.get("/orders/").content.decode()
    assert 'id="kept-data" type="application/json">{}' in browser.get("/markets/").content.decode()


def _save(client: Client, key: str, value: str) -> int:
    return client.post("/settings/kept/", {"key": key, "value": value}).status_code
