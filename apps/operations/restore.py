"""Put a desk back from a backup: verify all of it, prepare it aside, then put it in its place in one step.

The database comes last. Until it is in its place there is no desk here, whoever dies; from then on it is a whole one,
closed to trading, and prepared as `restored.desks_close` says: SQLite is prepared as a file aside and renamed,
PostgreSQL in one transaction.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from apps.audit import witness
from apps.audit.services import verify
from apps.core import killpoints
from apps.core.timestamps import utc_now
from apps.operations import archive, postgres, snapshot
from apps.operations.backup import digest_of
from apps.operations.errors import BackupRefused
from apps.operations.keyfile import Keys, keys_conflict, keys_place
from apps.operations.manifest import DATABASE, KILLED, SPILL, WITNESS, Manifest, secret_check
from apps.operations.restored import desks_close
from apps.operations.sealed import Opener, folder_sync
from apps.orders import killed, spill

_SIDES = ("", "-wal", "-shm", "-journal")


@dataclass(slots=True)
class Restored:
    """What was done, for the person at the terminal."""

    manifest: Manifest
    done: dict[str, int]
    kept: Path | None = None  # where what was here before lies now
    accepted: list[str] = field(default_factory=list)


def backup_verify(file: Path, opener: Opener) -> Manifest:
    """Read a backup to its end and check every part of it. Changes nothing. Raises BackupRefused, OSError."""
    with file.open("rb") as source:
        return archive.unpack(source, opener, None)


def backup_restore(
    file: Path, opener: Opener, *, keys: Keys | None = None, replace: bool = False, accept: str = ""
) -> Restored:
    """Restore into this installation.

    Args:
        keys: SECRET_KEY and the vault's halves, where they come out of a file of keys.
        replace: SQLite: what is here is moved aside first. PostgreSQL is only ever restored into an empty database.
        accept: why a trail that disagrees with what was noted elsewhere, or another SECRET_KEY, is taken all the same.

    Raises:
        BackupRefused, OSError, DatabaseError: nothing was changed, or what was changed is no desk yet and the same
            command goes on from there.
    """
    data = Path(settings.DATA_DIR)
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(data), _staging(data) as staging:
        with file.open("rb") as source:
            manifest = archive.unpack(source, opener, staging)
        _fits(manifest, staging, data, replace=replace)
        if keys is not None and (why := keys_conflict(keys)):
            raise BackupRefused("restore_keys", why)
        doubts = list(_doubts(manifest, staging, keys))
        if doubts and len(accept.strip()) < 3:
            text = f"{' '.join(doubts)} Nothing was changed. To restore all the same, say why: --accept WHY."
            raise BackupRefused("restore_disagrees", text)
        # Kept also where nothing disagrees: a run before this one may have put the trail's notes aside and died.
        accepted = f"{accept.strip()}: {' '.join(doubts)}"[:300] if accept.strip() else ""
        killpoints.reach("restore.verified")
        restored = Restored(manifest, {}, accepted=doubts)
        sha256 = digest_of(file)
        if manifest.database == "sqlite":
            _sqlite(restored, staging, data, sha256=sha256, accepted=accepted, keys=keys)
        else:
            with transaction.atomic():
                postgres.load(manifest, staging)
                restored.done = _prepare(manifest, sha256=sha256, accepted=accepted)
                killpoints.reach("restore.prepared")
                _files_place(staging, keys, is_witness_cut=bool(doubts))
            killpoints.reach("restore.placed")
    return restored


def _sqlite(restored: Restored, staging: Path, data: Path, *, sha256: str, accepted: str, keys: Keys | None) -> None:
    prepared = archive.member_path(staging, DATABASE)
    target = Path(settings.DATABASES["default"]["NAME"])
    with database_at(prepared):
        restored.done = _prepare(restored.manifest, sha256=sha256, accepted=accepted)
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=DELETE")
    with prepared.open("rb+") as written:
        os.fsync(written.fileno())
    killpoints.reach("restore.prepared")
    restored.kept = _set_aside(data, target)
    _files_place(staging, keys, is_witness_cut=bool(restored.accepted))
    killpoints.reach("restore.files_placed")
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    prepared.rename(target)
    folder_sync(target.parent)
    killpoints.reach("restore.placed")


def _prepare(manifest: Manifest, *, sha256: str, accepted: str) -> dict[str, int]:
    """Bring the database up to this version and close it. Raises BackupRefused where its trail does not hold."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False, verbosity=0)
    for desk_id, (sequence, digest) in manifest.heads.items():
        found = verify(int(desk_id), expected=(sequence, digest))
        if not found.is_intact:
            text = f"The audit trail in this backup is broken at entry {found.sequence} of desk {desk_id}"
            raise BackupRefused("backup_trail", f"{text}: it {found.problem}. Nothing was changed.")
    return desks_close(manifest, sha256=sha256, accepted=accepted)


# --- before anything is changed -------------------------------------------------------------------


