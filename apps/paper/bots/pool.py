"""All bots: who trades next, and how the world's opinion moves. Seeded: same seed, world and clock, same day."""

from collections import deque
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random

from apps.paper.bots.combos import ComboQuoting
from apps.paper.bots.makers import Maker
from apps.paper.bots.takers import Taker
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.units import DOLLAR_PRICE
from apps.paper.world import World
from apps.paper.world.listing import HOUR_MS, ListedEvent

MAKERS = 3
TAKERS = 4
BOT_CASH_CENTS = 5_000_000_000  # $50 million each: bots run out of opinions before they run out of money
OPENING_ORDERS = 6_000  # placed at once when the pool starts; the rest follows step by step
NEWS_ONE_IN = 1_500  # turns
TAKE_ONE_IN = 5  # turns
TURN_CHANGES = 6  # orders a maker may move in a turn
ROLL_EVERY_MS = 10_000
OPENINGS_PER_STEP = 2  # books
COMBO_ONE_IN = 25  # turns
NEWS_CHANGES = 14  # the same when news breaks, for each maker and market of the event


@dataclass(slots=True)
class Seat:
    """One market as the bots see it."""

    ticker: str
    listed: ListedEvent
    index: int  # in the event's model


@dataclass(slots=True)
class Opinion:
    """The fair values of one event, as of a time."""

    probabilities: list[float]
    as_of_ms: int
    seats: list[Seat] = field(default_factory=list)


