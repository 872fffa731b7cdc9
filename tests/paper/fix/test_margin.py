"""Margin sessions and market data, by the pages of docs: fix-margin, on the same matching as everything else."""

from collections.abc import Callable
from functools import partial

import pytest

from apps.paper.engine.orders import NewOrder
from apps.paper.engine.units import Side
from apps.paper.fix.doors import DOORS, split
from apps.paper.fix.rules import FixRules
from apps.paper.fix.testing import InProcessFix
from apps.paper.testing import DECI, LINEAR
from tests.paper.fix.client import FixClient, Msg
from tests.paper.fix.conftest import Connect
from tests.paper.fix.orders import change, order

Margin = Callable[..., FixClient]


@pytest.fixture
def margin(connect: Connect) -> Margin:
    """A client on a session of the margin exchange, not logged on yet."""
    return partial(connect, door="margin:")


@pytest.fixture
def trader(margin: Margin) -> FixClient:
    made = margin()
    made.log_on((21011, "Y"))
    return made


@pytest.fixture
def book(margin: Margin, fix: InProcessFix) -> FixClient:
    """The maker's key on KalshiMD."""
    made = margin("maker", "KalshiMD")
    assert [msg[35] for msg in made.log_on()] == ["A"]
    return made


def levels(msg: Msg) -> list[tuple[str, ...]]:
    """(action, type, price, size) of each entry; the action is empty in a snapshot."""
    actions = msg.all(279) or [""] * int(msg[268])
    found = list(zip(actions, msg.all(269), msg.all(270), msg.all(271), strict=True))
    assert len(found) == int(msg[268])
    return found


def new_order(ticker: str, side: Side, price: int, count: int) -> NewOrder:
    return NewOrder(ticker=ticker, side=side, price=price, count=count, client_order_id=f"{ticker}{side}{price}")


# --- logon ---------------------------------------------------------------------------------------
def test_each_variant_is_a_door_of_its_own() -> None:
    margin = [door for door in DOORS.values() if door.is_margin]

    assert {door.target: door.port_offset - 5 for door in margin} == {
        "KalshiNR": 0, "KalshiDC": 1, "KalshiRT": 2, "KalshiMD": 5,
    }, "8228, 8229, 8230, 8233"  # fmt: skip
    assert len({door.port_offset for door in DOORS.values()}) == len(DOORS)
    assert all(split(f"{name}key") == (door, "key") for name, door in DOORS.items())


@pytest.mark.parametrize(
    ("target", "reset"), [("KalshiNR", "Y"), ("KalshiDC", "Y"), ("KalshiMD", "Y"), ("KalshiRT", None)]
)
def test_the_sessions_log_on(margin: Margin, target: str, reset: str | None) -> None:
    (answer,) = margin("trader-1", target).log_on(reset=True if reset else None)

    assert answer.part(35, 108, 141) == {35: "A", 108: "30", 141: reset}


@pytest.mark.parametrize("target", ["KalshiNR", "KalshiDC", "KalshiMD"])
def test_only_rt_goes_on_with_its_numbers(margin: Margin, target: str) -> None:
    (answer,) = margin("trader-1", target).log_on(reset=None)

    assert answer.part(35, 58) == {35: "5", 58: f"ResetSeqNumFlag<141> must be Y on {target}"}


@pytest.mark.parametrize("flag", [20127, 21026])
def test_flags_that_the_margin_pages_lack_are_refused(margin: Margin, flag: int) -> None:
    reject, logout = margin("trader-1", "KalshiRT").log_on((flag, "Y"))

    assert reject.part(35, 371, 373) == {35: "3", 371: str(flag), 373: "2"}
    assert logout[35] == "5"


def test_a_heartbeat_of_three_seconds_will_do(margin: Margin, connect: Connect) -> None:
    assert margin().log_on(heartbeat=3)[0][35] == "A"
    assert connect("maker").log_on(heartbeat=3)[0][35] == "5", "of an event session N > 3"


