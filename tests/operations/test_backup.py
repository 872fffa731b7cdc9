"""Backups: consistent while the desk writes, whole or not there, and without a key in them."""

import errno
import os
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.audit import witness
from apps.audit.models import AuditEntry
from apps.audit.services import record, verify
from apps.core.timestamps import utc_now
from apps.operations import archive, backup, looks
from apps.operations.backup import backup_make, files_in, is_due, last_good
from apps.operations.errors import BackupRefused
from apps.operations.keyfile import keys_read
from apps.operations.manifest import DATABASE, WITNESS
from apps.operations.models import BackupRun
from apps.operations.restore import backup_verify
from apps.operations.tasks import backup_sync
from apps.vault.models import ApiKey
from tests.operations.conftest import PRIVATE, PUBLIC, Place
from tests.support.people import make_account, make_desk, make_person


def entries(count: int, desk_id: int = 7) -> None:
    for number in range(count):
        record("orders.intent.submitted", actor_id=None, desk_id=desk_id, data={"n": number})


def test_it_says_what_is_in_it_and_the_trail_says_that_it_was_made(place: Place) -> None:
    desk = make_desk()
    entries(5)
    witness.heads_note()

    file = place.backup()

    manifest = backup_verify(file, place.opener)
    assert manifest.desks == [desk.slug]
    assert manifest.heads["7"] == (5, AuditEntry.objects.get(desk_id=7, sequence=5).digest)
    assert manifest.counts["audit_auditentry"] == AuditEntry.objects.count() - 1
    assert {DATABASE, WITNESS} <= manifest.members.keys()
    told = AuditEntry.objects.get(action="operations.backup.made")
    assert (told.desk_id, told.data["file"]) == (0, file.name)
    assert file.stat().st_mode & 0o077 == 0
    assert not (place.data / "run" / "backup-work").exists()
    assert [path.name for path in place.backups.glob("[!.]*")] == [file.name]


def test_while_others_write_it_is_one_moment_of_the_database(place: Place, tmp_path: Path) -> None:
    """A writer adds two rows to a commit, always one to each of two chains: a torn copy would have them differ."""
    entries(200)
    connection.close()
    stop, written = threading.Event(), threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(place.database, timeout=60)) as database:
            number = 0
            while not stop.is_set():
                number += 1
                with database:
                    for table in ("left", "right"):
                        database.execute(f"INSERT INTO both_{table} VALUES (?)", [number])
                written.set()

    with closing(sqlite3.connect(place.database)) as database:
        database.execute("CREATE TABLE both_left (n)")
        database.execute("CREATE TABLE both_right (n)")
    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert written.wait(60)
        files = [place.backup() for _ in range(3)]
    finally:
        stop.set()
        writer.join()

    for number, file in enumerate(files):
        folder = tmp_path / f"open-{number}"
        folder.mkdir()
        with file.open("rb") as source:
            counts = archive.unpack(source, place.opener, folder).counts
        assert counts["both_left"] == counts["both_right"] > 0


def test_no_key_and_no_name_can_be_read_in_the_file_and_no_key_is_inside_of_it(place: Place, tmp_path: Path) -> None:
    make_person(make_desk(), "trader", username="canary-person")
    (place.data / "secret-key").write_text("canary-secret-" * 5)
    private = (place.data / "vault" / "private.pem").read_bytes()
    body = b"".join(private.split(b"\n")[1:-2])

    file = place.backup()

    raw = file.read_bytes()
    assert b"canary" not in raw
    assert b"PRIVATE KEY" not in raw
    with file.open("rb") as source:
        manifest = archive.unpack(source, place.opener, tmp_path)
    inside = b"".join(archive.member_path(tmp_path, name).read_bytes() for name in manifest.members)
    assert b"canary-person" in inside
    assert b"canary-secret" not in inside
    assert place.settings.SECRET_KEY.encode() not in inside
    assert body not in inside
    assert PRIVATE.encode() not in inside


def test_the_keys_go_into_another_file_and_never_beside_the_backups(place: Place, tmp_path: Path) -> None:
    place.settings.BACKUP_TO = PUBLIC
    with pytest.raises(CommandError, match="must not lie beside"):
        call_command("backup", to=str(place.backups), with_keys=str(place.backups / "keys"))
    assert not place.backups.exists()

    call_command("backup", to=str(place.backups), with_keys=str(tmp_path / "keys"), stdout=StringIO())

    keys = keys_read(tmp_path / "keys", place.opener)
    assert keys.secret_key == place.settings.SECRET_KEY
    assert keys.vault_private == (place.data / "vault" / "private.pem").read_text()
    assert keys.secret_key not in repr(keys)
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0


