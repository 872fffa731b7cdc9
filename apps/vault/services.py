"""Adding, naming, testing and revoking keys. This side can seal; it can never open."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction
from django.views.decorators.debug import sensitive_variables

from apps.accounts.access import account_get
from apps.accounts.models import ChangeRequest, ExchangeAccount
from apps.accounts.notices import notify_holders
from apps.audit.services import record
from apps.core import ports
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Actor, Permission
from apps.vault import pem, sealing
from apps.vault.approval import add_ask, add_waits, revoke_gate
from apps.vault.errors import KeyRefused
from apps.vault.models import ApiKey
from apps.vault.selectors import key_get, twin_of
from apps.vault.signing import READ, WRITE

# Changes that everybody who sees the vault is told of.
_TOLD = {
    "vault.key.imported": "was added",
    "vault.key.offered": "waits for a second person",
    "vault.key.activated": "was added",
    "vault.key.generated": "was made here",
    "vault.key.named": "got its key id",
    "vault.key.revoked": "was revoked",
}


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a person says about a key. `secret` is the pasted file; None asks for a new pair.

    replaces: row id of the live key that this one takes over from; it is revoked in the same step.
    """

    account_id: int
    label: str
    purpose: str
    scopes: tuple[str, ...]
    key_id: str = ""
    secret: bytes | None = field(default=None, repr=False)
    replaces: int | None = None


@sensitive_variables()
def key_add(actor: Actor, new: NewKey) -> ApiKey:
    """Seal one key, given or made here, and record it; its private half exists nowhere after that.

    Returns:
        The row. Without a `key_id` (a pair made here) it signs nothing until `key_id_set`.

    Raises:
        NotAllowed, NotFound: not the actor's to do, or not their desk's account.
        KeyRefused: malformed, weak, already here, or the purpose is taken. Nothing was stored.
    """
    _may_manage(actor)
    account = account_get(actor, new.account_id)
    _shape_check(new)
    # Before the transaction: this takes 40 ms to seconds, and SQLite has one writer.
    key = pem.private_key_generate() if new.secret is None else pem.private_key_read(new.secret)
    waits = add_waits(actor.desk_id, scopes=new.scopes)
    try:
        with transaction.atomic():
            row = _store(actor, new, account=account, key=key, waits=waits)
            if waits:
                add_ask(actor, row, replaces=new.replaces)
            return row
    except IntegrityError:
        # Two people added one at the same moment.
        raise _purpose_taken(new.purpose) from None


@sensitive_variables()
def _store(actor: Actor, new: NewKey, *, account: ExchangeAccount, key: pem.PrivateKey, waits: bool) -> ApiKey:
    if new.replaces is not None:
        old = key_get(actor, new.replaces)
        if old.account_id != account.pk or old.purpose != new.purpose:
            raise KeyRefused("replaces_other", "The new key must have the account and purpose of the one it replaces.")
        if not waits:
            _revoke(actor, old)
    twin = twin_of(actor.desk_id, key.fingerprint)
    if twin is not None:
        text = f"This key is already in the vault, as “{twin.label}” of {twin.account}. Use one key per purpose."
        raise KeyRefused("key_duplicate", text, fields={"pem": text})
    live = ApiKey.objects.filter(account=account, purpose=new.purpose).exclude(status=ApiKey.Status.REVOKED)
    if waits and new.replaces is not None:  # revoked when the new one is approved
        live = live.exclude(pk=new.replaces)
    if live.exists():
        raise _purpose_taken(new.purpose)
    row = ApiKey.objects.create(
        account=account,
        label=new.label,
        purpose=new.purpose,
        key_id=new.key_id,
        scopes=sorted(new.scopes),
        fingerprint=key.fingerprint,
        public_key=key.public_pem,
        key_size=key.bits,
        sealed=b"",
        sealing_key_id="",
        status=ApiKey.Status.REVOKED if waits else ApiKey.Status.UNTESTED,
        created_by_id=actor.user_id,
    )
    sealing.row_seal(row, pem.to_der(key.private_key), may_write=WRITE in new.scopes)
    added = "vault.key.generated" if new.secret is None else "vault.key.imported"
    facts = {"label": row.label, "key_id": row.key_id, "scopes": row.scopes, "bits": row.key_size}
    facts |= {"fingerprint": row.fingerprint, "replaces": new.replaces}
    _audit(actor, "vault.key.offered" if waits else added, row, facts)
    return row


def key_id_set(actor: Actor, key_row_id: int, *, key_id: str) -> ApiKey:
    """Name a pair made in the desk as the exchange names it. Once: another id is another key."""
    _may_manage(actor)
    row = key_get(actor, key_row_id)
    named = _key_id_check(key_id)
    with transaction.atomic():
        changed = (
            ApiKey.objects.filter(pk=row.pk, key_id="")
            .exclude(status=ApiKey.Status.REVOKED)
            .update(key_id=named, status=ApiKey.Status.UNTESTED)
        )
        if not changed:
            raise KeyRefused("key_id_known", "This key has its id already, or is revoked. Add a new key instead.")
        row.key_id = named
        _audit(actor, "vault.key.named", row, {"key_id": named})
    return row


