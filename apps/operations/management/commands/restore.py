"""`manage.py restore FILE`: put a desk back from a backup, closed to trading. See docs/runbook.md."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from apps.core.errors import DeskError
from apps.core.timestamps import from_unix_ms
from apps.operations.keyfile import keys_read
from apps.operations.management.commands.backup import add_opening, opener_from
from apps.operations.restore import Restored, backup_restore


class Command(BaseCommand):
    help = "Verify a backup, and restore it into this installation. Trading stays closed until a lead opens it."
    # Checks read the database; there may be none.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file")
        add_opening(parser)
        parser.add_argument("--keys", metavar="FILE", help="file of keys, written by `backup --with-keys`")
        parser.add_argument("--replace", action="store_true", help="move the desk that is here aside first (SQLite)")
        parser.add_argument("--accept", metavar="WHY", default="", help="why a disagreement that was told is accepted")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            opener = opener_from(options)
            keys = keys_read(Path(options["keys"]), opener) if options["keys"] else None
            done = backup_restore(
                Path(options["file"]), opener, keys=keys, replace=options["replace"], accept=options["accept"]
            )
        except DeskError as exc:
            raise CommandError(exc.text) from None
        except OSError as exc:
            raise CommandError(f"{exc.strerror}: {exc.filename or ''}. The same command goes on from here.") from None
        except (DatabaseError, InterfaceError) as exc:
            raise CommandError(f"The database refused ({type(exc).__name__}: {exc}).") from None
        self._told(done)

    def _told(self, done: Restored) -> None:
        made = from_unix_ms(done.manifest.made_at_ms)
        self.stdout.write(f"Restored from the backup of {made:%Y-%m-%d %H:%M:%S} UTC. Trading is closed.")
        for what, number in done.done.items():
            if number:
                self.stdout.write(f"  {what}: {number}")
        for doubt in done.accepted:
            self.stdout.write(f"  accepted: {doubt}")
        if done.kept is not None:
            self.stdout.write(f"  what was here before: {done.kept}")
        self.stdout.write(
            "Next: start the desk. It compares every account with the exchange; then a lead opens trading "
            "(Orders > Limits and pauses). `manage.py doctor` says how far it is."
        )
        self.stdout.write("Keys, roles, limits, passwords and factors are those of then: look at what was taken back.")