class BotPool:
    """Market makers and takers over a world.

    `step(now_ms)` does the turns that are due since the last call, `actions_per_second` of them per second of the
    clock, and never more than `max_turns`, so that a call stays short (a turn is a few orders). What was not done in
    time is not made up for.
    """

    def __init__(
        self,
        exchange: PaperExchange,
        world: World,
        *,
        seed: int = 1,
        actions_per_second: int = 20,
        max_turns: int = 10,
        opening_orders: int = OPENING_ORDERS,
    ) -> None:
        self._exchange = exchange
        self._world = world
        self._random = Random(f"bots:{seed}")
        self._rate = actions_per_second
        self._max_turns = max_turns
        self._last_ms = exchange.clock.now_ms()
        self._owed = 0  # thousandths of turns
        self._makers = [Maker(exchange, user_id=self._join(f"maker-{n}"), style=n) for n in range(MAKERS)]
        self._takers = [Taker(exchange, user_id=self._join(f"taker-{n}")) for n in range(TAKERS)]
        self._opinions: dict[str, Opinion] = {}
        self._seats: list[Seat] = []
        self._weights: list[int] = []
        self._unopened: deque[Seat] = deque()
        self._next_roll_ms = self._last_ms + ROLL_EVERY_MS
        for listed in world.events:
            self._adopt(listed)
        self._weigh()
        self._open_books(opening_orders)
        self._combos = ComboQuoting(exchange, self._makers, self._takers, fair_of=self._fair_of)
        self._combos.open_books(self._random)

    @property
    def user_ids(self) -> list[str]:
        """The members the bots are."""
        return [*(maker.user_id for maker in self._makers), *(taker.user_id for taker in self._takers)]

    def step(self, now_ms: int) -> int:
        """Do what is due and return the number of turns taken."""
        elapsed, self._last_ms = max(0, now_ms - self._last_ms), max(now_ms, self._last_ms)
        self._owed = min(self._owed + elapsed * self._rate, self._max_turns * 1000)
        turns, self._owed = divmod(self._owed, 1000)
        if now_ms >= self._next_roll_ms:
            self._roll(now_ms)
        for turn in range(turns):
            if self._unopened and turn < OPENINGS_PER_STEP:
                self._open_books(1)
            self._turn(now_ms)
        return turns

    def news(self, event_ticker: str) -> None:
        """Let news break on an event: its fair values jump and every maker quotes anew at once."""
        opinion = self._opinions[event_ticker]
        opinion.seats[0].listed.model.jump(self._random)
        opinion.probabilities = opinion.seats[0].listed.model.probabilities()
        for seat in opinion.seats:
            for maker in self._makers:
                maker.quote(seat.ticker, fair=self._fair(seat), random=self._random, changes=NEWS_CHANGES)

    def fair_prices(self, event_ticker: str) -> list[int]:
        """What the bots hold fair now for the markets of an event, in price units, in listed order."""
        return [self._fair(seat) for seat in self._opinions[event_ticker].seats]

    def fair_of_combo(self, ticker: str) -> int:
        """What the bots hold fair now for a combo, in price units."""
        return self._combos.fair(ticker)

    def _adopt(self, listed: ListedEvent) -> None:
        """Take up an event."""
        opinion = Opinion(listed.model.probabilities(), self._last_ms)
        self._opinions[listed.event.ticker] = opinion
        for index, market in enumerate(listed.markets):
            seat = Seat(market.ticker, listed, index)
            opinion.seats.append(seat)
            self._seats.append(seat)
            self._unopened.append(seat)

    def _weigh(self) -> None:
        self._weights = list(accumulate(seat.listed.popularity for seat in self._seats))

    def _roll(self, now_ms: int) -> None:
        """Leave closed markets and take up the events that followed them."""
        self._next_roll_ms = now_ms + ROLL_EVERY_MS
        new = self._world.roll(self._exchange)
        markets = self._exchange.markets
        self._seats = [seat for seat in self._seats if markets[seat.ticker].close_ms > now_ms]
        for listed in new:
            self._adopt(listed)
        self._weigh()
        self._combos.look_around()

    def _turn(self, now_ms: int) -> None:
        random = self._random
        if not self._seats:
            return
        if random.randrange(COMBO_ONE_IN) == 0 and self._combos.turn(random):
            return
        seat = random.choices(self._seats, cum_weights=self._weights)[0]
        self._drift(seat.listed, now_ms)
        if random.randrange(NEWS_ONE_IN) == 0:
            self.news(seat.listed.event.ticker)
        elif random.randrange(TAKE_ONE_IN) == 0:
            random.choice(self._takers).take(seat.ticker, fair=self._fair(seat), random=random)
        else:
            random.choice(self._makers).quote(seat.ticker, fair=self._fair(seat), random=random, changes=TURN_CHANGES)

    def _drift(self, listed: ListedEvent, now_ms: int) -> None:
        opinion = self._opinions[listed.event.ticker]
        elapsed = now_ms - opinion.as_of_ms
        if elapsed > 0:
            listed.model.drift(self._random, hours=elapsed / HOUR_MS)
            opinion.probabilities = listed.model.probabilities()
            opinion.as_of_ms = now_ms

    def _fair(self, seat: Seat) -> int:
        return int(self._opinions[seat.listed.event.ticker].probabilities[seat.index] * DOLLAR_PRICE)

    def _fair_of(self, ticker: str) -> int | None:
        """What a market is worth in the bots' opinion; None when they have none (any more)."""
        market = self._exchange.markets[ticker]
        opinion = self._opinions.get(market.event_ticker)
        seats = () if opinion is None else opinion.seats
        return next((self._fair(seat) for seat in seats if seat.ticker == ticker), None)

    def _open_books(self, orders: int) -> None:
        """Fill empty books, about this many orders' worth (at least one book)."""
        while self._unopened:
            seat = self._unopened.popleft()
            for maker in self._makers:
                orders -= maker.quote(seat.ticker, fair=self._fair(seat), random=self._random, changes=1_000)
            if orders <= 0:
                break

    def _join(self, name: str) -> str:
        user_id = f"bot-{name}"
        if user_id not in self._exchange.members:  # after a restart it is there, with its money and positions
            self._exchange.add_member(
                name=name, user_id=user_id, cash_cents=BOT_CASH_CENTS, subaccounts=0, keeps_history=False
            )
        return user_id
