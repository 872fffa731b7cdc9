"""The desk of the order tests, and its exchange."""

from tests.orders.conftest import commits, exchange, place, published, queued

__all__ = ["commits", "exchange", "place", "published", "queued"]
