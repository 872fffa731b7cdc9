"""Passkeys: added, used, refused when anything about them is not right, and locked when they seem to be copied."""

import json
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from apps.accounts import factor_policy
from apps.accounts.models import Membership, Notice, PasskeyUse, SignIn, User
from apps.audit.models import AuditEntry
from kalshi_desk.env import passkey_host
from tests.support.passkey import ORIGIN, SoftwareKey
from tests.support.people import PASSWORD, make_desk, make_person

pytestmark = pytest.mark.django_db
LOCAL = {"HTTP_HOST": "localhost:8000"}


@pytest.fixture(autouse=True)
def here(settings: Any) -> Any:
    settings.PUBLIC_ORIGINS = ["http://127.0.0.1:8000", ORIGIN]
    settings.PASSKEY_HOST = "localhost"
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def person() -> User:
    return make_person(make_desk(), "trader")


def sign_in(person: User) -> Client:
    browser = Client(**LOCAL)
    browser.post("/accounts/login/", {"login": person.username, "password": PASSWORD})
    return browser


def opens(browser: Client) -> bool:
    return browser.get(reverse("preferences")).status_code == 200


def confirm(browser: Client) -> None:
    """Prove again who is there, by the password."""
    browser.post(reverse("account_reauthenticate"), {"password": PASSWORD})


def options_of(browser: Client, page: str) -> dict[str, Any]:
    """What the page hands to the browser's passkey functions, through the JSON that it travels in."""
    data = browser.get(page).context["js_data"]
    found: dict[str, Any] = json.loads(json.dumps(next(iter(data.values())), default=dict))
    return found


def add(browser: Client, key: SoftwareKey, *, name: str = "Phone", **wrong: Any) -> Any:
    page = reverse("passkey_add")
    answer = key.create(options_of(browser, page), **wrong)
    return browser.post(page, {"name": name, "credential": json.dumps(answer)})


def with_passkey(person: User, **kind: Any) -> tuple[Client, SoftwareKey]:
    browser, key = sign_in(person), SoftwareKey(**kind)
    confirm(browser)
    assert add(browser, key).status_code == 302
    return browser, key


def login_options(browser: Client) -> dict[str, Any]:
    answer = browser.get(reverse("passkey_sign_in"), headers={"Accept": "application/json"})
    found: dict[str, Any] = answer.json()["request_options"]
    return found


def passwordless(browser: Client, answer: Any) -> Any:
    return browser.post(reverse("passkey_sign_in"), {"credential": json.dumps(answer)})


# --- adding and using ---------------------------------------------------------------------------------


def test_a_passkey_is_added_after_asking_again_and_told_of(person: User) -> None:
    elsewhere, browser, key = sign_in(person), sign_in(person), SoftwareKey()
    asked = browser.get(reverse("passkey_add"))
    assert asked["Location"].startswith(reverse("account_reauthenticate"))
    confirm(browser)

    assert add(browser, key).status_code == 302

    passkey = Authenticator.objects.get(user=person, type="webauthn")
    assert passkey.wrap().name == "Phone"
    assert PasskeyUse.objects.get(passkey=passkey).counter == 0
    page = browser.get(reverse("mfa_index")).content.decode()
    assert "Phone" in page
    assert reverse("passkey_remove", args=[passkey.pk]) in page
    texts = list(Notice.objects.filter(user=person, kind="factor.added").values_list("text", flat=True))
    assert any("passkey “Phone”" in text for text in texts)
    assert AuditEntry.objects.filter(action="accounts.factor.added", data__name="Phone").exists()
    assert opens(browser)
    assert not opens(elsewhere), "a session with the password alone ends with the first factor"


def test_it_signs_in_alone_and_after_the_password(person: User) -> None:
    _, key = with_passkey(person)

    alone = Client(**LOCAL)
    assert passwordless(alone, key.get(login_options(alone)))["Location"] == "/"
    second = sign_in(person)
    assert not opens(second)
    options = options_of(second, reverse("mfa_authenticate"))
    assert len(options["publicKey"]["allowCredentials"]) == 1
    assert options["publicKey"]["userVerification"] == "required"
    second.post(reverse("mfa_authenticate"), {"credential": json.dumps(key.get(options))})

    assert opens(alone)
    assert opens(second)
    assert PasskeyUse.objects.get().counter == 2


def test_it_steps_up_and_the_password_does_not_any_more(person: User) -> None:
    browser, key = with_passkey(person)
    passkey = Authenticator.objects.get(user=person, type="webauthn")
    session = browser.session
    session["account_authentication_methods"] = [{"method": "password", "at": 4_000_000_000, "reauthenticated": True}]
    session.save()
    page = reverse("passkey_remove", args=[passkey.pk])

    asked = browser.get(page)
    assert asked["Location"].startswith(reverse("passkey_confirm"))
    assert browser.get(reverse("account_reauthenticate"))["Location"] == reverse("passkey_confirm")
    wrong = SoftwareKey(credential_id=key.credential_id)
    refused = browser.post(
        asked["Location"], {"credential": json.dumps(wrong.get(options_of(browser, asked["Location"])))}
    )
    assert refused.status_code == 422
    assert "does not open this desk" in refused.content.decode()
    answer = key.get(options_of(browser, asked["Location"]))
    done = browser.post(reverse("passkey_confirm"), {"credential": json.dumps(answer), "next": page})

    assert done["Location"] == page
    assert browser.get(page).status_code == 200


