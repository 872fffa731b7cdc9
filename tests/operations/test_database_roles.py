"""A role of PostgreSQL for each kind of process: it does its work, and the server refuses it everything else."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, transaction
from django.test import Client

from apps.audit.models import AuditEntry
from apps.audit.services import record, verify
from apps.core.errors import DeskError
from apps.monitoring import jobs
from apps.monitoring.models import KillRun
from apps.operations import database_looks, database_roles
from apps.operations.database_rights import HIDDEN, ONLY_CHANGES, ROLES, rights
from apps.orders import killed
from apps.orders.models import Order, OrderIntent
from apps.orders.services import fills_record, intent_send, intent_submit
from apps.vault.models import ApiKey
from apps.vault.opening import signer_for
from kalshi_desk.database import take_role
from tests.orders.conftest import Place, build_place, commits, exchange, make_ticket, published, queued
from tests.orders.scripted import ScriptedExchange
from tests.orders.test_apply import fill as make_fill
from tests.support.people import PASSWORD, actor_of, make_account, make_desk, make_key, make_person, vault_in

__all__ = ["commits", "exchange", "published", "queued"]  # fixtures of the orders' tests
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="needs DATABASE_URL of PostgreSQL")
As = Callable[[str], Any]


def test_every_table_says_who_may_do_what_with_it() -> None:
    models = {model._meta.label: model for model in apps.get_models(include_auto_created=True)}

    assert rights().keys() == models.keys()
    for label, columns in HIDDEN.items():
        assert columns.keys() <= {field.column for field in models[label]._meta.local_concrete_fields}
    for label, some in ONLY_CHANGES.items():
        for process, columns_of in some.items():
            assert set(columns_of) <= {field.column for field in models[label]._meta.local_concrete_fields}
            assert "c" in rights()[label][process]


def test_nobody_is_given_what_no_process_does() -> None:
    given = rights()

    assert set(given["audit.AuditEntry"].values()) == {"ra"}
    for label in ("sessions.Session", "mfa.Authenticator", "data_api.DataToken", "accounts.Invitation"):
        assert [given[label][process] for process in ("worker", "gateway", "signer")] == ["", "", ""]
    for label in ("orders.RiskLimit", "accounts.Membership", "accounts.User", "rfq.ApprovalThreshold"):
        assert given[label]["worker"] == given[label]["gateway"] == "r"
    assert {label for label, of in given.items() if of["signer"]} == {
        *("accounts.Desk", "accounts.ExchangeAccount", "audit.AuditEntry", "vault.ApiKey")
    }
    for process in ("web", "gateway"):
        assert "sealed" not in database_roles.wanted(process)["vault_apikey"].reads
    assert database_roles.wanted("beat") == {}
    assert all(not (of.adds or of.changes or of.removes) for of in database_roles.wanted("backup").values())


def test_a_forked_process_takes_the_role_of_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    def here() -> dict[str, Any]:
        return {"ENGINE": "django.db.backends.postgresql", "NAME": "desk", "USER": "owner", "OPTIONS": {"sslmode": "x"}}

    monkeypatch.setenv("DATABASE_URL_WEB", "postgres://desk_web:secret@db.example:5432/desk")
    web, gateway = here(), here()
    take_role(web, "web")
    take_role(gateway, "gateway")

    assert (web["USER"], web["HOST"], web["OPTIONS"]["application_name"]) == ("desk_web", "db.example", "desk-web")
    assert (gateway["USER"], gateway["OPTIONS"]) == ("owner", {"sslmode": "x", "application_name": "desk-gateway"})


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="of the database without roles")
def test_sqlite_is_told_as_what_it_is() -> None:
    for arguments in ([], ["--apply"], ["--check"]):
        with pytest.raises(CommandError, match="one file with one right"):
            call_command("database_roles", *arguments)
    assert list(database_looks.findings()) == []


@pytest.fixture
def roles(db: None, settings: Any) -> str:
    """Roles of this test's own, which end with its transaction."""
    settings.DATABASE_ROLES = f"t{os.getpid()}"
    database_roles.apply({"web": "a password"})
    return str(settings.DATABASE_ROLES)


