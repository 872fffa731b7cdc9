"""`manage.py database_roles`: a role of PostgreSQL for each kind of process, with the rights that it needs."""

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from apps.core.errors import DeskError
from apps.operations import database_roles
from apps.operations.database_rights import ROLES

PASSWORD = "DESK_DATABASE_PASSWORD_"  # noqa: S105 - the beginning of a variable's name


class Command(BaseCommand):
    help = "Print the roles and GRANTs of the desk's processes, or apply them. Run it as the owner, after each migrate."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--apply", action="store_true", help="do it, in one transaction; it may be repeated")
        parser.add_argument("--check", action="store_true", help="say what differs; exit code 1 where something does")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["apply"]:
                passwords = {one: given for one in ROLES if (given := os.environ.get(PASSWORD + one.upper(), ""))}
                count = database_roles.apply(passwords)
                self.stdout.write(f"{count} statements; passwords set for: {', '.join(passwords) or 'nobody'}.")
            elif options["check"]:
                self._check()
            else:
                database_roles.must_be_postgresql()
                connection.ensure_connection()
                for statement in database_roles.statements():
                    self.stdout.write(f"{statement.as_string(connection.connection)};")
        except DeskError as exc:
            raise CommandError(exc.text) from None

    def _check(self) -> None:
        found = database_roles.differences()
        for one in found:
            self.stdout.write(
                f"{one.role} {'may, and should not' if one.is_more else 'may not, and should'}: {one.what}"
            )
        if found:
            raise CommandError(f"{len(found)} differences. manage.py database_roles --apply")
        self.stdout.write("Each role has what it needs, and no more.")
