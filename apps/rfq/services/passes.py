"""Passing on a request: the desk does not quote it, nobody is shown it any more, and who said so is on record."""

from collections.abc import Iterable

from django.db import transaction

from apps.audit import services as audit
from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.orders.access import require
from apps.rfq.events.words import Row, ms, person
from apps.rfq.models import IncomingRfq, PassedRequest, Quote
from apps.rfq.services.quotes import LIVE

MAX_REASON = 200
SHOWN = 50  # passed requests that are listed, to be taken back


def request_pass(actor: Actor, incoming: IncomingRfq, *, reason: str = "") -> PassedRequest:
    """Hide a request from the desk; again changes nothing. A rule may still quote it: rules do not ask people.

    Raises NotAllowed, DeskError `bad_input`, `quote_open` while a quote of the desk on it can be accepted.
    """
    require(actor, Permission.RFQ_TRADE)
    reason = reason.strip()
    if len(reason) > MAX_REASON or (reason and not reason.isprintable()):
        text = f"At most {MAX_REASON} characters."
        raise DeskError("bad_input", text, fields={"reason": text})
    if Quote.objects.filter(desk_id=actor.desk_id, incoming=incoming, state__in=LIVE).exists():
        raise DeskError("quote_open", "The desk has a quote on this request. Pull it first.")
    with transaction.atomic():
        passed, is_new = PassedRequest.objects.get_or_create(
            desk_id=actor.desk_id,
            incoming=incoming,
            defaults={"by_id": actor.user_id, "reason": reason, "at": utc_now()},
        )
        if is_new:
            _record("rfq.request.passed", actor, incoming, {"reason": reason})
    return passed


def request_unpass(actor: Actor, incoming: IncomingRfq) -> bool:
    """Show a request to the desk again; False when it was not passed. Raises NotAllowed."""
    require(actor, Permission.RFQ_TRADE)
    with transaction.atomic():
        gone, _ = PassedRequest.objects.filter(desk_id=actor.desk_id, incoming=incoming).delete()
        if gone:
            _record("rfq.request.unpassed", actor, incoming, {})
    return bool(gone)


def passed_of(desk_id: int, environment: str, rfq_ids: Iterable[str]) -> dict[str, Row]:
    """Return which of these requests the desk has passed on, with who and why, by the exchange's id."""
    rows = PassedRequest.objects.filter(
        desk_id=desk_id, incoming__environment=environment, incoming__rfq_id__in=list(rfq_ids)
    )
    return {one.incoming.rfq_id: passed_row(one) for one in rows.select_related("incoming", "by")}


def passed_row(one: PassedRequest) -> Row:
    return {
        "rfq_id": one.incoming.rfq_id,
        "ticker": one.incoming.ticker,
        "by": person(one.by),
        "reason": one.reason,
        "at_ms": ms(one.at),
    }


def _record(action: str, actor: Actor, incoming: IncomingRfq, data: dict[str, str]) -> None:
    audit.record(
        action,
        actor_id=actor.user_id,
        desk_id=actor.desk_id,
        environment=incoming.environment,
        target=f"rfq_incoming:{incoming.pk}",
        data={"rfq_id": incoming.rfq_id, "ticker": incoming.ticker, **data},
    )
