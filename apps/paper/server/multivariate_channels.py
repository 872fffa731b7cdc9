"""multivariate_market_lifecycle: lives of combos and their events. multivariate (deprecated): look-ups of combos."""

from apps.paper.engine.events import ComboLookedUp, EventListed, MarketLifecycle
from apps.paper.server.channels import Channel
from apps.paper.server.hub import Hub
from apps.paper.server.lifecycle import event_msg, lifecycle_msg
from apps.paper.server.messages import encode_msg
from apps.paper.server.rest_multivariate import selected_json
from apps.paper.server.shapes import Json

LIFECYCLE = "multivariate_market_lifecycle"
LOOKUPS = "multivariate"
# Steps that this channel does not tell (docs: market_lifecycle, WebSocket).
UNTOLD = ("price_level_structure_updated", "metadata_updated")


def _step(hub: Hub, event: MarketLifecycle) -> None:
    if event.market.is_combo and event.type not in UNTOLD:
        hub.publish(LIFECYCLE, LIFECYCLE, lambda: lifecycle_msg(event), ticker=event.market.ticker)


def _new_event(hub: Hub, event: EventListed) -> None:
    if event.event.collection_ticker is not None:
        hub.publish(LIFECYCLE, "event_lifecycle", lambda: event_msg(event.event))


def _looked_up(hub: Hub, event: ComboLookedUp) -> None:
    def encode() -> str:
        market = event.market
        msg: Json = {
            "collection_ticker": market.collection_ticker,
            "event_ticker": market.event_ticker,
            "market_ticker": market.ticker,
            "selected_markets": selected_json(market),
        }
        return encode_msg(msg)

    hub.publish(LOOKUPS, "multivariate_lookup", encode, ticker=event.market.ticker)


CHANNELS = (
    Channel(LIFECYCLE, on={MarketLifecycle: _step, EventListed: _new_event}),
    Channel(LOOKUPS, on={ComboLookedUp: _looked_up}),
)
