"""How orders are written on the server's side; the live parts use static/js/orders/row-model.js."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template

from apps.core.money import cents_text, count_text, dollars_text
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import from_unix_ms
from apps.orders.pages.export import average_price
from apps.orders.pages.filters import SIDE_WORDS, entered_side

register = template.Library()

Row = Mapping[str, Any]

_TONES = {
    "resting": "resting",
    "accepted": "resting",
    "executed": "ok",
    "refused": "danger",
    "unknown": "unknown",
    "not_seen": "unknown",
}
_EMPTY = {
    "working": ("No working order", "Orders that may still fill are listed here. A market's ticket places one."),
    "unknown": (
        "No order with an unknown outcome",
        "Orders whose send was not confirmed wait here until they are found.",
    ),
    "filled": ("No filled order yet", "Orders that filled completely are listed here."),
    "cancelled": ("No cancelled order yet", "Orders that ended before they were filled are listed here."),
    "rejected": ("No rejected order", "Orders that the desk or the exchange refused are listed here, with the reason."),
    "all": ("No order yet", "A market's ticket places one."),
}


@register.filter
def order_side(row: Row) -> str:
    return SIDE_WORDS[entered_side(row["entered_as"], row["book_side"])]


@register.filter
def order_price(row: Row) -> str:
    """The limit in the prices of what was entered."""
    price = Decimal(row["price"])
    return cents_text(1 - price if _is_in_no_prices(row) else price)


@register.filter
def order_average(row: Row) -> str:
    """What was paid per contract so far, in the prices of what was entered; "-" before that is known."""
    average = average_price(row)
    if not average:
        return "-"
    price = Decimal(average)
    # The exchange counts the cost of the outcome bought; a sale is told in the prices of what was sold.
    if _is_in_no_prices(row) != (row["outcome_side"] == "no"):
        price = 1 - price
    return f"{(price * 100).quantize(Decimal('0.01')):f}".rstrip("0").rstrip(".") + "¢"


def _is_in_no_prices(row: Row) -> bool:
    return entered_side(row["entered_as"], row["book_side"]).endswith("_no")


@register.simple_tag
def cancel_reach(actor: object) -> str:
    """How far a cancel of everything goes for this person: "desk", "account" (the selected one), or "part" of it."""
    if not isinstance(actor, Actor):
        return "part"
    if actor.may(Permission.ORDER_CANCEL):
        return "desk"
    return "account" if actor.may_on(Permission.ORDER_CANCEL, actor.account_id, None) else "part"


@register.filter
def order_terms(row: Row) -> str:
    if row["is_external"]:
        return "placed elsewhere"
    base = {"immediate_or_cancel": "IOC", "fill_or_kill": "FOK"}.get(row["time_in_force"])
    words = [base or ("expires" if row["expires_ms"] else "GTC")]
    return " ".join(words + ["post-only"] * bool(row["post_only"]) + ["reduce"] * bool(row["reduce_only"]))


@register.filter
def order_state(row: Row) -> str:
    return str(row["cancel_text"] if row["cancel_text"] and row["is_working"] else row["state_text"]).lower()


@register.filter
def order_tone(row: Row) -> str:
    if row["state"] == "resting" and Decimal(row["filled"]):
        return "partly"
    return _TONES.get(row["state"], "muted")


@register.filter
def count_bare(count: str | Decimal) -> str:
    return count_text(Decimal(count))


@register.filter
def dollars_bare(dollars: str | Decimal | None) -> str:
    return "-" if dollars is None else dollars_text(Decimal(dollars))


@register.filter
def cents(price: str | Decimal) -> str:
    return cents_text(Decimal(price))


@register.filter
def utc_moment(milliseconds: int | None) -> str:
    return "-" if milliseconds is None else f"{from_unix_ms(milliseconds):%-d %b %H:%M:%S}"


@register.filter
def utc_minute(milliseconds: int) -> str:
    """1 Jan 2027 15:00:30, with the year: an expiry may be far."""
    return f"{from_unix_ms(milliseconds):%-d %b %Y %H:%M:%S}"


@register.filter
def empty_title(tab: str) -> str:
    return _EMPTY[tab][0]


@register.filter
def empty_text(tab: str) -> str:
    return _EMPTY[tab][1]


@register.filter
def utc_clock(moment: datetime | None) -> str:
    """21 Nov 04:05:18.123, as exact as both clocks are worth."""
    return "-" if moment is None else f"{moment:%-d %b %H:%M:%S}.{moment.microsecond // 1000:03d}"


@register.filter
def other_cents(yes_price: Decimal) -> str:
    return cents_text(1 - yes_price)
