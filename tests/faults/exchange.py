"""The paper exchange behind a line that fails as told, and a log of what was asked of it.

The truth stays in the paper exchange; only the way to it lies: answers are lost before or after the
act, replaced, cut, late by minutes, and the reads lag behind the writes.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from apps.core.timestamps import format_rfc3339, from_unix_ms, parse_rfc3339
from apps.exchange.wire.client import ExchangeClient
from apps.paper.server.auth import AccessKey
from apps.paper.server.http import Request
from apps.paper.testing import LINEAR, InProcessPaper

START_MS = 1_795_262_400_000  # 2026-11-21 12:00 UTC: the same in every run, so that a seed replays exactly
MEMBER = "trader-1"
PREFIX = "/trade-api/v2"
CREATE_PATH = f"{PREFIX}/portfolio/events/orders"
BATCH_PATH = f"{CREATE_PATH}/batched"
GROUPS_PATH = f"{PREFIX}/portfolio/order_groups"

# kind -> what it does to a write. "acts": the exchange does what it was asked, "lost": it never does.
WRITE_FAULTS = (
    "lose_before",
    "lose_after",
    "reset_after",
    "unreachable",
    "status_before",
    "status_after",
    "conflict_before",
    "conflict_after",
    "cut",
    "empty",
    "no_order",
    "proxy_400",
    "rate_limit",
    "late",
    "slow",
)
READ_FAULTS = ("read_lost", "read_status", "read_cut", "read_rate_limit")


@dataclass(frozen=True, slots=True)
class Fault:
    """Hits the next request of its kind. number: status, bytes kept, or milliseconds, as the kind needs."""

    kind: str
    number: int = 0

    @property
    def is_read(self) -> bool:
        return self.kind in READ_FAULTS


@dataclass(frozen=True, slots=True)
class Sent:
    """A create that left the desk."""

    client_order_id: str
    count: str
    at_ms: int


class Signature:
    """Names the key and signs nothing: signatures are tested elsewhere and would cost most of the time here."""

    def __init__(self, key_id: str) -> None:
        self._key_id = key_id

    def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]:
        return {"KALSHI-ACCESS-KEY": self._key_id}


class FaultyExchange(httpx.BaseTransport):
    """on_request(phase, request): called in the middle of a call, phase "before" or "after" the act."""

    def __init__(self, *, lag_ms: int, dedupes_open_only: bool) -> None:
        self.paper = InProcessPaper(now_ms=START_MS)
        self.paper.server.core.keys.authenticate = self._key_of  # type: ignore[method-assign]
        self.user_id = self.paper.user_id(MEMBER)
        self.lag_ms = lag_ms
        self.faults: list[Fault] = []
        self.applied: Counter[str] = Counter()
        self.sent: list[Sent] = []
        self.leaving: list[Sent] = []  # of them, those of the request under way
        self.amends: Counter[str] = Counter()  # order id -> amend requests that left the desk
        self.group_requests: Counter[str] = Counter()  # "create", "reset", .. -> requests that left the desk
        self.late: list[tuple[int, httpx.Request]] = []  # (Unix ms of arrival, request)
        self.on_request: Callable[[str, httpx.Request], None] = lambda phase, request: None
        self._dedupes_open_only = dedupes_open_only
        primary, other = (self.paper.exchange.members[self.user_id].accounts[number] for number in (0, 1))
        share = primary.cash // 2
        primary.cash, other.cash = primary.cash - share, other.cash + share
        self.refill()

    def client(self) -> ExchangeClient:
        return ExchangeClient(
            [self.paper.base_url],
            Signature(self.paper.key_id(MEMBER)),
            None,
            self,
            now_ms=self.paper.clock.now_ms,
            sleep=lambda seconds: None,
        )

    def _key_of(self, request: Request, *, now_ms: int) -> AccessKey | None:
        return self.paper.server.core.keys.get(request.headers.get("kalshi-access-key", ""))

    def refill(self) -> None:
        """Rate limits are tested by their own fault; here they would only slow a history down."""
        for member in self.paper.exchange.members:
            self.paper.server.core.budgets.fill(member)

    # --- time ------------------------------------------------------------------------------------
    @property
    def now_ms(self) -> int:
        return self.paper.clock.now_ms()

    def advance(self, milliseconds: int) -> None:
        self.paper.clock.step(milliseconds)
        self.refill()
        self.paper.exchange.expire_due()
        due = [request for at_ms, request in self.late if at_ms <= self.now_ms]
        self.late = [(at_ms, request) for at_ms, request in self.late if at_ms > self.now_ms]
        for request in due:
            self._act(request)

    # --- requests --------------------------------------------------------------------------------
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.paper.clock.step(1)  # nothing happens in no time
        request.read()
        is_read = request.method == "GET"
        self.leaving = []
        if request.method == "POST" and request.url.path in (CREATE_PATH, BATCH_PATH):
            body = json.loads(request.content)
            lines = body.get("orders", [body])
            self.leaving = [Sent(line["client_order_id"], line["count"], self.now_ms) for line in lines]
            self.sent += self.leaving
        elif request.method in ("POST", "PUT") and request.url.path.startswith(GROUPS_PATH):
            self.group_requests[request.url.path.rsplit("/", 1)[1]] += 1
        elif request.url.path.endswith("/amend"):
            self.amends[request.url.path.rsplit("/", 2)[1]] += 1
        fault = next((fault for fault in self.faults if fault.is_read == is_read), None)
        if fault is not None:
            self.faults.remove(fault)
            self.applied[fault.kind] += 1
        self.on_request("before", request)
        response = self._read(request, fault) if is_read else self._write(request, fault)
        self.paper.clock.step(1)
        return response

    def _write(self, request: httpx.Request, fault: Fault | None) -> httpx.Response:
        kind = fault.kind if fault else ""
        number = fault.number if fault else 0
        match kind:
            case "unreachable":
                raise httpx.ConnectError("no route", request=request)
            case "lose_before":
                raise httpx.ReadTimeout("lost on the way", request=request)
            case "late":
                self.late.append((self.now_ms + number, request))
                raise httpx.ReadTimeout("on its way for long", request=request)
            case "status_before":
                return httpx.Response(number or 503, text="<html>busy</html>")
            case "conflict_before":
                return httpx.Response(409, json={"code": "conflict", "message": "try again"})
            case "rate_limit":
                return httpx.Response(429, json={"error": "too many requests"})
        response = self._act(request)
        self.on_request("after", request)
        match kind:
            case "lose_after":
                raise httpx.ReadTimeout("answer lost", request=request)
            case "reset_after":
                raise httpx.RemoteProtocolError("connection reset", request=request)
            case "status_after":
                return httpx.Response(number or 502, text="<html>bad gateway</html>")
            case "conflict_after":
                return httpx.Response(409, json={"code": "order_already_exists", "message": "exists"})
            case "proxy_400":
                return httpx.Response(400, text="<html>bad request</html>")
            case "cut":
                kept = response.content[: number % max(1, len(response.content))]
                return httpx.Response(response.status_code, content=kept)
            case "empty":
                return httpx.Response(response.status_code, content=b"")
            case "no_order":
                return httpx.Response(response.status_code, json={"order": None})
            case "slow":
                self.advance(number or 4_000)
        return response

    def _act(self, request: httpx.Request) -> httpx.Response:
        if self._dedupes_open_only:
            # docs do not say whether an id may be used again once its order has ended: here it may.
            open_ids = {row["client_order_id"] for row in self.orders() if row["status"] == "resting"}
            used = self.paper.exchange.members[self.user_id].client_order_ids
            used.intersection_update(open_ids)
        return self.paper.transport.handle_request(request)

    # --- reads, behind the writes by lag_ms ------------------------------------------------------
    def _read(self, request: httpx.Request, fault: Fault | None) -> httpx.Response:
        match fault.kind if fault else "":
            case "read_lost":
                raise httpx.ReadTimeout("answer lost", request=request)
            case "read_status":
                return httpx.Response(503, text="busy")
            case "read_rate_limit":
                return httpx.Response(429, json={"error": "too many requests"})
        response = self._lagging(request, self.paper.transport.handle_request(request))
        if fault is not None and fault.kind == "read_cut":
            return httpx.Response(response.status_code, content=response.content[: fault.number % 200])
        return response

    def _lagging(self, request: httpx.Request, response: httpx.Response) -> httpx.Response:
        path = request.url.path.removeprefix(PREFIX)
        if not self.lag_ms or response.status_code != 200:
            return response
        as_of = from_unix_ms(self.now_ms) - timedelta(milliseconds=self.lag_ms)
        body = json.loads(response.content)
        if path == "/exchange/user_data_timestamp":
            return httpx.Response(200, json={"as_of_time": format_rfc3339(as_of)})
        for name in ("orders", "fills"):
            if isinstance(body.get(name), list):
                body[name] = [row for row in body[name] if parse_rfc3339(row["created_time"]) <= as_of]
        if isinstance(body.get("order"), dict) and parse_rfc3339(body["order"]["created_time"]) > as_of:
            return httpx.Response(404, json={"code": "not_found", "message": "order not found"})
        return httpx.Response(200, json=body)

    # --- the truth -------------------------------------------------------------------------------
    def truth(self) -> dict[str, Any]:
        """Orders, fills and positions of our member, past every fault."""
        member: dict[str, Any] = self.paper.truth()["members"][self.user_id]
        return member

    def orders(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.truth()["orders"]
        return rows

    def other_order(self, name: str, *, side: str, price: str, count: str, client_order_id: str) -> str:
        """Place an order past the desk (another member, or our own key in another tool); "" when refused."""
        body = {
            "ticker": LINEAR,
            "client_order_id": client_order_id,
            "side": side,
            "count": count,
            "price": price,
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
        }
        headers = {"KALSHI-ACCESS-KEY": self.paper.key_id(name), "Content-Type": "application/json"}
        request = httpx.Request("POST", f"{self.paper.base_url}{CREATE_PATH}", json=body, headers=headers)
        answer = self.paper.transport.handle_request(request)
        return str(json.loads(answer.content)["order_id"]) if answer.status_code == 201 else ""
