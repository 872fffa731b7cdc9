"""A session against an exchange that keeps its messages, under loss, repeats, cuts, swaps and crashes: both agree."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from apps.fix.engine.outputs import Deliver, Ended, Output, Transmit
from apps.fix.engine.rules import Kind
from apps.fix.engine.session import Session, SessionConfig, State
from apps.fix.engine.store import FileStore
from tests.fix.engine.peer import Peer
from tests.fix.engine.talk import KEY, START


class Pair(RuleBasedStateMachine):
    """The wire loses, repeats, cuts and swaps; the desk dies between receiving and applying; and still."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="fix-pair-")
        self.path = Path(self.folder.name) / "s.fix"
        self.store = FileStore(self.path)
        self.peer = Peer()
        self.now = START
        self.applied: set[str] = set()
        self.order: list[str] = []
        self.told: list[str] = []
        self.numbers: dict[int, str] = {}
        self.to_us: list[bytes] = []
        self.unapplied: list[Deliver] = []
        self.ends: list[Ended] = []
        self.session = self._session()

    def _session(self) -> Session:
        return Session(SessionConfig(Kind.RT, KEY), self.store, lambda text: "c2ln")

    def teardown(self) -> None:
        if not hasattr(self, "session"):
            return
        try:
            self._agree()
        finally:
            self.store.close()
            self.folder.cleanup()

    def _agree(self) -> None:
        for attempt in range(12):
            self._settle()
            if self._agrees():
                break
            self.now += 16_000
            self._took(self.session.tick(self.now))
            if attempt > 6:
                self._lose()
        assert self._agrees(), (self.told, sorted(self.applied), self.session.gap, self.ends[-3:])

    def _agrees(self) -> bool:
        return self.applied == set(self.told) and self.session.state is State.ACTIVE and self.session.gap is None

    def _settle(self) -> None:
        """The wire works again: everything goes through, until nothing moves."""
        if self.session.state is State.DISCONNECTED:
            self._connect()
        self._apply_all()
        for _ in range(200):
            if not self.to_us:
                break
            self._took(self.session.received(self.to_us.pop(0), self.now))
            self._apply_all()

    # --- rules ------------------------------------------------------------------------------------

    @rule()
    def connect(self) -> None:
        if self.session.state is State.DISCONNECTED:
            self._connect()

    @rule(count=st.integers(1, 4))
    def reports(self, count: int) -> None:
        for _ in range(count):
            exec_id = f"{len(self.told)};1"
            self.told.append(exec_id)
            raw = self.peer.report(exec_id, self.now)
            if self.peer.is_on:
                self.to_us.append(raw)

    @precondition(lambda self: self.to_us)
    @rule(many=st.integers(1, 6))
    def arrive(self, many: int) -> None:
        for _ in range(min(many, len(self.to_us))):
            if self.to_us:
                self._took(self.session.received(self.to_us.pop(0), self.now))

    @precondition(lambda self: self.to_us)
    @rule(place=st.integers(0, 400))
    def arrive_cut(self, place: int) -> None:
        raw = self.to_us.pop(0)
        for part in (raw[:place], raw[place:]):
            self._took(self.session.received(part, self.now))

    @precondition(lambda self: self.to_us)
    @rule(which=st.integers(0, 50))
    def drop(self, which: int) -> None:
        """A message is lost whole, as a gateway may lose one; TCP itself does not."""
        self.to_us.pop(which % len(self.to_us))

    @precondition(lambda self: self.to_us)
    @rule(which=st.integers(0, 50), later=st.integers(0, 3))
    def repeat(self, which: int, later: int) -> None:
        """A message comes twice, at once or behind others: not marked, as only a broken exchange would."""
        which %= len(self.to_us)
        self.to_us.insert(which + 1 + later, self.to_us[which])

    @precondition(lambda self: len(self.to_us) > 1)
    @rule(which=st.integers(0, 50))
    def swap(self, which: int) -> None:
        which %= len(self.to_us) - 1
        self.to_us[which : which + 2] = reversed(self.to_us[which : which + 2])

    @rule(seconds=st.sampled_from([1, 5, 20, 40]))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds * 1000
        self._took(self.session.tick(self.now))

    @precondition(lambda self: self.session.state is State.ACTIVE)
    @rule()
    def cancel(self) -> None:
        _, outputs = self.session.send("F", [(11, f"c{self.now}"), (41, "a"), (54, "1"), (55, "M")], self.now)
        self._took(outputs)

    @rule(many=st.integers(1, 5))
    def apply(self, many: int) -> None:
        for _ in range(min(many, len(self.unapplied))):
            self._apply()

    @rule()
    def lose_connection(self) -> None:
        self._lose()

    @rule()
    def crash(self) -> None:
        """kill -9: what was received and not applied is forgotten, what was stored is read again."""
        self.unapplied.clear()
        self.to_us.clear()
        self.store.close()
        self.store = FileStore(self.path)
        assert not self.store.was_torn
        self.session = self._session()
        self.peer.connect()

    @invariant()
    def numbers_make_sense(self) -> None:
        if not hasattr(self, "session"):
            return
        assert self.store.next_in <= self.session.next_in
        assert len(self.order) == len(set(self.order)), "applied twice within one life"
        if self.session.state is State.DISCONNECTED:
            assert self.session.tick(self.now) == []

    # --- help -------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self.to_us.clear()
        self.unapplied.clear()
        self.peer.connect()
        self._took(self.session.connected(self.now))

    def _lose(self) -> None:
        self._took(self.session.lost())
        self.unapplied.clear()
        self.to_us.clear()
        self.peer.connect()

    def _took(self, outputs: list[Output]) -> None:
        for one in outputs:
            if isinstance(one, Transmit):
                self._unique(one)
                self.to_us += self.peer.take(one.raw, self.now)
            elif isinstance(one, Deliver):
                self.unapplied.append(one)
            elif isinstance(one, Ended):
                self.ends.append(one)
                self.unapplied.clear()
                self.to_us.clear()
                self.peer.connect()

    def _unique(self, sent: Transmit) -> None:
        """A number is used for one message only, but for fills and repeats, which say so."""
        if (43, "Y") in sent.fields:
            return
        if sent.msg_type == "A" and (141, "Y") in sent.fields:
            self.numbers.clear()
        assert sent.seq not in self.numbers, f"{sent.seq} was {self.numbers[sent.seq]}"
        self.numbers[sent.seq] = sent.msg_type

    def _apply(self) -> None:
        delivered = self.unapplied.pop(0)
        exec_id = delivered.message.text(17)
        if exec_id and exec_id not in self.applied:
            self.applied.add(exec_id)
            self.order.append(exec_id)
        self.session.applied(delivered.seq)

    def _apply_all(self) -> None:
        while self.unapplied:
            self._apply()


TestPair = Pair.TestCase
TestPair.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
