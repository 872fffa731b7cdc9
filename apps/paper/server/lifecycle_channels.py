"""market_lifecycle_v2: steps in the life of markets."""

from apps.paper.engine.events import MarketLifecycle
from apps.paper.server.channels import Channel
from apps.paper.server.hub import Hub
from apps.paper.server.lifecycle import lifecycle_msg


def _step(hub: Hub, event: MarketLifecycle) -> None:
    channel = "market_lifecycle_v2"
    hub.publish(channel, channel, lambda: lifecycle_msg(event), ticker=event.market.ticker)


CHANNELS = (Channel("market_lifecycle_v2", on={MarketLifecycle: _step}),)
