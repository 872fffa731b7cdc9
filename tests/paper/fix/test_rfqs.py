"""RFQs over FIX, both sides: ask on RT, hear and quote on RFQ, accept, confirm, execution."""

from typing import Any

import pytest

from apps.paper.engine.rfq import communications_id
from apps.paper.fix.testing import InProcessFix
from apps.paper.testing import DECI, EVENT, LINEAR
from tests.paper.fix.client import FixClient, Msg
from tests.paper.fix.conftest import Connect
from tests.paper.fix.orders import Pairs
from tests.paper.server.combos import COLLECTION, list_collection


@pytest.fixture
def asker(connect: Connect) -> FixClient:
    """trader-1 on RT."""
    made = connect(target="KalshiRT")
    made.log_on((21011, "Y"))
    return made


@pytest.fixture
def maker(connect: Connect) -> FixClient:
    """The maker on RFQ."""
    made = connect("maker", "KalshiRFQ")
    made.log_on()
    return made


def request(name: str = "ask-1", **over: Any) -> Pairs:
    fields: dict[int, Any] = {131: name, 146: 1, 55: LINEAR, 38: 100}
    fields |= {int(tag[1:]): value for tag, value in over.items()}
    return [(tag, value) for tag, value in fields.items() if value is not None]


def offer(rfq_id: str, name: str = "quote-1", **over: Any) -> Pairs:
    fields: dict[int, Any] = {117: name, 131: rfq_id, 55: LINEAR, 132: 45, 133: 50}
    fields |= {int(tag[1:]): value for tag, value in over.items()}
    return [(tag, value) for tag, value in fields.items() if value is not None]


def asked(asker: FixClient, maker: FixClient, **over: Any) -> str:
    """Ask; returns the exchange's id of the RFQ, as both sides are told it."""
    ack = asker.one("R", request(**over))
    (notice,) = maker.read()
    assert ack[21023] == notice[131]
    return ack[21023]


def quoted(asker: FixClient, maker: FixClient, rfq_id: str, **over: Any) -> str:
    """Quote; returns the id that the requester accepts it by."""
    (pending,) = maker.ask("S", offer(rfq_id, **over))
    assert pending[297] == "10", pending
    notice = asker.read()[-1]
    assert notice[35] == "S"
    return notice[117]


# --- the whole way -------------------------------------------------------------------------------
@pytest.mark.parametrize(("side", "accepted", "bought", "price"), [("1", "2", "1", "50"), ("2", "1", "2", "45")])
def test_from_the_question_to_the_trade(
    asker: FixClient, maker: FixClient, fix: InProcessFix, side: str, accepted: str, bought: str, price: str
) -> None:
    ack = asker.one("R", request())
    assert ack.part(35, 131, 303, 55) == {35: "b", 131: "ask-1", 303: "1", 55: None}
    (told,) = maker.read()
    user_id = fix.paper.user_id("trader-1")
    assert told.part(35, 131, 146, 55, 38, 152, 453, 448) == {
        35: "R", 131: ack[21023], 146: "1", 55: LINEAR, 38: "100", 152: None, 453: "1",
        448: communications_id(user_id),
    }  # fmt: skip

    pending = maker.one("S", offer(ack[21023]))
    assert pending.part(35, 117, 131, 297, 38, 132, 133, 134, 135, 79) == {
        35: "AI", 117: "quote-1", 131: ack[21023], 297: "10", 38: "100", 132: "45", 133: "50", 134: "100",
        135: "100", 79: None,
    }  # fmt: skip
    (notice,) = asker.read()
    assert notice.part(35, 131, 55, 132, 133, 38, 134, 135) == {
        35: "S", 131: ack[21023], 55: LINEAR, 132: "0.4500", 133: "0.5000", 38: "100", 134: "100", 135: "100",
    }  # fmt: skip

    status = asker.one("UA", [(117, notice[117]), (54, side), (38, 100), (11, "accept-1")])
    assert status.part(35, 117, 21025, 21024, 11) == {
        35: "UC", 117: notice[117], 21025: "0", 21024: notice[117], 11: "accept-1",
    }  # fmt: skip
    (news,) = maker.read()
    assert news.part(35, 117, 297, 54) == {35: "AI", 117: "quote-1", 297: "0", 54: accepted}

    assert maker.one("U7", [(117, "quote-1")]).part(35, 117, 21010) == {35: "U8", 117: "quote-1", 21010: "0"}
    fix.step(15_000)

    (trade,) = [msg for msg in asker.read() if msg[35] == "8"]
    assert trade.part(11, 150, 39, 54, 31, 32) == {
        11: "accept-1", 150: "F", 39: "2", 54: bought, 31: price, 32: "100.00",
    }  # fmt: skip


