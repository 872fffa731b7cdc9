"""`manage.py backup`: one encrypted file of this installation, while the desk runs. See docs/runbook.md."""

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from apps.core.errors import DeskError
from apps.core.timestamps import from_unix_ms
from apps.operations.backup import backup_make, settings_recipient
from apps.operations.keyfile import keys_write
from apps.operations.manifest import Manifest
from apps.operations.restore import backup_verify
from apps.operations.sealed import Opener, Recipient, folder_sync, key_make, opener_of


def add_opening(parser: CommandParser) -> None:
    parser.add_argument("--key", help="file of the private key of backups")
    parser.add_argument("--passphrase-file", help="file whose first line is the passphrase")


def opener_from(options: dict[str, Any]) -> Opener:
    """Raises BackupRefused, OSError."""
    if options["key"]:
        return opener_of(Path(options["key"]).read_text())
    return Opener(passphrase=passphrase_from(options))


def passphrase_from(options: dict[str, Any]) -> str:
    if not options["passphrase_file"]:
        return ""
    lines = Path(options["passphrase_file"]).read_text().splitlines()
    return lines[0] if lines else ""


class Command(BaseCommand):
    help = "Write one encrypted backup into a folder, or check one. The desk may go on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", default="", help="folder; DESK_BACKUP_DIR when not given")
        parser.add_argument("--keep", type=int, help="delete the oldest backups of the folder beyond this many")
        parser.add_argument("--with-keys", metavar="FILE", help="write SECRET_KEY and the vault's keys to another file")
        parser.add_argument("--new-key", metavar="FILE", help="make a pair of keys for backups, and nothing else")
        parser.add_argument("--verify", metavar="FILE", help="read a backup to its end and say what is in it")
        add_opening(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["new_key"]:
                self._new_key(Path(options["new_key"]))
            elif options["verify"]:
                self._told(backup_verify(Path(options["verify"]), opener_from(options)))
            else:
                self._make(options)
        except DeskError as exc:
            raise CommandError(exc.text) from None
        except OSError as exc:
            raise CommandError(f"{exc.strerror}: {exc.filename or ''}") from None
        except (DatabaseError, InterfaceError) as exc:
            raise CommandError(f"The database cannot be read ({type(exc).__name__}: {exc}).") from None

    def _make(self, options: dict[str, Any]) -> None:
        to = options["to"] or settings.BACKUP_DIR
        if not to:
            raise CommandError("Say where to: --to FOLDER, or set DESK_BACKUP_DIR.")
        if options["keep"] is not None and options["keep"] < 1:
            raise CommandError("--keep needs 1 or more.")
        folder = Path(to).resolve()
        passphrase = passphrase_from(options)
        recipient = Recipient(passphrase=passphrase) if options["passphrase_file"] else settings_recipient()
        keys = Path(options["with_keys"]).resolve() if options["with_keys"] else None
        if keys is not None and keys.parent == folder:
            raise CommandError("The file of keys must not lie beside the backups: together they open everything.")
        run = backup_make(folder, recipient, keep=options["keep"])
        self.stdout.write(f"{folder / run.file}: {run.size:,} bytes, SHA-256 {run.sha256}")
        if keys is not None:
            keys_write(keys, recipient)
            self.stdout.write(f"{keys}: SECRET_KEY and the vault's keys. Keep it apart from the backups.")

    def _new_key(self, file: Path) -> None:
        private, public = key_make()
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(f"# Opens the backups of a Kalshi Desk. Keep it apart from them and from the desk.\n# {public}\n")
            out.write(f"{private}\n")
            out.flush()
            os.fsync(out.fileno())
        folder_sync(file.resolve().parent)
        self.stdout.write(f"Private key: {file}. Move it away from this machine; without it no backup opens.")
        self.stdout.write(f"For the workers: DESK_BACKUP_TO={public}")

    def _told(self, manifest: Manifest) -> None:
        self.stdout.write(
            f"Whole. Made {from_unix_ms(manifest.made_at_ms):%Y-%m-%d %H:%M:%S} UTC, {manifest.database}, "
            f"{manifest.mode} mode, desks: {', '.join(manifest.desks) or 'none'}."
        )
        rows = sum(manifest.counts.values())
        self.stdout.write(f"{rows:,} rows in {len(manifest.counts)} tables, {len(manifest.migrations)} migrations.")
        for desk, (sequence, digest) in sorted(manifest.heads.items()):
            self.stdout.write(f"Trail of desk {desk}: {sequence:,} entries, head {digest[:16]}.")
