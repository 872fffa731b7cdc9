"""Restores: all is verified before anything is changed, and what is put back trusts nothing that may be old."""

import fcntl
import io
import shutil
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection

from apps.accounts.models import ChangeRequest, Invitation, SignIn
from apps.audit import witness
from apps.audit.models import AuditEntry
from apps.audit.services import record, verify
from apps.core.errors import DeskError
from apps.core.timestamps import utc_now
from apps.fix.models import FixCommand, FixSession
from apps.operations import archive, looks
from apps.operations.errors import BackupRefused
from apps.operations.keyfile import keys_read, keys_write
from apps.operations.manifest import DATABASE, Manifest
from apps.operations.models import Restoration
from apps.operations.restore import backup_verify
from apps.orders import killed
from apps.orders.models import OrderIntent, TradingPause
from apps.orders.services import pause_release
from apps.orders.services.pauses import pause_check
from tests.operations.conftest import Place
from tests.support.people import actor_of, client_of, make_account, make_desk, make_person


def entries(count: int, desk_id: int = 7) -> None:
    for number in range(count):
        record("orders.intent.submitted", actor_id=None, desk_id=desk_id, data={"n": number})


def other_place(place: Place, tmp_path: Path) -> None:
    """A new machine with an empty folder; the vault's keys and SECRET_KEY are brought there by hand."""
    old = place.data
    place.point_to(tmp_path / "new")
    shutil.copytree(old / "vault", place.data / "vault")


def make_intent(account: Any, person: Any, **over: Any) -> OrderIntent:
    values = {
        "desk": account.desk,
        "account": account,
        "placed_by": person,
        "idempotency_key": uuid.uuid4(),
        "ticker": "KXHIGHNY-26NOV22-T60",
        "book_side": "bid",
        "price": Decimal("0.30"),
        "count": Decimal(5),
        "created_at": utc_now(),
    }
    return OrderIntent.objects.create(**values | over)


def changed_backup(place: Place, file: Path, tmp_path: Path, **over: Any) -> Path:
    """The same backup with another list, sealed as ours are: what a newer or another desk would have written."""
    folder = tmp_path / f"changed-{uuid.uuid4().hex}"
    folder.mkdir()
    with file.open("rb") as source:
        manifest = archive.unpack(source, place.opener, folder)
    made = folder / "made.kdb"
    with made.open("wb") as out:
        files = {name: archive.member_path(folder, name) for name in manifest.members}
        archive.write(out, place.recipient, msgspec.structs.replace(manifest, **over), files)
    return made


def test_everything_comes_back_on_an_empty_machine(place: Place, tmp_path: Path) -> None:
    desk = make_desk()
    trader = make_person(desk, "trader", username="thea")
    entries(50)
    witness.heads_note()
    counts = backup_verify(place.backup(), place.opener).counts
    file = place.backup()
    other_place(place, tmp_path)

    done = place.restore(file)

    assert done.manifest.desks == [desk.slug]
    assert trader.__class__.objects.get(username="thea").check_password("correct-horse-battery-staple")
    assert AuditEntry.objects.filter(desk_id=7).count() == 50
    assert counts["accounts_user"] == 1
    assert witness.check(7).is_intact
    assert witness.check(7).witnessed == 1
    assert verify(desk.pk).is_intact
    assert {entry.desk_id for entry in AuditEntry.objects.filter(action="operations.backup.restored")} == {0, desk.pk}
    assert place.database.stat().st_mode & 0o077 == 0
    assert not (place.data / ".restoring").exists()


def test_trading_is_closed_until_it_was_compared_and_then_a_lead_opens_it(place: Place, tmp_path: Path) -> None:
    desk = make_desk()
    trader, lead = make_person(desk, "trader"), make_person(desk, "lead")
    account = make_account(desk)
    file = place.backup()
    other_place(place, tmp_path)
    place.restore(file)

    with pytest.raises(DeskError, match="Restored from the backup of"):
        pause_check(user_id=trader.pk, desk_id=desk.pk)
    pause = TradingPause.objects.get(desk=desk)
    with pytest.raises(DeskError, match="not compared with the exchange yet"):
        pause_release(actor_of(lead), pause.pk)
    name, _, level, _, _ = list(looks.parts())[-1]
    assert (name, level) == (f"restored_{desk.pk}", "danger")
    assert [one[0] for one in looks.parts(make_desk("Another").pk)] == ["backup"]
    Restoration.objects.update(report={str(account.pk): {"name": "A", "done": False, "said": "no answer"}})
    with pytest.raises(DeskError, match="A: no answer"):
        pause_release(actor_of(lead), pause.pk)

    Restoration.objects.update(reconciled_at=utc_now())

    with pytest.raises(DeskError, match="lead"):
        pause_release(actor_of(trader), pause.pk)
    pause_release(actor_of(lead), pause.pk)
    pause_check(user_id=trader.pk, desk_id=desk.pk)


