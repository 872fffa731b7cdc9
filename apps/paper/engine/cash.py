"""Deposits and withdrawals: money between the exchange and the outside.

Source: OpenAPI, Deposit and Withdrawal: 'applied' means that the money is in the balance, or gone from it; until then
a withdrawal locks nothing.
"""

from apps.paper.engine.accounts import Payment, PaymentKind, PaymentMethod, PaymentStatus
from apps.paper.engine.errors import ExchangeError, invalid_parameters, not_found
from apps.paper.engine.events import Deposited, PaymentChanged
from apps.paper.engine.history import ReadLag
from apps.paper.engine.reads import page
from apps.paper.engine.state import ExchangeState

# What a payment may come to next.
NEXT: dict[PaymentStatus, tuple[PaymentStatus, ...]] = {
    "pending": ("applied", "failed", "returned"),
    "applied": ("returned",),
    "failed": (),
    "returned": (),
}


class Cash(ExchangeState):
    """Payments of members, by hand of the control endpoint."""

    def begin_payment(
        self, user_id: str, *, kind: PaymentKind, cents: int, method: PaymentMethod = "ach", fee_cents: int = 0
    ) -> Payment:
        """Ask for a payment, which is pending then.

        Raises:
            ExchangeError: 400, an amount that is not above 0, or a deposit's fee above it.
        """
        if cents <= 0 or fee_cents < 0 or (kind == "deposit" and fee_cents > cents):
            raise invalid_parameters("the amount must be above 0 and cover a deposit's fee")
        payment = Payment(
            payment_id=self.ids.uuid(),
            sequence=self.next_sequence(),
            user_id=user_id,
            kind=kind,
            method=method,
            cents=cents,
            fee_cents=fee_cents,
            steps=[(self.clock.now_ms(), "pending")],
        )
        self.member(user_id).payments[payment.payment_id] = payment
        self.tell(PaymentChanged(payment))
        self.flush()
        return payment

    def move_payment(self, user_id: str, payment_id: str, *, status: PaymentStatus) -> Payment:
        """Let a payment come to `status`; a withdrawal that is not covered by then fails instead.

        An applied payment that is returned is undone, which may take the balance below zero.

        Raises:
            ExchangeError: 404; 400, a step that does not follow.
        """
        payment = self.member(user_id).payments.get(payment_id)
        if payment is None:
            raise not_found("payment")
        if status not in NEXT[payment.status]:
            raise ExchangeError("invalid_payment_status", f"the payment is {payment.status}", 400)
        account = self.account(user_id, payment.subaccount)
        if status == "applied" and account.available + payment.effect < min(0, account.available):
            status = "failed"
        moved = payment.effect if status == "applied" else 0
        if status == "returned" and payment.status == "applied":
            moved = -payment.effect
        now = self.clock.now_ms()
        payment.steps.append((now, status))
        if moved:
            account.cash += moved
            account.updated_ms = now
            self.deposited += moved
            self.tell(Deposited(account))
        self.tell(PaymentChanged(payment))
        self.flush()
        return payment

    def payments(
        self,
        user_id: str,
        *,
        kind: PaymentKind,
        before: int | None = None,
        limit: int | None = None,
        view: ReadLag | None = None,
    ) -> list[Payment]:
        """Deposits or withdrawals, newest first; with a view, those there were, in their state of then."""
        until_ms = None if view is None else view.as_of_ms()
        rows = (payment for payment in reversed(self.member(user_id).payments.values()) if payment.kind == kind)
        if until_ms is None:
            return page(rows, before=before, limit=limit)
        seen = (_as_of(payment, until_ms) for payment in rows if payment.created_ms <= until_ms)
        return page(seen, before=before, limit=limit)


def _as_of(payment: Payment, ts_ms: int) -> Payment:
    steps = [step for step in payment.steps if step[0] <= ts_ms]
    return Payment(
        payment_id=payment.payment_id,
        sequence=payment.sequence,
        user_id=payment.user_id,
        kind=payment.kind,
        method=payment.method,
        cents=payment.cents,
        fee_cents=payment.fee_cents,
        steps=steps,
        subaccount=payment.subaccount,
    )
