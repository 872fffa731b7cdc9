"""Where working orders stand in the queue at their price: read while somebody looks, every 5 s."""

import logging
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F

from apps.accounts.models import ExchangeAccount
from apps.core.errors import WireFormatError
from apps.core.money import parse_count
from apps.core.timestamps import utc_now
from apps.exchange.clients import client_for
from apps.exchange.gateway.interest import interesting_tickers
from apps.exchange.wire import api
from apps.orders import events
from apps.orders.models import Order

logger = logging.getLogger(__name__)

MARKETS_AT_MOST = 100  # per read, so that the address stays short


def queued_accounts() -> list[int]:
    """Return the accounts with resting orders in markets that somebody looks at now."""
    found: list[int] = []
    resting = Order.objects.filter(status=Order.Status.RESTING, account__is_active=True)
    environments = resting.values_list("account__environment", flat=True).distinct()
    for environment in environments:
        looked_at = interesting_tickers(environment)
        if looked_at:
            wanted = resting.filter(account__environment=environment, ticker__in=looked_at)
            found += wanted.values_list("account_id", flat=True).distinct().order_by("account_id")
    return found


def queue_positions_read(account_id: int) -> int:
    """Read the queue positions of an account's working orders that somebody looks at; returns how many changed.

    Cost: 10 read tokens per subaccount in use. Source: docs:api-reference/orders/get-order-queue-positions.

    Raises:
        ExchangeError, DeskError: the exchange could not be read; nothing changed.
    """
    environment = ExchangeAccount.objects.values_list("environment", flat=True).get(pk=account_id)
    looked_at = interesting_tickers(environment) or set()
    orders = Order.objects.filter(account_id=account_id, status=Order.Status.RESTING, ticker__in=looked_at)
    markets: dict[int, set[str]] = {}
    for subaccount, ticker in orders.values_list("subaccount", "ticker"):
        markets.setdefault(subaccount, set()).add(ticker)
    changed = 0
    for subaccount, tickers in sorted(markets.items()):
        client = client_for(account_id, write=False)
        asked_at = utc_now()
        told = api.get_queue_positions(client, market_tickers=sorted(tickers)[:MARKETS_AT_MOST], subaccount=subaccount)
        positions: dict[str, Decimal] = {}
        for row in told:
            try:
                positions[row.order_id] = parse_count(row.queue_position_fp)
            except WireFormatError:
                logger.warning("a queue position cannot be read: %r", row)
        changed += queue_positions_apply(account_id, positions, asked_at=asked_at)
    return changed


def queue_positions_apply(account_id: int, positions: Mapping[str, Decimal], *, asked_at: datetime) -> int:
    """Store and publish what changed; a position that was asked for before the stored one is left out."""
    changed = 0
    with transaction.atomic():
        orders = Order.objects.select_for_update().filter(
            account_id=account_id, order_id__in=positions, status=Order.Status.RESTING
        )
        for order in orders.order_by("pk"):
            position = positions[order.order_id]
            if order.queue_seen_at is not None and order.queue_seen_at > asked_at:
                continue
            is_new = order.queue_position != position
            Order.objects.filter(pk=order.pk).update(
                queue_position=position, queue_seen_at=asked_at, version=F("version") + int(is_new)
            )
            if is_new:
                changed += 1
                events.order_publish(Order.objects.select_related("intent").get(pk=order.pk))
    return changed
