"""A person's limits (`orders.RiskLimit`) on requests, accepts and quotes: size and cost of the largest trade of each.

The other limits are of orders: an RFQ rests nowhere. Asked when something is submitted, and again before it is sent.
"""

from decimal import ROUND_UP, Decimal
from typing import Final, Literal

from apps.core.errors import DeskError
from apps.core.money import count_text, dollars_text
from apps.orders.services.limits import LimitUse, limits_of
from apps.rfq.services.four_eyes import Size

Kind = Literal["request", "accept", "quote"]
FIELDS: Final[dict[Kind, str]] = {"request": "contracts", "accept": "general", "quote": "yes_bid"}


def limits_use(desk_id: int, *, user_id: int, account_id: int, size: Size, kind: Kind) -> list[LimitUse]:
    """Return the limits that speak of this size, with their use; what is not known yet is left out."""
    limits = limits_of(desk_id, user_id=user_id, account_id=account_id)
    found = []
    for name, largest, places in (("max_count", size.contracts, "0.01"), ("max_notional", size.cost, "0.0001")):
        limit = limits.get(name)
        if limit is not None and largest is not None:
            # What a target cost comes to is no round number: never understated.
            use = largest.quantize(Decimal(places), rounding=ROUND_UP)
            words = _words(name, Decimal(limit), use, kind)
            found.append(LimitUse(name, limit, use, words, FIELDS[kind]))
    return found


def limits_check(desk_id: int, *, user_id: int, account_id: int, size: Size, kind: Kind) -> None:
    """Raises DeskError `limit_max_count` or `limit_max_notional`."""
    for one in limits_use(desk_id, user_id=user_id, account_id=account_id, size=size, kind=kind):
        if not one.is_kept:
            raise DeskError(f"limit_{one.name}", one.text, fields={one.field: one.text})


def _words(name: str, limit: Decimal, use: Decimal, kind: Kind) -> str:
    if name == "max_count":
        if kind == "quote":
            return f"Your limit is {count_text(limit)} contracts in one trade; a hit could bring {count_text(use)}."
        return f"Your limit is {count_text(limit)} contracts in one {kind}; this is {count_text(use)}."
    if kind == "quote":
        return f"Your limit is {dollars_text(limit)} in one trade; a hit could cost {dollars_text(use)}."
    return f"Your limit is {dollars_text(limit)} in one {kind}; this is up to {dollars_text(use)}."
