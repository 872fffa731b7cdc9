"""The audit trail: what it takes, what it refuses, and what breaks its chain."""

import datetime
import uuid
from decimal import Decimal
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from apps.audit.entry_data import SecretRefused
from apps.audit.models import AppendOnly, AuditEntry
from apps.audit.services import GENESIS, record, verify
from apps.core.permissions import Role
from tests.support.people import key_pem

pytestmark = pytest.mark.django_db
TABLE = AuditEntry._meta.db_table


def write_three(desk_id: int = 7) -> list[AuditEntry]:
    return [record("orders.intent.submitted", actor_id=None, desk_id=desk_id, data={"n": n}) for n in range(3)]


def tamper(sql: str, *params: Any) -> None:
    """Change rows as somebody with the database file would: past the model and the triggers."""
    with connection.cursor() as cursor:
        on_table = f" ON {TABLE}" if connection.vendor == "postgresql" else ""
        for trigger in ("audit_no_update", "audit_no_delete"):
            cursor.execute(f"DROP TRIGGER IF EXISTS {trigger}{on_table}")
        cursor.execute(sql, params)


def test_entries_of_a_desk_form_one_chain_and_desks_do_not_mix() -> None:
    first, second, third = write_three()
    other = record("vault.key.opened", actor_id=None, desk_id=8)

    assert [first.sequence, second.sequence, third.sequence, other.sequence] == [1, 2, 3, 1]
    assert first.previous_digest == other.previous_digest == GENESIS
    assert third.previous_digest == second.digest
    assert verify(7).is_intact
    assert verify(7).entries == 3
    assert verify(7).head == third.digest


def test_values_of_the_domain_survive_the_database_with_the_same_digest() -> None:
    data = {
        "price": Decimal("0.5600"),
        "id": uuid.UUID(int=5),
        "at": datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
        "role": Role.TRADER,
        "roles": {"b", "a"},
        "nested": {"list": [1, None, True, "ü"]},
    }

    entry = record("orders.intent.submitted", actor_id=None, desk_id=7, data=data)

    stored = AuditEntry.objects.get(pk=entry.pk)
    assert stored.data["price"] == "0.5600"
    assert stored.data["at"] == "2026-01-01T22:00:00+00:00"
    assert stored.data["roles"] == ["a", "b"]
    assert verify(7).is_intact


@pytest.mark.parametrize(
    ("sql", "problem", "sequence"),
    [
        (f"UPDATE {TABLE} SET action = 'x.y.z' WHERE sequence = 2", "changed", 2),
        (f"""UPDATE {TABLE} SET data = '{{"n": 9}}' WHERE sequence = 2""", "changed", 2),
        (f"DELETE FROM {TABLE} WHERE sequence = 2", "entry 2 is missing", 3),
        (f"DELETE FROM {TABLE} WHERE sequence = 1", "entry 1 is missing", 2),
        (f"UPDATE {TABLE} SET sequence = 9 WHERE sequence = 2", "missing", 3),
        (f"UPDATE {TABLE} SET previous_digest = '{'1' * 64}' WHERE sequence = 3", "does not continue", 3),
    ],
)
def test_an_entry_changed_or_removed_behind_our_back_is_found(sql: str, problem: str, sequence: int) -> None:
    write_three()

    tamper(sql)

    found = verify(7)
    assert problem in found.problem
    assert found.sequence == sequence


def test_entries_cut_off_at_the_end_are_found_by_a_head_noted_elsewhere() -> None:
    *_, last = write_three()

    tamper(f"DELETE FROM {TABLE} WHERE sequence = 3")

    assert verify(7).is_intact
    assert "ends before" in verify(7, expected=(3, last.digest)).problem


def test_the_command_prints_heads_and_fails_on_a_broken_chain() -> None:
    *_, last = write_three()
    out = StringIO()
    call_command("audit_verify", stdout=out)
    assert f"head 3:{last.digest}" in out.getvalue()

    tamper(f"UPDATE {TABLE} SET target = 'x' WHERE sequence = 1")

    with pytest.raises(CommandError, match="1 of 1 chains"):
        call_command("audit_verify", stdout=StringIO(), stderr=StringIO())


@pytest.mark.parametrize(
    "data",
    [
        {"note": "-----BEGIN RSA PRIVATE KEY-----"},
        {"deep": [{"password": "x"}]},
        {"Private_Key": "x"},
    ],
)
def test_secrets_are_refused_by_shape_and_by_name(data: dict[str, Any]) -> None:
    with pytest.raises(SecretRefused) as refused:
        record("vault.key.imported", actor_id=None, desk_id=7, data=data)

    assert "BEGIN" not in str(refused.value)
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("pkcs1", [True, False])
def test_the_body_of_a_key_is_refused_even_without_its_header(pkcs1: bool) -> None:
    body = "".join(key_pem(9, pkcs1=pkcs1).splitlines()[1:-1])

    with pytest.raises(SecretRefused):
        record("vault.key.imported", actor_id=None, desk_id=7, data={"note": body})


@pytest.mark.parametrize("value", [0.1, b"bytes", object(), datetime.datetime(2026, 1, 1), "a\x00b"])
def test_inexact_and_unknown_values_are_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        record("orders.intent.submitted", actor_id=None, desk_id=7, data={"value": value})

    assert not AuditEntry.objects.exists()


def test_an_entry_goes_with_the_transaction_that_it_describes() -> None:
    class Abandoned(Exception):
        pass

    def command() -> None:
        with transaction.atomic():
            record("orders.intent.submitted", actor_id=None, desk_id=7)
            raise Abandoned

    with pytest.raises(Abandoned):
        command()

    assert not AuditEntry.objects.exists()


def test_the_model_offers_no_way_to_change_or_delete() -> None:
    entry = write_three()[0]

    for attempt in (
        entry.save,
        entry.delete,
        lambda: AuditEntry.objects.update(target="x"),
        lambda: AuditEntry.objects.all().delete(),
        lambda: AuditEntry.objects.bulk_update([entry], ["target"]),
        lambda: AuditEntry.objects.bulk_create([entry]),
    ):
        with pytest.raises(AppendOnly):
            attempt()


@pytest.mark.parametrize("sql", [f"UPDATE {TABLE} SET target = 'x'", f"DELETE FROM {TABLE}"])
def test_the_database_refuses_it_to_every_other_program(sql: str) -> None:
    migration = import_module("apps.audit.migrations.0002_append_only")
    migration._run(connection, migration.REMOVE)
    migration._run(connection, migration.INSTALL)
    write_three()

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)

    assert verify(7).entries == 3
