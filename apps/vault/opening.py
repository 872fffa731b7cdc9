"""The only code that opens keys: in the signer's process, or where there is none, in the worker and the gateway."""

import logging
import threading
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from django.conf import settings
from django.db import transaction
from django.db.models import F, Manager
from django.views.decorators.debug import sensitive_variables

from apps.audit.models import AuditEntry
from apps.audit.services import record
from apps.core.durability import reaches_disk_later
from apps.vault import keyfiles, pem, sealing
from apps.vault.allowed import LOGONS
from apps.vault.errors import KeyMissing, KeyUnreadable, ScopeRefused, VaultClosed
from apps.vault.models import ApiKey
from apps.vault.signer import remote
from apps.vault.signer.remote import RemoteSigner
from apps.vault.signing import READ, WRITE, KeySigner

__all__ = [
    "KeyMissing",
    "KeySigner",
    "KeyUnreadable",
    "ScopeRefused",
    "VaultClosed",
    "signer_for",
    "signer_for_key",
    "uses_flush",
]

logger = logging.getLogger(__name__)

USES_EVERY = 10.0  # seconds between two writes of use counts
_lock = threading.Lock()
_open: dict[int, tuple[tuple[object, ...], KeySigner]] = {}
_named: dict[int, tuple[tuple[object, ...], RemoteSigner]] = {}
_flushed_at = 0.0


def signer_for(account_id: int, *, write: bool) -> KeySigner | RemoteSigner:
    """Return the signer of an account's live key; the same object while the row is unchanged.

    For reads: its read key, else its trading key. For writes: its trading key.
    One query; the first use per process opens the key (40 ms) and leaves an audit entry.

    Raises:
        VaultClosed: this process has no private half, and no signer's process to ask.
        SignerAway: that one does not answer.
        KeyMissing: no live key serves this.
        KeyUnreadable: the row was altered, moved or restored.
    """
    _may_sign()
    purposes = [ApiKey.Purpose.REST_TRADE] if write else [ApiKey.Purpose.REST_READ, ApiKey.Purpose.REST_TRADE]
    rows = (
        _rows()
        .filter(account_id=account_id, account__is_active=True, purpose__in=purposes)
        .exclude(status__in=[ApiKey.Status.REVOKED, ApiKey.Status.INVALID])
        .exclude(key_id="")
        .select_related("account")
    )
    found = {row.purpose: row for row in rows}
    row = next((found[purpose] for purpose in purposes if purpose in found), None)
    if row is None:
        what = "trade" if write else "read"
        raise KeyMissing(
            f"Account {account_id} has no working key to {what} with. "
            "Add one, or test the one there, in Settings > Vault."
        )
    return _signer(row)


def signer_for_key(key_row_id: int) -> KeySigner | RemoteSigner:
    """Return the signer of one row that is not revoked, whatever its last test said; for testing keys.

    Raises: as `signer_for`.
    """
    _may_sign()
    row = _rows().select_related("account").filter(pk=key_row_id).exclude(status=ApiKey.Status.REVOKED).first()
    if row is None:
        raise KeyMissing(f"Key {key_row_id} does not exist or is revoked.")
    if not row.key_id:
        raise KeyMissing("This key has no key id yet. Upload its public half at the exchange and enter the id you get.")
    return _signer(row)


def uses_flush() -> None:
    """Write the uses counted in this process: one UPDATE per key that was used."""
    global _flushed_at
    with _lock:
        signers = [signer for _, signer in _open.values()]
        _flushed_at = time.monotonic()
    for signer in signers:
        _uses_write(signer)


def uses_flush_when_due() -> None:
    if time.monotonic() - _flushed_at >= USES_EVERY:
        uses_flush()


def _may_sign() -> None:
    """Raises VaultClosed."""
    if not settings.SIGNER_SOCKET:
        keyfiles.private_path()


