"""How figures are written on the server's side; the live parts use static/js/core/fixed.js."""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django import template

from apps.core.money import count_text
from apps.core.timestamps import from_unix_ms

register = template.Library()

_CENT = Decimal("0.01")


@register.filter
def dollars(amount: Any) -> str:
    """Dollars with cents: "$1,234.50", "-$0.02"; "-" when not known. Takes a decimal or its text."""
    if amount is None or amount == "":
        return "-"
    shown = Decimal(amount).quantize(_CENT, rounding=ROUND_HALF_UP)
    return f"-${-shown:,.2f}" if shown < 0 else f"${shown:,.2f}"


@register.filter
def gain(amount: Any) -> str:
    """As `dollars`, with a plus before a gain."""
    text = dollars(amount)
    return f"+{text}" if text[0] == "$" and text.strip("$0.,") else text


@register.filter
def exact(amount: Any) -> str:
    """All six places that are there, for a title: "$1.234567"."""
    if amount is None or amount == "":
        return ""
    shown = Decimal(amount)
    text = f"{abs(shown):,.6f}".rstrip("0")
    whole, _, places = text.partition(".")
    return f"{'-' if shown < 0 else ''}${whole}.{places.ljust(2, '0')}"


@register.filter
def tone(amount: Any) -> str:
    """The class of a gain or a loss."""
    if amount is None or amount == "" or not Decimal(amount):
        return ""
    return "gain" if Decimal(amount) > 0 else "loss"


@register.filter
def cents(price: Decimal | None) -> str:
    """A price in cents with the tenths that it has: "43", "43.5"; "-" when not known."""
    if price is None:
        return "-"
    shown = (price * 100).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    return f"{shown:f}".rstrip("0").rstrip(".")


@register.filter
def contracts(count: Any) -> str:
    return "-" if count is None else count_text(Decimal(count))


@register.filter
def when(milliseconds: int | None) -> datetime | None:
    """Unix milliseconds as a moment, for Django's own `date`."""
    return None if milliseconds is None else from_unix_ms(milliseconds)
