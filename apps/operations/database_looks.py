"""What `manage.py doctor` says of the database's roles. Reading only."""

from collections.abc import Iterator

from django.conf import settings
from django.db import connection

from apps.operations import database_roles
from apps.operations.database_rights import ROLES
from apps.operations.looks import Level

APPLY = "manage.py database_roles --apply, as the owner; then a DATABASE_URL for each process (docs/configuration.md)."
SHOWN = 6


def findings() -> Iterator[tuple[Level, str, str]]:
    """On SQLite nothing: one file has one right, and the doctor warns a team of SQLite already."""
    if connection.vendor != "postgresql":
        return
    level: Level = "ok" if settings.DESK_MODE == "demo" else "warning"
    names = {database_roles.role_name(process): process for process in ROLES}
    found = database_roles.differences()
    if len([one for one in found if one.what == "exist"]) == len(names):
        yield level, "Every process has every right in the database: there are no roles for them.", APPLY
        return
    for is_more in (True, False):
        some = [f"{one.role} {one.what}" for one in found if one.is_more is is_more]
        if some:
            more = f" and {len(some) - SHOWN} more" if len(some) > SHOWN else ""
            said = "may do more than they need" if is_more else "may do less than they need"
            yield "danger", f"Roles of the database {said}: {'; '.join(some[:SHOWN])}{more}.", APPLY
    wrong = False
    for process, role, is_owner in database_roles.connected():
        if is_owner:
            wrong = True
            yield "warning", f"{process} is connected as {role}, which may do everything.", APPLY
        elif names.get(role) != process:
            wrong = True
            yield "warning", f"{process} is connected as {role}, which is not its role.", APPLY
    if not found and not wrong:
        yield "ok", "Each process has the rights in the database that it needs.", ""
