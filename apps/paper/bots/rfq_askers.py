"""Requesters: they ask on a market or a combo, wait a while, then take the best quote of a side or withdraw."""

from collections.abc import Callable
from contextlib import suppress
from random import Random

from apps.paper.bots.rfq_pricing import fair_of
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.rfq import NewRfq, Quote, Rfq
from apps.paper.engine.units import CONTRACT, DOLLAR, DOLLAR_PRICE, Outcome

SIZES = (1, 2, 5, 10, 10, 20, 25, 50, 50, 100, 100, 200, 250, 500, 1_000)
TARGETS = (5, 10, 10, 20, 25, 50, 100, 100, 250, 500)  # dollars
OPEN_EACH = 60  # RFQs that one requester keeps open at most
LONGEST_MS = 12_000
SHORTEST_MS = 1_500
LOOK_EVERY_MS = 2_000
TRIES = 6


class RfqAskers:
    """As many requesting members as the rate needs; `join` makes one by name."""

    def __init__(self, exchange: PaperExchange, *, join: Callable[[str], str]) -> None:
        self._exchange = exchange
        self._join = join
        self._members: list[str] = []
        self._known = {f"bot-rfq-asker-{n}" for n in range(1_000)}
        self._singles: list[str] = []
        self._combos: list[str] = []
        self._looked_ms = -LOOK_EVERY_MS

    def owns(self, user_id: str) -> bool:
        """Whether a member is one of these."""
        return user_id in self._known

    def patience(self, random: Random, rate: int) -> int:
        """Milliseconds that an RFQ stays open: shorter when there are many."""
        most = max(SHORTEST_MS, min(LONGEST_MS, 400_000 // max(1, rate)))
        return int(most * random.uniform(0.5, 1))

    def ask(self, now_ms: int, *, random: Random, rate: int, combos: int) -> Rfq | None:
        """Make one RFQ, on a combo in `combos` percent of all cases."""
        self._look(now_ms)
        self._seat(rate)
        tickers = self._combos if self._combos and random.random() * 100 < combos else self._singles
        if not tickers:
            return None
        for _ in range(TRIES):
            user_id, ticker = random.choice(self._members), random.choice(tickers)
            mine = self._exchange.board.open_of(user_id)
            if ticker not in mine and len(mine) < OPEN_EACH:
                return self._make(user_id, ticker, random)
        return None

    def decide(self, rfq: Rfq, *, random: Random, accept: int) -> None:
        """Accept the best quote of a side, or withdraw."""
        quotes = [quote for quote in self._exchange.board.quotes_of(rfq) if quote.status == "open"]
        side: Outcome = "yes" if random.random() < 0.5 else "no"
        best = max(quotes, key=lambda quote: (quote.bid(side), -quote.sequence), default=None)
        from_member = any(self._exchange.members[quote.user_id].keeps_history for quote in quotes)
        willing = random.random() * 100 < (max(accept, 80) if from_member and accept else accept)
        if best is not None and willing and self._is_fair(rfq, best, side) and self._accept(best, side):
            return
        with suppress(ExchangeError):  # the exchange is paused: it stays open until the next look
            self._exchange.delete_rfq(rfq.user_id, rfq.rfq_id)

    def _is_fair(self, rfq: Rfq, quote: Quote, side: Outcome) -> bool:
        """Whether hitting this bid costs at most ten cents a contract."""
        fair, bid = fair_of(self._exchange, rfq.ticker), quote.bid(side)
        if fair is None or not bid:
            return False
        return bid >= (fair if side == "yes" else DOLLAR_PRICE - fair) - 1_000

    def _accept(self, quote: Quote, side: Outcome) -> bool:
        try:
            self._exchange.accept_quote(quote.rfq_user_id, quote.quote_id, side=side)
        except ExchangeError:
            return False
        return True

    def _make(self, user_id: str, ticker: str, random: Random) -> Rfq | None:
        by_cost = random.random() < 0.5
        request = NewRfq(
            ticker=ticker,
            rest_remainder=random.random() < 0.2,
            contracts=None if by_cost else random.choice(SIZES) * CONTRACT,
            target_cost=random.choice(TARGETS) * DOLLAR if by_cost else None,
        )
        try:
            return self._exchange.create_rfq(user_id, request)
        except ExchangeError:
            return None  # the market or the exchange rests

    def _look(self, now_ms: int) -> None:
        """Find what trades, now and then."""
        if now_ms - self._looked_ms < LOOK_EVERY_MS:
            return
        self._looked_ms = now_ms
        active = [m for m in self._exchange.markets.values() if m.status == "active" and m.close_ms > now_ms]
        self._singles = [market.ticker for market in active if not market.is_combo]
        self._combos = [market.ticker for market in active if market.is_combo]

    def _seat(self, rate: int) -> None:
        """Add members until all that the rate keeps open find room."""
        open_at_once = rate * max(SHORTEST_MS, min(LONGEST_MS, 400_000 // max(1, rate))) // 1000
        wanted = 2 + open_at_once // (OPEN_EACH // 2)
        while len(self._members) < wanted:
            self._members.append(self._join(f"rfq-asker-{len(self._members)}"))
