"""Values of requests in the engine's units."""

import re
from decimal import Decimal

from apps.paper.engine.accounts import Member
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.units import CENT_PRICE, CONTRACT, DOLLAR_PRICE, Side
from apps.paper.fix.execution import Style
from apps.paper.fix.validation import WRONG_FORMAT, WRONG_VALUE, Body

MAX_CLIENT_ID = 64
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class BadField(Exception):
    """A field that the session rejects."""

    def __init__(self, reason: int, tag: int, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.tag = tag
        self.text = text


def client_id(body: Body) -> str:
    """ClOrdID, at most 64 characters. Raises BadField."""
    value = body.text(11)
    if len(value) > MAX_CLIENT_ID:
        raise BadField(WRONG_VALUE, 11, f"ClOrdID has more than {MAX_CLIENT_ID} characters")
    return value


def uuid_of(body: Body, tag: int) -> str:
    """A UUID. Raises BadField."""
    value = body.text(tag)
    if not _UUID.fullmatch(value):
        raise BadField(WRONG_FORMAT, tag, "Incorrect data format for value")
    return value


def group_id(body: Body) -> str | None:
    """The order group of a new order: SecondaryClOrdID (the page), or OrderGroupID (the dictionary)."""
    for tag in (526, 20130):
        if body.get(tag) is not None:
            return uuid_of(body, tag)
    return None


def price_units(text: str, *, dollars: bool) -> int:
    """Price units of a price in dollars or in whole cents.

    Raises:
        ExchangeError: finer than the format allows, or not between 0 and 1 dollar.
    """
    units = Decimal(text) * (DOLLAR_PRICE if dollars else CENT_PRICE)
    if units != units.to_integral_value() or (not dollars and units % CENT_PRICE):
        raise ExchangeError("invalid_price", f"the price {text} is finer than this session's prices are")
    if not 0 < units < DOLLAR_PRICE:
        raise ExchangeError("invalid_price", f"the price {text} is not between 0 and 1 dollar")
    return int(units)


def price_of(text: str, side: Side, *, style: Style) -> int:
    """The YES price of an order on a side. Raises ExchangeError."""
    units = price_units(text, dollars=style.dollars)
    return DOLLAR_PRICE - units if side == "ask" and style.sell_price == "no" else units


def count_of(text: str, *, least: int = 1) -> int:
    """Count units.

    Raises:
        ExchangeError: finer than a hundredth, or too small.
    """
    units = Decimal(text) * CONTRACT
    if units != units.to_integral_value() or units < least:
        raise ExchangeError("invalid_order_size", f"the quantity {text} is not a count of contracts")
    return int(units)


def account_of(member: Member, body: Body) -> int:
    """The subaccount that AllocAccount or the party names; 0 without either.

    Raises:
        ExchangeError: there is none, or the two differ.
    """
    given = body.whole(79)
    parties = body.groups.get(453, [])
    if parties:
        name = parties[0].get(448, "")
        if len(parties) > 1 or parties[0].get(452) != "24":
            raise ExchangeError("unknown_account", "one party with PartyRole 24", details="CUSTOMER_ACCOUNT_NOT_FOUND")
        if not member.subtraders:
            raise ExchangeError("unknown_account", "no FCM member", details="PERMISSION_DENIED_FOR_CUSTOMER_ACCOUNT")
        number = member.subtraders.get(name)
        if number is None or given not in (None, number):
            raise ExchangeError("unknown_account", "no such customer", details="CUSTOMER_ACCOUNT_NOT_FOUND")
        return number
    number = given or 0
    if number not in member.accounts:
        raise ExchangeError("unknown_account", "no such subaccount", details="CUSTOMER_ACCOUNT_NOT_FOUND")
    return number
