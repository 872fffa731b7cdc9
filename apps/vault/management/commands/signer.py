"""`manage.py signer`: the one process that holds opened keys and signs with them."""

import signal
import threading
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.vault.signer.server import Keys, SignerServer, harden


class Command(BaseCommand):
    help = "Sign for workers and the gateway, over a Unix socket, until SIGTERM or SIGINT."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("socket", type=Path, help="where to listen; their DESK_SIGNER names the same path")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.VAULT_PRIVATE_KEY_FILE:
            raise CommandError("Set DESK_VAULT_PRIVATE_KEY to the vault's private half.")
        harden()
        settings.SIGNER_SOCKET = ""  # it asks nobody
        keys = Keys()
        with SignerServer(options["socket"], keys) as server:

            def end(number: int, frame: object) -> None:
                # shutdown() waits for the loop, which runs in this very thread.
                threading.Thread(target=server.shutdown).start()

            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, end)
            server.serve_forever(poll_interval=0.2)
            keys.close()
        options["socket"].unlink(missing_ok=True)
