"""Trading keys wait for a second person where the desk wants that: added, replaced by a wider one, revoked."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from apps.accounts.four_eyes import change_approve, change_decline, changes_expire, seen_hash
from apps.accounts.four_eyes_kinds import policy_set
from apps.accounts.models import ChangeRequest, Desk, ExchangeAccount
from apps.core.errors import DeskError
from apps.core.permissions import Actor
from apps.core.timestamps import utc_now
from apps.vault.errors import KeyMissing
from apps.vault.models import ApiKey
from apps.vault.opening import signer_for, signer_for_key
from apps.vault.services import NewKey, key_add, key_id_set, key_revoke, key_test_request
from tests.support.people import actor_of, client_of, key_pem, make_person

pytestmark = pytest.mark.django_db
Status = ApiKey.Status
State = ChangeRequest.State


@pytest.fixture
def keeper(desk: Desk) -> Any:
    return make_person(desk, "vault-admin")


@pytest.fixture
def lead(desk: Desk) -> Actor:
    lead = actor_of(make_person(desk, "lead"))
    policy_set(lead, ["keys"])
    return lead


def add(keeper: Any, account: ExchangeAccount, number: int = 0, **over: Any) -> ApiKey:
    values: dict[str, Any] = {
        "label": f"Key {number}",
        "purpose": "rest_trade",
        "scopes": ("read", "write"),
        "key_id": f"key-{number}",
        "secret": key_pem(number).encode(),
    }
    return key_add(actor_of(keeper), NewKey(account_id=account.pk, **values | over))


def approve(by: Actor) -> ChangeRequest:
    row = ChangeRequest.objects.latest("pk")
    return change_approve(by, row.pk, hash_seen=seen_hash(row))


def test_a_new_trading_key_signs_nothing_until_a_second_person_says_yes(
    keeper: Any, lead: Actor, account: ExchangeAccount
) -> None:
    row = add(keeper, account)

    assert row.is_waiting
    with pytest.raises(KeyMissing):
        signer_for(account.pk, write=True)
    with pytest.raises(KeyMissing):
        signer_for_key(row.pk)
    for act in (
        lambda: key_id_set(actor_of(keeper), row.pk, key_id="x"),
        lambda: key_test_request(actor_of(keeper), row.pk),
    ):
        with pytest.raises(DeskError):
            act()
    page = client_of(keeper).get(reverse("vault")).content.decode()
    assert "Waits for a second person" in page

    assert approve(lead).state == State.USED

    row.refresh_from_db()
    assert (row.status, row.is_waiting) == (Status.UNTESTED, False)
    assert signer_for(account.pk, write=True).key_id == "key-0"


def test_a_key_that_only_reads_does_not_wait(keeper: Any, lead: Actor, account: ExchangeAccount) -> None:
    row = add(keeper, account, purpose="rest_read", scopes=("read",))
    assert row.status == Status.UNTESTED

    assert key_revoke(actor_of(keeper), row.pk).status == Status.REVOKED
    assert not ChangeRequest.objects.exists()


def test_a_wider_key_takes_over_when_it_is_approved(keeper: Any, lead: Actor, account: ExchangeAccount) -> None:
    narrow = add(keeper, account, purpose="fix_nr", scopes=("read",))
    wide = add(keeper, account, 1, purpose="fix_nr", replaces=narrow.pk)
    narrow.refresh_from_db()
    assert (narrow.status, wide.status) == (Status.UNTESTED, Status.REVOKED)

    approve(lead)

    narrow.refresh_from_db()
    wide.refresh_from_db()
    assert (narrow.status, wide.status) == (Status.REVOKED, Status.UNTESTED)


@pytest.mark.parametrize("how", ["declined", "expired", "rotated", "taken", "edited"])
def test_what_is_not_approved_leaves_no_secret(keeper: Any, lead: Actor, account: ExchangeAccount, how: str) -> None:
    row = add(keeper, account)
    request = ChangeRequest.objects.get()
    if how == "declined":
        change_decline(lead, request.pk)
    elif how == "expired":
        ChangeRequest.objects.update(expires_at=utc_now() - timedelta(seconds=1))
        changes_expire()
    else:
        if how == "rotated":
            ApiKey.objects.update(sealing_key_id="an older one")
        elif how == "taken":
            policy_row = request.desk.policy
            policy_row.four_eyes = []
            policy_row.save()
            add(keeper, account, 1)
        else:
            ApiKey.objects.update(key_id="another")
        assert approve(lead).state == State.FAILED

    row.refresh_from_db()
    assert (row.status, bytes(row.sealed)) == (Status.REVOKED, b"")
    with pytest.raises(KeyMissing):
        signer_for_key(row.pk)


def test_revoking_a_trading_key_waits_and_it_signs_until_then(
    keeper: Any, lead: Actor, account: ExchangeAccount
) -> None:
    row = add(keeper, account)
    approve(lead)
    browser = client_of(keeper)

    browser.post(reverse("vault_key_revoke", args=[row.pk]))

    row.refresh_from_db()
    assert row.status == Status.UNTESTED
    assert approve(lead).state == State.USED
    row.refresh_from_db()
    assert row.status == Status.REVOKED
    with pytest.raises(KeyMissing):
        signer_for(account.pk, write=True)


def test_without_the_setting_nothing_waits(keeper: Any, account: ExchangeAccount) -> None:
    row = add(keeper, account)
    assert row.status == Status.UNTESTED
    assert key_revoke(actor_of(keeper), row.pk).status == Status.REVOKED
