"""Events around the tradable ones: some over and settled yesterday, one not open yet."""

from random import Random

from apps.paper.engine.units import DOLLAR_PRICE
from apps.paper.world.listing import HOUR_MS, ListedEvent, make_event
from apps.paper.world.templates import Template

SETTLED = ("KXHIGHNY", "KXRAINNYC")
UNOPENED = "KXEPLGAME"


def settled_event(template: Template, *, start_ms: int, random: Random) -> ListedEvent:
    """The daily event that closed last midnight (UTC), with its result."""
    listed = make_event(template, index=-2, start_ms=start_ms, random=random)
    winner = random.choices(range(len(listed.markets)), weights=listed.model.probabilities())[0]
    if len(listed.markets) == 1:
        winner = 0 if random.random() < listed.model.probabilities()[0] else 1
    for index, market in enumerate(listed.markets):
        market.status = "finalized"
        market.result = "yes" if index == winner else "no"
        market.settlement_value = DOLLAR_PRICE if index == winner else 0
        market.settled_ms = market.updated_ms = market.occurrence_ms = market.close_ms + HOUR_MS // 2
        market.expiration_value = listed.markets[winner].yes_sub_title if winner < len(listed.markets) else "No"
    return listed


def unopened_event(template: Template, *, index: int, start_ms: int, random: Random) -> ListedEvent:
    """An event that opens for trading an hour after the world starts."""
    listed = make_event(template, index=index, start_ms=start_ms, random=random)
    for market in listed.markets:
        market.status = "initialized"
        market.created_ms = market.updated_ms = start_ms
        market.open_ms = (start_ms // HOUR_MS + 1) * HOUR_MS
    return listed
