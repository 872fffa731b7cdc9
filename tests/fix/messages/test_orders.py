"""Order entry, groups and RFQ messages: what is written is valid, what is read is exact, what is wrong is refused."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from apps.core.errors import WireFormatError
from apps.fix.engine.codec import Message, decode, encode
from apps.fix.engine.dictionary import kalshi
from apps.fix.engine.validate import check_body
from apps.fix.messages import groups, orders, rfq
from apps.fix.messages.common import ExecId, Prices
from tests.fix.engine.talk import fields_of

DOLLARS, CENTS = Prices(in_dollars=True), Prices(in_dollars=False)
HEADER = [(49, "Kalshi"), (56, "key"), (34, "2"), (52, "20230809-05:28:18.035")]
TRADE = "37=o-1|11=c-1|17=12345;67890|150=F|39=1|54=1|55=HIGHNY-23DEC31|151=40.00|14=60.00|6=0.6600|31=0.7000|32=60.00"
POSITION = "38=100.00|44=0.7500|880=t-1|1057=Y|60=20250926-21:54:16.159|704=60|705=0|79=2"
FEE = "137=0.07|138=USD|139=4|891=0|137=0.006|138=USD|139=4|891=0|1703=1|1704=-42.00|1705=BALANCE"
REPORT = dict(fields_of(f"{TRADE}|{POSITION}"))
FEES = [(136, "2"), *fields_of(FEE)]
ORDER = orders.NewOrder("550e8400-e29b-41d4-a716-446655440000", "HIGHNY-23DEC31", "bid", Decimal("0.75"), Decimal(10))


def message(kind, fields, header=HEADER):
    return decode(encode([(35, kind), *header, *fields]))


def report(prices=DOLLARS, extra=FEES, **over):
    values = REPORT | {int(tag[1:]): value for tag, value in over.items()}
    fields = [(tag, value) for tag, value in values.items() if value is not None]
    return orders.ExecutionReport.read(message("8", [*fields, *extra]), prices)


def valid(kind, fields):
    return check_body(kind, fields, kalshi()) is None


def test_a_trade_is_read_with_all_that_it_says():
    told = report()

    assert told.exec_id == ExecId(12345, 67890)
    assert (told.book_side, told.price, told.average_price) == ("bid", Decimal("0.75"), Decimal("0.66"))
    assert (told.count, told.filled, told.remaining, told.subaccount) == (100, 60, 40, 2)
    assert told.transacted_at == datetime(2025, 9, 26, 21, 54, 16, 159_000, tzinfo=UTC)
    assert told.trade is not None
    assert (told.trade.trade_id, told.trade.price, told.trade.count) == ("t-1", Decimal("0.7"), 60)
    assert (told.trade.is_taker, told.trade.fee) == (True, Decimal("0.076"))
    assert told.trade.collateral == ((Decimal("-42.00"), "BALANCE"),)
    assert not told.is_pending


def test_cents_and_dollars_say_the_same():
    cents = report(CENTS, _6="66", _31="70", _44="75")

    assert cents == report()
    assert report(CENTS, _6="66.5", _31="70", _44="75").average_price == Decimal("0.665")


def test_pending_reports_and_rejects_name_no_report():
    pending = report(_17="-1;-1", _150="A", _39="A", _31=None, _32=None, _880=None)

    assert pending.is_pending
    assert pending.trade is None
    assert not pending.exec_id.is_sequenced
    rejected = report(_17="-1;-1", _150="8", _39="8", _103="3", _58="INSUFFICIENT_BALANCE")
    assert (rejected.is_rejected, rejected.reject_reason, rejected.text) == (True, 3, "INSUFFICIENT_BALANCE")


@pytest.mark.parametrize("tag", ["_31", "_32", "_880"])
def test_a_trade_without_its_facts_is_refused(tag):
    with pytest.raises(WireFormatError, match="a trade without"):
        report(**{tag: None})


@pytest.mark.parametrize("raw", ["", "4", "4;", ";7", "4;7;1", "4.0;7", "a;b", "4 ;7", "4;٣", "99999999999999999999;1"])
def test_an_exec_id_is_two_integers(raw):
    with pytest.raises(WireFormatError):
        ExecId.read(raw)


def test_exec_ids_are_compared_as_integers():
    """D7: by text, 4;10 would come before 4;9 and 10;1 before 9;99."""
    shuffled = ["10;1", "4;10", "4;9", "9;99", "4;7"]

    assert [str(one) for one in sorted(ExecId.read(raw) for raw in shuffled)] == ["4;7", "4;9", "4;10", "9;99", "10;1"]
    assert ExecId.read("004;7") == ExecId(4, 7)


def test_a_new_order_is_written_as_documented():
    assert ORDER.fields(CENTS) == [
        *[(11, "550e8400-e29b-41d4-a716-446655440000"), (38, "10.00"), (40, "2"), (44, "75"), (54, "1")],
        *[(55, "HIGHNY-23DEC31"), (59, "1")],
    ]
    assert (44, "0.7500") in ORDER.fields(DOLLARS)


def test_every_option_of_a_new_order_is_valid():
    full = orders.NewOrder(
        *["c", "M", "ask", Decimal("0.0123"), Decimal("1.5")],
        time_in_force="gtd",
        expires_at=datetime(2026, 1, 2, 3, 4, 5, 6_000, tzinfo=UTC),
        post_only=True,
        subaccount=32,
        order_group_id="770e8400-e29b-41d4-a716-446655440002",
        maker_self_trade=True,
        cancel_on_pause=True,
        max_cost=Decimal("12.50"),
    )
    fields = full.fields(DOLLARS)

    assert valid("D", fields)
    wanted = {18: "6", 44: "0.0123", 54: "2", 59: "6", 126: "20260102-03:04:05.006", 79: "32", 2964: "2", 21006: "Y"}
    assert wanted.items() <= dict(fields).items()
    assert dict(fields)[21009] == "12.50"


@pytest.mark.parametrize(
    ("over", "prices"),
    [
        ({"price": Decimal("0.725")}, CENTS),
        ({"price": Decimal("0.00001")}, DOLLARS),
        ({"price": Decimal("NaN")}, DOLLARS),
        ({"price": Decimal(-1)}, DOLLARS),
        ({"count": Decimal(0)}, DOLLARS),
        ({"count": Decimal("1.001")}, DOLLARS),
        ({"book_side": "buy"}, DOLLARS),
        ({"time_in_force": "gtd"}, DOLLARS),
        ({"time_in_force": "x"}, DOLLARS),
        ({"expires_at": datetime(2026, 1, 1, tzinfo=UTC)}, DOLLARS),
        ({"subaccount": 33}, DOLLARS),
        ({"client_order_id": "x" * 65}, DOLLARS),
        ({"client_order_id": ""}, DOLLARS),
    ],
)
def test_an_order_that_cannot_be_said_exactly_is_refused(over, prices):
    from dataclasses import replace

    with pytest.raises(WireFormatError):
        replace(ORDER, **over).fields(prices)


def test_cancels_and_replacements_are_valid():
    cancel = orders.CancelOrder("x", "c", "M", "bid", order_id="o", subaccount=3)
    change = orders.ReplaceOrder("x", "c", "M", "ask", Decimal(5), Decimal("0.4"), order_id="o")

    assert valid("F", cancel.fields())
    assert valid("G", change.fields(DOLLARS))
    assert (44, "40") in change.fields(CENTS)
    assert 44 not in dict(orders.ReplaceOrder("x", "c", "M", "ask", Decimal(5)).fields(CENTS))
    assert valid("q", orders.mass_cancel_fields("x"))


def test_what_was_refused_is_told():
    limited = orders.Refusal.read(message("j", [(45, "7"), (372, "D"), (380, "8"), (379, "c"), (58, "slow down")]))
    listener = orders.Refusal.read(message("j", [(45, "7"), (380, "6")]))
    reject = orders.Refusal.read(message("3", [(45, "5"), (371, "333333"), (372, "D"), (373, "3")]))
    cancel = orders.CancelReject.read(
        message("9", [(37, "o"), (11, "x"), (41, "c"), (39, "2"), (434, "1"), (102, "0"), (58, "late")])
    )

    assert (limited.is_rate_limit, limited.ref_seq, limited.ref_type, limited.ref_id) == (True, 7, "D", "c")
    assert (listener.is_listener_refused, listener.is_rate_limit) == (True, False)
    assert (reject.is_business, reject.reason, reject.ref_tag, reject.is_rate_limit) == (False, 3, 333333, False)
    assert (cancel.reason, cancel.response_to, cancel.original_id) == (0, "1", "c")
    mass = orders.MassCancelReport.read(message("r", [(11, "x"), (37, "op"), (531, "0"), (532, "99")]))
    assert (mass.is_accepted, mass.reason) == (False, 99)
    with pytest.raises(WireFormatError):
        orders.Refusal.read(message("8", []))


@pytest.mark.parametrize(
    ("args", "fields"),
    [
        ({"action": "create", "limit": 5000}, [(20131, "1"), (20132, "5000")]),
        ({"action": "create", "limit": 5000, "subaccount": 2}, [(20131, "1"), (20132, "5000"), (79, "2")]),
        ({"action": "reset", "group_id": "g"}, [(20131, "2"), (20130, "g")]),
        ({"action": "delete", "group_id": "g"}, [(20131, "3"), (20130, "g")]),
        ({"action": "trigger", "group_id": "g"}, [(20131, "4"), (20130, "g")]),
        ({"action": "update", "group_id": "g", "limit": 2500}, [(20131, "5"), (20130, "g"), (20132, "2500")]),
    ],
)
def test_order_groups_as_documented(args, fields):
    assert groups.group_fields(**args) == fields
    assert valid("UOG", fields)


@pytest.mark.parametrize(
    "args",
    [
        {"action": "create"},
        {"action": "create", "limit": 1, "group_id": "g"},
        {"action": "create", "limit": 0},
        {"action": "create", "limit": 1_000_001},
        {"action": "reset"},
        {"action": "reset", "group_id": "g", "limit": 5},
        {"action": "drop", "group_id": "g"},
    ],
)
def test_half_an_action_on_a_group_is_refused(args):
    with pytest.raises(WireFormatError):
        groups.group_fields(**args)


def test_the_answer_to_a_group_is_read():
    assert groups.GroupResponse.read(message("UOH", [(20130, "g"), (20132, "5"), (79, "2")])) == groups.GroupResponse(
        "g", 5, 2
    )
    assert groups.GroupResponse.read(message("UOH", [(20130, "g")])) == groups.GroupResponse("g", None, 0)


def test_a_request_with_legs_as_documented():
    legs = (rfq.Leg("EVENT1", "MKT1", "yes"), rfq.Leg("EVENT2", "MKT2", "no"))
    fields = rfq.NewRequest("client-req-456", collection="PARLAY-COLLECTION", legs=legs, count=Decimal(100)).fields()

    assert fields == [
        *[(131, "client-req-456"), (146, "1"), (38, "100.00"), (20180, "PARLAY-COLLECTION"), (20181, "2")],
        *[(20182, "EVENT1"), (20183, "MKT1"), (20184, "yes"), (20182, "EVENT2"), (20183, "MKT2"), (20184, "no")],
    ]
    assert valid("R", fields)
    heard = rfq.RequestHeard.read(message("R", [*fields, (55, "M"), (453, "1"), (448, "anon-456")]))
    assert (heard.legs, heard.requester, heard.ticker, heard.count) == (legs, "anon-456", "M", 100)


@pytest.mark.parametrize(
    "over",
    [
        {"count": None},
        {"cost": Decimal(5)},
        {"ticker": ""},
        {"collection": "C"},
        {"legs": (rfq.Leg("E", "M", "yes"),)},
        {"count": Decimal("1.5")},
        {"ticker": "", "collection": "C", "legs": (rfq.Leg("E", "M", "maybe"),)},
    ],
)
def test_a_request_that_is_unclear_is_refused(over):
    with pytest.raises(WireFormatError):
        rfq.NewRequest(**{"request_id": "r", "ticker": "M", "count": Decimal(1)} | over).fields()


def test_accepting_and_cancelling():
    """BUY accepts the maker's NO quote: the requester buys YES."""
    assert rfq.accept_fields("q", takes_yes=True)[1] == (54, "1")
    fields = rfq.accept_fields("q", takes_yes=False, count=Decimal(5), client_order_id="c", best=True)
    assert fields == [(117, "q"), (54, "2"), (38, "5.00"), (11, "c"), (21022, "Y")]
    assert valid("UA", fields)
    assert valid("UE", rfq.cancel_request_fields(request_id="r"))
    assert rfq.cancel_request_fields(rfq_id="s") == [(21023, "s")]
    with pytest.raises(WireFormatError):
        rfq.cancel_request_fields()


