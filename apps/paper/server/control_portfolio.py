"""Control calls about members' money and history: payments, rules of transfers."""

from collections.abc import Callable
from typing import Any

from apps.paper.server.control_bodies import PaymentBody, PortfolioRulesBody, decode
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
        if body.most_subaccounts is not None:
            if body.most_subaccounts not in (32, 63):
                raise ValueError("most_subaccounts must be 32 or 63")
            exchange.most_subaccounts = body.most_subaccounts
        if body.transfer_repeat is not None:
            exchange.transfer_repeat = body.transfer_repeat
        return {"most_subaccounts": exchange.most_subaccounts, "transfer_repeat": exchange.transfer_repeat}
