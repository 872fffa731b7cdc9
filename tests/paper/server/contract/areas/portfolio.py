"""Reads of a member's own things."""

from tests.paper.server.contract.world import Ask

REQUESTS = [
    Ask("GET", "/portfolio/balance", 200),
    Ask("GET", "/portfolio/positions", 200),
    Ask("GET", "/portfolio/orders", 200),
    Ask("GET", "/portfolio/orders/{order_id}", 200, "/portfolio/orders/{resting}"),
    Ask("GET", "/portfolio/orders/{order_id}", 404, "/portfolio/orders/none"),
    Ask("GET", "/portfolio/orders/{order_id}/queue_position", 200, "/portfolio/orders/{resting}/queue_position"),
    Ask("GET", "/portfolio/orders/queue_positions", 200),
    Ask("GET", "/portfolio/fills", 200),
    Ask("GET", "/portfolio/summary/total_resting_order_value", 200),
    Ask("GET", "/portfolio/settlements", 200),
]
