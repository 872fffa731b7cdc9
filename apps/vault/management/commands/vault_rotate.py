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
        except OSError as exc:
            text = f"The vault's files cannot be written here ({exc.strerror}). Rotate where they are kept."
            raise CommandError(f"{text} Every key opens as before.") from None
        self.stdout.write(f"Done: {rows} keys sealed again.")
