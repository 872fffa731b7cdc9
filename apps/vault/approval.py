"""Four eyes on trading keys: adding one, replacing one by a wider one, and revoking one.

A new key cannot lie in a request, so it is sealed at once in a row that counts as revoked everywhere; the second
person's yes makes the row live. Declined, expired or failed, its envelope is deleted.
"""

from typing import Any

from apps.accounts.access import account_get
from apps.accounts.four_eyes import ApprovalNeeded, Kind, Params, change_ask, gate, is_wanted, kinds
from apps.accounts.models import ChangeRequest
from apps.core.permissions import Actor, Permission
from apps.vault import crypto, keyfiles
from apps.vault.errors import KeyRefused
from apps.vault.models import ApiKey
from apps.vault.signing import WRITE

KIND = "keys"


def add_waits(desk_id: int, *, scopes: list[str] | tuple[str, ...]) -> bool:
    """Must a second person agree before a key with these scopes may sign?"""
    return WRITE in scopes and is_wanted(desk_id, KIND)


def add_ask(actor: Actor, row: ApiKey, *, replaces: int | None) -> ChangeRequest:
    """Ask for a row that is sealed and counts as revoked; inside the caller's transaction."""
    title = f"Add the trading key \u201c{row.label}\u201d to {row.account}"
    request = change_ask(actor, ApprovalNeeded(KIND, title, _added(row, replaces)))
    row.waits_for = request
    row.save(update_fields=["waits_for"])
    return request


def revoke_gate(actor: Actor, row: ApiKey, *, approval: ChangeRequest | None) -> None:
    """Raises as `four_eyes.gate`. A key that only reads goes at once."""
    if WRITE in row.scopes:
        title = f"Revoke the trading key \u201c{row.label}\u201d of {row.account}"
        gate(actor.desk_id, KIND, title, {"do": "revoke", "key": row.pk}, approval=approval)


def register() -> None:
    kinds[KIND] = Kind("Adding and revoking trading keys", Permission.VAULT_MANAGE, _now, _apply, dropped=_dropped)


def _added(row: ApiKey, replaces: int | None) -> dict[str, Any]:
    return {
        "do": "add",
        "key": row.pk,
        "account": row.account_id,
        "purpose": row.purpose,
        "key_id": row.key_id,
        "scopes": list(row.scopes),
        "fingerprint": row.fingerprint,
        "replaces": replaces,
    }


def _now(desk_id: int, params: Params) -> dict[str, str]:
    row = ApiKey.objects.filter(pk=params["key"], account__desk_id=desk_id).select_related("account").first()
    if row is None:
        return {"key": "not here any more"}
    facts = {
        "key": f"{row.get_purpose_display()} of {row.account}",
        "scopes": " and ".join(row.scopes),
        "fingerprint": row.fingerprint[:16],
    }
    live = ApiKey.objects.filter(account=row.account, purpose=row.purpose).exclude(status=ApiKey.Status.REVOKED)
    one = live.first()
    return facts | {"live key now": f"\u201c{one.label}\u201d, {' and '.join(one.scopes)}" if one else "none"}


def _apply(author: Actor, request: ChangeRequest) -> None:
    from apps.vault.services import key_activate, key_revoke

    params = request.params
    if params["do"] == "revoke":
        key_revoke(author, params["key"], approval=request)
        return
    row = ApiKey.objects.select_related("account").filter(pk=params["key"], waits_for=request).first()
    if row is None or not row.is_waiting or _added(row, params["replaces"]) != params:
        raise KeyRefused("approval_mismatch", "The key is not the one that was approved. Nothing was done.")
    account_get(author, row.account_id)
    if row.sealing_key_id != crypto.sealing_key_id(keyfiles.public_key_load()):
        raise KeyRefused("key_rotated", "The vault has got another key since: add this one again.")
    key_activate(author, row, replaces=params["replaces"])


def _dropped(request: ChangeRequest) -> None:
    """What nobody approved leaves no secret behind."""
    ApiKey.objects.filter(waits_for=request, status=ApiKey.Status.REVOKED).update(sealed=b"")