def test_nothing_but_their_names_binds_the_two_sides(asker: FixClient, maker: FixClient) -> None:
    name = quoted(asker, maker, asked(asker, maker))

    assert name != "quote-1", "the requester has the exchange's id, the maker its own"


# --- asking --------------------------------------------------------------------------------------
def test_a_target_cost(asker: FixClient, maker: FixClient) -> None:
    asker.ask("R", request(t38=None, t152="40.00"))
    (told,) = maker.read()
    assert told.part(38, 152) == {38: "0", 152: "40.0000"}

    pending = maker.one("S", offer(told[131]))
    assert pending.part(38, 134, 135) == {38: None, 134: "72", 135: "80"}


def test_legs_make_a_market(asker: FixClient, maker: FixClient, fix: InProcessFix) -> None:
    list_collection(fix.paper)
    legs = [(20182, EVENT), (20183, LINEAR), (20184, "no"), (20182, EVENT), (20183, DECI), (20184, "no")]

    ack = asker.one("R", [(131, "ask-1"), (146, 1), (38, 100), (20180, COLLECTION), (20181, 2), *legs])
    told = maker.read()[-1]

    assert ack[35] == "b"
    assert ack[55] in fix.paper.exchange.markets
    assert told.part(55, 20180, 20181) == {55: ack[55], 20180: COLLECTION, 20181: "2"}
    assert told.all(20183) == [LINEAR, DECI]
    assert told.all(20184) == ["no", "no"]


@pytest.mark.parametrize(
    ("over", "reason", "text"),
    [
        ({"t55": "KXNONE-1"}, "1", "MARKET_NOT_FOUND"),
        ({"t38": None}, "99", "INVALID_PARAMETERS"),
        ({"t152": "5.00"}, "99", "INVALID_PARAMETERS"),
        ({"t38": "1.5"}, "99", "INVALID_PARAMETERS"),
        ({"t38": 0}, "99", "INVALID_ORDER_SIZE"),
        ({"t55": None}, "99", "INVALID_SYMBOL"),
        ({"t20180": "KXMVE"}, "99", "INVALID_SYMBOL"),
        ({"t38": None, "t152": "30000"}, "11", "INSUFFICIENT_BALANCE"),
    ],
)
def test_a_question_that_is_none(asker: FixClient, over: dict[str, Any], reason: str, text: str) -> None:
    answer = asker.one("R", request(**over))

    assert answer.part(35, 131, 658, 58) == {35: "AG", 131: "ask-1", 658: reason, 58: text}


@pytest.mark.parametrize(("over", "tag"), [({"t146": 2}, "146"), ({"t131": "a" * 65}, "131")])
def test_a_question_with_a_wrong_field(asker: FixClient, over: dict[str, Any], tag: str) -> None:
    assert asker.one("R", request(**over)).part(35, 371, 373) == {35: "3", 371: tag, 373: "5"}


def test_one_question_per_market_unless_it_replaces(asker: FixClient, maker: FixClient) -> None:
    first = asked(asker, maker)

    assert asker.one("R", request("ask-2")).part(35, 658, 58) == {35: "AG", 658: "99", 58: "RFQ_ALREADY_EXISTS"}
    assert asker.one("R", request())[58] == "DUPLICATE_QUOTE_REQ_ID"
    (ack,) = asker.ask("R", request("ask-3", t21016="Y"))
    assert ack[35] == "b"
    gone, told = maker.read()
    assert gone.part(35, 131, 658, 58) == {35: "AG", 131: first, 658: "99", 58: "REPLACED"}
    assert told.part(35, 131) == {35: "R", 131: ack[21023]}


