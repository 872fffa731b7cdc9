"""`manage.py desk_admin`: a one-time link to join, for the first admin or when nobody can sign in."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.invitations import invitation_create
from apps.accounts.models import Desk
from apps.accounts.services import desk_create
from apps.core.errors import DeskError
from apps.core.permissions import Role


class Command(BaseCommand):
    help = "Print a one-time link that makes a person (an admin, unless --role says otherwise); makes the first desk."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", default="", help="shown to the desk")
        parser.add_argument("--desk", default="Desk", help="name of the desk, when it has to be made")
        parser.add_argument("--role", action="append", choices=[role.value for role in Role], default=None)

    def handle(self, *args: Any, **options: Any) -> None:
        desk = Desk.objects.order_by("pk").first() or desk_create(options["desk"], slug="desk")
        roles = options["role"] or [Role.ADMIN.value, Role.VAULT_ADMIN.value]
        try:
            made = invitation_create(desk, roles=roles, display_name=options["name"])
        except DeskError as exc:
            raise CommandError(exc.text) from exc
        self.stdout.write(
            f"For {', '.join(roles)} on {desk.name}; works once, until {made.row.expires_at:%Y-%m-%d %H:%M} UTC:"
        )
        self.stdout.write(f"{settings.PUBLIC_ORIGINS[0]}/join/#{made.secret}")
