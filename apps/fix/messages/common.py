"""What several messages share: execution ids, prices in cents or dollars, sides, and reading with exact numbers."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar

from apps.core.errors import WireFormatError
from apps.fix.engine.codec import Message
from apps.fix.engine.dictionary import kalshi
from apps.fix.engine.validate import Entry, Problem, body_of
from apps.fix.engine.values import decimal_read, integer_read

T = TypeVar("T")
BUY: Final = "1"  # buys YES
SELL: Final = "2"  # sells YES, which is to buy NO
MOST_SUBACCOUNTS: Final = 32
_CENT: Final = Decimal("0.01")
_SIDES: Final = {"bid": BUY, "ask": SELL}
_BOOK_SIDES: Final = {side: name for name, side in _SIDES.items()}
_EXEC_ID = re.compile(r"(-?[0-9]{1,18});(-?[0-9]{1,18})")


class ExecId(NamedTuple):
    """A two-part execution id ("4;10"), ordered as a pair of integers: 4;9 < 4;10 < 10;1."""

    first: int
    second: int

    @classmethod
    def read(cls, raw: str) -> "ExecId":
        """Raises WireFormatError for anything but two integers."""
        match = _EXEC_ID.fullmatch(raw)
        if match is None:
            raise WireFormatError(f"expected an ExecID of two integers, was {raw[:40]!r}")
        return cls(int(match[1]), int(match[2]))

    @property
    def is_sequenced(self) -> bool:
        """Say whether it names one report: pending reports and rejects all carry -1;-1."""
        return self.first >= 0 and self.second >= 0

    def __str__(self) -> str:
        return f"{self.first};{self.second}"


@dataclass(frozen=True, slots=True)
class Prices:
    """How a session writes prices (docs:fix/subpenny-pricing).

    in_dollars: tag 21005, always on margin.
    sells_in_no: prices of side 2, "Sell (No)", are of the NO leg. The documentation does not say; by default
        they are of the YES leg, as on the exchange's one book.
    """

    in_dollars: bool = True
    sells_in_no: bool = False

    def write(self, price: Decimal, book_side: str = "bid") -> str:
        """Write a price of the YES leg. Raises WireFormatError when cents cannot say it, or it is no price."""
        if not price.is_finite() or price < 0:
            raise WireFormatError(f"no price: {price}")
        if self.sells_in_no and book_side == "ask":
            price = 1 - price
        if self.in_dollars:
            if price != price.quantize(Decimal("0.0001")):
                raise WireFormatError(f"{price} is finer than 0.0001 dollars")
            return format(price.quantize(Decimal("0.0001")), "f")
        if price % _CENT:
            raise WireFormatError(f"{price} dollars is not a whole number of cents; use a session with UseDollars")
        return str(int(price * 100))

    def read(self, raw: str, book_side: str = "bid") -> Decimal:
        """Return dollars on the YES leg. Raises WireFormatError."""
        value = decimal_read(raw) if self.in_dollars else decimal_read(raw) / 100
        return 1 - value if self.sells_in_no and book_side == "ask" else value


def side_of(book_side: str) -> str:
    """ "bid" or "ask" on the YES leg to Side (54). Raises WireFormatError."""
    if book_side not in _SIDES:
        raise WireFormatError(f"expected bid or ask, was {book_side!r}")
    return _SIDES[book_side]


def book_side_of(side: str) -> str:
    """Side (54) to "bid" or "ask". Raises WireFormatError."""
    if side not in _BOOK_SIDES:
        raise WireFormatError(f"expected Side 1 or 2, was {side[:10]!r}")
    return _BOOK_SIDES[side]


def account_fields(subaccount: int) -> list[tuple[int, str]]:
    """Return AllocAccount (79), left out for the primary account. Raises WireFormatError."""
    if not 0 <= subaccount <= MOST_SUBACCOUNTS:
        raise WireFormatError(f"subaccounts are 0 to {MOST_SUBACCOUNTS}, was {subaccount}")
    return [(79, str(subaccount))] if subaccount else []


def count_write(count: Decimal) -> str:
    """Write contracts with two places at most. Raises WireFormatError unless it is above zero."""
    if not count.is_finite() or count <= 0 or count != count.quantize(_CENT):
        raise WireFormatError(f"no number of contracts: {count}")
    return format(count.quantize(_CENT), "f")


def body(message: Message, *types: str) -> Entry:
    """Return a message's checked body. Raises WireFormatError when it is another type, or not valid."""
    if message.msg_type not in types:
        raise WireFormatError(f"expected {' or '.join(types)}, was {message.msg_type[:10]!r}")
    found = body_of(message, kalshi())
    if isinstance(found, Problem):
        raise WireFormatError(f"{found.text} (tag {found.tag})")
    return found


def decimal_or_none(entry: Entry, tag: int) -> Decimal | None:
    raw = entry.text(tag)
    return decimal_read(raw) if raw else None


def integer_or_none(entry: Entry, tag: int) -> int | None:
    raw = entry.text(tag)
    return integer_read(raw) if raw else None
