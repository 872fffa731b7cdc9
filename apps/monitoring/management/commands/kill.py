"""`manage.py kill`: the kill switch from the command line, with web, Redis and the database up or down.

In this order, each step on its own: a file that holds back every order of this machine, the database (state, audit,
rules, quotes), and the exchange itself, again until it lists nothing any more.
"""

import getpass
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from apps.accounts.models import Desk
from apps.core.errors import DeskError
from apps.core.timestamps import unix_ms_now
from apps.monitoring.services.direct import direct_pass
from apps.monitoring.services.kill import marker_take
from apps.orders import killed
from apps.vault.emergency import emergency_path, emergency_write

LEFT, CANNOT = 1, 2
PAUSE = 1.0  # seconds between two passes


class Command(BaseCommand):
    help = "Stop every person and rule, and take everything off the exchange. Exit code 0: nothing is left."
    # Checks read the database; there may be none.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--why", default="", help="what others will read")
        parser.add_argument("--desk", default="", help="slug of one desk; every desk when not given")
        parser.add_argument("--vault-key", default="", help="the vault's private key file")
        parser.add_argument("--keys", default="", help="a file of emergency keys from elsewhere")
        parser.add_argument("--timeout", type=int, default=60, help="seconds to go on while something is left")
        parser.add_argument("--no-database", action="store_true", help="do not even try the database")

    def handle(self, *args: Any, **options: Any) -> None:
        marker = killed.Marker(
            at_ms=unix_ms_now(), why=options["why"][:200], desk_slug=options["desk"], by_text=getpass.getuser()
        )
        try:
            if options["desk"] and not options["no_database"]:
                self._desk_check(options["desk"])
            killed.write(marker)
            self.stdout.write("Every order of this machine is held back.")
        except OSError as exc:
            # A full disk must not keep anybody from cancelling.
            self.stderr.write(f"The file that holds back orders was not written: {exc}. Stop the desk as well.")
        if not options["no_database"]:
            self._database()
        self._exchange(options)

    def _desk_check(self, slug: str) -> None:
        try:
            slugs = list(Desk.objects.order_by("slug").values_list("slug", flat=True))
        except (DatabaseError, InterfaceError):
            return
        if slug not in slugs:
            raise CommandError(f"There is no desk {slug!r}. There are: {', '.join(slugs)}.", returncode=CANNOT)

    def _database(self) -> None:
        try:
            runs = marker_take()
            emergency_write()
        except (DatabaseError, InterfaceError, OSError) as exc:
            self.stderr.write(f"No database ({type(exc).__name__}): it learns of this when it is back.")
            return
        for run in runs:
            self.stdout.write(f"{run.desk.name}: killed, rules disarmed, quotes and requests withdrawn.")

    def _exchange(self, options: dict[str, Any]) -> None:
        private_key = Path(options["vault_key"] or settings.VAULT_PRIVATE_KEY_FILE or _usual_place())
        keys = Path(options["keys"]) if options["keys"] else emergency_path()
        end = time.monotonic() + options["timeout"]
        has_triggered = False
        while True:
            try:
                told = direct_pass(
                    private_key=private_key, desk_slug=options["desk"], keys=keys, has_triggered=has_triggered
                )
            except DeskError as exc:
                raise CommandError(
                    f"The exchange was not asked: {exc.text} Cancel there by hand.", returncode=CANNOT
                ) from None
            for one in told:
                self.stdout.write(one.words)
            has_triggered = all(one.done.groups == 0 for one in told)
            if all(one.is_clean for one in told):
                self.stdout.write("Nothing is left at the exchange. Release: manage.py release, or the page.")
                return
            if time.monotonic() >= end:
                raise CommandError("Something is left: see above, and run this again.", returncode=LEFT)
            time.sleep(PAUSE)


def _usual_place() -> str:
    return str(Path(settings.DATA_DIR) / "vault" / "private.pem")
