"""`manage.py factor_policy DESK WANTED`: for whoever runs the machine, when the desk cannot help itself."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.factor_policy import Wanted, policy_set
from apps.accounts.models import Desk
from apps.core.errors import DeskError


class Command(BaseCommand):
    help = "Say who on a desk must have a second factor, and whether roles that act need a passkey. Audited."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("desk", help="its short name (slug)")
        parser.add_argument("wanted", choices=Wanted.values)
        parser.add_argument("--passkeys", action="store_true", help="roles that act: a passkey, nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        desk = Desk.objects.filter(slug=options["desk"]).first()
        if desk is None:
            known = ", ".join(Desk.objects.order_by("slug").values_list("slug", flat=True)) or "none"
            raise CommandError(f"There is no such desk. There are: {known}.")
        try:
            policy_set(None, desk, wanted=options["wanted"], passkeys=options["passkeys"])
        except DeskError as exc:
            raise CommandError(exc.text) from exc
        self.stdout.write(f"{desk.name}: second factor of {Wanted(options['wanted']).label.lower()}.")
