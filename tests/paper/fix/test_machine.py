"""Whatever happens: what a listener and drop copy were told is every step of every order, once, in order."""

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.orders import AmendOrder, NewOrder
from apps.paper.fix.testing import InProcessFix
from apps.paper.testing import LINEAR, InProcessPaper, private_key
from tests.paper.fix.client import FixClient, Msg, cut, wrap
from tests.paper.fix.conftest import NOON_MS
from tests.paper.fix.orders import change, order

LISTEN = ((20126, "Y"), (21011, "Y"), (21026, "Y"), (21007, "Y"))
Action = tuple[Any, ...]

prices = st.integers(45, 55)
counts = st.integers(1, 12)
sides = st.sampled_from(["bid", "ask"])
actions = st.lists(
    st.one_of(
        st.tuples(st.just("fix"), sides, prices, counts, st.sampled_from([1, 3, 4])),
        st.tuples(st.just("rest"), st.sampled_from(["trader-1", "maker"]), sides, prices, counts),
        st.tuples(st.just("fix cancel"), st.integers(0, 30)),
        st.tuples(st.just("fix replace"), st.integers(0, 30), prices, counts),
        st.tuples(st.sampled_from(["cancel", "decrease", "amend"]), st.integers(0, 30), prices, counts),
        st.tuples(st.just("hang up")),
        st.tuples(st.just("restart")),
        st.tuples(st.just("deaf"), sides, prices, counts),
        st.tuples(st.sampled_from(["swallow", "repeat", "reorder", "poss_dup"]), st.integers(1, 3)),
        st.tuples(st.just("wait"), st.sampled_from([1_000, 40_000])),
    ),
    max_size=30,
)


class Follower:
    """A listener on RT that asks for what it missed, over any number of connections. got: by sequence number."""

    def __init__(self, fix: InProcessFix) -> None:
        self.got: dict[int, Msg] = {}
        self.filled: set[int] = set()
        self._seq = 1
        self.connect(fix)

    def connect(self, fix: InProcessFix) -> None:
        paper = fix.paper
        self.client = FixClient(
            fix.connect("KalshiRT"),
            target="KalshiRT",
            key_id=paper.key_id("reader"),
            key=private_key("reader")[0],
            now_ms=paper.clock.now_ms,
        )
        self.client.strict = False
        self.client.seq = self._seq
        self._take(self.client.log_on(*LISTEN, reset=False))

    def read(self) -> None:
        self._take(self.client.read())
        self._seq = self.client.seq

    def catch_up(self) -> None:
        """Ask until nothing is missing."""
        for _ in range(20):
            self.read()
            highest = max([*self.got, *self.filled], default=0)
            missing = [seq for seq in range(1, highest) if seq not in self.got and seq not in self.filled]
            if not missing:
                return
            self._take(self.client.ask("2", [(7, missing[0]), (16, missing[-1])]))
        raise AssertionError(f"still missing {missing}")

    def _take(self, messages: list[Msg]) -> None:
        for msg in messages:
            seq = int(msg[34])
            if msg[35] == "4":
                self.filled.update(range(seq, int(msg[36])))
            elif msg[35] == "8":
                # A number stands for one message, however often it comes.
                assert seq not in self.got or self.got[seq][17] == msg[17]
                self.got[seq] = msg
            else:
                self.filled.add(seq)
            if msg[35] == "1":
                self.client.send("0", [(112, msg[112])])


