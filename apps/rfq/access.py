"""The only door to requests and quotes for a person: those of their own desk."""

from django.db.models import QuerySet

from apps.accounts.grants import within
from apps.core.errors import NotFound
from apps.core.permissions import Actor, Permission
from apps.orders.access import require_somewhere
from apps.rfq.models import Confirmation, Quote, QuoteRule, Rfq


def rfqs_visible_to(actor: Actor) -> QuerySet[Rfq]:
    reach = require_somewhere(actor, Permission.DESK_VIEW)
    return Rfq.objects.filter(within(reach), desk_id=actor.desk_id)


def quotes_visible_to(actor: Actor) -> QuerySet[Quote]:
    reach = require_somewhere(actor, Permission.DESK_VIEW)
    return Quote.objects.filter(within(reach), desk_id=actor.desk_id)


def confirmations_visible_to(actor: Actor) -> QuerySet[Confirmation]:
    reach = require_somewhere(actor, Permission.DESK_VIEW)
    theirs = within(reach, account="quote__account_id", subaccount="quote__subaccount")
    return Confirmation.objects.filter(theirs, quote__desk_id=actor.desk_id)


def rules_visible_to(actor: Actor) -> QuerySet[QuoteRule]:
    reach = require_somewhere(actor, Permission.DESK_VIEW)
    return QuoteRule.objects.filter(within(reach), desk_id=actor.desk_id, is_deleted=False)


def row_number(key: object, *, kind: str) -> int:
    """Return 17 of "rfq:17". Raises NotFound: what is no key looks exactly like another desk's."""
    prefix, _, number = str(key or "").partition(":")
    if prefix != kind or not number.isdecimal() or len(number) > 18:
        raise NotFound
    return int(number)


def rfq_for(actor: Actor, key: object) -> Rfq:
    """Return the request of a row key ("rfq:17"). Raises NotAllowed, NotFound."""
    found = rfqs_visible_to(actor).select_related("account").filter(pk=row_number(key, kind="rfq")).first()
    if found is None:
        raise NotFound("This request does not exist, or it belongs to another desk.")
    return found


def quote_for(actor: Actor, key: object) -> Quote:
    """Return our quote of a row key ("quote:17"). Raises NotAllowed, NotFound."""
    found = quotes_visible_to(actor).select_related("account").filter(pk=row_number(key, kind="quote")).first()
    if found is None:
        raise NotFound("This quote does not exist, or it belongs to another desk.")
    return found


def confirmation_for(actor: Actor, key: object) -> Confirmation:
    """Return the confirmation of a row key ("confirm:17"). Raises NotAllowed, NotFound."""
    rows = confirmations_visible_to(actor).select_related("quote__account")
    found = rows.filter(pk=row_number(key, kind="confirm")).first()
    if found is None:
        raise NotFound("This confirmation does not exist, or it belongs to another desk.")
    return found
