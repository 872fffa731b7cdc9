"""One book per market, for YES and NO: bids of both legs, each in its own prices; an ask is a NO bid at 1 - price."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field

from apps.paper.engine.orders import Order
from apps.paper.engine.units import DOLLAR_PRICE, Side


@dataclass(slots=True)
class Level:
    """Orders at one price, first come first served (a dict keeps the order of arrival)."""

    orders: dict[str, Order] = field(default_factory=dict)
    total: int = 0


class Ladder:
    """Bids of one leg."""

    __slots__ = ("levels", "prices")

    def __init__(self) -> None:
        self.prices: list[int] = []  # ascending, best last
        self.levels: dict[int, Level] = {}

    @property
    def best(self) -> int | None:
        """The highest bid."""
        return self.prices[-1] if self.prices else None

    @property
    def best_size(self) -> int:
        """Contracts at the highest bid."""
        return self.levels[self.prices[-1]].total if self.prices else 0

    def add(self, order: Order) -> None:
        """Put an order at the end of its level."""
        price = order.book_price
        level = self.levels.get(price)
        if level is None:
            level = self.levels[price] = Level()
            insort(self.prices, price)
        level.orders[order.order_id] = order
        level.total += order.remaining

    def reduce(self, order: Order, count: int) -> None:
        """Take `count` off a resting order (and off its `remaining`); it keeps its place unless nothing is left."""
        price = order.book_price
        level = self.levels[price]
        order.remaining -= count
        level.total -= count
        if not order.remaining:
            del level.orders[order.order_id]
            if not level.orders:
                del self.levels[price]
                del self.prices[bisect_left(self.prices, price)]

    def head(self) -> Order:
        """The order that trades next."""
        return next(iter(self.levels[self.prices[-1]].orders.values()))

    def volume_from(self, price: int) -> int:
        """Contracts bid at `price` or higher."""
        return sum(self.levels[p].total for p in self.prices[bisect_left(self.prices, price) :])

    def ahead_of(self, order: Order) -> int:
        """Contracts that trade before this order does."""
        price = order.book_price
        ahead = self.volume_from(price + 1)
        for other in self.levels[price].orders.values():
            if other is order:
                break
            ahead += other.remaining
        return ahead

    def depth(self) -> list[tuple[int, int]]:
        """(price, size), ascending, best last."""
        return [(price, self.levels[price].total) for price in self.prices]

    def orders(self) -> Iterator[Order]:
        """Every resting order."""
        for price in self.prices:
            yield from self.levels[price].orders.values()


class Book:
    """Both ladders of a market."""

    __slots__ = ("no", "yes")

    def __init__(self) -> None:
        self.yes = Ladder()
        self.no = Ladder()

    def own(self, side: Side) -> Ladder:
        """Where an order of this side rests."""
        return self.yes if side == "bid" else self.no

    def opposite(self, side: Side) -> Ladder:
        """What an order of this side trades with."""
        return self.no if side == "bid" else self.yes

    def crosses(self, side: Side, price: int) -> bool:
        """Whether an order with this YES-leg price would trade at once."""
        best = self.opposite(side).best
        if best is None:
            return False
        leg_price = price if side == "bid" else DOLLAR_PRICE - price
        return leg_price + best >= DOLLAR_PRICE

    def crossing_levels(self, side: Side, price: int) -> Iterator[tuple[int, int]]:
        """(YES price, contracts) that an order with this YES-leg price could trade with, best first."""
        ladder = self.opposite(side)
        leg_price = price if side == "bid" else DOLLAR_PRICE - price
        for resting in reversed(ladder.prices):
            if resting + leg_price < DOLLAR_PRICE:
                return
            yield (DOLLAR_PRICE - resting if side == "bid" else resting), ladder.levels[resting].total


@dataclass(frozen=True, slots=True)
class BookLevels:
    """A whole book: (price, size) of both legs in their own prices, ascending, best last."""

    yes: list[tuple[int, int]]
    no: list[tuple[int, int]]
