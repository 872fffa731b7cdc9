"""Subaccounts, transfers and payments over REST."""

from uuid import uuid4

import httpx
import pytest

from apps.paper.testing import LINEAR, InProcessPaper
from tests.paper.server.orders import create

SUBACCOUNTS = "/portfolio/subaccounts"


def transfer(client: httpx.Client, *, source: int = 0, target: int = 1, cents: int = 100, name: str = "") -> int:
    body = {
        "client_transfer_id": name or str(uuid4()),
        "from_subaccount": source,
        "to_subaccount": target,
        "amount_cents": cents,
    }
    return client.post(f"{SUBACCOUNTS}/transfer", json=body).status_code


def balances(client: httpx.Client) -> dict[int, str]:
    rows = client.get(f"{SUBACCOUNTS}/balances").json()["subaccount_balances"]
    return {row["subaccount_number"]: row["balance"] for row in rows}


def test_a_subaccount_is_opened_filled_and_traded_from(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client:
        number = client.post(SUBACCOUNTS).json()["subaccount_number"]
        assert transfer(client, target=number, cents=12_345) == 200
        create(client, price="0.1000", count="10.00", subaccount=number)

        assert number == 3
        assert balances(client) == {0: "24876.5500", 1: "0.0000", 2: "0.0000", 3: "122.4500"}
        assert client.get(f"/portfolio/balance?subaccount={number}").json()["balance"] == 12_245
        assert client.get("/portfolio/balance").json()["balance"] == 2_487_655
        assert len(client.get(f"/portfolio/orders?subaccount={number}").json()["orders"]) == 1
        assert client.get("/portfolio/orders?subaccount=0").json()["orders"] == []
        assert len(client.get("/portfolio/orders").json()["orders"]) == 1
        rows = client.get(f"/portfolio/orders/queue_positions?subaccount={number}").json()["queue_positions"]
        assert len(rows) == 1
        assert client.get("/portfolio/orders/queue_positions").json()["queue_positions"] == []


def test_fills_and_settlements_are_of_all_subaccounts_positions_of_the_primary_one(paper: InProcessPaper) -> None:
    with paper.client("maker") as maker:
        create(maker, side="ask", price="0.5000", count="20.00")
    with paper.client("trader-1") as client:
        assert transfer(client, cents=10_000) == 200
        create(client, price="0.5000", count="2.00")
        create(client, price="0.5000", count="3.00", subaccount=1)

        assert [fill["subaccount_number"] for fill in client.get("/portfolio/fills").json()["fills"]] == [1, 0]
        assert len(client.get("/portfolio/fills?subaccount=0").json()["fills"]) == 1
        for query, count in (("", "2.00"), ("?subaccount=0", "2.00"), ("?subaccount=1", "3.00")):
            rows = client.get(f"/portfolio/positions{query}").json()["market_positions"]
            assert [row["position_fp"] for row in rows] == [count]
        assert client.get("/portfolio/positions?subaccount=9").status_code == 400
        for step in ({"action": "close_early"}, {"action": "determine", "result": "yes"}, {"action": "settle"}):
            paper.control("POST", "/market", {"ticker": LINEAR} | step)
        assert client.get("/portfolio/positions").json()["market_positions"] == []
        revenues = [row["revenue"] for row in client.get("/portfolio/settlements").json()["settlements"]]
        assert sorted(revenues) == [200, 300]
        rows = client.get("/portfolio/settlements?subaccount=1").json()["settlements"]
        assert [row["revenue"] for row in rows] == [300]


def test_a_repeated_transfer_is_a_conflict_or_by_control_an_echo(paper: InProcessPaper) -> None:
    name = str(uuid4())
    with paper.client("trader-1") as client:
        assert [transfer(client, name=name), transfer(client, name=name)] == [200, 409]
        assert transfer(client, name=name.upper()) == 409
        paper.control("POST", "/portfolio", {"transfer_repeat": "accept"})
        assert transfer(client, name=name) == 200

        assert balances(client)[1] == "1.0000"
        (row,) = client.get(f"{SUBACCOUNTS}/transfers").json()["transfers"]
    assert (row["from_subaccount"], row["to_subaccount"], row["amount_cents"]) == (0, 1, 100)
    assert row["transfer_id"] != name


def test_transfers_come_by_the_page_newest_first(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client:
        for cents in range(1, 6):
            assert transfer(client, cents=cents) == 200
        first = client.get(f"{SUBACCOUNTS}/transfers?limit=2").json()
        assert transfer(client, cents=6) == 200
        second = client.get(f"{SUBACCOUNTS}/transfers?limit=2&cursor={first['cursor']}").json()
        last = client.get(f"{SUBACCOUNTS}/transfers?limit=2&cursor={second['cursor']}").json()

    pages = [[row["amount_cents"] for row in page["transfers"]] for page in (first, second, last)]
    assert pages == [[5, 4], [3, 2], [1]]
    assert last["cursor"] == ""


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"client_transfer_id": "x", "from_subaccount": 0, "to_subaccount": 1, "amount_cents": 1},
        {"client_transfer_id": str(uuid4()), "from_subaccount": 0, "to_subaccount": 1, "amount_cents": 1.5},
        {"client_transfer_id": str(uuid4()), "from_subaccount": -1, "to_subaccount": 1, "amount_cents": 1},
        {"client_transfer_id": str(uuid4()), "from_subaccount": 0, "to_subaccount": 40, "amount_cents": 1},
    ],
)
def test_a_transfer_that_makes_no_sense_is_a_400(paper: InProcessPaper, body: dict[str, object]) -> None:
    with paper.client("trader-1") as client:
        assert client.post(f"{SUBACCOUNTS}/transfer", json=body).status_code == 400
        assert balances(client)[1] == "0.0000"


