"""The desk's margin sessions against the paper exchange's: the same engine on both variants, and books by FIX."""

import random
from decimal import Decimal

import pytest

from apps.fix.engine.outputs import End
from apps.fix.engine.rules import MARGIN_RULES, Kind
from apps.fix.engine.session import State
from apps.fix.messages import groups, market_data, orders
from apps.fix.messages.common import Prices
from apps.fix.messages.drop_copy import Recovery, Result
from apps.paper.engine.orders import NewOrder
from apps.paper.fix.faults import FixFault
from apps.paper.fix.testing import InProcessFix
from apps.paper.testing import DECI, LINEAR, TAPERED
from tests.fix.test_against_paper import Join, Line, fix, join, order  # noqa: F401

DOLLARS = Prices(in_dollars=True)


@pytest.mark.parametrize("kind", list(MARGIN_RULES))
def test_every_kind_logs_on_and_out(join: Join, kind: Kind) -> None:  # noqa: F811
    line = join("trader-1", kind, is_margin=True)
    assert line.session.state is State.ACTIVE

    line.took(line.session.logout(line.now))
    line.settle()

    assert line.ended() is End.REQUESTED


def test_an_order_its_change_and_its_end(join: Join) -> None:  # noqa: F811
    line = join("trader-1", Kind.NR, is_margin=True, skip_pending=True)
    line.send("D", order("a"))
    change = orders.ReplaceOrder("b", "a", LINEAR, "bid", Decimal(6)).fields(DOLLARS)
    line.send("G", change)
    line.send("F", orders.CancelOrder("c", "b", LINEAR, "bid").fields())

    new, replaced, canceled = line.reports()
    assert (new.order_status, new.price, new.count) == ("0", Decimal("0.3"), 10)
    assert (replaced.exec_type, replaced.order_status, replaced.price) == ("5", "5", Decimal("0.3"))
    assert (canceled.exec_type, canceled.filled) == ("4", 0)


def test_a_group_and_the_mass_cancel(join: Join) -> None:  # noqa: F811
    line = join("trader-1", Kind.NR, is_margin=True, skip_pending=True)
    (told,) = line.send("UOG", groups.group_fields("create", limit=50))
    group = groups.GroupResponse.read(told)
    assert (group.limit, group.subaccount) == (None, 0)

    line.send("D", order("a", order_group_id=group.group_id))
    told_all = line.send("q", orders.mass_cancel_fields("all"))

    assert [one.msg_type for one in told_all] == ["r", "8"]


def test_a_listener_and_drop_copy_tell_the_same(join: Join, fix: InProcessFix) -> None:  # noqa: F811
    trader = join("trader-1", Kind.NR, is_margin=True, skip_pending=True)
    listener = join("reader", Kind.RT, is_margin=True, listening=True)
    for number in range(4):
        trader.send("D", order(f"a{number}"))
        listener.settle()
    listener.cut()
    trader.send("F", orders.CancelOrder("x", "a0", LINEAR, "bid").fields())
    listener.connect()
    told = [one.exec_id for one in listener.reports()]
    assert told == [one.exec_id for one in trader.reports()]
    listener.took(listener.session.logout(listener.now))
    listener.settle()

    copy = join("reader", Kind.DC, is_margin=True)
    recovery = Recovery(told[0])
    fields = recovery.next_request(copy.now)
    assert fields is not None
    seq, outputs = copy.session.send("U1", fields, copy.now)
    recovery.sent(seq)
    copy.took(outputs)
    copy.settle()
    for one in copy.reports():
        recovery.report(one.exec_id)
    recovery.answer(copy.got[-1], copy.now)
    assert (recovery.result, recovery.received) == (Result.COMPLETE, 5)


def test_a_key_that_is_connected_waits_whatever_the_exchange(join: Join) -> None:  # noqa: F811
    join("trader-1", Kind.NR)

    assert join("trader-1", Kind.NR, is_margin=True).ended() is End.ALREADY_EXISTS


def watch(join: Join, *symbols: str) -> tuple[Line, market_data.Books]:  # noqa: F811
    line = join("reader", Kind.MD, is_margin=True)
    books = market_data.Books(symbols)
    fields = books.begin()
    assert fields is not None
    line.send("V", fields)
    return line, books


def taken(line: Line, books: market_data.Books) -> list[str]:
    line.settle()
    asked = [symbol for one in line.got for symbol in books.take(one)]
    line.got.clear()
    return asked


def truth(fix: InProcessFix, symbol: str) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]:  # noqa: F811
    """The exchange's own book in dollars and contracts."""
    book = fix.paper.exchange.book(symbol)
    price, size = Decimal(10_000), Decimal(100)
    return (
        {Decimal(level) / price: Decimal(count) / size for level, count in book.yes},
        {1 - Decimal(level) / price: Decimal(count) / size for level, count in book.no},
    )


def test_a_book_by_fix_is_the_exchanges_own_after_any_trading(join: Join, fix: InProcessFix) -> None:  # noqa: F811
    """The paper exchange tells WebSocket and REST from the same ladders, so equal to these is equal to those."""
    dice = random.Random(5)
    line, books = watch(join, LINEAR, DECI)
    exchange, members = fix.paper.exchange, [fix.paper.user_id(name) for name in ("trader-1", "trader-2", "maker")]
    for number in range(300):
        ticker = dice.choice([LINEAR, DECI, TAPERED])
        user = dice.choice(members)
        mine = [one for one in exchange.orders(user) if one.ticker == ticker and one.status == "resting"]
        if mine and dice.random() < 0.4:
            exchange.cancel_order(user, dice.choice(mine).order_id)
        else:
            request = NewOrder(
                ticker=ticker,
                client_order_id=f"n{number}",
                side=dice.choice(["bid", "ask"]),
                price=dice.randrange(4_000, 6_000, 100),
                count=dice.randrange(100, 2_000, 50),
            )
            exchange.create_order(user, request)
        if dice.random() < 0.3:
            fix.step(50)
            assert taken(line, books) == []
    fix.step(50)
    assert taken(line, books) == []

    for symbol in (LINEAR, DECI):
        book = books.books[symbol]
        assert book.is_whole
        assert book.updates > 20
        assert (book.bids, book.asks) == truth(fix, symbol)
    assert set(books.books) == {LINEAR, DECI}


def test_a_lost_change_ends_the_session_and_the_next_begins_with_a_snapshot(join: Join, fix: InProcessFix) -> None:  # noqa: F811
    line, books = watch(join, LINEAR)
    trader = join("trader-1", Kind.NR, is_margin=True, skip_pending=True)
    fix.gateway.faults.arm(FixFault(kind="gap", left=1, session="margin:KalshiMD"))
    trader.send("D", order("a"))
    line.settle()
    assert line.ended() is End.GAP

    line.got.clear()
    line.connect()
    fields = books.begin()
    assert fields is not None
    line.send("V", fields)

    assert taken(line, books) == []
    assert (books.books[LINEAR].bids, books.books[LINEAR].asks) == truth(fix, LINEAR)


def test_a_request_that_the_exchange_refuses_is_told_in_words(join: Join, fix: InProcessFix) -> None:  # noqa: F811
    fix.gateway.rules.market_data_symbols = 1
    line, _ = watch(join, LINEAR, DECI)

    (told,) = line.got
    assert market_data.reject_text(told).startswith("the request or the session has too many symbols")
