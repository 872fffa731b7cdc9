"""`manage.py kill`: the kill switch from the command line, with web, Redis and the database up or down.

In this order, each step on its own: a file that holds back every order of this machine and a first pass at the exchange
(apps.monitoring.killing, before Django is set up), the database (state, audit, rules, quotes), and the exchange again
until it lists nothing any more.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from apps.accounts.models import Desk
from apps.monitoring import killing
from apps.monitoring.services.kill import marker_take
from apps.orders import killed
from apps.vault.emergency import emergency_write


class Command(BaseCommand):
    help = "Stop every person and rule, and take everything off the exchange. Exit code 0: nothing is left."
    # Checks read the database; there may be none.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        killing.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        given = killing.Options(**{name: options[name] for name in killing.Options.__dataclass_fields__})
        if given.desk and not given.no_database:
            self._desk_check(given.desk)
        # `manage.py` has done so before Django was there; another caller has not. Doing it again changes nothing.
        if not killed.covers(given.desk):
            killing.hold_back(given, say=self.stdout.write, warn=self.stderr.write)
        if not given.no_database:
            self._database()
        try:
            killing.until_clear(given, say=self.stdout.write)
        except killing.Failed as exc:
            raise CommandError(str(exc), returncode=exc.code) from None

    def _desk_check(self, slug: str) -> None:
        try:
            slugs = list(Desk.objects.order_by("slug").values_list("slug", flat=True))
        except (DatabaseError, InterfaceError):
            return
        if slug not in slugs:
            raise CommandError(f"There is no desk {slug!r}. There are: {', '.join(slugs)}.", returncode=killing.CANNOT)

    def _database(self) -> None:
        try:
            runs = marker_take()
            emergency_write()
        except (DatabaseError, InterfaceError, OSError) as exc:
            self.stderr.write(f"No database ({type(exc).__name__}): it learns of this when it is back.")
            return
        for run in runs:
            self.stdout.write(f"{run.desk.name}: killed, rules disarmed, quotes and requests withdrawn.")