def key_activate(actor: Actor, row: ApiKey, *, replaces: int | None) -> ApiKey:
    """Make a key live that waited for a second person, in that person's transaction. Raises KeyRefused."""
    _may_manage(actor)
    if replaces is not None:
        old = key_get(actor, replaces)
        if old.status != ApiKey.Status.REVOKED:
            _revoke(actor, old)
    if twin_of(actor.desk_id, row.fingerprint) is not None:
        raise KeyRefused("key_duplicate", "This key is in the vault already. Use one key per purpose.")
    live = ApiKey.objects.filter(account=row.account, purpose=row.purpose).exclude(status=ApiKey.Status.REVOKED)
    if live.exists():
        raise _purpose_taken(row.purpose)
    row.status = ApiKey.Status.UNTESTED
    row.save(update_fields=["status"])
    _audit(actor, "vault.key.activated", row, {"label": row.label, "fingerprint": row.fingerprint})
    return row


def key_revoke(actor: Actor, key_row_id: int, *, approval: ChangeRequest | None = None) -> ApiKey:
    """Stop using a key on this desk, for good, and forget its secret. It stays valid at the exchange
    until it is deleted there.

    Raises NotAllowed, NotFound, KeyRefused; ApprovalNeeded where the desk wants four eyes on trading keys.
    """
    _may_manage(actor)
    row = key_get(actor, key_row_id)
    revoke_gate(actor, row, approval=approval)
    return _revoke(actor, row)


def _revoke(actor: Actor, row: ApiKey) -> ApiKey:
    with transaction.atomic():
        changed = (
            ApiKey.objects.filter(pk=row.pk)
            .exclude(status=ApiKey.Status.REVOKED)
            # The envelope goes too: what is not there cannot leak. Rotation passes over it.
            .update(status=ApiKey.Status.REVOKED, sealed=b"")
        )
        if not changed:
            raise KeyRefused("key_revoked", "This key is revoked already.")
        row.status = ApiKey.Status.REVOKED
        _audit(actor, "vault.key.revoked", row, {"label": row.label, "fingerprint": row.fingerprint})
    return row


def key_test_request(actor: Actor, key_row_id: int) -> ApiKey:
    """Ask the worker to try a key at the exchange; `apps.exchange` stores the answer in the row."""
    _may_manage(actor)
    row = key_get(actor, key_row_id)
    if row.status == ApiKey.Status.REVOKED:
        raise KeyRefused("key_revoked", "This key is revoked; a revoked key is not tested.")
    if not row.key_id:
        raise KeyRefused("key_unnamed", "Enter the key id that the exchange gave you first.")
    if not ports.key_test_enqueue:
        raise DeskError("test_unavailable", "This installation cannot test keys: no exchange client is installed.")
    with transaction.atomic():
        _audit(actor, "vault.key.test_requested", row, {})
        transaction.on_commit(lambda: ports.key_test_enqueue[0](row.pk))
    return row


def _may_manage(actor: Actor) -> None:
    if not actor.may(Permission.VAULT_MANAGE):
        raise NotAllowed


def _shape_check(new: NewKey) -> None:
    if new.purpose not in ApiKey.Purpose.values:
        raise KeyRefused("purpose_unknown", "Choose a purpose from the list.", fields={"purpose": "Choose one."})
    if set(new.scopes) not in ({READ}, {READ, WRITE}):
        text = "A key may read, or read and write: the exchange has no key that only writes."
        raise KeyRefused("scopes", text, fields={"scopes": text})
    if new.purpose == ApiKey.Purpose.REST_READ and WRITE in new.scopes:
        text = "A key for reading only gets the read scope. Choose “read”, or the trading purpose."
        raise KeyRefused("scopes", text, fields={"scopes": text})
    if new.purpose == ApiKey.Purpose.REST_TRADE and WRITE not in new.scopes:
        text = "A trading key needs the write scope. Choose “read and write”, or the reading purpose."
        raise KeyRefused("scopes", text, fields={"scopes": text})
    if new.secret is not None:
        _key_id_check(new.key_id)


def _key_id_check(key_id: str) -> str:
    named = key_id.strip()
    # It becomes a header: what the exchange gives is a UUID, and no letter beyond these is safe there.
    if not named or len(named) > 80 or not all(c.isascii() and (c.isalnum() or c in "-_.:") for c in named):
        text = "Copy the key id exactly as the exchange shows it; it looks like 952f88c4-8cb4-4bb9-a1e7-9a3f0f0f7a11."
        raise KeyRefused("key_id", text, fields={"key_id": text})
    return named


def _purpose_taken(purpose: str) -> KeyRefused:
    text = f"This account has a live key for “{ApiKey.Purpose(purpose).label}”. Replace that key, or revoke it first."
    return KeyRefused("purpose_taken", text, fields={"purpose": text})


def _audit(actor: Actor, action: str, row: ApiKey, data: Mapping[str, Any]) -> None:
    record(
        action,
        actor_id=actor.user_id,
        desk_id=actor.desk_id,
        environment=row.account.environment,
        target=f"api_key:{row.pk}",
        data={"account": row.account_id, "purpose": row.purpose, **data},
    )
    if action in _TOLD:
        text = f"Key “{row.label}” of {row.account.name} ({row.account.environment}) {_TOLD[action]}."
        notify_holders(actor.desk_id, Permission.VAULT_VIEW, "key.changed", text, but=actor.user_id)
