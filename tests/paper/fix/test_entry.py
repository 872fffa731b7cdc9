"""Order entry: every way an order can go, told as the flags of the session want it."""

from typing import Any

import pytest

from apps.paper.fix.testing import InProcessFix
from apps.paper.testing import DAY_MS, DECI, LINEAR
from tests.paper.fix.client import FixClient, stamp
from tests.paper.fix.conftest import Connect
from tests.paper.fix.orders import STEPS, change, order, steps


# --- placing -------------------------------------------------------------------------------------
def test_an_order_is_pending_and_then_there(connect: Connect, fix: InProcessFix) -> None:
    client = connect()
    client.log_on()

    waiting, there = client.ask("D", order("a"))

    assert waiting.part(17, 37, 11, *STEPS) == {
        17: "-1;-1", 37: "NONE", 11: "a", 150: "A", 39: "A", 14: "0.00", 151: "10.00", 38: "10",
    }  # fmt: skip
    assert there.part(11, 44, 54, 55, 6, *STEPS) == {
        11: "a", 44: "30", 54: "1", 55: LINEAR, 6: "0", 150: "0", 39: "0", 14: "0.00", 151: "10.00", 38: "10.00",
    }  # fmt: skip
    (rest,) = fix.paper.exchange.orders(fix.paper.user_id("trader-1"))
    assert (rest.order_id, rest.client_order_id, rest.price) == (there[37], "a", 3_000)


def test_a_trade_tells_fee_position_and_money(client: FixClient, other: FixClient) -> None:
    client.ask("D", order("a", t44=75))

    (sold,) = other.ask("D", order("b", t44=75, t54=2, t38=4))
    (bought,) = client.read()

    assert bought.part(150, 39, 31, 32, 6, 14, 151, 704, 705, 1057, 137, 1704, 1705) == {
        150: "F", 39: "1", 31: "75", 32: "4.00", 6: "75", 14: "4.00", 151: "6.00", 704: "4.00", 705: "0.00",
        1057: "N", 137: "0.0000", 1704: "-3.0000", 1705: "BALANCE",
    }  # fmt: skip
    assert sold.part(150, 39, 54, 31, 32, 704, 705, 1057, 137, 138, 139, 891, 1704) == {
        150: "F", 39: "2", 54: "2", 31: "75", 32: "4.00", 704: "0.00", 705: "4.00", 1057: "Y", 137: "0.0600",
        138: "USD", 139: "4", 891: "0", 1704: "-1.0600",
    }  # fmt: skip
    assert sold[880] == bought[880]
    assert [tag for tag, _ in sold.fields if tag in (136, 137, 138, 139, 891)] == [136, 137, 138, 139, 891]


def test_the_acknowledgement_is_folded_into_the_first_trade(client: FixClient, other: FixClient) -> None:
    other.ask("D", order("m", t54=2))

    assert steps(client.ask("D", order("a"))) == [("F", "2", "10.00", "0.00", "10.00")]


def test_the_acknowledgement_comes_first_where_it_is_wanted(connect: Connect, other: FixClient) -> None:
    other.ask("D", order("m", t54=2, t38=4))
    client = connect()
    client.log_on((21011, "Y"), (21026, "Y"))

    assert steps(client.ask("D", order("a"))) == [
        ("0", "0", "0.00", "10.00", "10.00"),
        ("F", "1", "4.00", "6.00", "10.00"),
    ]


def test_exec_ids_rise_as_pairs_of_numbers(client: FixClient, other: FixClient) -> None:
    for number in range(3):
        client.ask("D", order(f"a{number}"))
    other.ask("D", order("b", t54=2, t38=25))
    ids = [tuple(map(int, msg[17].split(";"))) for msg in client.read()]

    assert len(ids) == 3
    assert ids == sorted(set(ids))


