from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from apps.core.errors import DeskError
from apps.vault import keyfiles
from apps.vault.crypto import sealing_key_id
from apps.vault.models import ApiKey


class Command(BaseCommand):
    help = "Create the vault's key pair: the public half for the web process, the private half (mode 600) apart."

    def handle(self, *args: Any, **options: Any) -> None:
        public = keyfiles.public_path()
        private = keyfiles.private_path() if settings.VAULT_PRIVATE_KEY_FILE else public.with_name("private.pem")
        if private.exists():
            try:
                keys = keyfiles.private_keys_parse(private.read_bytes())
            except DeskError as exc:
                raise CommandError(exc.text) from None
            current = next(iter(keys.values()))
            # A run that was killed between the two files left the public half out, or an older one.
            keyfiles.public_key_write(public, current.public_key())
            self.stdout.write(f"Vault is set up: sealing key {next(iter(keys))}.")
            return
        if self._has_sealed_keys():
            raise CommandError(
                f"There are sealed keys, but {private} is missing: a new pair would not open them. "
                "Restore the file from its backup, or set DESK_VAULT_PRIVATE_KEY to where it is."
            )
        key = X25519PrivateKey.generate()
        try:
            keyfiles.private_keys_write(private, [key])
        except DeskError as exc:
            raise CommandError(exc.text) from None
        keyfiles.public_key_write(public, key.public_key())
        self.stdout.write(f"Vault created: sealing key {sealing_key_id(key.public_key())}.")
        self.stdout.write(f"Private half: {private}. Give it to the worker and the gateway only, and back it up apart.")

    @staticmethod
    def _has_sealed_keys() -> bool:
        # A first start may come here before the tables exist.
        is_migrated = ApiKey._meta.db_table in connection.introspection.table_names()
        return is_migrated and ApiKey.objects.exclude(sealed=b"").exists()
