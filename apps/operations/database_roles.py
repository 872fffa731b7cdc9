"""A role of PostgreSQL for each kind of process: what it is granted, as SQL, applied, and compared with what is."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Model
from psycopg import sql

from apps.core.errors import DeskError
from apps.monitoring.services.kill import command_line_user
from apps.operations.database_rights import HIDDEN, ONLY_CHANGES, PROCESSES, ROLES, VERBS, rights

# Not a model's: whether the database answers is asked of this one.
MIGRATIONS = "django_migrations"
_BEYOND = ("TRUNCATE", "REFERENCES", "TRIGGER")  # granted to nobody


@dataclass(slots=True)
class TableRights:
    """Columns that a role may read, add and change in one table, and whether it may remove rows."""

    reads: set[str] = field(default_factory=set)
    adds: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    removes: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """What a role may do and should not ("more"), or should and may not ("less")."""

    role: str
    is_more: bool
    what: str


def role_name(process: str) -> str:
    return f"{settings.DATABASE_ROLES}_{process}"


def wanted(process: str) -> dict[str, TableRights]:
    """Return what a process should be able to do, by table. `process` is one of ROLES."""
    found: dict[str, TableRights] = {}
    for label, given in rights().items():
        model = apps.get_model(label)
        columns = {column for one in model._meta.local_concrete_fields if (column := one.column)}
        if process == "backup":
            found[model._meta.db_table] = TableRights(reads=columns)
        verbs = given.get(process, "")
        if not verbs:
            continue
        closed = {name for name, readers in HIDDEN.get(label, {}).items() if process not in readers}
        found[model._meta.db_table] = TableRights(
            reads=columns - closed if "r" in verbs else set(),
            adds=columns if "a" in verbs else set(),
            changes=set(ONLY_CHANGES.get(label, {}).get(process, columns)) if "c" in verbs else set(),
            removes="d" in verbs,
        )
    if process in (*PROCESSES, "backup"):
        found[MIGRATIONS] = TableRights(reads={"id", "app", "name", "applied"})
    return found


def statements() -> Iterator[sql.Composable]:
    """Yield the SQL that makes the roles and gives each what it should have, and no more. It may be repeated."""
    names = sql.SQL(", ").join(sql.Identifier(role_name(one)) for one in ROLES)
    for process in ROLES:
        yield sql.SQL(
            "DO $$ BEGIN CREATE ROLE {} LOGIN NOCREATEDB NOCREATEROLE; "
            "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        ).format(sql.Identifier(role_name(process)))
    schema, database = _schema(), sql.Identifier(connection.settings_dict["NAME"])
    yield sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC, {}").format(database, names)
    yield sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, names)
    yield sql.SQL("REVOKE CREATE ON SCHEMA {} FROM PUBLIC, {}").format(schema, names)
    yield sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, names)
    # A table's REVOKE takes what was granted on its columns, too.
    yield sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA {} FROM PUBLIC, {}").format(schema, names)
    yield sql.SQL("REVOKE ALL ON ALL SEQUENCES IN SCHEMA {} FROM PUBLIC, {}").format(schema, names)
    for process in ROLES:
        yield from _grants(process)


def apply(passwords: Mapping[str, str]) -> int:
    """Make it so, in one transaction; return the number of statements. passwords: process -> password to set.

    Raises DeskError where this database has no roles, or one of them is more than a role of a process may be.
    """
    must_be_postgresql()
    done = list(statements())
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in done:
            cursor.execute(statement)
        # Who carries a kill from the command line into the database names this person, and may make none.
        command_line_user()
        for process, password in passwords.items():
            cursor.execute(_password(process, password))
    mighty = sorted(one.role for one in differences() if one.is_more)
    if mighty:
        raise DeskError(
            "role_mighty",
            f"{', '.join(dict.fromkeys(mighty))} may do more than was granted here: it is a superuser,"
            " makes roles, or is a member of another role. Take that away, or drop the role and run this again.",
        )
    return len(done)


def differences() -> list[Difference]:
    """Compare each role with what it should have. A role that does not exist has less: everything."""
    must_be_postgresql()
    names = {role_name(process): process for process in ROLES}
    found = list(_attributes(names))
    actual = _actual(list(names))
    for role, process in names.items():
        should = wanted(process)
        for table in sorted(should.keys() | actual.get(role, {}).keys()):
            want, has = should.get(table, TableRights()), actual.get(role, {}).get(table, TableRights())
            for verb, mine, theirs in (
                ("read", want.reads, has.reads),
                ("add to", want.adds, has.adds),
                ("change", want.changes, has.changes),
            ):
                found += _columns(role, f"{verb} {table}", mine, theirs)
            if want.removes != has.removes:
                found.append(Difference(role, has.removes, f"remove from {table}"))
    return found


def connected() -> list[tuple[str, str, bool]]:
    """Return (process, role, whether that role owns the desk's tables or may do anything) of what is connected now."""
    must_be_postgresql()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT substr(a.application_name, 6), a.usename, "
            "r.rolsuper OR pg_has_role(r.oid, c.relowner, 'USAGE') "
            "FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid "
            "JOIN pg_class c ON c.oid = to_regclass(%s) "
            "WHERE a.datname = current_database() AND a.application_name LIKE 'desk-%%' ORDER BY 1, 2",
            [MIGRATIONS],
        )
        return [(str(process), str(role), bool(is_owner)) for process, role, is_owner in cursor.fetchall()]


