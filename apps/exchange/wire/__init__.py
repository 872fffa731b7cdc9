"""Kalshi on the wire: signing port, REST client, WebSocket session, limiter, errors, schemas.

No Django in here: settings, rows and keys are handed in by `apps.exchange.clients` and the gateway.
"""
