"""The FIX side of one exchange: sessions, who is connected, what goes where. One thread; no I/O but the store."""

import logging
from collections import deque
from collections.abc import Callable

from apps.paper.engine.events import (
    BookDelta,
    Event,
    MarketLifecycle,
    OrderChanged,
    QuoteChanged,
    RfqChanged,
    SettlementPaid,
)
from apps.paper.engine.orders import Fill
from apps.paper.fix import logon
from apps.paper.fix.codec import Message
from apps.paper.fix.doors import Door, door_of, split
from apps.paper.fix.drop_copy import DropCopy
from apps.paper.fix.entry import OrderEntry
from apps.paper.fix.execution import Style, execution
from apps.paper.fix.faults import FixFaults
from apps.paper.fix.groups import GroupEntry
from apps.paper.fix.makers import MakerSide
from apps.paper.fix.market_data import MarketData
from apps.paper.fix.peer import Link, Peer
from apps.paper.fix.post_trade import PostTrade
from apps.paper.fix.reports import Report
from apps.paper.fix.requesters import RequesterSide
from apps.paper.fix.rules import FixRules
from apps.paper.fix.session import Session
from apps.paper.fix.store import Store
from apps.paper.fix.tape import Tape
from apps.paper.fix.validation import REQUIRED_MISSING, SENDING_TIME, WRONG_FORMAT, Body, SessionReject, parse_time
from apps.paper.server.auth import AccessKey
from apps.paper.server.buckets import CANCEL_COST, DEFAULT_COST, QUOTE_COST
from apps.paper.server.core import Core

logger = logging.getLogger(__name__)

COSTS = {"F": CANCEL_COST, "S": QUOTE_COST, "Z": QUOTE_COST}  # tokens; all others DEFAULT_COST, as their REST calls
PRUNE_EVERY_MS = 600_000
HEARD = (Fill, OrderChanged, RfqChanged, QuoteChanged, SettlementPaid, MarketLifecycle)
REPORTED = ("KalshiNR", "KalshiRT", "margin:KalshiNR", "margin:KalshiRT")
READS = frozenset({"U1", "V"})  # what a key that only reads may ask, at the cost of a read
Handler = Callable[[Session, Body], None]