def test_quotes_by_both_sides():
    one_sided = rfq.NewQuote("q", "r", "M", yes_bid=Decimal("0.75")).fields(CENTS)
    assert one_sided == [(117, "q"), (131, "r"), (55, "M"), (132, "75")]
    assert valid("S", rfq.NewQuote("q", "r", "M", Decimal("0.7"), Decimal("0.2"), 3, True).fields(DOLLARS))
    with pytest.raises(WireFormatError):
        rfq.NewQuote("q", "r", "M", Decimal(0)).fields(CENTS)
    heard = rfq.QuoteHeard.read(message("S", [(117, "q"), (131, "r"), (55, "M"), (132, "0.7500"), (38, "100")]))
    assert (heard.yes_bid, heard.no_bid, heard.count, heard.yes_count) == (Decimal("0.75"), 0, 100, None)
    with pytest.raises(WireFormatError):
        rfq.QuoteHeard.read(message("S", [(117, "q"), (131, "r"), (55, "M"), (132, "0")]))


@pytest.mark.parametrize(
    ("code", "status"), [("0", "accepted"), ("5", "rejected"), ("10", "pending"), ("9", "unknown 9")]
)
def test_quote_status(code, status):
    told = rfq.QuoteStatus.read(message("AI", [(117, "q"), (131, "r"), (297, code), (132, "75"), (54, "1")]), CENTS)

    assert (told.status, told.yes_bid, told.no_bid, told.accepted_yes) == (status, Decimal("0.75"), None, True)


