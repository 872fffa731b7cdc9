"""Rows and envelopes: what of a row is bound into its seal, and who waits for whom in a rotation."""

from django.db import connection
from django.views.decorators.debug import sensitive_variables

from apps.vault import crypto, keyfiles
from apps.vault.models import ApiKey

_LOCK = 0x4B44_0002  # PostgreSQL advisory lock: "sealing key in use"


def context_of(row: ApiKey) -> crypto.SealContext:
    return crypto.SealContext(
        row=row.pk,
        desk=row.account.desk_id,
        account=row.account_id,
        environment=row.account.environment,
        purpose=row.purpose,
        key_id=row.key_id,
        fingerprint=row.fingerprint,
        version=row.version,
    )


@sensitive_variables("secret")
def row_seal(row: ApiKey, secret: bytes, *, may_write: bool) -> None:
    """Seal `secret` into a row that has its id, and save that. Inside the caller's transaction.

    The public half is read under a shared lock, so that a rotation cannot retire it before this
    transaction is done.
    """
    sealing_lock(exclusive=False)
    public = keyfiles.public_key_load()
    row.sealed = crypto.seal(secret, public=public, context=context_of(row), may_write=may_write)
    row.sealing_key_id = crypto.sealing_key_id(public)
    row.save(update_fields=["sealed", "sealing_key_id", "version"])


@sensitive_variables()
def row_unseal(row: ApiKey) -> tuple[bytes, bool]:
    """Return the secret, and whether it was sealed as one that may write. Raises VaultClosed, KeyUnreadable."""
    sealed = bytes(row.sealed)
    secret = crypto.unseal(sealed, private_keys=keyfiles.private_keys_load(), context=context_of(row))
    return secret, crypto.may_write(sealed)


def sealing_lock(*, exclusive: bool) -> None:
    """Hold until the transaction ends. SQLite needs none: its IMMEDIATE transactions run one by one."""
    if connection.vendor == "postgresql":
        function = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}(%s)", [_LOCK])
