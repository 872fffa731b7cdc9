"""V2 order operations field by field, and the filters of the reads that go with them."""

from typing import Any

import pytest

from apps.paper.engine import trading
from apps.paper.testing import DECI, EVENT, LINEAR, LINEAR_2, TAPERED, InProcessPaper
from tests.paper.server.orders import ORDERS, create, order_body

OTHER_EVENT = "KXNONE-30"


# --- create ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "field", ["ticker", "client_order_id", "side", "count", "price", "time_in_force", "self_trade_prevention_type"]
)
def test_a_required_field_cannot_be_left_out_or_null(paper: InProcessPaper, field: str) -> None:
    body = order_body()
    without = {name: value for name, value in body.items() if name != field}
    with paper.client("trader-1") as client:
        answers = [client.post(ORDERS, json=without), client.post(ORDERS, json=body | {field: None})]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(400, "invalid_parameters")] * 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ticker": ""}, "invalid_parameters"),
        ({"client_order_id": ""}, "invalid_parameters"),
        ({"client_order_id": "x" * 65}, "invalid_parameters"),
        ({"side": "buy"}, "invalid_parameters"),
        ({"count": 10}, "invalid_parameters"),
        ({"count": "ten"}, "invalid_order_size"),
        ({"count": "1000000.01"}, "invalid_order_size"),
        ({"price": "0"}, "invalid_price"),
        ({"price": "-0.10"}, "invalid_price"),
        ({"price": "1.01"}, "invalid_price"),
        ({"price": "5e-1"}, "invalid_price"),
        ({"time_in_force": "good_till_date"}, "invalid_parameters"),
        ({"time_in_force": "immediate_or_cancel", "expiration_time": 4_000_000_000}, "invalid_parameters"),
        ({"time_in_force": "fill_or_kill", "expiration_time": 4_000_000_000}, "invalid_parameters"),
        ({"time_in_force": "immediate_or_cancel", "post_only": True}, "invalid_parameters"),
        ({"time_in_force": "fill_or_kill", "post_only": True}, "invalid_parameters"),
        ({"expiration_time": 0}, "invalid_parameters"),
        ({"expiration_time": "4000000000"}, "invalid_parameters"),
        ({"self_trade_prevention_type": "none"}, "invalid_parameters"),
        ({"post_only": "yes"}, "invalid_parameters"),
        ({"reduce_only": True}, "invalid_order"),
        ({"subaccount": -1}, "invalid_parameters"),
        ({"subaccount": 33}, "invalid_parameters"),
        ({"order_group_id": "none"}, "order_group_not_found"),
        ({"exchange_index": -1}, "invalid_parameters"),
        ({"exchange_index": "0"}, "invalid_parameters"),
    ],
)
def test_what_a_field_may_not_be(paper: InProcessPaper, change: dict[str, Any], code: str) -> None:
    with paper.client("trader-1") as client:
        answer = client.post(ORDERS, json=order_body(**change))
        orders = client.get("/portfolio/orders").json()["orders"]

    assert (answer.status_code, answer.json()["code"], orders) == (400, code, [])


def test_optional_fields_may_be_null_and_unknown_ones_are_let_pass(paper: InProcessPaper) -> None:
    optional = ("expiration_time", "post_only", "cancel_order_on_pause", "reduce_only", "subaccount", "order_group_id")
    with paper.client("trader-1") as client:
        answer = create(client, **dict.fromkeys(optional), exchange_index=0, of_a_later_edition=True)
        order = client.get(f"/portfolio/orders/{answer.json()['order_id']}").json()["order"]

    assert (order["subaccount_number"], order["order_group_id"], order["expiration_time"]) == (0, None, None)
    assert (order["cancel_order_on_pause"], order["self_trade_prevention_type"]) == (False, "taker_at_cross")


@pytest.mark.parametrize(
    ("ticker", "price"), [(LINEAR, "0.01"), (DECI, "0.001"), (TAPERED, "0.0010"), (LINEAR, "0.99")]
)
@pytest.mark.parametrize("count", ["1", "0.5", "0.01"])
def test_prices_and_counts_of_every_width(paper: InProcessPaper, ticker: str, price: str, count: str) -> None:
    with paper.client("trader-1") as client:
        answer = create(client, ticker=ticker, price=price, count=count).json()

    assert (answer["fill_count"], len(answer["remaining_count"].partition(".")[2])) == ("0.00", 2)
    assert float(answer["remaining_count"]) == float(count)
    assert "average_fill_price" not in answer


@pytest.mark.parametrize(
    ("kind", "filled", "mine"),
    [("taker_at_cross", "2.00", ["canceled", "resting"]), ("maker", "5.00", ["executed", "canceled"])],
)
def test_self_trade_prevention_of_both_kinds(paper: InProcessPaper, kind: str, filled: str, mine: list[str]) -> None:
    """2 of another member at $0.50, then 5 of one's own at $0.51, then 3 of another member at $0.52; 5 are wanted."""
    with paper.client("maker") as maker, paper.client("trader-1") as client:
        create(maker, side="ask", price="0.5000", count="2.00")
        create(client, side="ask", price="0.5100", count="5.00")
        create(maker, side="ask", price="0.5200", count="3.00")
        answer = create(client, price="0.5500", count="5.00", self_trade_prevention_type=kind).json()
        orders = client.get("/portfolio/orders").json()["orders"]

    assert (answer["fill_count"], answer["remaining_count"]) == (filled, "0.00")
    assert [order["status"] for order in orders] == mine


