"""Who must have a second factor: led to set it up, and nobody anywhere until they have: pages, socket, tokens."""

import time
from io import StringIO
from typing import Any

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from apps.accounts import factor_policy, four_eyes
from apps.accounts.access import actor_for_session, presence_load
from apps.accounts.factor_policy import Need
from apps.accounts.models import Desk, Membership, User
from apps.audit.models import AuditEntry
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Role
from apps.data_api.services import token_create
from tests.support.people import actor_of, client_of, make_desk, make_person

pytestmark = pytest.mark.django_db
API = "/api/v1/token"
ACTING = {"trader", "quoter", "lead", "operator", "vault-admin", "admin"}


def want(desk: Desk, wanted: str, *, passkeys: bool = False) -> None:
    factor_policy.policy_set(None, desk, wanted=wanted, passkeys=passkeys)


def give_app(person: User) -> None:
    TOTP.activate(person, "JBSWY3DPEHPK3PXP")


def give_passkey(person: User) -> None:
    """A row is enough for who has one; tests/accounts/test_passkeys.py uses real ones."""
    Authenticator.objects.create(user=person, type="webauthn", data={"name": "Key", "credential": {}})


def used_passkey(browser: Client) -> None:
    session = browser.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "mfa", "type": "webauthn", "at": 1}]
    session.save()


def socket_of(person: User, browser: Client) -> object:
    return actor_for_session(person.pk, browser.session.session_key or "")


@pytest.mark.parametrize("wanted", ["nobody", "risky", "everybody"])
def test_each_role_needs_what_its_desk_says(wanted: str) -> None:
    desk = make_desk()
    want(desk, wanted)
    desk.refresh_from_db()

    for role in Role:
        is_wanted = wanted == "everybody" or (wanted == "risky" and role in ACTING)
        assert (factor_policy.lacks(desk, [role], set()) is Need.FACTOR) == is_wanted, role
        assert factor_policy.lacks(desk, [role], {"totp"}) is Need.NOTHING
        assert (factor_policy.lacks(desk, [role], {"recovery_codes"}) is Need.FACTOR) == is_wanted, role


def test_without_it_a_person_is_nobody_on_pages_socket_and_token() -> None:
    desk = make_desk()
    person = make_person(desk, "trader", "admin")
    secret = token_create(actor_of(person), name="t", scopes=["accounts"], days=7).secret
    browser, header = client_of(person), {"Authorization": f"Bearer {secret}"}
    assert browser.get("/orders/").status_code == 200
    assert socket_of(person, browser) is not None
    assert Client().get(API, headers=header).status_code == 200

    want(desk, "everybody")

    setup = reverse("factor_setup")
    for url in ("/orders/", "/team/", "/settings/preferences/", reverse("mfa_index"), reverse("sessions")):
        assert browser.get(url)["Location"] == setup
        assert browser.post(url).status_code in (403, 405)
    assert browser.post(reverse("kept_save"), {"key": "orders.columns", "value": "{}"}).status_code == 403
    fragment = browser.get("/orders/", headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment["HX-Redirect"]) == (401, setup)
    assert socket_of(person, browser) is None
    assert presence_load(person.pk, browser.session) is None
    assert Client().get(API, headers=header).status_code == 403
    page = browser.get(setup).content.decode()
    assert reverse("mfa_activate_totp") in page
    assert desk.name in page

    give_app(person)
    assert browser.get("/orders/").status_code == 200
    assert browser.get(setup)["Location"] == "/"
    assert socket_of(person, browser) is not None
    assert Client().get(API, headers=header).status_code == 200


def test_setting_it_up_and_signing_out_are_all_that_opens() -> None:
    desk = make_desk()
    browser = client_of(make_person(desk, "viewer"))
    want(desk, "everybody")

    page = browser.get(reverse("mfa_activate_totp"))
    asked = browser.get(page["Location"])

    assert page["Location"].startswith(reverse("account_reauthenticate"))
    assert asked.status_code == 200
    assert browser.post("/accounts/logout/").status_code == 302


