"""The feed's fast path from decimal strings to integers: exact, strict, and remembered."""

from collections.abc import Callable
from typing import Final

from apps.core.errors import WireFormatError
from apps.core.money import PRICE_UNITS_PER_DOLLAR, count_units_from_wire, price_units_from_wire


class Remembered(dict[str, int]):
    """What a parser made of each string it has seen: `table[raw]` parses only what is new.

    A look-up costs half of what it does through functools.lru_cache. Few prices and sizes make most
    of the traffic; when there are more than `most`, all are forgotten, which bounds the memory.
    What the parser refuses (WireFormatError) is not remembered.
    """

    __slots__ = ("_most", "_parse")

    def __init__(self, parse: Callable[[str], int], *, most: int) -> None:
        super().__init__()
        self._parse = parse
        self._most = most

    def __missing__(self, raw: str) -> int:
        units = self._parse(raw)
        if len(self) >= self._most:
            self.clear()
        self[raw] = units
        return units


def level_price(raw: str) -> int:
    """Return a level's price as units of 1/10,000 dollar, 1..9,999. Raises WireFormatError."""
    units = price_units_from_wire(raw)
    if not 0 < units < PRICE_UNITS_PER_DOLLAR:
        raise WireFormatError(f"a level at {raw!r} dollars, outside (0, 1)")
    return units


def signed_count(raw: str) -> int:
    """Return a change as signed units of 1/100 contract. Raises WireFormatError."""
    return count_units_from_wire(raw, signed=True)


LEVEL_PRICES: Final = Remembered(level_price, most=32_768)
SIGNED_COUNTS: Final = Remembered(signed_count, most=65_536)