REJECTED: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown market": ({"t55": "KXNONE-1"}, "1", "MARKET_NOT_FOUND"),
    "too expensive": ({"t38": 900_000, "t44": 99}, "3", "INSUFFICIENT_BALANCE"),
    "price of zero": ({"t44": 0}, "11", "INVALID_ORDER"),
    "price of a dollar": ({"t44": 100}, "11", "INVALID_ORDER"),
    "price between cents": ({"t44": "30.5"}, "11", "INVALID_ORDER"),
    "no contracts": ({"t38": 0}, "13", "INVALID_ORDER"),
    "too fine a count": ({"t38": "1.001"}, "13", "INVALID_ORDER"),
    "too many": ({"t38": 1_000_001, "t44": 1}, "13", "INVALID_ORDER"),
    "no such subaccount": ({"t79": 9}, "15", "CUSTOMER_ACCOUNT_NOT_FOUND"),
    "no such group": (
        {"t526": "00000000-0000-4000-8000-000000000000"}, "11", "ORDER_GROUP_NOT_FOUND",
    ),
    "post only and immediate": ({"t18": 6, "t59": 3}, "11", "INVALID_ORDER"),
}  # fmt: skip


@pytest.mark.parametrize("name", REJECTED)
def test_a_refused_order_says_why(client: FixClient, name: str) -> None:
    over, reason, text = REJECTED[name]

    answer = client.one("D", order("a", **over))

    assert answer.part(35, 37, 11, 17, 150, 39, 103, 58, 14, 151) == {
        35: "8", 37: "NONE", 11: "a", 17: "-1;-1", 150: "8", 39: "8", 103: reason, 58: text, 14: "0.00", 151: "0.00",
    }  # fmt: skip


def test_a_post_only_order_does_not_cross(client: FixClient, other: FixClient) -> None:
    other.ask("D", order("m", t54=2))

    assert client.one("D", order("a", t18=6)).part(150, 103, 58) == {150: "8", 103: "99", 58: "POST_ONLY_CROSS"}


def test_a_client_order_id_counts_once(client: FixClient) -> None:
    client.ask("D", order("a"))

    assert client.one("D", order("a")).part(150, 103, 58) == {150: "8", 103: "6", 58: "ORDER_ALREADY_EXISTS"}


@pytest.mark.parametrize(
    ("trading", "exchange", "text"), [(False, True, "TRADING_PAUSED"), (True, False, "EXCHANGE_PAUSED")]
)
def test_a_pause_refuses_orders(client: FixClient, fix: InProcessFix, trading: bool, exchange: bool, text: str) -> None:
    fix.paper.control("POST", "/trading", {"trading_active": trading, "exchange_active": exchange})

    assert client.one("D", order("a")).part(150, 103, 58) == {150: "8", 103: "2", 58: text}


@pytest.mark.parametrize(("action", "text"), [("pause", "MARKET_INACTIVE"), ("close_early", "MARKET_ALREADY_CLOSED")])
def test_a_market_that_rests_refuses_orders(client: FixClient, fix: InProcessFix, action: str, text: str) -> None:
    fix.paper.control("POST", "/market", {"ticker": LINEAR, "action": action})

    assert client.one("D", order("a")).part(150, 103, 58) == {150: "8", 103: "2", 58: text}


def test_a_key_that_only_reads_places_nothing(connect: Connect) -> None:
    client = connect("reader")
    client.log_on()

    assert client.one("D", order("a")).part(35, 372, 380) == {35: "j", 372: "D", 380: "6"}


# --- time in force -------------------------------------------------------------------------------
def test_what_an_immediate_order_cannot_fill_is_not_told(client: FixClient, other: FixClient) -> None:
    other.ask("D", order("m", t54=2, t38=4))

    assert steps(client.ask("D", order("a", t59=3))) == [("F", "1", "4.00", "6.00", "10.00")]


def test_it_is_told_where_it_is_wanted(connect: Connect, other: FixClient) -> None:
    other.ask("D", order("m", t54=2, t38=4))
    client = connect()
    client.log_on((21011, "Y"), (21007, "Y"))

    trade, over = client.ask("D", order("a", t59=3))

    assert steps([trade, over]) == [("F", "1", "4.00", "6.00", "10.00"), ("4", "4", "4.00", "0.00", "4.00")]
    assert over[58] == "IMMEDIATE_OR_CANCELLED"


def test_an_immediate_order_that_fills_nothing_is_cancelled(client: FixClient) -> None:
    there, over = client.ask("D", order("a", t59=3))

    assert (there[150], over[150], over[58]) == ("0", "4", "IMMEDIATE_OR_CANCELLED")


