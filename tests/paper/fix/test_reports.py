"""Execution reports for those who only listen, and drop copy for those who were away."""

import pytest

from apps.paper.engine.events import Event
from apps.paper.engine.orders import NewOrder
from apps.paper.fix.testing import InProcessFix
from apps.paper.testing import DAY_MS, LINEAR
from tests.paper.fix.client import FixClient, Msg
from tests.paper.fix.conftest import Connect
from tests.paper.fix.orders import change, order

HOUR_MS = 3_600_000
LISTEN = ((20126, "Y"), (21011, "Y"))


def external(fix: InProcessFix, member: str = "trader-1", side: str = "bid", **over: object) -> str:
    """An order as from the exchange's own site."""
    body = {"action": "place", "member": member, "ticker": LINEAR, "side": side, "price": "0.3000", "count": "10.00"}
    answer = fix.paper.control("POST", "/external", body | over)
    return str(answer["order_id"])


def pair(msg: Msg) -> tuple[int, ...]:
    return tuple(map(int, msg[17].split(";")))


@pytest.fixture
def listener(connect: Connect) -> FixClient:
    """The read-only key of trader-1, listening on NR."""
    made = connect("reader")
    made.log_on(*LISTEN)
    return made


@pytest.fixture
def copy(connect: Connect) -> FixClient:
    """The read-only key of trader-1 on drop copy."""
    made = connect("reader", "KalshiDC")
    made.log_on()
    return made


# --- listening -----------------------------------------------------------------------------------
def test_a_listener_hears_of_every_order_of_the_member(
    fix: InProcessFix, listener: FixClient, client: FixClient, other: FixClient
) -> None:
    client.ask("D", order("a"))
    order_id = external(fix)
    with fix.paper.client("trader-1") as rest:
        rest.delete(f"/portfolio/events/orders/{order_id}")
    other.ask("D", order("b", t54=2, t38=4))
    client.ask("G", change("c", "a", t38=8))
    client.ask("D", order("a"))  # refused: not among the reports

    heard = listener.read()

    assert [(msg[11], msg[150]) for msg in heard] == [("a", "0"), ("", "0"), ("", "4"), ("a", "F"), ("c", "5")]
    assert [pair(msg) for msg in heard] == sorted({pair(msg) for msg in heard})


def test_a_listener_and_the_trader_read_the_same(listener: FixClient, client: FixClient) -> None:
    (mine,) = client.ask("D", order("a"))
    (heard,) = listener.read()

    skip = {9, 10, 34, 56}
    assert [row for row in mine.fields if row[0] not in skip] == [row for row in heard.fields if row[0] not in skip]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("D", order("a")),
        ("F", change("c", "a")),
        ("G", change("c", "a", t38=5)),
        ("q", [(11, "q"), (530, 6)]),
        ("UOG", [(20131, 1), (20132, 5)]),
    ],
)
@pytest.mark.parametrize("name", ["reader", "trader-1"])
def test_a_listener_can_do_nothing(connect: Connect, name: str, kind: str, body: list[tuple[int, object]]) -> None:
    listener = connect(name)
    listener.log_on(*LISTEN)

    assert listener.one(kind, body).part(35, 372, 380, 58) == {
        35: "j", 372: kind, 380: "6", 58: "a listener session is read-only",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "body"),
    [("R", [(131, "a"), (146, 1), (55, LINEAR), (38, 1)]), ("UA", [(117, "q"), (54, 1)]), ("UE", [(131, "a")])],
)
def test_nor_ask_or_accept_on_rt(connect: Connect, kind: str, body: list[tuple[int, object]]) -> None:
    listener = connect("reader", "KalshiRT")
    listener.log_on(*LISTEN)

    assert listener.one(kind, body).part(35, 380) == {35: "j", 380: "6"}


def test_a_listener_on_rt_can_ask_for_what_it_missed(connect: Connect, fix: InProcessFix) -> None:
    listener = connect("reader", "KalshiRT")
    listener.log_on(*LISTEN, reset=False)
    listener.pipe.hang_up()
    external(fix)
    external(fix)

    back = connect("reader", "KalshiRT")
    back.seq, back.strict = 2, False
    assert back.log_on(*LISTEN, reset=False)[0][34] == "4"
    assert [msg.part(34, 35, 150) for msg in back.ask("2", [(7, 2), (16, 3)])] == [
        {34: "2", 35: "8", 150: "0"},
        {34: "3", 35: "8", 150: "0"},
    ]


def test_orders_of_others_are_not_heard(listener: FixClient, other: FixClient) -> None:
    other.ask("D", order("a"))

    assert listener.read() == []


# --- drop copy -----------------------------------------------------------------------------------
def test_a_range_has_both_its_ends(client: FixClient, copy: FixClient) -> None:
    ids = [client.one("D", order(name))[17] for name in "abcde"]

    *reports, done = copy.ask("U1", [(21001, ids[1]), (21002, ids[3])])

    assert [msg[17] for msg in reports] == ids[1:4]
    assert [msg[35] for msg in reports] == ["8"] * 3
    assert done.part(35, 45, 21003) == {35: "U2", 45: str(copy.seq - 1), 21003: "3"}


