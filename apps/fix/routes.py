"""Which way the orders of an account leave, and who may change that."""

from apps.accounts.access import account_get
from apps.audit import services as audit
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Actor, Permission
from apps.core.prepared import Prepared
from apps.core.timestamps import utc_now
from apps.fix.models import FixRoute, FixSession

_routes = Prepared(lambda account_id: FixRoute.objects.filter(account_id=account_id))


def way_of(account_id: int) -> str | None:
    """Return "nr" or "rt", None for REST."""
    row = _routes.first(account_id)
    return None if row is None or row.way == FixRoute.Way.REST else row.way


def route_set(actor: Actor, account_id: int, way: str, *, why: str) -> FixRoute:
    """Send an account's orders, changes, cancels and order groups by FIX or by REST, from the next one on.

    Raises:
        NotAllowed, NotFound; DeskError for a session that cannot trade, or no reason.
    """
    if not actor.may(Permission.FIX_OPERATE):
        raise NotAllowed
    account = account_get(actor, account_id)
    reason = why.strip()
    if not 3 <= len(reason) <= 200:
        raise DeskError("why_missing", "Say why, in 3 to 200 characters.", fields={"why": "Say why."})
    if way not in FixRoute.Way.values:
        raise DeskError("bad_input", "Orders leave by rest, nr or rt.")
    if way != FixRoute.Way.REST:
        session = FixSession.objects.filter(account=account, kind=way).first()
        if session is None or session.is_listener:
            raise DeskError("fix_no_session", "This account has no such session that may trade. Define it first.")
    values: dict[str, object] = {"way": way, "why": reason, "changed_by_id": actor.user_id, "changed_at": utc_now()}
    row, _ = FixRoute.objects.update_or_create(account=account, defaults=values)
    audit.record(
        "fix.route.set",
        actor_id=actor.user_id,
        desk_id=actor.desk_id,
        environment=account.environment,
        target=f"exchange_account:{account.pk}",
        data={"way": way, "why": reason},
    )
    return row