class World:
    """An exchange with its gateway, a trader on NR, a follower of the same member."""

    def __init__(self) -> None:
        self.fix = InProcessFix(InProcessPaper(now_ms=NOON_MS))
        self.exchange = self.fix.paper.exchange
        self.user_id = self.fix.paper.user_id("trader-1")
        self.follower = Follower(self.fix)
        self.number = 0
        self.trader = self._trader()

    def _trader(self) -> FixClient:
        client = FixClient(
            self.fix.connect("KalshiNR"),
            target="KalshiNR",
            key_id=self.fix.paper.key_id("trader-1"),
            key=private_key("trader-1")[0],
            now_ms=self.fix.paper.clock.now_ms,
        )
        client.strict = False
        client.log_on()
        return client

    def name(self) -> str:
        self.number += 1
        return f"n{self.number}"

    def some(self, which: int) -> Any:
        orders = self.exchange.orders(self.user_id)
        return orders[which % len(orders)] if orders else None

    def perform(self, action: Action) -> None:
        if self.trader.pipe.closed:
            self.trader = self._trader()
        if self.follower.client.pipe.closed:
            self.follower.connect(self.fix)
        with suppress(ExchangeError):
            self._act(action)

    def _act(self, action: Action) -> None:
        match action:
            case ("fix", side, price, count, force):
                over = {"t54": 1 if side == "bid" else 2, "t44": price, "t38": count, "t59": force}
                self.trader.ask("D", order(self.name(), **over))
            case ("rest", member, side, price, count):
                self._place(member, side, price, count)
            case ("fix cancel", which):
                self._change("F", which)
            case ("fix replace", which, price, count):
                self._change("G", which, t44=price, t38=count)
            case ("hang up",):
                self.follower.read()
                self.follower.client.pipe.hang_up()
            case ("restart",):
                self.follower.read()
                self.fix = self.fix.again()
                self.trader = self._trader()
                self.follower.connect(self.fix)
            case ("deaf", side, price, count):
                # Killed, with something that happens before the next start.
                self.follower.read()
                self.exchange.unsubscribe(self.fix.gateway.on_event)
                with suppress(ExchangeError):
                    self._place("trader-1", side, price, count)
                    self._place("maker", "ask" if side == "bid" else "bid", price, count + 1)
                self.fix = InProcessFix(self.fix.paper, store=self.fix.store)
                self.trader = self._trader()
                self.follower.connect(self.fix)
            case ("swallow" | "repeat" | "reorder" | "poss_dup" as kind, count):
                body = {"kind": kind, "count": count, "session": "KalshiRT", "msg_type": "8"}
                self.fix.paper.control("POST", "/fix/fault", body)
            case ("wait", milliseconds):
                self.fix.step(milliseconds)
                self.follower.read()
            case (kind, which, price, count):
                self._change_by_rest(kind, which, price, count)

    def _place(self, member: str, side: Any, price: int, count: int) -> None:
        request = NewOrder(LINEAR, self.name(), side=side, price=price * 100, count=count * 100)
        self.exchange.create_order(self.fix.paper.user_id(member), request)

    def _change(self, kind: str, which: int, **over: Any) -> None:
        one = self.some(which)
        if one is not None:
            side = {"t54": 1 if one.side == "bid" else 2}
            self.trader.ask(kind, change(self.name(), one.client_order_id, **side, **over))

    def _change_by_rest(self, kind: str, which: int, price: int, count: int) -> None:
        one = self.some(which)
        if one is None:
            return
        if kind == "cancel":
            self.exchange.cancel_order(self.user_id, one.order_id)
        elif kind == "decrease":
            self.exchange.decrease_order(self.user_id, one.order_id, reduce_to=count * 50)
        else:
            request = AmendOrder(LINEAR, one.side, price * 100, one.filled + count * 100)
            self.exchange.amend_order(self.user_id, one.order_id, request)

    def copied(self) -> list[str]:
        """ExecIDs by drop copy, in pages of its own choosing."""
        self.follower.client.pipe.hang_up()
        copy = FixClient(
            self.fix.connect("KalshiDC"),
            target="KalshiDC",
            key_id=self.fix.paper.key_id("reader"),
            key=private_key("reader")[0],
            now_ms=self.fix.paper.clock.now_ms,
        )
        copy.log_on((21026, "Y"), (21007, "Y"))
        *reports, done = copy.ask("U1", [(21001, "0;0")])
        assert done[21003] == str(len(reports))
        return [msg[17] for msg in reports]


def as_pair(exec_id: str) -> tuple[int, ...]:
    return tuple(map(int, exec_id.split(";")))