def test_without_an_end_it_goes_to_the_latest(client: FixClient, copy: FixClient) -> None:
    ids = [client.one("D", order(name))[17] for name in "abc"]

    *reports, done = copy.ask("U1", [(21001, "0;0")])

    assert [msg[17] for msg in reports] == ids
    assert done[21003] == "3"


def test_ids_are_compared_as_numbers(client: FixClient, copy: FixClient, fix: InProcessFix) -> None:
    # Ten cancels of one step each have the same first number and places 1 to 10.
    for number in range(12):
        client.ask("D", order(f"a{number}"))
    _, *over = client.ask("q", [(11, "all"), (530, 6)])
    ids = [msg[17] for msg in over]
    assert (ids[0].rpartition(";")[2], ids[-1].rpartition(";")[2]) == ("2", "13")

    *reports, _ = copy.ask("U1", [(21001, ids[6]), (21002, ids[9])])

    assert [msg[17] for msg in reports] == ids[6:10]


def test_rejections_and_pending_reports_are_in_no_copy(connect: Connect, copy: FixClient) -> None:
    trader = connect()
    trader.log_on()
    trader.ask("D", order("a"))
    trader.ask("D", order("a"))
    trader.ask("F", change("c", "a"))

    *reports, done = copy.ask("U1", [(21001, "0;0")])

    assert [msg[150] for msg in reports] == ["0", "4"]
    assert done[21003] == "2"


def test_a_folded_acknowledgement_is_copied_where_it_is_wanted(
    connect: Connect, client: FixClient, other: FixClient
) -> None:
    other.ask("D", order("m", t54=2))
    client.ask("D", order("a"))

    for flags, expected in (((), ["F"]), (((21026, "Y"),), ["0", "F"])):
        copy = connect("reader", "KalshiDC")
        copy.log_on(*flags)
        *reports, done = copy.ask("U1", [(21001, "0;0")])
        assert ([msg[150] for msg in reports], done[21003]) == (expected, str(len(expected)))
        copy.pipe.hang_up()


@pytest.mark.parametrize("given", ["", "12", "1;2;3", "a;b", "-1;-1", "1,2", "1.0;2"])
def test_an_id_that_is_none_is_rejected(copy: FixClient, given: str) -> None:
    reject = copy.one("U1", [(21001, given)])

    assert reject.part(35, 371, 373) == {35: "3", 371: "21001", 373: "6" if given else "4"}


def test_an_end_that_is_none_is_rejected(copy: FixClient) -> None:
    assert copy.one("U1", [(21001, "0;0"), (21002, "x")]).part(35, 371) == {35: "3", 371: "21002"}


def test_an_end_beyond_the_latest_is_too_large(client: FixClient, other: FixClient, copy: FixClient) -> None:
    mine = client.one("D", order("a"))[17]
    theirs = other.one("D", order("b", t44=20))[17]

    assert copy.one("U1", [(21001, mine), (21002, theirs)]).part(35, 45, 21004) == {35: "U3", 45: "2", 21004: "4"}


def test_what_is_older_than_three_hours_is_too_small(client: FixClient, connect: Connect, fix: InProcessFix) -> None:
    first = client.one("D", order("a"))[17]
    client.pipe.hang_up()
    fix.step(3 * HOUR_MS)
    external(fix)
    for expected in ("8", "U3"):
        copy = connect("reader", "KalshiDC")
        copy.log_on()
        answer = copy.ask("U1", [(21001, first)])[0]
        assert answer[35] == expected
        copy.pipe.hang_up()
        fix.step(1)
    assert answer[21004] == "3"
    copy = connect("reader", "KalshiDC")
    copy.log_on()
    later = f"{first.split(';')[0]};99"
    assert [msg[35] for msg in copy.ask("U1", [(21001, later)])] == ["8", "U2"]


def test_an_empty_range_is_complete(client: FixClient, copy: FixClient) -> None:
    number = client.one("D", order("a"))[17].split(";")[0]

    assert copy.one("U1", [(21001, f"{number};5")]).part(35, 21003) == {35: "U2", 21003: "0"}


def test_ten_requests_a_minute(copy: FixClient, fix: InProcessFix) -> None:
    answers = [copy.one("U1", [(21001, "0;0")]) for _ in range(11)]

    assert [msg[35] for msg in answers] == ["U2"] * 10 + ["U3"]
    assert answers[-1][21004] == "1"
    copy.send("0")
    fix.step(30_000)
    copy.send("0")
    fix.step(30_000)
    copy.read()
    assert copy.one("U1", [(21001, "0;0")])[35] == "U2"


def test_copies_survive_a_restart(connect: Connect, client: FixClient, fix: InProcessFix) -> None:
    ids = [client.one("D", order(name))[17] for name in "ab"]

    restarted = fix.again()
    copy = connect("reader", "KalshiDC", gateway=restarted)
    copy.log_on()

    assert [msg.get(17) for msg in copy.ask("U1", [(21001, ids[0])])] == [*ids, None]


