"""Creates of order groups whose answer was lost: which new group of the exchange is it?

The exchange's groups have no id of ours, so a create in doubt is joined by evidence: one group of its limit, in its
subaccount as far as that is known, which appeared after the request left and which nothing else accounts for. Where
more than one fits, or more than one create in doubt waits for it, nobody can tell, and the row says so. It is decided
after a complete listing only: an event tells of one new group, not that there is no other.
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from apps.core.timestamps import utc_now
from apps.exchange.wire.api import groups as api
from apps.exchange.wire.client import ExchangeClient
from apps.orders import group_events
from apps.orders.models import GroupAction, Order, OrderGroup, OrderIntent

logger = logging.getLogger(__name__)

# How old an event may be that still tells of a birth: the two clocks differ by a little, messages take time.
FRESH = timedelta(seconds=5)
# A request may still be on its way long after we gave up on it; then a complete listing without it is evidence.
GONE_AFTER = timedelta(seconds=120)
NOT_SEEN = "not_seen"
AMBIGUOUS = "ambiguous"
LAST_SUBACCOUNT = 32  # docs: subaccounts
_NOT_SEEN_TEXT = "Not seen at the exchange two minutes after it was sent. If it still appears, it is shown here."
_AMBIGUOUS_TEXT = (
    "The exchange has {count} new groups with this limit, and nothing tells which of them this is. They are listed "
    "without a name: delete those that nobody wants."
)


def creates_join(account_id: int, *, listed_at: datetime) -> None:
    """Join creates in doubt with groups that appeared. listed_at: a complete listing began then and was stored."""
    with transaction.atomic():
        for action in _in_doubt(account_id).select_related("group"):
            found = list(_candidates(action))
            # What was deleted meanwhile is only meant where nothing else is.
            found = [group for group in found if group.state != OrderGroup.State.DELETED] or found
            rivals = [one for one in _in_doubt(account_id) if _alike(one, action)]
            if len(found) == 1 and len(rivals) == 1:
                _join(action, found[0])
            elif found:
                _say(action, AMBIGUOUS, _AMBIGUOUS_TEXT.format(count=len(found)))
            elif action.sent_at and action.sent_at <= listed_at - GONE_AFTER:
                _not_seen(action)


def subaccount_find(client: ExchangeClient, group: OrderGroup, *, is_thorough: bool) -> int | None:
    """Return the subaccount of a group made elsewhere: by its orders, else by the exchange's listings.

    A thorough look asks for every subaccount that there may be (10 read tokens each). Raises ExchangeError.
    """
    of_group = Order.objects.filter(account_id=group.account_id, order_group_id=group.group_id)
    known = of_group.values_list("subaccount", flat=True).first()
    if known is not None:
        return known
    used: set[int] = {0}
    for model in (Order, OrderIntent):
        used.update(model._default_manager.filter(account_id=group.account_id).values_list("subaccount", flat=True))
    rest = [number for number in range(LAST_SUBACCOUNT + 1) if number not in used] if is_thorough else []
    for number in [*sorted(used), *rest]:
        if any(record.id == group.group_id for record in api.get_groups(client, subaccount=number)):
            return number
    return None


def is_join_due(account_id: int) -> bool:
    """Say whether a create in doubt waits for a listing."""
    return _in_doubt(account_id).exists()


def _in_doubt(account_id: int) -> QuerySet[GroupAction]:
    unknown = Q(state=GroupAction.State.UNKNOWN) | Q(state=GroupAction.State.REFUSED, error_code=NOT_SEEN)
    return GroupAction.objects.filter(
        unknown, kind=GroupAction.Kind.CREATE, group__account_id=account_id, group__group_id=None
    ).order_by("pk")


def _alike(one: GroupAction, other: GroupAction) -> bool:
    """Whether the same group could be either's. One that was given up does not compete with one that was not."""
    is_alike = one.contracts_limit == other.contracts_limit and one.group.subaccount == other.group.subaccount
    return is_alike and (one.pk == other.pk or one.state == GroupAction.State.UNKNOWN)


def _candidates(action: GroupAction) -> QuerySet[OrderGroup]:
    """Groups of this limit that nobody here made, and that were not there when the request left."""
    where = Q(subaccount=None) | Q(subaccount=action.group.subaccount)
    # By a listing alone it only counts where an earlier one, right before the request, did not have it.
    seen = Q() if action.is_listed_before else Q(is_told=True)
    return (
        OrderGroup.objects.select_for_update()
        .filter(where, account_id=action.group.account_id, contracts_limit=action.contracts_limit)
        .filter(appeared_at__gt=action.sent_at or action.created_at, name="")
        .exclude(group_id=None)
        .exclude(pk__in=GroupAction.objects.filter(kind=GroupAction.Kind.CREATE).values("group_id"))
        .filter(seen)
        .order_by("pk")
    )


def _join(action: GroupAction, found: OrderGroup) -> None:
    """The row that was asked for is the group that appeared; the nameless row goes."""
    ours = OrderGroup.objects.select_for_update().get(pk=action.group_id)
    logger.info("order group %s is what action %s asked for", found.group_id, action.pk)
    GroupAction.objects.filter(group=found).update(group=ours)
    group_events.group_withdraw(found)
    found.delete()
    for name in ("group_id", "state", "contracts_limit", "changed_at", "reset_at", "seen_at", "appeared_at", "is_told"):
        setattr(ours, name, getattr(found, name))
    ours.save()
    GroupAction.objects.filter(pk=action.pk).update(
        state=GroupAction.State.DONE, resolved_at=utc_now(), error_code="", error_text=""
    )
    group_events.group_publish(ours.pk)


def _not_seen(action: GroupAction) -> None:
    if action.state != GroupAction.State.UNKNOWN:
        return
    OrderGroup.objects.filter(pk=action.group_id).update(state=OrderGroup.State.FAILED, changed_at=utc_now())
    GroupAction.objects.filter(pk=action.pk).update(state=GroupAction.State.REFUSED, resolved_at=utc_now())
    _say(action, NOT_SEEN, _NOT_SEEN_TEXT)


def _say(action: GroupAction, code: str, text: str) -> None:
    if (action.error_code, action.error_text) != (code, text):
        GroupAction.objects.filter(pk=action.pk).update(error_code=code, error_text=text)
        group_events.group_publish(action.group_id)