def test_the_oldest_go_and_files_of_others_stay(place: Place) -> None:
    place.backups.mkdir()
    for name in ("notes.txt", "desk-old.kdb", "desk-20200101T000000Z.kdb.sha256", "keys.kdb"):
        (place.backups / name).write_text("not ours")
    for day in range(1, 6):
        (place.backups / f"desk-202001{day:02}T000000Z.kdb").write_text("old")

    made = backup_make(place.backups, place.recipient, keep=3)

    kept = ["desk-20200104T000000Z.kdb", "desk-20200105T000000Z.kdb", made.file]
    assert [path.name for path in files_in(place.backups)] == kept
    assert len(list(place.backups.glob("[!.]*"))) == 7


def test_two_in_the_same_second_are_two_files(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = utc_now()
    monkeypatch.setattr(backup, "utc_now", lambda: moment)

    assert len({place.backup(), place.backup(), place.backup()}) == 3


def test_a_failure_leaves_no_file_keeps_the_old_ones_and_shows_in_the_health(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = place.backup()

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(archive, "write", full)
    with pytest.raises(OSError, match="No space left"):
        backup_make(place.backups, place.recipient, keep=1)

    assert [path.name for path in place.backups.glob("[!.]*")] == [good.name]
    assert not list(place.backups.glob(".*.part"))
    assert "No space left" in BackupRun.objects.latest("pk").error
    name, _, level, why, _ = next(looks.parts())
    assert (name, level) == ("backup", "danger")
    assert "No space left" in why


def test_a_disk_that_gives_back_something_else_is_noticed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "digest_of", lambda path: "0" * 64)

    with pytest.raises(BackupRefused, match="read back"):
        place.backup()

    assert files_in(place.backups) == []


def test_nightly_it_is_made_once_after_its_hour_and_again_when_it_failed(place: Place) -> None:
    place.settings.BACKUP_DIR, place.settings.BACKUP_HOUR = str(place.backups), 4
    place.settings.BACKUP_TO, place.settings.BACKUP_KEEP = PUBLIC, 2
    day = datetime(2026, 3, 1, 3, 59, tzinfo=UTC)
    assert is_due(now=day)
    run = BackupRun.objects.create(started_at=day - timedelta(hours=23), finished_at=day, file="x")
    assert not is_due(now=day)
    assert is_due(now=day + timedelta(minutes=1))
    BackupRun.objects.create(started_at=day + timedelta(minutes=2), finished_at=day, error="full")
    assert is_due(now=day + timedelta(minutes=3))
    assert last_good() == run

    backup_sync()
    backup_sync()

    assert len(files_in(place.backups)) == 1
    assert BackupRun.objects.latest("pk").is_scheduled


def test_the_nightly_one_without_a_key_is_no_backup_and_no_fault_of_the_worker(place: Place) -> None:
    place.settings.BACKUP_DIR = str(place.backups)

    backup_sync()

    assert not place.backups.exists()
    assert any("DESK_BACKUP_TO is not set" in what for _, what, _ in looks.findings())


def test_the_doctor_says_what_is_wrong_with_where_backups_lie(place: Place) -> None:
    place.settings.BACKUP_DIR, place.settings.BACKUP_TO = str(place.backups), PUBLIC
    assert any(level == "danger" and "no folder" in what for level, what, _ in looks.findings())
    place.backups.mkdir(mode=0o755)
    (place.backups / "mine.kdbkey").write_text(PRIVATE)

    found = [what for _, what, _ in looks.findings()]

    assert any("on the disk of the desk" in what for what in found)
    assert any("private key" in what for what in found)


def test_the_command_makes_a_key_a_backup_and_checks_it(place: Place, tmp_path: Path) -> None:
    said = StringIO()
    call_command("backup", new_key=str(tmp_path / "key"), stdout=said)
    place.settings.BACKUP_TO = said.getvalue().partition("DESK_BACKUP_TO=")[2].strip()
    call_command("backup", to=str(place.backups), stdout=said)
    (file,) = files_in(place.backups)

    call_command("backup", verify=str(file), key=str(tmp_path / "key"), stdout=said)

    assert "Whole. Made" in said.getvalue()
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    with pytest.raises(CommandError, match="File exists"):
        call_command("backup", new_key=str(tmp_path / "key"))
    raw = bytearray(file.read_bytes())
    raw[-20] ^= 4
    file.write_bytes(raw)
    with pytest.raises(CommandError, match="was changed"):
        call_command("backup", verify=str(file), key=str(tmp_path / "key"))
    with pytest.raises(CommandError, match="Say where to"):
        call_command("backup")


def test_the_trail_of_a_backup_holds(place: Place) -> None:
    make_account(make_desk())
    place.backup()
    place.backup()

    assert verify(0).is_intact
    assert not ApiKey.objects.exists()
