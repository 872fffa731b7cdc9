"""RFQs and quotes over REST: who sees what, filters, pages, editions, faults, what a restart keeps."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from apps.paper.testing import DECI, EVENT, LINEAR, LINEAR_2, TAPERED, InProcessPaper
from tests.paper.server.orders import create

RFQS = "/communications/rfqs"
QUOTES = "/communications/quotes"


class Desk:
    """trader-1 asks, the maker and trader-2 quote."""

    def __init__(self, paper: InProcessPaper) -> None:
        self.paper = paper
        self.asker, self.maker, self.rival = (paper.client(name) for name in ("trader-1", "maker", "trader-2"))

    def close(self) -> None:
        for client in (self.asker, self.maker, self.rival):
            client.close()

    def ask(self, ticker: str = LINEAR, **over: Any) -> str:
        body = {"market_ticker": ticker, "rest_remainder": False, "contracts": 10} | over
        return made(self.asker.post(RFQS, json=body))

    def offer(self, rfq_id: str, client: httpx.Client | None = None, **over: Any) -> str:
        body = {"rfq_id": rfq_id, "yes_bid": "0.4500", "no_bid": "0.5000", "rest_remainder": False} | over
        return made((client or self.maker).post(QUOTES, json=body))

    def accept(self, quote_id: str, side: str = "yes") -> httpx.Response:
        return self.asker.put(f"{QUOTES}/{quote_id}/accept", json={"accepted_side": side})

    def confirm(self, quote_id: str) -> httpx.Response:
        return self.maker.put(f"{QUOTES}/{quote_id}/confirm", json={})

    def quote(self, quote_id: str, client: httpx.Client | None = None) -> dict[str, Any]:
        answer = (client or self.asker).get(f"{QUOTES}/{quote_id}")
        assert answer.status_code == 200, answer.text
        quote: dict[str, Any] = answer.json()["quote"]
        return quote


def made(answer: httpx.Response) -> str:
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def ids(answer: httpx.Response, what: str) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()[what]]


@pytest.fixture
def desk(paper: InProcessPaper) -> Iterator[Desk]:
    made_desk = Desk(paper)
    yield made_desk
    made_desk.close()


def test_from_the_request_to_the_fills(desk: Desk) -> None:
    rfq_id = desk.ask(rest_remainder=True)
    quote_id = desk.offer(rfq_id)
    assert desk.accept(quote_id, "no").status_code == 204
    assert desk.quote(quote_id)["status"] == "accepted"
    assert desk.confirm(quote_id).status_code == 204
    desk.paper.clock.step(14_999)
    assert desk.quote(quote_id)["status"] == "confirmed"
    desk.paper.clock.step(1)

    mine, makers = desk.quote(quote_id), desk.quote(quote_id, desk.maker)
    assert (mine["status"], mine["accepted_side"]) == ("executed", "no")
    assert desk.asker.get(f"{RFQS}/{rfq_id}").json()["rfq"]["status"] == "closed"
    # "no" hits the maker's NO bid at $0.50: the maker is long NO, the requester long YES.
    bought = desk.asker.get("/portfolio/fills", params={"order_id": mine["rfq_creator_order_id"]}).json()["fills"]
    sold = desk.maker.get("/portfolio/fills", params={"order_id": makers["creator_order_id"]}).json()["fills"]
    assert [(f["outcome_side"], f["yes_price_dollars"], f["count_fp"], f["is_taker"]) for f in bought + sold] == [
        ("yes", "0.5000", "10.00", True),
        ("no", "0.5000", "10.00", False),
    ]
    order = desk.maker.get(f"/portfolio/orders/{makers['creator_order_id']}").json()["order"]
    assert order["client_order_id"].split(":")[::2] == ["quote", quote_id]


def test_private_fields_are_for_their_side_only(desk: Desk) -> None:
    paper = desk.paper
    paper.exchange.deposit(paper.user_id("trader-1"), cents=100_000, subaccount=1)
    rfq_id = desk.ask(subaccount=1, target_cost_dollars="4.00", contracts=None)
    quote_id = desk.offer(rfq_id, post_only=True)
    desk.accept(quote_id)
    desk.confirm(quote_id)
    paper.clock.step(15_000)

    shared = {
        "id", "rfq_id", "creator_id", "rfq_creator_id", "market_ticker", "contracts_fp", "yes_bid_dollars",
        "no_bid_dollars", "created_ts", "updated_ts", "status", "accepted_side", "accepted_ts", "confirmed_ts",
        "executed_ts", "rest_remainder", "rfq_target_cost_dollars", "yes_contracts_fp", "no_contracts_fp",
    }  # fmt: skip
    mine, makers = desk.quote(quote_id), desk.quote(quote_id, desk.maker)
    asked = {"rfq_creator_user_id", "rfq_creator_subaccount", "rfq_creator_order_id"}
    quoted = {"creator_user_id", "creator_subaccount", "creator_order_id", "post_only"}
    assert set(mine) == shared | asked
    assert set(makers) == shared | quoted
    assert (mine["contracts_fp"], mine["yes_contracts_fp"], mine["no_contracts_fp"]) == ("0.00", "7.00", "8.00")
    assert mine["rfq_creator_subaccount"] == 1
    private = {"creator_user_id", "creator_subaccount"}
    own = desk.asker.get(f"{RFQS}/{rfq_id}").json()["rfq"]
    others = desk.rival.get(f"{RFQS}/{rfq_id}").json()["rfq"]
    assert set(own) - set(others) == private
    assert own["creator_id"] == desk.asker.get("/communications/id").json()["communications_id"]
    assert own["creator_id"] != own["creator_user_id"]


def test_nobody_finds_the_quotes_of_others(desk: Desk) -> None:
    rfq_id = desk.ask()
    quote_id, rivals = desk.offer(rfq_id), desk.offer(rfq_id, desk.rival)
    user = desk.paper.user_id

    assert ids(desk.asker.get(QUOTES), "quotes") == [rivals, quote_id]
    assert ids(desk.rival.get(QUOTES), "quotes") == [rivals]
    assert ids(desk.rival.get(QUOTES, params={"rfq_id": rfq_id}), "quotes") == [rivals]
    assert ids(desk.rival.get(QUOTES, params={"quote_creator_user_id": user("maker")}), "quotes") == []
    assert ids(desk.rival.get(QUOTES, params={"rfq_creator_user_id": user("trader-1")}), "quotes") == []
    assert ids(desk.rival.get(QUOTES, params={"quote_creator_user_id": user("trader-2")}), "quotes") == [rivals]
    assert ids(desk.asker.get(QUOTES, params={"rfq_creator_user_id": user("trader-1")}), "quotes") == [rivals, quote_id]
    for path in (f"{QUOTES}/{quote_id}", f"{QUOTES}/none"):
        assert desk.rival.get(path).status_code == 404
        assert desk.rival.delete(path).status_code == 404
    assert desk.rival.put(f"{QUOTES}/{quote_id}/confirm", json={}).status_code == 404


def test_lists_of_quotes_are_narrowed(desk: Desk) -> None:
    first, second = desk.offer(desk.ask()), desk.offer(desk.ask(DECI))
    desk.maker.delete(f"{QUOTES}/{first}")

    def found(client: httpx.Client, **query: str) -> list[str]:
        return ids(client.get(QUOTES, params=query), "quotes")

    assert found(desk.asker, status="open") == [second]
    assert found(desk.asker, status="cancelled") == [first]
    assert found(desk.asker, market_ticker=DECI) == [second]
    assert found(desk.asker, event_ticker=EVENT) == [second, first]
    assert found(desk.asker, event_ticker="OTHER") == []
    assert found(desk.asker, user_filter="self") == []
    assert found(desk.asker, rfq_user_filter="self") == [second, first]
    assert found(desk.maker, user_filter="self") == [second, first]
    assert found(desk.maker, rfq_creator_subtrader_id="anybody") == []
    for query in ({"status": "lapsed"}, {"user_filter": "other"}, {"limit": "501"}, {"cursor": "none"}):
        assert desk.asker.get(QUOTES, params=query).status_code == 400


def test_lists_of_rfqs_are_narrowed_and_everybody_finds_them(desk: Desk) -> None:
    desk.paper.exchange.deposit(desk.paper.user_id("trader-1"), cents=100_000, subaccount=1)
    plain, deci, sub = desk.ask(), desk.ask(DECI), desk.ask(TAPERED, subaccount=1)
    theirs = made(desk.rival.post(RFQS, json={"market_ticker": LINEAR, "rest_remainder": False, "contracts": 1}))
    desk.asker.delete(f"{RFQS}/{deci}")

    def found(client: httpx.Client, **query: str) -> list[str]:
        return ids(client.get(RFQS, params=query), "rfqs")

    assert found(desk.maker) == [theirs, sub, deci, plain]
    assert found(desk.maker, status="open") == [theirs, sub, plain]
    assert found(desk.maker, market_ticker=LINEAR) == [theirs, plain]
    assert found(desk.asker, user_filter="self", status="closed") == [deci]
    assert found(desk.asker, subaccount="1") == [sub]
    assert found(desk.maker, subaccount="1") == []
    assert found(desk.asker, creator_user_id=desk.paper.user_id("trader-1")) == [sub, deci, plain]
    assert found(desk.maker, creator_user_id=desk.paper.user_id("trader-1")) == []


def test_an_fcm_member_asks_for_a_subtrader(desk: Desk) -> None:
    exchange = desk.paper.exchange
    exchange.member(desk.paper.user_id("trader-1")).subtraders["client-a"] = 1
    exchange.deposit(desk.paper.user_id("trader-1"), cents=100_000, subaccount=1)
    theirs, own = desk.ask(subtrader_id="client-a"), desk.ask(DECI)
    quote_id = desk.offer(theirs)
    desk.offer(own)

    assert exchange.rfq(theirs).subaccount == 1
    assert ids(desk.asker.get(QUOTES, params={"rfq_creator_subtrader_id": "client-a"}), "quotes") == [quote_id]
    assert ids(desk.asker.get(QUOTES, params={"rfq_creator_subtrader_id": "client-b"}), "quotes") == []
    assert ids(desk.maker.get(QUOTES, params={"rfq_creator_subtrader_id": "client-a"}), "quotes") == []
    body = {"market_ticker": LINEAR_2, "rest_remainder": False, "contracts": 1, "subtrader_id": "client-a"}
    assert desk.asker.post(RFQS, json=body | {"subaccount": 2}).status_code == 400
    assert desk.rival.post(RFQS, json=body).status_code == 400


def test_pages_stay_right_while_new_rows_come(desk: Desk) -> None:
    tickers = (LINEAR, LINEAR_2, DECI)
    rfq_ids = [desk.ask(ticker) for ticker in tickers]
    first = desk.maker.get(RFQS, params={"limit": 2}).json()
    desk.ask(TAPERED)
    second = desk.maker.get(RFQS, params={"limit": 2, "cursor": first["cursor"]}).json()

    assert [row["id"] for row in first["rfqs"] + second["rfqs"]] == rfq_ids[::-1]
    assert second["cursor"] == ""
    quote_ids = [desk.offer(rfq_id) for rfq_id in rfq_ids]
    page = desk.asker.get(QUOTES, params={"limit": 1}).json()
    rest = desk.asker.get(QUOTES, params={"cursor": page["cursor"]}).json()
    assert [row["id"] for row in page["quotes"] + rest["quotes"]] == quote_ids[::-1]


def test_a_late_confirm_is_refused_and_the_quote_stays_accepted(desk: Desk) -> None:
    rfq_id = desk.ask()
    quote_id, second = desk.offer(rfq_id), desk.offer(rfq_id, desk.rival)
    desk.accept(quote_id)
    desk.paper.clock.step(30_000)
    late = desk.confirm(quote_id)

    assert (late.status_code, late.json()["code"]) == (400, "expired")
    quote = desk.quote(quote_id)
    assert (quote["status"], "cancelled_ts" in quote, "cancellation_reason" in quote) == ("accepted", False, False)
    assert desk.accept(quote_id).status_code == 400
    assert desk.accept(second).status_code == 204  # the next best


def test_a_put_without_a_json_content_type_is_refused(desk: Desk) -> None:
    quote_id = desk.offer(desk.ask())
    bare = desk.asker.put(f"{QUOTES}/{quote_id}/accept", content=b'{"accepted_side": "yes"}')
    assert (bare.status_code, bare.json()["code"]) == (400, "invalid_content_type")
    desk.accept(quote_id)
    assert desk.maker.put(f"{QUOTES}/{quote_id}/confirm").json()["code"] == "invalid_content_type"
    desk.paper.control("POST", "/rfq", {"put_needs_json": False})
    assert desk.maker.put(f"{QUOTES}/{quote_id}/confirm").status_code == 204


def test_quotes_are_cheap(desk: Desk) -> None:
    rfq_id = desk.ask()
    with desk.paper.client("trader-2") as basic:  # 100 tokens
        answers = [
            basic.post(QUOTES, json={"rfq_id": rfq_id, "yes_bid": "0.45", "no_bid": "0.5", "rest_remainder": False})
            for _ in range(51)
        ]
    assert [answer.status_code for answer in answers] == [201] * 50 + [429]
    costs = {row["method"] for row in desk.asker.get("/account/endpoint_costs").json()["endpoint_costs"]
             if "/communications/quotes" in row["path"]}  # fmt: skip
    assert costs == {"POST", "GET", "DELETE"}


# --- the later edition ---------------------------------------------------------------------------
def test_the_later_edition_has_quotes_within_their_rfq() -> None:
    desk = Desk(InProcessPaper(edition="3.28"))
    rfq_id = desk.ask(contracts=None, contracts_fp="1.53")
    other = desk.ask(DECI)
    quote_id = desk.offer(rfq_id)
    one, wrong = f"{RFQS}/{rfq_id}/quotes/{quote_id}", f"{RFQS}/{other}/quotes/{quote_id}"

    assert desk.asker.get(one).json()["quote"]["contracts_fp"] == "1.53"
    assert desk.asker.get(one).json() == desk.asker.get(f"{QUOTES}/{quote_id}").json()
    for method, path, client in (
        ("GET", wrong, desk.asker),
        ("DELETE", wrong, desk.maker),
        ("PUT", f"{wrong}/accept", desk.asker),
        ("PUT", f"{wrong}/confirm", desk.maker),
    ):
        body = {"accepted_side": "yes"} if path.endswith("accept") else {}
        answer = client.request(method, path, json=body if method == "PUT" else None)
        assert answer.status_code == 404, path
    assert desk.asker.put(f"{one}/accept", json={"accepted_side": "yes"}).status_code == 204
    assert desk.maker.put(f"{one}/confirm", json={}).status_code == 204
    second = desk.offer(other)
    assert desk.maker.delete(f"{RFQS}/{other}/quotes/{second}").status_code == 204
    desk.close()


def test_the_later_edition_narrows_quotes_by_time_and_not_by_market() -> None:
    desk = Desk(InProcessPaper(edition="3.28"))
    first = desk.offer(desk.ask())
    now = desk.paper.clock.now_ms() // 1000
    desk.paper.clock.step(10_000)
    second = desk.offer(desk.ask(DECI))

    assert ids(desk.asker.get(QUOTES, params={"min_ts": now + 5}), "quotes") == [second]
    assert ids(desk.asker.get(QUOTES, params={"max_ts": now + 5}), "quotes") == [first]
    assert ids(desk.asker.get(QUOTES, params={"market_ticker": DECI}), "quotes") == [second, first]
    desk.close()


def test_the_later_edition_marks_trades_and_knows_one_shard() -> None:
    paper = InProcessPaper(edition="3.28")
    socket = paper.socket("trader-2")
    socket.send("subscribe", channels=["trade"])
    with paper.client("maker") as maker, paper.client("trader-1") as taker:
        create(maker, side="ask", price="0.5000")
        create(taker, price="0.5000", exchange_index=0)
        [row] = taker.get("/markets/trades?exchange_index=0").json()["trades"]
        assert taker.get("/markets/trades?exchange_index=1").status_code == 400

    assert row["is_block_trade"] is False
    assert [frame["msg"]["is_block_trade"] for frame in socket.take()] == [False]


def test_the_edition_of_the_seed_knows_none_of_that(desk: Desk) -> None:
    rfq_id = desk.ask()
    quote_id = desk.offer(rfq_id)
    path = f"{RFQS}/{rfq_id}/quotes/{quote_id}"

    assert desk.asker.get(path).status_code == 404
    fraction = {"market_ticker": DECI, "rest_remainder": False, "contracts_fp": "1.53"}
    assert desk.asker.post(RFQS, json=fraction).json()["code"] == "invalid_parameters"


# --- faults --------------------------------------------------------------------------------------
def test_a_lost_answer_to_an_accept_leaves_it_done(desk: Desk) -> None:
    quote_id = desk.offer(desk.ask())
    fault = {"kind": "lose_after", "method": "PUT", "path": "/trade-api/v2/communications/quotes/*/accept"}
    desk.paper.control("POST", "/rest/fault", fault)
    desk.asker.get(f"{QUOTES}/{quote_id}")  # not hit
    with pytest.raises(httpx.ReadError):
        desk.accept(quote_id)

    assert desk.quote(quote_id)["status"] == "accepted"
    again = desk.accept(quote_id)
    assert (again.status_code, again.json()["details"]) == (400, "QUOTE_ALREADY_ACCEPTED")
    desk.paper.control("POST", "/rest/fault", fault | {"path": "/trade-api/v2/communications/quotes/*/confirm"})
    with pytest.raises(httpx.ReadError):
        desk.confirm(quote_id)
    assert desk.quote(quote_id)["status"] == "confirmed"
    assert desk.confirm(quote_id).status_code == 404


def test_a_lapse_is_forced(desk: Desk) -> None:
    quote_id = desk.offer(desk.ask())
    assert desk.paper.control_response("POST", "/rfq/lapse", {"quote_id": quote_id}).status == 404
    desk.accept(quote_id)
    assert desk.paper.control("POST", "/rfq/lapse", {"quote_id": quote_id})["status"] == "accepted"
    assert desk.confirm(quote_id).json()["code"] == "expired"


def test_faults_of_the_next_quotes(desk: Desk) -> None:
    arm = {"count": 1, "member": "maker", "ticker": LINEAR}
    for kind in ("lapse", "refuse_confirm", "execution_fails", "cancelled_but_filled"):
        desk.paper.control("POST", "/rfq/fault", arm | {"kind": kind})
    rfq_id = desk.ask()
    lapsed = desk.offer(rfq_id)
    desk.accept(lapsed)
    assert desk.confirm(lapsed).json()["code"] == "expired"

    failing = desk.offer(rfq_id)
    desk.accept(failing)
    assert desk.confirm(failing).json()["code"] == "invalid_parameters"
    assert desk.confirm(failing).status_code == 204
    desk.paper.clock.step(15_000)
    quote = desk.quote(failing)
    assert (quote["status"], quote["cancellation_reason"]) == ("cancelled", "execution_failed")
    assert desk.asker.get("/portfolio/fills").json()["fills"] == []

    filled = desk.offer(rfq_id)
    desk.accept(filled)
    desk.confirm(filled)
    desk.paper.clock.step(15_000)
    quote = desk.quote(filled)
    assert (quote["status"], quote["cancellation_reason"]) == ("cancelled", "execution_failed")
    assert "rfq_creator_order_id" not in quote
    assert "executed_ts" not in quote
    fill = desk.asker.get("/portfolio/fills").json()["fills"][0]
    told = next(row for row in desk.paper.truth()["quotes"] if row["id"] == filled)
    assert told["rfq_creator_order_id"] == fill["order_id"]
    assert told["misreported"]
    assert desk.paper.exchange.rfq_rules.faults == []


def test_rules_are_set_and_told(desk: Desk) -> None:
    rules = desk.paper.control("POST", "/rfq", {"lapsed": "cancelled", "hvm": [LINEAR], "lifetime_ms": 60_000})
    assert (rules["lapsed"], rules["hvm"], rules["lifetime_ms"]) == ("cancelled", [LINEAR], 60_000)
    assert rules["grid"] == "checked"
    assert desk.paper.control("POST", "/rfq", {})["lifetime_ms"] == 60_000
    assert desk.paper.control("POST", "/rfq", {"lifetime_ms": None})["lifetime_ms"] is None
    assert desk.paper.control_response("POST", "/rfq", {"hvm": ["NONE"]}).status == 404
    assert desk.paper.control_response("POST", "/rfq", {"lifetime_ms": 0}).status == 400
    quote_id = desk.offer(desk.ask())
    desk.accept(quote_id)
    desk.paper.clock.step(3_000)
    assert desk.quote(quote_id)["cancellation_reason"] == "confirmation_window_expired"
    desk.paper.control("POST", "/rfq/fault", {"kind": "lapse", "count": 3})
    desk.paper.control("POST", "/faults/clear")
    assert desk.paper.exchange.rfq_rules.faults == []


def test_the_truth_tells_both_sides(desk: Desk) -> None:
    rfq_id = desk.ask()
    quote_id = desk.offer(rfq_id)
    truth = desk.paper.truth()

    assert [(row["id"], row["creator_user_id"]) for row in truth["rfqs"]] == [(rfq_id, desk.paper.user_id("trader-1"))]
    [quote] = truth["quotes"]
    assert (quote["id"], quote["creator_user_id"]) == (quote_id, desk.paper.user_id("maker"))
    assert quote["rfq_creator_user_id"] == desk.paper.user_id("trader-1")