@pytest.mark.parametrize("by", ["client", "exchange", "both"])
def test_a_question_is_withdrawn_by_either_name(asker: FixClient, maker: FixClient, by: str) -> None:
    rfq_id = asked(asker, maker)
    quoted(asker, maker, rfq_id)
    names = {"client": [(131, "ask-1")], "exchange": [(21023, rfq_id)], "both": [(131, "ask-1"), (21023, rfq_id)]}

    answer = asker.one("UE", names[by])

    assert answer.part(35, 131, 21013) == {35: "UB", 131: rfq_id if by == "exchange" else "ask-1", 21013: "0"}
    assert [msg.part(35, 297, 58) for msg in maker.read()] == [
        {35: "AI", 297: "17", 58: None},
        {35: "AG", 297: None, 58: "DELETED"},
    ]
    assert asker.one("UE", names[by]).part(35, 21013) == {35: "UB", 21013: "1"}


def test_a_withdrawal_needs_a_name(asker: FixClient) -> None:
    assert asker.one("UE").part(35, 380) == {35: "j", 380: "5"}
    assert asker.one("UE", [(131, "nothing")]).part(35, 131, 21013, 58) == {
        35: "UB", 131: "nothing", 21013: "1", 58: "RFQ_NOT_FOUND",
    }  # fmt: skip


def test_the_end_of_a_market_ends_the_question(asker: FixClient, maker: FixClient, fix: InProcessFix) -> None:
    rfq_id = asked(asker, maker)

    fix.paper.control("POST", "/market", {"ticker": LINEAR, "action": "close_early"})

    assert asker.read()[-1].part(35, 131, 658, 58) == {35: "AG", 131: "ask-1", 658: "99", 58: "MARKET_CLOSED"}
    assert maker.read()[-1].part(35, 131) == {35: "AG", 131: rfq_id}


# --- quoting -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("over", "text"),
    [
        ({"t131": "nothing"}, "RFQ_NOT_FOUND"),
        ({"t55": DECI}, "SYMBOL_MISMATCH"),
        ({"t132": 0, "t133": None}, "yes_bid and no_bid cannot both be 0"),
        ({"t132": 60, "t133": 50}, "yes_bid and no_bid come to more than a dollar"),
        ({"t132": "45.5"}, "INVALID_PRICE"),
        ({"t132": 100}, "INVALID_PRICE"),
        ({"t79": 5}, "CUSTOMER_ACCOUNT_NOT_FOUND"),
    ],
)
def test_a_quote_that_is_none(asker: FixClient, maker: FixClient, over: dict[str, Any], text: str) -> None:
    rfq_id = asked(asker, maker)

    answer = maker.one("S", offer(rfq_id, **over))

    assert answer.part(35, 117, 131, 297, 58, 132) == {
        35: "AI", 117: "", 131: over.get("t131", rfq_id), 297: "5", 58: text, 132: None,
    }  # fmt: skip
    assert asker.read() == []


@pytest.mark.parametrize(("rule", "name"), [("echo", "quote-1"), ("omit", None)])
def test_how_a_rejected_quote_is_named(maker: FixClient, fix: InProcessFix, rule: str, name: str | None) -> None:
    fix.paper.control("POST", "/fix/rules", {"rejected_quote_id": rule})

    assert maker.one("S", offer("nothing")).part(117, 297) == {117: name, 297: "5"}


def test_one_side_may_be_declined(asker: FixClient, maker: FixClient) -> None:
    rfq_id = asked(asker, maker)

    pending = maker.one("S", offer(rfq_id, t133=0))

    assert pending.part(132, 133, 134, 135) == {132: "45", 133: None, 134: "100", 135: None}
    assert asker.read()[0].part(132, 133) == {132: "0.4500", 133: None}
    quote = asker.one("UA", [(117, "nothing"), (54, 1)])
    assert quote.part(35, 21025, 58) == {35: "UC", 21025: "1", 58: "NOT_FOUND"}


