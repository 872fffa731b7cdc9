"""Control calls about members' money and history: payments, rules of transfers."""

from collections.abc import Callable
from typing import Any

from apps.paper.engine.archive import Cutoffs
from apps.paper.engine.past import invent_day
from apps.paper.server.control_bodies import HistoryBody, HistoryFillsBody, PaymentBody, PortfolioRulesBody, decode
from apps.paper.server.http import Request
from apps.paper.server.server import PaperServer
from apps.paper.server.shapes import payment_json


class PortfolioCalls:
    """user_id: a member by name or id."""

    def __init__(self, paper: PaperServer, *, user_id: Callable[[str], str]) -> None:
        self._exchange = paper.exchange
        self._user_id = user_id

    def move_payment(self, request: Request) -> dict[str, Any]:
        """Make a deposit or withdrawal, or bring one a step further."""
        body = decode(request, PaymentBody)
        user_id = self._user_id(body.member)
        if not user_id:
            raise ValueError("member must name one member")
        payment_id, is_new = body.payment_id, not body.payment_id
        if is_new:
            payment_id = self._exchange.begin_payment(
                user_id, kind=body.kind, cents=body.amount_cents, method=body.type, fee_cents=body.fee_cents
            ).payment_id
        if not is_new or body.status != "pending":
            self._exchange.move_payment(user_id, payment_id, status=body.status)
        return payment_json(self._exchange.member(user_id).payments[payment_id])

    def set_rules(self, request: Request) -> dict[str, Any]:
        body = decode(request, PortfolioRulesBody)
        exchange = self._exchange
        if body.transfer_repeat is not None:
            exchange.transfer_repeat = body.transfer_repeat
        return {"transfer_repeat": exchange.transfer_repeat}

    def move_history(self, request: Request) -> dict[str, Any]:
        """Say how the cutoffs move, or move them now."""
        body = decode(request, HistoryBody)
        exchange = self._exchange
        age_ms = exchange.history_age_ms if body.age_ms is None else body.age_ms
        step_ms = exchange.history_step_ms if body.step_ms is None else body.step_ms
        exchange.set_history(age_ms=None if age_ms == -1 else age_ms, step_ms=step_ms)
        exchange.advance_cutoffs(Cutoffs(body.market_settled_ms, body.trades_created_ms, body.orders_updated_ms))
        return {
            "age_ms": exchange.history_age_ms,
            "step_ms": exchange.history_step_ms,
            "market_settled_ms": exchange.cutoffs.market_settled_ms,
            "trades_created_ms": exchange.cutoffs.trades_created_ms,
            "orders_updated_ms": exchange.cutoffs.orders_updated_ms,
        }

    def invent_history(self, request: Request) -> dict[str, Any]:
        body = decode(request, HistoryFillsBody)
        user_id = self._user_id(body.member)
        if not user_id:
            raise ValueError("member must name one member")
        past = invent_day(self._exchange, user_id, fills=body.fills, subaccounts=body.subaccounts)
        return {"fills": past.fills, "orders": past.orders, "start_ms": past.start_ms, "end_ms": past.end_ms}
