"""How markets' numbers are written on the server's side; the live parts use static/js/core/fixed.js."""

from datetime import datetime
from decimal import Decimal

from django import template

from apps.core.timestamps import to_unix_ms
from apps.markets.models import Market

register = template.Library()

_STATUS_WORDS = {
    "active": "open",
    "initialized": "not open yet",
    "inactive": "paused",
    "determined": "result known, not settled",
    "finalized": "settled",
}


@register.filter
def unix_ms(moment: datetime | None) -> str:
    return "" if moment is None else str(to_unix_ms(moment))


@register.filter
def cents_bare(price: Decimal | None) -> str:
    """52.5 for 0.525 dollars, "-" when nobody quotes."""
    return "-" if price is None or not 0 < price < 1 else f"{(price * 100).quantize(Decimal('0.1'))}"


@register.filter
def day_change(market: Market) -> str:
    """Last price less yesterday's, in cents with its sign."""
    if not market.last_price or not market.previous_price:
        return "-"
    change = ((market.last_price - market.previous_price) * 100).quantize(Decimal("0.1"))
    return f"{change:+}" if change else "0.0"


@register.filter
def contracts(count: Decimal | None) -> str:
    """Thousands grouped; decimals only when fractional."""
    if count is None:
        return "-"
    return f"{count:,.0f}" if count == count.to_integral_value() else f"{count:,.2f}"


@register.filter
def status_words(status: str) -> str:
    return _STATUS_WORDS.get(status, status.replace("_", " "))


@register.filter
def spread_bare(market: Market) -> str:
    """Ask less bid, in cents; "-" unless both are quoted."""
    bid, ask = market.yes_bid, market.yes_ask
    if not bid or not ask or ask >= 1:
        return "-"
    return f"{((ask - bid) * 100).quantize(Decimal('0.1'))}"


@register.filter
def sum_bare(dollars: Decimal | None) -> str:
    """A sum of prices in cents, which may be above 100."""
    return "-" if dollars is None else f"{(dollars * 100).quantize(Decimal('0.1'))}"


@register.filter
def change_tone(market: Market) -> str:
    """CSS class of `day_change`: colour beside the sign, never instead of it."""
    if not market.last_price or not market.previous_price or market.last_price == market.previous_price:
        return ""
    return "is-bid" if market.last_price > market.previous_price else "is-ask"


@register.filter
def contracts_whole(count: Decimal | None) -> str:
    """Thousands grouped, fractions left out: for totals, where they say nothing."""
    return "-" if count is None else f"{count:,.0f}"
