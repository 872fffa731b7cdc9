"""How much is asked of the database before an order leaves: a limit, so that it does not grow again unseen."""

import uuid
from dataclasses import replace

from pytest_django import DjangoAssertNumQueries

from apps.orders import commands, services
from apps.orders.models import OrderIntent
from tests.orders.conftest import TICKER, Place
from tests.orders.scripted import ScriptedExchange


def test_an_order_asks_no_more_than_it_needs(
    place: Place, exchange: ScriptedExchange, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    actor = replace(place.trader, account_id=place.account.pk)
    ticket = {
        "idempotency_key": str(uuid.uuid4()),
        "ticker": TICKER,
        "side": "buy_yes",
        "price": "0.4500",
        "count": "10",
    }

    with django_assert_max_num_queries(19):  # one of them is PostgreSQL's lock of the audit chain
        commands.place(actor, ticket)

    intent = OrderIntent.objects.get()
    before: list[int] = []
    with django_assert_max_num_queries(40) as asked:
        exchange.creates = [lambda request: before.append(len(asked)) or exchange.accept(request)]
        services.intent_send(intent.pk)

    assert before[0] <= 16  # until the request leaves, the way that it takes included; prepared (docs/adr/0009)