def test_an_expiration_in_the_past_is_immediate_or_refused(paper: InProcessPaper) -> None:
    past = paper.clock.now_ms() // 1000 - 1
    with paper.client("maker") as maker, paper.client("trader-1") as client:
        create(maker, side="ask", price="0.5000", count="2.00")
        taken = create(client, expiration_time=past).json()
        paper.control("POST", "/orders", {"past_expiration": "refused"})
        refused = client.post(ORDERS, json=order_body(expiration_time=past))
        future = client.post(ORDERS, json=order_body(expiration_time=past + 60))

    assert (taken["fill_count"], taken["remaining_count"]) == ("2.00", "0.00")
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_parameters")
    assert "future" in refused.json()["message"]
    assert future.status_code == 201


def test_a_member_has_so_many_open_orders_and_no_more(paper: InProcessPaper, monkeypatch: pytest.MonkeyPatch) -> None:
    assert trading.MAX_OPEN_ORDERS == 200_000  # OpenAPI: CreateOrder
    monkeypatch.setattr(trading, "MAX_OPEN_ORDERS", 2)
    with paper.client("trader-1") as client, paper.client("trader-2") as other:
        first = create(client).json()["order_id"]
        create(client, ticker=DECI)
        third = client.post(ORDERS, json=order_body())
        create(other)
        client.delete(f"{ORDERS}/{first}")
        again = client.post(ORDERS, json=order_body())

    assert (third.status_code, third.json()["details"]) == (400, "EXCEEDED_OPEN_ORDERS_LIMIT")
    assert again.status_code == 201


@pytest.mark.parametrize(("name", "creates", "cancels"), [("trader-2", 10, 50), ("trader-1", 60, 300)])
def test_a_batch_is_as_long_as_the_tiers_full_bucket_pays_for(
    paper: InProcessPaper, name: str, creates: int, cancels: int
) -> None:
    def status(method: str, items: list[dict[str, Any]]) -> int:
        paper.control("POST", "/member", {"member": name, "refill": True})
        with paper.client(name) as client:
            return client.request(method, f"{ORDERS}/batched", json={"orders": items}).status_code

    longest = [order_body(price=f"0.{n % 40 + 1:02}") for n in range(creates)]
    assert status("POST", longest) == 201
    assert status("POST", [order_body(), *longest]) == 400
    assert status("DELETE", [{"order_id": "none"}] * cancels) == 200
    assert status("DELETE", [{"order_id": "none"}] * (cancels + 1)) == 400
    assert status("POST", []) == status("DELETE", []) == 400


# --- amend and decrease -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "left"),
    [
        ({"reduce_by": "3"}, "7.00"),
        ({"reduce_to": "3.5", "reduce_by": None}, "3.50"),
        ({"reduce_to": "0"}, "0.00"),
        ({"reduce_by": "10.00"}, "0.00"),
        ({"reduce_by": "99"}, "0.00"),
        ({"reduce_by": "0"}, None),
        ({"reduce_to": "10.01"}, None),
        ({"reduce_by": "1", "reduce_to": "9"}, None),
        ({"reduce_by": None, "reduce_to": None}, None),
        ({"reduce_by": 3}, None),
        ({"reduce_by": "-1"}, None),
    ],
)
def test_decrease_takes_exactly_one_of_its_two_fields(
    paper: InProcessPaper, body: dict[str, Any], left: str | None
) -> None:
    with paper.client("trader-1") as client:
        path = f"{ORDERS}/{create(client).json()['order_id']}/decrease"
        answer = client.post(path, json=body)

    assert answer.status_code == (400 if left is None else 200)
    if left is not None:
        assert answer.json()["remaining_count"] == left


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ticker": DECI}, "order_ticker_mismatch"),
        ({"side": "ask"}, "order_side_mismatch"),
        ({"client_order_id": "another"}, "order_id_and_client_order_id_mismatch"),
        ({"updated_client_order_id": "x" * 65}, "invalid_parameters"),
        ({"updated_client_order_id": "taken"}, "order_already_exists"),
        ({"price": "0.505"}, "invalid_price"),
        ({"count": "0"}, "invalid_order_size"),
        ({"count": "900000"}, "available_balance_too_low"),
    ],
)
def test_what_an_amend_is_refused_for(paper: InProcessPaper, change: dict[str, Any], code: str) -> None:
    body = {"ticker": LINEAR, "side": "bid", "price": "0.5100", "count": "10.00"} | change
    with paper.client("trader-1") as client:
        create(client, client_order_id="taken", price="0.0100")
        order_id = create(client, client_order_id="mine").json()["order_id"]
        before = client.get(f"/portfolio/orders/{order_id}").json()
        answer = client.post(f"{ORDERS}/{order_id}/amend", json=body)
        after = client.get(f"/portfolio/orders/{order_id}").json()

    assert answer.json()["code"] == code
    assert answer.status_code in (400, 409)
    assert after == before