def test_one_connection_per_key_whatever_the_exchange(margin: Margin, connect: Connect) -> None:
    connect().log_on()

    (answer,) = margin().log_on()

    assert answer.part(35, 58) == {35: "5", 58: "already exists"}


def test_a_listener_reads_and_is_told_so_in_the_reasons_of_the_margin_pages(margin: Margin) -> None:
    listener = margin("reader", "KalshiRT")
    listener.log_on((20126, "Y"), (21011, "Y"))

    refused = listener.one("D", order("a", t44="0.30"))

    assert refused.part(35, 380, 58) == {35: "j", 380: "0", 58: "a listener session is read-only"}


# --- order entry ---------------------------------------------------------------------------------
def test_prices_are_dollars_without_a_flag(trader: FixClient, fix: InProcessFix) -> None:
    there = trader.one("D", order("a", t44="0.3000"))

    assert there.part(44, 150, 39, 54) == {44: "0.3000", 150: "0", 39: "0", 54: "1"}
    (rest,) = fix.paper.exchange.orders(fix.paper.user_id("trader-1"))
    assert rest.price == 3_000


def test_a_sell_is_an_ask_of_the_one_book(trader: FixClient, fix: InProcessFix) -> None:
    fix.gateway.set_rules(FixRules(sell_price="no"))

    there = trader.one("D", order("a", t44="0.7000", t54=2))

    assert there.part(44, 54) == {44: "0.7000", 54: "2"}, "the rule is of event sessions"
    (rest,) = fix.paper.exchange.orders(fix.paper.user_id("trader-1"))
    assert (rest.side, rest.price) == ("ask", 7_000)


def test_a_replacement_may_leave_the_price_out_and_says_replaced(trader: FixClient) -> None:
    trader.ask("D", order("a", t44="0.30"))

    changed = trader.one("G", change("b", "a", t38=6))

    assert changed.part(150, 39, 38, 44) == {150: "5", 39: "5", 38: "6.00", 44: "0.3000"}


def test_a_price_of_more_than_a_dollar_is_refused_as_there_is_no_such_instrument(trader: FixClient) -> None:
    refused = trader.one("D", order("a", t44="19.5000"))
    unknown = trader.one("D", order("b", t44="0.5000", t55="BTC-PERP"))

    assert refused.part(35, 150, 103, 17) == {35: "8", 150: "8", 103: "11", 17: "-1;-1"}
    assert unknown.part(150, 103, 58) == {150: "8", 103: "1", 58: "MARKET_NOT_FOUND"}


def test_a_field_that_the_margin_pages_lack_is_refused(trader: FixClient) -> None:
    refused = trader.one("D", [*order("a", t44="0.30"), (21009, "5.00")])
    group = trader.one("UOG", [(20131, 1), (20132, 10), (79, 1)])

    assert refused.part(35, 371, 373) == {35: "3", 371: "21009", 373: "2"}
    assert group.part(35, 371, 373) == {35: "3", 371: "79", 373: "2"}


def test_the_answer_about_a_group_is_its_id_alone(trader: FixClient) -> None:
    made = trader.one("UOG", [(20131, 1), (20132, 10)])

    assert made.part(35, 20132, 79) == {35: "UOH", 20132: None, 79: None}
    assert trader.one("UOG", [(20131, 4), (20130, made[20130])])[20130] == made[20130]


@pytest.mark.parametrize("msg_type", ["R", "UA", "UE", "S", "Z", "U7"])
def test_there_are_no_rfqs_on_margin(margin: Margin, msg_type: str) -> None:
    client = margin("trader-1", "KalshiRT")
    client.log_on()
    bodies = {
        "R": [(131, "r"), (146, 1), (55, LINEAR), (38, 5)],
        "S": [(117, "q"), (131, "r"), (55, LINEAR), (132, "0.5")],
        "UA": [(117, "q"), (54, 1)],
    }

    assert client.one(msg_type, bodies.get(msg_type, [(117, "q")] if msg_type != "UE" else [])).part(35, 380) == {
        35: "j",
        380: "3",
    }


