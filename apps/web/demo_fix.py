"""FIX sessions of the demo: a listener, drop copy and settlement, on keys that only read, at the paper exchange."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.accounts.models import Desk, ExchangeAccount, Membership
from apps.core.errors import DeskError
from apps.core.permissions import Actor, Role
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError
from apps.fix import services
from apps.fix.models import FixSession
from apps.vault.models import ApiKey
from apps.vault.services import NewKey, key_add
from apps.vault.signing import KeySigner

logger = logging.getLogger(__name__)

# One connection per key, so each has its own; none of them may trade.
_SESSIONS: dict[str, dict[str, Any]] = {"rt": {"is_listener": True}, "dc": {}, "pt": {}}


def fix_seed(desk: Desk, paper: Mapping[str, Any]) -> None:
    """Give the first trading member's account its FIX sessions, once. What somebody stopped or changed stays so."""
    entry = next((one for one in paper.get("members", []) if one.get("role") == "trader"), None)
    if entry is None or "fix" not in paper:
        return
    account = ExchangeAccount.objects.filter(desk=desk, environment="paper", name=entry["name"]).first()
    if account is None or FixSession.objects.filter(account=account).exists():
        return
    try:
        for kind, options in _SESSIONS.items():
            _key(desk, account, entry, kind)
            operator = _actor(desk, Role.OPERATOR)
            row = services.session_define(operator, account.pk, kind, **options)
            services.session_start(operator, row.pk, why="part of the demo")
    except (DeskError, ExchangeError) as exc:
        # The desk is whole without them; an operator may define them later.
        logger.warning("the demo's FIX sessions were not made: %s", exc)


def _key(desk: Desk, account: ExchangeAccount, entry: Mapping[str, Any], kind: str) -> None:
    """Have the exchange make a reading key, as its member would, and put it into the vault."""
    purpose = ApiKey.Purpose(f"fix_{kind}")
    if ApiKey.objects.filter(account=account, purpose=purpose).exclude(status=ApiKey.Status.REVOKED).exists():
        return
    pem = Path(entry["private_key_path"]).read_bytes()
    signer = KeySigner.from_pem(key_id=entry["key_id"], pem=pem, scopes=entry["scopes"])
    client = ExchangeClient(settings.EXCHANGE_HOSTS["paper"]["rest"], signer, None)
    label = f"{account.name} {purpose.label}"[:80]
    made = client.post("/api_keys/generate", json={"name": label, "scopes": ["read"]})
    new = NewKey(
        account_id=account.pk,
        label=label,
        purpose=purpose,
        scopes=("read",),
        key_id=made["api_key_id"],
        secret=made["private_key"].encode(),
    )
    key_add(_actor(desk, Role.VAULT_ADMIN), new)


def _actor(desk: Desk, role: Role) -> Actor:
    row = Membership.objects.get(desk=desk, user__username=role.value)
    return Actor(user_id=row.user_id, desk_id=desk.pk, roles=frozenset(row.roles))
