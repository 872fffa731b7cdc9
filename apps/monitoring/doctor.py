"""What `manage.py doctor` looks at: findings about this deployment, each with what to do about it. Reading only."""

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor

from apps.accounts.models import Desk, Membership
from apps.core import ports
from apps.core.errors import DeskError
from apps.core.permissions import Permission, permissions_of
from apps.core.timestamps import utc_now
from apps.monitoring import health
from apps.vault import keyfiles, keyforms
from apps.vault.crypto import sealing_key_id
from apps.vault.emergency import SealedKey, emergency_path
from apps.vault.models import ApiKey
from apps.vault.signer import remote


@dataclass(frozen=True, slots=True)
class Finding:
    """level: "ok", "warning" or "danger". do: what to do about it, "" when nothing."""

    level: health.Level
    what: str
    do: str = ""


_HINTS = {
    "database": "Start the database, or mend DATABASE_URL; then run this again.",
    "redis": "Start Redis or Valkey, or mend REDIS_URL.",
    "gateway": "Start `manage.py gateway`; its log says why it does not hold the lease.",
    "queue": "Start a worker for this queue (docs/runbook.md), and beat.",
    "feed": "Look at the gateway's log. Without an account with a working key there is no feed.",
    "exchange": "Look at the exchange's status page; the desk goes on by itself.",
    "clock": "Let this machine set its clock over NTP (timedatectl set-ntp true).",
    "sync": "Look at the worker's log: the key, the network, or the exchange.",
    "reconcile": "Open History > Reconciliation: it says what failed.",
    "tokens": "Somebody spends the account's budget; see the gauges in the top bar.",
    "doubt": "Open Orders > Unknown; each resolves itself when the exchange can be read.",
    "fix": "Open FIX: the session says why.",
    "trading": "Open Monitor > Kill switch, or Orders > Limits and pauses.",
    "backup": "Look at the worker's log for its reason; `manage.py backup` makes one by hand (docs/runbook.md).",
    "restored": "Wait until every account was compared with the exchange; then a lead opens trading (docs/runbook.md).",
    "disk": "Free some space: without it nothing can be stored, and no new order passes.",
}


def findings() -> Iterator[Finding]:
    """Yield what was found, settings first. A database that is away ends only what needs it."""
    yield from _settings()
    yield from _files()
    yield from _signer()
    database = health.is_ready()
    if not database:
        for look in (_migrations, _vault, _people, _emergency, _elsewhere):
            yield from _safely(look)
    for part in health.parts():
        hint = "" if part.level == "ok" else _HINTS.get(part.name.split("_")[0], "")
        yield Finding(part.level, f"{part.label}: {part.why}", hint)


