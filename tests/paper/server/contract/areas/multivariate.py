"""Combos: collections, markets created in them, look-ups, multivariate events."""

from apps.paper.testing import LINEAR
from tests.paper.server.combos import COLLECTION, MVE, PAIR, TRIPLE, list_collection, selected
from tests.paper.server.contract.world import Ask, World

LIST = "/multivariate_event_collections"
ONE = f"{LIST}/{{collection_ticker}}"
LOOKUP = f"{ONE}/lookup"
EVENTS = "/events/multivariate"
MINE = f"{LIST}/{COLLECTION}"
CLOSED = f"{LIST}/{COLLECTION}-CLOSED"
TWICE = {"selected_markets": selected(LINEAR, LINEAR)}


def prepare(world: World) -> None:
    list_collection(world.paper)
    now = world.paper.clock.now_ms()
    list_collection(world.paper, ticker=f"{COLLECTION}-CLOSED", close_ms=now)
    list_collection(world.paper, ticker=f"{COLLECTION}-LATER", open_ms=now + 1, is_ordered=True)
    with world.paper.client("trader-1") as client:
        answer = client.post(MINE, json=PAIR)
        assert client.put(f"{MINE}/lookup", json=PAIR).status_code == 200
    world.names["combo"] = answer.json()["market_ticker"]
    world.names["combo_event"] = answer.json()["event_ticker"]


REQUESTS = [
    Ask("GET", EVENTS, 200, f"{EVENTS}?with_nested_markets=true&limit=1", member=None),
    Ask("GET", EVENTS, 200, f"{EVENTS}?series_ticker={MVE}"),
    Ask("GET", EVENTS, 200, f"{EVENTS}?collection_ticker={COLLECTION}&with_nested_markets=true"),
    Ask("GET", EVENTS, 400, f"{EVENTS}?series_ticker={MVE}&collection_ticker={COLLECTION}"),
    Ask("GET", EVENTS, 400, f"{EVENTS}?limit=201"),
    Ask("GET", EVENTS, 400, f"{EVENTS}?cursor=nonsense"),
    Ask("GET", LIST, 200, member=None),
    Ask("GET", LIST, 200, f"{LIST}?status=open&series_ticker={MVE}&associated_event_ticker={{event}}&limit=1"),
    Ask("GET", LIST, 400, f"{LIST}?status=settled"),
    Ask("GET", LIST, 400, f"{LIST}?limit=0"),
    Ask("GET", ONE, 400, f"{LIST}/no ticker"),
    Ask("GET", ONE, 200, MINE, member=None),
    Ask("GET", ONE, 404, f"{LIST}/NONE"),
    Ask("POST", ONE, 200, MINE, PAIR),
    Ask("POST", ONE, 200, MINE, PAIR | {"with_market_payload": True}),
    Ask("POST", ONE, 200, MINE, TRIPLE | {"with_market_payload": True}),
    Ask("POST", ONE, 400, MINE, {}),
    Ask("POST", ONE, 400, MINE, {"selected_markets": [{"market_ticker": LINEAR, "side": "maybe"}]}),
    Ask("POST", ONE, 400, MINE, TWICE),
    Ask("POST", ONE, 400, CLOSED, PAIR),
    Ask("POST", ONE, 400, f"{LIST}/NONE", PAIR),
    Ask("PUT", LOOKUP, 200, f"{MINE}/lookup", PAIR),
    Ask("PUT", LOOKUP, 404, f"{MINE}/lookup", TRIPLE),
    Ask("PUT", LOOKUP, 404, f"{LIST}/NONE/lookup", PAIR),
    Ask("PUT", LOOKUP, 400, f"{CLOSED}/lookup", PAIR),
    Ask("PUT", LOOKUP, 400, f"{MINE}/lookup", TWICE),
    Ask("GET", LOOKUP, 200, f"{MINE}/lookup?lookback_seconds=10", member=None),
    Ask("GET", LOOKUP, 400, f"{MINE}/lookup"),
    Ask("GET", LOOKUP, 400, f"{MINE}/lookup?lookback_seconds=30"),
    Ask("GET", LOOKUP, 400, f"{LIST}/NONE/lookup?lookback_seconds=10"),
    Ask("GET", "/markets/{ticker}", 200, "/markets/{combo}"),
    Ask("GET", "/events/{event_ticker}", 200, "/events/{combo_event}"),
    Ask("GET", "/markets", 200, "/markets?mve_filter=only"),
    Ask("GET", "/markets/{ticker}/orderbook", 200, "/markets/{combo}/orderbook"),
]
