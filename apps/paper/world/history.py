"""An invented past: trades with the quotes around them, so that charts and tapes are not empty on the first day."""

from dataclasses import dataclass
from random import Random

from apps.paper.engine.candles import MINUTE_MS, Tick
from apps.paper.engine.catalogue import Market
from apps.paper.engine.grids import snap, step_at
from apps.paper.engine.units import CONTRACT, DOLLAR_PRICE
from apps.paper.world.listing import HOUR_MS, ListedEvent

SIZES = (1, 2, 5, 10, 10, 20, 25, 40, 50, 75, 100, 100, 150, 250, 500)


@dataclass(frozen=True, slots=True)
class Past:
    """How much past to invent."""

    hours: int
    steps: int  # moves of the fair values over those hours
    trades: int  # per market


def past_of_event(listed: ListedEvent, *, past: Past, start_ms: int, random: Random) -> dict[str, list[Tick]]:
    """Ticks per market, oldest first, all before the minute of `start_ms`; leaves the model where the past ends."""
    path = []
    for _ in range(past.steps):
        listed.model.drift(random, hours=past.hours / past.steps)
        path.append(listed.model.probabilities())
    end_ms = start_ms // MINUTE_MS * MINUTE_MS - MINUTE_MS
    begin_ms = end_ms - past.hours * HOUR_MS
    return {
        market.ticker: _ticks(
            market, [chances[index] for chances in path], begin_ms=begin_ms, end_ms=end_ms, past=past, random=random
        )
        for index, market in enumerate(listed.markets)
    }


def _ticks(market: Market, path: list[float], *, begin_ms: int, end_ms: int, past: Past, random: Random) -> list[Tick]:
    draw = random.random
    span = end_ms - begin_ms
    # The square root makes recent hours livelier than old ones.
    times = sorted(begin_ms + int(span * draw() ** 0.7) for _ in range(past.trades))
    ranges = market.price_ranges
    interest = 0
    ticks = []
    for ts_ms in times:
        fair = int(path[min(len(path) - 1, (ts_ms - begin_ms) * len(path) // span)] * DOLLAR_PRICE)
        bid = snap(ranges, fair - int(step_at(ranges, fair) * draw() * 1.5))
        ask = bid + step_at(ranges, bid)
        if draw() < 0.3:
            ask += step_at(ranges, ask)
        if ask >= DOLLAR_PRICE:
            ask = DOLLAR_PRICE - step_at(ranges, DOLLAR_PRICE - 1)
            bid = snap(ranges, ask - 1)
        count = SIZES[int(draw() * len(SIZES))] * CONTRACT
        if draw() < 0.05:
            count += int(draw() * 99)
        if draw() < 0.65:
            interest += count
        else:
            interest = max(0, interest - count)
        ticks.append(Tick(ts_ms, ask if draw() < 0.5 else bid, count, bid, ask, interest))
    return ticks
