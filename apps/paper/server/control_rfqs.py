"""Control calls for RFQs: readings that the docs leave open, and faults."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.rfq import RfqFault, RfqFaultKind
from apps.paper.server.control_bodies import Checked, check_count, decode
from apps.paper.server.http import Request
from apps.paper.server.rfq_shapes import quote_json
from apps.paper.server.server import PaperServer


class RfqRulesBody(Checked):
    """What is left out stays as it is; `lifetime_ms` null: RFQs do not expire by themselves."""

    lapsed: Literal["accepted", "cancelled"] | None = None
    closes_at: Literal["execution", "acceptance"] | None = None
    grid: Literal["checked", "free"] | None = None
    target_cost: Literal["requester", "maker"] | None = None
    replaces: Literal["rfq", "market"] | None = None
    closings_told: Literal["deletions", "all"] | None = None
    put_needs_json: bool | None = None
    fractional: bool | None = None
    hvm: list[str] | None = None
    lifetime_ms: int | msgspec.UnsetType | None = msgspec.UNSET


class RfqFaultBody(Checked):
    kind: RfqFaultKind
    count: int = 1
    member: str = ""
    ticker: str = ""


class LapseBody(Checked):
    quote_id: str


class RfqCalls:
    """user_id: a member by name or id; "" is everybody."""

    def __init__(self, paper: PaperServer, *, user_id: Callable[[str], str]) -> None:
        self._exchange = paper.exchange
        self._user_id = user_id

    def set_rules(self, request: Request) -> dict[str, Any]:
        body = decode(request, RfqRulesBody)
        rules = self._exchange.rfq_rules
        if body.lifetime_ms is not msgspec.UNSET:
            if body.lifetime_ms is not None and body.lifetime_ms <= 0:
                raise ValueError("lifetime_ms must be above 0, or null")
            rules.lifetime_ms = body.lifetime_ms
        if body.hvm is not None:
            for ticker in body.hvm:
                self._exchange.market(ticker)
            rules.hvm = tuple(body.hvm)
        for name in ("lapsed", "closes_at", "grid", "target_cost", "replaces", "closings_told"):
            if (value := getattr(body, name)) is not None:
                setattr(rules, name, value)
        if body.put_needs_json is not None:
            rules.put_needs_json = body.put_needs_json
        if body.fractional is not None:
            rules.fractional = body.fractional
        answer: dict[str, Any] = msgspec.to_builtins(rules)
        return answer

    def arm_fault(self, request: Request) -> dict[str, Any]:
        body = decode(request, RfqFaultBody)
        check_count(body.count)
        faults = self._exchange.rfq_rules.faults
        faults.append(RfqFault(body.kind, body.count, user_id=self._user_id(body.member), ticker=body.ticker))
        return {"armed": len(faults)}

    def lapse(self, request: Request) -> dict[str, Any]:
        """End the confirmation window of an accepted quote now."""
        quote = self._exchange.board.quotes.get(decode(request, LapseBody).quote_id)
        if quote is None or quote.status != "accepted" or quote.lapsed:
            raise ExchangeError("not_found", "there is no such accepted quote", 404)
        self._exchange.lapse(quote, at_ms=self._exchange.clock.now_ms())
        self._exchange.flush()
        return quote_json(quote, viewer="", truth=True)
