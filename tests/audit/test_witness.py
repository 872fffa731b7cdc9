"""The heads noted outside of the database: what they show that the chain alone cannot, and no forging."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.accounts.tasks import audit_heads_note
from apps.audit import witness
from apps.audit.models import AuditEntry
from apps.audit.services import digest, record, verify
from tests.audit.test_chain import TABLE, tamper

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def file(settings: Any, tmp_path: Path) -> Path:
    settings.AUDIT_WITNESS_FILE = tmp_path / "audit" / "heads.ndjson"
    return Path(settings.AUDIT_WITNESS_FILE)


def write(count: int, *, desk_id: int = 7) -> AuditEntry:
    return [record("orders.intent.submitted", actor_id=None, desk_id=desk_id, data={"n": n}) for n in range(count)][-1]


def rewrite_whole_chain(desk_id: int) -> None:
    """What somebody with the database and the source can do: drop an entry, and hash all that follow anew."""
    tamper(f"DELETE FROM {TABLE} WHERE desk_id = {desk_id} AND sequence = 1")
    previous = "0" * 64
    for number, entry in enumerate(AuditEntry.objects.filter(desk_id=desk_id).order_by("sequence"), start=1):
        entry.sequence, entry.previous_digest = number, previous
        previous = digest(entry)
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {TABLE} SET sequence = %s, previous_digest = %s, digest = %s WHERE id = %s",
                [number, entry.previous_digest, previous, entry.pk],
            )


def test_a_line_is_added_for_each_chain_that_grew_and_for_no_other(file: Path) -> None:
    write(2)
    write(1, desk_id=8)
    assert witness.heads_note() == 2
    assert witness.heads_note() == 0
    last = write(1)
    assert witness.heads_note() == 1

    assert witness.heads_noted()[7] == {2: AuditEntry.objects.get(desk_id=7, sequence=2).digest, 3: last.digest}
    assert file.stat().st_mode & 0o077 == 0
    found = witness.check(7)
    assert (found.is_intact, found.entries, found.witnessed) == (True, 3, 2)


def test_a_chain_cut_off_at_its_end_is_found() -> None:
    write(3)
    witness.heads_note()

    tamper(f"DELETE FROM {TABLE} WHERE sequence = 3")

    assert verify(7).is_intact
    assert "ends before" in witness.check(7).problem


def test_a_chain_that_was_written_anew_from_its_beginning_is_found() -> None:
    write(3)
    witness.heads_note()
    rewrite_whole_chain(7)
    assert verify(7).is_intact, "the chain alone cannot tell"
    write(2)

    found = witness.check(7)

    assert "differs from the digest noted earlier" in found.problem
    assert found.sequence == 3


def test_a_desk_whose_whole_chain_is_gone_is_found_by_the_command() -> None:
    write(2)
    witness.heads_note()
    tamper(f"DELETE FROM {TABLE}")

    errors = StringIO()
    with pytest.raises(CommandError, match="1 of 1 chains"):
        call_command("audit_verify", stdout=StringIO(), stderr=errors)

    assert "ends before" in errors.getvalue()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda lines: lines[1:], "line 1 .* does not follow"),
        (lambda lines: [lines[0], lines[2]], "line 2 .* does not follow"),
        (lambda lines: [lines[0].replace(b'"sequence":1', b'"sequence":9'), *lines[1:]], "line 1 .* seal"),
        (lambda lines: [lines[0], b"{torn", *lines[1:]], "line 2 .* cannot be read"),
    ],
)
def test_a_file_that_was_changed_says_so(spoil: Any, why: str, file: Path) -> None:
    for _ in range(3):
        write(1)
        witness.heads_note()
    file.write_bytes(b"\n".join(spoil(file.read_bytes().splitlines())) + b"\n")

    with pytest.raises(witness.WitnessBroken, match=why):
        witness.heads_noted()

    assert not witness.check(7).is_intact


def test_a_line_that_was_torn_by_a_power_cut_is_written_anew(file: Path) -> None:
    write(2)
    witness.heads_note()
    write(1)
    witness.heads_note()
    whole = file.read_bytes()

    file.write_bytes(whole[:-20])
    assert witness.check(7).is_intact
    assert witness.heads_note() == 1

    assert len(file.read_bytes().splitlines()) == 2
    assert witness.check(7).witnessed == 2


def test_nobody_without_the_secret_writes_a_line(file: Path, settings: Any) -> None:
    write(1)
    key = settings.SECRET_KEY
    settings.SECRET_KEY = "somebody-elses-secret-key-of-another-installation-0123456789"
    witness.heads_note()
    settings.SECRET_KEY = key

    with pytest.raises(witness.WitnessBroken, match="seal"):
        witness.heads_noted()


def test_a_full_disk_stops_the_notes_and_nothing_else(monkeypatch: Any) -> None:
    write(1)

    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("apps.audit.witness.os.fsync", full)

    audit_heads_note()

    assert write(1).sequence == 2


def test_the_file_names_no_person_and_no_act(file: Path) -> None:
    write(1)
    witness.heads_note()

    assert set(json.loads(file.read_text())) == {"at", "desk", "sequence", "digest", "previous", "seal"}
