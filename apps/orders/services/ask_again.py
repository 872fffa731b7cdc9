"""Above a desk's `ask_again_notional` whoever places an order proves again who they are, unless they did so lately.

Asked of a person at the keyboard, when the order is submitted: nothing is stored then, and the page sends the same
order with the same key after the proof. What a second person approved is not asked for, nor what a rule or the sender
does.
"""

from decimal import Decimal

from apps.accounts.step_up import is_proven
from apps.core.errors import DeskError
from apps.core.money import dollars_text
from apps.core.permissions import Actor
from apps.orders.services.limit_rows import ASK_AGAIN, InForce
from apps.orders.services.limits import notional_of
from apps.orders.tickets import OrderTicket


def ask_again_check(actor: Actor, force: InForce, ticket: OrderTicket) -> None:
    """Raises DeskError `ask_again`. Without such a limit it costs one look into `force`."""
    if ASK_AGAIN in force.of_one:
        cost_check(actor, force, notional_of(ticket))


def cost_check(actor: Actor, force: InForce, cost: Decimal | None) -> None:
    """cost: dollars; None: not known, which counts as too much. Raises DeskError `ask_again`."""
    above = force.of_one.get(ASK_AGAIN)
    if above is None or (cost is not None and cost <= above) or is_proven(actor.user_id, actor.proofs):
        return
    limit = dollars_text(Decimal(above))
    what = "What this comes to is not known" if cost is None else f"This comes to {dollars_text(cost)}"
    text = f"{what}. Above {limit} the desk asks again who you are. Nothing was sent yet."
    raise DeskError("ask_again", text, fields={"general": text})
