"""Make a backup: a snapshot, its list, one encrypted file; written beside its place, read back, then renamed.

Who dies anywhere leaves a `.part` and a folder of work behind, which the next run removes; a file with a backup's name
is always whole. The vault's private half and SECRET_KEY are never in it (`keys_write` puts those into another file).
"""

import fcntl
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from apps.audit import services as audit
from apps.audit import witness
from apps.core import killpoints
from apps.core.timestamps import to_unix_ms, utc_now
from apps.operations import archive, snapshot
from apps.operations.errors import BackupRefused
from apps.operations.manifest import KILLED, SPILL, WITNESS, Manifest, new_salt, secret_check
from apps.operations.models import BackupRun
from apps.operations.sealed import Recipient, folder_sync, recipient_of
from apps.orders import killed, spill

logger = logging.getLogger(__name__)

SUFFIX = ".kdb"
_NAME = re.compile(r"desk-\d{8}T\d{6}Z(-\d+)?\.kdb")
ROOM = 2  # free space wanted on the disk of the data, in databases: the snapshot, and some more
KEEP_RUNS = timedelta(days=400)


def backup_make(
    folder: Path, recipient: Recipient, *, keep: int | None = None, is_scheduled: bool = False
) -> BackupRun:
    """Write one backup into `folder` and, when it is whole, delete the oldest beyond `keep`.

    Raises BackupRefused, OSError, DatabaseError: why there is none; the attempt is on record where that was possible.
    """
    run = BackupRun(started_at=utc_now(), is_scheduled=is_scheduled)
    with _alone(folder):
        run.save()
        try:
            _make(run, folder, recipient)
        except (BackupRefused, OSError, DatabaseError, InterfaceError) as exc:
            run.finished_at, run.error = utc_now(), _words(exc)
            with suppress(DatabaseError, InterfaceError):
                run.save()
            raise
        for old in _oldest(folder, keep):
            old.unlink()
            logger.info("backup %s was one too many and is deleted", old.name)
        BackupRun.objects.filter(started_at__lt=utc_now() - KEEP_RUNS).delete()
    return run


def _words(exc: Exception) -> str:
    """What everybody may read on the page of the health: no paths."""
    if isinstance(exc, BackupRefused):
        return exc.text[:300]
    return (exc.strerror if isinstance(exc, OSError) and exc.strerror else type(exc).__name__)[:300]


def _make(run: BackupRun, folder: Path, recipient: Recipient) -> None:
    part = folder / f".{os.getpid()}.part"
    with _work() as work:
        # Before the database: heads that are newer than the entries in it would look like a trail that was cut off.
        files = _state_copy(work)
        taken = snapshot.take(work)
        killpoints.reach("backup.snapshot")
        files = taken.files | files
        salt = new_salt()
        manifest = Manifest(
            made_at_ms=to_unix_ms(run.started_at),
            mode=settings.DESK_MODE,
            database="sqlite" if connection.vendor == "sqlite" else "postgresql",
            migrations=taken.migrations,
            desks=taken.desks,
            counts=taken.counts,
            heads=taken.heads,
            columns=taken.columns,
            members={name: archive.member_of(path) for name, path in files.items()},
            secret_salt=salt,
            secret_check=secret_check(salt),
        )
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                run.sha256, run.size = archive.write(out, recipient, manifest, files)
                killpoints.reach("backup.written")
                out.flush()
                os.fsync(out.fileno())
            if digest_of(part) != run.sha256:
                raise BackupRefused("backup_damaged", "What was read back is not what was written. Look at that disk.")
            target = _free_name(folder, run.started_at)
            part.rename(target)
            folder_sync(folder)
        finally:
            part.unlink(missing_ok=True)
    run.file, run.finished_at = target.name, utc_now()
    run.save()
    killpoints.reach("backup.placed")
    data = {"file": run.file, "size": run.size, "sha256": run.sha256, "scheduled": run.is_scheduled}
    audit.record("operations.backup.made", actor_id=None, desk_id=0, target=f"backup_run:{run.pk}", data=data)


def _state_copy(work: Path) -> dict[str, Path]:
    """Copy the small files beside the database that belong to it; the rest is made anew or is a cache."""
    found = {}
    for name, path in ((WITNESS, witness.path()), (SPILL, spill.path()), (KILLED, killed.path())):
        if path.is_file():
            found[name] = Path(shutil.copyfile(path, archive.member_path(work, name)))
    return found


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One backup into a folder at a time; whatever a killed one left behind goes."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / ".backup.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupRefused("backup_busy", "Another backup is being written into this folder.") from None
        for left in folder.glob(".*.part"):
            left.unlink()
        yield
    finally:
        os.close(handle)


@contextmanager
def _work() -> Iterator[Path]:
    """A folder beside the database for the snapshot, no more open than the database is; it goes at the end."""
    work = Path(settings.DATA_DIR) / "run" / "backup-work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, mode=0o700)
    try:
        if connection.vendor == "sqlite":
            wanted = ROOM * Path(settings.DATABASES["default"]["NAME"]).stat().st_size
            if shutil.disk_usage(work).free < wanted:
                text = f"A snapshot needs {wanted / 1e9:.1f} GB of free space beside the database for a moment."
                raise BackupRefused("backup_room", text)
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _free_name(folder: Path, at: datetime) -> Path:
    name = f"desk-{at:%Y%m%dT%H%M%SZ}"
    path, number = folder / f"{name}{SUFFIX}", 1
    while path.exists():
        path, number = folder / f"{name}-{number}{SUFFIX}", number + 1
    return path


def files_in(folder: Path) -> list[Path]:
    """Backups in a folder, the oldest first, told by their names."""
    return sorted(path for path in folder.iterdir() if path.is_file() and _NAME.fullmatch(path.name))


def _oldest(folder: Path, keep: int | None) -> list[Path]:
    return [] if keep is None else files_in(folder)[: -max(1, keep)]


def digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while block := source.read(1_048_576):
            digest.update(block)
    return digest.hexdigest()


def settings_recipient() -> Recipient:
    """Raises BackupRefused."""
    if not settings.BACKUP_TO:
        text = "DESK_BACKUP_TO is not set. `manage.py backup --new-key FILE` makes a pair and says what to set."
        raise BackupRefused("backup_key", text)
    return recipient_of(settings.BACKUP_TO)


def last_good() -> BackupRun | None:
    return BackupRun.objects.filter(error="").exclude(finished_at=None).order_by("-started_at").first()


def is_due(*, now: datetime) -> bool:
    """Say whether the nightly backup is due: its hour has come, and none was made since."""
    if not settings.BACKUP_DIR:
        return False
    today = now.replace(hour=settings.BACKUP_HOUR, minute=0, second=0, microsecond=0)
    since = today if now >= today else today - timedelta(days=1)
    last = last_good()
    return last is None or last.started_at < since