@settings(max_examples=40, deadline=None)
@given(actions)
def test_all_is_told_once(given_actions: list[Action]) -> None:
    world = World()
    for action in given_actions:
        world.perform(action)
    world.fix.paper.control("POST", "/faults/clear", {})
    if world.follower.client.pipe.closed:
        world.follower.connect(world.fix)
    world.fix.step(1)
    world.follower.client.ask("1", [(112, "end")])
    world.follower.client.send("1", [(112, "last")])
    world.follower.catch_up()

    heard = [msg[17] for _, msg in sorted(world.follower.got.items())]
    assert heard == sorted(set(heard), key=as_pair)
    assert heard == world.copied()

    last = {msg[37]: msg for _, msg in sorted(world.follower.got.items())}
    for one in world.exchange.orders(world.user_id):
        msg = last[one.order_id]
        assert (msg[14], msg[151]) == (_text(one.filled), _text(one.remaining)), (one, msg)
        assert (msg[39] in "01") == (one.status == "resting")
    traded = {(msg[37], msg[880]) for msg in world.follower.got.values() if msg[150] == "F"}
    fills = world.exchange.fills(world.user_id)
    assert traded == {(fill.order_id, fill.trade_id) for fill in fills}
    assert len([msg for msg in world.follower.got.values() if msg[150] == "F"]) == len(fills)


def _text(units: int) -> str:
    return f"{units // 100}.{units % 100:02d}"


# --- damaged input -------------------------------------------------------------------------------
TAGS = [1, 7, 11, 16, 18, 34, 35, 36, 37, 38, 40, 41, 43, 44, 52, 54, 55, 58, 59, 79, 96, 97, 98, 108, 112, 117, 122]
MORE = [123, 126, 131, 132, 133, 141, 146, 152, 448, 452, 453, 526, 530, 1137, 2964, 8013, 20126, 20130, 20131, 20132]
LAST = [20180, 20181, 20182, 20183, 20184, 21001, 21002, 21009, 21015, 21022, 21023, 333333]
values = st.one_of(
    st.sampled_from(["", "Y", "N", "0", "1", "2", "6", "-1", "99999999999", "0.5", "1;1", "-1;-1", LINEAR, "yes"]),
    st.text(st.characters(blacklist_characters="\x01", blacklist_categories=["Cs"]), max_size=20),
)
bodies = st.lists(st.tuples(st.sampled_from([*TAGS, *MORE, *LAST]), values), max_size=12)
kinds = st.sampled_from(["0", "1", "2", "3", "4", "5", "A", "D", "F", "G", "q", "UOG", "U1", "R", "S", "Z", "U7", "UA"])
targets = st.sampled_from(["KalshiNR", "KalshiRT", "KalshiDC", "KalshiRFQ", "KalshiPT"])


@settings(max_examples=60, deadline=None)
@given(targets, st.lists(st.tuples(kinds, bodies), min_size=1, max_size=12))
def test_no_message_breaks_a_session(target: str, messages: list[tuple[str, list[tuple[int, str]]]]) -> None:
    fix = InProcessFix(InProcessPaper(now_ms=NOON_MS))
    client = FixClient(
        fix.connect(target),
        target=target,
        key_id=fix.paper.key_id("maker"),
        key=private_key("maker")[0],
        now_ms=fix.paper.clock.now_ms,
    )
    client.strict = False
    client.log_on()
    for kind, body in messages:
        if client.pipe.closed:
            break
        answers = client.ask(kind, body)
        assert not any(msg.get(380) == "4" for msg in answers), "something failed inside"
    assert fix.paper.control("GET", "/fix")["connections"] == (0 if client.pipe.closed else 1)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 255))
def test_no_bytes_break_a_connection(noise: bytes, at: int, value: int) -> None:
    fix = InProcessFix(InProcessPaper(now_ms=NOON_MS))
    link = fix.connect("KalshiNR")
    good = bytearray(wrap("35=A\x0149=x\x0156=KalshiNR\x0134=1\x0152=20261118-17:00:00.000\x0198=0\x01108=30\x01"))
    good[at % len(good)] = value

    link.feed(noise)
    link.feed(bytes(good))

    found, rest = cut(link.take())
    assert rest == b""
    assert all(msg[35] in ("3", "5") for msg in found)