def test_mass_cancel_is_of_nr_alone(margin: Margin, trader: FixClient) -> None:
    trader.ask("D", order("a", t44="0.30"))
    told = trader.ask("q", [(11, "all"), (530, 6)])

    assert [msg[35] for msg in told] == ["r", "8"]
    other = margin("maker", "KalshiRT")
    other.log_on()
    assert other.one("q", [(11, "all"), (530, 6)]).part(35, 380) == {35: "j", 380: "3"}


def test_drop_copy_and_a_listener_tell_what_the_trading_session_was_told(margin: Margin, trader: FixClient) -> None:
    listener = margin("reader", "KalshiNR")
    listener.log_on((20126, "Y"), (21011, "Y"))
    told = trader.ask("D", order("a", t44="0.30")) + trader.ask("F", change("b", "a"))
    heard = listener.read()
    assert [msg.fields[7:-1] for msg in heard] == [msg.fields[7:-1] for msg in told]
    listener.ask("5")

    copy = margin("reader", "KalshiDC")
    copy.log_on()
    again = copy.ask("U1", [(21001, told[0][17])])

    assert [(msg[35], msg.get(17)) for msg in again] == [("8", told[0][17]), ("8", told[1][17]), ("U2", None)]
    assert [msg[44] for msg in again[:2]] == ["0.3000", "0.3000"]


def test_rt_keeps_what_was_missed_over_a_restart(margin: Margin, fix: InProcessFix, connect: Connect) -> None:
    client = margin("trader-1", "KalshiRT")
    client.log_on((21011, "Y"))
    client.ask("D", order("a", t44="0.30"))
    client.pipe.hang_up()
    (rest,) = fix.paper.exchange.orders(fix.paper.user_id("trader-1"))
    fix.paper.exchange.cancel_order(fix.paper.user_id("trader-1"), rest.order_id)

    later = fix.again()
    back = margin("trader-1", "KalshiRT", gateway=later)
    back.seq, back.expected = client.seq, client.expected
    back.strict = False
    back.log_on((21011, "Y"), reset=None)
    missed = back.ask("2", [(7, client.expected), (16, 0)])

    assert missed[0].part(35, 150, 43) == {35: "8", 150: "4", 43: "Y"}
    event = connect("trader-1", "KalshiRT", gateway=later)
    back.ask("5")
    assert event.log_on(reset=None)[0][34] == "1", "the event session of the key has numbers of its own"


# --- market data ---------------------------------------------------------------------------------
def test_a_snapshot_is_the_whole_book_in_dollars(book: FixClient, trader: FixClient) -> None:
    trader.ask("D", order("a", t44="0.30"))
    trader.ask("D", order("b", t44="0.31", t38=5))
    trader.ask("D", order("c", t44="0.40", t54=2, t38="2.50"))

    told = book.one("V", [(263, 0), (146, 1), (55, LINEAR)])

    assert told.part(35, 55) == {35: "W", 55: LINEAR}
    assert levels(told) == [("", "0", "0.3100", "5.00"), ("", "0", "0.3000", "10.00"), ("", "1", "0.4000", "2.50")]
    trader.ask("D", order("d", t44="0.29"))
    assert book.read() == [], "a snapshot is no subscription"