def _safely(look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except (DatabaseError, InterfaceError) as exc:
        yield Finding("danger", f"The database does not answer a question ({type(exc).__name__}).", _HINTS["database"])


def _settings() -> Iterator[Finding]:
    if settings.DEBUG:
        yield Finding("danger", "DESK_DEBUG is on: error pages show code.", "Unset DESK_DEBUG.")
    if settings.DESK_MODE == "demo":
        yield Finding("warning", "Demo mode: logins were generated.", "For a team: DESK_MODE=team.")
        return
    if not settings.SESSION_COOKIE_SECURE:
        yield Finding("danger", "Cookies travel unencrypted.", "Serve over https and set DESK_SECURE_COOKIES=1.")
    if len(settings.SECRET_KEY) < 50:
        yield Finding("danger", "The secret key is short.", "Set DESK_SECRET_KEY to 50 or more random characters.")
    if connection.vendor == "sqlite":
        yield Finding("warning", "A team works on SQLite.", "Set DATABASE_URL to a PostgreSQL server.")


def _files() -> Iterator[Finding]:
    private = settings.VAULT_PRIVATE_KEY_FILE or str(Path(settings.DATA_DIR) / "vault" / "private.pem")
    for path in (Path(settings.DATA_DIR), Path(private), Path(settings.DATA_DIR) / "secret-key", emergency_path()):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & 0o077:
            yield Finding("danger", f"{path} is open to other users ({mode:o}).", f"chmod go-rwx {path}")
    if not (Path(settings.STATIC_ROOT) / "staticfiles.json").exists():
        yield Finding("warning", "The static files are not collected.", "manage.py collectstatic --noinput")


def _signer() -> Iterator[Finding]:
    """What the signer could not give up on this machine; the embedded set's lies where it is known to."""
    path = Path(settings.SIGNER_SOCKET or Path(settings.DATA_DIR) / "run" / "signer.sock")
    if not settings.SIGNER_SOCKET and not path.exists():
        return
    level: health.Level = "ok" if settings.DESK_MODE == "demo" else "warning"
    try:
        for one in remote.missing(path):
            yield Finding(level, f"The signer: {one}", "docs/runbook.md, A user for the signer.")
    except DeskError as exc:
        yield Finding("warning", f"The signer does not say what it gave up: {exc.text}", "Look at its log.")


def _migrations() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if missing:
        yield Finding("danger", f"{missing} migrations are missing.", "Stop the desk, back up, manage.py migrate.")
    else:
        yield Finding("ok", "All migrations are applied.")


def _vault() -> Iterator[Finding]:
    try:
        public = sealing_key_id(keyfiles.public_key_load())
    except DeskError as exc:
        yield Finding("danger", exc.text, "manage.py vault_init")
        return
    if settings.VAULT_PRIVATE_KEY_FILE:
        try:
            halves = keyfiles.private_keys_load()
        except DeskError as exc:
            yield Finding("danger", exc.text, "Restore the vault's private key from where it is kept apart.")
            return
        if public not in halves:
            what = "The vault's two halves do not belong together: new keys could not be opened."
            yield Finding("danger", what, "Put the matching pair back; do not run vault_init.")
        sealed = set(ApiKey.objects.exclude(status=ApiKey.Status.REVOKED).values_list("sealing_key_id", flat=True))
        if sealed - set(halves):
            yield Finding("danger", "Some keys are sealed to a vault key that is not here.", "Restore the older half.")
    private = Path(settings.VAULT_PRIVATE_KEY_FILE)
    if settings.VAULT_PRIVATE_KEY_FILE and keyforms.lies_open(private.read_bytes()):
        what = "There is a passphrase, and the vault's private half still lies there without it."
        yield Finding("warning", what, "manage.py vault_rotate writes it sealed; old copies of the file stay open.")
    yield Finding("ok", "The vault is set up.")


def _people() -> Iterator[Finding]:
    for desk in Desk.objects.order_by("slug"):
        members = Membership.objects.filter(desk=desk, is_active=True, user__is_active=True)
        roles = [permissions_of(one.roles) for one in members]
        for permission, who, hint in (
            (Permission.KILL_RELEASE, "a lead", "Nobody could release the kill switch: give somebody the role lead."),
            (Permission.PEOPLE_MANAGE, "an admin", "manage.py desk_admin NAME"),
        ):
            if not any(permission in one for one in roles):
                yield Finding("warning", f"{desk.name} has no active person who is {who}.", hint)


def _emergency() -> Iterator[Finding]:
    live = ApiKey.objects.filter(purpose=ApiKey.Purpose.REST_TRADE, account__is_active=True)
    wanted = live.exclude(status=ApiKey.Status.REVOKED).exclude(key_id="").count()
    try:
        held = len(msgspec.json.decode(emergency_path().read_bytes(), type=list[SealedKey]))
    except (OSError, msgspec.DecodeError):
        held = -1
    if held == wanted or (held < 0 and not wanted):
        yield Finding("ok", f"The emergency file holds {max(held, 0)} of {wanted} trading keys.")
        return
    hint = "It is written each minute by beat and a worker. Without it `manage.py kill` needs the database."
    yield Finding("warning", f"The emergency file does not hold the {wanted} trading keys there are.", hint)


def _elsewhere() -> Iterator[Finding]:
    """What apps to the right of this one look at."""
    for look in ports.doctor_looks:
        yield from (Finding(*one) for one in look())


def heading() -> str:
    return f"{utc_now():%Y-%m-%d %H:%M:%S} UTC, {settings.DESK_MODE} mode, {connection.vendor}, {settings.DATA_DIR}"
