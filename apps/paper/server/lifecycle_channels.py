"""market_lifecycle_v2: steps in the life of markets, and new events; all but those of combos."""

from apps.paper.engine.events import EventListed, MarketLifecycle
from apps.paper.server.channels import Channel
from apps.paper.server.hub import Hub
from apps.paper.server.lifecycle import event_msg, lifecycle_msg

NAME = "market_lifecycle_v2"


def _step(hub: Hub, event: MarketLifecycle) -> None:
    if not event.market.is_combo:
        hub.publish(NAME, NAME, lambda: lifecycle_msg(event), ticker=event.market.ticker)


def _new_event(hub: Hub, event: EventListed) -> None:
    if event.event.collection_ticker is None:
        hub.publish(NAME, "event_lifecycle", lambda: event_msg(event.event))


CHANNELS = (Channel(NAME, on={MarketLifecycle: _step, EventListed: _new_event}),)
