"""The process that holds the WebSocket connections to the exchange. See docs/architecture.md, path 1.

`runner` follows accounts and keys, `market_feed` serves one environment's market data, `account_feed`
one account's private channels, `inbox` hands messages to the apps in one database thread, and
`lease` keeps a second gateway waiting.
"""

from apps.exchange.gateway.runner import Gateway

__all__ = ["Gateway"]