@pytest.mark.parametrize(("edition", "most"), [("3.18", 32), ("3.28", 63)])
def test_how_many_subaccounts_there_may_be_is_the_editions(edition: str, most: int) -> None:
    paper = InProcessPaper(edition=edition)
    exchange, user_id = paper.exchange, paper.user_id("trader-1")
    while len(exchange.member(user_id).accounts) < most:
        exchange.create_subaccount(user_id)

    with paper.client("trader-1") as client:
        assert client.post(SUBACCOUNTS).json() == {"subaccount_number": most}
        refused = client.post(SUBACCOUNTS)

    assert (refused.status_code, refused.json()["code"]) == (400, "subaccount_limit_reached")


def test_the_netting_setting_is_kept_per_subaccount(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client:
        answer = client.put(f"{SUBACCOUNTS}/netting", json={"subaccount_number": 1, "enabled": False})
        rows = client.get(f"{SUBACCOUNTS}/netting").json()["netting_configs"]

    assert (answer.status_code, answer.content) == (200, b"")
    assert {row["subaccount_number"]: row["enabled"] for row in rows} == {0: True, 1: False, 2: True}


def test_payments_are_made_and_moved_by_control_and_read_by_the_member(paper: InProcessPaper) -> None:
    made = paper.control(
        "POST", "/payment", {"member": "trader-2", "type": "crypto", "amount_cents": 7_000, "fee_cents": 70}
    )
    withdrawal = {"member": "trader-2", "kind": "withdrawal", "amount_cents": 1_500, "status": "applied"}
    paper.control("POST", "/payment", withdrawal)
    with paper.client("trader-2") as client:
        before = client.get("/portfolio/balance").json()["balance"]
        paper.clock.step(60_000)
        step = {"member": "trader-2", "payment_id": made["id"], "status": "applied"}
        paper.control("POST", "/payment", step)
        deposits = client.get("/portfolio/deposits").json()["deposits"]
        withdrawals = client.get("/portfolio/withdrawals").json()["withdrawals"]
        after = client.get("/portfolio/balance").json()
        page = client.get("/portfolio/deposits?limit=1").json()
        rest = client.get(f"/portfolio/deposits?limit=1&cursor={page['cursor']}").json()

    assert (made["status"], made["finalized_ts"]) == ("pending", None)
    assert before == 1_000_000 - 1_500
    assert after["balance"] == before + 6_930
    assert after["updated_ts"] == paper.clock.now_ms() // 1000
    assert [(row["status"], row["type"], row["amount_cents"]) for row in deposits] == [
        ("applied", "crypto", 7_000),
        ("applied", "wire", 1_000_000),
    ]
    assert deposits[0]["finalized_ts"] - deposits[0]["created_ts"] == 60
    assert [(row["status"], row["amount_cents"]) for row in withdrawals] == [("applied", 1_500)]
    assert page["deposits"] + rest["deposits"] == deposits
    assert rest["cursor"] == ""
    assert paper.control_response("POST", "/payment", step).status == 400


def test_lag_covers_subaccounts_transfers_and_payments(paper: InProcessPaper) -> None:
    paper.control("POST", "/lag", {"ms": 5_000})
    paper.clock.step(5_000)
    with paper.client("trader-1") as client:
        client.post(SUBACCOUNTS)
        transfer(client)
        paper.control("POST", "/payment", {"member": "trader-1", "amount_cents": 100, "status": "applied"})

        def seen() -> tuple[int, int, int]:
            return (
                len(balances(client)),
                len(client.get(f"{SUBACCOUNTS}/transfers").json()["transfers"]),
                len(client.get("/portfolio/deposits").json()["deposits"]),
            )

        early = seen()
        paper.clock.step(5_000)
        late = seen()

    assert (early, late) == ((3, 0, 1), (4, 1, 2))
