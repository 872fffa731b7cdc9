"""How cash and what is asked of it is written on pages."""

from decimal import Decimal

from django import template

from apps.core.money import dollars_text

register = template.Library()

_TONES = {"done": "ok", "refused": "danger", "unknown": "unknown", "not_seen": "warning"}


@register.filter
def dollars(amount: Decimal | None) -> str:
    """Write dollars with the digits they have; "-" where nothing is known."""
    return dollars_text(amount) if isinstance(amount, Decimal) else "-"


@register.filter
def signed_dollars(amount: Decimal | None) -> str:
    """Write a movement: what comes in carries a plus."""
    if not isinstance(amount, Decimal):
        return "-"
    return f"+{dollars_text(amount)}" if amount > 0 else dollars_text(amount)


@register.filter
def action_tone(state: str) -> str:
    return _TONES.get(state, "accent")
