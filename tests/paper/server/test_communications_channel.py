"""The channel `communications`: which frames, to whom, with which fields; shards; a flood beside a quiet channel."""

from pathlib import Path
from typing import Any

import pytest

from apps.paper.engine.rfq import NewQuote, NewRfq, Quote, Rfq, communications_id
from apps.paper.server.communications_channels import shard_of
from apps.paper.testing import DECI, EVENT, LINEAR, LINEAR_2, TAPERED, InProcessPaper, InProcessSocket
from tests.paper.server.asyncapi import check_frame
from tests.paper.server.combos import COLLECTION, PAIR, list_collection
from tests.paper.server.orders import create

CHANNEL = "communications"


class Talk:
    """trader-1 asks, the maker quotes, trader-2 only listens."""

    def __init__(self, paper: InProcessPaper) -> None:
        self.paper = paper
        self.exchange = paper.exchange
        self.sockets = {name: listener(paper, name) for name in ("trader-1", "maker", "trader-2")}

    def ask(self, ticker: str = LINEAR, **over: Any) -> Rfq:
        fields: dict[str, Any] = {"ticker": ticker, "rest_remainder": False, "contracts": 1_000} | over
        return self.exchange.create_rfq(self.paper.user_id("trader-1"), NewRfq(**fields))

    def offer(self, rfq: Rfq, **over: Any) -> Quote:
        fields: dict[str, Any] = {"rfq_id": rfq.rfq_id, "yes_bid": 4_500, "no_bid": 5_000, "rest_remainder": False}
        return self.exchange.create_quote(self.paper.user_id("maker"), NewQuote(**(fields | over)))

    def execute(self, quote: Quote) -> None:
        self.exchange.accept_quote(quote.rfq_user_id, quote.quote_id, side="yes")
        self.exchange.confirm_quote(quote.user_id, quote.quote_id)
        self.paper.clock.step(15_000)
        self.exchange.expire_due()

    def heard(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        return [(frame["type"], frame["msg"]) for frame in self.sockets[name].take()]

    def types(self) -> dict[str, list[str]]:
        return {name: [kind for kind, _ in self.heard(name)] for name in self.sockets}


def listener(paper: InProcessPaper, name: str, **params: Any) -> InProcessSocket:
    socket = paper.socket(name)
    [answer] = socket.send("subscribe", channels=[CHANNEL], **params)
    assert answer["type"] == "subscribed", answer
    return socket


@pytest.fixture
def talk(paper: InProcessPaper) -> Talk:
    return Talk(paper)


def test_rfqs_go_to_all_and_quotes_to_their_two_sides(talk: Talk) -> None:
    rfq = talk.ask()
    quote = talk.offer(rfq)
    talk.execute(quote)
    talk.exchange.delete_rfq(rfq.user_id, talk.ask().rfq_id)

    mine = ["rfq_created", "quote_created", "quote_accepted", "quote_executed", "rfq_created", "rfq_deleted"]
    assert talk.types() == {"trader-1": mine, "maker": mine, "trader-2": ["rfq_created", "rfq_created", "rfq_deleted"]}


def test_confirm_lapse_withdrawal_and_the_end_of_an_rfq_are_not_told(talk: Talk) -> None:
    rfq = talk.ask()
    lapsed, withdrawn = talk.offer(rfq), talk.ask(DECI)
    gone = talk.offer(withdrawn)
    talk.exchange.accept_quote(rfq.user_id, lapsed.quote_id, side="no")
    talk.types()
    talk.exchange.delete_quote(gone.user_id, gone.quote_id)
    talk.paper.clock.step(30_000)
    talk.exchange.expire_due()
    assert lapsed.lapsed
    talk.exchange.close_early(DECI)

    assert withdrawn.status == "closed"
    assert talk.types() == {"trader-1": [], "maker": [], "trader-2": []}
    talk.paper.control("POST", "/rfq", {"closings_told": "all"})
    talk.exchange.close_early(LINEAR)
    assert talk.types()["trader-2"] == ["rfq_deleted"]


def test_each_frame_has_its_fields(talk: Talk) -> None:
    rfq = talk.ask()
    quote = talk.offer(rfq)
    talk.execute(quote)
    (created, quoted, accepted, executed) = [msg for _, msg in talk.heard("trader-1")]
    makers_executed = talk.heard("maker")[-1][1]

    common = {
        "quote_id": quote.quote_id,
        "rfq_id": rfq.rfq_id,
        "quote_creator_id": communications_id(quote.user_id),
        "market_ticker": LINEAR,
    }
    terms = {
        "event_ticker": rfq.event_ticker,
        "yes_bid_dollars": "0.4500",
        "no_bid_dollars": "0.5000",
        "yes_contracts_offered_fp": "10.00",
        "no_contracts_offered_fp": "10.00",
    }
    assert created == {
        "id": rfq.rfq_id,
        "creator_id": "",
        "market_ticker": LINEAR,
        "event_ticker": rfq.event_ticker,
        "contracts_fp": "10.00",
        "created_ts": created["created_ts"],
    }
    assert quoted == common | terms | {"created_ts": created["created_ts"]}
    assert accepted == common | terms | {"accepted_side": "yes", "contracts_accepted_fp": "10.00"}
    sides = common | {"rfq_creator_id": communications_id(rfq.user_id), "executed_ts": executed["executed_ts"]}
    assert executed == sides | {"order_id": quote.rfq_order_id, "client_order_id": quote.rfq_client_order_id}
    assert makers_executed == sides | {"order_id": quote.order_id, "client_order_id": quote.client_order_id}
    assert quote.order_id != quote.rfq_order_id


def test_an_accept_for_a_target_cost_names_no_count(talk: Talk) -> None:
    quote = talk.offer(talk.ask(contracts=None, target_cost=4_000_000))
    talk.execute(quote)
    created, quoted, accepted, _ = [msg for _, msg in talk.heard("maker")]

    assert created["target_cost_dollars"] == quoted["rfq_target_cost_dollars"]
    assert "contracts_fp" not in created
    assert "contracts_accepted_fp" not in accepted
    assert (accepted["yes_contracts_offered_fp"], accepted["no_contracts_offered_fp"]) == ("7.00", "8.00")


def test_the_frames_are_what_the_file_says(talk: Talk, reference: Path) -> None:
    talk.execute(talk.offer(talk.ask()))
    talk.execute(talk.offer(talk.ask(contracts=None, target_cost=4_000_000, rest_remainder=True)))
    talk.exchange.delete_rfq(talk.paper.user_id("trader-1"), talk.ask(DECI).rfq_id)
    kinds = set()
    for socket in talk.sockets.values():
        for frame in socket.take():
            check_frame(reference, frame)
            kinds.add(frame["type"])

    assert kinds == {"rfq_created", "rfq_deleted", "quote_created", "quote_accepted", "quote_executed"}


def test_fills_come_before_the_execution_that_names_their_order(talk: Talk) -> None:
    socket = talk.sockets["trader-1"]
    socket.send("subscribe", channels=["fill"])
    quote = talk.offer(talk.ask())
    talk.execute(quote)

    types = [frame["type"] for frame in socket.take()]
    assert types.index("fill") < types.index("quote_executed")


def test_the_later_edition_names_the_requester_and_ones_own_subaccount() -> None:
    talk = Talk(InProcessPaper(edition="3.28"))
    talk.exchange.deposit(talk.paper.user_id("trader-1"), cents=100_000, subaccount=2)
    quote = talk.offer(talk.ask(subaccount=2))
    talk.execute(quote)

    mine = [msg for kind, msg in talk.heard("trader-1") if kind.startswith("quote_")]
    makers = [msg for kind, msg in talk.heard("maker") if kind.startswith("quote_")]
    assert {msg["rfq_creator_id"] for msg in mine + makers} == {communications_id(quote.rfq_user_id)}
    assert [msg.get("subaccount") for msg in mine + makers] == [2, 2, 2, None, None, None]


def test_an_rfq_on_a_combo_names_its_legs_and_has_the_short_windows(talk: Talk, reference: Path) -> None:
    list_collection(talk.paper)
    with talk.paper.client("trader-1") as asker, talk.paper.client("trader-2") as other:
        combo = asker.post(f"/multivariate_event_collections/{COLLECTION}", json=PAIR).json()["market_ticker"]
        body = {"market_ticker": combo, "rest_remainder": False, "target_cost_dollars": "5.00"}
        rfq_id = asker.post("/communications/rfqs", json=body).json()["id"]
        row = other.get(f"/communications/rfqs/{rfq_id}").json()["rfq"]
    quote = talk.offer(talk.exchange.rfq(rfq_id), yes_bid=2_000, no_bid=7_000)
    talk.exchange.accept_quote(quote.rfq_user_id, quote.quote_id, side="no")
    [frame] = [frame for frame in talk.sockets["trader-2"].take() if frame["type"] == "rfq_created"]

    check_frame(reference, frame)
    legs = [{"event_ticker": EVENT, "market_ticker": ticker, "side": "no"} for ticker in (LINEAR, DECI)]
    for shape in (row, frame["msg"]):
        assert (shape["mve_collection_ticker"], shape["mve_selected_legs"]) == (COLLECTION, legs)
    assert quote.deadline_ms == talk.paper.clock.now_ms() + 3_000
    talk.paper.clock.step(2_999)
    talk.exchange.confirm_quote(quote.user_id, quote.quote_id)
    talk.paper.clock.step(1_000)
    talk.exchange.expire_due()
    assert quote.status == "executed"


# --- shards --------------------------------------------------------------------------------------
def test_shards_part_the_markets_between_them_and_stay_put(paper: InProcessPaper) -> None:
    shards = [listener(paper, "trader-2", shard_factor=3, shard_key=key) for key in range(3)]
    whole = listener(paper, "trader-2")
    talk = Talk(paper)
    for ticker in (LINEAR, LINEAR_2, DECI, TAPERED):
        talk.ask(ticker)
    told = [[frame["msg"]["market_ticker"] for frame in socket.take()] for socket in shards]

    assert sorted(ticker for tickers in told for ticker in tickers) == sorted((LINEAR, LINEAR_2, DECI, TAPERED))
    assert all(shard_of(ticker, 3) == key for key, tickers in enumerate(told) for ticker in tickers)
    assert len(whole.take()) == 4
    assert [shard_of(ticker, 100) for ticker in (LINEAR, DECI)] == [24, 11]  # the same in every process


def test_a_factor_without_a_key_is_the_first_shard(paper: InProcessPaper) -> None:
    one, first = listener(paper, "maker", shard_factor=2), listener(paper, "maker", shard_factor=2, shard_key=0)
    talk = Talk(paper)
    for ticker in (LINEAR, LINEAR_2, DECI, TAPERED):
        talk.offer(talk.ask(ticker))

    assert [f["msg"] for f in one.take()] == [f["msg"] for f in first.take()] != []


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"shard_factor": 0}, 19),
        ({"shard_factor": -1, "shard_key": 0}, 19),
        ({"shard_key": 0}, 20),
        ({"shard_factor": 4, "shard_key": 4}, 21),
        ({"shard_factor": 4, "shard_key": -1}, 21),
        ({"shard_factor": 101, "shard_key": 0}, 22),
    ],
)
def test_shards_that_do_not_fit_are_refused(paper: InProcessPaper, params: dict[str, int], code: int) -> None:
    [answer] = paper.socket("maker").send("subscribe", channels=[CHANNEL], **params)

    assert (answer["type"], answer["msg"]["code"]) == ("error", code)


