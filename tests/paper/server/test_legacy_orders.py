"""Legacy order operations: the same engine in yes/no, buy/sell, cents and whole orders."""

from typing import Any

import httpx
import pytest

from apps.paper.engine.snapshot import take
from apps.paper.testing import DECI, LINEAR, TAPERED, InProcessPaper
from tests.paper.server.orders import create

LEGACY = "/portfolio/orders"


def legacy(client: httpx.Client, **over: Any) -> dict[str, Any]:
    answer = place(client, **over)
    assert answer.status_code == 201, answer.text
    order: dict[str, Any] = answer.json()["order"]
    return order


def place(client: httpx.Client, **over: Any) -> httpx.Response:
    body = {"ticker": LINEAR, "side": "yes", "action": "buy", "count": 10, "yes_price": 40} | over
    return client.post(LEGACY, json={name: value for name, value in body.items() if value is not None})


# --- direction and price ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("action", "side", "price", "book_side", "outcome", "yes_dollars"),
    [
        ("buy", "yes", {"yes_price": 40}, "bid", "yes", "0.4000"),
        ("sell", "no", {"yes_price_dollars": "0.4"}, "bid", "yes", "0.4000"),
        ("buy", "no", {"no_price": 40}, "ask", "no", "0.6000"),
        ("sell", "yes", {"no_price_dollars": "0.400"}, "ask", "no", "0.6000"),
        ("sell", "yes", {"yes_price": 99}, "ask", "no", "0.9900"),
        ("buy", "no", {"yes_price": 99}, "ask", "no", "0.9900"),
    ],
)
def test_direction_and_price_in_every_notation(
    paper: InProcessPaper, action: str, side: str, price: dict[str, Any], book_side: str, outcome: str, yes_dollars: str
) -> None:
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=["user_orders"])
    with paper.client("trader-1") as client:
        order = legacy(client, **({"action": action, "side": side, "yes_price": None} | price))
        listed = client.get(f"{LEGACY}/{order['order_id']}").json()["order"]

    assert (order["book_side"], order["outcome_side"], order["yes_price_dollars"]) == (book_side, outcome, yes_dollars)
    # The pair is told back as it was given, here, in lists and on the channel.
    assert (order["action"], order["side"]) == (action, side)
    assert listed == order
    told = socket.take()[0]["msg"]
    assert (told["side"], told["is_yes"]) == (side, outcome == "yes")


def test_a_sale_fills_as_a_sale_of_its_outcome(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=["fill"])
    with paper.client("maker") as maker, paper.client("trader-1") as client:
        create(maker, price="0.4000")
        order = legacy(client, action="sell", side="yes", yes_price=40)
        fill = client.get("/portfolio/fills").json()["fills"][0]

    assert order["status"] == "executed"
    assert (fill["action"], fill["side"], fill["outcome_side"], fill["book_side"]) == ("sell", "yes", "no", "ask")
    told = socket.take()[0]["msg"]
    assert (told["action"], told["side"], told["purchased_side"]) == ("sell", "yes", "no")


