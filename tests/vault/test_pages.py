"""Settings > Vault as people meet it."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Desk, ExchangeAccount, Notice
from apps.audit.models import AuditEntry
from apps.core import ports
from apps.vault.models import ApiKey
from apps.vault.opening import signer_for, signer_for_key
from apps.vault.pem import private_key_read
from tests.support.people import actor_of, client_of, key_pem, make_account, make_desk, make_key, make_person

pytestmark = pytest.mark.django_db
KEY_ID = "952f88c4-8cb4-4bb9-a1e7-9a3f0f0f7a11"


@pytest.fixture
def admin(desk: Desk) -> Any:
    return make_person(desk, "vault-admin")


@pytest.fixture
def browser(admin: Any) -> Client:
    return client_of(admin)


def entry(account: ExchangeAccount, **over: Any) -> dict[str, Any]:
    """The import form as a person fills it in; override what matters."""
    return {
        "account": account.pk,
        "label": "Main trading",
        "purpose": "rest_trade",
        "scopes": "read_write",
        "key_id": KEY_ID,
        "pem": key_pem(),
    } | over


def add(browser: Client, data: dict[str, Any], *, url: str = "vault_key_import", query: str = "") -> Any:
    return browser.post(reverse(url) + query, {name: value for name, value in data.items() if value is not None})


def test_a_pasted_key_is_sealed_listed_and_signs(browser: Client, account: ExchangeAccount) -> None:
    answer = add(browser, entry(account))

    row = ApiKey.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == reverse("vault_key", args=[row.pk])
    listing = browser.get(reverse("vault")).content.decode()
    for words in ("Main trading", "Main book", "read + write", row.fingerprint[:12], "Not tested yet", "PAPER"):
        assert words in listing
    assert row.fingerprint == private_key_read(key_pem().encode()).fingerprint
    assert (
        signer_for(account.pk, write=True).headers("POST", "/trade-api/v2/portfolio/events/orders", 1)[
            "KALSHI-ACCESS-KEY"
        ]
        == KEY_ID
    )
    imported = AuditEntry.objects.get(action="vault.key.imported")
    assert imported.data["fingerprint"] == row.fingerprint
    assert imported.environment == "paper"


def test_an_uploaded_key_is_taken_too(browser: Client, account: ExchangeAccount) -> None:
    file = SimpleUploadedFile("kalshi.key", key_pem(1, pkcs1=True).encode())

    answer = add(browser, entry(account, pem="", pem_file=file))

    assert answer.status_code == 302
    assert ApiKey.objects.get().key_size == 2048


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pem": "hello"}, "There is no private key here"),
        ({"pem": "x" * 20_000}, "larger than 16 kB"),
        ({"pem": ""}, "one of the two"),
        ({"pem_file": SimpleUploadedFile("a.pem", b"x")}, "one of the two"),
        ({"pem": "", "pem_file": SimpleUploadedFile("a.pem", b"x" * 20_000)}, "larger than 16 kB"),
        ({"pem": "", "pem_file": SimpleUploadedFile("a.pem", b"\xff\x00\xfe")}, "There is no private key here"),
        ({"key_id": "a b\nc"}, "Copy the key id exactly"),
        ({"key_id": ""}, "required"),
        ({"label": ""}, "required"),
        ({"scopes": "read"}, "A trading key needs the write scope"),
        ({"purpose": "rest_read"}, "gets the read scope"),
        ({"purpose": "everything"}, "valid choice"),
        ({"account": 999_999}, "valid choice"),
    ],
)
def test_a_refused_key_keeps_the_form_as_typed_and_never_the_secret(
    browser: Client, account: ExchangeAccount, change: dict[str, Any], words: str
) -> None:
    data = entry(account, label="Typed by hand") | change

    answer = add(browser, data)

    page = answer.content.decode()
    assert answer.status_code == 422
    assert words in page
    assert not ApiKey.objects.exists()
    assert "PRIVATE KEY-----\n" not in page.replace("\r", "")
    assert key_pem().splitlines()[2] not in page
    if change.get("label") != "":
        assert 'value="Typed by hand"' in page
    if "key_id" not in change:
        assert f'value="{KEY_ID}"' in page


def test_h10_the_same_key_twice_is_explained(browser: Client, account: ExchangeAccount, desk: Desk) -> None:
    add(browser, entry(account))

    answer = add(browser, entry(make_account(desk), label="Again"))

    assert answer.status_code == 422
    assert "already in the vault, as “Main trading” of Main book" in answer.content.decode()
    assert ApiKey.objects.count() == 1


def test_a_second_live_key_for_a_purpose_is_refused_but_may_replace(browser: Client, account: ExchangeAccount) -> None:
    add(browser, entry(account))
    old = ApiKey.objects.get()
    second = entry(account, label="Second", pem=key_pem(1), key_id="second")
    assert "has a live key for" in add(browser, second).content.decode()

    answer = add(browser, second, query=f"?replaces={old.pk}")

    assert answer.status_code == 302
    old.refresh_from_db()
    assert old.status == ApiKey.Status.REVOKED
    assert signer_for(account.pk, write=True).key_id == "second"


def test_a_replacement_that_is_refused_leaves_the_old_key_live(browser: Client, account: ExchangeAccount) -> None:
    add(browser, entry(account))
    old = ApiKey.objects.get()

    answer = add(browser, entry(account, pem="broken", key_id="second"), query=f"?replaces={old.pk}")

    assert answer.status_code == 422
    old.refresh_from_db()
    assert old.status == ApiKey.Status.UNTESTED
    assert signer_for(account.pk, write=True)


def test_a_generated_pair_shows_its_public_half_and_signs_once_it_has_an_id(
    browser: Client, account: ExchangeAccount
) -> None:
    add(browser, entry(account, pem=None, key_id=None), url="vault_key_generate")

    row = ApiKey.objects.get()
    page = browser.get(reverse("vault_key", args=[row.pk])).content.decode()
    assert "-----BEGIN PUBLIC KEY-----" in page
    assert "PRIVATE" not in page
    assert "Waiting for its key id" in browser.get(reverse("vault")).content.decode()
    with pytest.raises(Exception, match="no key id yet"):
        signer_for_key(row.pk)

    assert browser.post(reverse("vault_key_name", args=[row.pk]), {"key_id": "bad id"}).status_code == 422
    assert browser.post(reverse("vault_key_name", args=[row.pk]), {"key_id": KEY_ID}).status_code == 302
    assert browser.post(reverse("vault_key_name", args=[row.pk]), {"key_id": "other"}).status_code == 422

    assert (
        signer_for(account.pk, write=True).headers("POST", "/trade-api/v2/portfolio/events/orders", 1)[
            "KALSHI-ACCESS-KEY"
        ]
        == KEY_ID
    )


def test_a_test_is_queued_after_the_commit_and_the_fragment_polls_until_it_is_done(
    browser: Client, account: ExchangeAccount, monkeypatch: Any, django_capture_on_commit_callbacks: Any
) -> None:
    add(browser, entry(account))
    row = ApiKey.objects.get()
    asked: list[tuple[int, bool]] = []
    monkeypatch.setattr(
        ports, "key_test_enqueue", [lambda pk: asked.append((pk, transaction.get_connection().in_atomic_block))]
    )

    with django_capture_on_commit_callbacks(execute=True):
        answer = browser.post(reverse("vault_key_test", args=[row.pk]), headers={"HX-Request": "true"})

    assert [pk for pk, _ in asked] == [row.pk]
    polling = re.search(r'hx-get="([^"]+)"', answer.content.decode())
    assert polling
    assert "hx-get" in browser.get(polling[1]).content.decode()
    result = {"tier": "basic", "clock_offset_ms": 12, "error": "", "read": {"rate": 200, "capacity": 200}}
    ApiKey.objects.filter(pk=row.pk).update(status="valid", tested_at=timezone.now(), test_result=result)
    done = browser.get(polling[1]).content.decode()
    assert "hx-get" not in done
    assert "Works" in done
    assert "12 ms" in done
    without_js = browser.post(reverse("vault_key_test", args=[row.pk]))
    assert without_js.status_code == 302


def test_a_revoked_key_is_asked_about_first_and_stays_revoked(browser: Client, account: ExchangeAccount) -> None:
    add(browser, entry(account))
    row = ApiKey.objects.get()
    url = reverse("vault_key_revoke", args=[row.pk])

    assert "Orders that rest at the exchange stay there" in browser.get(url).content.decode()
    assert ApiKey.objects.get().status == ApiKey.Status.UNTESTED
    assert browser.post(url).status_code == 302

    assert ApiKey.objects.get().status == ApiKey.Status.REVOKED
    browser.post(url)
    assert AuditEntry.objects.filter(action="vault.key.revoked").count() == 1
    assert "revoked already" in browser.get(reverse("vault_key", args=[row.pk])).content.decode()


def test_an_account_is_added_and_a_taken_name_or_a_closed_environment_is_explained(
    browser: Client, desk: Desk, settings: Any
) -> None:
    url = reverse("vault_account_add")
    assert browser.post(url, {"environment": "demo", "name": "Hedge"}).status_code == 302
    again = browser.post(url, {"environment": "demo", "name": "Hedge"})
    assert again.status_code == 422
    assert "Choose another name" in again.content.decode()

    settings.EXCHANGE_ENVIRONMENTS = ["paper"]

    assert browser.post(url, {"environment": "production", "name": "Real"}).status_code == 422
    assert list(ExchangeAccount.objects.values_list("name", "environment")) == [("Hedge", "demo")]


def test_an_auditor_sees_the_vault_and_touches_nothing(desk: Desk, admin: Any, account: ExchangeAccount) -> None:
    row = make_key(actor_of(admin), account)
    auditor = client_of(make_person(desk, "auditor"))

    page = auditor.get(reverse("vault")).content.decode()

    assert row.label in page
    assert "Add a key" not in page
    for name, args in (
        ("vault_key_revoke", [row.pk]),
        ("vault_key_test", [row.pk]),
        ("vault_key_import", []),
        ("vault_account_add", []),
    ):
        assert auditor.post(reverse(name, args=args)).status_code == 403


def test_keys_and_accounts_of_another_desk_do_not_exist_here(browser: Client, account: ExchangeAccount) -> None:
    other = make_desk()
    theirs = make_account(other)
    row = make_key(actor_of(make_person(other, "vault-admin")), theirs)

    for name in ("vault_key", "vault_key_test_state", "vault_key_revoke"):
        assert browser.get(reverse(name, args=[row.pk])).status_code == 404
    for name in ("vault_key_test", "vault_key_name", "vault_key_revoke"):
        assert browser.post(reverse(name, args=[row.pk]), {"key_id": "x"}).status_code == 404
    assert browser.get(reverse("vault_key_import") + f"?replaces={row.pk}").status_code == 404
    assert add(browser, entry(theirs)).status_code == 422
    assert row.label not in browser.get(reverse("vault")).content.decode()
    assert ApiKey.objects.get().status == ApiKey.Status.UNTESTED


def test_a_vault_that_was_never_set_up_says_so_and_keeps_nothing(
    browser: Client, account: ExchangeAccount, settings: Any, tmp_path: Path
) -> None:
    settings.VAULT_PUBLIC_KEY_FILE = tmp_path / "nowhere.pem"

    answer = add(browser, entry(account))

    assert answer.status_code == 422
    assert "vault_init" in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_everybody_who_sees_the_vault_is_told_of_a_key_but_who_did_it(
    browser: Client, account: ExchangeAccount, admin: Any, desk: Desk
) -> None:
    told = {make_person(desk, role).pk for role in ("admin", "auditor", "vault-admin")}
    make_person(desk, "trader")
    add(browser, entry(account))
    browser.post(reverse("vault_key_revoke", args=[ApiKey.objects.get().pk]))

    for words in ("was added", "was revoked"):
        notices = Notice.objects.filter(kind="key.changed", text__endswith=f"{words}.")
        assert set(notices.values_list("user_id", flat=True)) == told
        assert all("Main trading" in notice.text and "PRIVATE" not in notice.text for notice in notices)


@pytest.mark.parametrize("name", ["vault_key_import", "vault_key_generate", "vault_account_add"])
def test_the_vault_asks_again_who_is_there(name: str, admin: Any, account: ExchangeAccount) -> None:
    browser = client_of(admin, is_fresh=False)

    answer = browser.post(reverse(name), entry(account))

    assert answer["Location"].startswith(reverse("account_reauthenticate"))
    assert not ApiKey.objects.exists()
    assert key_pem()[40:80] not in str(dict(browser.session)), "what was posted is kept nowhere"
