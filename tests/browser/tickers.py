"""The markets of the journeys. The paper world names an event by the month in which it closes, so the day decides."""

import time
from random import Random

from apps.paper.world.build import BY_TICKER
from apps.paper.world.listing import make_event


def _first_event(series: str) -> str:
    now_ms = time.time_ns() // 1_000_000
    return make_event(BY_TICKER[series], index=0, start_ms=now_ms, random=Random(0)).event.ticker


# The strikes do not depend on the day: T3.25 to T4.50; T2.6 to T3.1; T1.0 to T3.0 in halves, with tapered steps.
FED = _first_event("KXFED")
INFLATION = _first_event("KXCPIYOY")
GROWTH = _first_event("KXGDPNOM")
# Three markets that exclude each other: -D, -R, -I.
PARTY = _first_event("KXPRESPARTY")
