"""Changing the vault's sealing key. May be killed anywhere: run it again and it goes on.

1. The private file gets the new key in front of the old ones. 2. The public file gets the new
public half: from here everything is sealed to it. 3. Each row is sealed again, one transaction
each, with a fresh data key and the next version, so that an old copy of the row no longer opens.
4. When no row needs them, the old keys leave the private file. Before step 4 the private file
holds every key that any row may need.
"""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.db import transaction
from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from apps.audit.services import record
from apps.vault import keyfiles, sealing
from apps.vault.crypto import sealing_key_id
from apps.vault.models import ApiKey

INSTALLATION = 0  # desk id of entries that belong to no desk


def rotate(progress: Callable[[str], None]) -> int:
    """Rotate, or finish a rotation that was cut short; return how many rows were sealed again.

    progress(text) is called after each durable step.

    Raises:
        VaultClosed: no private half here.
        DeskError: another rotation is running.
        KeyUnreadable: a row does not open; it is left as it is, and so are the old keys.
    """
    keyfiles.private_keys_load()  # says in words what is missing, before any lock
    with keyfiles.one_writer(keyfiles.private_path()):
        return _rotate(progress)


def _rotate(progress: Callable[[str], None]) -> int:
    keys = list(keyfiles.private_keys_load().values())
    if len(keys) > 1:
        progress("going on with a rotation that was cut short")
    else:
        keys.insert(0, X25519PrivateKey.generate())
        keyfiles.private_keys_write(keyfiles.private_path(), keys)
        progress("private file holds the new key and the old one")
    public = keys[0].public_key()
    current = sealing_key_id(public)
    keyfiles.public_key_write(keyfiles.public_path(), public)
    progress(f"sealing to {current}")
    sealed = 0
    while True:
        for pk in _left(current).order_by("pk").values_list("pk", flat=True):
            sealed += _reseal(pk, current=current)
            progress(f"row {pk} sealed again")
        if _retire(current, key=keys[0], sealed=sealed):
            progress("old keys retired")
            return sealed


def _left(current: str) -> QuerySet[ApiKey]:
    """Rows still sealed to another key. A revoked row holds no secret any more."""
    return ApiKey.objects.exclude(sealing_key_id=current).exclude(sealed=b"")


@sensitive_variables()
def _reseal(pk: int, *, current: str) -> int:
    with transaction.atomic():
        # Of the row alone: PostgreSQL would lock the account too.
        row = ApiKey.sealed_rows.select_for_update(of=("self",)).select_related("account").get(pk=pk)
        if row.sealing_key_id == current or not row.sealed:
            return 0
        secret, may_write = sealing.row_unseal(row)
        row.version += 1
        sealing.row_seal(row, secret, may_write=may_write)
    return 1


def _retire(current: str, *, key: X25519PrivateKey, sealed: int) -> bool:
    """Drop the old keys unless a row was sealed to one in the meantime."""
    with transaction.atomic():
        # Waits for every sealing that read the old public half.
        sealing.sealing_lock(exclusive=True)
        if _left(current).exists():
            return False
        record(
            "vault.sealing_key.rotated",
            actor_id=None,
            desk_id=INSTALLATION,
            target=f"sealing_key:{current}",
            data={"rows": sealed},
        )
        keyfiles.private_keys_write(keyfiles.private_path(), [key])
    return True