def must_be_postgresql() -> None:
    if connection.vendor != "postgresql":
        raise DeskError(
            "no_roles", "SQLite is one file with one right: it has no roles. Set DATABASE_URL to PostgreSQL."
        )


def _schema() -> sql.Identifier:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        return sql.Identifier(cursor.fetchone()[0])


def _grants(process: str) -> Iterator[sql.Composable]:
    """Yield one GRANT for all the tables that are granted alike."""
    tables: dict[tuple[str, ...], list[str]] = {}
    role = sql.Identifier(role_name(process))
    columns = {model._meta.db_table: {one.column for one in model._meta.local_concrete_fields} for model in _models()}
    for table, given in wanted(process).items():
        whole = columns.get(table, given.reads)
        verbs = []
        for verb, some in (("r", given.reads), ("a", given.adds), ("c", given.changes)):
            if some == whole:
                verbs.append(VERBS[verb])
            elif some:
                named = sql.SQL(", ").join(map(sql.Identifier, sorted(some)))
                yield sql.SQL("GRANT {} ({}) ON {} TO {}").format(
                    sql.SQL(VERBS[verb]), named, sql.Identifier(table), role
                )
        if given.removes:
            verbs.append(VERBS["d"])
        if verbs:
            tables.setdefault(tuple(verbs), []).append(table)
    for granted, alike in sorted(tables.items()):
        yield sql.SQL("GRANT {} ON {} TO {}").format(
            sql.SQL(", ".join(granted)), sql.SQL(", ").join(map(sql.Identifier, sorted(alike))), role
        )


def _password(process: str, password: str) -> sql.Composable:
    """Say it as its SCRAM verifier, so that the password itself is in no log of the server."""
    connection.ensure_connection()
    role = role_name(process)
    made = connection.connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    return sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(made.decode()))


def _attributes(names: Iterable[str]) -> Iterator[Difference]:
    """What a role is, beside what it was granted."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication, "
            "EXISTS (SELECT 1 FROM pg_auth_members m WHERE m.member = r.oid), rolcanlogin "
            "FROM pg_roles r WHERE rolname = ANY(%s)",
            [list(names)],
        )
        known = {row[0]: row[1:] for row in cursor.fetchall()}
    for name in names:
        if name not in known:
            yield Difference(name, False, "exist")
            continue
        is_mighty, is_member, may_login = known[name]
        if is_mighty:
            yield Difference(name, True, "be a superuser, or make roles or databases")
        if is_member:
            yield Difference(name, True, "act as another role")
        if not may_login:
            yield Difference(name, False, "sign in")


def _actual(names: list[str]) -> dict[str, dict[str, TableRights]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT r.rolname, c.relname, "
            "array_agg(a.attname::text) FILTER (WHERE has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')), "
            "array_agg(a.attname::text) FILTER (WHERE has_column_privilege(r.oid, c.oid, a.attnum, 'INSERT')), "
            "array_agg(a.attname::text) FILTER (WHERE has_column_privilege(r.oid, c.oid, a.attnum, 'UPDATE')), "
            "has_table_privilege(r.oid, c.oid, 'DELETE'), has_table_privilege(r.oid, c.oid, %s) "
            "FROM pg_roles r CROSS JOIN pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
            "WHERE r.rolname = ANY(%s) AND c.relnamespace = current_schema()::regnamespace "
            "AND c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped "
            "GROUP BY r.rolname, r.oid, c.relname, c.oid",
            [", ".join(_BEYOND), names],
        )
        found: dict[str, dict[str, TableRights]] = {}
        for role, table, reads, adds, changes, removes, beyond in cursor.fetchall():
            found.setdefault(role, {})[table] = TableRights(
                set(reads or ()), set(adds or ()), set(changes or ()) | ({"*"} if beyond else set()), removes
            )
        return found


def _columns(role: str, what: str, should: set[str], may: set[str]) -> Iterator[Difference]:
    for is_more, some in ((True, may - should), (False, should - may)):
        if some:
            shown = "" if some == should | may else f" ({', '.join(sorted(some)[:3])})"
            yield Difference(role, is_more, what + shown)


def _models() -> list[type[Model]]:
    return list(apps.get_models(include_auto_created=True))
