"""Quotes in the books of combos, now and then: fair is the product of the legs' fair values."""

from collections.abc import Callable, Sequence
from math import prod
from random import Random

from apps.paper.bots.makers import Maker
from apps.paper.bots.takers import Taker
from apps.paper.engine.catalogue import Leg, Market
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.units import DOLLAR_PRICE

TURN_CHANGES = 6  # orders a maker may move in a turn
TAKE_ONE_IN = 6  # turns


class ComboQuoting:
    """Looks after all combos that trade.

    fair_of: what a market is held to be worth (price units), None when nobody has an opinion of it.
    """

    def __init__(
        self,
        exchange: PaperExchange,
        makers: Sequence[Maker],
        takers: Sequence[Taker],
        *,
        fair_of: Callable[[str], int | None],
    ) -> None:
        self._exchange = exchange
        self._makers = makers
        self._takers = takers
        self._fair_of = fair_of
        self._tickers: list[str] = []
        self.look_around()

    def look_around(self) -> None:
        """Find the combos that trade now."""
        found = {ticker for tickers in self._exchange.combos_of_leg.values() for ticker in tickers}
        markets = self._exchange.markets
        self._tickers = sorted(ticker for ticker in found if markets[ticker].status == "active")

    def open_books(self, random: Random) -> None:
        """Give every combo its first quotes."""
        for ticker in self._tickers:
            self._makers[0].quote(ticker, fair=self.fair(ticker), random=random, changes=1_000)

    def turn(self, random: Random) -> bool:
        """Quote or trade in one combo; False when there is none."""
        if not self._tickers:
            return False
        ticker = random.choice(self._tickers)
        if random.randrange(TAKE_ONE_IN) == 0:
            random.choice(self._takers).take(ticker, fair=self.fair(ticker), random=random)
        else:
            random.choice(self._makers).quote(ticker, fair=self.fair(ticker), random=random, changes=TURN_CHANGES)
        return True

    def fair(self, ticker: str) -> int:
        """Price units, never quite 0 or a dollar."""
        values = [self._leg_value(leg) for leg in self._exchange.markets[ticker].legs]
        worth: int = prod(values) // DOLLAR_PRICE ** (len(values) - 1)
        return min(max(worth, 1), DOLLAR_PRICE - 1)

    def _leg_value(self, leg: Leg) -> int:
        yes = leg.settlement_value
        if yes is None:
            yes = self._fair_of(leg.market_ticker)
        if yes is None:
            yes = _quoted(self._exchange.markets[leg.market_ticker])
        return yes if leg.side == "yes" else DOLLAR_PRICE - yes


def _quoted(market: Market) -> int:
    """The middle of the book: half a dollar when it is empty."""
    return (market.yes_bid + market.yes_ask) // 2
