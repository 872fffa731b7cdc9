"""Budgets, cursors, filters, orders: what a client of the REST interface can rely on."""

import httpx
import pytest

from apps.paper.server.buckets import TIERS, TokenBucket, limits
from apps.paper.testing import DECI, EVENT, LINEAR, LINEAR_2, TAPERED, InProcessPaper
from tests.paper.server.orders import ORDERS, create, order_body


# --- budgets -------------------------------------------------------------------------------------
def test_a_bucket_takes_only_what_it_holds_and_refills_without_steps() -> None:
    bucket = TokenBucket(rate=100, capacity=100, tokens=100.0, at_ms=0.0)

    taken = [
        bucket.take(60, now_ms=0),
        bucket.take(60, now_ms=0),
        bucket.take(60, now_ms=199),
        bucket.take(60, now_ms=200),
    ]

    assert taken == [True, False, False, True]


def test_a_bucket_never_holds_more_than_its_capacity() -> None:
    bucket = TokenBucket(rate=100, capacity=200, tokens=200.0, at_ms=0.0)

    assert bucket.take(200, now_ms=3_600_000.0)
    assert not bucket.take(1, now_ms=3_600_000.0)


def test_the_write_bucket_holds_two_seconds_but_one_at_basic() -> None:
    assert {tier: limits(tier, "write") for tier in TIERS} == {
        "basic": (100, 100),
        "advanced": (300, 600),
        "premier": (1000, 2000),
        "paragon": (2000, 4000),
        "prime": (4000, 8000),
    }


def test_too_many_requests_get_the_documented_body_and_do_nothing(paper: InProcessPaper) -> None:
    with paper.client("trader-2") as client:  # basic: 100 write tokens, 10 per order
        answers = [client.post(ORDERS, json=order_body(price="0.0100", count="1.00")) for _ in range(11)]
        refused = answers[-1]
        orders = client.get("/portfolio/orders").json()["orders"]
        paper.clock.step(100)
        later = client.post(ORDERS, json=order_body(price="0.0100", count="1.00"))

    assert [answer.status_code for answer in answers] == [201] * 10 + [429]
    assert refused.json() == {"error": "too many requests"}
    assert "Retry-After" not in refused.headers
    assert len(orders) == 10
    assert later.status_code == 201


def test_reads_and_writes_have_budgets_of_their_own_and_keys_of_a_member_share_them(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as trader, paper.client("reader") as reader:  # advanced: 300 read tokens
        statuses = [client.get("/portfolio/balance").status_code for _ in range(15) for client in (trader, reader)]
        one_more = trader.get("/portfolio/balance")
        write = trader.post(ORDERS, json=order_body())

    assert statuses == [200] * 30
    assert (one_more.status_code, write.status_code) == (429, 201)


def test_batches_are_billed_per_item_and_cancels_cost_two(paper: InProcessPaper) -> None:
    with paper.client("trader-2") as client:
        batch = client.post(f"{ORDERS}/batched", json={"orders": [order_body(price="0.0100") for _ in range(10)]})
        ids = [row["order_id"] for row in batch.json()["orders"]]
        none_left = client.delete(f"{ORDERS}/{ids[0]}")
        paper.clock.step(200)  # twenty tokens: ten cancels
        cancels = client.request("DELETE", f"{ORDERS}/batched", json={"orders": [{"order_id": i} for i in ids]})
        too_large = client.post(f"{ORDERS}/batched", json={"orders": [order_body() for _ in range(11)]})

    assert batch.status_code == 201
    assert none_left.status_code == 429
    assert [row["reduced_by"] for row in cancels.json()["orders"]] == ["10.00"] * 10
    assert too_large.status_code in (400, 429)


def test_the_tier_is_told_and_can_be_changed_by_control(paper: InProcessPaper) -> None:
    with paper.client("trader-2") as client:
        before = client.get("/account/limits").json()
        paper.control("POST", "/member", {"member": "trader-2", "tier": "prime"})
        after = client.get("/account/limits").json()

    assert (before["usage_tier"], before["write"]) == ("basic", {"refill_rate": 100, "bucket_capacity": 100})
    assert (after["usage_tier"], after["write"]) == ("prime", {"refill_rate": 4000, "bucket_capacity": 8000})


# --- orders --------------------------------------------------------------------------------------
def test_an_order_rests_fills_and_moves_money(paper: InProcessPaper) -> None:
    with paper.client("maker") as maker, paper.client("trader-1") as trader:
        create(maker, side="ask", price="0.5600", count="20.00")
        answer = create(trader, price="0.6000", count="10.00").json()
        balance = trader.get("/portfolio/balance").json()
        position = trader.get("/portfolio/positions").json()["market_positions"][0]
        fill = trader.get("/portfolio/fills").json()["fills"][0]
        book = trader.get(f"/markets/{LINEAR}/orderbook").json()["orderbook_fp"]

    # Fee: 0.07 x 10 x 0.56 x 0.44 = 0.17248, up to 0.1725; 25,000 - 5.60 - 0.1725, down to whole cents.
    assert (answer["fill_count"], answer["remaining_count"], answer["average_fill_price"]) == (
        "10.00",
        "0.00",
        "0.5600",
    )
    assert balance["balance"] == 2_499_422
    assert (position["position_fp"], position["market_exposure_dollars"]) == ("10.00", "5.6000")
    assert (fill["book_side"], fill["is_taker"], fill["yes_price_dollars"]) == ("bid", True, "0.5600")
    assert book == {"yes_dollars": [], "no_dollars": [["0.4400", "10.00"]]}


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"price": "0.5050"}, 400, "invalid_price"),
        ({"price": "0.50501"}, 400, "invalid_price"),
        ({"price": "1.0000"}, 400, "invalid_price"),
        ({"price": 0.5}, 400, "invalid_parameters"),
        ({"count": "0"}, 400, "invalid_order_size"),
        ({"count": "1.005"}, 400, "invalid_order_size"),
        ({"count": "-1"}, 400, "invalid_order_size"),
        ({"side": "yes"}, 400, "invalid_parameters"),
        ({"time_in_force": "gtt"}, 400, "invalid_parameters"),
        ({"ticker": "NONE"}, 400, "market_not_found"),
        ({"price": "0.9900", "count": "500000"}, 400, "available_balance_too_low"),
        ({"exchange_index": 1}, 400, "invalid_parameters"),
        ({"expiration_time": 10**18}, 400, "invalid_parameters"),
        ({"subaccount": 7}, 400, "invalid_parameters"),
    ],
)
def test_a_bad_order_is_refused_with_a_code_and_changes_nothing(
    paper: InProcessPaper, change: dict[str, object], status: int, code: str
) -> None:
    with paper.client("trader-1") as client:
        answer = client.post(ORDERS, json=order_body(**change))

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert paper.truth()["members"][paper.user_id("trader-1")]["orders"] == []


