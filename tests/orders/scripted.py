"""An exchange that does what a test tells it: accept and lose the answer, lag behind, refuse.

The paper exchange is the counterpart for journeys; here every outcome class is played on demand,
through the real client over httpx's own mock transport.
"""

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from apps.core.timestamps import format_rfc3339, to_unix_ms
from apps.exchange.wire.client import ExchangeClient

Behaviour = Callable[[httpx.Request], httpx.Response]
PREFIX = "/trade-api/v2"


class ScriptedExchange:
    """orders: what truly exists. creates / cancels: behaviours for the next calls, first come first served."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.fills: list[dict[str, Any]] = []
        self.positions: list[dict[str, Any]] = []
        self.balance_cents = 100_000
        self.requests: list[httpx.Request] = []
        self.creates: list[Behaviour] = []
        self.cancels: list[Behaviour] = []
        self.reads: list[Behaviour] = []
        self.hidden: set[str] = set()  # orders that the reads do not show yet
        self.data_as_of = datetime.now(UTC)
        self.numbers = itertools.count(1)

    def client(self) -> ExchangeClient:
        return ExchangeClient(["http://exchange.test"], None, None, httpx.MockTransport(self.handle))

    def sent(self, method: str) -> list[httpx.Request]:
        return [request for request in self.requests if request.method == method]

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path.removeprefix(PREFIX)
        if request.method == "POST":
            return self.creates.pop(0)(request) if self.creates else self.accept(request)
        if request.method == "DELETE":
            return self.cancels.pop(0)(request) if self.cancels else self.cancel(request)
        if self.reads:
            return self.reads.pop(0)(request)
        return self.read(path, request)

    # --- what it can do with a create -------------------------------------------------------
    def accept(self, request: httpx.Request) -> httpx.Response:
        order = self.place(json.loads(request.content))
        return httpx.Response(
            201,
            json={
                "order_id": order["order_id"],
                "client_order_id": order["client_order_id"],
                "fill_count": order["fill_count_fp"],
                "remaining_count": order["remaining_count_fp"],
                "ts_ms": to_unix_ms(datetime.now(UTC)),
            },
        )

    def place(self, body: dict[str, Any], **over: Any) -> dict[str, Any]:
        """Make an order exist; override fields of its listing."""
        order_id = f"exchange-{next(self.numbers)}"
        now = format_rfc3339(datetime.now(UTC))
        order = {
            "order_id": order_id,
            "user_id": "member",
            "client_order_id": body["client_order_id"],
            "ticker": body["ticker"],
            "book_side": body["side"],
            "outcome_side": "yes" if body["side"] == "bid" else "no",
            "status": "resting",
            "yes_price_dollars": body["price"],
            "initial_count_fp": body["count"],
            "fill_count_fp": "0.00",
            "remaining_count_fp": body["count"],
            "taker_fill_cost_dollars": "0.0000",
            "maker_fill_cost_dollars": "0.0000",
            "taker_fees_dollars": "0.0000",
            "maker_fees_dollars": "0.0000",
            "created_time": now,
            "last_update_time": now,
            "subaccount_number": body.get("subaccount", 0),
            **over,
        }
        self.orders[order_id] = order
        return order

    def accept_and_lose_the_answer(self, request: httpx.Request) -> httpx.Response:
        self.place(json.loads(request.content))
        raise httpx.ReadTimeout("answer lost", request=request)

    def lose_the_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("request lost", request=request)

    def unreachable(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route", request=request)

    def accept_and_answer(self, status: int, content: bytes) -> Behaviour:
        def behave(request: httpx.Request) -> httpx.Response:
            self.place(json.loads(request.content))
            return httpx.Response(status, content=content)

        return behave

    @staticmethod
    def answer(status: int, **body: Any) -> Behaviour:
        return lambda request: httpx.Response(status, json=body)

    # --- cancels ----------------------------------------------------------------------------
    def cancel(self, request: httpx.Request) -> httpx.Response:
        order = self.orders.get(request.url.path.rsplit("/", 1)[1])
        if order is None or order["status"] != "resting":
            return httpx.Response(404, json={"code": "not_found", "message": "order not found"})
        reduced = order["remaining_count_fp"]
        self.end(order, "canceled", remaining_count_fp="0.00")
        return httpx.Response(
            200,
            json={"order_id": order["order_id"], "reduced_by": reduced, "ts_ms": to_unix_ms(datetime.now(UTC))},
        )

    def cancel_and_lose_the_answer(self, request: httpx.Request) -> httpx.Response:
        self.cancel(request)
        raise httpx.ReadTimeout("answer lost", request=request)

    def end(self, order: dict[str, Any], status: str, **over: Any) -> None:
        later = format_rfc3339(datetime.now(UTC) + timedelta(milliseconds=1))
        order.update(status=status, last_update_time=later, **over)

    def fill(self, order: dict[str, Any], count: str, *, fee: str = "0.0100") -> dict[str, Any]:
        """Fill a whole order or the given part of it, once."""
        left = Decimal(order["remaining_count_fp"]) - Decimal(count)
        status = "resting" if left else "executed"
        self.end(order, status, fill_count_fp=count, remaining_count_fp=f"{left:.2f}")
        fill = {
            "fill_id": f"trade-{next(self.numbers)}",
            "order_id": order["order_id"],
            "ticker": order["ticker"],
            "market_ticker": order["ticker"],
            "book_side": order["book_side"],
            "outcome_side": order["outcome_side"],
            "count_fp": count,
            "yes_price_dollars": order["yes_price_dollars"],
            "is_taker": False,
            "fee_cost": fee,
            "created_time": format_rfc3339(datetime.now(UTC)),
            "subaccount_number": order["subaccount_number"],
        }
        fill["trade_id"] = fill["fill_id"]
        self.fills.insert(0, fill)
        return fill

    # --- reads ------------------------------------------------------------------------------
    def read(self, path: str, request: httpx.Request) -> httpx.Response:
        shown = {key: order for key, order in self.orders.items() if key not in self.hidden}
        asked = request.url.params
        match path.strip("/").split("/"):
            case ["exchange", "user_data_timestamp"]:
                return httpx.Response(200, json={"as_of_time": format_rfc3339(self.data_as_of)})
            case ["portfolio", "orders"]:
                listed = [
                    order
                    for order in shown.values()
                    if asked.get("status") in (None, order["status"]) and asked.get("ticker") in (None, order["ticker"])
                ]
                start = int(asked.get("cursor") or 0)
                page = listed[start : start + 2]
                following = str(start + 2) if start + 2 < len(listed) else ""
                return httpx.Response(200, json={"orders": page, "cursor": following})
            case ["portfolio", "orders", order_id] if order_id in shown:
                return httpx.Response(200, json={"order": shown[order_id]})
            case ["portfolio", "fills"]:
                return httpx.Response(200, json={"fills": self.fills, "cursor": ""})
            case ["portfolio", "positions"]:
                return httpx.Response(
                    200, json={"market_positions": self.positions, "event_positions": [], "cursor": ""}
                )
            case ["portfolio", "balance"]:
                return httpx.Response(
                    200,
                    json={
                        "balance": self.balance_cents,
                        "portfolio_value": 0,
                        "updated_ts": to_unix_ms(datetime.now(UTC)) // 1000,
                    },
                )
        return httpx.Response(404, json={"code": "not_found", "message": "not found"})
