"""`manage.py doctor`: look at this deployment and say what to do. Changes nothing."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.monitoring.doctor import findings, heading

_MARKS = {"ok": "ok     ", "warning": "WARNING", "danger": "DANGER "}


class Command(BaseCommand):
    help = "Check this deployment and say what to do. Exit code 0: nothing is dangerous, 1: something is."
    # It has to answer while the database, or anything else, is away.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--quiet", action="store_true", help="only what is not well")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(heading())
        worst = 0
        for one in findings():
            worst = max(worst, {"ok": 0, "warning": 1, "danger": 2}[one.level])
            if options["quiet"] and one.level == "ok":
                continue
            self.stdout.write(f"{_MARKS[one.level]} {one.what}")
            if one.do:
                self.stdout.write(f"        do: {one.do}")
        self.stdout.write(("All well.", "Nothing dangerous.", "Something needs you now: see DANGER above.")[worst])
        if worst == 2:
            raise SystemExit(1)