def test_what_was_about_to_be_sent_is_in_doubt_and_is_never_sent_again(place: Place, tmp_path: Path) -> None:
    desk = make_desk()
    trader, account = make_person(desk, "trader"), make_account(desk)
    states = OrderIntent.State
    ids = {state: make_intent(account, trader, state=state).pk for state in states}
    session = FixSession.objects.create(account=account, kind="rt", is_wanted=True, next_in=70, next_out=90)
    FixCommand.objects.create(
        session=session,
        subject="intent:1",
        is_once=True,
        msg_type="D",
        fields=[],
        created_at=utc_now(),
        expires_at=utc_now(),
    )
    file = place.backup()
    other_place(place, tmp_path)

    done = place.restore(file)

    found = {state: OrderIntent.objects.get(pk=pk).state for state, pk in ids.items()}
    assert found == {state: state for state in states} | {
        states.COMMITTED: states.UNKNOWN,
        states.SENDING: states.UNKNOWN,
    }
    assert done.done["orders in doubt"] == 2
    assert not OrderIntent.objects.filter(state__in=[states.COMMITTED, states.SENDING]).exists()
    assert FixCommand.objects.get().state == FixCommand.State.DOUBT
    session.refresh_from_db()
    assert (session.is_wanted, session.is_reset_wanted, session.next_in, session.next_out) == (False, True, 1, 1)
    assert "starts both sides at 1" in session.state_text


def test_nobody_is_signed_in_and_nothing_that_was_taken_back_since_opens_again(place: Place, tmp_path: Path) -> None:
    desk = make_desk()
    admin = make_person(desk, "admin")
    client_of(admin)
    SignIn.objects.get_or_create(
        session_key="k", defaults={"user": admin, "started_at": utc_now(), "seen_at": utc_now()}
    )
    Invitation.objects.create(desk=desk, digest="d", created_at=utc_now(), expires_at=utc_now())
    ChangeRequest.objects.create(
        desk=desk,
        kind="roles",
        title="t",
        params={},
        before={},
        content_hash="h",
        asked_by=admin,
        asked_at=utc_now(),
        expires_at=utc_now(),
    )
    file = place.backup()
    other_place(place, tmp_path)

    place.restore(file)

    assert not Session.objects.exists()
    assert not SignIn.objects.exists()
    assert Invitation.objects.get().revoked_at is not None
    assert ChangeRequest.objects.get().state == ChangeRequest.State.FAILED


