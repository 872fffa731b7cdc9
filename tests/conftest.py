"""Fixtures that every test may use. Nothing here reaches beyond loopback."""

import gc
import ipaddress
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
RECORDED = ROOT.parent / "shared" / "data" / "kalshi-recorded"
REFERENCE = ROOT.parent / "shared" / "reference"

# The same examples in every run, however slow the machine. Others: `HYPOTHESIS=wild make test`.
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
settings.register_profile("same", deadline=None, derandomize=True, database=None, suppress_health_check=SLOW)
settings.register_profile("wild", deadline=None, derandomize=False, suppress_health_check=SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS", "same"))

# Modules and collected tests live to the end, and there are many: the collector would go through all of them again and
# again, a fifth of the suite's time. It passes over what is there before the first test, and looks less often.
gc.disable()
YOUNG_OBJECTS = 20_000

# Browser tests drive Playwright's loop and the database in one thread.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

_connect = socket.socket.connect


def _loopback_only(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6):
        host = address[0]
        try:
            is_loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            is_loopback = host == "localhost"
        if not is_loopback:
            raise AssertionError(f"a test tried to reach {host}: tests stay on loopback")
    return _connect(self, address)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if config.getoption("dist") != "loadgroup":
        return None
    from tests.support.database import make_ahead
    from tests.support.groups import GroupScheduling

    gc.enable()  # this process collects no tests
    if "DATABASE_URL" not in os.environ:
        config.add_cleanup(make_ahead().join)
    return GroupScheduling(config, log)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
    gc.enable()


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Any:
    socket.socket.connect = _loopback_only  # type: ignore[method-assign]
    yield
    socket.socket.connect = _connect  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def recorded_files() -> list[Path]:
    """The recorded production frames, one file per market; skips in words where they are absent."""
    files = sorted(RECORDED.glob("events/*/*.ndjson.gz"))
    if not files:
        pytest.skip(f"recorded frames are not on this machine (looked in {RECORDED})")
    return files


@pytest.fixture(scope="session")
def reference() -> Path:
    if not REFERENCE.is_dir():
        pytest.skip(f"the exchange's reference files are not on this machine (looked in {REFERENCE})")
    return REFERENCE


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb: bool, django_db_modify_db_settings: None) -> bool:
    """Put a migrated database where the tests' own will be; pytest-django then finds nothing left to migrate."""
    from django.db import connection

    from tests.support.database import copy_migrated

    if connection.vendor != "sqlite":
        return django_db_keepdb
    copy_migrated(Path(connection.settings_dict["TEST"]["NAME"]))
    return True


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Any:
    """Let tests that commit empty the database after themselves.

    The audit trail's triggers refuse that; tests/audit puts them back where it tests them.
    """
    from django.db import connection

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        on_table = " ON audit_auditentry" if connection.vendor == "postgresql" else ""
        for trigger in ("audit_no_delete", "audit_no_truncate"):
            cursor.execute(f"DROP TRIGGER IF EXISTS {trigger}{on_table}")
    yield
    if connection.vendor == "postgresql":
        # Threads of asgiref keep their connections; PostgreSQL drops no database that has one.
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture(autouse=True, scope="session")
def static_folder() -> None:
    """The folder that `collectstatic` fills; WhiteNoise warns where it is missing, and warnings are errors."""
    from django.conf import settings

    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
