"""`manage.py doctor` names what is wrong and what to do, also while the database is away."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError

from apps.accounts.models import Membership
from apps.monitoring import doctor, health
from apps.vault.emergency import emergency_path, emergency_write
from tests.orders.conftest import Place
from tests.support.people import make_person, vault_in


@pytest.fixture(autouse=True)
def few_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What health says is tested there."""
    part = health.Part("clock_paper", "Clock against paper", "danger", "+40,000 ms")
    monkeypatch.setattr(health, "parts", lambda *args, **kwargs: [part])


def said() -> dict[str, str]:
    return {one.what: one.do for one in doctor.findings()}


def about(words: str) -> doctor.Finding | None:
    return next((one for one in doctor.findings() if words in one.what), None)


def test_a_part_that_is_not_well_comes_with_what_to_do(place: Place) -> None:
    assert "NTP" in said()["Clock against paper: +40,000 ms"]


def test_the_command_ends_with_one_when_something_is_dangerous(place: Place) -> None:
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", quiet=True, stdout=out)

    assert ended.value.code == 1
    assert "DANGER  Clock against paper: +40,000 ms\n        do: Let this machine" in out.getvalue()
    assert "ok      " not in out.getvalue()


def test_a_desk_without_a_lead_is_said(place: Place) -> None:
    assert about(f"{place.desk.name} has no active person who is a lead") is not None
    make_person(place.desk, "lead")
    assert about(f"{place.desk.name} has no active person who is a lead") is None
    Membership.objects.update(is_active=False)
    assert about(f"{place.desk.name} has no active person who is a lead") is not None


def test_vault_halves_that_do_not_belong_together(place: Place, tmp_path: Path, settings: Any) -> None:
    missing = about("vault")
    assert missing is not None
    vault_in(tmp_path, settings)
    assert about("halves do not belong") is None
    other = tmp_path / "other"
    other.mkdir()
    public = settings.VAULT_PUBLIC_KEY_FILE
    vault_in(other, settings)
    settings.VAULT_PUBLIC_KEY_FILE = public

    assert about("halves do not belong together") is not None


def test_files_that_others_can_read_are_dangerous(place: Place) -> None:
    emergency_write()
    assert about("is open to other users") is None or "emergency" not in str(about("is open to other users"))
    emergency_path().chmod(0o644)

    found = [one for one in doctor.findings() if "emergency-keys.json is open" in one.what]
    assert [one.do for one in found] == [f"chmod go-rwx {emergency_path()}"]


def test_the_emergency_file_is_compared_with_the_keys(place: Place) -> None:
    found = about("emergency file does not hold")
    assert found is not None
    emergency_write()
    assert about("emergency file holds 1 of 1") is not None


def test_without_a_database_it_still_answers(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*args: Any) -> None:
        raise DatabaseError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(health.connection, "cursor", gone)
        found = list(doctor.findings())

    assert any(one.what.startswith("Clock") for one in found)