# --- what was missed -----------------------------------------------------------------------------
def test_what_happened_while_nobody_listened_is_reported_at_the_start(
    connect: Connect, client: FixClient, fix: InProcessFix
) -> None:
    exchange = fix.paper.exchange
    for name in "abcd":
        client.ask("D", order(name))
    exchange.unsubscribe(fix.gateway.on_event)
    user_id = fix.paper.user_id("trader-1")
    orders = {one.client_order_id: one for one in exchange.orders(user_id)}
    exchange.cancel_order(user_id, orders["a"].order_id)
    exchange.decrease_order(user_id, orders["b"].order_id, reduce_to=500)
    external(fix, "maker", "ask", count="8.00")
    external(fix, count="3.00", price="0.2000", client_order_id="late")
    fix.paper.clock.step(1_000)

    restarted = _started_again(fix)
    copy = connect("reader", "KalshiDC", gateway=restarted)
    copy.log_on()
    *reports, _ = copy.ask("U1", [(21001, "0;0")])

    missed = [(msg[11], msg[150], msg[14], msg[151]) for msg in reports[4:]]
    assert sorted(missed) == [
        ("a", "4", "0.00", "0.00"),
        ("b", "5", "0.00", "5.00"),
        ("b", "F", "5.00", "0.00"),
        ("c", "F", "3.00", "7.00"),
        ("late", "0", "0.00", "3.00"),
    ]
    assert _started_again(restarted).gateway.store.latest_report(user_id) == pair(reports[-1]), "and only once"


def _started_again(fix: InProcessFix) -> InProcessFix:
    listeners = fix.paper.exchange._listeners
    if fix.gateway.on_event in listeners:
        return fix.again()
    return InProcessFix(fix.paper, store=fix.store)


def test_the_first_start_reports_nothing_of_before(fix: InProcessFix, connect: Connect) -> None:
    fresh = InProcessFix(fix.paper)
    external(fix)
    newer = InProcessFix(fix.paper)
    copy = connect("reader", "KalshiDC", gateway=newer)
    copy.log_on()

    assert copy.one("U1", [(21001, "0;0")])[21003] == "0"
    assert fresh.gateway.store.latest_report() is not None


def test_reports_say_what_the_exchange_says(fix: InProcessFix, client: FixClient, other: FixClient) -> None:
    """Whatever happens, the last report of an order is how it is."""
    for number in range(30):
        client.ask("D", order(f"a{number}", t44=20 + number % 12, t59=(1, 3, 1)[number % 3]))
        if number % 4 == 3:
            other.ask("D", order(f"b{number}", t54=2, t44=20 + number % 9, t38=7))
        if number % 5 == 4:
            client.ask("G", change(f"r{number}", f"a{number - 1}", t38=number % 7 + 1, t44=21))
    user_id = fix.paper.user_id("trader-1")
    top = (2**60, 0)
    last = {report.order_id: report for report in fix.store.reports(user_id, (0, 0), top)}

    orders = fix.paper.exchange.orders(user_id)

    assert len(orders) >= 25
    for one in orders:
        report = last[one.order_id]
        assert (report.cum, report.leaves) == (one.filled, one.remaining), one
        if one.filled:
            assert report.value == _value(one.taker_fill_cost + one.maker_fill_cost)


def _value(cost: int) -> int:
    """All these orders buy: their cost is price times count."""
    return cost


def test_a_gateway_that_breaks_down_does_not_break_the_exchange(
    fix: InProcessFix, client: FixClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: Event) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(fix.gateway.tape, "hear", broken)
    exchange = fix.paper.exchange
    result = exchange.create_order(
        fix.paper.user_id("maker"), NewOrder(LINEAR, "x", side="ask", price=9_000, count=100)
    )

    assert result.order.status == "resting"
    assert "could not follow the exchange" in caplog.text


def test_old_reports_are_forgotten_and_their_ids_not_given_again(
    connect: Connect, client: FixClient, fix: InProcessFix
) -> None:
    last = client.one("D", order("a"))
    client.pipe.hang_up()
    fix.step(4 * DAY_MS)
    user_id = fix.paper.user_id("trader-1")

    assert fix.store.latest_report(user_id) == pair(last)
    external(fix)
    fix.step(4 * DAY_MS)
    newest = fix.store.latest_report(user_id)
    assert newest is not None
    assert newest > pair(last)


def test_what_is_forgotten_is_not_reported_again(client: FixClient, other: FixClient, fix: InProcessFix) -> None:
    client.ask("D", order("a"))
    other.ask("D", order("b", t54=2))
    client.ask("D", order("c"))
    client.ask("F", change("d", "c"))
    client.ask("D", order("rests", t44=2))
    client.pipe.hang_up()
    other.pipe.hang_up()
    user_id = fix.paper.user_id("trader-1")
    newest = fix.store.latest_report()
    fix.step(4 * DAY_MS)

    for _ in range(2):
        fix = fix.again()

    assert fix.store.latest_report() == newest
    (known,) = [k for one in fix.paper.exchange.orders(user_id) if (k := fix.gateway.tape.known(one.order_id))]
    assert known.client_order_id == "rests"