def test_it_is_renamed_and_removed_by_its_owner_alone(person: User) -> None:
    browser, _ = with_passkey(person)
    passkey = Authenticator.objects.get(user=person, type="webauthn")
    rename, remove = (reverse(name, args=[passkey.pk]) for name in ("passkey_rename", "passkey_remove"))
    stranger = sign_in(make_person(make_desk(), "admin"))

    for url in (rename, remove):
        assert stranger.get(url).status_code == 404
        assert stranger.post(url, {"name": "Mine"}).status_code == 404
    assert browser.post(rename, {"name": "  "}).status_code == 422
    assert browser.post(rename, {"name": "Blue key"}).status_code == 302
    assert Authenticator.objects.get(pk=passkey.pk).wrap().name == "Blue key"
    assert browser.post(remove).status_code == 302

    assert not Authenticator.objects.filter(user=person).exists(), "recovery codes go with the last factor"
    assert not PasskeyUse.objects.exists()
    written = set(AuditEntry.objects.filter(target=f"user:{person.pk}").values_list("action", flat=True))
    assert written >= {"accounts.factor.renamed", "accounts.factor.removed"}
    assert Notice.objects.filter(user=person, kind="factor.removed").exists()


# --- what is refused ------------------------------------------------------------------------------------

WRONG = {
    "origin of another site": {"origin": "https://evil.example"},
    "another port": {"origin": "http://localhost:8001"},
    "a name under ours": {"origin": "http://a.localhost:8000"},
    "an address with numbers": {"origin": "http://127.0.0.1:8000"},
    "another host": {"host": "evil.example"},
    "nobody verified": {"is_verified": False},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_what_was_made_or_signed_elsewhere_is_refused(person: User, wrong: dict[str, Any]) -> None:
    browser, key = with_passkey(person)

    refused = add(browser, SoftwareKey(), **wrong)
    alone, second = Client(**LOCAL), sign_in(person)
    passwordless(alone, key.get(login_options(alone), **wrong))
    answer = key.get(options_of(second, reverse("mfa_authenticate")), **wrong)
    second.post(reverse("mfa_authenticate"), {"credential": json.dumps(answer)})

    assert refused.status_code == 422
    assert "does not open this desk" in refused.content.decode()
    assert Authenticator.objects.filter(type="webauthn").count() == 1
    assert not opens(alone)
    assert not opens(second)
    assert PasskeyUse.objects.get().counter == 0


def test_a_challenge_is_good_for_one_answer(person: User) -> None:
    _, key = with_passkey(person, step=0)
    browser = Client(**LOCAL)
    answer = key.get(login_options(browser))
    assert passwordless(browser, answer)["Location"] == "/"
    browser.post("/accounts/logout/")

    passwordless(browser, answer)
    other = Client(**LOCAL)
    login_options(other)
    passwordless(other, answer)
    passwordless(Client(**LOCAL), answer)
    # Nor for a right one after a wrong one.
    third = Client(**LOCAL)
    options = login_options(third)
    passwordless(third, key.get(options, origin="https://evil.example"))
    passwordless(third, key.get(options))

    assert not opens(browser)
    assert not opens(other)
    assert not opens(third)


def test_a_passkey_whose_counter_goes_back_is_locked_for_both_that_have_it(person: User) -> None:
    desk = Membership.objects.get(user=person).desk
    admin = make_person(desk, "admin")
    _, key = with_passkey(person, counter=5)
    first = Client(**LOCAL)
    passwordless(first, key.get(login_options(first)))
    copy = SoftwareKey(
        counter=5, private=key.private, credential_id=key.credential_id, user_handle=key.user_handle
    )  # has signed once less than the other

    refused, later = Client(**LOCAL), Client(**LOCAL)
    passwordless(refused, copy.get(login_options(refused)))
    passwordless(later, key.get(login_options(later)))

    assert opens(first)
    assert not opens(refused)
    assert not opens(later), "nobody can say which of the two is the person"
    assert PasskeyUse.objects.get().copied_at is not None
    told = set(Notice.objects.filter(kind="factor.copied").values_list("user_id", flat=True))
    assert told == {person.pk, admin.pk}
    assert AuditEntry.objects.get(action="accounts.factor.locked").data["counter"] == 6


def test_a_passkey_that_does_not_count_works_again_and_again(person: User) -> None:
    _, key = with_passkey(person, step=0)

    for _ in range(3):
        browser = Client(**LOCAL)
        passwordless(browser, key.get(login_options(browser)))
        assert opens(browser)


def test_a_row_of_the_database_that_was_moved_or_made_opens_nothing(person: User) -> None:
    """Who can write into the database alone signs in as nobody."""
    _, theirs = with_passkey(make_person(make_desk(), "viewer"), step=0)
    row = Authenticator.objects.get(type="webauthn")
    Authenticator.objects.filter(pk=row.pk).update(user=person)
    browser = sign_in(person)
    answer = theirs.get(options_of(browser, reverse("mfa_authenticate")))
    browser.post(reverse("mfa_authenticate"), {"credential": json.dumps(answer)})
    alone = Client(**LOCAL)
    passwordless(alone, theirs.get(login_options(alone)))

    assert not opens(browser)
    assert not opens(alone)
    PasskeyUse.objects.all().delete()
    Authenticator.objects.filter(pk=row.pk).update(user=row.user)
    again = Client(**LOCAL)
    passwordless(again, theirs.get(login_options(again)))
    assert not opens(again)


def test_one_passkey_is_one_persons(person: User) -> None:
    _, key = with_passkey(person)
    other = sign_in(make_person(make_desk(), "trader"))
    confirm(other)

    refused = add(other, key)

    assert "on the desk already" in refused.content.decode()
    assert PasskeyUse.objects.count() == 1


def test_a_suspended_person_signs_in_with_no_passkey(person: User) -> None:
    _, key = with_passkey(person)
    User.objects.filter(pk=person.pk).update(is_active=False)
    browser = Client(**LOCAL)

    passwordless(browser, key.get(login_options(browser)))

    assert "_auth_user_id" not in browser.session


JUNK = [
    "", "5", "[]", "{}", "null", "{", '{"id": 1}', '{"id":"AA","rawId":"AA","type":"public-key","response":{}}',
    '{"response": 7}', json.dumps({"id": "A" * 20_000}),
    json.dumps(SoftwareKey().get({"publicKey": {"challenge": "AA", "rpId": "localhost"}})),
    json.dumps(SoftwareKey().get({"publicKey": {"challenge": "AA", "rpId": "localhost"}}, userHandle="!")),
]  # fmt: skip


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_junk_is_refused_in_words_everywhere(person: User, junk: str) -> None:
    browser, _ = with_passkey(person)
    alone, second = Client(**LOCAL), sign_in(person)
    login_options(alone)
    second.get(reverse("mfa_authenticate"))
    browser.get(reverse("passkey_confirm"))

    answers = [
        alone.post(reverse("passkey_sign_in"), {"credential": junk}),
        second.post(reverse("mfa_authenticate"), {"credential": junk}),
        browser.post(reverse("passkey_confirm"), {"credential": junk}),
        browser.post(reverse("passkey_add"), {"credential": junk, "name": "x"}),
    ]

    assert [answer.status_code for answer in answers] == [302, 200, 422, 422]
    assert not opens(alone)
    assert not opens(second)
    assert Authenticator.objects.filter(type="webauthn").count() == 1


def test_an_address_gets_only_so_many_challenges(person: User) -> None:
    answers = [
        Client(**LOCAL).get(reverse("passkey_sign_in"), headers={"Accept": "application/json"}).status_code
        for _ in range(31)
    ]

    assert answers == [200] * 30 + [429]
    assert Session.objects.count() == 30


# --- where they work ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origins", "host"),
    [
        (["http://127.0.0.1:8000", "http://localhost:8000"], "localhost"),
        (["https://desk.example.org"], "desk.example.org"),
        (["http://desk.example.org", "https://10.0.0.7"], ""),
        ([], ""),
    ],
)
def test_the_host_of_passkeys_is_the_first_that_browsers_allow(origins: list[str], host: str) -> None:
    assert passkey_host(origins) == host


