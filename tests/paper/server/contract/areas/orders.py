"""Orders of the V2 and of the legacy paths."""

from apps.paper.testing import LINEAR
from tests.paper.server.contract.world import Ask, World
from tests.paper.server.orders import ORDERS, create, order_body

ONE = f"{ORDERS}/{{order_id}}"
BATCH = f"{ORDERS}/batched"
AMENDED = {"ticker": LINEAR, "side": "bid", "price": "0.4200", "count": "6.00"}

LEGACY = "/portfolio/orders"
LEGACY_ONE = f"{LEGACY}/{{order_id}}"
LEGACY_BATCH = f"{LEGACY}/batched"
LEGACY_BODY = {"ticker": LINEAR, "side": "no", "action": "sell", "count": 3, "yes_price": 56}
LEGACY_AMENDED = {"ticker": LINEAR, "side": "yes", "action": "buy", "yes_price": 42, "count": 6}


def prepare(world: World) -> None:
    """An order that rests no more."""
    with world.paper.client("trader-1") as client:
        world.names["cancelled"] = create(client, price="0.0100").json()["order_id"]
        client.delete(f"{ORDERS}/{world.names['cancelled']}")


REQUESTS = [
    Ask("POST", ORDERS, 201, body=order_body(price="0.5600")),
    Ask("POST", ORDERS, 400, body=order_body(price="0.5650")),
    Ask("POST", ORDERS, 400, body=order_body(ticker="NONE")),
    Ask("POST", ORDERS, 401, body=order_body(), member=None),
    Ask("POST", ORDERS, 409, body=order_body(price="0.9900", count="900.00", time_in_force="fill_or_kill")),
    Ask("POST", BATCH, 201, body={"orders": [order_body(), order_body(price="2")]}),
    Ask("POST", BATCH, 400, body={"orders": []}),
    Ask("POST", BATCH, 401, body={"orders": []}, member=None),
    Ask("POST", BATCH, 403, body={"orders": []}, member="reader"),
    Ask("POST", f"{ONE}/amend", 200, f"{ORDERS}/{{resting}}/amend", AMENDED),
    Ask("POST", f"{ONE}/amend", 400, f"{ORDERS}/{{resting}}/amend", AMENDED | {"side": "ask"}),
    Ask("POST", f"{ONE}/amend", 401, f"{ORDERS}/{{resting}}/amend", AMENDED, member=None),
    Ask("POST", f"{ONE}/amend", 404, f"{ORDERS}/{{cancelled}}/amend", AMENDED),
    Ask("POST", f"{ONE}/decrease", 200, f"{ORDERS}/{{resting}}/decrease", {"reduce_by": "1.00"}),
    Ask("POST", f"{ONE}/decrease", 400, f"{ORDERS}/{{resting}}/decrease", {}),
    Ask("POST", f"{ONE}/decrease", 401, f"{ORDERS}/{{resting}}/decrease", {}, member=None),
    Ask("POST", f"{ONE}/decrease", 404, f"{ORDERS}/{{cancelled}}/decrease", {"reduce_to": "1"}),
    Ask("DELETE", ONE, 200, f"{ORDERS}/{{resting}}"),
    Ask("DELETE", ONE, 401, f"{ORDERS}/{{resting}}", member=None),
    Ask("DELETE", ONE, 404, f"{ORDERS}/none"),
    Ask("DELETE", BATCH, 200, body={"orders": [{"order_id": "none"}, {"order_id": "also none"}]}),
    Ask("DELETE", BATCH, 400, body={"orders": [{}]}),
    Ask("DELETE", BATCH, 401, body={"orders": []}, member=None),
    Ask("DELETE", BATCH, 403, body={"orders": []}, member="reader"),
    # The legacy paths
    Ask("POST", LEGACY, 201, body=LEGACY_BODY),
    Ask("POST", LEGACY, 201, body=LEGACY_BODY | {"time_in_force": "immediate_or_cancel", "yes_price": 30}),
    Ask("POST", LEGACY, 400, body=LEGACY_BODY | {"count_fp": "4.00"}),
    Ask("POST", LEGACY, 401, body=LEGACY_BODY, member=None),
    Ask("POST", LEGACY, 409, body=LEGACY_BODY | {"count": 900, "buy_max_cost": 5, "side": "yes", "action": "buy"}),
    Ask("POST", LEGACY_BATCH, 201, body={"orders": [LEGACY_BODY, LEGACY_BODY | {"count": None}]}),
    Ask("POST", LEGACY_BATCH, 400, body={"orders": "none"}),
    Ask("POST", LEGACY_BATCH, 401, body={"orders": []}, member=None),
    Ask("POST", LEGACY_BATCH, 403, body={"orders": []}, member="reader"),
    Ask("POST", f"{LEGACY_ONE}/amend", 200, f"{LEGACY}/{{resting}}/amend", LEGACY_AMENDED),
    Ask("POST", f"{LEGACY_ONE}/amend", 400, f"{LEGACY}/{{resting}}/amend", LEGACY_AMENDED | {"side": "no"}),
    Ask("POST", f"{LEGACY_ONE}/amend", 401, f"{LEGACY}/{{resting}}/amend", LEGACY_AMENDED, member=None),
    Ask("POST", f"{LEGACY_ONE}/amend", 404, f"{LEGACY}/none/amend", LEGACY_AMENDED),
    Ask("POST", f"{LEGACY_ONE}/decrease", 200, f"{LEGACY}/{{resting}}/decrease", {"reduce_to": 2}),
    Ask("POST", f"{LEGACY_ONE}/decrease", 400, f"{LEGACY}/{{resting}}/decrease", {"reduce_to": 2, "reduce_by": 2}),
    Ask("POST", f"{LEGACY_ONE}/decrease", 401, f"{LEGACY}/{{resting}}/decrease", {}, member=None),
    Ask("POST", f"{LEGACY_ONE}/decrease", 404, f"{LEGACY}/{{cancelled}}/decrease", {"reduce_by": 1}),
    Ask("DELETE", LEGACY_ONE, 200, f"{LEGACY}/{{resting}}"),
    Ask("DELETE", LEGACY_ONE, 401, f"{LEGACY}/{{resting}}", member=None),
    Ask("DELETE", LEGACY_ONE, 404, f"{LEGACY}/{{cancelled}}"),
    Ask("DELETE", LEGACY_BATCH, 200, body={"ids": ["none", "also none"]}),
    Ask("DELETE", LEGACY_BATCH, 400, body={}),
    Ask("DELETE", LEGACY_BATCH, 401, body={"ids": ["none"]}, member=None),
    Ask("DELETE", LEGACY_BATCH, 403, body={"ids": ["none"]}, member="reader"),
]