def test_the_asked_for_size_can_be_told_throughout(connect: Connect, other: FixClient) -> None:
    client = connect()
    client.log_on((21011, "Y"), (21008, "Y"))
    client.ask("D", order("a"))
    other.ask("D", order("b", t54=2, t38=4))
    client.ask("F", change("c", "a"))
    client.ask("D", order("d"))
    (over,) = client.ask("F", change("e", "d"))

    assert over.part(38, 14, 151) == {38: "10.00", 14: "0.00", 151: "0.00"}


def test_all_or_nothing_is_cancelled_with_an_exec_id(client: FixClient, other: FixClient) -> None:
    other.ask("D", order("m", t54=2, t38=4))

    over = client.one("D", order("a", t59=4))

    assert over.part(150, 39, 58, 14, 151) == {
        150: "4", 39: "4", 58: "FOK_INSUFFICIENT_VOLUME", 14: "0.00", 151: "0.00",
    }  # fmt: skip
    assert over[17] != "-1;-1"
    assert steps(client.ask("D", order("b", t59=4, t38=4)))[0][:2] == ("F", "2")


def test_a_cost_that_is_not_enough_cancels(client: FixClient, other: FixClient) -> None:
    other.ask("D", order("m", t54=2))

    assert client.one("D", order("a", t21009="3.00"))[150] == "4"
    assert client.one("D", order("b", t21009="3.50"))[150] == "F"


@pytest.mark.parametrize("given", [{"t59": 0}, {"t59": None}])
def test_a_day_order_ends_with_the_day_in_new_york(client: FixClient, fix: InProcessFix, given: dict[str, Any]) -> None:
    there = client.one("D", order("a", **given))
    expires = there[126]
    assert expires == "20261119-04:59:59.000"

    fix.step(DAY_MS)
    over = next(msg for msg in client.read() if msg[35] == "8")

    assert over.part(11, 150, 39, 58, 126) == {
        11: "a", 150: "4", 39: "4", 58: "ORDER_EXPIRY_CANCEL", 126: expires,
    }  # fmt: skip


def test_a_good_till_date_order_expires_then(connect: Connect, fix: InProcessFix) -> None:
    client = connect()
    client.log_on((21011, "Y"), (21012, "Y"))
    until = fix.paper.clock.now_ms() // 1000 * 1000 + 5_000
    client.ask("D", order("a", t59=6, t126=stamp(until)))

    fix.step(6_000)

    assert client.read()[-1].part(150, 39, 58) == {150: "C", 39: "C", 58: "ORDER_EXPIRY_CANCEL"}


def test_a_date_that_is_over_makes_it_immediate(client: FixClient, fix: InProcessFix) -> None:
    there, over = client.ask("D", order("a", t59=6, t126=stamp(fix.paper.clock.now_ms() - 60_000)))

    assert (there[150], over[150], over[58]) == ("0", "4", "IMMEDIATE_OR_CANCELLED")


def test_good_till_date_needs_a_date(client: FixClient) -> None:
    assert client.one("D", order("a", t59=6)).part(35, 380, 379) == {35: "j", 380: "5", 379: "a"}


@pytest.mark.parametrize(("flags", "status"), [((), "4"), (((21012, "Y"),), "C")])
def test_orders_end_with_their_market(
    connect: Connect, fix: InProcessFix, flags: tuple[tuple[int, object], ...], status: str
) -> None:
    client = connect()
    client.log_on((21011, "Y"), *flags)
    client.ask("D", order("a"))

    fix.paper.control("POST", "/market", {"ticker": LINEAR, "action": "close_early"})

    assert client.read()[-1].part(150, 39, 58) == {150: status, 39: status, 58: "CLOSE_CANCEL"}


@pytest.mark.parametrize(("flags", "over"), [((), {"t21006": "Y"}), (((21006, "Y"),), {})])
def test_orders_may_end_with_a_pause(
    connect: Connect, fix: InProcessFix, flags: tuple[tuple[int, object], ...], over: dict[str, Any]
) -> None:
    client = connect()
    client.log_on((21011, "Y"), *flags)
    client.ask("D", order("a", **over))
    client.ask("D", order("b", t21006="N"))

    fix.paper.control("POST", "/trading", {"trading_active": False})

    (ended,) = client.read()
    assert ended.part(11, 150, 58) == {11: "a", 150: "4", 58: "CANCEL_ON_PAUSE"}


