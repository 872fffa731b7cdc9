"""Ask the exchange about orders. Reading only: nothing here can place or change one."""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from apps.core import killpoints
from apps.core.errors import DeskError, WireFormatError
from apps.core.timestamps import format_rfc3339, parse_rfc3339, to_unix_seconds, utc_now
from apps.exchange.clients import client_for
from apps.exchange.models import ExchangeStatus
from apps.exchange.wire import api
from apps.exchange.wire.api.calls import pages
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError, Refused
from apps.exchange.wire.schemas import rest
from apps.orders import events
from apps.orders.models import Order, OrderIntent
from apps.orders.reports import fill_from_rest, order_from_rest, uuid_or_none
from apps.orders.services.apply import order_apply
from apps.orders.services.fills import fills_record
from apps.orders.services.send import ended_record

logger = logging.getLogger(__name__)

State = OrderIntent.State

# An order may be accepted this long after its send and still be on its way into the reads:
# the client's own time-out, a slow matching engine, and the delay of the read side.
SEEN_WITHIN = timedelta(seconds=30)
MAX_BACKOFF_SECONDS = 30
# How far before the send the listing is read: clocks differ.
CLOCK_MARGIN = timedelta(minutes=10)
# Orders that ended before the live tier's cut-off are listed apart (docs:historical_data); it
# moves months behind the present, so only old intents need to ask.
HISTORICAL_AFTER = timedelta(hours=12)


def order_lookup(order_pk: int) -> Order | None:
    """Read one order again and apply it. None when the exchange gave no answer or does not list it."""
    order = Order.objects.get(pk=order_pk)
    return order_read(order.account_id, order.order_id)


def order_read(account_id: int, order_id: str) -> Order | None:
    try:
        client = client_for(account_id, write=False)
        return order_apply(account_id, order_from_rest(api.get_order(client, order_id)), source="rest")
    except (ExchangeError, DeskError, WireFormatError) as exc:
        logger.warning("order %s could not be read: %s", order_id, exc)
        return None


def intent_resolve(intent_id: int, *, now: datetime | None = None) -> OrderIntent:
    """Look for the order of an UNKNOWN intent by its client order id; reading only.

    Found: ACKED. Not listed, and the exchange's data reaches past the send by SEEN_WITHIN:
    NOT_SEEN, which any later evidence turns into ACKED. Anything else, a refused or failed read
    included, keeps UNKNOWN and sets the next look, with a pause that grows to 30 s.
    """
    intent = OrderIntent.objects.select_related("account").get(pk=intent_id)
    if intent.state == State.ACKED and intent.exchange_order_id and not Order.objects.filter(intent=intent).exists():
        order_read(intent.account_id, intent.exchange_order_id)  # only a fill has told of it so far
    now = now or utc_now()
    if intent.state == State.SENDING:
        return _look_early(intent, now=now)
    if intent.state not in (State.UNKNOWN, State.NOT_SEEN):
        return intent
    killpoints.reach("look.started")
    try:
        client = client_for(intent.account_id, write=False)
        # Asked before the listing: what the listing lacks was not there at this time.
        data_as_of = parse_rfc3339(api.get_user_data_timestamp(client))
        killpoints.reach("look.dated")
        if _scan(client, intent, now=now):
            intent.refresh_from_db()
            return intent
    except (ExchangeError, DeskError, WireFormatError) as exc:
        return _look_again(intent, now=now, why=f"The last look failed: {exc}")
    killpoints.reach("look.scanned")
    missing = _latest_arrival(intent) - data_as_of
    if missing >= timedelta(0):
        why = f"Not listed in data up to {format_rfc3339(data_as_of)} so far"
        return _look_again(intent, now=now, why=why, within=missing + timedelta(seconds=1))
    return _not_seen(intent, data_as_of=data_as_of, now=now)


def _look_early(intent: OrderIntent, *, now: datetime) -> OrderIntent:
    """Its sender may have died: an order that arrived is found at once. What is not found proves nothing yet."""
    try:
        _scan(client_for(intent.account_id, write=False), intent, now=now)
    except (ExchangeError, DeskError, WireFormatError) as exc:
        logger.info("intent %s could not be looked for while it is being sent: %s", intent.pk, exc)
    intent.refresh_from_db()
    return intent


