"""FIX > Routes: what each role finds, who may change a way, and that it asks for the person and a reason."""

import re
from typing import Any

import pytest
from django.urls import reverse

from apps.audit.models import AuditEntry
from apps.core.errors import NotAllowed
from apps.core.permissions import FIX_ACTS, Actor, Permission
from apps.fix import routes
from apps.fix.models import FixRoute, FixSession
from tests.orders.conftest import Place
from tests.support.people import actor_of, client_of, make_person

PAGE = "fix_routes"


@pytest.fixture
def sessions(place: Place) -> None:
    for kind, over in (("nr", {}), ("rt", {"is_listener": True}), ("rfq", {"state": "logged_on", "is_wanted": True})):
        FixSession.objects.create(account=place.account, kind=kind, **over)


def text_of(place: Place, *roles: str) -> str:
    answer = client_of(make_person(place.desk, *roles)).get(reverse(PAGE))
    assert answer.status_code == 200
    return answer.content.decode()


def given(place: Place, **over: str) -> dict[str, str]:
    return {"account": str(place.account.pk), "what": "quotes", "way": "rfq", "why": "the maker's line", **over}


def test_an_operator_changes_a_way_with_a_reason(place: Place, sessions: None) -> None:
    operator = make_person(place.desk, "operator")
    browser = client_of(operator)
    answer = browser.post(reverse("fix_route_set"), given(place), follow=True)

    page = answer.content.decode()
    assert "Quotes leave by FIX, KalshiRFQ from now on." in page
    assert routes.way_of(place.account.pk, "quotes") == "rfq"
    assert routes.way_of(place.account.pk) is None
    entry = AuditEntry.objects.get(action="fix.route.set")
    assert (entry.actor_id, entry.data["what"], entry.data["why"]) == (operator.pk, "quotes", "the maker's line")
    row = re.search(rf'data-route="{place.account.pk}-quotes">(.*?)</tr>', page, re.S)
    assert row is not None
    assert all(one in row[1] for one in ("KalshiRFQ", "Logged on", "the maker&#x27;s line", operator.username))


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"why": " "}, "Say why"),
        ({"what": "requests", "way": "rt"}, "no such session that may trade"),
        ({"what": "quotes", "way": "nr"}, "There is no such way"),
        ({"what": "fills", "way": "rest"}, "There is no such way"),
        ({"account": "x"}, "Choose an account"),
        ({"account": "999999"}, "Nothing was changed"),
    ],
)
def test_what_makes_no_sense_changes_nothing(place: Place, sessions: None, over: dict[str, str], words: str) -> None:
    browser = client_of(make_person(place.desk, "operator"))
    answer = browser.post(reverse("fix_route_set"), given(place, **over), follow=True)
    assert words in answer.content.decode()
    assert not FixRoute.objects.exists()


def test_who_has_not_just_proved_who_they_are_is_asked_first(
    place: Place, sessions: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.accounts.step_up.is_fresh", lambda request: False)
    answer = client_of(make_person(place.desk, "operator")).post(reverse("fix_route_set"), given(place))
    assert answer.status_code == 302
    assert "authenticate" in answer.headers["Location"]
    assert not FixRoute.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "trader", "lead", "auditor", "quoter"])
def test_others_see_the_ways_and_have_no_control(place: Place, sessions: None, role: str) -> None:
    page = text_of(place, role)
    assert "Open now" in page
    assert reverse("fix_route_set") not in page
    refused = client_of(make_person(place.desk, role)).post(reverse("fix_route_set"), given(place))
    assert refused.status_code == 403
    assert not FixRoute.objects.exists()


def test_the_way_needs_its_own_right(place: Place, sessions: None, monkeypatch: pytest.MonkeyPatch) -> None:
    operator: Any = actor_of(make_person(place.desk, "operator"))
    monkeypatch.setattr(Actor, "may", lambda self, asked: asked in FIX_ACTS - {Permission.FIX_ROUTE})
    with pytest.raises(NotAllowed):
        routes.route_set(operator, place.account.pk, "rfq", what="quotes", why="no right")


def test_only_requests_by_fix_prefer_a_better_quote(place: Place) -> None:
    FixSession.objects.create(account=place.account, kind="rt")
    operator = actor_of(make_person(place.desk, "operator"))
    for way, prefers in (("rt", True), ("rest", False)):
        row = routes.route_set(
            operator, place.account.pk, way, what="requests", why="a better price", prefers_better=True
        )
        assert row.prefers_better is prefers
