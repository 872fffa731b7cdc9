"""The database as it was at one moment, while the desk goes on. Two kinds, one shape (docs/adr/0011).

SQLite: its online backup in one step, which reads one snapshot of the log and holds up no writer. PostgreSQL: COPY of
each table in one REPEATABLE READ transaction. Neither needs a program besides the desk's own.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection

from apps.operations.errors import BackupRefused
from apps.operations.manifest import DATABASE, TABLES

Heads = dict[str, tuple[int, str]]
_HEADS = (
    "SELECT a.desk_id, a.sequence, a.digest FROM audit_auditentry a JOIN "
    "(SELECT desk_id, MAX(sequence) AS newest FROM audit_auditentry GROUP BY desk_id) h "
    "ON a.desk_id = h.desk_id AND a.sequence = h.newest"
)
_DESKS = "SELECT slug FROM accounts_desk ORDER BY slug"
_MIGRATIONS = "SELECT app, name FROM django_migrations ORDER BY app, name"


@dataclass(slots=True)
class Snapshot:
    """files: member of the archive -> where its content lies."""

    files: dict[str, Path]
    migrations: list[tuple[str, str]]
    desks: list[str]
    counts: dict[str, int]
    heads: Heads
    columns: dict[str, list[str]] = field(default_factory=dict)


def take(folder: Path) -> Snapshot:
    """Write the database's content into `folder`. Raises BackupRefused."""
    if connection.vendor == "sqlite":
        return _sqlite(folder / DATABASE)
    if connection.vendor == "postgresql":
        return _postgresql(folder)
    raise BackupRefused("backup_kind", f"A database of the kind {connection.vendor} cannot be backed up.")


def _sqlite(copy: Path) -> Snapshot:
    source_path = Path(settings.DATABASES["default"]["NAME"])
    if not source_path.is_file():
        raise BackupRefused("backup_empty", f"There is no database at {source_path}.")
    copy.touch(mode=0o600)
    with closing(sqlite3.connect(source_path, timeout=60)) as source, closing(sqlite3.connect(copy)) as target:
        # All pages in one step: one read transaction. In several, every commit in between would start it anew.
        source.backup(target, pages=-1)
        # One file: without this the copy would want a log beside it.
        target.execute("PRAGMA journal_mode=DELETE")
    return sqlite_read(copy)


def sqlite_read(path: Path) -> Snapshot:
    """Read what a manifest says of an SQLite file. Raises BackupRefused where the file itself is damaged."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as database:
            (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                raise BackupRefused("backup_damaged", f"The database in it is damaged: {verdict}")
            if database.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise BackupRefused("backup_damaged", "The database in it has rows that belong to nothing.")
            names = [
                name
                for (name,) in database.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
                )
            ]
            # The names come from the database's own list of tables.
            counts = {n: database.execute(f'SELECT COUNT(*) FROM "{n}"').fetchone()[0] for n in names}  # noqa: S608
            return Snapshot(
                files={DATABASE: path},
                migrations=sorted((app, name) for app, name in database.execute(_MIGRATIONS)),
                desks=[slug for (slug,) in database.execute(_DESKS)],
                counts=counts,
                heads={str(desk): (sequence, digest) for desk, sequence, digest in database.execute(_HEADS)},
            )
    except sqlite3.DatabaseError as exc:
        raise BackupRefused("backup_damaged", f"The database cannot be read: {exc}.") from None


def _postgresql(folder: Path) -> Snapshot:
    """Raises BackupRefused where the role is one that does not read everything, as a worker's own."""
    import psycopg

    try:
        return _copied(folder)
    except psycopg.errors.InsufficientPrivilege:
        text = "This role does not read everything. Set DESK_BACKUP_DATABASE_URL to that of the role for backups."
        raise BackupRefused("backup_rights", text) from None


def _copied(folder: Path) -> Snapshot:
    import psycopg

    parameters: dict[str, Any] = {} if settings.BACKUP_DATABASE_URL else connection.get_connection_params()
    for name in ("cursor_factory", "context"):
        parameters.pop(name, None)
    files, columns, counts = {}, {}, {}
    with psycopg.connect(settings.BACKUP_DATABASE_URL, **parameters) as own:
        own.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        own.read_only = True
        with own.cursor() as cursor:
            for table in tables():
                # information_schema leaves out, without a word, what this role may not read.
                cursor.execute(
                    "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(quote_ident(%s)) "
                    "AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
                    [table],
                )
                columns[table] = [name for (name,) in cursor.fetchall()]
                file = folder / f"{table}.copy"
                file.touch(mode=0o600)
                named = psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, columns[table]))
                command = psycopg.sql.SQL("COPY {} ({}) TO STDOUT").format(psycopg.sql.Identifier(table), named)
                with file.open("wb") as out, cursor.copy(command) as rows:
                    for block in rows:
                        out.write(block)
                counts[table] = max(0, cursor.rowcount)
                files[f"{TABLES}{table}"] = file
            desks = [slug for (slug,) in cursor.execute(_DESKS)]
            heads = {str(desk): (sequence, digest) for desk, sequence, digest in cursor.execute(_HEADS)}
            migrations = sorted((app, name) for app, name in cursor.execute(_MIGRATIONS))
    return Snapshot(files, migrations, desks, counts, heads, columns)


def tables() -> list[str]:
    """The tables of all models that this version has, and that are there."""
    wanted = {model._meta.db_table for model in apps.get_models(include_auto_created=True) if model._meta.managed}
    return sorted(wanted & set(connection.introspection.table_names()))
