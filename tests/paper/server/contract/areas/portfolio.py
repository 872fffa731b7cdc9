"""A member's own things: balance, payments, positions, orders, fills, settlements, subaccounts."""

from uuid import uuid4

from tests.paper.server.contract.world import Ask, World

SUBACCOUNTS = "/portfolio/subaccounts"


def transfer_body(**over: object) -> dict[str, object]:
    return {
        "client_transfer_id": str(uuid4()),
        "from_subaccount": 0,
        "to_subaccount": 1,
        "amount_cents": 100,
    } | over


REQUESTS = [
    Ask("GET", "/portfolio/balance", 200),
    Ask("GET", "/portfolio/balance", 200, "/portfolio/balance?subaccount=1"),
    Ask("GET", "/portfolio/deposits", 200),
    Ask("GET", "/portfolio/deposits", 400, "/portfolio/deposits?limit=501"),
    Ask("GET", "/portfolio/withdrawals", 200),
    Ask("GET", "/portfolio/withdrawals", 400, "/portfolio/withdrawals?cursor=none"),
    Ask("GET", "/portfolio/positions", 200),
    Ask("GET", "/portfolio/positions", 400, "/portfolio/positions?count_filter=resting_order_count"),
    Ask("GET", "/portfolio/orders", 200),
    Ask("GET", "/portfolio/orders", 400, "/portfolio/orders?status=pending"),
    Ask("GET", "/portfolio/orders/{order_id}", 200, "/portfolio/orders/{resting}"),
    Ask("GET", "/portfolio/orders/{order_id}", 404, "/portfolio/orders/none"),
    Ask("GET", "/portfolio/orders/{order_id}/queue_position", 200, "/portfolio/orders/{resting}/queue_position"),
    Ask("GET", "/portfolio/orders/{order_id}/queue_position", 404, "/portfolio/orders/{filled}/queue_position"),
    Ask("GET", "/portfolio/orders/queue_positions", 200),
    Ask("GET", "/portfolio/orders/queue_positions", 400, "/portfolio/orders/queue_positions?subaccount=x"),
    Ask("GET", "/portfolio/fills", 200),
    Ask("GET", "/portfolio/fills", 400, "/portfolio/fills?limit=1001"),
    Ask("GET", "/portfolio/summary/total_resting_order_value", 200),
    Ask("GET", "/portfolio/settlements", 200),
    Ask("GET", "/portfolio/settlements", 400, "/portfolio/settlements?min_ts=soon"),
    Ask("POST", SUBACCOUNTS, 201),
    Ask("POST", SUBACCOUNTS, 400, member="trader-2"),
    Ask("GET", f"{SUBACCOUNTS}/balances", 200),
    Ask("POST", f"{SUBACCOUNTS}/transfer", 200, body=lambda world: transfer_body()),
    Ask("POST", f"{SUBACCOUNTS}/transfer", 400, body=lambda world: transfer_body(to_subaccount=0)),
    Ask("POST", f"{SUBACCOUNTS}/transfer", 400, body=lambda world: transfer_body(client_transfer_id="no uuid")),
    Ask("GET", f"{SUBACCOUNTS}/transfers", 200),
    Ask("GET", f"{SUBACCOUNTS}/netting", 200),
    Ask("PUT", f"{SUBACCOUNTS}/netting", 200, body={"subaccount_number": 2, "enabled": False}),
    Ask("PUT", f"{SUBACCOUNTS}/netting", 400, body={"subaccount_number": 9, "enabled": False}),
]


def prepare(world: World) -> None:
    """Payments in every state, and a transfer."""
    for kind in ("deposit", "withdrawal"):
        for status in ("pending", "applied", "failed", "returned"):
            body = {"member": "trader-1", "kind": kind, "amount_cents": 5_000, "fee_cents": 25, "status": status}
            world.paper.control("POST", "/payment", body)
    with world.paper.client("trader-1") as client:
        assert client.post(f"{SUBACCOUNTS}/transfer", json=transfer_body()).status_code == 200
