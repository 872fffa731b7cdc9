"""The desk's engine and messages against the paper exchange's acceptor, in one process with a clock by hand."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from apps.fix.engine.codec import Message
from apps.fix.engine.logon import LogonFlags
from apps.fix.engine.outputs import Deliver, End, Ended, LoggedOn, Missed, Output, Transmit
from apps.fix.engine.rules import RULES, Kind
from apps.fix.engine.session import Session, SessionConfig, State
from apps.fix.engine.store import MemoryStore
from apps.fix.messages import groups, orders, rfq
from apps.fix.messages.common import ExecId, Prices
from apps.fix.messages.drop_copy import Recovery, Result
from apps.fix.messages.post_trade import Assembler, SettlementReport
from apps.paper.fix.testing import InProcessFix, InProcessLink
from apps.paper.testing import LINEAR, InProcessPaper
from apps.vault.signing import KeySigner

NOON_MS = 1_795_021_200_000  # Wednesday, 2026-11-18, noon in New York
DOLLARS = Prices(in_dollars=True)


@dataclass
class Line:
    """A session of ours on a connection that the test may cut."""

    fix: InProcessFix
    session: Session
    link: InProcessLink | None = None
    got: list[Message] = field(default_factory=list)
    events: list[Output] = field(default_factory=list)

    @property
    def now(self) -> int:
        return self.fix.paper.clock.now_ms()

    def connect(self) -> "Line":
        config = self.session.config
        self.link = self.fix.connect(("margin:" if config.flags.is_margin else "") + config.kind.value)
        self.took(self.session.connected(self.now))
        return self.settle()

    def settle(self) -> "Line":
        """Until neither side has more to say."""
        for _ in range(50):
            data = self.link.take() if self.link else b""
            if not data:
                return self
            self.took(self.session.received(data, self.now))
        raise AssertionError("they talk for ever")

    def send(self, kind: str, fields: list[tuple[int, str]]) -> list[Message]:
        """Send; return what came back."""
        before = len(self.got)
        _, outputs = self.session.send(kind, fields, self.now)
        self.took(outputs)
        self.settle()
        return self.got[before:]

    def took(self, outputs: list[Output]) -> None:
        for one in outputs:
            if isinstance(one, Transmit):
                assert self.link is not None
                self.link.feed(one.raw)
            elif isinstance(one, Deliver):
                self.got.append(one.message)
                self.session.applied(one.seq)
            else:
                self.events.append(one)

    def cut(self, bytes_first: int = 0) -> None:
        """The line breaks, with a part of what is on its way."""
        assert self.link is not None
        part = self.link.take()[:bytes_first]
        if part:
            self.took(self.session.received(part, self.now))
        self.link.hang_up()
        self.took(self.session.lost())

    def reports(self) -> list[orders.ExecutionReport]:
        prices = Prices(in_dollars=self.session.config.flags.prices_in_dollars)
        return [orders.ExecutionReport.read(one, prices) for one in self.got if one.msg_type == "8"]

    def ended(self) -> End | None:
        return next((one.end for one in reversed(self.events) if isinstance(one, Ended)), None)


Join = Callable[..., Line]


@pytest.fixture
def fix() -> InProcessFix:
    return InProcessFix(InProcessPaper(now_ms=NOON_MS))


@pytest.fixture
def join(fix: InProcessFix) -> Join:
    def make(member: str, kind: Kind, **flags: Any) -> Line:
        key_id, pem = fix.paper.key_id(member), fix.paper.pem(member)
        signer = KeySigner.from_pem(key_id=key_id, pem=pem, scopes=("read",))
        chosen = LogonFlags.listening(**flags) if flags.pop("listening", False) else LogonFlags(**flags)
        session = Session(SessionConfig(kind, key_id, chosen), MemoryStore(), signer.logon_signature)
        return Line(fix, session).connect()

    return make


def order(name: str, **over: Any) -> list[tuple[int, str]]:
    values: dict[str, Any] = {"book_side": "bid", "price": Decimal("0.30"), "count": Decimal(10)} | over
    return orders.NewOrder(name, LINEAR, **values).fields(DOLLARS)


@pytest.mark.parametrize("kind", list(RULES))
def test_every_kind_logs_on_and_out(join: Join, kind: Kind) -> None:
    line = join("trader-1", kind)
    assert line.session.state is State.ACTIVE
    assert LoggedOn(was_reset=kind not in (Kind.RT, Kind.PT)) in line.events
    line.took(line.session.test(line.now))
    line.settle()
    assert line.session.rtt_ms == 0
    line.took(line.session.logout(line.now))
    line.settle()
    assert line.ended() is End.REQUESTED


def test_an_order_from_its_new_to_its_cancel(join: Join) -> None:
    line = join("trader-1", Kind.NR, skip_pending=True)
    (new,) = [orders.ExecutionReport.read(one, DOLLARS) for one in line.send("D", order("a", subaccount=0))]
    assert (new.exec_type, new.order_status, new.price, new.remaining) == ("0", "0", Decimal("0.3"), 10)
    change = orders.ReplaceOrder("b", "a", LINEAR, "bid", Decimal(12), Decimal("0.31"), order_id=new.order_id)
    (replaced,) = [orders.ExecutionReport.read(one, DOLLARS) for one in line.send("G", change.fields(DOLLARS))]
    assert (replaced.exec_type, replaced.price, replaced.remaining) == ("5", Decimal("0.31"), 12)
    cancel = orders.CancelOrder("c", "b", LINEAR, "bid", order_id=new.order_id)
    (cancelled,) = [orders.ExecutionReport.read(one, DOLLARS) for one in line.send("F", cancel.fields())]
    assert (cancelled.exec_type, cancelled.order_status, cancelled.remaining) == ("4", "4", 0)
    (late,) = line.send("F", orders.CancelOrder("d", "b", LINEAR, "bid").fields())
    assert orders.CancelReject.read(late).response_to == "1"
    assert [one.exec_id for one in line.reports()] == sorted(one.exec_id for one in line.reports())


def test_pending_reports_come_first_without_ids(join: Join) -> None:
    line = join("trader-1", Kind.NR)
    told = [orders.ExecutionReport.read(one, DOLLARS) for one in line.send("D", order("a"))]

    assert [(one.exec_type, one.exec_id.is_sequenced) for one in told] == [("A", False), ("0", True)]


@pytest.mark.parametrize("in_dollars", [True, False])
def test_trades_in_dollars_and_cents(join: Join, in_dollars: bool) -> None:
    line = join("trader-1", Kind.NR, skip_pending=True, use_dollars=in_dollars)
    maker = join("maker", Kind.NR, skip_pending=True)
    maker.send("D", order("m", book_side="ask", price=Decimal("0.40"), count=Decimal(4)))
    fields = orders.NewOrder("a", LINEAR, "bid", Decimal("0.45"), Decimal(10)).fields(Prices(in_dollars=in_dollars))
    line.send("D", fields)
    trade = next(one for one in line.reports() if one.trade is not None)

    assert trade.trade is not None
    assert (trade.trade.price, trade.trade.count, trade.trade.is_taker) == (Decimal("0.4"), 4, True)
    assert (trade.filled, trade.remaining, trade.average_price) == (4, 6, Decimal("0.4"))
    maker.settle()
    sold = next(one.trade for one in maker.reports() if one.trade is not None)
    assert (sold.trade_id, sold.is_taker, sold.price) == (trade.trade.trade_id, False, Decimal("0.4"))


def test_rejects_and_mass_cancels(join: Join) -> None:
    line = join("trader-1", Kind.NR, skip_pending=True)
    (too_much,) = [
        orders.ExecutionReport.read(one, DOLLARS) for one in line.send("D", order("x", count=Decimal(999_999)))
    ]
    assert (too_much.is_rejected, too_much.reject_reason, too_much.text) == (True, 3, "INSUFFICIENT_BALANCE")
    for name in "ab":
        line.send("D", order(name))
    answers = line.send("q", orders.mass_cancel_fields("all"))
    assert orders.MassCancelReport.read(next(one for one in answers if one.msg_type == "r")).is_accepted
    line.settle()
    assert [one.order_status for one in line.reports() if one.exec_type == "4"] == ["4", "4"]


def test_order_groups(join: Join) -> None:
    line = join("trader-1", Kind.NR, skip_pending=True)
    made = groups.GroupResponse.read(line.send("UOG", groups.group_fields("create", limit=50))[0])
    assert made.limit == 50
    line.send("D", order("a", order_group_id=made.group_id))
    triggered = line.send("UOG", groups.group_fields("trigger", group_id=made.group_id))
    assert {one.msg_type for one in triggered} == {"UOH", "8"}
    assert line.reports()[-1].exec_type == "4"
    (refused,) = line.send("UOG", groups.group_fields("reset", group_id="770e8400-e29b-41d4-a716-446655440002"))
    assert orders.Refusal.read(refused).text == "ORDER_GROUP_NOT_FOUND"


def test_one_connection_per_key(join: Join) -> None:
    first = join("trader-1", Kind.NR)
    second = join("trader-1", Kind.RT)

    assert second.ended() is End.ALREADY_EXISTS
    assert first.session.state is State.ACTIVE


def test_a_quote_from_the_question_to_the_trade(join: Join) -> None:
    asker, maker = join("trader-1", Kind.RT, skip_pending=True), join("maker", Kind.RFQ)
    ack = rfq.RequestAcknowledged.read(asker.send("R", rfq.NewRequest("r-1", LINEAR, count=Decimal(100)).fields())[0])
    heard = rfq.RequestHeard.read(maker.settle().got[-1])
    assert (heard.rfq_id, heard.ticker, heard.count) == (ack.rfq_id, LINEAR, 100)
    quote = rfq.NewQuote("q-1", heard.rfq_id, LINEAR, Decimal("0.45"), Decimal("0.50"))
    pending = rfq.QuoteStatus.read(maker.send("S", quote.fields(DOLLARS))[0], DOLLARS)
    assert (pending.status, pending.yes_bid, pending.no_bid) == ("pending", Decimal("0.45"), Decimal("0.5"))
    told = rfq.QuoteHeard.read(asker.settle().got[-1])
    assert (told.yes_bid, told.no_bid, told.rfq_id) == (Decimal("0.45"), Decimal("0.5"), ack.rfq_id)
    answer = asker.send("UA", rfq.accept_fields(told.quote_id, takes_yes=True, client_order_id="acc"))[0]
    assert rfq.Answer.read(answer).is_done
    accepted = rfq.QuoteStatus.read(maker.settle().got[-1], DOLLARS)
    assert (accepted.status, accepted.accepted_yes) == ("accepted", False), "BUY accepts the maker's NO quote"
    confirmed = maker.send("U7", rfq.quote_fields(accepted.quote_id))[0]
    assert rfq.Answer.read(confirmed).is_done
    asker.fix.step(15_000)
    bought = next(one for one in asker.settle().reports() if one.trade is not None)
    assert bought.trade is not None
    assert (bought.book_side, bought.trade.price, bought.trade.count) == ("bid", Decimal("0.5"), 100)


def test_a_request_for_dollars(join: Join) -> None:
    asker, maker = join("trader-1", Kind.RT), join("maker", Kind.RFQ)
    asker.send("R", rfq.NewRequest("r-1", LINEAR, cost=Decimal(40)).fields())
    heard = rfq.RequestHeard.read(maker.settle().got[-1])

    assert (heard.count, heard.cost) == (None, 40)


def test_a_rejected_quote_is_heard(join: Join) -> None:
    """Its QuoteID is there without a value, which the documentation calls empty."""
    maker = join("maker", Kind.RFQ)
    unknown = rfq.NewQuote("q-1", "770e8400-e29b-41d4-a716-446655440002", LINEAR, Decimal("0.45"))
    status = rfq.QuoteStatus.read(maker.send("S", unknown.fields(DOLLARS))[0], DOLLARS)

    assert (status.status, status.quote_id) == ("rejected", "")
    assert maker.session.state is State.ACTIVE
    assert maker.session.rejects_sent == 0


def test_a_request_and_a_quote_are_withdrawn(join: Join) -> None:
    asker, maker = join("trader-1", Kind.RT), join("maker", Kind.RFQ)
    asker.send("R", rfq.NewRequest("r-1", LINEAR, count=Decimal(5)).fields())
    heard = rfq.RequestHeard.read(maker.settle().got[-1])
    pending = maker.send("S", rfq.NewQuote("q-1", heard.rfq_id, LINEAR, Decimal("0.45")).fields(DOLLARS))[0]
    ours = rfq.QuoteStatus.read(pending, DOLLARS).quote_id
    gone = maker.send("Z", rfq.quote_fields(ours))
    assert any(rfq.Answer.read(one).is_done for one in gone if one.msg_type == "U9")
    closed = [one for one in asker.send("UE", rfq.cancel_request_fields(request_id="r-1")) if one.msg_type == "UB"]
    assert rfq.Answer.read(closed[0]).is_done


def test_settlements_come_whole(join: Join, fix: InProcessFix) -> None:
    post = join("trader-1", Kind.PT)
    for name, where in (("maker", "ask"), ("trader-1", "bid")):
        body = {"action": "place", "member": name, "ticker": LINEAR, "side": where, "price": "0.4000", "count": "10.00"}
        fix.paper.control("POST", "/external", body)
    for body in ({"action": "close_early"}, {"action": "determine", "result": "yes"}, {"action": "settle"}):
        fix.paper.control("POST", "/market", {"ticker": LINEAR} | body)
    assembler = Assembler()
    whole = [assembler.add(SettlementReport.read(one), 0) for one in post.settle().got]

    (parts,) = [one for one in whole if one is not None]
    assert (parts[0].ticker, parts[0].result, parts[0].price) == (LINEAR, "yes", 1)
    assert parts[0].parties[0].long_count == 10


# --- the outage drill -----------------------------------------------------------------------------


def recovered(line: Line, begin: ExecId) -> Recovery:
    """Ask the drop copy session for everything from `begin` on."""
    recovery = Recovery(begin)
    while recovery.result is None:
        fields = recovery.next_request(line.now)
        if fields is None:
            line.fix.step(1_000)
            continue
        recovery.sent(line.session.next_out)
        for one in line.send("U1", fields):
            if one.msg_type == "8":
                recovery.report(ExecId.read(one.text(17)))
            elif one.msg_type in ("U2", "U3"):
                recovery.answer(one, line.now)
    return recovery


def trades(line: Line, maker: Line, dice: random.Random, number: int) -> None:
    """One thing happens: a trade, a resting order, or a cancel."""
    what = dice.random()
    if what < 0.5:
        maker.send("D", order(f"m{number}", book_side="ask", price=Decimal("0.40"), count=Decimal(2)))
        line.send("D", order(f"t{number}", price=Decimal("0.40"), count=Decimal(2)))
    else:
        line.send("D", order(f"r{number}", price=Decimal("0.10"), count=Decimal(1)))
        if what < 0.8:
            line.send("F", orders.CancelOrder(f"c{number}", f"r{number}", LINEAR, "bid").fields())


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_an_outage_drill_by_resend(join: Join, seed: int) -> None:
    """A listener cut at random places while another session trades: nothing missing, nothing twice, in order."""
    dice = random.Random(seed)
    trader, maker = join("trader-1", Kind.NR, skip_pending=True), join("maker", Kind.NR, skip_pending=True)
    listener = join("reader", Kind.RT, listening=True)
    cuts = 0
    for number in range(400):
        trades(trader, maker, dice, number)
        if number % 20 == 0:
            trader.fix.step(1_000)
        if listener.session.state is State.DISCONNECTED:
            if dice.random() < 0.5:
                listener.connect()
        elif dice.random() < 0.12:
            cuts += 1
            listener.cut(dice.randrange(0, 2_000))
        elif dice.random() < 0.7:
            listener.settle()
    if listener.session.state is State.DISCONNECTED:
        listener.connect()
    listener.settle()

    truth = [one.exec_id for one in trader.reports() if one.exec_id.is_sequenced]
    heard = [one.exec_id for one in listener.reports()]
    assert cuts > 20
    assert heard == truth
    assert len(truth) > 600


@pytest.mark.long
def test_an_outage_drill_by_drop_copy(join: Join) -> None:
    """Without resend: what was missed comes by drop copy, from the last one seen, counted and once."""
    dice = random.Random(3)
    trader, maker = join("trader-1", Kind.NR, skip_pending=True), join("maker", Kind.NR, skip_pending=True)
    listener = join("reader", Kind.NR, listening=True)
    seen: dict[ExecId, str] = {}
    for number in range(120):
        trades(trader, maker, dice, number)
        if dice.random() < 0.15:
            listener.cut(dice.randrange(0, 2_000))
            seen |= {one.exec_id: one.order_id for one in listener.reports()}
            trades(trader, maker, dice, 10_000 + number)
            listener.link = None
            copy = join("reader", Kind.DC)
            recovery = recovered(copy, max(seen, default=ExecId(0, 0)))
            assert recovery.result is Result.COMPLETE, recovery.text
            seen |= {one.exec_id: one.order_id for one in copy.reports()}
            copy.took(copy.session.logout(copy.now))
            copy.settle()
            copy.fix.step(30_000)
            trader.took(trader.session.tick(trader.now))
            maker.took(maker.session.tick(maker.now))
            trader.settle()
            maker.settle()
            listener.connect()
        listener.settle()
    seen |= {one.exec_id: one.order_id for one in listener.reports()}

    truth = {one.exec_id: one.order_id for one in trader.reports() if one.exec_id.is_sequenced}
    assert seen == truth
    assert not [one for one in listener.events if isinstance(one, Missed)]