@pytest.fixture
def acting(roles: str) -> As:
    @contextmanager
    def act(process: str) -> Iterator[None]:
        with connection.cursor() as cursor:
            cursor.execute(f"SET ROLE {roles}_{process}")
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("RESET ROLE")

    return act


REFUSED = [
    ("web", "SELECT sealed FROM vault_apikey"),
    ("web", "SELECT * FROM vault_apikey"),
    ("web", "UPDATE vault_apikey SET label = encode(sealed, 'hex')"),
    ("web", "DELETE FROM vault_apikey"),
    ("web", "SELECT sealed FROM monitoring_alertwebhook"),
    ("web", "INSERT INTO orders_fill DEFAULT VALUES"),
    ("web", "UPDATE portfolio_balance SET account_id = 1"),
    ("web", "DELETE FROM orders_orderintent"),
    ("web", "CREATE TABLE public.own (id int)"),
    ("web", "ALTER TABLE audit_auditentry DISABLE TRIGGER ALL"),
    ("web", "DROP TRIGGER audit_no_update ON audit_auditentry"),
    ("web", "TRUNCATE audit_chaincheck"),
    ("web", "CREATE ROLE another"),
    ("web", "COPY accounts_user TO PROGRAM 'true'"),
    *((process, "UPDATE audit_auditentry SET action = ''") for process in ROLES),
    *((process, "DELETE FROM audit_auditentry") for process in ROLES),
    *((process, "TRUNCATE audit_auditentry") for process in ROLES),
    *((process, "UPDATE django_migrations SET name = ''") for process in ROLES),
    ("worker", "SELECT session_data FROM django_session"),
    ("worker", "SELECT data FROM mfa_authenticator"),
    ("worker", "UPDATE accounts_user SET password = ''"),
    ("worker", "UPDATE accounts_membership SET roles = '[]'"),
    ("worker", "UPDATE orders_risklimit SET desk_id = 1"),
    ("worker", "INSERT INTO vault_apikey DEFAULT VALUES"),
    ("gateway", "SELECT sealed FROM vault_apikey"),
    ("gateway", "SELECT session_data FROM django_session"),
    ("gateway", "DELETE FROM orders_risklimit"),
    ("gateway", "UPDATE accounts_user SET is_active = true"),
    ("gateway", "INSERT INTO accounts_changerequest DEFAULT VALUES"),
    ("signer", "SELECT password FROM accounts_user"),
    ("signer", "SELECT id FROM orders_orderintent"),
    ("signer", "UPDATE vault_apikey SET scopes = '[]'"),
    ("signer", "UPDATE vault_apikey SET sealed = ''"),
    ("beat", "SELECT id FROM accounts_user"),
    ("beat", "SELECT name FROM django_migrations"),
    ("backup", "DELETE FROM accounts_user"),
    ("backup", "INSERT INTO operations_backuprun DEFAULT VALUES"),
]


@on_postgresql
def test_what_is_no_work_of_a_process_is_refused(acting: As) -> None:
    passed = []
    for process, statement in REFUSED:
        with acting(process), connection.cursor() as cursor:
            try:
                with transaction.atomic():
                    cursor.execute(statement)
                passed.append((process, statement, "done"))
            except ProgrammingError as exc:
                if not re.search("permission denied|must be owner|must be superuser", str(exc)):
                    passed.append((process, statement, str(exc)))

    assert passed == []


@on_postgresql
def test_people_sign_in_and_add_keys_as_web_and_the_signer_opens_them(
    acting: As, tmp_path: Path, settings: Any
) -> None:
    vault_in(tmp_path / "vault", settings)
    desk = make_desk()
    person, account = make_person(desk, "vault-admin"), make_account(desk)
    with acting("web"):
        answer = Client().post("/accounts/login/", {"login": person.username, "password": PASSWORD})
        assert answer.status_code == 302
        row = make_key(actor_of(person), account)
        assert ApiKey.objects.get(pk=row.pk).label == row.label
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            signer_for(account.pk, write=True)

    with acting("signer"):
        assert signer_for(account.pk, write=True).row_id == row.pk
        ApiKey.objects.filter(pk=row.pk).update(use_count=7)

    assert AuditEntry.objects.filter(action="vault.key.opened").count() == 1
    with acting("worker"):
        assert verify(desk.pk).is_intact


