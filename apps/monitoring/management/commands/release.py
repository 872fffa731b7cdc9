"""`manage.py release`: let orders pass again. Needs the database: without it nobody can say who is a lead."""

from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from apps.accounts.four_eyes import asking
from apps.accounts.models import Desk
from apps.core.errors import DeskError
from apps.monitoring.services.kill import kill_release, lead_actor


class Command(BaseCommand):
    help = "Release the kill switch of a desk, as one of its leads and with a reason."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--desk", required=True, help="slug of the desk")
        parser.add_argument("--by", required=True, help="username of the lead who answers for it")
        parser.add_argument("--why", required=True, help="the reason; it is kept")
        parser.add_argument("--although-left", action="store_true", help="even though something may be left")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            desk = Desk.objects.get(slug=options["desk"])
            actor = lead_actor(desk=desk, username=options["by"])
            release = partial(kill_release, actor, why=options["why"], although_left=options["although_left"])
            if asking(actor, release) is not None:
                self.stdout.write(f"{desk.name}: a second person was asked (Team, Approvals). The desk stays killed.")
                return
        except Desk.DoesNotExist:
            slugs = ", ".join(Desk.objects.order_by("slug").values_list("slug", flat=True))
            raise CommandError(f"There is no desk {options['desk']!r}. There are: {slugs}.") from None
        except DeskError as exc:
            raise CommandError(exc.text) from None
        except (DatabaseError, InterfaceError) as exc:
            raise CommandError(f"The database cannot be reached ({type(exc).__name__}): nothing was released.") from exc
        self.stdout.write(f"{desk.name}: released. Rules stay disarmed, and nothing that was cancelled comes back.")
