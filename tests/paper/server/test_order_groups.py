"""Order groups over REST and their channel."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.paper.testing import LINEAR, LINEAR_2, InProcessPaper
from tests.paper.server.orders import ORDERS, create, order_body

GROUPS = "/portfolio/order_groups"


def make(client: httpx.Client, **body: Any) -> str:
    answer = client.post(f"{GROUPS}/create", json=body or {"contracts_limit": 10})
    assert answer.status_code == 201, answer.text
    group_id: str = answer.json()["order_group_id"]
    return group_id


def told(frames: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(f["seq"], f["msg"]["event_type"], f["msg"].get("contracts_limit_fp")) for f in frames if "seq" in f]


def test_a_group_lives_from_create_to_delete(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client:
        group_id = make(client, contracts_limit_fp="2.50", subaccount=1)
        one = client.get(f"{GROUPS}/{group_id}").json()
        assert one == {"contracts_limit_fp": "2.50", "is_auto_cancel_enabled": True, "orders": []}
        assert client.get(f"{GROUPS}?subaccount=0").json() == {"order_groups": []}
        assert [row["id"] for row in client.get(GROUPS).json()["order_groups"]] == [group_id]
        # The limit call has no subaccount; the others mean 0 when they name none.
        assert client.put(f"{GROUPS}/{group_id}/limit", json={"contracts_limit": 7}).json() == {}
        assert client.put(f"{GROUPS}/{group_id}/reset", json={}).status_code == 404
        assert client.put(f"{GROUPS}/{group_id}/reset?subaccount=1").json() == {}
        assert client.put(f"{GROUPS}/{group_id}/trigger?subaccount=1", json={}).json() == {}
        assert client.delete(f"{GROUPS}/{group_id}").status_code == 404
        assert client.delete(f"{GROUPS}/{group_id}?subaccount=1").json() == {}
        assert client.get(f"{GROUPS}/{group_id}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"subaccount": 0},
        {"contracts_limit": 0},
        {"contracts_limit": 1_000_001},
        {"contracts_limit": 5, "contracts_limit_fp": "6.00"},
        {"contracts_limit_fp": "five"},
        {"contracts_limit": 5, "subaccount": 9},
    ],
)
def test_a_limit_that_says_nothing_or_two_things_is_refused(paper: InProcessPaper, body: dict[str, Any]) -> None:
    with paper.client("trader-1") as client:
        answer = client.post(f"{GROUPS}/create", json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameters")


def test_orders_join_by_create_and_batch_and_die_together(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client, paper.client("maker") as maker:
        group_id = make(client)
        first = create(client, order_group_id=group_id).json()["order_id"]
        items = [order_body(order_group_id=group_id, ticker=LINEAR_2), order_body(order_group_id="none")]
        rows = client.post(f"{ORDERS}/batched", json={"orders": items}).json()["orders"]
        assert rows[1]["error"]["code"] == "order_group_not_found"
        assert client.get(f"{GROUPS}/{group_id}").json()["orders"] == [first, rows[0]["order_id"]]

        create(maker, side="ask", count="10.00")

        assert client.get(f"{GROUPS}/{group_id}").json()["orders"] == []
        order = client.get(f"/portfolio/orders/{rows[0]['order_id']}").json()["order"]
        assert (order["status"], order["order_group_id"]) == ("canceled", group_id)
        refused = client.post(ORDERS, json=order_body(order_group_id=group_id))
        assert (refused.status_code, refused.json()["details"]) == (400, "EXCEEDED_ORDER_GROUP_RISK_LIMIT")
        client.put(f"{GROUPS}/{group_id}/reset", json={})
        assert create(client, order_group_id=group_id).status_code == 201


def test_the_channel_tells_each_step_in_order_with_its_own_numbers(paper: InProcessPaper, reference: Path) -> None:
    socket = paper.socket("trader-1")
    stranger = paper.socket("trader-2")
    (reply,) = socket.send("subscribe", channels=["order_group_updates"], market_tickers=[LINEAR])
    assert reply["type"] == "subscribed"
    stranger.send("subscribe", channels=["order_group_updates"])
    with paper.client("trader-1") as client, paper.client("maker") as maker:
        group_id = make(client)
        create(client, order_group_id=group_id, count="20.00")
        create(maker, side="ask", count="4.00")
        client.put(f"{GROUPS}/{group_id}/limit", json={"contracts_limit": 4})
        client.put(f"{GROUPS}/{group_id}/reset", json={})
        client.delete(f"{GROUPS}/{group_id}")

    frames = socket.take()

    assert told(frames) == [
        (1, "created", "10.00"),
        (2, "limit_updated", "4.00"),
        (3, "triggered", None),
        (4, "reset", None),
        (5, "deleted", None),
    ]
    assert {frame["type"] for frame in frames} == {"order_group_updates"}
    assert all(set(f["msg"]) - {"contracts_limit_fp"} == {"event_type", "order_group_id", "ts_ms"} for f in frames)
    assert stranger.texts == []


def test_the_trigger_rule_is_a_switch(paper: InProcessPaper) -> None:
    assert paper.control("POST", "/orders", {"group_triggers_at": "exceeded"})["group_triggers_at"] == "exceeded"
    with paper.client("trader-1") as client, paper.client("maker") as maker:
        group_id = make(client)
        create(client, order_group_id=group_id, count="20.00")
        create(maker, side="ask", count="10.00")

        assert len(client.get(f"{GROUPS}/{group_id}").json()["orders"]) == 1


def test_reads_of_groups_need_a_signature_and_changes_the_write_scope(paper: InProcessPaper) -> None:
    with paper.client() as nobody, paper.client("reader") as reader:
        assert nobody.get(GROUPS).status_code == 401
        assert reader.get(GROUPS).status_code == 200
        assert reader.post(f"{GROUPS}/create", json={"contracts_limit": 1}).status_code == 403
