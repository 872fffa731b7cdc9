"""What the trail shows of an order beside its own entries: from the click to the exchange's id and each fill."""

from apps.audit.selectors import Told
from apps.core.errors import NotFound
from apps.core.permissions import Actor
from apps.orders.pages.detail import order_context


def story_of_intent(actor: Actor, intent_id: int) -> list[Told]:
    """Oldest first; empty for another desk's order exactly as for none."""
    try:
        context = order_context(actor, f"intent:{intent_id}")
    except NotFound:
        return []
    return [Told(step.at, step.title, step.text, step.clock) for step in context["steps"]]
