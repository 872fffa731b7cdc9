"""What a backup says about itself. It is the first member of the archive, so it is encrypted like the rest."""

import hashlib
import hmac
import secrets
from typing import Literal

import msgspec
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils.encoding import force_bytes

from apps.operations.errors import BackupRefused

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "database.sqlite3"
TABLES = "tables/"  # PostgreSQL: one member per table, as COPY writes it
WITNESS = "state/audit-heads.ndjson"
SPILL = "state/orders-spill.jsonl"
KILLED = "state/killed.json"


class Member(msgspec.Struct, frozen=True):
    size: int
    sha256: str


class Manifest(msgspec.Struct, kw_only=True):
    """counts: rows by table. heads: newest sequence and digest of each desk's trail, by desk id (0: the installation).

    columns: of each table of PostgreSQL, in the order of its member.
    """

    format: int = FORMAT
    made_at_ms: int
    mode: str
    database: Literal["sqlite", "postgresql"]
    migrations: list[tuple[str, str]]
    desks: list[str]
    counts: dict[str, int]
    heads: dict[str, tuple[int, str]]
    columns: dict[str, list[str]] = {}
    members: dict[str, Member]
    secret_salt: str
    secret_check: str  # says whether an installation has the same SECRET_KEY, and nothing about it


class _Format(msgspec.Struct):
    """All that has to be readable in a manifest of any format."""

    format: int


def secret_check(salt: str, secret: str | None = None) -> str:
    key = force_bytes(settings.SECRET_KEY if secret is None else secret)
    # SECRET_KEY has 50 random characters or more, so a digest gives nobody a way to guess it.
    return hmac.new(key, f"kalshi-desk backup 1 {salt}".encode(), hashlib.sha256).hexdigest()[:32]


def new_salt() -> str:
    return secrets.token_hex(16)


def migrations_applied() -> list[tuple[str, str]]:
    return sorted(MigrationRecorder(connection).applied_migrations())


def read(raw: bytes) -> Manifest:
    """Raises BackupRefused: a format, or migrations, that this version of the desk does not know."""
    try:
        if msgspec.json.decode(raw, type=_Format).format > FORMAT:
            raise _newer("its format is newer")
        manifest = msgspec.json.decode(raw, type=Manifest)
    except msgspec.DecodeError:
        raise BackupRefused("backup_format", "The list of what is in this backup cannot be read.") from None
    known = set(MigrationLoader(None, ignore_no_migrations=True).disk_migrations or ())
    unknown = [f"{app}.{name}" for app, name in manifest.migrations if (app, name) not in known]
    if unknown:
        raise _newer(f"its database has {', '.join(unknown[:3])}{' and others' if len(unknown) > 3 else ''}")
    return manifest


def _newer(why: str) -> BackupRefused:
    text = f"This backup was made by a newer version of the desk: {why}. Install that version, then restore."
    return BackupRefused("backup_newer", text)
