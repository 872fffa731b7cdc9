"""Operations of the exchange as functions: `orders` writes, `portfolio` and `markets` read.

Each takes an `ExchangeClient` first and returns structs of `wire.schemas.rest`.
"""

from apps.exchange.wire.api.markets import (
    get_candlesticks,
    get_event,
    get_events,
    get_exchange_status,
    get_market,
    get_markets,
    get_orderbook,
    get_series,
    get_series_list,
    get_trades,
    get_user_data_timestamp,
)
from apps.exchange.wire.api.orders import (
    NewOrder,
    Outcome,
    amend_order,
    cancel_order,
    cancel_orders,
    create_order,
    create_order_ahead,
    create_order_sign,
    create_orders,
    decrease_order,
)
from apps.exchange.wire.api.portfolio import (
    get_api_keys,
    get_balance,
    get_endpoint_costs,
    get_fills,
    get_limits,
    get_order,
    get_orders,
    get_positions,
    get_queue_positions,
)

__all__ = [
    "NewOrder",
    "Outcome",
    "amend_order",
    "cancel_order",
    "cancel_orders",
    "create_order",
    "create_order_ahead",
    "create_order_sign",
    "create_orders",
    "decrease_order",
    "get_api_keys",
    "get_balance",
    "get_candlesticks",
    "get_endpoint_costs",
    "get_event",
    "get_events",
    "get_exchange_status",
    "get_fills",
    "get_limits",
    "get_market",
    "get_markets",
    "get_order",
    "get_orderbook",
    "get_orders",
    "get_positions",
    "get_queue_positions",
    "get_series",
    "get_series_list",
    "get_trades",
    "get_user_data_timestamp",
]