def test_what_does_not_fit_is_refused_in_words_and_changes_nothing(place: Place, tmp_path: Path) -> None:
    make_desk()
    file = place.backup()
    raw = file.read_bytes()
    flipped = bytearray(raw)
    flipped[len(raw) // 2] ^= 1
    cases: list[tuple[Path, str]] = [
        (changed_backup(place, file, tmp_path, database="postgresql"), "is of a postgresql database"),
        (changed_backup(place, file, tmp_path, format=2), "newer version of the desk: its format is newer"),
        (
            changed_backup(place, file, tmp_path, migrations=[("orders", "0999_of_the_future")]),
            "newer version of the desk: its database has orders.0999_of_the_future",
        ),
        (changed_backup(place, file, tmp_path, counts={"accounts_user": 7}), "not the one that its list describes"),
        (changed_backup(place, file, tmp_path, heads={"7": (3, "x")}), "not the one that its list describes"),
    ]
    for name, content, words in (
        ("cut", raw[:-40], "changed or cut off"),
        ("flipped", bytes(flipped), "changed or cut off"),
        ("empty", b"", "no backup of the desk"),
        ("another", b"PK\3\4" * 99, "no backup of the desk"),
    ):
        (tmp_path / name).write_bytes(content)
        cases.append((tmp_path / name, words))
    other_place(place, tmp_path)
    before = place.listing()

    for case, words in cases:
        with pytest.raises(BackupRefused, match=words):
            place.restore(case)
        assert place.listing() == before, case

    place.restore(file)


def test_members_that_the_list_does_not_name_or_lacks_are_refused(place: Place, tmp_path: Path) -> None:
    file = place.backup()
    folder = tmp_path / "parts"
    folder.mkdir()
    with file.open("rb") as source:
        manifest = archive.unpack(source, place.opener, folder)
    (folder / "more").write_text("x")
    database = archive.member_path(folder, DATABASE)

    def made(files: dict[str, Path], listed: Manifest) -> io.BytesIO:
        out = io.BytesIO()
        archive.write(out, place.recipient, listed, files)
        return io.BytesIO(out.getvalue())

    with pytest.raises(BackupRefused, match="its list does not"):
        archive.unpack(made({DATABASE: database, "../../etc/x": folder / "more"}, manifest), place.opener, None)
    with pytest.raises(BackupRefused, match="lacks"):
        archive.unpack(made({}, manifest), place.opener, None)
    with pytest.raises(BackupRefused, match="is not what"):
        archive.unpack(made({DATABASE: folder / "more"}, manifest), place.opener, None)


def test_a_database_whose_trail_was_rewritten_is_not_put_back(place: Place, tmp_path: Path) -> None:
    entries(5)
    with connection.cursor() as cursor:
        for trigger in ("audit_no_update", "audit_no_delete"):
            cursor.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        cursor.execute("UPDATE audit_auditentry SET target = 'x' WHERE sequence = 3 AND desk_id = 7")
    file = place.backup()
    other_place(place, tmp_path)

    with pytest.raises(BackupRefused, match="broken at entry 3 of desk 7"):
        place.restore(file)

    assert not place.database.exists()


def test_a_desk_that_is_there_stays_unless_it_is_said_and_then_lies_beside(place: Place) -> None:
    make_desk("First")
    file = place.backup()
    make_desk("Second")
    (place.data / "fix").mkdir()
    (place.data / "fix" / "rt.fix").write_text("numbers of then")
    before = place.listing()
    with pytest.raises(BackupRefused, match="There is a desk in"):
        place.restore(file)
    assert place.listing() == before

    done = place.restore(file, replace=True)

    assert done.kept is not None
    assert {path.name for path in done.kept.iterdir()} >= {"desk.sqlite3", "fix"}
    assert not (place.data / "fix").exists()
    assert Restoration.objects.count() == 1


def test_while_a_desk_runs_nothing_is_restored(place: Place) -> None:
    file = place.backup()
    (place.data / "run").mkdir(exist_ok=True)
    with (place.data / "run" / "desk.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BackupRefused, match="A desk runs on"):
            place.restore(file, replace=True)


def test_a_trail_that_becomes_shorter_is_told_and_accepted_with_a_reason_only(place: Place) -> None:
    entries(5)
    file = place.backup()
    entries(4)
    witness.heads_note()
    noted = witness.path().read_bytes()
    with pytest.raises(BackupRefused, match="noted up to entry 9, this backup ends with 5: 4 entries will be missing"):
        place.restore(file, replace=True)
    with pytest.raises(BackupRefused, match="--accept WHY"):
        place.restore(file, replace=True, accept="  ")

    place.restore(file, replace=True, accept="the disk of the desk broke")

    told = AuditEntry.objects.get(action="operations.backup.restored", desk_id=0)
    assert told.data["accepted"].startswith("the disk of the desk broke: The trail of desk ")
    (kept,) = witness.path().parent.glob("heads.ndjson.until-restore-*")
    assert kept.read_bytes() == noted
    witness.heads_note()
    assert witness.check(7).is_intact


def test_another_secret_key_is_told(place: Place, tmp_path: Path) -> None:
    file = place.backup()
    other_place(place, tmp_path)
    place.settings.SECRET_KEY = "another-one-" * 5

    with pytest.raises(BackupRefused, match="DESK_SECRET_KEY is not the one of this backup"):
        place.restore(file)

    assert place.restore(file, accept="the old key is lost").accepted


def test_the_file_of_keys_brings_them_to_a_new_machine_and_replaces_none(place: Place, tmp_path: Path) -> None:
    keys_write(tmp_path / "keys", place.recipient)
    file = place.backup()
    private = (place.data / "vault" / "private.pem").read_text()
    place.point_to(tmp_path / "new")
    known, place.settings.SECRET_KEY = place.settings.SECRET_KEY, "of-the-new-machine-" * 4
    keys = keys_read(tmp_path / "keys", place.opener)

    place.restore(file, keys=keys)

    assert (place.data / "vault" / "private.pem").read_text() == private
    assert (place.data / "secret-key").read_text() == known
    assert (place.data / "secret-key").stat().st_mode & 0o077 == 0
    (place.data / "secret-key").write_text("another")
    with pytest.raises(BackupRefused, match="is another one"):
        place.restore(file, keys=keys, replace=True)


def test_a_backup_of_an_older_version_is_brought_up_to_date(place: Place, tmp_path: Path) -> None:
    desk = make_desk()
    call_command("migrate", "data_api", "zero", verbosity=0)
    file = place.backup()
    assert "data_api_datatoken" not in backup_verify(file, place.opener).counts
    other_place(place, tmp_path)

    place.restore(file)

    assert "data_api_datatoken" in connection.introspection.table_names()
    assert Restoration.objects.get().desk_id == desk.pk


def test_a_kill_in_a_file_goes_on_holding(place: Place, tmp_path: Path) -> None:
    killed.write(killed.Marker(at_ms=1, why="of then"))
    file = place.backup()
    other_place(place, tmp_path)

    place.restore(file)

    marker = killed.read()
    assert marker is not None
    assert marker.why == "of then"


def test_the_command_says_what_it_did_and_what_comes_next(place: Place, tmp_path: Path) -> None:
    make_desk()
    file = place.backup()
    (tmp_path / "passphrase").write_text("of no use here\n")
    with pytest.raises(CommandError, match="give its private half"):
        call_command("restore", str(file), passphrase_file=str(tmp_path / "passphrase"))
    with pytest.raises(CommandError, match="No such file"):
        call_command("restore", str(tmp_path / "nothing"), passphrase_file=str(tmp_path / "passphrase"))
    said = io.StringIO()
    (tmp_path / "key").write_text("kdb-private-wrong")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("restore", str(file), key=str(tmp_path / "key"), stdout=said)
    assert said.getvalue() == ""
