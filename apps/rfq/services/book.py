"""The live book of a market as the gateway published it last, with its age, and what sweeping it would cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from apps.core.errors import WireFormatError
from apps.core.money import format_price, parse_count, parse_price
from apps.core.rfq import Outcome
from apps.core.sweep import Level, Sweep, sweep
from apps.core.timestamps import to_unix_ms
from apps.exchange import live
from apps.orders.services.quotes import quotes_of

ONE: Final = Decimal(1)
_PLACES: Final = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Book:
    """Levels that a taker can buy from, cheapest first. age_ms: since it last changed, None when not known.

    is_live: it is what the exchange holds now. Otherwise prices are the last known, and nothing is swept.
    """

    yes: Sequence[Level] = ()  # what one YES costs
    no: Sequence[Level] = ()  # what one NO costs
    yes_bid: Decimal | None = None
    yes_ask: Decimal | None = None
    is_live: bool = False
    age_ms: int | None = None
    why: str = ""

    @property
    def spread(self) -> Decimal | None:
        return None if self.yes_bid is None or self.yes_ask is None else self.yes_ask - self.yes_bid

    def sweep(self, buys: Outcome, *, contracts: Decimal | None, target_cost: Decimal | None) -> Sweep | None:
        """Return what taking this size would cost; None without a live book."""
        if not self.is_live:
            return None
        levels = self.yes if buys is Outcome.YES else self.no
        return sweep(levels, contracts=contracts, target_cost=target_cost)

    def as_sent(self, *, contracts: Decimal | None, target_cost: Decimal | None, now: datetime) -> dict[str, Any]:
        """Return what is kept with a request, so that quotes can be held against the book of that moment."""
        kept: dict[str, Any] = {
            "yes_bid": _text(self.yes_bid),
            "yes_ask": _text(self.yes_ask),
            "is_live": self.is_live,
            "age_ms": self.age_ms,
            "at_ms": to_unix_ms(now),
        }
        for buys in Outcome:
            found = self.sweep(buys, contracts=contracts, target_cost=target_cost)
            # A book that is too thin has no price for this size: an improvement against it would be made up.
            kept[f"sweep_{buys}"] = _text(average_of(found)) if found is not None and found.is_whole else None
        return kept


def average_of(found: Sweep) -> Decimal | None:
    """Dollars per contract, to the 1/100 cent."""
    return None if found.average is None else found.average.quantize(_PLACES, rounding=ROUND_HALF_UP)


def book_of(environment: str, ticker: str, *, now: datetime) -> Book:
    """Return the book that is kept for this market; without one, the best prices that are known.

    The gateway keeps the books that somebody looks at, and those of own orders and quotes.
    """
    kept = live.state_read(f"book:{environment}:{ticker}") if ticker else None
    if kept is None:
        return _best_only(environment, ticker, why="Nobody looks at this market's book yet.")
    frame = kept[1]
    try:
        # A NO bid at q is a YES offer at 1 - q; bids come ascending, so that the best is the last.
        yes = tuple((ONE - parse_price(price), parse_count(count)) for price, count in reversed(frame["no"]))
        no = tuple((ONE - parse_price(price), parse_count(count)) for price, count in reversed(frame["yes"]))
    except (WireFormatError, LookupError, TypeError, ValueError):
        return _best_only(environment, ticker, why="The book cannot be read.")
    is_alive = live.heartbeat_ms(environment) is not None
    changed = frame.get("recv_ms") or frame.get("ts_ms")
    return Book(
        yes=yes,
        no=no,
        yes_bid=ONE - no[0][0] if no else None,
        yes_ask=yes[0][0] if yes else None,
        is_live=is_alive and frame.get("state") == "live",
        age_ms=None if not changed else max(0, to_unix_ms(now) - int(changed)),
        why=str(frame.get("why") or "") if is_alive else "the gateway is not connected",
    )


def _best_only(environment: str, ticker: str, *, why: str) -> Book:
    quotes = quotes_of(environment, ticker) if ticker else None
    if quotes is None:
        return Book(why=why)
    return Book(yes_bid=quotes.bid, yes_ask=quotes.ask, why=why)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else format_price(value)
