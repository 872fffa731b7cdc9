"""What the health and `manage.py doctor` say of backups and restores. Reading only."""

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Literal

from django.conf import settings

from apps.core.timestamps import utc_now
from apps.operations.backup import last_good, settings_recipient
from apps.operations.errors import BackupRefused
from apps.operations.keyfile import private_path
from apps.operations.models import BackupRun, Restoration

Level = Literal["ok", "warning", "danger"]
LATE = timedelta(hours=26)  # one night and the time that it takes
VERY_LATE = timedelta(days=3)
SET_UP = "Set DESK_BACKUP_DIR and DESK_BACKUP_TO for the workers (docs/runbook.md)."


def parts(desk_id: int | None = None) -> Iterator[tuple[str, str, Level, str, int | None]]:
    """desk_id: what only one desk may know is told of that one alone."""
    yield _backup()
    rows = Restoration.objects.filter(reconciled_at=None).select_related("desk").order_by("pk")
    for one in rows if desk_id is None else rows.filter(desk_id=desk_id):
        left = [f"{row['name']}: {row['said']}" for row in one.report.values() if not row["done"]]
        why = "; ".join(left) or "the comparison with the exchange has not begun"
        yield f"restored_{one.desk_id}", f"{one.desk.name}: restored, trading closed", "danger", why, None


def _backup() -> tuple[str, str, Level, str, int | None]:
    name, label = "backup", "Last backup"
    last = last_good()
    failed = BackupRun.objects.exclude(error="").order_by("-started_at").first()
    if failed is not None and (last is None or failed.started_at > last.started_at):
        return name, label, "danger", f"the last attempt failed: {failed.error}", None
    if last is None:
        level: Level = "ok" if settings.DESK_MODE == "demo" else "warning"
        return name, label, level, "none was made yet", None
    age = utc_now() - last.started_at
    level = "ok" if age <= LATE else "warning" if age <= VERY_LATE else "danger"
    if settings.DESK_MODE == "demo" and not settings.BACKUP_DIR:
        level = "ok"  # made by hand, on a desk that asks for none
    hours = max(0, int(age.total_seconds()) // 3600)
    return name, label, level, f"{hours} h ago, {last.size / 1e6:,.1f} MB", int(age.total_seconds())


def findings() -> Iterator[tuple[Level, str, str]]:
    if not settings.BACKUP_DIR:
        if settings.DESK_MODE != "demo":
            yield "warning", "No nightly backup is set up.", SET_UP
        return
    try:
        settings_recipient()
    except BackupRefused as exc:
        yield "danger", f"The nightly backup cannot be made: {exc.text}", SET_UP
    folder = Path(settings.BACKUP_DIR)
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        yield "danger", f"{folder} is no folder that backups can be written to.", "Make it, or mend DESK_BACKUP_DIR."
        return
    data = Path(settings.DATA_DIR)
    if folder.stat().st_dev == data.stat().st_dev:
        yield "warning", "Backups lie on the disk of the desk itself.", "Copy them to another machine, or mount one."
    if folder.stat().st_mode & 0o077:
        yield "warning", f"{folder} is open to other users.", f"chmod go-rwx {folder}"
    if private_path().is_relative_to(folder) or _holds_key(folder) or _holds_key(data):
        text = "A private key of backups, or the vault's, lies beside the backups or the desk."
        yield "danger", text, "Move it where neither is."
    free = shutil.disk_usage(folder).free
    last = last_good()
    if last is not None and free < 3 * last.size:
        yield "warning", f"{folder} has room for less than three more backups.", "Free some, or lower DESK_BACKUP_KEEP."


def _holds_key(folder: Path) -> bool:
    return any(path.is_file() for path in folder.glob("*.kdbkey"))