def test_passkeys_are_wanted_and_have_to_be_used(settings: Any) -> None:
    settings.PASSKEY_HOST = "localhost"
    desk = make_desk()
    trader, viewer = make_person(desk, "trader"), make_person(desk, "viewer")
    want(desk, "risky", passkeys=True)
    give_app(trader)
    browser = client_of(trader)
    assert browser.get("/orders/")["Location"] == reverse("factor_setup")
    assert "Add a passkey" in browser.get(reverse("factor_setup")).content.decode()

    give_passkey(trader)

    assert "with a passkey only" in browser.get(reverse("factor_setup")).content.decode()
    assert browser.get("/orders/").status_code == 302, "signed in with something else"
    assert socket_of(trader, browser) is None
    used_passkey(browser)
    assert browser.get("/orders/").status_code == 200
    assert socket_of(trader, browser) is not None
    assert client_of(viewer).get("/orders/").status_code == 200


def test_a_recovery_code_alone_is_no_factor_and_a_reset_leads_to_a_new_one() -> None:
    desk = make_desk()
    person = make_person(desk, "trader")
    want(desk, "everybody")
    RecoveryCodes.activate(person)
    assert client_of(person).get("/orders/")["Location"] == reverse("factor_setup")
    give_app(person)
    browser = client_of(person)
    assert browser.get("/orders/").status_code == 200

    call_command("factor_reset", person.username, stdout=StringIO())

    assert browser.get("/orders/").status_code == 302
    assert client_of(person).get("/orders/")["Location"] == reverse("factor_setup")


def test_more_counts_at_once_and_less_needs_a_second_person() -> None:
    desk = make_desk()
    admin, second = actor_of(make_person(desk, "admin")), actor_of(make_person(desk, "lead"))
    trader = actor_of(make_person(desk, "trader"))
    for actor, wanted in ((trader, "everybody"), (actor_of(make_person(make_desk(), "admin")), "nobody")):
        with pytest.raises(NotAllowed):
            factor_policy.policy_set(actor, desk, wanted=wanted, passkeys=False)
    with pytest.raises(DeskError, match="Choose"):
        factor_policy.policy_set(admin, desk, wanted="sometimes", passkeys=False)

    factor_policy.policy_set(admin, desk, wanted="everybody", passkeys=False)
    with pytest.raises(four_eyes.ApprovalNeeded):
        factor_policy.policy_set(admin, desk, wanted="risky", passkeys=False)
    request = four_eyes.asking(admin, lambda: factor_policy.policy_set(admin, desk, wanted="risky", passkeys=False))
    assert request is not None
    desk.refresh_from_db()
    assert desk.second_factor == "everybody"
    done = four_eyes.change_approve(second, request.pk, hash_seen=four_eyes.seen_hash(request))

    assert done.state == "used", done.words
    desk.refresh_from_db()
    assert desk.second_factor == "risky"
    entry = AuditEntry.objects.filter(action="accounts.factor.policy").order_by("-sequence")[0]
    assert entry.data["after"] == {"wanted": "risky", "passkeys": False}


def test_the_page_of_the_team_says_and_changes_it() -> None:
    desk = make_desk()
    admin, viewer = make_person(desk, "admin"), make_person(desk, "viewer")
    give_app(admin)
    browser = client_of(admin)
    session = browser.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "mfa", "type": "totp", "at": 4_000_000_000}]
    session.save()
    save = reverse("factor_policy_save")
    assert client_of(viewer).post(save, {"wanted": "everybody"}).status_code == 403

    stale = browser.post(save, {"wanted": "everybody"})
    assert stale["Location"].startswith(reverse("mfa_reauthenticate")), "asked a moment too far in the future"
    session[AUTHENTICATION_METHODS_SESSION_KEY][0]["at"] = time.time()
    session.save()
    assert browser.post(save, {"wanted": "everybody"})["Location"] == reverse("team")

    page = browser.get(reverse("team")).content.decode()
    assert Membership.objects.get(user=viewer).desk.second_factor == "everybody"
    assert "Missing" in page
    assert 'value="everybody" checked' in page


def test_the_desk_says_nothing_until_it_does_and_the_settings_hold(settings: Any) -> None:
    desk = make_desk()
    person = make_person(desk, "viewer")
    browser = client_of(person)
    assert browser.get("/orders/").status_code == 200

    settings.SECOND_FACTOR = "everybody"

    assert browser.get("/orders/").status_code == 302
    call_command("factor_policy", desk.slug, "nobody", stdout=StringIO())
    assert browser.get("/orders/").status_code == 200
    settings.PASSKEY_HOST = ""
    with pytest.raises(CommandError, match="no address"):
        call_command("factor_policy", desk.slug, "risky", "--passkeys")
    with pytest.raises(CommandError, match=desk.slug):
        call_command("factor_policy", "no-such-desk", "risky")
