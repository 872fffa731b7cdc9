"""`manage.py factor_reset NAME`: for whoever runs the machine, when nobody else can help."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.four_eyes_kinds import factor_reset
from apps.accounts.models import Membership, User
from apps.core.errors import DeskError


class Command(BaseCommand):
    help = "Take away all second factors of a person and end their sessions; the password stays. Audited."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError("There is no such person.")
        membership = Membership.objects.filter(user=user).order_by("pk").first()
        try:
            count = factor_reset(None, user, desk_id=membership.desk_id if membership else 0)
        except DeskError as exc:
            raise CommandError(exc.text) from exc
        self.stdout.write(f"{count} factors of {user.username} are gone, and their sessions are over.")
