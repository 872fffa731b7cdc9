"""How a process reaches the database: one URL for all, or one of its own where each kind of process has a role."""

from typing import Any

import dj_database_url

from kalshi_desk import env

# Programs that run for long. Commands that a person starts (migrate, restore, doctor) are none of them.
PROCESSES = ("web", "worker", "gateway", "beat", "signer")


def connection_of(url: str) -> dict[str, Any]:
    """Return what Django wants to know of the database at `url`."""
    found: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=60, conn_health_checks=True))
    if found["ENGINE"] == "django.db.backends.sqlite3":
        found["ENGINE"] = "kalshi_desk.sqlite"
        found["OPTIONS"] = {
            # FULL: an intent must survive a power cut before its first byte is sent (RELIABILITY I5).
            # apps.web.tasks.database_checkpoint moves the log; a commit does it only when that has not run for long.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; "
            "PRAGMA wal_autocheckpoint=8000;",
            "transaction_mode": "IMMEDIATE",
            "timeout": 10,
        }
        # A file does not go away as a server does; opening it again takes longer than most reads.
        found["CONN_MAX_AGE"], found["CONN_HEALTH_CHECKS"] = None, False
    return found


def named(connection: dict[str, Any], process: str) -> dict[str, Any]:
    """Have a PostgreSQL server show which process a connection is of; `manage.py doctor` looks there."""
    if process and connection["ENGINE"] == "django.db.backends.postgresql":
        connection["OPTIONS"] = {**connection.get("OPTIONS", {}), "application_name": f"desk-{process}"}
    return connection


def take_role(connection: dict[str, Any], process: str) -> None:
    """Make a forked program's connections those of DATABASE_URL_<PROCESS>, where the embedded set was given one."""
    own = env.text(f"DATABASE_URL_{process.upper()}", "")
    if own:
        connection.update(connection_of(own))
    named(connection, process)