# --- self trade ----------------------------------------------------------------------------------
def test_an_order_that_meets_its_own_is_cancelled(client: FixClient) -> None:
    client.ask("D", order("m", t54=2))

    there, over = client.ask("D", order("a"))

    assert there[150] == "0"
    assert over.part(11, 150, 58) == {11: "a", 150: "4", 58: "TAKER_CANCEL_FOR_SELF_TRADE_PREVENTION"}


def test_or_the_other_one_is(client: FixClient) -> None:
    client.ask("D", order("m", t54=2))

    answers = client.ask("D", order("a", t2964=2))

    assert {(msg[11], msg[150], msg.get(58)) for msg in answers} == {
        ("a", "0", None), ("m", "4", "MAKER_CANCEL_FOR_SELF_TRADE_PREVENTION"),
    }  # fmt: skip


# --- prices, accounts ----------------------------------------------------------------------------
def test_prices_in_dollars(connect: Connect, other: FixClient) -> None:
    client = connect()
    client.log_on((21011, "Y"), (21005, "Y"))
    there = client.one("D", order("a", t44="0.0125", t55=DECI))
    assert there.part(150, 103) == {150: "8", 103: "11"}, "off the grid of tenths of a cent"
    there = client.one("D", order("b", t44="0.3050", t55=DECI))
    assert there.part(44, 6) == {44: "0.3050", 6: "0.0000"}

    (sold,) = other.ask("D", order("c", t44=30, t55=DECI, t54=2))
    (bought,) = client.read()

    assert bought.part(31, 6) == {31: "0.3050", 6: "0.3050"}
    assert sold.part(31, 6, 44) == {31: "30.5", 6: "30.5", 44: "30"}, "nothing is cut off"


def test_the_average_is_of_all_fills(client: FixClient, other: FixClient) -> None:
    other.ask("D", order("m", t54=2, t44=29, t38=4))
    other.ask("D", order("n", t54=2, t44=30, t38=2))

    trades = client.ask("D", order("a"))

    assert [msg[6] for msg in trades] == ["29", "29.33"]


def test_prices_of_side_two_can_be_of_no(connect: Connect, fix: InProcessFix, other: FixClient) -> None:
    fix.paper.control("POST", "/fix/rules", {"sell_price": "no"})
    client = connect()
    client.log_on((21011, "Y"))

    there = client.one("D", order("a", t54=2, t44=30))

    assert there[44] == "30"
    (rest,) = fix.paper.exchange.orders(fix.paper.user_id("trader-1"))
    assert rest.price == 7_000
    (trade,) = other.ask("D", order("b", t44=70))
    assert trade[31] == "70"
    assert client.read()[0].part(31, 6) == {31: "30", 6: "30"}


def test_orders_of_a_subaccount_say_so(client: FixClient, fix: InProcessFix) -> None:
    user_id = fix.paper.user_id("trader-1")
    fix.paper.exchange.transfer(user_id, client_transfer_id="t", source=0, target=2, cents=10_000)

    assert client.one("D", order("a", t79=2))[79] == "2"
    assert client.one("F", change("c", "a")).part(35, 102) == {35: "9", 102: "1"}
    assert client.one("F", change("d", "a", t79=2)).part(150, 79) == {150: "4", 79: "2"}


def test_a_subtrader_is_a_party(connect: Connect, fix: InProcessFix) -> None:
    client = connect("fcm")
    client.log_on((21011, "Y"))
    party = [(453, 1), (448, "client-b"), (452, 24)]

    there = client.one("D", [*order("a"), *party])

    assert there.part(150, 453, 448, 452, 79) == {150: "0", 453: "1", 448: "client-b", 452: "24", 79: "2"}
    assert client.one("F", [*change("c", "a"), *party])[150] == "4"
    for rows, text in (
        ([(453, 1), (448, "nobody"), (452, 24)], "CUSTOMER_ACCOUNT_NOT_FOUND"),
        ([(453, 1), (448, "client-a")], "CUSTOMER_ACCOUNT_NOT_FOUND"),
        ([*party, (79, 1)], "CUSTOMER_ACCOUNT_NOT_FOUND"),
    ):
        assert client.one("D", [*order("b"), *rows]).part(150, 103, 58) == {150: "8", 103: "15", 58: text}


def test_only_fcm_members_have_parties(client: FixClient) -> None:
    answer = client.one("D", [*order("a"), (453, 1), (448, "client-a"), (452, 24)])

    assert answer.part(103, 58) == {103: "15", 58: "PERMISSION_DENIED_FOR_CUSTOMER_ACCOUNT"}