def test_changes_follow_a_subscription(book: FixClient, trader: FixClient, fix: InProcessFix) -> None:
    assert levels(book.one("V", [(263, 1), (146, 1), (55, LINEAR)])) == []

    trader.ask("D", order("a", t44="0.30"))
    trader.ask("D", order("b", t44="0.30", t38=5))
    trader.ask("F", change("x", "a"))
    trader.ask("F", change("y", "b"))
    told = book.read()

    assert [(msg[35], msg[55], *levels(msg)) for msg in told] == [
        ("X", LINEAR, ("1", "0", "0.3000", "10.00")),
        ("X", LINEAR, ("1", "0", "0.3000", "15.00")),
        ("X", LINEAR, ("1", "0", "0.3000", "5.00")),
        ("X", LINEAR, ("2", "0", "0.3000", "0.00")),
    ]


def test_what_happens_elsewhere_is_told_at_the_next_turn(book: FixClient, fix: InProcessFix) -> None:
    book.ask("V", [(263, 1), (146, 2), (55, LINEAR), (55, DECI)])
    fix.paper.exchange.create_order(fix.paper.user_id("trader-2"), new_order(LINEAR, "ask", 4_500, 300))
    fix.paper.exchange.create_order(fix.paper.user_id("trader-2"), new_order(DECI, "bid", 1_230, 100))
    assert book.read() == []

    fix.step(50)

    assert [(msg[55], *levels(msg)) for msg in book.read()] == [
        (LINEAR, ("1", "1", "0.4500", "3.00")),
        (DECI, ("1", "0", "0.1230", "1.00")),
    ]


@pytest.mark.parametrize("symbols", [(), (LINEAR,)])
def test_a_subscription_is_cancelled_by_symbol_or_whole(
    book: FixClient, trader: FixClient, symbols: tuple[str, ...]
) -> None:
    book.ask("V", [(263, 1), (146, 2), (55, LINEAR), (55, DECI)])
    listed = [(146, len(symbols)), *((55, symbol) for symbol in symbols)] if symbols else []

    assert book.ask("V", [(263, 2), *listed]) == []
    trader.ask("D", order("a", t44="0.30"))
    trader.ask("D", order("b", t44="0.30", t55=DECI))

    assert [msg[55] for msg in book.read()] == ([DECI] if symbols else [])


def test_an_unknown_symbol_has_an_empty_book(book: FixClient) -> None:
    told = book.one("V", [(263, 1), (146, 1), (55, "BTC-PERP")])

    assert told.part(35, 55, 268) == {35: "W", 55: "BTC-PERP", 268: "0"}


def test_what_cannot_be_asked_is_rejected(book: FixClient, fix: InProcessFix) -> None:
    fix.gateway.set_rules(FixRules(market_data_symbols=2))

    assert book.one("V", [(263, 7), (146, 1), (55, LINEAR)]).part(35, 281) == {35: "Y", 281: "4"}
    assert book.one("V", [(263, 1)]).part(35, 380, 372) == {35: "j", 380: "5", 372: "V"}
    assert book.one("V", [(263, 1), (146, 2), (55, LINEAR)]).part(35, 373) == {35: "3", 373: "16"}
    three = [(146, 3), (55, LINEAR), (55, DECI), (55, "BTC-PERP")]
    assert book.one("V", [(263, 1), *three]).part(35, 281) == {35: "Y", 281: "2"}
    assert len(book.ask("V", [(263, 1), (146, 2), (55, LINEAR), (55, DECI)])) == 2
    assert book.one("V", [(263, 1), (146, 1), (55, "BTC-PERP")]).part(35, 281) == {35: "Y", 281: "2"}
    assert book.one("D", order("a", t44="0.30")).part(35, 380) == {35: "j", 380: "3"}


def test_a_key_that_only_reads_may_watch_and_a_new_logon_watches_nothing(margin: Margin, trader: FixClient) -> None:
    watcher = margin("reader", "KalshiMD")
    watcher.log_on()
    assert watcher.one("V", [(263, 1), (146, 1), (55, LINEAR)])[35] == "W"
    watcher.pipe.hang_up()
    again = margin("reader", "KalshiMD")
    again.log_on()

    trader.ask("D", order("a", t44="0.30"))

    assert again.read() == []
