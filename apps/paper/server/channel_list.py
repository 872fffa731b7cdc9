"""Every channel that a session can subscribe to. A new one: a module with CHANNELS, and its line here."""

from apps.paper.server import (
    communications_channels,
    lifecycle_channels,
    market_channels,
    multivariate_channels,
    private_channels,
)
from apps.paper.server.channels import Channel

_SAME_IN_ALL_EDITIONS: tuple[Channel, ...] = (
    *market_channels.CHANNELS,
    *private_channels.CHANNELS,
    *lifecycle_channels.CHANNELS,
    *multivariate_channels.CHANNELS,
)
CHANNELS = (*_SAME_IN_ALL_EDITIONS, *communications_channels.CHANNELS)
CHANNELS_3_28 = (*_SAME_IN_ALL_EDITIONS, *communications_channels.CHANNELS_3_28)
