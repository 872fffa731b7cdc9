"""Sealing, opening, and everything that must not open."""

import base64
import copy
import dataclasses
import pickle
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.core.management import CommandError, call_command
from django.db import connection

from apps.accounts.models import ExchangeAccount
from apps.audit.models import AuditEntry
from apps.vault import crypto, keyfiles, opening
from apps.vault.crypto import SealContext, seal, sealing_key_id, unseal
from apps.vault.errors import KeyMissing, KeyUnreadable, ScopeRefused, VaultClosed
from apps.vault.models import ApiKey
from apps.vault.opening import KeySigner, forget, signer_for, signer_for_key, uses_flush
from apps.vault.services import key_revoke
from tests.support.people import actor_of, key_pem, make_account, make_desk, make_key, make_person

CONTEXT = SealContext(
    row=1, desk=2, account=3, environment="demo", purpose="rest_trade", key_id="k", fingerprint="f", version=1
)
OTHER = {
    "row": 9, "desk": 9, "account": 9, "environment": "production", "purpose": "rest_read", "key_id": "x",
    "fingerprint": "g", "version": 2,
}  # fmt: skip


@pytest.fixture
def desk() -> Any:
    return make_desk()


@pytest.fixture
def admin(desk: Any) -> Any:
    return actor_of(make_person(desk, "vault-admin"))


@pytest.fixture
def account(desk: Any) -> ExchangeAccount:
    return make_account(desk)


def test_a_sealed_secret_opens_only_with_its_key() -> None:
    private, stranger = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    sealed = seal(b"secret", public=private.public_key(), context=CONTEXT, may_write=True)
    name = sealing_key_id(private.public_key())

    assert unseal(sealed, private_keys={name: private}, context=CONTEXT) == b"secret"
    assert b"secret" not in sealed
    for keys in ({}, {name: stranger}):
        with pytest.raises(KeyUnreadable):
            unseal(sealed, private_keys=keys, context=CONTEXT)


def test_two_seals_of_the_same_secret_share_nothing_but_the_header() -> None:
    public = X25519PrivateKey.generate().public_key()

    first, second = (seal(b"secret", public=public, context=CONTEXT, may_write=True) for _ in range(2))

    assert first[:22] == second[:22]
    assert first[22:54] != second[22:54]
    assert first[-22:] != second[-22:]


@pytest.mark.parametrize("name", OTHER)
def test_h6_h7_a_seal_does_not_open_anywhere_else(name: str) -> None:
    private = X25519PrivateKey.generate()
    sealed = seal(b"secret", public=private.public_key(), context=CONTEXT, may_write=True)
    moved = dataclasses.replace(CONTEXT, **{name: OTHER[name]})

    with pytest.raises(KeyUnreadable):
        unseal(sealed, private_keys={sealing_key_id(private.public_key()): private}, context=moved)


def test_no_bit_of_a_seal_can_be_changed_unnoticed() -> None:
    private = X25519PrivateKey.generate()
    sealed = seal(b"secret", public=private.public_key(), context=CONTEXT, may_write=False)
    keys = {sealing_key_id(private.public_key()): private}

    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(KeyUnreadable):
            unseal(bytes(changed), private_keys=keys, context=CONTEXT)
    for length in (0, 5, 22, 80, 114, len(sealed) - 1):
        with pytest.raises(KeyUnreadable):
            unseal(sealed[:length], private_keys=keys, context=CONTEXT)


@pytest.mark.django_db
def test_the_signature_is_what_the_exchange_checks(admin: Any, account: ExchangeAccount) -> None:
    row = make_key(admin, account)

    headers = signer_for(account.pk, write=True).headers(
        "post", "/trade-api/v2/portfolio/events/orders?x=1", 1_700_000_000_123
    )

    public = serialization.load_pem_public_key(row.public_key.encode())
    assert headers["KALSHI-ACCESS-KEY"] == row.key_id
    assert headers["KALSHI-ACCESS-TIMESTAMP"] == "1700000000123"
    public.verify(  # type: ignore[union-attr, call-arg]
        base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"]),
        b"1700000000123POST/trade-api/v2/portfolio/events/orders",
        padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32),
        hashes.SHA256(),
    )


