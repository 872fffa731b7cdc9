"""J3: two people, one order: a change from an older look is refused, and undoes nothing."""

import uuid
from decimal import Decimal

import pytest

from apps.core.errors import DeskError
from apps.orders.models import ChangeIntent, Order, OrderIntent
from apps.orders.services import Seen, Wish, change_send, change_submit, intent_send, intent_submit
from apps.paper.testing import LINEAR, InProcessPaper
from tests.orders.conftest import Place, make_ticket


def wish(*, kind: str, count: int, seen: int, price: str = "0.56") -> Wish:
    """seen: what was filled and left together when the person looked."""
    is_amend = kind == ChangeIntent.Kind.AMEND
    return Wish(
        kind=ChangeIntent.Kind(kind),
        count=Decimal(count),
        price=Decimal(price) if is_amend else None,
        seen=Seen(price=Decimal("0.56"), count=Decimal(seen), filled=Decimal(0)),
        idempotency_key=uuid.uuid4(),
    )


def test_j3_an_amend_does_not_grow_back_what_a_decrease_has_made_smaller(
    place: Place, connected: InProcessPaper
) -> None:
    intent = intent_submit(place.trader, make_ticket(place, ticker=LINEAR))
    intent_send(intent.pk)
    order = Order.objects.get(intent=intent)
    assert OrderIntent.objects.get().state == OrderIntent.State.ACKED

    connected.clock.step(10)
    change_send(change_submit(place.trader, order, wish(kind="decrease", count=4, seen=10)).pk)
    order.refresh_from_db()
    assert (order.filled_count, order.remaining_count) == (Decimal(0), Decimal(4))

    with pytest.raises(DeskError) as refused:
        change_submit(place.trader, order, wish(kind="amend", count=10, seen=10, price="0.55"))
    assert refused.value.code == "order_changed"
    assert "4 in all" in refused.value.text

    connected.clock.step(10)
    change_send(change_submit(place.trader, order, wish(kind="amend", count=4, seen=4, price="0.55")).pk)
    order.refresh_from_db()
    assert (order.price, order.remaining_count) == (Decimal("0.55"), Decimal(4))