def test_prices_in_dollars(connect: Connect, asker: FixClient) -> None:
    maker = connect("maker", "KalshiRFQ")
    maker.log_on((21005, "Y"))
    ack = asker.one("R", request(t55=DECI))
    maker.read()

    pending = maker.one("S", offer(ack[21023], t55=DECI, t132="0.4550", t133="0.5000"))

    assert pending.part(132, 133) == {132: "0.4550", 133: "0.5000"}
    assert asker.read()[0][132] == "0.4550"


def test_cents_are_cut_to_whole_ones(connect: Connect, asker: FixClient, fix: InProcessFix) -> None:
    maker = connect("maker", "KalshiRFQ")
    maker.log_on()
    ack = asker.one("R", request(t55=DECI))
    maker.read()
    with fix.paper.client("maker") as rest:
        body = {"rfq_id": ack[21023], "yes_bid": "0.4550", "no_bid": "0.0000", "rest_remainder": False}
        made = rest.post("/communications/quotes", json=body).json()["id"]
        assert maker.read() == [], "what REST made is not answered here"
        assert rest.delete(f"/communications/quotes/{made}").status_code == 204

    assert maker.read()[0].part(35, 117, 297, 132) == {35: "AI", 117: made, 297: "17", 132: "45"}


def test_a_new_quote_replaces_the_one_before_in_the_market(asker: FixClient, maker: FixClient) -> None:
    rfq_id = asked(asker, maker)
    quoted(asker, maker, rfq_id)

    answers = maker.ask("S", offer(rfq_id, "quote-2"))

    assert [(msg[117], msg[297]) for msg in answers] == [("quote-1", "17"), ("quote-2", "10")]


def test_a_name_counts_once(asker: FixClient, maker: FixClient) -> None:
    rfq_id = asked(asker, maker)
    quoted(asker, maker, rfq_id)

    assert maker.one("S", offer(rfq_id)).part(297, 58) == {297: "5", 58: "DUPLICATE_QUOTE_ID"}


@pytest.mark.parametrize("by_own", [True, False])
def test_a_quote_is_withdrawn_by_either_name(asker: FixClient, maker: FixClient, by_own: bool) -> None:
    made = quoted(asker, maker, asked(asker, maker))
    name = "quote-1" if by_own else made

    told, answer = maker.ask("Z", [(117, name)])

    assert told.part(35, 117, 297) == {35: "AI", 117: "quote-1", 297: "17"}
    assert answer.part(35, 117, 298) == {35: "U9", 117: name, 298: "0"}
    assert maker.one("Z", [(117, name)]).part(35, 298) == {35: "U9", 298: "1"}


def test_quotes_of_others_are_not_found(connect: Connect, asker: FixClient, maker: FixClient) -> None:
    made = quoted(asker, maker, asked(asker, maker))
    rival = connect("trader-2", "KalshiRFQ")
    rival.log_on()

    for kind, status in (("Z", 298), ("U7", 21010)):
        assert rival.one(kind, [(117, made)]).part(status, 58) == {status: "1", 58: "QUOTE_NOT_FOUND"}
    assert rival.one("S", offer("nothing"))[297] == "5"


# --- accepting and confirming --------------------------------------------------------------------
def test_the_better_quote_is_taken_where_that_is_preferred(
    connect: Connect, asker: FixClient, maker: FixClient
) -> None:
    rival = connect("trader-2", "KalshiRFQ")
    rival.log_on()
    rfq_id = asked(asker, maker)
    rival.read()
    worse = quoted(asker, maker, rfq_id)
    better = quoted(asker, rival, rfq_id, t133=52)

    status = asker.one("UA", [(117, worse), (54, 1), (21022, "Y")])

    assert status.part(117, 21025, 21024) == {117: worse, 21025: "0", 21024: better}
    assert rival.read()[0][297] == "0"
    assert maker.read() == []


def test_the_asked_for_quote_is_taken_otherwise(connect: Connect, asker: FixClient, maker: FixClient) -> None:
    rival = connect("trader-2", "KalshiRFQ")
    rival.log_on()
    rfq_id = asked(asker, maker)
    worse = quoted(asker, maker, rfq_id)
    quoted(asker, rival, rfq_id, t133=52) if rival.read() else None

    assert asker.one("UA", [(117, worse), (54, 1)])[21024] == worse


