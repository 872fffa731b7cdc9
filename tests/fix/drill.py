"""The outage drill's two ends: sessions that store what they hear in the desk's database, and one that recovers."""

import random
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from apps.accounts.models import ExchangeAccount
from apps.core.timestamps import utc_now
from apps.fix import ingest, records
from apps.fix.engine.codec import Message
from apps.fix.engine.logon import LogonFlags
from apps.fix.engine.outputs import Deliver, LoggedOn, Missed, Output, Transmit
from apps.fix.engine.rules import RULES, Kind
from apps.fix.engine.session import Session, SessionConfig, State
from apps.fix.engine.store import FileStore, MemoryStore, Store
from apps.fix.messages.common import ExecId, Prices
from apps.fix.messages.drop_copy import Recovery
from apps.fix.messages.orders import CancelOrder, NewOrder, ReplaceOrder
from apps.fix.models import FixRecovery, FixSession
from apps.fix.selectors import Wish
from apps.paper.fix.testing import InProcessFix, InProcessLink
from apps.paper.testing import LINEAR
from apps.vault.signing import KeySigner

DOLLARS = Prices(in_dollars=True)


@dataclass
class End:
    """One session of the desk on a line that breaks, in a process that is killed. What it hears goes into SQL."""

    fix: InProcessFix
    account: ExchangeAccount
    member: str
    kind: Kind
    flags: LogonFlags
    store: Path
    link: InProcessLink | None = None
    waiting: list[Deliver] = field(default_factory=list)
    heard: int = 0  # execution reports that came, each as often as it came
    recovery: Recovery | None = None
    recovery_id: int = 0

    def __post_init__(self) -> None:
        # Read once: what a killed process reads again is its store, and keys cost 20 ms each.
        self.key_id, pem = self.fix.paper.key_id(self.member), self.fix.paper.pem(self.member)
        self.signer = KeySigner.from_pem(key_id=self.key_id, pem=pem, scopes=("read",))
        self.build()

    @property
    def now(self) -> int:
        return self.fix.paper.clock.now_ms()

    @property
    def is_up(self) -> bool:
        return self.session.state is State.ACTIVE

    def build(self) -> None:
        """As the process starts: with what the disk has."""
        store: Store = FileStore(self.store) if RULES[self.kind].is_retained else MemoryStore()
        self.session = Session(SessionConfig(self.kind, self.key_id, self.flags), store, self.signer.logon_signature)

    def connect(self) -> None:
        self.link = self.fix.connect(self.kind.value)
        self.took(self.session.connected(self.now))
        self.listen()
        assert self.is_up, f"{self.kind} did not log on"

    def listen(self) -> None:
        """Hear everything that is on its way."""
        while self.link is not None and (data := self.link.take()):
            self.took(self.session.received(data, self.now))

    def took(self, outputs: list[Output]) -> None:
        for one in outputs:
            match one:
                case Transmit():
                    assert self.link is not None
                    self.link.feed(one.raw)
                case Deliver(message):
                    self.heard += message.msg_type == "8"
                    self.waiting.append(one)
                case LoggedOn(was_reset) if was_reset and self.kind is not Kind.DC:
                    records.hole_mend(self.account.pk, f"{self.kind} logged on anew")
                case Missed() if self.kind is not Kind.DC:
                    records.hole_mend(self.account.pk, "messages are missing")

    def send(self, kind: str, fields: list[tuple[int, str]]) -> None:
        _, outputs = self.session.send(kind, fields, self.now)
        self.took(outputs)

    def store_all(self) -> None:
        """Bring what was heard into the desk; only then the session may forget it."""
        batch, self.waiting = self.waiting, []
        told = [one.message for one in batch if one.message.msg_type == "8"]
        done = ingest.reports_apply(self.account.pk, told, prices=DOLLARS, kind=self.kind.name.lower())
        assert (done.unreadable, done.conflicts) == (0, 0)
        for message in [one.message for one in batch]:
            self._recover(message)
        if batch:
            self.session.applied(batch[-1].seq)

    def cut(self, dice: random.Random) -> None:
        """The line breaks in the middle of what is on its way."""
        assert self.link is not None
        part = self.link.take()[: dice.randrange(3_000)]
        self.took(self.session.received(part, self.now))
        self.link.hang_up()
        self.took(self.session.lost())
        self.store_all()
        self._lost()

    def kill(self, dice: random.Random) -> None:
        """kill -9: what was heard and not stored is gone, and the line with it."""
        assert self.link is not None
        part = self.link.take()[: dice.randrange(3_000)]
        self.took(self.session.received(part, self.now))
        self.link.hang_up()
        self.waiting.clear()
        self.session.store.close()
        self._lost()
        self.build()

    # --- drop copy ----------------------------------------------------------------------------

    def recover(self) -> None:
        """Ask for what is to be recovered, as the gateway does each second."""
        if self.recovery is None:
            found = records.recovery_next(self.account.pk)
            if found is None:
                return
            self.recovery_id, begin, _ = found
            self.recovery = Recovery(ExecId.read(begin))
        fields = self.recovery.next_request(self.now)
        if fields is not None:
            self.recovery.sent(self.session.next_out)
            self.send("U1", fields)

    def _recover(self, message: Message) -> None:
        if self.recovery is None:
            return
        if message.msg_type == "8":
            self.recovery.report(ExecId.read(message.text(17)))
        elif message.msg_type in ("U2", "U3"):
            self.recovery.answer(message, self.now)
            if self.recovery.result is not None:
                records.recovery_finish(self._wish(), self.recovery_id, self.recovery)
                self.recovery = None

    def _lost(self) -> None:
        if self.recovery is not None:
            self.recovery.lost()

    def _wish(self) -> Wish:
        account, key = self.account, self.session.config.sender_comp_id
        known = (account.pk, account.desk_id, account.environment, self.kind, 30, self.flags)
        return Wish(0, *known, 0, key, 1, may_write=False, changed_at=None)


