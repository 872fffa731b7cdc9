"""Cancel and replace: what is done, what is refused, what is too late."""

from typing import Any

import pytest

from apps.paper.fix.testing import InProcessFix
from apps.paper.testing import DECI
from tests.paper.fix.client import FixClient
from tests.paper.fix.conftest import Connect
from tests.paper.fix.orders import STEPS, change, order


# --- cancel --------------------------------------------------------------------------------------
def test_a_cancel_is_pending_and_then_done(connect: Connect) -> None:
    client = connect()
    client.log_on()
    order_id = client.ask("D", order("a"))[-1][37]

    waiting, over = client.ask("F", change("c", "a"))

    assert waiting.part(17, 11, 41, 37, *STEPS) == {
        17: "-1;-1", 11: "c", 41: "a", 37: order_id, 150: "6", 39: "6", 14: "0.00", 151: "10.00", 38: "10.00",
    }  # fmt: skip
    assert over.part(11, 41, 37, 58, *STEPS) == {
        11: "c", 41: "a", 37: order_id, 58: None, 150: "4", 39: "4", 14: "0.00", 151: "0.00", 38: "0.00",
    }  # fmt: skip


@pytest.mark.parametrize(
    "over", [{"t41": "nobody"}, {"t54": 2}, {"t55": DECI}, {"t79": 1}, {"t79": 9}, {"t37": "another"}]
)
@pytest.mark.parametrize("kind", ["F", "G"])
def test_an_order_is_what_the_request_says_or_unknown(client: FixClient, kind: str, over: dict[str, Any]) -> None:
    client.ask("D", order("a"))
    body = change("c", "a", **({"t38": 5} if kind == "G" else {}), **over)

    answer = client.one(kind, body)

    assert answer.part(35, 37, 11, 39, 434, 102) == {
        35: "9", 37: "NONE", 11: "c", 39: "8", 434: "1" if kind == "F" else "2", 102: "1",
    }  # fmt: skip


def test_orders_of_others_are_unknown(client: FixClient, other: FixClient) -> None:
    client.ask("D", order("a"))

    assert other.one("F", change("c", "a")).part(35, 102) == {35: "9", 102: "1"}


def test_a_cancel_may_come_too_late(client: FixClient, other: FixClient) -> None:
    order_id = client.ask("D", order("a"))[-1][37]
    other.ask("D", order("b", t54=2))
    client.read()

    late = client.one("F", change("c", "a"))
    assert late.part(35, 37, 39, 102) == {35: "9", 37: order_id, 39: "2", 102: "0"}
    late = client.one("G", change("d", "a", t38=20))
    assert late.part(39, 434, 102, 58) == {39: "2", 434: "2", 102: "2", 58: "CANNOT_UPDATE_FILLED_ORDER"}


def test_a_second_cancel_finds_nothing(client: FixClient) -> None:
    client.ask("D", order("a"))
    client.ask("F", change("c", "a"))

    assert client.one("F", change("d", "a")).part(35, 39, 102) == {35: "9", 39: "4", 102: "1"}


@pytest.mark.parametrize(("trading", "exchange", "kind"), [(False, True, "8"), (True, False, "9")])
def test_cancels_pass_a_trading_pause_only(
    client: FixClient, fix: InProcessFix, trading: bool, exchange: bool, kind: str
) -> None:
    client.ask("D", order("a"))
    fix.paper.control("POST", "/trading", {"trading_active": trading, "exchange_active": exchange})

    answer = client.one("F", change("c", "a"))

    assert answer[35] == kind
    if kind == "9":
        assert answer.part(39, 102, 58) == {39: "0", 102: "99", 58: "EXCHANGE_PAUSED"}


# --- replace -------------------------------------------------------------------------------------
def test_a_replace_is_pending_and_then_done(connect: Connect) -> None:
    client = connect()
    client.log_on()
    client.ask("D", order("a"))

    waiting, done = client.ask("G", change("b", "a", t38=5, t44=29))

    assert waiting.part(17, 11, 41, 150, 39) == {17: "-1;-1", 11: "b", 41: "a", 150: "E", 39: "E"}
    assert done.part(11, 41, 44, *STEPS) == {
        11: "b", 41: "a", 44: "29", 150: "5", 39: "0", 14: "0.00", 151: "5.00", 38: "5.00",
    }  # fmt: skip
    assert client.ask("F", change("c", "a"))[0][102] == "1", "only the present ClOrdID counts"
    assert client.ask("F", change("c", "b"))[-1][150] == "4"


def test_a_replace_without_a_price_keeps_it(client: FixClient) -> None:
    client.ask("D", order("a"))

    assert client.one("G", change("b", "a", t38=20)).part(44, 151) == {44: "30", 151: "20.00"}


def test_a_replace_that_crosses_trades(client: FixClient, other: FixClient) -> None:
    other.ask("D", order("m", t54=2, t44=40, t38=4))
    client.ask("D", order("a"))

    replaced, trade = client.ask("G", change("b", "a", t38=12, t44=40))

    assert replaced.part(44, *STEPS) == {44: "40", 150: "5", 39: "0", 14: "0.00", 151: "12.00", 38: "12.00"}
    assert trade.part(11, *STEPS) == {11: "b", 150: "F", 39: "1", 14: "4.00", 151: "8.00", 38: "12.00"}


def test_a_total_that_is_filled_cancels_and_less_is_refused(client: FixClient, other: FixClient) -> None:
    client.ask("D", order("a"))
    other.ask("D", order("b", t54=2, t38=4))
    client.read()

    less = client.one("G", change("c", "a", t38=3))
    assert less.part(35, 39, 102, 58) == {35: "9", 39: "1", 102: "2", 58: "INVALID_AMEND_QTY_FOR_ORDER"}
    over = client.one("G", change("d", "a", t38=4))
    assert over.part(11, 41, *STEPS) == {11: "d", 41: "a", 150: "4", 39: "4", 14: "4.00", 151: "0.00", 38: "4.00"}


def test_a_replace_that_would_meet_an_order_of_ones_own(client: FixClient) -> None:
    client.ask("D", order("m", t54=2, t44=40))
    client.ask("D", order("a"))

    answer = client.one("G", change("b", "a", t38=10, t44=40))

    assert answer.part(35, 102, 58) == {35: "9", 102: "18", 58: "SELF_CROSS_ATTEMPT"}


@pytest.mark.parametrize(
    ("over", "text"),
    [
        ({"t38": 900_000, "t44": 99}, "INSUFFICIENT_BALANCE"),
        ({"t38": 10, "t44": 100}, "INVALID_ORDER"),
        ({"t38": 10, "t11": "a"}, "ORDER_ALREADY_EXISTS"),
    ],
)
def test_a_refused_replace_leaves_the_order(client: FixClient, over: dict[str, Any], text: str) -> None:
    client.ask("D", order("a"))

    assert client.one("G", change("b", "a", **over)).part(35, 39, 102, 58) == {35: "9", 39: "0", 102: "99", 58: text}
    assert client.one("F", change("c", "a"))[150] == "4"