def test_a_client_order_id_is_used_once(paper: InProcessPaper) -> None:
    body = order_body()
    with paper.client("trader-1") as client:
        first, second = client.post(ORDERS, json=body), client.post(ORDERS, json=body)

    assert (first.status_code, second.status_code) == (201, 409)
    assert second.json()["code"] == "order_already_exists"


def test_amend_decrease_and_cancel_answer_with_what_they_did(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client:
        order_id = create(client).json()["order_id"]
        path = f"{ORDERS}/{order_id}"
        amended = client.post(
            f"{path}/amend", json={"ticker": LINEAR, "side": "bid", "price": "0.5100", "count": "12.00"}
        ).json()
        decreased = client.post(f"{path}/decrease", json={"reduce_to": "4.00"}).json()
        wrong_subaccount = client.delete(path, params={"subaccount": 1})
        cancelled = client.delete(path, params={"subaccount": 0}).json()
        again = client.delete(path)
        order = client.get(f"/portfolio/orders/{order_id}").json()["order"]

    assert (amended["remaining_count"], amended["fill_count"]) == ("12.00", "0.00")
    assert decreased["remaining_count"] == "4.00"
    assert wrong_subaccount.status_code == 404
    assert cancelled["reduced_by"] == "4.00"
    assert again.status_code == 404
    assert (order["status"], order["yes_price_dollars"]) == ("canceled", "0.5100")


def test_an_item_of_a_batch_stands_for_itself(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client:
        answer = client.post(
            f"{ORDERS}/batched", json={"orders": [order_body(), order_body(price="0.5050"), {"ticker": LINEAR}]}
        )
        rows = answer.json()["orders"]
        orders = client.get("/portfolio/orders").json()["orders"]

    assert answer.status_code == 201
    assert [row.get("error", {}).get("code") for row in rows] == [None, "invalid_price", "invalid_parameters"]
    assert [order["order_id"] for order in orders] == [rows[0]["order_id"]]


def test_another_members_order_looks_the_same_as_none(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client:
        order_id = create(client).json()["order_id"]
    with paper.client("trader-2") as client:
        answers = [client.get(f"/portfolio/orders/{order_id}"), client.delete(f"{ORDERS}/{order_id}")]

    assert [answer.status_code for answer in answers] == [404, 404]


# --- lists ---------------------------------------------------------------------------------------
def pages(client: httpx.Client, path: str, name: str, **query: object) -> list[list[dict[str, object]]]:
    found, cursor = [], ""
    while True:
        answer = client.get(path, params={**query, "cursor": cursor}).json()
        found.append(answer[name])
        cursor = answer["cursor"]
        if not cursor:
            return found


def test_pages_cover_all_orders_once_although_new_ones_arrive(paper: InProcessPaper) -> None:
    with paper.client("maker") as client:
        ids = [create(client, price="0.0100").json()["order_id"] for _ in range(7)]
        first = client.get("/portfolio/orders", params={"limit": 3}).json()
        create(client, price="0.0200")
        rest = client.get("/portfolio/orders", params={"limit": 1000, "cursor": first["cursor"]}).json()

    assert [order["order_id"] for order in first["orders"] + rest["orders"]] == ids[::-1]
    assert rest["cursor"] == ""


def test_pages_of_markets_and_trades_end_without_a_cursor(paper: InProcessPaper) -> None:
    with paper.client("maker") as maker, paper.client("trader-1") as trader:
        for _ in range(5):
            create(maker, side="ask", price="0.5600", count="1.00")
            create(trader, price="0.5600", count="1.00")
        markets = pages(trader, "/markets", "markets", limit=3)
        trades = pages(trader, "/markets/trades", "trades", limit=2, ticker=LINEAR)
        fills = pages(trader, "/portfolio/fills", "fills", limit=2)

    assert [[market["ticker"] for market in page] for page in markets] == [[LINEAR, LINEAR_2, DECI], [TAPERED]]
    assert [len(page) for page in trades] == [2, 2, 1]
    assert len({trade["trade_id"] for page in trades for trade in page}) == 5
    assert [len(page) for page in fills] == [2, 2, 1]


@pytest.mark.parametrize(
    "query",
    [
        "/markets?cursor=%21%21",
        "/markets?limit=1001",
        "/markets?limit=ten",
        "/markets?status=sleeping",
        "/markets?min_close_ts=1&status=open",
        "/markets?min_close_ts=1&min_created_ts=1",
        "/events?limit=201",
        "/events?with_nested_markets=perhaps",
        "/portfolio/orders?status=dead",
        "/portfolio/orders?event_ticker=1,2,3,4,5,6,7,8,9,10,11",
        "/portfolio/positions?count_filter=luck",
        "/portfolio/balance?subaccount=9",
        "/markets/orderbooks",
        "/markets/candlesticks?market_tickers=A&start_ts=1&end_ts=2&period_interval=7",
        f"/markets/candlesticks?market_tickers={LINEAR}&start_ts=0&end_ts=9000000000&period_interval=1",
    ],
)
def test_a_wrong_parameter_is_named(paper: InProcessPaper, query: str) -> None:
    with paper.client("trader-1") as client:
        answer = client.get(query)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameters")
    assert answer.json()["message"]


def test_market_filters_select_by_status_event_and_time(paper: InProcessPaper) -> None:
    paper.exchange.pause_market(DECI)
    now = paper.clock.now_ms() // 1000
    with paper.client() as client:
        found = {
            query: [market["ticker"] for market in client.get(f"/markets?{query}").json()["markets"]]
            for query in (
                "status=paused",
                f"tickers={TAPERED},NONE,{LINEAR}",
                "event_ticker=NONE",
                f"min_close_ts={now + 31 * 86_400}",
                f"max_created_ts={now}&status=open",
            )
        }

    assert list(found.values()) == [[DECI], [LINEAR, TAPERED], [], [], [LINEAR, LINEAR_2, TAPERED]]


def test_an_event_carries_its_markets_where_the_query_wants_them(paper: InProcessPaper) -> None:
    with paper.client() as client:
        plain = client.get(f"/events/{EVENT}").json()
        nested = client.get(f"/events/{EVENT}?with_nested_markets=true").json()

    assert ("markets" in plain["event"], len(plain["markets"])) == (False, 4)
    assert (len(nested["event"]["markets"]), nested["markets"]) == (4, [])


def test_depth_gives_the_best_levels(paper: InProcessPaper) -> None:
    with paper.client("maker") as client:
        for price in ("0.1000", "0.2000", "0.3000"):
            create(client, price=price)
        book = client.get(f"/markets/{LINEAR}/orderbook?depth=2").json()["orderbook_fp"]

    assert book["yes_dollars"] == [["0.2000", "10.00"], ["0.3000", "10.00"]]


def test_candles_follow_trades(paper: InProcessPaper) -> None:
    with paper.client("maker") as maker, paper.client("trader-1") as trader:
        create(maker, side="ask", price="0.5600", count="20.00")
        create(trader, price="0.5600", count="10.00")
        now = paper.clock.now_ms() // 1000
        answer = trader.get(
            f"/series/KXTEST/markets/{LINEAR}/candlesticks",
            params={"start_ts": now - 3600, "end_ts": now + 60, "period_interval": 1},
        ).json()

    candle = answer["candlesticks"][-1]
    assert (candle["volume_fp"], candle["price"]["close_dollars"], candle["price"]["mean_dollars"]) == (
        "10.00",
        "0.5600",
        "0.5600",
    )


def test_unknown_paths_and_methods_are_told_apart(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client:
        unknown, wrong_method = client.get("/portfolio/treasure"), client.put("/portfolio/balance", json={})
        not_json = client.post(ORDERS, content=b"{")

    assert (unknown.status_code, wrong_method.status_code, not_json.status_code) == (404, 405, 400)
    assert not_json.json()["code"] == "invalid_json"
