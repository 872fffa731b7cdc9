"""Socket commands, topics and rows: what browsers see."""

import json
import uuid
from decimal import Decimal
from typing import Any

import pytest

from apps.core import ports
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission
from apps.core.ports import Holding
from apps.core.topics import parse_topic
from apps.markets.models import Series
from apps.orders import selectors
from apps.orders.access import orders_visible_to
from apps.orders.models import Order, OrderIntent
from apps.orders.services import fills_record, intent_send, order_apply
from apps.orders.services.quotes import Quotes
from apps.orders.tickets import ticket_from_params
from tests.orders.conftest import TICKER, Place, Published, make_ticket
from tests.orders.scripted import ScriptedExchange
from tests.orders.test_apply import fill, report
from tests.orders.test_cancel import resting
from tests.support.people import actor_of, make_desk, make_person

Queued = list[tuple[str, int]]


def params(**over: Any) -> dict[str, Any]:
    values = {
        "idempotency_key": str(uuid.uuid4()),
        "ticker": TICKER,
        "side": "buy_yes",
        "price": "0.5600",
        "count": "10",
    }
    return values | over


def run(name: str, actor: Actor, **values: Any) -> dict[str, Any]:
    answer = ports.commands[name].handler(actor, values)
    json.dumps(answer)  # JSON-ready, as the port promises
    return answer


@pytest.mark.parametrize(
    ("name", "permission"),
    [
        ("order.place", Permission.ORDER_PLACE),
        ("order.preview", Permission.DESK_VIEW),
        ("order.cancel", Permission.ORDER_CANCEL),
        ("order.cancel_market", Permission.ORDER_CANCEL),
        ("order.cancel_all", Permission.ORDER_CANCEL),
    ],
)
def test_every_command_names_its_permission(name: str, permission: Permission) -> None:
    assert ports.commands[name].permission == permission


def test_placing_answers_with_the_row_that_the_topic_carries(
    place: Place, queued: Queued, published: Published
) -> None:
    answer = run("order.place", place.trader, **params(side="buy_no", price="0.44"))

    [row] = published.rows("orders")
    assert answer["intent"] == row
    assert (row["outcome_side"], row["outcome_price"], row["price"]) == ("no", "0.4400", "0.5600")
    assert (row["state"], row["state_text"], row["is_working"]) == ("committed", "Waiting to be sent", True)


def test_a_repeat_of_the_command_answers_with_what_has_become_of_it(place: Place, exchange: ScriptedExchange) -> None:
    values = params()
    run("order.place", place.trader, **values)
    intent_send(OrderIntent.objects.get().pk)

    answer = run("order.place", place.trader, **values)

    assert answer["intent"]["state"] == "resting"
    assert len(exchange.sent("POST")) == 1


def test_a_viewers_crafted_command_is_refused_in_the_service(place: Place, queued: Queued) -> None:
    """RELIABILITY H3: the socket's own check left out."""
    with pytest.raises(NotAllowed):
        run("order.place", place.viewer, **params())

    assert not OrderIntent.objects.exists()
    assert queued == []


def test_cancel_takes_the_exchanges_order_id(place: Place, exchange: ScriptedExchange) -> None:
    order = resting(place)

    answer = run("order.cancel", place.trader, idempotency_key=str(uuid.uuid4()), order_id=order.order_id)

    assert answer["cancel"]["state"] == "committed"
    assert order.cancels.count() == 1


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"order_id": "no-such", "idempotency_key": str(uuid.uuid4())}, "not_found"),
        ({"idempotency_key": str(uuid.uuid4())}, "not_found"),
        ({"order_id": "exchange-1", "idempotency_key": "x"}, "bad_input"),
        ({"order_id": "exchange-1"}, "bad_input"),
    ],
)
def test_a_malformed_cancel_is_refused(
    place: Place, exchange: ScriptedExchange, values: dict[str, Any], error: str
) -> None:
    resting(place)

    with pytest.raises(DeskError) as refused:
        run("order.cancel", place.trader, **values)

    assert refused.value.code == error


def test_cancel_market_counts(place: Place, exchange: ScriptedExchange) -> None:
    resting(place)
    resting(place)

    assert run("order.cancel_market", place.trader, ticker=TICKER) == {
        "cancels": 2,
        "withdrawn": 0,
        "unresolved": 0,
    }


def test_a_preview_says_cost_fees_and_what_would_be_left(
    place: Place, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "holdings", [lambda *_: Holding(cash=Decimal(100), position=Decimal(-4))])

    told = run("order.preview", place.viewer, **params(price="0.50"))

    # Four contracts close NO at 50 cents, six open YES: 3 dollars out, 2 in.
    assert (told["closing"], told["opening"]) == ("4.00", "6.00")
    assert (told["cost"], told["proceeds"], told["payout"]) == ("3.0000", "2.0000", "6.0000")
    assert told["fee"] == "0.1800"
    assert Decimal(told["fee_worst"]) >= Decimal(told["fee"])
    assert told["position_after"] == "6.00"
    assert Decimal(told["balance_after"]) == Decimal(99) - Decimal(told["fee_worst"])
    assert told["refusal"] is None
    assert not OrderIntent.objects.exists()


def test_a_preview_says_what_it_does_not_know(
    place: Place, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "holdings", [])
    Series.objects.update(fee_type="flat")

    told = run("order.preview", place.trader, **params())

    assert (told["fee"], told["worst_case"], told["balance_after"], told["position_after"]) == (None,) * 4
    assert set(told["reasons"]) == {"fee", "balance_after", "position_after"}
    assert told["cost"] == "5.6000"