def _fits(manifest: Manifest, staging: Path, data: Path, *, replace: bool) -> None:
    if manifest.database != connection.vendor:
        text = f"This backup is of a {manifest.database} database; DATABASE_URL names {connection.vendor}."
        raise BackupRefused("restore_kind", f"{text} Nothing was changed.")
    if manifest.database == "postgresql":
        postgres.must_be_empty()
        return
    inside = snapshot.sqlite_read(archive.member_path(staging, DATABASE))
    if (inside.counts, inside.heads, inside.migrations) != (manifest.counts, manifest.heads, manifest.migrations):
        raise BackupRefused("backup_damaged", "The database in this backup is not the one that its list describes.")
    if Path(settings.DATABASES["default"]["NAME"]).exists() and not replace:
        text = f"There is a desk in {data}. Restore into an empty DESK_DATA, or say --replace to move it aside."
        raise BackupRefused("restore_not_empty", f"{text} Nothing was changed.")


def _doubts(manifest: Manifest, staging: Path, keys: Keys | None) -> Iterator[str]:
    """Say what a person has to know and accept: another SECRET_KEY, a trail that is shorter than what was noted."""
    secret = keys.secret_key if keys is not None else settings.SECRET_KEY
    if secret_check(manifest.secret_salt, secret) != manifest.secret_check:
        yield (
            "DESK_SECRET_KEY is not the one of this backup: second factors do not open, and the notes about the "
            "trail cannot be checked."
        )
        return
    file = witness.path()
    if not file.exists():
        return
    with _secret(secret):
        try:
            noted = witness.heads_noted()
        except witness.WitnessBroken as exc:
            yield f"The file of the trail's heads here does not hold ({exc})."
            return
    for desk_id, heads in sorted(noted.items()):
        newest = max(heads)
        sequence, digest = manifest.heads.get(str(desk_id), (0, ""))
        if newest > sequence:
            yield (
                f"The trail of desk {desk_id} was noted up to entry {newest}, this backup ends with {sequence}: "
                f"{newest - sequence} entries will be missing."
            )
        elif heads.get(sequence, digest) != digest:
            yield f"Entry {sequence} of desk {desk_id} is not the one that was noted."


# --- changing -------------------------------------------------------------------------------------


def _files_place(staging: Path, keys: Keys | None, *, is_witness_cut: bool) -> None:
    if keys is not None:
        keys_place(keys)
    kept = archive.member_path(staging, WITNESS)
    file = witness.path()
    file.parent.mkdir(parents=True, exist_ok=True)
    if is_witness_cut and file.exists():
        # What was noted and is not in the database any more stays readable: it is evidence.
        file.rename(file.with_name(f"{file.name}.until-restore-{utc_now():%Y%m%dT%H%M%SZ}"))
    if kept.exists() and not file.exists():
        _place(kept, file)
    for name, path in ((SPILL, spill.path()), (KILLED, killed.path())):
        part = archive.member_path(staging, name)
        # A kill that holds here goes on holding, whatever the backup says.
        if part.exists() and not path.exists():
            _place(part, path)


def _place(part: Path, target: Path) -> None:
    """Copy, since the target may be on another disk; whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = target.with_name(f".{target.name}.new")
    shutil.copyfile(part, temporary)
    temporary.chmod(0o600)
    with temporary.open("rb+") as written:
        os.fsync(written.fileno())
    temporary.rename(target)
    folder_sync(target.parent)


def _set_aside(data: Path, target: Path) -> Path | None:
    """Move what belongs to the desk that was here into a folder beside; the numbers of its FIX sessions go with it."""
    old = [target.with_name(target.name + side) for side in _SIDES]
    old += [Path(settings.FIX_STORE_DIR), spill.path(), data / "run" / "emergency-keys.json"]
    there = [path for path in old if path.exists()]
    if not there:
        return None
    folder = data / f"before-restore-{utc_now():%Y%m%dT%H%M%S%fZ}"
    folder.mkdir(mode=0o700)
    # The log first: a database without its log is an older one, a log without its database is nothing.
    for path in sorted(there, key=lambda one: one == target):
        path.rename(folder / path.name)
    folder_sync(data)
    return folder


@contextmanager
def database_at(path: Path) -> Iterator[None]:
    """Let Django work on another SQLite file; what was done there is in the file itself afterwards."""
    databases: list[Any] = [settings.DATABASES["default"], connection.settings_dict]
    names = [one["NAME"] for one in databases]
    connection.close()
    try:
        for one in databases:
            one["NAME"] = str(path)
        yield
    finally:
        connection.close()
        for one, name in zip(databases, names, strict=True):
            one["NAME"] = name


@contextmanager
def _secret(key: str) -> Iterator[None]:
    known = settings.SECRET_KEY
    settings.SECRET_KEY = key
    try:
        yield
    finally:
        settings.SECRET_KEY = known


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """No desk may run on this folder, and none may start: the supervisor takes the same lock."""
    (data / "run").mkdir(exist_ok=True, mode=0o700)
    with (data / "run" / "desk.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = f"A desk runs on {data}, or another restore. Stop it first. Nothing was changed."
            raise BackupRefused("restore_running", text) from None
        yield


@contextmanager
def _staging(data: Path) -> Iterator[Path]:
    """A folder on the same disk; one that a killed run left behind goes first."""
    folder = data / ".restoring"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
