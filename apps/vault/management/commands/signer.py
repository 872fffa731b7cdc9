"""`manage.py signer`: the one process that holds opened keys and signs with them."""

import logging
import pwd
import signal
import threading
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from apps.vault import keyfiles
from apps.vault.errors import VaultClosed
from apps.vault.signer.confine import confine
from apps.vault.signer.server import Keys, SignerServer

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Sign for workers and the gateway, over a Unix socket, until SIGTERM or SIGINT."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("socket", type=Path, help="where to listen; their DESK_SIGNER names the same path")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.VAULT_PRIVATE_KEY_FILE:
            raise CommandError("Set DESK_VAULT_PRIVATE_KEY to the vault's private half.")
        peers = [_user(one) for one in settings.SIGNER_PEERS]
        # A host that begins with a slash is the folder of a Unix socket.
        host = connection.settings_dict["HOST"]
        needs_network = connection.vendor == "postgresql" and not host.startswith("/")
        missing = confine(needs_network=needs_network, has_peers=bool(peers))
        for one in missing:
            logger.warning("the signer is less apart than it could be: %s", one)
        settings.SIGNER_SOCKET = ""  # it asks nobody
        try:
            # Before anybody waits for it: to open a file that is sealed by a passphrase takes a second.
            keyfiles.private_keys_load()
        except VaultClosed as exc:
            logger.error("the vault is closed: %s", exc.text)
        keys = Keys(missing)
        with SignerServer(options["socket"], keys, peers) as server:

            def end(number: int, frame: object) -> None:
                # shutdown() waits for the loop, which runs in this very thread.
                threading.Thread(target=server.shutdown).start()

            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, end)
            server.serve_forever(poll_interval=0.2)
            keys.close()
        options["socket"].unlink(missing_ok=True)


def _user(named: str) -> int:
    """Return the number of a user of this system. Raises CommandError."""
    if named.isascii() and named.isdecimal():
        return int(named)
    try:
        return pwd.getpwnam(named).pw_uid
    except KeyError:
        raise CommandError(f"DESK_SIGNER_PEERS names {named}, and this system has no such user.") from None
