"""The historical tier, with everything that has happened moved there."""

from apps.paper.testing import LINEAR, LINEAR_2
from tests.paper.server.contract.world import Ask, World

FILLS, ORDERS, TRADES, MARKETS = (f"/historical/{name}" for name in ("fills", "orders", "trades", "markets"))
ONE = f"{MARKETS}/{{ticker}}"
CANDLES = f"{ONE}/candlesticks"

REQUESTS = [
    Ask("GET", "/historical/cutoff", 200, member=None),
    Ask("GET", FILLS, 200),
    Ask("GET", FILLS, 200, f"{FILLS}?limit=1&ticker={LINEAR}"),
    Ask("GET", FILLS, 400, f"{FILLS}?limit=0"),
    Ask("GET", FILLS, 400, f"{FILLS}?cursor=none"),
    Ask("GET", FILLS, 404, f"{FILLS}?ticker=NONE"),
    Ask("GET", ORDERS, 200),
    Ask("GET", ORDERS, 400, f"{ORDERS}?max_ts=soon"),
    Ask("GET", TRADES, 200, member=None),
    Ask("GET", TRADES, 400, f"{TRADES}?limit=1001", member=None),
    Ask("GET", TRADES, 404, f"{TRADES}?ticker=NONE", member=None),
    Ask("GET", MARKETS, 200, member=None),
    Ask("GET", MARKETS, 200, f"{MARKETS}?event_ticker={{event}}", member=None),
    Ask("GET", MARKETS, 400, f"{MARKETS}?event_ticker={{event}}&series_ticker={{series}}", member=None),
    Ask("GET", ONE, 200, f"{MARKETS}/{{settled}}", member=None),
    Ask("GET", ONE, 404, f"{MARKETS}/{{linear}}", member=None),
    Ask("GET", CANDLES, 200, f"{MARKETS}/{{settled}}/candlesticks?{{span}}", member=None),
    Ask("GET", CANDLES, 400, f"{MARKETS}/{{settled}}/candlesticks?start_ts=0", member=None),
    Ask("GET", CANDLES, 404, f"{MARKETS}/{{linear}}/candlesticks?{{span}}", member=None),
]


def prepare(world: World) -> None:
    """Everything is older than the cutoffs."""
    world.paper.clock.step(1_000)
    world.paper.control("POST", "/history", {"age_ms": 0, "step_ms": 1})
    with world.paper.client() as client:
        assert client.get(f"/markets/{LINEAR_2}").status_code == 404
