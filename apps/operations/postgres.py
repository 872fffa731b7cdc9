"""Load the tables of a backup into an empty PostgreSQL database, inside the caller's transaction (docs/adr/0011)."""

from pathlib import Path

from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

from apps.accounts.models import User
from apps.operations import archive
from apps.operations.errors import BackupRefused
from apps.operations.manifest import TABLES, Manifest

_BLOCK = 1_048_576


def must_be_empty() -> None:
    """Raises BackupRefused where somebody lives already."""
    if User._meta.db_table in connection.introspection.table_names() and User.objects.exists():
        text = "This PostgreSQL database has people in it. Restore into an empty one: create it, and set DATABASE_URL."
        raise BackupRefused("restore_not_empty", f"{text} Nothing was changed.")


def load(manifest: Manifest, staging: Path) -> None:
    """Make the tables as they were at the backup, and fill them. Raises BackupRefused."""
    _tables_make(manifest)
    there = set(connection.introspection.table_names())
    missing = sorted(manifest.columns.keys() - there)
    if missing:
        raise BackupRefused("backup_format", f"This backup has tables that this version has not: {missing[:3]}.")
    with connection.cursor() as cursor:
        for table in manifest.columns:
            # What a migration filled in is in the backup, too. Foreign keys are looked at when all is there.
            cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        for table, columns in manifest.columns.items():
            named = sql.SQL(", ").join(map(sql.Identifier, columns))
            command = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), named)
            part = archive.member_path(staging, f"{TABLES}{table}")
            with part.open("rb") as source, cursor.copy(command) as rows:
                while block := source.read(_BLOCK):
                    rows.write(block)
            cursor.execute(sql.SQL("SELECT COUNT(*) FROM {}").format(sql.Identifier(table)))
            (count,) = cursor.fetchone()
            if count != manifest.counts[table]:
                text = f"{table} has {count} rows; the backup's list says {manifest.counts[table]}."
                raise BackupRefused("backup_damaged", text)
    connection.check_constraints()
    _sequences_set()


def _tables_make(manifest: Manifest) -> None:
    """Apply the migrations that the backup's database had, and no others: newer ones may change what it holds."""
    executor = MigrationExecutor(connection)
    wanted = {(app, name) for app, name in manifest.migrations}
    graph = executor.loader.graph
    newest = [
        key
        for key in wanted
        if not any(child.key in wanted and child.key[0] == key[0] for child in graph.node_map[key].children)
    ]
    executor.migrate(sorted(newest))


def _sequences_set() -> None:
    """Go on counting rows where the backup ended."""
    with connection.cursor() as cursor:
        there = set(connection.introspection.table_names())
        for model in apps.get_models(include_auto_created=True):
            table = model._meta.db_table
            auto = model._meta.auto_field
            if table in there and auto is not None and auto.column:
                column = auto.column
                cursor.execute(
                    sql.SQL(
                        "SELECT setval(pg_get_serial_sequence({text}, {name}), COALESCE(MAX({column}), 1), "
                        "MAX({column}) IS NOT NULL) FROM {table}"
                    ).format(
                        text=sql.Literal(f'"{table}"'),
                        name=sql.Literal(column),
                        column=sql.Identifier(column),
                        table=sql.Identifier(table),
                    )
                )
