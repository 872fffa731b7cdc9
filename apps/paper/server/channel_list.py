"""Every channel that a session can subscribe to. A new one: a module with CHANNELS, and its line here."""

from apps.paper.server import lifecycle_channels, market_channels, multivariate_channels, private_channels
from apps.paper.server.channels import Channel

CHANNELS: tuple[Channel, ...] = (
    *market_channels.CHANNELS,
    *private_channels.CHANNELS,
    *lifecycle_channels.CHANNELS,
    *multivariate_channels.CHANNELS,
)
