"""How prices, sizes, spans and moments of blotters and analytics are written; "-" is what is not known."""

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django import template

from apps.core.money import cents_text, count_text, dollars_text

register = template.Library()

NOT_KNOWN = "-"
_HUNDREDTH = Decimal("0.01")


@register.filter
def cents(price: Decimal | None) -> str:
    return NOT_KNOWN if price is None else cents_text(price)


@register.filter
def signed_cents(price: Decimal | None) -> str:
    """A difference of prices, to the hundredth of a cent."""
    if price is None:
        return NOT_KNOWN
    amount = f"{(abs(price) * 100).quantize(_HUNDREDTH, rounding=ROUND_HALF_UP):f}".rstrip("0").rstrip(".")
    return f"{_sign(price)}{amount or '0'}¢"


@register.filter
def dollars(amount: Decimal | None) -> str:
    return NOT_KNOWN if amount is None else dollars_text(amount)


@register.filter
def signed_dollars(amount: Decimal | None) -> str:
    if amount is None:
        return NOT_KNOWN
    return f"{_sign(amount)}${abs(amount).quantize(_HUNDREDTH, rounding=ROUND_HALF_UP):,f}"


@register.filter
def contracts(count: Decimal | None) -> str:
    return NOT_KNOWN if count is None else count_text(count)


@register.filter
def size(row: Mapping[str, Any]) -> str:
    """What was asked for: contracts, or dollars."""
    return count_text(row["contracts"]) if row["contracts"] is not None else dollars(row["target_cost"])


@register.filter
def span(milliseconds: int | None) -> str:
    """1.234 s; a minus says that it came before."""
    if milliseconds is None:
        return NOT_KNOWN
    seconds, rest = divmod(abs(milliseconds), 1_000)
    sign = "-" if milliseconds < 0 else ""
    if seconds >= 3_600:
        return f"{sign}{seconds // 3_600} h {seconds % 3_600 // 60} min"
    if seconds >= 120:
        return f"{sign}{seconds // 60} min {seconds % 60} s"
    return f"{sign}{seconds}.{rest:03d} s"


@register.filter
def moment(at: datetime | None, zone: str) -> str:
    """21 Nov 04:05:18.123 in the person's zone."""
    if at is None:
        return NOT_KNOWN
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%-d %b %H:%M:%S}.{local.microsecond // 1_000:03d}"


@register.filter
def percent(share: Decimal | None) -> str:
    return NOT_KNOWN if share is None else f"{(share * 100).quantize(Decimal('0.1'), rounding=ROUND_HALF_UP):f} %"


def _sign(value: Decimal) -> str:
    return "+" if value > 0 else "-" if value < 0 else ""