# --- reads ---------------------------------------------------------------------------------------------
def test_orders_are_found_by_every_filter(paper: InProcessPaper) -> None:
    paper.exchange.deposit(paper.user_id("trader-1"), cents=10_000, subaccount=1)
    start = paper.clock.now_ms() // 1000
    with paper.client("maker") as maker, paper.client("trader-1") as client:
        create(maker, side="ask", price="0.5600", count="1.00")
        names = {create(client, price="0.5600", count="1.00").json()["order_id"]: "executed"}
        paper.clock.step(10_000)
        names[create(client, ticker=LINEAR_2, subaccount=1).json()["order_id"]] = "resting"
        paper.clock.step(10_000)
        gone = create(client, ticker=DECI).json()["order_id"]
        names[gone] = "canceled"
        client.delete(f"{ORDERS}/{gone}")

        def found(**query: Any) -> list[str]:
            rows = client.get("/portfolio/orders", params=query).json()["orders"]
            return [names[row["order_id"]] for row in rows]

        assert found() == ["canceled", "resting", "executed"]
        assert [found(status=status) for status in names.values()] == [[status] for status in names.values()]
        assert found(ticker=LINEAR_2) == ["resting"]
        assert found(event_ticker=f"{OTHER_EVENT},{EVENT}") == found()
        assert found(event_ticker=OTHER_EVENT) == []
        assert found(subaccount=0) == ["canceled", "executed"]
        assert found(subaccount=1) == ["resting"]
        assert found(min_ts=start + 10) == ["canceled", "resting"]
        assert found(max_ts=start + 10) == ["resting", "executed"]
        assert found(min_ts=start + 1, max_ts=start + 19) == ["resting"]
        assert found(limit=1) == ["canceled"]


def test_fills_are_found_by_every_filter(paper: InProcessPaper) -> None:
    paper.exchange.deposit(paper.user_id("trader-1"), cents=10_000, subaccount=1)
    start = paper.clock.now_ms() // 1000
    with paper.client("maker") as maker, paper.client("trader-1") as client:
        for ticker in (LINEAR, LINEAR_2):
            create(maker, ticker=ticker, side="ask", price="0.5600", count="1.00")
        first = create(client, price="0.5600", count="1.00").json()["order_id"]
        paper.clock.step(10_000)
        second = create(client, ticker=LINEAR_2, price="0.5600", count="1.00", subaccount=1).json()["order_id"]

        def found(**query: Any) -> list[str]:
            return [row["order_id"] for row in client.get("/portfolio/fills", params=query).json()["fills"]]

        assert found() == [second, first]
        assert (found(ticker=LINEAR), found(order_id=second)) == ([first], [second])
        assert (found(subaccount=0), found(subaccount=1)) == ([first], [second])
        assert (found(min_ts=start + 10), found(max_ts=start + 9)) == ([second], [first])
        assert found(limit=1) == [second]


def test_queue_positions_are_of_the_primary_subaccount_and_found_by_market_and_event(paper: InProcessPaper) -> None:
    paper.exchange.deposit(paper.user_id("trader-1"), cents=10_000, subaccount=1)
    with paper.client("maker") as maker, paper.client("trader-1") as client:
        create(maker, price="0.5000", count="7.00")
        here = create(client).json()["order_id"]
        there = create(client, ticker=DECI).json()["order_id"]
        below = create(client, subaccount=1, count="1.00").json()["order_id"]

        def found(**query: Any) -> dict[str, str]:
            rows = client.get("/portfolio/orders/queue_positions", params=query).json()["queue_positions"]
            return {row["order_id"]: row["queue_position_fp"] for row in rows}

        assert found() == {here: "7.00", there: "0.00"}
        assert found(market_tickers=f"{LINEAR},{TAPERED}") == {here: "7.00"}
        assert found(event_ticker=EVENT) == found()
        assert found(event_ticker=OTHER_EVENT) == {}
        assert found(subaccount=1) == {below: "17.00"}
        one = client.get(f"/portfolio/orders/{below}/queue_position").json()
        assert one == {"queue_position_fp": "17.00"}


@pytest.mark.parametrize(
    "query",
    [
        "/portfolio/orders?limit=0",
        "/portfolio/orders?limit=1001",
        "/portfolio/orders?subaccount=-1",
        "/portfolio/orders?min_ts=yesterday",
        "/portfolio/orders?cursor=%21",
        "/portfolio/fills?limit=0",
        "/portfolio/fills?limit=1001",
        "/portfolio/fills?max_ts=1.5",
        "/portfolio/orders/queue_positions?subaccount=one",
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(paper: InProcessPaper, query: str) -> None:
    with paper.client("trader-1") as client:
        answer = client.get(query)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameters")