def test_a_preview_of_an_off_grid_price_says_so(place: Place, published: Published) -> None:
    told = run("order.preview", place.trader, **params(price="0.565"))

    assert told["refusal"]["code"] == "off_grid"
    assert "56¢ or 57¢" in told["refusal"]["fields"]["price"]


def test_the_topics_state_equals_the_frames(place: Place, exchange: ScriptedExchange, published: Published) -> None:
    """State plus frames equals fresh state."""
    resting(place)
    exchange.creates = [exchange.lose_the_request]
    run("order.place", place.trader, **params())
    intent_send(OrderIntent.objects.latest("pk").pk)
    order_apply(place.account.pk, report(), source="ws")
    fills_record(place.account.pk, [fill()], source="ws")

    merged: dict[str, dict[str, Any]] = {}
    for topic, rows in published.frames:
        if topic == f"orders:{place.account.pk}":
            for key, row in rows.items():
                if row["v"] >= merged.get(key, {"v": 0})["v"]:
                    merged[key] = row

    state = ports.topics["orders"].state
    assert state is not None
    fresh = state(parse_topic(f"orders:{place.account.pk}"))
    assert fresh == {"all": True, "rows": merged}


def test_the_fills_topic_shows_fills_with_their_intent(place: Place, exchange: ScriptedExchange) -> None:
    order = resting(place)
    fills_record(place.account.pk, [fill(order_id=order.order_id)], source="ws")

    state = ports.topics["fills"].state
    assert state is not None
    told = state(parse_topic(f"fills:{place.account.pk}"))
    assert told is not None
    [row] = told["rows"].values()
    assert (row["intent_id"], row["count"], row["outcome_price"]) == (order.intent_id, "4.00", "0.5600")
    json.dumps(told)


def test_selectors_show_only_the_own_desk(place: Place, exchange: ScriptedExchange) -> None:
    order = resting(place)
    stranger = actor_of(make_person(make_desk(), "trader"))

    assert [row["order_id"] for row in selectors.working_orders(place.viewer, account_id=place.account.pk)] == [
        order.order_id
    ]
    assert selectors.working_orders(stranger, account_id=place.account.pk) == []
    assert selectors.recent_orders(stranger, account_id=place.account.pk) == []
    assert not orders_visible_to(stranger).exists()
    assert not selectors.fills_recent(stranger, account_id=place.account.pk).exists()
    with pytest.raises(NotFound):
        run("order.cancel", stranger, idempotency_key=str(uuid.uuid4()), order_id=order.order_id)


def test_ended_orders_leave_the_working_list_and_stay_in_the_recent_one(
    place: Place, exchange: ScriptedExchange
) -> None:
    resting(place)
    Order.objects.update(status="canceled")

    assert selectors.working_orders(place.trader, account_id=place.account.pk) == []
    assert len(selectors.recent_orders(place.trader, account_id=place.account.pk)) == 1


def test_no_working_order_is_pushed_out_by_what_has_ended(
    place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "ENDED_AT_MOST", 1)
    working = [resting(place).order_id for _ in range(3)]
    for _ in range(3):
        Order.objects.filter(pk=resting(place).pk).update(status="canceled")

    rows = selectors.rows_of(place.account.pk).values()

    assert {row["order_id"] for row in rows if row["is_working"]} == set(working)
    assert len(rows) == 4


def test_rows_need_few_queries(place: Place, exchange: ScriptedExchange, django_assert_max_num_queries: Any) -> None:
    for _ in range(10):
        resting(place)

    with django_assert_max_num_queries(7):
        assert len(selectors.rows_of(place.account.pk)) == 10


def test_a_ticket_made_in_code_equals_one_from_the_socket(place: Place) -> None:
    key = uuid.uuid4()

    assert ticket_from_params(place.trader, params(idempotency_key=str(key))) == make_ticket(place, idempotency_key=key)


def test_a_preview_says_the_fee_where_a_better_price_costs_a_larger_one(
    place: Place, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    quotes = Quotes(bid=Decimal("0.20"), ask=Decimal("0.50"))
    monkeypatch.setattr("apps.orders.services.preview.quotes_of", lambda *_: quotes)

    taking = run("order.preview", place.viewer, **params(price="0.80"))
    selling = run("order.preview", place.viewer, **params(side="buy_no", price="0.90"))

    assert taking["fee_now"]["price"] == "0.5000"
    assert Decimal(taking["fee_now"]["fee"]) > Decimal(taking["fee"])
    assert selling["fee_now"]["price"] == "0.8000"  # in the prices of NO
    assert run("order.preview", place.viewer, **params(price="0.50"))["fee_now"] is None  # at its limit
    assert run("order.preview", place.viewer, **params(price="0.49"))["fee_now"] is None  # it rests
    assert run("order.preview", place.viewer, **params(price="0.56", post_only=True))["fee_now"] is None


def test_a_fee_at_old_prices_is_not_said(place: Place, published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Quotes(bid=Decimal("0.20"), ask=Decimal("0.50"), is_live=False)
    monkeypatch.setattr("apps.orders.services.preview.quotes_of", lambda *_: old)

    assert run("order.preview", place.viewer, **params(price="0.56"))["fee_now"] is None