def test_pages_say_where_passkeys_work(person: User) -> None:
    browser = Client(HTTP_HOST="127.0.0.1:8000")

    page = browser.get("/accounts/login/").content.decode()
    assert "data-passkey=" not in page
    assert "data-passkey=" in Client(**LOCAL).get("/accounts/login/").content.decode()
    browser.post("/accounts/login/", {"login": person.username, "password": PASSWORD})
    assert f'href="{ORIGIN}"' in browser.get(reverse("mfa_index")).content.decode()


def test_what_an_authenticator_keeps_tells_nobody_who_it_is(person: User) -> None:
    browser = sign_in(person)
    confirm(browser)

    public = options_of(browser, reverse("passkey_add"))["publicKey"]

    assert public["rp"] == {"id": "localhost", "name": "Kalshi Desk"}
    assert len(public["user"]["id"]) == 43, "32 bytes of an HMAC"
    assert SignIn.objects.filter(user=person).count() == 1


def test_the_last_factor_of_somebody_who_must_have_one_stays(person: User) -> None:
    browser, _ = with_passkey(person)
    desk = Membership.objects.get(user=person).desk
    factor_policy.policy_set(None, desk, wanted="everybody", passkeys=True)
    passkey = Authenticator.objects.get(user=person, type="webauthn")
    url = reverse("passkey_remove", args=[passkey.pk])

    refused = browser.post(url)

    assert refused.status_code == 422
    assert "Add another one first" in refused.content.decode()
    assert add(browser, SoftwareKey(), name="Second").status_code == 302
    assert browser.post(url).status_code == 302
