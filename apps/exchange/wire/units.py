"""The feed's fast path from decimal strings to integers: exact, strict, and remembered."""

from functools import lru_cache

from apps.core.money import count_units_from_wire


@lru_cache(maxsize=65_536)
def signed_count_units(raw: str) -> int:
    """Return a signed count as units of 1/100 contract. Few sizes make most of the traffic.

    Raises:
        WireFormatError: not a plain decimal string, or finer than 0.01.
    """
    return count_units_from_wire(raw, signed=True)