@pytest.mark.parametrize(
    ("kind", "fields", "about"),
    [
        ("U9", [(117, "q"), (298, "1"), (58, "gone")], "q"),
        ("U8", [(117, "q"), (21010, "1"), (58, "gone")], "q"),
        ("UC", [(117, "q"), (21025, "1"), (58, "gone")], "q"),
        ("UB", [(131, "r"), (21013, "1"), (58, "gone")], "r"),
    ],
)
def test_short_answers(kind, fields, about):
    refused = rfq.Answer.read(message(kind, fields))
    done = rfq.Answer.read(message(kind, [fields[0], (fields[1][0], "0")]))

    assert (refused.about, refused.is_done, refused.text) == (about, False, "gone")
    assert done.is_done


def test_what_happened_to_a_request():
    ack = rfq.RequestAcknowledged.read(message("b", [(131, "r"), (303, "1"), (21023, "s"), (55, "M")]))
    assert (ack.request_id, ack.rfq_id, ack.ticker) == ("r", "s", "M")
    refused = rfq.RequestRefused.read(message("AG", [(131, "r"), (658, "3"), (58, "limit")]))
    assert (refused.reason, refused.text) == (3, "limit")
    better = rfq.Answer.read(message("UC", [(117, "q"), (21025, "0"), (21024, "q2"), (11, "c")]))
    assert (better.accepted_id, better.client_order_id) == ("q2", "c")


def test_a_message_of_another_type_or_not_whole_is_refused():
    with pytest.raises(WireFormatError, match="expected 8"):
        orders.ExecutionReport.read(message("9", []), DOLLARS)
    with pytest.raises(WireFormatError, match="Required tag missing"):
        orders.ExecutionReport.read(message("8", [(37, "o")]), DOLLARS)
    assert isinstance(message("8", []), Message)


def test_prices_of_sells_may_be_of_the_no_leg():
    """The documentation does not say which leg side 2 is priced in: one switch, both ways."""
    from dataclasses import replace

    no_leg = Prices(in_dollars=True, sells_in_no=True)
    sell = replace(ORDER, book_side="ask")

    assert dict(sell.fields(no_leg))[44] == "0.2500"
    assert dict(ORDER.fields(no_leg))[44] == "0.7500"
    told = report(no_leg, _54="2")
    assert told.trade is not None
    assert (told.price, told.trade.price, told.average_price) == (Decimal("0.25"), Decimal("0.3"), Decimal("0.34"))
    assert report(DOLLARS, _54="2").price == Decimal("0.75")
