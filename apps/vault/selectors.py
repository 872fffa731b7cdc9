"""What people may see of the vault: never key material."""

from django.db.models import QuerySet

from apps.core.errors import NotAllowed, NotFound
from apps.core.permissions import Actor, Permission
from apps.vault.models import ApiKey


def keys_visible(actor: Actor) -> QuerySet[ApiKey]:
    """The keys of the actor's desk, live ones first; the sealed secret stays in the database."""
    if not actor.may(Permission.VAULT_VIEW):
        raise NotAllowed
    rows = ApiKey.objects.filter(account__desk_id=actor.desk_id).select_related("account", "created_by")
    return rows.defer("sealed").order_by("account__environment", "account__name", "purpose", "-pk")


def key_get(actor: Actor, key_row_id: int) -> ApiKey:
    """Raises NotFound for another desk's key exactly as for one that does not exist."""
    row = keys_visible(actor).filter(pk=key_row_id).first()
    if row is None:
        raise NotFound("This key does not exist, or it belongs to another desk.")
    return row


def twin_of(desk_id: int, fingerprint: str) -> ApiKey | None:
    """Return a live key of the desk with the same public half."""
    return (
        ApiKey.objects.filter(account__desk_id=desk_id, fingerprint=fingerprint)
        .exclude(status=ApiKey.Status.REVOKED)
        .select_related("account")
        .defer("sealed")
        .first()
    )
