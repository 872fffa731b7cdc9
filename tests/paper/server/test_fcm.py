"""FCM members read what their subtraders have."""

from apps.paper.testing import LINEAR, LINEAR_2, InProcessPaper
from tests.paper.server.orders import create


def test_each_subtrader_has_its_own_orders_and_positions(paper: InProcessPaper) -> None:
    with paper.client("maker") as maker:
        for ticker in (LINEAR, LINEAR_2):
            create(maker, ticker=ticker, side="ask", price="0.5000", count="20.00")
    with paper.client("fcm") as client:
        create(client, price="0.5000", count="3.00", subaccount=1)
        resting = create(client, price="0.4000", count="2.00", subaccount=1).json()["order_id"]
        create(client, ticker=LINEAR_2, price="0.5000", count="7.00", subaccount=2)

        rows = client.get("/fcm/orders?subtrader_id=client-a").json()["orders"]
        assert len(rows) == 2
        rows = client.get("/fcm/orders?subtrader_id=client-a&status=resting").json()["orders"]
        assert [row["order_id"] for row in rows] == [resting]
        assert client.get(f"/fcm/orders?subtrader_id=client-b&ticker={LINEAR}").json()["orders"] == []
        answer = client.get("/fcm/positions?subtrader_id=client-b").json()
        assert [row["position_fp"] for row in answer["market_positions"]] == ["7.00"]
        assert len(answer["event_positions"]) == 1
        assert client.get("/portfolio/positions").json()["market_positions"] == []


def test_settled_positions_are_shown_on_request(paper: InProcessPaper) -> None:
    with paper.client("maker") as maker:
        create(maker, side="ask", price="0.5000", count="20.00")
    with paper.client("fcm") as client:
        create(client, price="0.5000", count="3.00", subaccount=1)
        for step in ({"action": "close_early"}, {"action": "determine", "result": "yes"}, {"action": "settle"}):
            paper.control("POST", "/market", {"ticker": LINEAR} | step)

        def count(query: str) -> int:
            answer = client.get(f"/fcm/positions?subtrader_id=client-a{query}").json()
            return len(answer["market_positions"])

        assert [count(""), count("&settlement_status=settled"), count("&settlement_status=all")] == [0, 1, 1]
        paper.clock.step(1_000)
        paper.control("POST", "/history", {"age_ms": 0, "step_ms": 1})
        assert count("&settlement_status=all") == 1  # positions have no cutoff
