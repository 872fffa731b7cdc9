"""Nine wrong protocols, built on purpose (RELIABILITY 3a). The history checker must catch each.

Each is a context manager that changes the services as somebody might have written them.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from django.db.models import F

from apps.core import killpoints
from apps.core.permissions import Actor
from apps.core.timestamps import utc_now
from apps.exchange.wire import api
from apps.exchange.wire.errors import AlreadyExists, ExchangeError, OutcomeUnknown
from apps.orders import tasks
from apps.orders.models import Fill, OrderIntent
from apps.orders.services import fills, lookup, send, submit, sweep
from apps.orders.tickets import OrderTicket
from tests.faults import world

State = OrderIntent.State


@contextmanager
def send_before_commit() -> Iterator[None]:
    """1. The request leaves inside the transaction that stores the intent."""
    commit = submit.intent_commit

    def eager(actor: Actor, ticket: OrderTicket, **over: Any) -> OrderIntent:
        intent = commit(actor, ticket, **over)
        with suppress(ExchangeError):
            api.create_order(send.client_for(intent.account_id, write=True), send.new_order(intent))
        killpoints.reach("submit.audited")
        # Nothing else is wrong with it: what came of the request is looked up.
        OrderIntent.objects.filter(pk=intent.pk).update(state=State.UNKNOWN, claimed_at=utc_now())
        return intent

    # The checker sees the open transaction at once; switched off here, the ledger alone must show the harm.
    with (
        patch.object(submit, "intent_commit", eager),
        patch.object(world.World, "_check_create", lambda self, request: None),
    ):
        yield


@contextmanager
def time_out_means_rejected() -> Iterator[None]:
    """2. No answer is taken for a refusal."""
    with patch.object(send, "intent_unknown", send.intent_refuse):
        yield


@contextmanager
def _retrying(*, new_id: bool) -> Iterator[None]:
    create = api.create_order

    def again(client: Any, order: Any, **named: Any) -> Any:
        try:
            return create(client, order, **named)
        except (OutcomeUnknown, AlreadyExists):
            client_order_id = str(uuid.uuid4()) if new_id else order.client_order_id
            order.client_order_id = client_order_id
            ack = create(client, order)
            ack.client_order_id = None
            return ack

    with patch.object(api, "create_order", again):
        yield


@contextmanager
def retry_with_a_new_id() -> Iterator[None]:
    """3. After a time-out the order is sent again under another client order id."""
    with _retrying(new_id=True):
        yield


@contextmanager
def retry_with_the_same_id() -> Iterator[None]:
    """4. After a time-out the order is sent again; the exchange may take the id of an ended order again."""
    with _retrying(new_id=False):
        yield


@contextmanager
def first_not_found_is_believed() -> Iterator[None]:
    """5. A listing without the order ends the question, however old its data is."""
    with patch.object(lookup, "_latest_arrival", lambda intent: datetime(1970, 1, 1, tzinfo=UTC)):
        yield


@contextmanager
def restart_sends_again() -> Iterator[None]:
    """6. What was in flight when the worker died is put back into the queue."""

    def put_back(*, older_than: timedelta, now: datetime | None = None) -> int:
        stuck = OrderIntent.objects.filter(state=State.SENDING, claimed_at__lte=(now or utc_now()) - older_than)
        return stuck.update(state=State.COMMITTED, created_at=utc_now(), version=F("version") + 1)

    with patch.object(sweep, "intents_interrupted", put_back):
        yield


@contextmanager
def queue_redelivers() -> Iterator[None]:
    """7. The claim trusts the queue to hand each message over once."""

    def claim(intent_id: int) -> bool:
        ended = [State.REFUSED, State.NOT_SEEN]
        rows = OrderIntent.objects.filter(pk=intent_id).exclude(state__in=ended)
        return rows.update(state=State.SENDING, claimed_at=utc_now(), version=F("version") + 1) == 1

    with patch.object(send, "claim", claim):
        yield


@contextmanager
def view_waits_and_retries() -> Iterator[None]:
    """8. The view waits for the outcome, and submits again when there is none."""

    def insisting(actor: Actor, ticket: OrderTicket, **over: Any) -> OrderIntent:
        intent = submit.intent_submit(actor, ticket, **over)
        tasks.order_send(intent.pk)
        intent.refresh_from_db()
        if intent.state == State.UNKNOWN:
            return submit.intent_submit(actor, replace(ticket, idempotency_key=uuid.uuid4()), **over)
        return intent

    with patch.object(world, "intent_submit", insisting):
        yield


@contextmanager
def fills_counted_per_source() -> Iterator[None]:
    """9. A fill is known by its source and its id, so that the second feed counts it again."""
    store = fills._store

    def per_source(account_id: int, report: Any, *, source: Any) -> Fill | None:
        known = Fill.objects.filter(trade_id=report.trade_id, order_id_text=report.order_id, source=source)
        if known.exists() or source == "ws":
            return None if known.exists() else store(account_id, report, source=source)
        return store(account_id, replace(report, trade_id=f"{report.trade_id}:{source}"), source=source)

    with patch.object(fills, "_store", per_source):
        yield


ALL = (
    send_before_commit,
    time_out_means_rejected,
    retry_with_a_new_id,
    retry_with_the_same_id,
    first_not_found_is_believed,
    restart_sends_again,
    queue_redelivers,
    view_waits_and_retries,
    fills_counted_per_source,
)
