"""The historical tier over REST: what is where, page by page, and what the live tier no longer says."""

from typing import Any

import httpx

from apps.paper.testing import EVENT, LINEAR, LINEAR_2, SERIES, InProcessPaper
from tests.paper.server.orders import create

MOVE_ALL = {"age_ms": 0, "step_ms": 1}


def traded(paper: InProcessPaper, times: int = 5) -> None:
    """trader-1 buys from the maker every second; LINEAR_2 is settled then."""
    with paper.client("maker") as maker, paper.client("trader-1") as client:
        for ticker in (*[LINEAR] * (times - 1), LINEAR_2):
            create(maker, ticker=ticker, side="ask", price="0.5000", count="1.00")
            create(client, ticker=ticker, price="0.5000", count="1.00")
            paper.clock.step(1_000)
    for step in ({"action": "close_early"}, {"action": "determine", "result": "yes"}, {"action": "settle"}):
        paper.control("POST", "/market", {"ticker": LINEAR_2} | step)
    paper.clock.step(1_000)


def all_pages(client: httpx.Client, path: str, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = client.get(path, params={"limit": 2, "cursor": cursor}).json()
        rows += answer[name]
        cursor = answer["cursor"]
        if not cursor:
            return rows


def test_what_the_live_tier_said_the_historical_one_says_in_the_same_words(paper: InProcessPaper) -> None:
    traded(paper)
    with paper.client("trader-1") as client:
        fills = client.get("/portfolio/fills").json()["fills"]
        orders = client.get("/portfolio/orders").json()["orders"]
        trades = client.get("/markets/trades").json()["trades"]
        market = client.get(f"/markets/{LINEAR_2}").json()["market"]
        paper.control("POST", "/history", MOVE_ALL)

        assert client.get("/portfolio/fills").json()["fills"] == []
        assert client.get("/portfolio/orders").json()["orders"] == []
        assert client.get(f"/portfolio/orders/{orders[0]['order_id']}").status_code == 404
        assert client.get("/markets/trades").json()["trades"] == []
        assert all_pages(client, "/historical/fills", "fills") == fills
        assert all_pages(client, "/historical/orders", "orders") == orders
        assert all_pages(client, "/historical/trades", "trades") == trades
        archived = client.get(f"/historical/markets/{LINEAR_2}").json()["market"]
        listed = client.get(f"/historical/markets?tickers={LINEAR_2},{LINEAR}").json()["markets"]

    changing = {"volume_24h_fp", "previous_yes_bid_dollars", "previous_yes_ask_dollars", "previous_price_dollars"}
    assert {name: archived[name] for name in archived if name not in changing} == {
        name: market[name] for name in market if name not in changing
    }
    assert listed == [archived]
    assert len(fills) == len(orders) == len(trades) == 5


def test_an_archived_market_is_gone_from_every_live_answer_and_its_event_stays(paper: InProcessPaper) -> None:
    traded(paper)
    now_s = paper.clock.now_ms() // 1000
    span = f"start_ts={now_s - 120}&end_ts={now_s + 60}&period_interval=1"
    series = f"/series/{SERIES}"
    with paper.client("trader-1") as client:
        live = client.get(f"{series}/markets/{LINEAR_2}/candlesticks?{span}").json()["candlesticks"]
        paper.control("POST", "/history", MOVE_ALL)

        assert client.get(f"/markets/{LINEAR_2}").status_code == 404
        assert client.get(f"/markets/{LINEAR_2}/orderbook").status_code == 404
        assert client.get(f"{series}/markets/{LINEAR_2}/candlesticks?{span}").status_code == 404
        assert client.get(f"/markets?tickers={LINEAR_2}").json()["markets"] == []
        assert client.get("/markets?status=settled").json()["markets"] == []
        nested = client.get(f"/events/{EVENT}?with_nested_markets=true").json()["event"]["markets"]
        assert LINEAR_2 not in [market["ticker"] for market in nested]
        answer = client.get(f"{series}/events/{EVENT}/candlesticks?{span}").json()
        assert LINEAR_2 not in answer["market_tickers"]
        old = client.get(f"/historical/markets/{LINEAR_2}/candlesticks?{span}").json()["candlesticks"]
        assert len(client.get("/portfolio/settlements").json()["settlements"]) == 1
        assert client.get("/portfolio/balance").status_code == 200
    assert paper.truth()["members"]

    traded_in = [candle for candle in old if candle["volume"] != "0.00"]
    assert [candle["volume"] for candle in traded_in] == ["1.00"]
    assert traded_in[0]["price"]["close"] == "0.5000"
    assert traded_in[0]["end_period_ts"] in [candle["end_period_ts"] for candle in live]


def test_sockets_do_not_know_archived_markets(paper: InProcessPaper) -> None:
    traded(paper)
    paper.control("POST", "/history", MOVE_ALL)
    socket = paper.socket("trader-1")

    (frame,) = socket.send("subscribe", channels=["orderbook_delta"], market_tickers=[LINEAR_2])

    assert (frame["type"], frame["msg"]["code"]) == ("error", 16)
    socket.close()


def test_each_cutoff_is_told_and_moves_for_itself(paper: InProcessPaper) -> None:
    traded(paper)
    now = paper.clock.now_ms()
    paper.control("POST", "/history", {"age_ms": -1, "trades_created_ms": now - 3_000})
    with paper.client("trader-1") as client:
        cutoff = client.get("/historical/cutoff").json()
        live, old = (client.get(f"/{tier}/fills").json()["fills"] for tier in ("portfolio", "historical"))
        orders = client.get("/portfolio/orders").json()["orders"]

    assert cutoff["trades_created_ts"] > cutoff["orders_updated_ts"] == cutoff["market_settled_ts"]
    assert (len(live), len(old), len(orders)) == (2, 3, 5)
    assert paper.control_response("POST", "/history", {"orders_updated_ms": now + 1}).status == 400


def test_the_cutoffs_move_by_the_exchanges_clock(paper: InProcessPaper) -> None:
    traded(paper)
    paper.control("POST", "/history", {"age_ms": 60_000, "step_ms": 10_000})
    with paper.client("trader-1") as client:
        assert len(client.get("/portfolio/fills").json()["fills"]) == 5
        paper.clock.step(120_000)
        assert client.get("/portfolio/fills").json()["fills"] == []
        assert len(client.get("/historical/fills").json()["fills"]) == 5


def test_a_past_day_is_invented_by_control(paper: InProcessPaper) -> None:
    with paper.client("trader-2") as client:
        before = client.get("/portfolio/balance").json()["balance"]
        made = paper.control("POST", "/history/fills", {"member": "trader-2", "fills": 200, "subaccounts": 2})
        rows = client.get("/historical/fills?limit=1000").json()["fills"]
        ticker = rows[0]["ticker"]
        of_one = client.get(f"/historical/fills?ticker={ticker}").json()["fills"]
        event = client.get(f"/historical/markets/{ticker}").json()["market"]["event_ticker"]
        listed = client.get(f"/historical/markets?event_ticker={event}&limit=1000").json()["markets"]

        assert client.get(f"/events/{event}").status_code == 200
        assert client.get("/portfolio/balance").json()["balance"] == before
    assert (made["fills"], made["orders"], len(rows)) == (200, 40, 200)
    assert of_one == [row for row in rows if row["ticker"] == ticker]
    assert len(listed) == 50
    assert paper.control_response("POST", "/history/fills", {"member": "trader-2", "fills": 7}).status == 400
