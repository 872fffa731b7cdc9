"""The last look at an accepted quote: may it be confirmed? Pure: the same stored inputs give the same answer.

Checks come in a fixed order; the first that fails gives the reason. What a check needs and nobody knows fails it,
because nobody looks on while a quote is confirmed by itself; only money is left to the exchange, which asks anyway.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, get_args, get_type_hints

from apps.core.money import cents_text, count_text, dollars_text
from apps.core.rfq import Outcome
from apps.core.timestamps import format_rfc3339, parse_rfc3339

ZERO = Decimal(0)
# A connection that brought nothing for this long is no ground to trade on: the exchange pings every 10 s.
PRICES_TRUSTED_FOR: Final = timedelta(seconds=15)
# What the feed may be: live, or its books were read from the exchange just now because it is not.
FRESH: Final = frozenset({"live", "read"})
_TRADES = frozenset({"active", ""})  # "": the catalogue does not know the market; the exchange decides


@dataclass(frozen=True, slots=True)
class LastLook:
    """What is looked at. Prices and money in dollars, counts in contracts, times on our clock; None: not known.

    paused, may_not: words, or "". accepted_side: what we would own, "" when not told. price: what we pay for one.
    fair_at_quote, fair_now: value of one YES, by the same source. position: YES positive, with what is confirmed and
    not filled yet; cash: less what that costs. max_*: limits of the person who quoted; None: no limit.
    """

    now: datetime
    paused: str = ""
    may_not: str = ""
    exchange_active: bool | None = None
    trading_active: bool | None = None
    market_status: str = ""
    market_closes_at: datetime | None = None
    feed: str = "down"
    feed_why: str = ""
    priced_at: datetime | None = None
    fair_at_quote: Decimal | None = None
    fair_now: Decimal | None = None
    max_move: Decimal | None = None
    accepted_side: str = ""
    price: Decimal | None = None
    contracts: Decimal | None = None
    position: Decimal | None = None
    cash: Decimal | None = None
    max_count: Decimal | None = None
    max_notional: Decimal | None = None
    max_open_contracts: Decimal | None = None

    @property
    def move(self) -> Decimal | None:
        """How far fair value has moved since the quote; against us is negative. None: one of the two is not known."""
        if self.fair_at_quote is None or self.fair_now is None or not self.accepted_side:
            return None
        change = self.fair_now - self.fair_at_quote
        return change if self.accepted_side == Outcome.YES else -change

    @property
    def position_after(self) -> Decimal | None:
        if self.position is None or self.contracts is None or not self.accepted_side:
            return None
        return self.position + (self.contracts if self.accepted_side == Outcome.YES else -self.contracts)

    @property
    def cost(self) -> Decimal | None:
        return None if self.price is None or self.contracts is None else self.price * self.contracts

    @property
    def exposure_after(self) -> Decimal | None:
        """What the market's whole position could lose, each contract counted at this quote's price of its side."""
        after = self.position_after
        if after is None or self.price is None:
            return None
        is_same_side = (after > 0) == (self.accepted_side == Outcome.YES)
        return abs(after) * (self.price if is_same_side else 1 - self.price)


@dataclass(frozen=True, slots=True)
class Check:
    """One check, for people and for the record. limit: what value is held against, "" when there is none."""

    name: str
    ok: bool
    value: str
    limit: str
    text: str

    def as_json(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def checks(look: LastLook) -> list[Check]:
    """Return every check in its order, whether or not an earlier one failed."""
    return [
        _words("paused", look.paused, "Nobody has paused trading."),
        _words("right", look.may_not, "Who quoted may still trade."),
        _exchange(look),
        _market(look),
        Check("feed", look.feed in FRESH, look.feed, "live", look.feed_why or f"The feed is {look.feed}."),
        _price_age(look),
        _size(look),
        _move(look),
        *_limits(look),
        _funding(look),
    ]


def first_failure(made: Sequence[Check]) -> Check | None:
    return next((check for check in made if not check.ok), None)


# What a person who confirms by hand cannot wave through: they see the market themselves, not the desk's own rules.
BINDING: Final = frozenset({"paused", "limit_count", "limit_cost", "limit_position"})

# What fails here may be well again while the window runs (a gateway that starts anew): looked at again until then.
WAITS: Final = frozenset({"feed", "price_age"})


def _words(name: str, problem: str, fine: str) -> Check:
    return Check(name, not problem, problem or "no", "", problem or fine)


def _exchange(look: LastLook) -> Check:
    is_paused = look.exchange_active is False or look.trading_active is False
    text = "The exchange is paused." if is_paused else "The exchange trades, as far as it is known."
    return Check("exchange", not is_paused, "paused" if is_paused else "active", "active", text)


def _market(look: LastLook) -> Check:
    is_closed = look.market_closes_at is not None and look.market_closes_at <= look.now
    status = "closed" if is_closed else look.market_status
    return Check("market", status in _TRADES, status or "unknown", "active", f"The market is {status or 'not listed'}.")


def _price_age(look: LastLook) -> Check:
    limit = f"{int(PRICES_TRUSTED_FOR.total_seconds())} s"
    if look.priced_at is None:
        return Check("price_age", False, "unknown", limit, "There are no live prices to judge it by.")
    age = max(look.now - look.priced_at, timedelta())
    text = f"Prices are {age.total_seconds():.1f} s old."
    return Check("price_age", age <= PRICES_TRUSTED_FOR, f"{age.total_seconds():.1f} s", limit, text)


def _size(look: LastLook) -> Check:
    if not look.accepted_side or look.contracts is None or look.contracts <= 0:
        return Check("size", False, "unknown", "", "The exchange has not said which side was taken, and for how much.")
    text = f"{count_text(look.contracts)} {look.accepted_side.upper()}"
    return Check("size", True, text, "", f"We would own {text}.")


def _move(look: LastLook) -> Check:
    limit = "" if look.max_move is None else cents_text(look.max_move)
    move = look.move
    if move is None:
        return Check("move", look.max_move is None, "unknown", limit, "How far fair value moved cannot be said.")
    way = "against us" if move < 0 else "our way"
    text = f"Fair value moved {cents_text(abs(move))} {way}." if move else "Fair value has not moved."
    is_ok = look.max_move is None or -move <= look.max_move
    return Check("move", is_ok, ("-" if move < 0 else "") + cents_text(abs(move)), limit, text)


def _limits(look: LastLook) -> list[Check]:
    after = look.position_after
    uses = (
        ("limit_count", look.contracts, look.max_count, count_text, "contracts in one fill"),
        ("limit_cost", look.cost, look.max_notional, dollars_text, "for one fill"),
        ("limit_position", None if after is None else abs(after), look.max_open_contracts, count_text, "held after it"),
    )
    found = []
    for name, use, limit, words, what in uses:
        if limit is None:
            found.append(Check(name, True, "" if use is None else words(use), "", "No limit is set."))
        elif use is None:
            found.append(Check(name, False, "unknown", words(limit), f"It is not known what this makes {what}."))
        else:
            text = f"{words(use)} {what}; the limit is {words(limit)}."
            found.append(Check(name, use <= limit, words(use), words(limit), text))
    return found


def _funding(look: LastLook) -> Check:
    cost = look.cost
    if look.cash is None or cost is None:
        return Check("funding", True, "unknown", "", "The balance is not known; the exchange asks for it itself.")
    after = look.position_after
    if after is not None and look.position is not None and abs(after) < abs(look.position):
        return Check("funding", True, dollars_text(cost), "", "It closes contracts that are held.")
    text = f"It costs {dollars_text(cost)}; {dollars_text(look.cash)} are free."
    return Check("funding", cost <= look.cash, dollars_text(cost), dollars_text(look.cash), text)


# --- kept as JSON ------------------------------------------------------------------------------------


def to_json(look: LastLook) -> dict[str, Any]:
    """Write all inputs so that `from_json` gives them back exactly."""

    def plain(value: Any) -> Any:
        if isinstance(value, Decimal):
            return str(value)
        return format_rfc3339(value) if isinstance(value, datetime) else value

    return {field.name: plain(getattr(look, field.name)) for field in fields(look)}


def from_json(stored: Mapping[str, Any]) -> LastLook:
    """Raises KeyError, ValueError for what `to_json` cannot have written."""
    values: dict[str, Any] = {}
    for name, kind in get_type_hints(LastLook).items():
        raw = stored[name]
        kinds = get_args(kind) or (kind,)
        if isinstance(raw, str) and datetime in kinds:
            values[name] = parse_rfc3339(raw)
        else:
            values[name] = Decimal(raw) if isinstance(raw, str) and Decimal in kinds else raw
    return LastLook(**values)
