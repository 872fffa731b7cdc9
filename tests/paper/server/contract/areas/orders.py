"""Orders of the V2 paths."""

from apps.paper.testing import LINEAR
from tests.paper.server.contract.world import Ask
from tests.paper.server.orders import ORDERS, order_body

ONE = f"{ORDERS}/{{order_id}}"
BATCH = f"{ORDERS}/batched"
AMENDED = {"ticker": LINEAR, "side": "bid", "price": "0.4200", "count": "6.00"}

REQUESTS = [
    Ask("POST", ORDERS, 201, body=order_body(price="0.5600")),
    Ask("POST", ORDERS, 400, body=order_body(price="0.5650")),
    Ask("POST", BATCH, 201, body={"orders": [order_body(), order_body(price="2")]}),
    Ask("POST", BATCH, 403, body={"orders": []}, member="reader"),
    Ask("POST", f"{ONE}/amend", 200, f"{ORDERS}/{{resting}}/amend", AMENDED),
    Ask("POST", f"{ONE}/decrease", 200, f"{ORDERS}/{{resting}}/decrease", {"reduce_by": "1.00"}),
    Ask("DELETE", ONE, 200, f"{ORDERS}/{{resting}}"),
    Ask("DELETE", ONE, 404, f"{ORDERS}/none"),
    Ask("DELETE", BATCH, 200, body={"orders": [{"order_id": "none"}, {"order_id": "also none"}]}),
]
