"""Who is asking: read afresh each time, on the selected desk and account, never wider than the membership."""

import datetime
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from django.views import View

from apps.accounts import services
from apps.accounts.access import account_get, account_is_visible, actor_for_session, presence_load
from apps.accounts.models import ExchangeAccount, Membership, User
from apps.accounts.permissions import requires
from apps.audit.models import AuditEntry
from apps.audit.services import verify
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Permission, Role, permissions_of
from tests.support.people import PASSWORD, actor_of, client_of, make_account, make_desk, make_person

pytestmark = pytest.mark.django_db


def session_of(browser: Client) -> str:
    key = browser.session.session_key
    assert key
    return key


def test_the_first_paper_account_is_selected_until_another_is_chosen() -> None:
    desk = make_desk()
    make_account(desk, environment="production")
    paper, second = make_account(desk), make_account(desk)
    person = make_person(desk, "trader")
    browser = client_of(person)
    assert actor_of(person).account_id == paper.pk

    answer = browser.post(reverse("account_select"), {"account": second.pk, "subaccount": 3, "next": "/markets/"})

    assert answer["Location"] == "/markets/"
    actor = actor_for_session(person.pk, session_of(browser))
    assert actor is not None
    assert (actor.account_id, actor.subaccount) == (second.pk, 3)


def test_a_selection_that_is_no_longer_ours_selects_the_default() -> None:
    desk, other = make_desk(), make_desk()
    mine, theirs = make_account(desk), make_account(other)
    person = make_person(desk, "trader")
    browser = client_of(person)

    assert browser.post(reverse("account_select"), {"account": theirs.pk}).status_code == 404
    assert browser.post(reverse("account_select"), {"account": "x"}).status_code == 400
    assert browser.post(reverse("account_select"), {"account": mine.pk, "subaccount": 32_768}).status_code == 400
    forged = {"account_id": theirs.pk, "subaccount": 5, "desk_id": other.pk}
    presence = presence_load(person.pk, forged)
    assert presence is not None
    assert presence.desk == desk
    assert presence.account == mine
    ExchangeAccount.objects.filter(pk=mine.pk).update(is_active=False)
    closed = presence_load(person.pk, {"account_id": mine.pk, "subaccount": 5})
    assert closed is not None
    assert closed.account is None
    assert closed.subaccount == 0


def test_a_person_of_two_desks_works_on_one_at_a_time() -> None:
    first, second = make_desk(), make_desk()
    person = make_person(first, "trader")
    Membership.objects.create(user=person, desk=second, roles=["viewer"])
    theirs = make_account(second)
    browser = client_of(person)
    assert actor_for_session(person.pk, session_of(browser)).may(Permission.ORDER_PLACE)  # type: ignore[union-attr]

    assert browser.post(reverse("desk_select"), {"desk": second.pk}).status_code == 302

    actor = actor_for_session(person.pk, session_of(browser))
    assert actor is not None
    assert (actor.desk_id, actor.account_id) == (second.pk, theirs.pk)
    assert not actor.may(Permission.ORDER_PLACE)
    assert browser.post(reverse("desk_select"), {"desk": make_desk().pk}).status_code == 404


def test_roles_are_fresh_on_every_request_and_message() -> None:
    desk = make_desk()
    person = make_person(desk, "vault-admin")
    browser = client_of(person)
    assert browser.get(reverse("vault")).status_code == 200

    services.roles_set(desk, user_id=person.pk, roles=["viewer"])

    assert browser.get(reverse("vault")).status_code == 403
    assert not actor_for_session(person.pk, session_of(browser)).may(Permission.VAULT_VIEW)  # type: ignore[union-attr]
    services.membership_set_active(desk, user_id=person.pk, is_active=False)
    assert actor_for_session(person.pk, session_of(browser)) is None
    assert browser.get(reverse("vault")).status_code == 302, "signed out"
    refused = client_of(person).get(reverse("vault"))
    assert refused.status_code == 403
    assert "not a member of a desk" in refused.content.decode()


def test_a_socket_ends_with_its_session() -> None:
    person, stranger = make_person(make_desk(), "trader"), make_person(make_desk(), "trader")

    def fresh() -> tuple[Client, str]:
        browser = client_of(person)
        assert actor_for_session(person.pk, session_of(browser)) is not None
        return browser, session_of(browser)

    _, key = fresh()
    assert actor_for_session(stranger.pk, key) is None
    assert actor_for_session(person.pk, "") is None
    assert actor_for_session(person.pk, "unknown-key") is None

    browser, key = fresh()
    browser.post("/accounts/logout/")
    assert actor_for_session(person.pk, key) is None

    _, key = fresh()
    Session.objects.filter(pk=key).update(expire_date=timezone.now() - datetime.timedelta(seconds=1))
    assert actor_for_session(person.pk, key) is None

    _, key = fresh()
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert actor_for_session(person.pk, key) is None
    User.objects.filter(pk=person.pk).update(is_active=True)

    _, key = fresh()
    person.set_password("another-correct-horse")
    person.save()
    assert actor_for_session(person.pk, key) is None


def test_between_password_and_second_factor_a_socket_is_nobody() -> None:
    person = make_person(make_desk(), "trader")
    browser = Client()
    browser.post("/accounts/login/", {"login": person.username, "password": PASSWORD})
    signed_in = session_of(browser)
    session = browser.session
    del session[SESSION_KEY]
    session.save()

    assert actor_for_session(person.pk, signed_in) is None


