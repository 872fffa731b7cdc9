"""A desk in a folder of its own: what a backup reads and a restore writes is on the disk, not in a rollback."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from apps.exchange import live
from apps.operations import sealed
from apps.operations.backup import backup_make
from apps.operations.restore import Restored, backup_restore, database_at
from apps.operations.sealed import Opener, Recipient
from apps.orders import queue
from tests.support.database import copy_migrated

PRIVATE, PUBLIC = sealed.key_make()


@dataclass
class Place:
    """One installation, and a folder for its backups elsewhere."""

    data: Path
    backups: Path
    settings: Any
    recipient: Recipient
    opener: Opener

    @property
    def database(self) -> Path:
        return self.data / "desk.sqlite3"

    def backup(self) -> Path:
        return self.backups / backup_make(self.backups, self.recipient).file

    def restore(self, file: Path, **options: Any) -> Restored:
        connection.close()
        return backup_restore(file, self.opener, **options)

    def point_to(self, data: Path) -> None:
        """Go on as another installation, with an empty folder."""
        connection.close()
        data.mkdir(parents=True, exist_ok=True)
        self.data = data
        self.settings.DATA_DIR = data
        self.settings.FIX_STORE_DIR = data / "fix"
        self.settings.AUDIT_WITNESS_FILE = data / "audit" / "heads.ndjson"
        self.settings.VAULT_PUBLIC_KEY_FILE = data / "vault" / "public.pem"
        self.settings.VAULT_PRIVATE_KEY_FILE = str(data / "vault" / "private.pem")
        for one in (self.settings.DATABASES["default"], connection.settings_dict):
            one["NAME"] = str(data / "desk.sqlite3")

    def listing(self) -> dict[str, bytes]:
        """Every file of the folder but locks, with its content: what "nothing was changed" means."""
        connection.close()
        files = [path for path in self.data.rglob("*") if path.is_file() and path.suffix != ".lock"]
        return {str(path.relative_to(self.data)): path.read_bytes() for path in files}


@pytest.fixture
def place(
    django_db_setup: None, django_db_blocker: Any, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    if connection.vendor != "sqlite":
        pytest.skip("files of SQLite; tests/operations/test_postgres.py is about the other database")
    monkeypatch.setattr(queue, "enqueue", lambda task, *ids, countdown=None: True)
    monkeypatch.setattr(live, "publish_rows", lambda topic, rows, **_: True)
    monkeypatch.setattr(live, "publish", lambda topic, frame, version=None: True)
    settings.BACKUP_DIR = settings.BACKUP_TO = ""
    data = tmp_path / "data"
    copy_migrated(data / "desk.sqlite3")
    with django_db_blocker.unblock(), database_at(data / "desk.sqlite3"):
        found = Place(data, tmp_path / "backups", settings, sealed.recipient_of(PUBLIC), sealed.opener_of(PRIVATE))
        found.point_to(data)
        call_command("vault_init", stdout=StringIO())
        yield found
        connection.close()
