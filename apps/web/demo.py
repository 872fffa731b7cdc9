"""Demo data: one person per role and the paper exchange's members as accounts, through the real services.

Only for `DESK_MODE=demo`. Safe to run again: what exists is kept.
"""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.accounts import services as accounts
from apps.accounts.models import Desk, ExchangeAccount, Membership
from apps.core.permissions import Actor, Role
from apps.vault.models import ApiKey
from apps.vault.services import NewKey, key_add
from apps.web.demo_fix import fix_seed

DESK_NAME = "Northlake"
# Two traders, so that "somebody else changed it" can be tried; all others once.
PEOPLE: dict[str, Role] = {role.value: role for role in Role} | {"trader-2": Role.TRADER}
_LOGINS = "demo-logins.json"


def seed(data: Path) -> None:
    """Create the demo desk, its people and its paper accounts.

    Args:
        data: the installation's folder; the logins are written there, mode 600.

    Raises:
        RuntimeError: not in demo mode.
    """
    if settings.DESK_MODE != "demo":
        raise RuntimeError("demo data belongs to DESK_MODE=demo only")
    desk = Desk.objects.filter(slug="northlake").first() or accounts.desk_create(DESK_NAME, slug="northlake")
    _people(desk, data / _LOGINS)
    _paper_accounts(desk, data / "paper" / "paper.json")
    fix_seed(desk, _read(data / "paper" / "paper.json"))


def _people(desk: Desk, file: Path) -> None:
    known = _read(file).get("people", [])
    passwords = {entry["username"]: entry["password"] for entry in known}
    entries = []
    for username, role in PEOPLE.items():
        membership = Membership.objects.filter(desk=desk, user__username=username).select_related("user").first()
        password = passwords.get(username) or secrets.token_urlsafe(12)
        if membership is None:
            words = username.replace("-", " ").capitalize()
            accounts.person_add(desk, username=username, password=password, roles=[role], display_name=words)
        elif username not in passwords:
            # The file was lost: a password that nobody knows helps nobody.
            membership.user.set_password(password)
            membership.user.save(update_fields=["password"])
        entries.append(
            {"role": username if username == "trader-2" else role.value, "username": username, "password": password}
        )
    _write_private(file, {"note": "Demo logins of this installation. Each role once.", "people": entries})


def _paper_accounts(desk: Desk, file: Path) -> None:
    """Make an account of each paper member that trades for people, with its keys in the vault."""
    for member in _traders(_read(file)):
        account = ExchangeAccount.objects.filter(desk=desk, environment="paper", name=member["name"]).first()
        if account is None:
            account = accounts.account_add(desk, environment="paper", name=member["name"])
        for key in member["keys"]:
            _key(desk, account, key)


def _traders(paper: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the members that people trade as, each with all its keys; not the bots' market maker, not the FCM."""
    members: dict[str, dict[str, Any]] = {}
    for entry in paper.get("members", []):
        if entry.get("role") == "FCM":
            continue
        member = members.setdefault(entry["user_id"], {"name": entry["name"], "keys": []})
        member["keys"].append(entry)
    return [member for member in members.values() if "maker" not in member["name"].lower()]


def _key(desk: Desk, account: ExchangeAccount, entry: Mapping[str, Any]) -> None:
    may_write = "write" in entry["scopes"]
    purpose = ApiKey.Purpose.REST_TRADE if may_write else ApiKey.Purpose.REST_READ
    live = ApiKey.objects.filter(account=account, purpose=purpose).exclude(status=ApiKey.Status.REVOKED)
    if live.exists():
        return
    admin = Membership.objects.get(desk=desk, user__username=Role.VAULT_ADMIN.value)
    actor = Actor(user_id=admin.user_id, desk_id=desk.pk, roles=frozenset(admin.roles))
    new = NewKey(
        account_id=account.pk,
        label=f"{account.name} {'trading' if may_write else 'reading'}",
        purpose=purpose,
        scopes=tuple(entry["scopes"]),
        key_id=entry["key_id"],
        secret=Path(entry["private_key_path"]).read_bytes(),
    )
    key_add(actor, new)


def _read(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def _write_private(file: Path, content: Mapping[str, Any]) -> None:
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        json.dump(content, out, indent=2)
        out.write("\n")
    part.replace(file)