# --- refusals -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("over", "status", "code"),
    [
        ({"side": "maybe"}, 400, "invalid_parameters"),
        ({"action": "hold"}, 400, "invalid_parameters"),
        ({"ticker": ""}, 400, "invalid_parameters"),
        ({"ticker": "NONE"}, 400, "market_not_found"),
        ({"yes_price": None}, 400, "invalid_price"),
        ({"no_price": 60}, 400, "invalid_price"),
        ({"yes_price_dollars": "0.4000"}, 400, "invalid_price"),
        ({"yes_price": 0}, 400, "invalid_parameters"),
        ({"yes_price": 100}, 400, "invalid_parameters"),
        ({"yes_price": None, "yes_price_dollars": "0.405"}, 400, "invalid_price"),
        ({"yes_price": None, "no_price_dollars": "1.5"}, 400, "invalid_price"),
        ({"count": None}, 400, "invalid_order_size"),
        ({"count": 0}, 400, "invalid_parameters"),
        ({"count": 2.5}, 400, "invalid_parameters"),
        ({"count_fp": "9.00"}, 400, "invalid_order_size"),
        ({"count": None, "count_fp": "0.00"}, 400, "invalid_order_size"),
        ({"count": None, "count_fp": "1.005"}, 400, "invalid_order_size"),
        ({"time_in_force": "GTT"}, 400, "invalid_parameters"),
        ({"time_in_force": "immediate_or_cancel", "expiration_ts": 4_000_000_000}, 400, "invalid_parameters"),
        ({"time_in_force": "fill_or_kill", "expiration_ts": 4_000_000_000}, 400, "invalid_parameters"),
        ({"time_in_force": "immediate_or_cancel", "post_only": True}, 400, "invalid_parameters"),
        ({"expiration_ts": -1}, 400, "invalid_parameters"),
        ({"sell_position_floor": 1}, 400, "invalid_parameters"),
        ({"sell_position_floor": 0}, 400, "invalid_order"),
        ({"reduce_only": True}, 400, "invalid_order"),
        ({"buy_max_cost": 0}, 400, "invalid_parameters"),
        ({"action": "sell", "buy_max_cost": 500}, 400, "invalid_parameters"),
        ({"self_trade_prevention_type": "both"}, 400, "invalid_parameters"),
        ({"order_group_id": "none"}, 400, "order_group_not_found"),
        ({"subaccount": 9}, 400, "invalid_parameters"),
        ({"subaccount": -1}, 400, "invalid_parameters"),
        ({"exchange_index": 1}, 400, "invalid_parameters"),
        ({"client_order_id": "x" * 65}, 400, "invalid_parameters"),
        ({"count": 900_000, "yes_price": 99}, 400, "available_balance_too_low"),
        ({"time_in_force": "fill_or_kill"}, 409, "fill_or_kill_insufficient_resting_volume"),
    ],
)
def test_what_is_refused_changes_nothing(paper: InProcessPaper, over: dict[str, Any], status: int, code: str) -> None:
    with paper.client("trader-1") as client:
        answer = place(client, **over)
        orders = client.get(LEGACY).json()["orders"]

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert orders == []


