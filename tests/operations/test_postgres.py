"""Backup and restore of PostgreSQL: on the server of DATABASE_URL, in databases of their own (`make test-sql`)."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection

from apps.operations import sealed
from apps.operations.database_rights import ROLES
from tests.support.desk import PATIENCE
from tests.support.manage import manage as manage_py

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="needs DATABASE_URL of a PostgreSQL server")
PRIVATE, PUBLIC = sealed.key_make()
COUNTS = """
from apps.accounts.models import User
from apps.audit.services import verify
from apps.orders.models import TradingPause
print("people", *User.objects.exclude(username="command-line").order_by("pk").values_list("username", flat=True))
print("pauses", *TradingPause.objects.values_list("why", flat=True))
print("chain", verify(1).is_intact, verify(0).is_intact)
"""
MAKE = """
from apps.accounts.services import desk_create, person_add
desk = desk_create("One", slug="one")
for name in ("anna", "bert"):
    person_add(desk, username=name, password="correct-horse-battery-staple", roles=["trader"])
"""

MORE = """
from apps.accounts.models import Desk
from apps.accounts.services import person_add
person_add(Desk.objects.get(), username="cora", password="correct-horse-battery-staple", roles=["trader"])
"""


def url_of(database: str, role: str = "") -> str:
    """role: whose password is its name; the owner where none is given."""
    url = urlsplit(os.environ["DATABASE_URL"])
    place = url.netloc.rpartition("@")[2]
    return url._replace(path=f"/{database}", netloc=f"{role}:{role}@{place}" if role else url.netloc).geturl()


def manage(database: str, data: Path, *arguments: str, role: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    variables = {"DESK_DATA": str(data), "DATABASE_URL": url_of(database, role), "DESK_BACKUP_TO": PUBLIC} | more
    return manage_py(*arguments, within=20 * PATIENCE, DESK_SECRET_KEY="only-for-this-test-" * 4, **variables)


@pytest.fixture
def databases() -> Iterator[tuple[str, str]]:
    import psycopg

    names = f"backup_{uuid.uuid4().hex[:8]}", f"restore_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        for name in names:
            server.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        yield names
        for name in names:
            server.execute(psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(psycopg.sql.Identifier(name)))
        for role in ROLES:
            identifier = psycopg.sql.Identifier(f"{names[0]}_{role}")
            server.execute(psycopg.sql.SQL("DROP ROLE IF EXISTS {}").format(identifier))


def test_it_goes_into_an_empty_database_as_a_whole_and_into_no_other(
    databases: tuple[str, str], tmp_path: Path
) -> None:
    first, second = databases
    to, key = tmp_path / "backups", tmp_path / "key"
    key.write_text(PRIVATE)
    names = {f"DESK_DATABASE_PASSWORD_{one.upper()}": f"{first}_{one}" for one in ROLES}
    names["DESK_DATABASE_ROLES"] = first
    for arguments in (
        ("migrate", "--verbosity", "0"),
        ("shell", "--command", MAKE),
        ("database_roles", "--apply"),
    ):
        done = manage(first, tmp_path / "one", *arguments, **names)
        assert done.returncode == 0, done.stderr
    # As the worker that makes it: its own role does not read everything, that of the backup does.
    worker, own = f"{first}_worker", {"DESK_BACKUP_DATABASE_URL": url_of(first, f"{first}_backup")}
    refused = manage(first, tmp_path / "one", "backup", "--to", str(to), role=worker)
    assert refused.returncode == 1
    assert "DESK_BACKUP_DATABASE_URL" in refused.stderr
    done = manage(first, tmp_path / "one", "backup", "--to", str(to), role=worker, **own)
    assert done.returncode == 0, done.stderr
    (file,) = to.glob("*.kdb")
    restore = ("restore", str(file), "--key", str(key))

    refused = manage(first, tmp_path / "one", *restore)
    done = manage(second, tmp_path / "two", *restore)

    assert refused.returncode == 1
    assert "has people in it" in refused.stderr
    assert done.returncode == 0, done.stderr
    said = manage(second, tmp_path / "two", "shell", "--command", COUNTS).stdout
    assert "people anna bert" in said
    assert "not compared with the exchange yet" in said
    assert "chain True True" in said
    # Rows go on where the backup ended: no number of its rows is given out again.
    more = manage(second, tmp_path / "two", "shell", "--command", MORE)
    assert more.returncode == 0, more.stderr