def _rows() -> "Manager[ApiKey]":
    """With their envelopes only where this process opens them itself."""
    return ApiKey.objects if settings.SIGNER_SOCKET else ApiKey.sealed_rows


def _signer(row: ApiKey) -> KeySigner | RemoteSigner:
    if not settings.SIGNER_SOCKET:
        return signer_open(row)
    sealed_as = _named_as(row)
    with _lock:
        known = _named.get(row.pk)
    if known is not None and known[0] == sealed_as:
        return known[1]
    signer = remote.signer_of(row)
    with _lock:
        _named[row.pk] = (sealed_as, signer)
    return signer


def _named_as(row: ApiKey) -> tuple[object, ...]:
    """What a row is known by where its envelope is not read: each new envelope has a version of its own."""
    return (row.version, row.key_id, row.purpose, tuple(row.scopes), row.account_id, row.sealing_key_id)


def _sealed_as(row: ApiKey) -> tuple[object, ...]:
    return (*_named_as(row), bytes(row.sealed))


def signer_open(row: ApiKey) -> KeySigner:
    """Open a row in this process; the same object while the row is unchanged. Raises VaultClosed, KeyUnreadable."""
    sealed_as = _sealed_as(row)
    with _lock:
        known = _open.get(row.pk)
    if known is None or known[0] != sealed_as:
        signer = _unseal(row)
        with _lock:
            previous = _open.get(row.pk)
            _open[row.pk] = (sealed_as, signer)
        if previous is not None:
            # Uses of the signer that is being replaced would be forgotten with it.
            _uses_write(previous[1])
    else:
        signer = known[1]
    uses_flush_when_due()
    return signer


@reaches_disk_later()
def _uses_write(signer: KeySigner) -> None:
    count, used_at = signer.uses_take()
    if count and signer.row_id is not None:
        ApiKey.objects.filter(pk=signer.row_id).update(use_count=F("use_count") + count, last_used_at=used_at)


@sensitive_variables()
def _unseal(row: ApiKey) -> KeySigner:
    try:
        _still_live(row)
        secret, may_write = sealing.row_unseal(row)
        private_key = serialization.load_der_private_key(secret, password=None)
        if not isinstance(private_key, RSAPrivateKey) or pem.describe(private_key).fingerprint != row.fingerprint:
            raise KeyUnreadable("What this row opens to is not the key it names. Revoke it and add the key again.")
    except KeyUnreadable as exc:
        logger.error("vault: key row %s of account %s does not open: %s", row.pk, row.account_id, exc.text)
        _audit(row, "vault.key.unreadable")
        raise
    allowed = {READ, WRITE} if may_write and row.purpose != ApiKey.Purpose.REST_READ else {READ}
    # The row may say less than was sealed (the exchange narrowed the key), never more.
    scopes = allowed & set(row.scopes)
    _audit(row, "vault.key.opened")
    return KeySigner(
        private_key,
        key_id=row.key_id,
        scopes=scopes,
        row_id=row.pk,
        account_id=row.account_id,
        logs_on_to=LOGONS.get(row.purpose, ""),
    )


def _still_live(row: ApiKey) -> None:
    """A row put back from a copy made before its revocation is whole again; the trail knows better."""
    if AuditEntry.objects.filter(
        desk_id=row.account.desk_id, action="vault.key.revoked", target=f"api_key:{row.pk}"
    ).exists():
        raise KeyUnreadable("This key was revoked on this desk, and its row was put back since. Look at the trail.")


def _audit(row: ApiKey, action: str) -> None:
    with transaction.atomic():
        record(
            action,
            actor_id=None,
            desk_id=row.account.desk_id,
            environment=row.account.environment,
            target=f"api_key:{row.pk}",
            data={"account": row.account_id, "purpose": row.purpose, "version": row.version},
        )


def forget() -> None:
    """Drop every opened key of this process (shutdown, tests)."""
    global _flushed_at
    with _lock:
        _open.clear()
        _named.clear()
        _flushed_at = 0.0
    remote.forget()