@pytest.mark.django_db
def test_h3_a_read_key_signs_no_write(admin: Any, account: ExchangeAccount) -> None:
    make_key(admin, account, purpose="rest_read", scopes=("read",))
    signer = signer_for(account.pk, write=False)

    assert signer.headers("GET", "/trade-api/v2/portfolio/balance", 1)
    for method in ("POST", "put", "DELETE", "PATCH", "ANYTHING"):
        with pytest.raises(ScopeRefused):
            signer.headers(method, "/trade-api/v2/portfolio/orders", 1)
    with pytest.raises(KeyMissing):
        signer_for(account.pk, write=True)


@pytest.mark.django_db
def test_h3_a_row_made_wider_in_the_database_still_signs_no_write(admin: Any, account: ExchangeAccount) -> None:
    row = make_key(admin, account, purpose="fix_nr", scopes=("read",))
    ApiKey.objects.filter(pk=row.pk).update(scopes=["read", "write"])

    with pytest.raises(ScopeRefused):
        signer_for_key(row.pk).headers("POST", "/trade-api/v2/portfolio/events/orders", 1)


@pytest.mark.django_db
def test_a_row_made_narrower_counts_at_once(admin: Any, account: ExchangeAccount) -> None:
    row = make_key(admin, account)
    assert signer_for(account.pk, write=True).headers("POST", "/trade-api/v2/portfolio/events/orders", 1)

    ApiKey.objects.filter(pk=row.pk).update(scopes=["read"])

    with pytest.raises(ScopeRefused):
        signer_for(account.pk, write=True).headers("POST", "/trade-api/v2/portfolio/events/orders", 1)


@pytest.mark.django_db
def test_reads_use_the_read_key_where_there_is_one_and_writes_never(admin: Any, account: ExchangeAccount) -> None:
    trade = make_key(admin, account)
    assert signer_for(account.pk, write=False).row_id == trade.pk

    read = make_key(admin, account, purpose="rest_read", scopes=("read",), secret=key_pem(1).encode())

    assert signer_for(account.pk, write=False).row_id == read.pk
    assert signer_for(account.pk, write=True).row_id == trade.pk
    ApiKey.objects.filter(pk=read.pk).update(status=ApiKey.Status.INVALID)
    assert signer_for(account.pk, write=False).row_id == trade.pk


@pytest.mark.django_db
def test_a_process_without_the_private_half_opens_nothing(admin: Any, account: ExchangeAccount, settings: Any) -> None:
    row = make_key(admin, account)
    settings.VAULT_PRIVATE_KEY_FILE = ""

    for attempt in (lambda: signer_for(account.pk, write=True), lambda: signer_for_key(row.pk)):
        with pytest.raises(VaultClosed, match="DESK_VAULT_PRIVATE_KEY"):
            attempt()
    # Sealing needs the public half only.
    assert make_key(admin, account, purpose="fix_dc", secret=key_pem(1).encode()).sealed


@pytest.mark.django_db
def test_a_revoked_key_stops_signing_and_its_secret_is_gone(admin: Any, account: ExchangeAccount) -> None:
    row = make_key(admin, account)
    signer_for(account.pk, write=True)

    key_revoke(admin, row.pk)

    with pytest.raises(KeyMissing):
        signer_for(account.pk, write=True)
    with pytest.raises(KeyMissing):
        signer_for_key(row.pk)
    assert bytes(ApiKey.objects.get(pk=row.pk).sealed) == b""


@pytest.mark.django_db
def test_opening_is_audited_once_per_process_and_uses_are_counted_in_batches(
    admin: Any, account: ExchangeAccount, django_assert_num_queries: Any
) -> None:
    row = make_key(admin, account)
    signer = signer_for(account.pk, write=True)
    uses_flush()

    with django_assert_num_queries(1):
        assert signer_for(account.pk, write=True) is signer
    with django_assert_num_queries(0):
        for _ in range(5):
            signer.headers("GET", "/trade-api/v2/portfolio/balance", 1)
    with django_assert_num_queries(1):
        uses_flush()
    with django_assert_num_queries(0):
        uses_flush()

    row.refresh_from_db()
    assert row.use_count == 5
    assert row.last_used_at is not None
    assert AuditEntry.objects.filter(action="vault.key.opened", target=f"api_key:{row.pk}").count() == 1


