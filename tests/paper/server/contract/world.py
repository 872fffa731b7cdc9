"""The world that all contract requests ask about, and how a request is written down."""

import importlib
import pkgutil
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import httpx

from apps.paper.testing import DECI, EVENT, LINEAR, LINEAR_2, SERIES, InProcessPaper
from tests.paper.server.contract import areas
from tests.paper.server.orders import create


class World:
    """trader-1 has fills, resting orders, positions, a settlement and an order group.

    names: what the targets of requests may name in braces; `prepare` functions add to it.
    """

    def __init__(self) -> None:
        self.paper = InProcessPaper()
        self.names: dict[str, str] = {
            "series": SERIES,
            "event": EVENT,
            "linear": LINEAR,
            "settled": LINEAR_2,
            "deci": DECI,
        }
        with self.paper.client("maker") as maker:
            create(maker, side="ask", price="0.5600", count="20.00")
            create(maker, ticker=LINEAR_2, side="ask", price="0.3000", count="4.00")
        with self.paper.client("trader-1") as client:
            self.names["filled"] = create(client, price="0.5600", count="10.00").json()["order_id"]
            self.names["resting"] = create(client, price="0.4000", count="5.00").json()["order_id"]
            self.names["other"] = create(client, price="0.4100", count="5.00").json()["order_id"]
            create(client, ticker=DECI, price="0.0150", count="5.00")
            create(client, ticker=LINEAR_2, price="0.3000", count="4.00")
            group = client.post("/portfolio/order_groups/create", json={"contracts_limit": 50})
            self.names["group"] = group.json()["order_group_id"]
            create(client, price="0.3900", order_group_id=self.names["group"])
        for step in ({"action": "close_early"}, {"action": "determine", "result": "no"}, {"action": "settle"}):
            self.paper.control("POST", "/market", {"ticker": LINEAR_2} | step)
        now = self.paper.clock.now_ms() // 1000
        self.names["span"] = f"start_ts={now - 86_400}&end_ts={now + 60}&period_interval=60"

    def ask(self, row: "Ask") -> httpx.Response:
        """Send the request of a row."""
        body = row.body(self) if callable(row.body) else row.body
        target = (row.target or row.template).format_map(self.names)
        with self.paper.client(row.member) as client:
            return client.request(row.method, target, json=body)


class Ask(NamedTuple):
    """One request and what it must be answered with.

    template: the path as the file writes it. status: what the file documents for it.
    target: path and query; braces name what the world holds (`World.names`). Left out: the template as it is.
    body: JSON, or a function of the world that makes it.
    member: whose key signs; None sends it unsigned.
    """

    method: str
    template: str
    status: int
    target: str = ""
    body: Any | Callable[[World], Any] = None
    member: str | None = "trader-1"

    def __str__(self) -> str:
        return f"{self.method} {self.template} {self.status}"


def modules() -> list[ModuleType]:
    """All areas."""
    return [importlib.import_module(f"{areas.__name__}.{found.name}") for found in pkgutil.iter_modules(areas.__path__)]


def rows() -> list[tuple[ModuleType, Ask]]:
    """Every request, with the area that it belongs to."""
    return [(module, row) for module in modules() for row in module.REQUESTS]