# --- many at once --------------------------------------------------------------------------------
def test_a_mass_cancel_takes_the_sessions_orders(client: FixClient, fix: InProcessFix) -> None:
    for name in "ab":
        client.ask("D", order(name))
    elsewhere = fix.paper.control(
        "POST",
        "/external",
        {"action": "place", "member": "trader-1", "ticker": LINEAR, "side": "bid", "price": "0.1000", "count": "1.00"},
    )

    report, *over = client.ask("q", [(11, "all"), (530, 6)])

    assert report.part(35, 11, 531) == {35: "r", 11: "all", 531: "6"}
    assert report[37]
    assert [msg.part(11, 41, 150) for msg in over] == [{11: "all", 41: name, 150: "4"} for name in "ab"]
    fix.paper.control("POST", "/fix/rules", {"cancel_scope": "member", "reports": "member"})
    report, *over = client.ask("q", [(11, "more"), (530, 6)])
    assert [msg[37] for msg in over] == [elsewhere["order_id"]]


def test_a_mass_cancel_in_a_pause_is_rejected(client: FixClient, fix: InProcessFix) -> None:
    client.ask("D", order("a"))
    fix.paper.control("POST", "/trading", {"exchange_active": False})

    assert client.one("q", [(11, "all"), (530, 6)]).part(35, 531, 532) == {35: "r", 531: "0", 532: "99"}


@pytest.mark.parametrize("way", ["logout", "hang up", "cut"])
@pytest.mark.parametrize("target", ["KalshiNR", "KalshiRT"])
def test_orders_may_end_with_the_connection(connect: Connect, fix: InProcessFix, target: str, way: str) -> None:
    client = connect(target=target)
    client.log_on((8013, "Y"))
    client.ask("D", order("a"))
    if way == "logout":
        client.ask("5")
    elif way == "cut":
        fix.paper.control("POST", "/fix/session", {"how": "disconnect"})
    else:
        client.pipe.hang_up()

    (one,) = fix.paper.exchange.orders(fix.paper.user_id("trader-1"))
    assert one.status == "canceled"


def test_orders_stay_otherwise(client: FixClient, fix: InProcessFix) -> None:
    client.ask("D", order("a"))
    client.pipe.hang_up()

    (one,) = fix.paper.exchange.orders(fix.paper.user_id("trader-1"))
    assert one.status == "resting"


def test_the_next_session_of_the_key_hears_of_them(connect: Connect, client: FixClient, other: FixClient) -> None:
    client.ask("D", order("a"))
    client.pipe.hang_up()
    again = connect()
    again.log_on((21011, "Y"))
    other.ask("D", order("b", t54=2))

    assert steps(again.read()) == [("F", "2", "10.00", "0.00", "10.00")]


def test_other_sessions_of_the_member_do_not_unless_the_rules_say_so(
    connect: Connect, client: FixClient, fix: InProcessFix
) -> None:
    reader = connect("reader")
    reader.log_on((21011, "Y"))
    client.ask("D", order("a"))
    assert reader.read() == []

    fix.paper.control("POST", "/fix/rules", {"reports": "member"})
    client.ask("D", order("b"))
    assert [msg[11] for msg in reader.read()] == ["b"]


# --- the same orders everywhere ------------------------------------------------------------------
def test_an_order_of_fix_is_changed_by_rest_and_told_on_both(client: FixClient, fix: InProcessFix) -> None:
    socket = fix.paper.socket("trader-1")
    socket.send("subscribe", channels=["user_orders"])
    order_id = client.one("D", order("a"))[37]
    assert [frame["msg"]["client_order_id"] for frame in socket.take() if frame["type"] == "user_order"] == ["a"]

    with fix.paper.client("trader-1") as rest:
        answer = rest.post(f"/portfolio/events/orders/{order_id}/decrease", json={"reduce_to": "6.00"})
        assert answer.status_code == 200, answer.text
        assert client.read()[0].part(11, 41, *STEPS) == {
            11: "a", 41: "a", 150: "5", 39: "0", 14: "0.00", 151: "6.00", 38: "6.00",
        }  # fmt: skip
        assert rest.delete(f"/portfolio/events/orders/{order_id}").status_code == 200
    assert client.read()[0].part(11, 150) == {11: "a", 150: "4"}