def swap(first: ApiKey, second: ApiKey, *columns: str) -> None:
    """Exchange columns of two rows in SQL, as somebody with the database would."""
    with connection.cursor() as cursor:
        for column in columns:
            cursor.execute(f"SELECT id, {column} FROM vault_apikey WHERE id IN (%s, %s)", [first.pk, second.pk])
            values = dict(cursor.fetchall())
            for row, other in ((first, second), (second, first)):
                cursor.execute(f"UPDATE vault_apikey SET {column} = %s WHERE id = %s", [values[other.pk], row.pk])
    forget()


@pytest.mark.django_db
def test_h6_a_demo_key_does_not_open_on_a_production_account(admin: Any, desk: Any) -> None:
    demo, production = (make_account(desk, environment=name) for name in ("demo", "production"))
    row = make_key(admin, demo)
    make_key(admin, production, secret=key_pem(1).encode())

    ExchangeAccount.objects.filter(pk=demo.pk).update(environment="production")
    forget()

    with pytest.raises(KeyUnreadable):
        signer_for_key(row.pk)


@pytest.mark.django_db
def test_h7_rows_swapped_between_accounts_do_not_open_and_leave_an_alarm(admin: Any, desk: Any) -> None:
    mine, theirs = make_account(desk), make_account(desk)
    first, second = make_key(admin, mine), make_key(admin, theirs, secret=key_pem(1).encode())

    swap(first, second, "sealed", "key_id", "fingerprint", "public_key")

    for row in (first, second):
        with pytest.raises(KeyUnreadable):
            signer_for_key(row.pk)
    assert AuditEntry.objects.filter(action="vault.key.unreadable").count() == 2


@pytest.mark.django_db
def test_h7_an_old_ciphertext_put_back_after_a_rotation_does_not_open(admin: Any, account: ExchangeAccount) -> None:
    row = make_key(admin, account)
    old = ApiKey.sealed_rows.get(pk=row.pk)
    call_command("vault_rotate", verbosity=0, stdout=_Quiet())
    assert signer_for_key(row.pk)

    for columns in ({"sealed": old.sealed}, {"sealed": old.sealed, "version": old.version}):
        ApiKey.objects.filter(pk=row.pk).update(**columns)
        forget()
        with pytest.raises(KeyUnreadable):
            signer_for_key(row.pk)


@pytest.mark.django_db
def test_h7_a_revoked_row_put_back_whole_does_not_open(admin: Any, account: ExchangeAccount) -> None:
    row = make_key(admin, account)
    old = ApiKey.sealed_rows.get(pk=row.pk)
    key_revoke(admin, row.pk)

    ApiKey.objects.filter(pk=row.pk).update(sealed=old.sealed, status=old.status)
    forget()

    with pytest.raises(KeyUnreadable, match="revoked"):
        signer_for(account.pk, write=True)


def test_a_signer_shows_and_gives_away_nothing() -> None:
    pem = key_pem(1)
    signer = KeySigner.from_pem(key_id="id", pem=pem, scopes=["read"])

    assert pem.splitlines()[2] not in repr(signer) + str(signer)
    assert not hasattr(signer, "__dict__")
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="stays in the process"):
            attempt(signer)


def test_the_private_file_is_for_its_owner_only_and_setting_up_twice_changes_nothing(private_file: Path) -> None:
    before = private_file.read_bytes()
    assert private_file.stat().st_mode & 0o777 == 0o600

    keyfiles.public_path().unlink()
    call_command("vault_init", stdout=_Quiet())

    assert private_file.read_bytes() == before
    assert crypto.sealing_key_id(keyfiles.public_key_load()) == next(iter(keyfiles.private_keys_load()))


@pytest.mark.django_db
def test_setting_up_refuses_to_orphan_sealed_keys(admin: Any, account: ExchangeAccount, private_file: Path) -> None:
    make_key(admin, account)
    private_file.unlink()

    with pytest.raises(CommandError, match="Restore the file"):
        call_command("vault_init", stdout=_Quiet())
    with pytest.raises(VaultClosed, match="missing"):
        opening.signer_for(account.pk, write=True)


class _Quiet:
    def write(self, text: str) -> None:
        pass