@on_postgresql
def test_an_order_goes_its_whole_way_each_step_as_its_process(acting: As, exchange: ScriptedExchange) -> None:
    place: Place = build_place()
    with acting("web"):
        intent = intent_submit(place.trader, make_ticket(place))
    with acting("worker"):
        intent_send(intent.pk)
    intent.refresh_from_db()
    assert intent.state == OrderIntent.State.ACKED
    with acting("gateway"):
        report = make_fill(order_id=intent.exchange_order_id)
        assert fills_record(place.account.pk, [report], source="ws") == 1

    assert Order.objects.get().filled_count == Decimal("4")
    for process in ("web", "worker", "gateway", "signer"):
        with acting(process):
            record("tests.role.used", actor_id=None, desk_id=place.desk.pk, data={"process": process})
            assert verify(place.desk.pk).is_intact


@on_postgresql
@pytest.mark.parametrize("process", ["gateway", "worker"])
def test_a_kill_of_the_command_line_is_carried_and_passed_by_either(
    acting: As, process: str, tmp_path: Path, settings: Any, exchange: ScriptedExchange
) -> None:
    settings.DATA_DIR = tmp_path
    settings.SIGNER_SOCKET = str(
        tmp_path / "s"
    )  # nobody listens; what matters is that the row is read without its seal
    place: Place = build_place()
    killed.write(killed.Marker(at_ms=1, why="drill", desk_slug=place.desk.slug, by_text="tess"))
    with acting(process):
        assert jobs.look() == 1
    run = KillRun.objects.get()

    assert not killed.is_set()
    assert (run.desk_id, run.pause.why, run.passes) == (place.desk.pk, "drill", 1)
    assert run.claimed_until is None
    assert "signer is away" in str(run.report)


@on_postgresql
def test_what_differs_is_told_and_applying_again_mends_it(roles: str, settings: Any) -> None:
    assert database_roles.differences() == []
    assert list(database_looks.findings())[-1][0] == "ok"
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT UPDATE (action), TRUNCATE ON audit_auditentry TO {roles}_web")
        cursor.execute(f"GRANT SELECT (sealed) ON vault_apikey TO {roles}_gateway")
        cursor.execute(f"REVOKE DELETE ON django_session FROM {roles}_web")

    found = {(one.role.removeprefix(f"{roles}_"), one.is_more, one.what) for one in database_roles.differences()}

    assert found == {
        ("web", True, "change audit_auditentry"),
        ("gateway", True, "read vault_apikey (sealed)"),
        ("web", False, "remove from django_session"),
    }
    assert [level for level, _, _ in database_looks.findings()] == ["danger", "danger"]
    with pytest.raises(CommandError, match="3 differences"):
        call_command("database_roles", "--check", stdout=StringIO())
    call_command("database_roles", "--apply", stdout=StringIO())
    call_command("database_roles", "--check", stdout=StringIO())


@on_postgresql
def test_a_role_that_is_more_than_a_process_is_told(roles: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER ROLE {roles}_web CREATEDB")
        cursor.execute(f"GRANT {roles}_signer TO {roles}_worker")

    with pytest.raises(DeskError, match=f"{roles}_web, {roles}_worker may do more"):
        database_roles.apply({})


@on_postgresql
def test_the_doctor_sees_who_is_connected_as_the_owner(roles: str) -> None:
    parameters = connection.get_connection_params() | {"application_name": "desk-web"}
    for name in ("cursor_factory", "context"):
        parameters.pop(name, None)
    with psycopg.connect(**parameters):
        found = [what for level, what, _ in database_looks.findings() if level == "warning"]

    assert [what for what in found if what.startswith("web is connected as ") and "may do everything" in what] == found
    assert found


@on_postgresql
def test_the_script_is_the_same_work_and_shows_no_password(roles: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_DATABASE_PASSWORD_WEB", "not-in-the-script")
    out = StringIO()
    call_command("database_roles", stdout=out)

    assert "not-in-the-script" not in out.getvalue()
    with connection.cursor() as cursor:
        for statement in out.getvalue().splitlines():
            cursor.execute(statement)
    assert database_roles.differences() == []
