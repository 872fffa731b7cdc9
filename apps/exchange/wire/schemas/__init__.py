"""Typed messages of the exchange: `ws` (WebSocket), `rest` (answers), `decode` (from bytes)."""

from apps.exchange.wire.schemas.base import Wire, build, report_unknown_to
from apps.exchange.wire.schemas.decode import FrameUnusable, Message, decode
from apps.exchange.wire.schemas.ws import (
    EventLifecycle,
    Fill,
    MarketLifecycle,
    MarketPosition,
    OrderGroupUpdate,
    Ticker,
    Trade,
    UnknownMessage,
    UserOrder,
)

__all__ = [
    "EventLifecycle",
    "Fill",
    "FrameUnusable",
    "MarketLifecycle",
    "MarketPosition",
    "Message",
    "OrderGroupUpdate",
    "Ticker",
    "Trade",
    "UnknownMessage",
    "UserOrder",
    "Wire",
    "build",
    "decode",
    "report_unknown_to",
]
