"""Records for tests of search and files, straight into their tables: the doors that write them have own tests."""

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from apps.accounts.models import Desk, ExchangeAccount, User
from apps.core.permissions import Actor
from apps.markets.models import Event, Market
from apps.orders.models import Fill, Order, OrderIntent
from apps.portfolio.models import Settlement
from tests.support.people import actor_of, make_account, make_desk, make_person

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICKER = "KXSEARCH-26MAR-T1"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Office:
    """A desk with an analyst, who may export, and one account."""

    desk: Desk
    person: User
    actor: Actor
    account: ExchangeAccount


def make_office(role: str = "analyst") -> Office:
    desk = make_desk()
    person = make_person(desk, role)
    return Office(desk, person, actor_of(person), make_account(desk))


def make_order(account: ExchangeAccount, **over: Any) -> Order:
    """A resting bid of 10 at 56 cents; minutes: after noon."""
    number = next(_numbers)
    at = NOON + timedelta(minutes=over.pop("minutes", number))
    values: dict[str, Any] = {
        "account": account,
        "order_id": f"order-{number}",
        "ticker": TICKER,
        "book_side": "bid",
        "price": Decimal("0.56"),
        "initial_count": Decimal(10),
        "remaining_count": Decimal(10),
        "status": "resting",
        "created_at": at,
        "seen_at": at,
        "source": "rest",
    }
    return Order.objects.create(**values | over)


def make_intent(office: Office, **over: Any) -> OrderIntent:
    number = next(_numbers)
    values: dict[str, Any] = {
        "desk": office.desk,
        "account": office.account,
        "placed_by": office.person,
        "idempotency_key": f"00000000-0000-4000-8000-{number:012d}",
        "ticker": TICKER,
        "book_side": "bid",
        "price": Decimal("0.56"),
        "count": Decimal(10),
        "state": "acked",
        "created_at": NOON,
        "entered_as": "buy_yes",
    }
    return OrderIntent.objects.create(**values | over)


def make_fill(account: ExchangeAccount, **over: Any) -> Fill:
    """A taker's buy of 10 YES at 56 cents; minutes: after noon."""
    number = next(_numbers)
    at = NOON + timedelta(minutes=over.pop("minutes", number))
    values: dict[str, Any] = {
        "account": account,
        "trade_id": f"trade-{number}",
        "order_id_text": f"order-{number}",
        "ticker": TICKER,
        "book_side": "bid",
        "yes_price": Decimal("0.56"),
        "count": Decimal(10),
        "is_taker": True,
        "fee": Decimal("0.18"),
        "traded_at": at,
        "seen_at": at,
        "source": "ws",
    }
    return Fill.objects.create(**values | over)


def make_settlement(account: ExchangeAccount, **over: Any) -> Settlement:
    """YES won: 10 YES pay $10; days: after noon."""
    at = NOON + timedelta(days=over.pop("days", 10))
    values: dict[str, Any] = {
        "account": account,
        "ticker": TICKER,
        "event_ticker": "KXSEARCH-26MAR",
        "result": "yes",
        "yes_count": Decimal(10),
        "yes_cost": Decimal("5.6"),
        "no_count": Decimal(0),
        "no_cost": Decimal(0),
        "revenue": Decimal(10),
        "fees": Decimal("0.18"),
        "value": Decimal(1),
        "settled_at": at,
        "first_seen_at": at,
        "source": "rest",
    }
    return Settlement.objects.create(**values | over)


def make_market(**over: Any) -> Market:
    values: dict[str, Any] = {"environment": "paper", "ticker": TICKER, "series_ticker": "KXSEARCH", "status": "active"}
    event = Event.objects.create(
        environment="paper", ticker=f"KXSEARCH-{next(_numbers)}", series_ticker="KXSEARCH", title="Some event"
    )
    return Market.objects.create(event=event, **values | over)
