"""`manage.py desk_setup`: everything between an empty folder and a desk that can start."""

import hashlib
import time
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from apps.accounts.invitations import first_invitation
from apps.exchange.services import status_refresh
from apps.markets.services import catalogue_sync, milestones_sync, targets_sync
from apps.web import demo
from apps.web.npm import FILES

PAPER_LIMIT_S = 180.0  # it makes its members' keys first, which takes a slow machine its time


class Command(BaseCommand):
    help = "Create or update the database, the vault's key pair, static files and (in demo mode) the demo data."

    def handle(self, *args: Any, **options: Any) -> None:
        data = Path(settings.DATA_DIR)
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.stdout.write("Setting up the database")
            call_command("migrate", interactive=False, verbosity=0)
        call_command("vault_init", stdout=self.stdout)
        self._collect_static(data)
        if settings.DESK_MODE == "demo":
            self._wait_for_paper(data / "paper" / "paper.json")
            demo.seed(data)
            # The first page must not be empty; every later sync is beat's.
            catalogue_sync("paper")
            milestones_sync("paper")
            targets_sync("paper")
            status_refresh("paper")
        else:
            self._first_person()

    def _collect_static(self, data: Path) -> None:
        """Collect static files when any of them, or the packages they come from, changed."""
        stamp = data / "run" / "static-stamp"
        now = _static_state()
        if stamp.exists() and stamp.read_text() == now and Path(settings.STATIC_ROOT).is_dir():
            return
        self.stdout.write("Collecting static files")
        call_command("collectstatic", interactive=False, verbosity=0, clear=True)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(now)

    def _first_person(self) -> None:
        """There are no default accounts: while nobody is there, each start prints a new one-time link."""
        made = first_invitation("Desk")
        if made is not None:
            self.stdout.write("Nobody is here yet. This link makes the first admin, once, within three days:")
            self.stdout.write(f"{settings.PUBLIC_ORIGINS[0]}/join/#{made.secret}")

    def _wait_for_paper(self, file: Path) -> None:
        """Wait until the paper exchange answers; its file alone may be of an earlier run."""
        end = time.monotonic() + PAPER_LIMIT_S
        while not (file.exists() and _answers(settings.EXCHANGE_HOSTS["paper"]["rest"][0])):
            if time.monotonic() > end:
                raise CommandError("The paper exchange did not start; its lines in the log say why.")
            time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/trade-api/v2/exchange/status", timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _static_state() -> str:
    digest = hashlib.sha256()
    folders = [Path(folder) for folder in settings.STATICFILES_DIRS]
    files = sorted(file for folder in folders for file in folder.rglob("*") if file.is_file())
    lock = Path(settings.BASE_DIR) / "package-lock.json"
    for file in [*files, lock]:
        status = file.stat()
        digest.update(f"{file}:{status.st_mtime_ns}:{status.st_size}\n".encode())
    digest.update(repr(FILES).encode())
    return digest.hexdigest()
