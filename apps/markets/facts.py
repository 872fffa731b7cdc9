"""The topic `market:<env>:<ticker>`: what a page must know about its market beside prices, as the catalogue has it.

Frame (whole): `status`, `close_ms` (Unix ms or null), `result` ("yes" | "no" | "scalar" | "void" | "", or a newer
word), `settlement_value` (dollars per YES contract, or null), `price_ranges` [{"start", "end", "step"}]: the grid.
It is published when one of them changes, so that a page rebuilds its prices without being loaded again.
"""

from collections.abc import Collection, Iterable
from typing import Any

from apps.core import ports
from apps.core.money import format_price
from apps.core.permissions import Permission
from apps.core.timestamps import to_unix_ms
from apps.core.topics import TopicName
from apps.exchange import live
from apps.markets.models import Market

Frame = dict[str, Any]
COLUMNS = ("ticker", "status", "close_time", "result", "settlement_value", "price_ranges")


def register() -> None:
    ports.register_topic(
        ports.Topic("market", Permission.MARKET_VIEW, scope="environment", mode="whole", state=market_state)
    )


def market_state(topic: TopicName) -> Frame | None:
    return facts_of(topic.scope, [topic.name]).get(topic.name)


def facts_of(environment: str, tickers: Collection[str]) -> dict[str, Frame]:
    """Return the frame of each market that is stored, by ticker."""
    stored = Market.objects.filter(environment=environment, ticker__in=tickers)
    return {values["ticker"]: _frame(values) for values in stored.values(*COLUMNS)}


def facts_publish(environment: str, tickers: Iterable[str]) -> None:
    """Publish these markets as they are after the commit."""
    for ticker in tickers:
        topic = TopicName("market", environment, ticker)
        live.publish_on_commit(str(topic), lambda topic=topic: market_state(topic) or {})  # type: ignore[misc]


def _frame(values: dict[str, Any]) -> Frame:
    close, value = values["close_time"], values["settlement_value"]
    return {
        "status": values["status"],
        "close_ms": None if close is None else to_unix_ms(close),
        "result": values["result"],
        "settlement_value": None if value is None else format_price(value),
        "price_ranges": values["price_ranges"],
    }