class Gateway:
    """sessions: by id; those with retransmission also while nobody is connected. active: connected ones by key."""

    def __init__(self, core: Core, store: Store, *, rules: FixRules | None = None) -> None:
        self.core = core
        self.exchange = core.exchange
        self.clock = core.clock
        self.store = store
        self.rules = rules or FixRules()
        self.faults = FixFaults()
        self.sessions: dict[str, Session] = {}
        self.active: dict[str, Session] = {}
        self.peers: set[Peer] = set()
        self.log: deque[tuple[int, str, str, str, str, int]] = deque(maxlen=20_000)
        self.tape = Tape(self.exchange, store)
        self.entry = OrderEntry(self)
        self.makers = MakerSide(self)
        self.requesters = RequesterSide(self)
        self.post_trade = PostTrade(self)
        self.market_data = MarketData(self)
        self._handlers: dict[str, Handler] = {
            **self.entry.handlers,
            **GroupEntry(self).handlers,
            **DropCopy(self).handlers,
            **self.makers.handlers,
            **self.requesters.handlers,
            **self.market_data.handlers,
        }
        self._later: deque[Callable[[], None]] = deque()
        self._in_maintenance = False
        self._prune_at = 0
        self.ports: dict[str, int] = {}
        self.tls = False
        self.garbled = 0  # messages of connections that are gone

    def start(self) -> None:
        """Take up what the store has, and follow the exchange from here on."""
        for session_id, next_in, next_out, pruned, flags in self.store.sessions():
            door, key_id = split(session_id)
            key = self.core.keys.get(key_id)
            if key is None:
                continue  # deleted; what was kept for it cannot be asked for any more
            session = self.session_for(door, key)
            session.next_in, session.next_out, session.pruned, session.flags = next_in, next_out, pruned, flags
            session.style = self.style_of(session)
            self.sessions[session_id] = session
        self.tape.on_report = self._on_report
        self.tape.origin_of = self.requesters.origin_of
        self.tape.catch_up()
        self.post_trade.catch_up()
        self.exchange.subscribe(self.on_event)

    def set_rules(self, rules: FixRules) -> None:
        """Play by other rules from now on."""
        self.rules = rules
        for session in self.sessions.values():
            session.style = self.style_of(session)

    def now_ms(self) -> int:
        """Unix milliseconds by the acceptor's clock."""
        return self.clock.now_ms() + self.rules.clock_offset_ms

    # --- connections -----------------------------------------------------------------------------
    def connect(self, door: str, link: Link) -> Peer:
        """A connection to one of the acceptors, by its name."""
        peer = Peer(self, door_of(door), link)
        self.peers.add(peer)
        return peer

    def forget(self, peer: Peer) -> None:
        """A connection is gone."""
        if peer in self.peers:
            self.peers.discard(peer)
            self.garbled += peer.splitter.garbled

    def log_on(self, peer: Peer, message: Message) -> None:
        """The first message of a connection."""
        logon.log_on(self, peer, message)

    def session_for(self, door: Door, key: AccessKey) -> Session:
        """The session of a key on an acceptor, a new one when there is none."""
        session = self.sessions.get(door.name + key.key_id)
        if session is None:
            session = Session(self, door=door, key_id=key.key_id, user_id=key.user_id)
        session.scopes = key.scopes
        return session

    def session_ended(self, session: Session) -> None:
        """A session has lost its connection."""
        self.active.pop(session.key_id, None)
        self.market_data.forget(session)
        if not session.retransmits:
            self.sessions.pop(session.session_id, None)
        if session.flag(8013):
            self.do_later(lambda: self.entry.cancel_all(session))

    def key_removed(self, key_id: str) -> None:
        """A key was deleted: its session ends."""
        session = self.active.get(key_id)
        if session is not None:
            session.end("the API key was deleted")
        self.run_later()

    def is_signed(self, message: Message, key_id: str) -> bool:
        """Whether a logon is signed by this key."""
        key = self.core.keys.get(key_id)
        return key is not None and logon.verify(message, key)

    def style_of(self, session: Session) -> Style:
        """How a session's reports look."""
        subtraders = self.exchange.members[session.user_id].subtraders
        return Style(
            dollars=session.flag(21005) or session.is_margin,
            expired_status=session.flag(21012),
            ioc_cancels=session.flag(21007),
            original_qty=session.flag(21008),
            new_before_trade=session.flag(21026),
            replaced_status=session.is_margin,
            sell_price="yes" if session.is_margin else self.rules.sell_price,
            parties=tuple((number, name) for name, number in subtraders.items()),
        )

    # --- messages --------------------------------------------------------------------------------
    def check_time(self, message: Message) -> None:
        """Raises SessionReject unless SendingTime is near the acceptor's clock."""
        text = message.first(52)
        if text is None:
            raise SessionReject(REQUIRED_MISSING, 52, "Required tag missing")
        ms = parse_time(text)
        if ms is None:
            raise SessionReject(WRONG_FORMAT, 52, "Incorrect data format for value")
        if abs(ms - self.now_ms()) > self.rules.clock_window_ms:
            raise SessionReject(SENDING_TIME, 52, "SendingTime accuracy problem")

    def application(self, session: Session, body: Body) -> None:
        """An application message in its turn: checked against session type, mode, scope and budget, then done."""
        if body.msg_type == "j":
            return
        # The pages on margin list reasons 0 to 5 alone.
        forbidden, limited = (0, 0) if session.is_margin else (6, 8)
        if body.msg_type not in session.door.accepts:
            session.refuse(body, 3, f"{body.msg_type} is not supported on {session.target}")
        elif session.is_listener:
            session.refuse(body, forbidden, "a listener session is read-only")
        elif body.msg_type not in READS and "write" not in session.scopes:
            session.refuse(body, forbidden, "the API key has no write scope")
        elif not self._pays(session, body.msg_type):
            session.refuse(body, limited, "rate limit exceeded")
        else:
            try:
                self._handlers[body.msg_type](session, body)
            except Exception:
                logger.exception("a FIX message failed: %s", body.msg_type)
                session.refuse(body, 4, "EXCHANGE_UNAVAILABLE")

    def _pays(self, session: Session, msg_type: str) -> bool:
        core = self.core
        return core.budgets.take(
            session.user_id,
            "read" if msg_type in READS else "write",
            COSTS.get(msg_type, DEFAULT_COST),
            tier=core.tier(session.user_id),
            now_ms=core.clock.monotonic_ms(),
        )

    def note(self, session: Session, direction: str, msg_type: str, seq: int) -> None:
        """Remember that a message went by, for the control endpoint."""
        self.log.append((self.clock.now_ms(), session.door.name, session.user_id, direction, msg_type, seq))

    def listening(self, user_id: str, *targets: str) -> list[Session]:
        """A member's sessions on these acceptors, connected or kept."""
        return [s for s in list(self.sessions.values()) if s.user_id == user_id and s.door.name in targets]

    def on_event(self, event: Event) -> None:
        """Take one event of the engine. What breaks down here must not break the engine."""
        if isinstance(event, BookDelta):
            self.market_data.hear(event)
            return
        if not isinstance(event, HEARD):
            return
        try:
            self.tape.hear(event)
            self.makers.hear(event)
            self.requesters.hear(event)
            self.post_trade.hear(event)
        except Exception:
            logger.exception("the FIX gateway could not follow the exchange")

    def _on_report(self, report: Report) -> None:
        for session in self.listening(report.user_id, *REPORTED):
            mine = self.rules.reports == "member" or session.session_id == report.origin
            if (mine or session.is_listener) and session.style.wants(report):
                session.send("8", execution(report, session.style))

    # --- time ------------------------------------------------------------------------------------
    def do_later(self, act: Callable[[], None]) -> None:
        """Do something when the present event or message is whole: it acts on the exchange, or cuts a connection."""
        self._later.append(act)

    def run_later(self) -> None:
        """Do what was put off."""
        while self._later:
            self._later.popleft()()

    def tick(self) -> None:
        """What time brings; call it often."""
        self._keep_hours()
        for peer in list(self.peers):
            peer.tick()
        self.run_later()
        now = self.clock.now_ms()
        if now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY_MS
            self.tape.prune()
            for session in self.sessions.values():
                session.prune()

    def _keep_hours(self) -> None:
        """The weekly window ends every session when it begins."""
        before, self._in_maintenance = self._in_maintenance, self.exchange.in_maintenance
        if self._in_maintenance and not before:
            for session in list(self.active.values()):
                session.end("scheduled maintenance")
            if self.rules.maintenance_resets:
                for session in self.sessions.values():
                    session.reset()
                    session.keep()

    def close(self) -> None:
        """Log everybody out: the exchange stops. Orders stay: their members did not disconnect."""
        for session in list(self.active.values()):
            session.flags.pop("8013", None)
            session.end("the exchange is stopping")
