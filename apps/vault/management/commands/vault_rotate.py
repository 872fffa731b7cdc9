from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.errors import DeskError
from apps.vault.rotation import rotate


class Command(BaseCommand):
    help = "Replace the vault's sealing key and seal every key again. Safe to kill and to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            rows = rotate(self.stdout.write)
        except DeskError as exc:
            raise CommandError(f"{exc.text} Nothing is lost: every other key opens as before.") from exc
        self.stdout.write(f"Done: {rows} keys sealed again.")
