"""What an FCM member reads of its subtraders."""

from tests.paper.server.contract.world import Ask, World
from tests.paper.server.orders import create

REQUESTS = [
    Ask(
        "GET", "/fcm/orders", 200, "/fcm/orders?subtrader_id=client-a&status=resting&event_ticker={event}", member="fcm"
    ),
    Ask("GET", "/fcm/orders", 400, member="fcm"),
    Ask("GET", "/fcm/orders", 404, "/fcm/orders?subtrader_id=nobody", member="fcm"),
    Ask("GET", "/fcm/orders", 404, "/fcm/orders?subtrader_id=client-a"),
    Ask("GET", "/fcm/positions", 200, "/fcm/positions?subtrader_id=client-a&settlement_status=all", member="fcm"),
    Ask("GET", "/fcm/positions", 400, "/fcm/positions?subtrader_id=client-a&settlement_status=open", member="fcm"),
    Ask("GET", "/fcm/positions", 404, "/fcm/positions?subtrader_id=client-a"),
]


def prepare(world: World) -> None:
    """client-a holds something and has an order resting."""
    with world.paper.client("fcm") as client:
        create(client, price="0.5600", count="3.00", subaccount=1)
        create(client, price="0.3500", count="3.00", subaccount=1)
