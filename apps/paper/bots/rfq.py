"""Bots that ask for quotes and bots that quote, confirm and sometimes lapse. Seeded like the pool of the public book.

They hear of RFQs and quotes as everybody does and act in `step`, each thing at a time of its own drawn in advance.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields
from heapq import heappop, heappush
from random import Random
from typing import Literal

from apps.paper.bots.rfq_askers import RfqAskers
from apps.paper.bots.rfq_makers import RfqMaker
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.events import Event, QuoteChanged, RfqChanged
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.rfq import Quote, Rfq

MAKERS = 4
BOT_CASH_CENTS = 5_000_000_000
MAX_RATE = 1_000  # RFQs per second
MAX_PER_STEP = 100  # RFQs in one call of `step`; what was not done in time is not made up for
QUOTED_PER_STEP = 4  # RFQs of other bots that get quotes in one call of `step`: those of members always do

TaskKind = Literal["decide", "quote", "confirm"]


@dataclass(slots=True)
class RfqBotRules:
    """per_second: RFQs of bots, at most `MAX_RATE`. The others in percent.

    combos: share of RFQs on combos, where there are any. lapse: accepted quotes that their maker does not confirm.
    accept: RFQs of bots that end in an accept.
    """

    per_second: int = 1
    combos: int = 40
    lapse: int = 10
    accept: int = 35

    def check(self) -> None:
        """Raises ValueError for a figure that cannot be meant."""
        for field in fields(self):
            most = MAX_RATE if field.name == "per_second" else 100
            if not 0 <= getattr(self, field.name) <= most:
                raise ValueError(f"{field.name} must be 0 to {most}")


class RfqBots:
    """Requesters and makers over an exchange; `step(now_ms)` does what has become due."""

    def __init__(self, exchange: PaperExchange, *, seed: int = 1, rules: RfqBotRules | None = None) -> None:
        self.rules = rules or RfqBotRules()
        self._exchange = exchange
        self._random = Random(f"rfq-bots:{seed}")
        self._last_ms = exchange.clock.now_ms()
        self._owed = 0  # thousandths of RFQs
        self._tasks: list[tuple[int, int, TaskKind, str, int]] = []  # (when, number, what, RFQ or quote id, maker)
        self._numbers = 0
        self._heard: deque[RfqChanged | QuoteChanged] = deque()
        self._askers = RfqAskers(exchange, join=self._join)
        self._makers = [RfqMaker(exchange, user_id=self._join(f"rfq-maker-{n}"), style=n) for n in range(MAKERS)]
        self._own = {maker.user_id: index for index, maker in enumerate(self._makers)}
        exchange.subscribe(self._hear)
        self._take_up()

    def set_rules(self, rules: RfqBotRules) -> None:
        """Go by other rules from now on. Raises ValueError for figures that cannot be meant."""
        rules.check()
        self.rules = rules

    def step(self, now_ms: int) -> int:
        """Do what is due and return the number of RFQs made."""
        elapsed, self._last_ms = max(0, now_ms - self._last_ms), max(now_ms, self._last_ms)
        self._owed = min(self._owed + elapsed * self.rules.per_second, MAX_PER_STEP * 1000)
        wanted, self._owed = divmod(self._owed, 1000)
        self._plan(now_ms)
        while self._tasks and self._tasks[0][0] <= now_ms:
            _, _, kind, item_id, maker = heappop(self._tasks)
            self._do(kind, item_id, maker, now_ms)
        made = 0
        for _ in range(wanted):
            rfq = self._askers.ask(now_ms, random=self._random, rate=self.rules.per_second, combos=self.rules.combos)
            if rfq is not None:
                made += 1
                self._later(now_ms + self._askers.patience(self._random, self.rules.per_second), "decide", rfq.rfq_id)
        return made

    # --- planning --------------------------------------------------------------------------------
    def _hear(self, event: Event) -> None:
        """Listeners must not act: what matters is kept for the next step."""
        if isinstance(event, RfqChanged):
            if event.step == "created":
                self._heard.append(event)
        elif isinstance(event, QuoteChanged) and event.step == "accepted":
            self._heard.append(event)

    def _plan(self, now_ms: int) -> None:
        room = QUOTED_PER_STEP
        while self._heard:
            event = self._heard.popleft()
            if isinstance(event, QuoteChanged):
                self._plan_confirm(event.quote, now_ms)
            elif not self._askers.owns(event.rfq.user_id):
                self._plan_quotes(event.rfq, now_ms, share=0.9)
            elif room and event.rfq.status == "open":
                room -= 1
                self._plan_quotes(event.rfq, now_ms, share=0.6)

    def _plan_quotes(self, rfq: Rfq, now_ms: int, *, share: float) -> None:
        hurry = 0.4 if self._exchange.is_hvm(rfq.ticker) else 1.0
        for index in range(len(self._makers)):
            if self._random.random() < share:
                self._later(now_ms + int(hurry * self._random.uniform(150, 2_500)), "quote", rfq.rfq_id, maker=index)

    def _plan_confirm(self, quote: Quote, now_ms: int) -> None:
        """Within the window, or (a lapse) never."""
        index = self._own.get(quote.user_id)
        if index is None or self._random.random() * 100 < self.rules.lapse:
            return
        window = self._exchange.windows(quote.ticker)[0]
        self._later(now_ms + int(self._random.uniform(0.05, 0.5) * min(window, 8_000)), "confirm", quote.quote_id)

    def _later(self, at_ms: int, kind: TaskKind, item_id: str, *, maker: int = 0) -> None:
        self._numbers += 1
        heappush(self._tasks, (at_ms, self._numbers, kind, item_id, maker))

    # --- doing -----------------------------------------------------------------------------------
    def _do(self, kind: TaskKind, item_id: str, maker: int, now_ms: int) -> None:
        board = self._exchange.board
        rfq, quote = board.rfqs.get(item_id), board.quotes.get(item_id)
        if kind == "quote" and rfq is not None and rfq.status == "open":
            if self._makers[maker].quote(rfq, random=self._random) and self._random.random() < 0.25:
                # Think again: a new quote replaces the old one.
                self._later(now_ms + self._random.randint(800, 4_000), "quote", item_id, maker=maker)
        elif kind == "confirm" and quote is not None and quote.status == "accepted" and not quote.lapsed:
            self._attempt(lambda: self._exchange.confirm_quote(quote.user_id, quote.quote_id))
        elif kind == "decide" and rfq is not None and rfq.status == "open":
            if board.locked(rfq) is None:
                self._askers.decide(rfq, random=self._random, accept=self.rules.accept)
            if rfq.status == "open":
                # See what becomes of the accept: after a lapse another quote, or no more.
                self._later(now_ms + sum(self._exchange.windows(rfq.ticker)) // 2 + 100, "decide", item_id)

    @staticmethod
    def _attempt(act: Callable[[], object]) -> bool:
        """What is refused (a pause, a close, no money) is left."""
        try:
            act()
        except ExchangeError:
            return False
        return True

    # --- members ---------------------------------------------------------------------------------
    def _take_up(self) -> None:
        """After a restart: what bots left open ends or goes on, what members ask is answered."""
        now = self._exchange.clock.now_ms()
        for rfq in list(self._exchange.board.open_rfqs()):
            if self._askers.owns(rfq.user_id):
                self._later(now, "decide", rfq.rfq_id)
            else:
                self._plan_quotes(rfq, now, share=0.9)
        for quote in self._exchange.board.quotes.values():
            if quote.status == "accepted" and not quote.lapsed:
                self._plan_confirm(quote, now)

    def _join(self, name: str) -> str:
        user_id = f"bot-{name}"
        if user_id not in self._exchange.members:
            self._exchange.add_member(name=name, user_id=user_id, cash_cents=BOT_CASH_CENTS, keeps_history=False)
        return user_id