def test_markets_that_are_named_are_ignored(paper: InProcessPaper) -> None:
    socket = listener(paper, "maker", market_tickers=[DECI])
    Talk(paper).ask(LINEAR)

    assert [frame["type"] for frame in socket.take()] == ["rfq_created"]


# --- faults and floods ---------------------------------------------------------------------------
def test_the_accept_alone_is_lost_or_held(talk: Talk) -> None:
    fault = {"kind": "lose", "channel": CHANNEL, "type": "quote_accepted", "member": "maker"}
    talk.paper.control("POST", "/ws/fault", fault)
    talk.execute(talk.offer(talk.ask()))

    told = talk.types()
    assert told["maker"] == ["rfq_created", "quote_created", "quote_executed"]
    assert "quote_accepted" in told["trader-1"]
    talk.paper.control("POST", "/ws/fault", fault | {"kind": "delay", "delay_ms": 4_000})
    talk.sockets["maker"].delays_ms.clear()
    talk.execute(talk.offer(talk.ask()))
    assert talk.sockets["maker"].delays_ms == [0, 0, 4_000, 0]


def test_a_flood_of_rfqs_leaves_other_channels_whole(talk: Talk) -> None:
    book = talk.paper.socket("trader-2")
    book.send("subscribe", channels=["orderbook_delta"], market_ticker=DECI)
    asker = talk.paper.user_id("trader-1")
    with talk.paper.client("maker") as maker:
        for number in range(200):
            rfq = talk.ask(LINEAR, replace_existing=True)
            talk.offer(rfq)
            if number % 20 == 0:
                create(maker, ticker=DECI, price=f"0.4{number // 20}00", count="1.00")
    deltas = book.take()

    assert [frame["seq"] for frame in deltas] == list(range(2, 12))
    assert all(frame["type"] == "orderbook_delta" for frame in deltas)
    assert len(talk.sockets["trader-2"].take()) == 399  # 200 created, 199 replaced
    assert len(talk.exchange.board.open_of(asker)) == 1