def test_a_part_cannot_be_accepted(asker: FixClient, maker: FixClient) -> None:
    made = quoted(asker, maker, asked(asker, maker))

    assert asker.one("UA", [(117, made), (54, 1), (38, 50), (11, "x")]).part(21025, 11, 58) == {
        21025: "1", 11: "x", 58: "INVALID_QUANTITY",
    }  # fmt: skip


def test_a_quote_is_confirmed_in_time_or_not_at_all(asker: FixClient, maker: FixClient, fix: InProcessFix) -> None:
    made = quoted(asker, maker, asked(asker, maker))
    assert maker.one("U7", [(117, "quote-1")]).part(35, 21010) == {35: "U8", 21010: "1"}
    asker.ask("UA", [(117, made), (54, 1)])
    maker.read()
    fix.step(30_001)
    maker.read()

    assert maker.one("U7", [(117, "quote-1")]).part(35, 21010, 58) == {35: "U8", 21010: "1", 58: "EXPIRED"}


def test_names_are_known_after_a_restart(
    connect: Connect, asker: FixClient, maker: FixClient, fix: InProcessFix
) -> None:
    made = quoted(asker, maker, asked(asker, maker))
    asker.ask("UA", [(117, made), (54, 1), (11, "accept-1")])

    restarted = fix.again()
    back = connect("maker", "KalshiRFQ", gateway=restarted)
    back.log_on()
    assert back.one("U7", [(117, "quote-1")])[21010] == "0"
    restarted.step(15_000)

    rt = connect(target="KalshiRT", gateway=restarted)
    rt.seq, rt.strict = asker.seq, False
    rt.log_on(reset=False)
    again = rt.ask("2", [(7, asker.expected), (16, 0)])
    assert [msg.part(11, 150) for msg in again if msg[35] == "8"] == [{11: "accept-1", 150: "F"}]


def test_what_remains_may_rest_under_the_accepts_name(
    connect: Connect, asker: FixClient, maker: FixClient, fix: InProcessFix
) -> None:
    rfq_id = asked(asker, maker, t21015="Y")
    made = quoted(asker, maker, rfq_id)
    asker.ask("UA", [(117, made), (54, 1), (11, "accept-1")])
    maker.ask("U7", [(117, "quote-1")])
    # Somebody has better offers than the maker: the maker's order then meets those, not the requester's.
    fix.paper.control(
        "POST",
        "/external",
        {"action": "place", "member": "trader-2", "ticker": LINEAR, "side": "bid", "price": "0.6000", "count": "40.00"},
    )
    fix.step(15_000)

    reports = [msg for msg in asker.read() if msg[35] == "8"]

    assert [msg.part(11, 150, 39, 151) for msg in reports] == [{11: "accept-1", 150: "F", 39: "1", 151: "40.00"}]
    body: Pairs = [(11, "end"), (41, "accept-1"), (54, 1), (55, LINEAR)]
    assert asker.one("F", body).part(11, 41, 150) == {11: "end", 41: "accept-1", 150: "4"}


def test_orders_of_questions_asked_by_rest_keep_their_own_name(
    asker: FixClient, maker: FixClient, fix: InProcessFix
) -> None:
    with fix.paper.client("trader-1") as rest:
        body = {"market_ticker": LINEAR, "contracts": 10, "rest_remainder": False}
        rfq_id = rest.post("/communications/rfqs", json=body).json()["id"]
    maker.read()
    maker.ask("S", offer(rfq_id))
    assert asker.read() == [], "the session that asked is told"
    quote = next(iter(fix.paper.exchange.board.quotes.values()))

    fix.paper.control("POST", "/fix/rules", {"reports": "member"})
    asker.ask("UA", [(117, quote.quote_id), (54, 1)])
    maker.ask("U7", [(117, "quote-1")])
    fix.step(15_000)

    trade: Msg = next(msg for msg in asker.read() if msg[35] == "8")
    assert trade[11].startswith("rfq:")