def test_accounts_of_another_desk_do_not_exist() -> None:
    desk, other = make_desk(), make_desk()
    mine, theirs = make_account(desk), make_account(other)
    actor = actor_of(make_person(desk, "viewer"))

    assert account_get(actor, mine.pk) == mine
    assert account_is_visible(actor, mine.pk)
    assert not account_is_visible(actor, theirs.pk)
    for account_id in (theirs.pk, 999_999):
        with pytest.raises(NotFound):
            account_get(actor, account_id)


def test_every_signed_in_page_forbids_to_keep_it_and_the_sign_in_page_too() -> None:
    browser = client_of(make_person(make_desk(), "trader"))

    for url in (reverse("preferences"), reverse("mfa_index"), reverse("vault"), "/no-such-page/"):
        assert "no-store" in browser.get(url)["Cache-Control"]
    assert "no-store" in Client().get("/accounts/login/")["Cache-Control"]


def test_services_check_the_actor_again() -> None:
    desk, other = make_desk(), make_desk()
    trader, admin = actor_of(make_person(desk, "trader")), actor_of(make_person(desk, "admin"))
    foreign = actor_of(make_person(other, "admin", "vault-admin"))
    person = make_person(desk, "viewer")

    for actor in (trader, foreign):
        with pytest.raises(NotAllowed):
            services.roles_set(desk, user_id=person.pk, roles=["admin"], actor=actor)
        with pytest.raises(NotAllowed):
            services.person_add(desk, username="x", password=PASSWORD, roles=[], actor=actor)
        with pytest.raises(NotAllowed):
            services.membership_set_active(desk, user_id=person.pk, is_active=False, actor=actor)
        with pytest.raises(NotAllowed):
            services.account_add(desk, environment="paper", name="x", actor=actor)
    changed = services.roles_set(desk, user_id=person.pk, roles=["trader", "trader"], actor=admin)
    assert changed.roles == ["trader"]
    entry = AuditEntry.objects.get(action="accounts.roles.changed")
    assert entry.actor_id == admin.user_id
    assert entry.data == {"before": ["viewer"], "after": ["trader"]}
    assert verify(desk.pk).is_intact


def test_unknown_roles_and_taken_names_are_explained() -> None:
    desk = make_desk()
    make_person(desk, "viewer", username="ann")

    with pytest.raises(DeskError, match="Unknown role: king"):
        services.person_add(desk, username="bob", password=PASSWORD, roles=["king"])
    with pytest.raises(DeskError, match="taken"):
        services.person_add(desk, username="ann", password=PASSWORD, roles=["viewer"])
    assert not User.objects.filter(username="bob").exists()
    assert permissions_of(["king"]) == frozenset()


def test_preferences_are_saved_whole_or_one_by_one() -> None:
    person = make_person(make_desk(), "viewer")
    browser = client_of(person)
    url = reverse("preferences_update")

    answer = browser.post(url, {"partial": "1", "theme": "light"})
    assert answer.status_code == 204
    assert answer.cookies["desk-theme"].value == "light"
    assert browser.post(url, {"partial": "1", "is_colour_blind_palette": "on"}).status_code == 204
    person.refresh_from_db()
    assert (person.theme, person.is_colour_blind_palette, person.price_format) == ("light", True, "cents")

    whole = {"display_name": "Ann", "theme": "dark", "price_format": "american", "time_zone": "Europe/Berlin"}
    assert browser.post(url, whole).status_code == 302
    person.refresh_from_db()
    assert (person.theme, person.is_colour_blind_palette, person.time_zone) == ("dark", False, "Europe/Berlin")

    assert browser.post(url, {"partial": "1", "theme": "pink"}).status_code == 400
    wrong = browser.post(url, whole | {"time_zone": "Mars/Olympus", "display_name": "Kept"})
    assert wrong.status_code == 422
    assert 'value="Kept"' in wrong.content.decode()
    person.refresh_from_db()
    assert person.time_zone == "Europe/Berlin"


def test_nobody_makes_themselves_more_than_they_are() -> None:
    person = make_person(make_desk(), "viewer")

    client_of(person).post(
        reverse("preferences_update"), {"partial": "1", "is_superuser": "1", "is_staff": "1", "username": "root"}
    )

    person.refresh_from_db()
    assert (person.is_superuser, person.is_staff) == (False, False)
    assert person.username != "root"


@requires(Permission.ORDER_PLACE)
def function_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


@requires(Permission.ORDER_PLACE)
class ClassView(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("ok")


@pytest.mark.parametrize("view", [function_view, ClassView.as_view()])
@pytest.mark.parametrize("role", [*Role, None])
def test_the_guard_is_the_same_for_functions_and_classes(view: Any, role: Role | None) -> None:
    assert view.desk_permission is Permission.ORDER_PLACE
    request = RequestFactory().get("/somewhere/?a=1")
    if role is None:
        request.user = AnonymousUser()
        answer = view(request)
        assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=%2Fsomewhere%2F%3Fa%3D1")
        request.META["HTTP_HX_REQUEST"] = "true"
        del request.headers
        answer = view(request)
        assert (answer.status_code, answer["HX-Redirect"]) == (401, "/accounts/login/?next=%2F")
        return
    request.user = make_person(make_desk(), role)
    request.actor = actor_of(request.user)  # type: ignore[attr-defined]
    if role is Role.TRADER:
        assert view(request).content == b"ok"
    else:
        with pytest.raises(PermissionDenied):
            view(request)
