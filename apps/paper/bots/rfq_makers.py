"""Makers of the RFQ system: a bid on each side around fair, wider for bigger sizes, sometimes on one side only."""

from random import Random

from apps.paper.bots.rfq_pricing import fair_of
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.grids import PriceRange, snap, step_at
from apps.paper.engine.rfq import NewQuote, Rfq
from apps.paper.engine.units import CONTRACT, DOLLAR_PRICE

HALF_SPREADS = (100, 160, 240, 400)  # price units from fair to either bid, by style
BIG = 500 * CONTRACT
ONE_SIDED = 0.12
POST_ONLY = 0.2


class RfqMaker:
    """One quoting member."""

    def __init__(self, exchange: PaperExchange, *, user_id: str, style: int) -> None:
        self.user_id = user_id
        self._exchange = exchange
        self._half = HALF_SPREADS[style % len(HALF_SPREADS)]

    def quote(self, rfq: Rfq, *, random: Random) -> bool:
        """Quote on an RFQ, or replace the quote that stands; whether it was taken."""
        fair = fair_of(self._exchange, rfq.ticker)
        if fair is None or rfq.user_id == self.user_id:
            return False
        yes, no = self._bids(self._exchange.markets[rfq.ticker].price_ranges, fair, rfq, random)
        if not (yes or no):
            return False
        request = NewQuote(
            rfq_id=rfq.rfq_id,
            yes_bid=yes,
            no_bid=no,
            rest_remainder=random.random() < 0.3,
            post_only=random.random() < POST_ONLY,
        )
        try:
            self._exchange.create_quote(self.user_id, request)
        except ExchangeError:
            return False
        return True

    def _bids(self, ranges: tuple[PriceRange, ...], fair: int, rfq: Rfq, random: Random) -> tuple[int, int]:
        """Bids for YES and NO; 0 where there is no room, or no wish, for one."""
        half = int(self._half * random.uniform(0.7, 1.5)) * (2 if rfq.contracts > BIG else 1)
        half = min(half, max(1, fair // 3), max(1, (DOLLAR_PRICE - fair) // 3))
        yes = snap(ranges, fair - half) if fair > half else 0
        ask = snap(ranges, fair + half)
        if ask < fair + half:
            ask += step_at(ranges, ask)
        no = DOLLAR_PRICE - ask if max(yes, fair) < ask < DOLLAR_PRICE else 0
        if yes > fair:
            yes = 0
        if random.random() < ONE_SIDED:
            return (yes, 0) if random.random() < 0.5 else (0, no)
        return yes, no
