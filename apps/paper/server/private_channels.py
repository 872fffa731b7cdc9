"""What a member is told about own orders: fill, user_orders, market_positions, order_group_updates."""

from apps.paper.engine.events import OrderChanged, OrderGroupChanged, PositionChanged
from apps.paper.engine.orders import Fill
from apps.paper.server import messages
from apps.paper.server.channels import MARKET_ACTIONS, Channel
from apps.paper.server.hub import Hub


def _fill(hub: Hub, fill: Fill) -> None:
    hub.publish("fill", "fill", lambda: messages.fill_msg(fill), ticker=fill.ticker, user_ids=(fill.user_id,))


def _order(hub: Hub, event: OrderChanged) -> None:
    order = event.order
    hub.publish(
        "user_orders",
        "user_order",
        lambda: messages.user_order_msg(order),
        ticker=order.ticker,
        user_ids=(order.user_id,),
    )


def _position(hub: Hub, event: PositionChanged) -> None:
    position = event.position
    hub.publish(
        "market_positions",
        "market_position",
        lambda: messages.market_position_msg(position),
        ticker=position.ticker,
        user_ids=(position.user_id,),
    )


def _order_group(hub: Hub, event: OrderGroupChanged) -> None:
    if event.step != "matched":
        channel = "order_group_updates"
        hub.publish(channel, channel, lambda: messages.order_group_msg(event), user_ids=(event.group.user_id,))


CHANNELS = (
    Channel("fill", private=True, markets="optional", actions=MARKET_ACTIONS, on={Fill: _fill}),
    Channel("user_orders", private=True, markets="optional", actions=MARKET_ACTIONS, on={OrderChanged: _order}),
    Channel(
        "market_positions", private=True, markets="optional", actions=MARKET_ACTIONS, on={PositionChanged: _position}
    ),
    Channel("order_group_updates", private=True, numbered=True, on={OrderGroupChanged: _order_group}),
)