@dataclass
class Market:
    """A trader whose orders the drill follows, and who trades against them."""

    trader: End
    maker: End
    dice: random.Random
    working: list[str] = field(default_factory=list)
    number: int = 0

    def happen(self) -> None:
        """One thing: an order, its cancel, its replacement, a trade. Without the trader only others act."""
        self.number += 1
        what = self.dice.random()
        if not self.trader.is_up or what < 0.4:
            self._sell(self.dice.choice(["0.2000", "0.3000"]))
        elif what < 0.75 or not self.working:
            self.bid()
        elif what < 0.9:
            name = self.working.pop(self.dice.randrange(len(self.working)))
            self.trader.send("F", CancelOrder(f"c{self.number}", name, LINEAR, "bid").fields())
        else:
            name = self.working.pop(self.dice.randrange(len(self.working)))
            change = ReplaceOrder(f"g{self.number}", name, LINEAR, "bid", Decimal(4), Decimal("0.2500"))
            self.trader.send("G", change.fields(DOLLARS))

    def bid(self) -> None:
        name, price = f"b{self.number}", self.dice.choice(["0.2000", "0.3000"])
        self.trader.send("D", NewOrder(name, LINEAR, "bid", Decimal(price), Decimal(3)).fields(DOLLARS))
        self.working.append(name)

    def _sell(self, price: str) -> None:
        """Others sell into the bids and leave nothing behind."""
        count = Decimal(self.dice.randrange(1, 4))
        order = NewOrder(f"m{self.number}", LINEAR, "ask", Decimal(price), count, time_in_force="ioc")
        self.maker.send("D", order.fields(DOLLARS))
        self.maker.listen()
        self.maker.waiting.clear()


def copy_session(account: ExchangeAccount) -> None:
    """The desk's own row: there is a drop copy session to recover by."""
    FixSession.objects.create(account=account, kind="dc", is_wanted=True, changed_at=utc_now())


def open_recoveries(account: ExchangeAccount) -> bool:
    return FixRecovery.objects.filter(account=account, state__in=FixRecovery.OPEN).exists()
