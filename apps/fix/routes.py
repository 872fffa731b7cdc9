"""Which way the orders, quotes and requests of an account leave, and who may change that."""

from typing import Any, Final

from django.db import transaction

from apps.accounts.access import account_get
from apps.audit import services as audit
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Actor, Permission
from apps.core.prepared import Prepared
from apps.core.timestamps import utc_now
from apps.fix.models import FixRoute, FixSession

What, Way = FixRoute.What, FixRoute.Way
# By which sessions something may leave. Source: docs:fix/order-entry, docs:fix/rfq-messages.
WAYS: Final[dict[str, tuple[str, ...]]] = {
    What.ORDERS: (Way.REST, Way.NR, Way.RT),
    What.QUOTES: (Way.REST, Way.RFQ),
    What.REQUESTS: (Way.REST, Way.RT),
}
_routes = Prepared(lambda account_id, what: FixRoute.objects.filter(account_id=account_id, what=what))


def route_row(account_id: int, what: str = What.ORDERS) -> FixRoute | None:
    """Return the row of a way by FIX, None for REST."""
    row = _routes.first(account_id, str(what))
    return None if row is None or row.way == Way.REST else row


def way_of(account_id: int, what: str = What.ORDERS) -> str | None:
    """Return "nr", "rt" or "rfq", None for REST."""
    row = route_row(account_id, what)
    return None if row is None else row.way


def route_set(
    actor: Actor, account_id: int, way: str, *, why: str, what: str = What.ORDERS, prefers_better: bool = False
) -> FixRoute:
    """Send what an account trades by FIX or by REST, from the next one on.

    Orders are orders, changes, cancels and order groups; quotes go with their confirmations; requests with what is
    taken of the quotes on them. prefers_better: of requests, take a better quote where the exchange has one (21022).

    Raises:
        NotAllowed, NotFound; DeskError for a session that cannot trade, or no reason.
    """
    if not actor.may(Permission.FIX_ROUTE):
        raise NotAllowed
    account = account_get(actor, account_id)
    reason = why.strip()
    if not 3 <= len(reason) <= 200:
        raise DeskError("why_missing", "Say why, in 3 to 200 characters.", fields={"why": "Say why."})
    ways = WAYS.get(what)
    if ways is None or way not in ways:
        kinds = "; ".join(f"{kind} by {', '.join(some)}" for kind, some in WAYS.items())
        raise DeskError("bad_input", f"There is no such way: {kinds}.")
    if way != Way.REST:
        session = FixSession.objects.filter(account=account, kind=way).first()
        if session is None or session.is_listener:
            raise DeskError("fix_no_session", "This account has no such session that may trade. Define it first.")
    prefers_better = prefers_better and what == What.REQUESTS and way != Way.REST
    said: dict[str, Any] = {"way": way, "why": reason, "prefers_better": prefers_better}
    with transaction.atomic():
        row, _ = FixRoute.objects.update_or_create(
            account=account, what=what, defaults={**said, "changed_by_id": actor.user_id, "changed_at": utc_now()}
        )
        audit.record(
            "fix.route.set",
            actor_id=actor.user_id,
            desk_id=actor.desk_id,
            environment=account.environment,
            target=f"exchange_account:{account.pk}",
            data={"what": what, **said},
        )
    return row
