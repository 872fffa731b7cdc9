"""Integer units of the engine. price x count = money, exactly."""

from typing import Literal

DOLLAR_PRICE = 10_000  # price units in one dollar
CENT_PRICE = 100  # price units in one cent
CONTRACT = 100  # count units in one contract
DOLLAR = 1_000_000  # micro-dollars
CENT = 10_000  # micro-dollars
CENTICENT = 100  # micro-dollars

Side = Literal["bid", "ask"]  # of the YES leg: bid buys YES, ask sells YES (= buys NO at 1 - price)
Outcome = Literal["yes", "no"]
OrderStatus = Literal["resting", "canceled", "executed"]
TimeInForce = Literal["good_till_canceled", "immediate_or_cancel", "fill_or_kill"]
SelfTradePrevention = Literal["taker_at_cross", "maker"]


def outcome_of(side: Side) -> Outcome:
    """The outcome a book side is positioned for: bid is yes, ask is no, always."""
    return "yes" if side == "bid" else "no"


def floor_to_cent(micros: int) -> int:
    """Round money toward negative infinity to a whole cent."""
    return micros // CENT * CENT