def _scan(client: ExchangeClient, intent: OrderIntent, *, now: datetime) -> bool:
    """Look through orders of every status, then fills, then the historical tier; apply the match."""
    sent_at = intent.claimed_at or intent.created_at
    since = to_unix_seconds(sent_at - CLOCK_MARGIN)
    seen: set[str] = set()
    for listed in api.get_orders(client, ticker=intent.ticker, min_ts=since):
        seen.add(listed.order_id)
        if _is_match(intent, listed):
            return _found(intent, listed)
    for fill in api.get_fills(client, ticker=intent.ticker, min_ts=since):
        if fill.order_id in seen or Order.objects.filter(account=intent.account, order_id=fill.order_id).exists():
            continue
        seen.add(fill.order_id)
        try:
            listed = api.get_order(client, fill.order_id)
        except Refused:
            continue  # it has left the live tier; the historical one is next
        if _is_match(intent, listed):
            fills_record(intent.account_id, [fill_from_rest(fill)], source="rest")
            return _found(intent, listed)
    if now - sent_at < HISTORICAL_AFTER:
        return False
    archived = pages(
        client, "/historical/orders", key="orders", cls=rest.Order, params={"ticker": intent.ticker, "limit": 1000}
    )
    return any(_is_match(intent, listed) and _found(intent, listed) for listed in archived)


def _is_match(intent: OrderIntent, listed: rest.Order) -> bool:
    return uuid_or_none(listed.client_order_id or "") == intent.client_order_id


def _found(intent: OrderIntent, listed: rest.Order) -> bool:
    """Apply the match. Raises WireFormatError when it is ours by id and yet cannot be joined: stay UNKNOWN."""
    order = order_apply(intent.account_id, order_from_rest(listed), source="rest")
    if order is None or order.intent_id != intent.pk:
        raise WireFormatError(f"the exchange lists order {listed.order_id} with this client order id, but it differs")
    return True


def _latest_arrival(intent: OrderIntent) -> datetime:
    return arrives_by(intent.account.environment, intent.answered_at or intent.claimed_at or intent.created_at)


def arrives_by(environment: str, last_moment: datetime) -> datetime:
    """Return the exchange's time by which what we sent must be in the reads, if it ever arrived.

    last_moment: our clock, when the answer was given up.
    """
    status = ExchangeStatus.objects.filter(environment=environment).first()
    offset = status.clock_offset_ms if status and status.clock_offset_ms is not None else 0
    return last_moment + timedelta(milliseconds=offset) + SEEN_WITHIN


def _look_again(intent: OrderIntent, *, now: datetime, why: str, within: timedelta = timedelta.max) -> OrderIntent:
    """Set the next look; within: when it can be decided at the latest, so that nobody waits longer than that."""
    pause = min(within, timedelta(seconds=min(MAX_BACKOFF_SECONDS, 2 ** min(intent.looks, 5))))
    OrderIntent.objects.filter(pk=intent.pk, state__in=[State.UNKNOWN, State.NOT_SEEN]).update(
        looks=F("looks") + 1, next_look_at=now + pause, evidence=why[:200], version=F("version") + 1
    )
    killpoints.reach("look.noted")
    intent.refresh_from_db()
    events.intent_publish(intent)
    return intent


def _not_seen(intent: OrderIntent, *, data_as_of: datetime, now: datetime) -> OrderIntent:
    why = f"In no order list or fill of the exchange's data up to {format_rfc3339(data_as_of)}"
    with transaction.atomic():
        changed = OrderIntent.objects.filter(pk=intent.pk, state=State.UNKNOWN).update(
            state=State.NOT_SEEN,
            version=F("version") + 1,
            looks=F("looks") + 1,
            resolved_at=now,
            next_look_at=None,
            evidence=why,
        )
        if changed:
            ended_record(intent, state=State.NOT_SEEN, code=intent.error_code, text=why)
    intent.refresh_from_db()
    return intent