def test_a_client_order_id_is_used_up_whichever_path_it_came_by(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client:
        legacy(client, client_order_id="once")
        again = place(client, client_order_id="once")
        create(client, client_order_id="twice")
        other_path = place(client, client_order_id="twice")

    assert (again.status_code, again.json()["code"]) == (409, "order_already_exists")
    assert (other_path.status_code, other_path.json()["code"]) == (409, "order_already_exists")


def test_an_order_may_come_without_a_client_order_id_and_any_number_of_them(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client:
        orders = [legacy(client, yes_price=price) for price in (10, 11)]

    assert [order["client_order_id"] for order in orders] == ["", ""]


# --- parameters ------------------------------------------------------------------------------------
def test_every_parameter_comes_back_in_the_order(paper: InProcessPaper) -> None:
    expiry = paper.clock.now_ms() // 1000 + 600
    with paper.client("trader-1") as client:
        group = client.post("/portfolio/order_groups/create", json={"contracts_limit": 50, "subaccount": 1}).json()
        paper.exchange.deposit(paper.user_id("trader-1"), cents=10_000, subaccount=1)
        order = legacy(
            client,
            client_order_id="all",
            count=None,
            count_fp="2.5",
            yes_price=None,
            yes_price_dollars="0.40",
            expiration_ts=expiry,
            time_in_force="good_till_canceled",
            post_only=True,
            self_trade_prevention_type="maker",
            order_group_id=group["order_group_id"],
            cancel_order_on_pause=True,
            subaccount=1,
            exchange_index=0,
        )
        paper.control("POST", "/trading", {"trading_active": False})
        paper.control("POST", "/trading", {"trading_active": True})
        after = client.get(f"{LEGACY}/{order['order_id']}").json()["order"]

    assert (order["client_order_id"], order["initial_count_fp"], order["type"]) == ("all", "2.50", "limit")
    assert order["expiration_time"].startswith("20")
    assert (order["self_trade_prevention_type"], order["order_group_id"]) == ("maker", group["order_group_id"])
    assert (order["cancel_order_on_pause"], order["subaccount_number"]) == (True, 1)
    assert (order["status"], after["status"]) == ("resting", "canceled")


def test_left_out_parameters_have_their_defaults(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client:
        order = legacy(client, time_in_force="", self_trade_prevention_type="", order_group_id="")

    assert (order["status"], order["self_trade_prevention_type"]) == ("resting", "taker_at_cross")
    assert (order["subaccount_number"], order["cancel_order_on_pause"]) == (0, False)
    assert (order["order_group_id"], order["expiration_time"]) == (None, None)


@pytest.mark.parametrize(("cents", "filled"), [(560, False), (577, False), (578, True), (700, True)])
def test_buy_max_cost_fills_whole_for_its_money_with_fees_or_not_at_all(
    paper: InProcessPaper, cents: int, filled: bool
) -> None:
    """Ten contracts at $0.56 cost $5.60 and a fee of 0.07 x 10 x 0.56 x 0.44 = $0.17248, $5.78 in whole cents."""
    with paper.client("maker") as maker, paper.client("trader-1") as client:
        create(maker, side="ask", price="0.5600", count="20.00")
        answer = place(client, yes_price=60, buy_max_cost=cents, time_in_force="good_till_canceled")

    if filled:
        assert answer.json()["order"]["status"] == "executed"
    else:
        assert (answer.status_code, answer.json()["code"]) == (409, "fill_or_kill_insufficient_resting_volume")


def test_sell_position_floor_is_reduce_only(paper: InProcessPaper) -> None:
    with paper.client("maker") as maker, paper.client("trader-1") as client:
        create(maker, side="ask", price="0.5600", count="4.00")
        create(client, price="0.5600", count="4.00")
        order = legacy(client, action="sell", yes_price=70, sell_position_floor=0)

    assert order["initial_count_fp"] == "4.00"


# --- amend, decrease, cancel ---------------------------------------------------------------------------
def test_amend_answers_with_the_order_before_and_after(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client:
        order = legacy(client, client_order_id="first")
        path = f"{LEGACY}/{order['order_id']}/amend"
        body = {"ticker": LINEAR, "side": "yes", "action": "buy", "yes_price": 45, "count": 12}
        answer = client.post(path, json=body | {"client_order_id": "first", "updated_client_order_id": "second"}).json()
        smaller = client.post(path, json=body | {"count": None, "count_fp": "2.50"}).json()
        priced = client.post(path, json={"ticker": LINEAR, "side": "yes", "action": "buy", "no_price": 54}).json()

    assert answer["old_order"] == order
    new = answer["order"]
    assert (new["order_id"], new["client_order_id"]) == (order["order_id"], "second")
    assert (new["yes_price_dollars"], new["remaining_count_fp"]) == ("0.4500", "12.00")
    assert (smaller["old_order"], smaller["order"]["remaining_count_fp"]) == (new, "2.50")
    # Without a count only the price changes.
    assert (priced["order"]["yes_price_dollars"], priced["order"]["remaining_count_fp"]) == ("0.4600", "2.50")


def test_an_amend_may_name_the_same_direction_in_the_other_words_and_no_other_one(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client:
        order = legacy(client, action="sell", side="no")
        path = f"{LEGACY}/{order['order_id']}/amend"
        same = client.post(path, json={"ticker": LINEAR, "side": "yes", "action": "buy", "yes_price": 41, "count": 10})
        other = client.post(path, json={"ticker": LINEAR, "side": "no", "action": "buy", "no_price": 59, "count": 10})

    assert (same.status_code, same.json()["order"]["side"], same.json()["order"]["action"]) == (200, "no", "sell")
    assert (other.status_code, other.json()["code"]) == (400, "order_side_mismatch")


def test_an_amend_that_fills_is_told_whole(paper: InProcessPaper) -> None:
    with paper.client("maker") as maker, paper.client("trader-1") as client:
        order = legacy(client)
        create(maker, side="ask", price="0.5600", count="4.00")
        answer = client.post(
            f"{LEGACY}/{order['order_id']}/amend",
            json={"ticker": LINEAR, "side": "yes", "action": "buy", "yes_price": 56, "count": 10},
        ).json()["order"]

    assert (answer["fill_count_fp"], answer["remaining_count_fp"], answer["status"]) == ("4.00", "6.00", "resting")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ticker": DECI}, "order_ticker_mismatch"),
        ({"side": "no"}, "order_side_mismatch"),
        ({"action": "sell"}, "order_side_mismatch"),
        ({"client_order_id": "another"}, "order_id_and_client_order_id_mismatch"),
        ({"yes_price": None}, "invalid_price"),
        ({"no_price": 60}, "invalid_price"),
        ({"count_fp": "3.00"}, "invalid_order_size"),
        ({"count": 900_000}, "available_balance_too_low"),
    ],
)
def test_what_an_amend_is_refused_for(paper: InProcessPaper, change: dict[str, Any], code: str) -> None:
    body = {"ticker": LINEAR, "side": "yes", "action": "buy", "yes_price": 41, "count": 10} | change
    with paper.client("trader-1") as client:
        order = legacy(client)
        path = f"{LEGACY}/{order['order_id']}"
        refused = client.post(f"{path}/amend", json={name: value for name, value in body.items() if value is not None})
        after = client.get(path).json()["order"]

    assert (refused.status_code, refused.json()["code"]) == (400, code)
    assert after == order


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ({"reduce_by": 3}, "7.00"),
        ({"reduce_by_fp": "0.50"}, "9.50"),
        ({"reduce_by": 3, "reduce_by_fp": "3.00"}, "7.00"),
        ({"reduce_to": 0}, "0.00"),
        ({"reduce_to_fp": "2.25"}, "2.25"),
        ({"reduce_by": 3, "reduce_by_fp": "4.00"}, None),
        ({"reduce_by": 3, "reduce_to": 3}, None),
        ({"reduce_by": 0}, None),
        ({"reduce_to": 11}, None),
        ({}, None),
    ],
)
def test_decrease_in_every_notation(paper: InProcessPaper, body: dict[str, Any], left: str | None) -> None:
    with paper.client("trader-1") as client:
        order = legacy(client)
        answer = client.post(f"{LEGACY}/{order['order_id']}/decrease", json=body)

    if left is None:
        assert answer.status_code == 400
    else:
        assert answer.json()["order"]["remaining_count_fp"] == left
        assert answer.json()["order"]["status"] == ("canceled" if left == "0.00" else "resting")


def test_cancel_answers_with_the_zeroed_order(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client:
        order = legacy(client)
        path = f"{LEGACY}/{order['order_id']}"
        answer = client.delete(path)
        again = client.delete(path)

    assert answer.json()["reduced_by_fp"] == "10.00"
    assert (answer.json()["order"]["status"], answer.json()["order"]["remaining_count_fp"]) == ("canceled", "0.00")
    assert again.status_code == 404


@pytest.mark.parametrize("base", [LEGACY, "/portfolio/events/orders"])
def test_changes_are_of_the_primary_subaccount_unless_they_name_another(paper: InProcessPaper, base: str) -> None:
    paper.exchange.deposit(paper.user_id("trader-1"), cents=10_000, subaccount=1)
    named = {"subaccount": 1}
    with paper.client("trader-1") as client:
        order_id = legacy(client, subaccount=1)["order_id"]
        path = f"{base}/{order_id}"
        terms = {"ticker": LINEAR, "count_fp": "9.00", "count": "9.00", "price": "0.4", "yes_price": 40}
        legacy_terms = {"ticker": LINEAR, "side": "yes", "action": "buy", "yes_price": 40, "count": 9}
        amended = legacy_terms if base == LEGACY else terms | {"side": "bid"}
        reduced = {"reduce_by": 1} if base == LEGACY else {"reduce_by": "1.00"}
        unnamed = [
            client.post(f"{path}/amend", json=amended),
            client.post(f"{path}/decrease", json=reduced),
            client.delete(path),
        ]
        kept = client.get(f"{LEGACY}/{order_id}").json()["order"]["remaining_count_fp"]
        body, query = (named, {}) if base == LEGACY else ({}, named)
        done = [
            client.post(f"{path}/amend", json=amended | body, params=query),
            client.post(f"{path}/decrease", json=reduced | body, params=query),
            client.delete(path, params=named),
        ]

    assert [answer.status_code for answer in unnamed] == [404, 404, 404]
    assert kept == "10.00"
    assert [answer.status_code for answer in done] == [200, 200, 200]


# --- batches -----------------------------------------------------------------------------------------
def test_a_batch_answers_each_item_with_its_order_or_its_error(paper: InProcessPaper) -> None:
    good = {"ticker": TAPERED, "side": "no", "action": "buy", "count": 2, "no_price": 30, "client_order_id": "good"}
    with paper.client("trader-1") as client:
        answer = client.post(
            f"{LEGACY}/batched", json={"orders": [good, good, good | {"count": "two", "client_order_id": "bad"}, 5]}
        )
        rows = answer.json()["orders"]

    assert answer.status_code == 201
    assert (rows[0]["client_order_id"], rows[0]["order"]["book_side"], "error" in rows[0]) == ("good", "ask", False)
    assert [row["error"]["code"] for row in rows[1:]] == [
        "order_already_exists", "invalid_parameters", "invalid_parameters",
    ]  # fmt: skip
    assert [row["client_order_id"] for row in rows[1:]] == ["good", "bad", None]


def test_a_batch_cancel_takes_orders_and_the_deprecated_ids(paper: InProcessPaper) -> None:
    paper.exchange.deposit(paper.user_id("trader-1"), cents=10_000, subaccount=1)
    with paper.client("trader-1") as client:
        first, second = legacy(client)["order_id"], legacy(client, subaccount=1)["order_id"]
        by_id = client.request("DELETE", f"{LEGACY}/batched", json={"ids": [first, second]}).json()["orders"]
        items = [{"order_id": second, "subaccount": 1}]
        named = client.request("DELETE", f"{LEGACY}/batched", json={"orders": items}).json()["orders"]
        both = client.request("DELETE", f"{LEGACY}/batched", json={"orders": items, "ids": [first]})
        neither = client.request("DELETE", f"{LEGACY}/batched", json={})

    # ids are of the primary subaccount.
    assert [(row["order_id"], row["reduced_by_fp"], "error" in row) for row in by_id] == [
        (first, "10.00", False),
        (second, "0.00", True),
    ]
    assert (named[0]["reduced_by_fp"], named[0]["order"]["status"]) == ("10.00", "canceled")
    assert [both.status_code, neither.status_code] == [400, 400]


def test_costs_are_those_of_the_new_paths(paper: InProcessPaper) -> None:
    """trader-2 is Basic: 100 write tokens. 5 orders (50), 15 cancels (30) and 2 orders (20) empty the bucket."""
    items = [{"ticker": LINEAR, "side": "yes", "action": "buy", "count": 1, "yes_price": 5 + n} for n in range(5)]
    with paper.client("trader-2") as client:
        created = client.post(f"{LEGACY}/batched", json={"orders": items})
        cancelled = client.request("DELETE", f"{LEGACY}/batched", json={"ids": ["none"] * 14})
        one = client.delete(f"{LEGACY}/none")
        last = [place(client, yes_price=20 + n).status_code for n in range(3)]

    assert (created.status_code, cancelled.status_code, one.status_code) == (201, 200, 404)
    assert last == [201, 201, 429]


def test_a_sale_is_a_sale_after_a_restart(paper: InProcessPaper) -> None:
    """What a legacy client said is part of the order and of its fills, in the snapshot too."""
    with paper.client("maker") as maker, paper.client("trader-1") as client:
        create(maker, price="0.4000", count="4.00")
        legacy(client, action="sell", yes_price=40)
    state = take(paper.exchange).members[paper.user_id("trader-1")]

    assert [order.sells for order in state.orders.values()] == [True]
    assert [fill.sells for fill in state.fills] == [True]
