"""Price grids: which prices a market takes. Source: market objects' ``price_level_structure`` and ``price_ranges``."""

from dataclasses import dataclass

from apps.paper.engine.units import DOLLAR_PRICE


@dataclass(frozen=True, slots=True)
class PriceRange:
    """Prices from `start` to `end` (inclusive) in steps of `step`, all in price units."""

    start: int
    end: int
    step: int


PRICE_LEVEL_STRUCTURES: dict[str, tuple[PriceRange, ...]] = {
    "linear_cent": (PriceRange(0, DOLLAR_PRICE, 100),),
    "deci_cent": (PriceRange(0, DOLLAR_PRICE, 10),),
    "tapered_deci_cent": (PriceRange(0, 1_000, 10), PriceRange(1_000, 9_000, 100), PriceRange(9_000, DOLLAR_PRICE, 10)),
    # Of combos (docs: fixed_point_migration, newer than the other three names).
    "center_deci_edge_centi_cent": (
        PriceRange(0, 100, 1),
        PriceRange(100, 9_900, 10),
        PriceRange(9_900, DOLLAR_PRICE, 1),
    ),
}


def on_grid(ranges: tuple[PriceRange, ...], price: int) -> bool:
    """Whether an order may have this price. 0 and one dollar are never prices."""
    if not 0 < price < DOLLAR_PRICE:
        return False
    return any(r.start <= price <= r.end and (price - r.start) % r.step == 0 for r in ranges)


def step_at(ranges: tuple[PriceRange, ...], price: int) -> int:
    """The step above `price`."""
    for r in ranges:
        if r.start <= price < r.end:
            return r.step
    return ranges[-1].step


def snap(ranges: tuple[PriceRange, ...], price: int) -> int:
    """The nearest price at or below `price` that an order may have; the lowest one when there is none below."""
    for r in reversed(ranges):
        if price >= r.start:
            candidate = r.start + (min(price, r.end) - r.start) // r.step * r.step
            if candidate >= DOLLAR_PRICE:
                candidate = DOLLAR_PRICE - r.step
            if candidate > 0:
                return candidate
    return ranges[0].step
