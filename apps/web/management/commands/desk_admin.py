"""`manage.py desk_admin NAME`: the first admin of an installation, with a password shown once."""

import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.models import Desk
from apps.accounts.services import desk_create, person_add
from apps.core.errors import DeskError
from apps.core.permissions import Role


class Command(BaseCommand):
    help = "Create the first desk (if there is none) and an admin on it; prints a password, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--desk", default="Desk", help="name of the desk, when it has to be made")
        parser.add_argument("--role", action="append", choices=[role.value for role in Role], default=None)

    def handle(self, *args: Any, **options: Any) -> None:
        desk = Desk.objects.order_by("pk").first() or desk_create(options["desk"], slug="desk")
        roles = options["role"] or [Role.ADMIN.value, Role.VAULT_ADMIN.value]
        password = secrets.token_urlsafe(18)
        try:
            person_add(desk, username=options["username"], password=password, roles=roles)
        except DeskError as exc:
            raise CommandError(exc.text) from exc
        self.stdout.write(f"{options['username']} on {desk.name}: {', '.join(roles)}")
        self.stdout.write(f"Password, shown only now: {password}")
        self.stdout.write("Change it after signing in, and switch on the second factor.")
