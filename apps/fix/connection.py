"""Keeps one FIX session of the desk running: lease, dial, logon, messages, and again. One task in the gateway."""

import asyncio
import functools
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings

from apps.core.errors import DeskError
from apps.core.ports import GatewayTools
from apps.core.timestamps import from_unix_ms, utc_now
from apps.fix import console_feed, endpoints, records
from apps.fix.applier import Applier, Clock
from apps.fix.engine import reconnect
from apps.fix.engine.errors import NotEncodable, SendRefused, StoreCorrupt
from apps.fix.engine.outputs import Deliver, End, Ended, LoggedOn, Missed, Noted, Output, Seen, Transmit
from apps.fix.engine.rules import Kind
from apps.fix.engine.session import Session, SessionConfig, State
from apps.fix.engine.store import FileStore, MemoryStore, set_aside
from apps.fix.lease import LEASE, key_digest, lease_release, lease_take
from apps.fix.market_data import Watch
from apps.fix.messages.common import ExecId
from apps.fix.messages.drop_copy import Recovery
from apps.fix.models import FixSession
from apps.fix.outbox import Outbox
from apps.fix.selectors import Wish
from apps.fix.transport import Transport, TransportRefused
from apps.vault.opening import signer_for_key

logger = logging.getLogger(__name__)

TICK: Final = 0.2  # seconds
REPORT_SECONDS: Final = 1.0
PASSED_SECONDS: Final = 0.1
LEASE_SECONDS: Final = 3.0
QUIET_SECONDS: Final = 60.0  # a connection that lasted this long ends a row of failures
PRUNE_EVERY: Final = 2_000  # messages
MOST_PASSED: Final = 5_000  # that wait for the database
COMMANDED: Final = frozenset({"D", "S", "R"})  # sessions that send one of these take commands
UNREAD: Final = frozenset({"rejected", "unexpected_type"})  # a message was used up and not applied: read instead
_STATE: Final = FixSession.State


@dataclass
class Connection:
    """One session of the desk, over as many connections as it takes. `run` ends when a person has to look."""

    wish: Wish
    tools: GatewayTools
    holder: str
    stop_wanted: asyncio.Event = field(default_factory=asyncio.Event)
    reset_wanted: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)  # something may be waiting to be sent
    asked: list[str] = field(default_factory=list)  # kinds of FixAsk
    _passed: list[records.Passed] = field(default_factory=list)
    _stored: int = 0
    _flushed_at: float = 0.0
    _state_at: float = 0.0
    _row: dict[str, Any] = field(default_factory=dict)
    _ended: Ended | None = None
    _alarm: str = ""
    _outbox: Outbox | None = None
    _looked_at: float = 0.0

    async def run(self) -> None:
        """Raises only CancelledError: a session that cannot run says why in its row."""
        self._clock = Clock()
        self._session = await self._build()
        if self.wish.rules.sends & COMMANDED and not (self.wish.flags.listener or self.wish.is_margin):
            self._outbox = Outbox(self.wish.session_id, self.wish.account_id)
        self._watch = Watch(self.wish.symbols) if self.wish.kind is Kind.MD else None
        self._applier = Applier(self.wish, self._session, self.tools, outbox=self._outbox)
        applying = asyncio.create_task(self._applier.run(self._clock))
        try:
            await self._keep()
        finally:
            applying.cancel()
            self._session.store.close()

    async def _keep(self) -> None:
        in_a_row, last = 0, End.REQUESTED
        digest = key_digest(self.wish.environment, self.wish.key_id)
        while not self.stop_wanted.is_set():
            fence = await self.tools.database(lambda: lease_take(digest, self.holder))
            if fence is None:
                await self._show(_STATE.WAITING, "Another process of this desk holds the key's connection.")
                await self._pause(LEASE_SECONDS)
                continue
            began = asyncio.get_running_loop().time()
            try:
                ended = await self._attempt(digest, fence)
            finally:
                await self.tools.database(lambda: lease_release(digest, self.holder))
            lasted = asyncio.get_running_loop().time() - began
            in_a_row = in_a_row + 1 if ended.end is last and lasted < QUIET_SECONDS else 1
            last = ended.end
            if self.stop_wanted.is_set():
                break
            if self.reset_wanted and ended.end is End.REQUESTED:
                continue
            plan = reconnect.plan(
                ended.end, ended.text, in_a_row=in_a_row, heartbeat=self.wish.heartbeat, now=datetime.now(UTC)
            )
            logger.info("FIX session %s: %s (%s)", self.wish.session_id, ended.end, plan.text)
            if plan.wait is None:
                await self._show(_STATE.HALTED, plan.text)
                return
            await self._show(_STATE.PLANNED if plan.is_planned else _STATE.WAITING, plan.text)
            await self._pause(plan.wait)
        await self._show(_STATE.STOPPED, "Stopped.")

    # --- one connection ---------------------------------------------------------------------------

    async def _attempt(self, digest: str, fence: int) -> Ended:
        """Connect, log on, and stay until it ends."""
        await self._applier.drained()
        self._ended = None
        try:
            await self._show(_STATE.CONNECTING, "")
            endpoint = endpoints.endpoint(self.wish.environment, self.wish.kind, is_margin=self.wish.is_margin)
            signer = await self.tools.database(lambda: signer_for_key(self.wish.key_row))
            self._signer_sign = signer.logon_signature
            transport = await Transport.open(endpoint)
        except (DeskError, TransportRefused) as exc:
            text = exc.text if isinstance(exc, DeskError) else f"No connection: {exc}."
            return Ended(End.LOST, text)
        self._transport = transport
        self._clock.anchor()
        self._session.reset_next = self._session.reset_next or self.reset_wanted
        renewing = asyncio.create_task(self._renew(digest, fence))
        try:
            return await self._talk(transport)
        finally:
            renewing.cancel()
            await transport.close()
            await self._applier.drained()
            if self._applier.recovery is not None:
                self._applier.recovery.lost()
            await self._flush(force=True)

    async def _talk(self, transport: Transport) -> Ended:
        try:
            opening = self._session.connected(self._clock())
        except DeskError as exc:  # no signature now: the signer is away
            return Ended(End.LOST, exc.text)
        await self._took(opening)
        reading: asyncio.Task[bytes] | None = None
        waking: asyncio.Task[Any] | None = None
        try:
            while self._ended is None:
                reading = reading or asyncio.create_task(transport.read())
                waking = waking or asyncio.create_task(self.wake.wait())
                await asyncio.wait([reading, waking], timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
                if waking.done():
                    waking, self._looked_at = None, 0.0
                    self.wake.clear()
                now = self._clock()
                if reading.done():
                    data = reading.result()
                    reading = None
                    await self._took(self._session.received(data, now) if data else self._session.lost())
                await self._took(self._session.tick(now))
                await self._wishes(now)
                await self._commands(now)
                await self._flush()
            return self._ended
        except asyncio.CancelledError:
            # The gateway ends: say goodbye, and wait for nothing.
            await self._took(self._session.logout(self._clock()))
            raise
        finally:
            for task in (reading, waking):
                if task is not None:
                    task.cancel()

    async def _wishes(self, now: int) -> None:
        """Do what people want of a running session."""
        is_active = self._session.state is State.ACTIVE
        # A reset that this connection's logon did is done: the flag is gone by then.
        if self.stop_wanted.is_set() or (self.reset_wanted and is_active):
            await self._took(self._session.logout(now))
            return
        asked, self.asked = self.asked, []
        for kind in asked:
            await self._took(self._session.ask_again(now) if kind == "resend" else self._session.test(now))
        if self._watch is not None and is_active and (fields := self._watch.next_request(now)) is not None:
            _, outputs = self._session.send("V", fields, now)
            await self._took(outputs)
        if self.wish.kind is Kind.DC and is_active and self._applier.recovery is not None:
            fields = self._applier.recovery.next_request(now)
            if fields is not None:
                seq, outputs = self._session.send("U1", fields, now)
                self._applier.recovery.sent(seq)
                await self._took(outputs)

    async def _commands(self, now: int) -> None:
        """Send what the desk's senders have handed over. Taken in SQL first, so each leaves once at most."""
        if self._outbox is None or self._session.state is not State.ACTIVE or self._session.gap:
            return
        loop_time = asyncio.get_running_loop().time()
        if self._looked_at and loop_time - self._looked_at < TICK:
            return  # messages come faster than it is worth asking
        self._looked_at = loop_time
        lane = self.tools.urgent if self.wish.kind is Kind.RFQ else self.tools.database
        for one in await lane(self._outbox.take):
            try:
                seq, outputs = self._session.send(one.msg_type, one.fields, self._clock())
            except (SendRefused, NotEncodable) as exc:
                code, text = ("fix_not_writable", str(exc)) if isinstance(exc, NotEncodable) else (exc.code, exc.text)
                await self.tools.database(functools.partial(self._outbox.not_sent, one.id, code, text))
                continue
            self._outbox.by_seq[seq] = one.id
            await self._took(outputs)

    async def _took(self, outputs: list[Output]) -> None:
        for one in outputs:
            match one:
                case Transmit(raw, seq, msg_type, fields):
                    self._transport.write(raw)
                    self._pass(is_outgoing=True, seq=seq, msg_type=msg_type, fields=fields)
                case Deliver(message, seq, _):
                    self._pass(is_outgoing=False, seq=seq, msg_type=message.msg_type, fields=message.fields)
                    self._applier.put(one)
                    if self._watch is not None:
                        self._watch.take(message)
                case Seen(message):
                    seen = message.whole(34) or 0
                    self._pass(is_outgoing=False, seq=seen, msg_type=message.msg_type, fields=message.fields)
                case LoggedOn(was_reset):
                    await self._logged_on(was_reset=was_reset)
                case Missed(first, last):
                    await self._mend(f"messages {first} to {last} of {self.wish.kind} are missing")
                case Noted(code, text, is_alarm):
                    logger.log(logging.ERROR if is_alarm else logging.INFO, "FIX %s: %s", self.wish.session_id, text)
                    if is_alarm:
                        self._alarm = f"{code}: {text}"
                    if code in UNREAD and not self.wish.is_margin:
                        await self.tools.database(functools.partial(records.account_read, self.wish.account_id))
                case Ended():
                    self._ended = one

    def _pass(self, *, is_outgoing: bool, seq: int, msg_type: str, fields: list[tuple[int, str]]) -> None:
        if msg_type != "0":  # heartbeats would be most of the log, and say nothing
            self._passed.append(records.Passed(is_outgoing, seq, msg_type, self._clock(), fields))

    async def _logged_on(self, *, was_reset: bool) -> None:
        wish = self.wish
        if self.reset_wanted and was_reset:
            self.reset_wanted = False
            await self.tools.database(lambda: records.reset_done(wish.session_id))
        if self._watch is not None:
            self._watch.logged_on()
            self._alarm = "" if wish.symbols else "No books are named: define the session with symbols."
        await self._show(_STATE.LOGGED_ON, self._alarm)
        await self.tools.database(functools.partial(records.session_audit, wish, "logged_on", was_reset=was_reset))
        if self._outbox is not None and was_reset:
            self._outbox.by_seq.clear()
            if wish.kind is not Kind.RFQ:  # of quotes one is in doubt per request, which its own row keeps
                self._outbox.reconcile_since = utc_now()
        if was_reset:
            await self._mend(f"{wish.kind} logged on anew")

    async def _mend(self, why: str) -> None:
        """What was told meanwhile may be missing: fill the hole."""
        if self.wish.kind in (Kind.NR, Kind.RT):
            account, is_margin = self.wish.account_id, self.wish.is_margin
            await self.tools.database(lambda: records.hole_mend(account, why, is_margin=is_margin))
        if self.wish.kind in (Kind.RFQ, Kind.RT) and not self.wish.is_margin:
            await self.tools.database(functools.partial(records.requests_read, self.wish.account_id))

    async def _renew(self, digest: str, fence: int) -> None:
        """Keep the lease; without it the connection ends, so that the next holder's is the only one."""
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while True:
            await asyncio.sleep(LEASE_SECONDS)
            try:
                mine = await self.tools.database(lambda: lease_take(digest, self.holder)) == fence
            except Exception:
                logger.exception("the lease of FIX session %s cannot be renewed", self.wish.session_id)
                mine = loop.time() - renewed < LEASE.total_seconds() - LEASE_SECONDS
            else:
                renewed = loop.time()
            if not mine:
                self._ended = Ended(End.LOST, "Another process of this desk took the key's connection over.")
                await self._transport.close()
                return

    # --- rows -------------------------------------------------------------------------------------

    async def _show(self, state: str, text: str) -> None:
        now = utc_now()
        values = {"state": state, "state_text": text[:400], "state_since": now}
        await self.tools.database(functools.partial(records.state_store, self.wish.session_id, **values))

    async def _flush(self, *, force: bool = False) -> None:
        """Write state each second, and what passed sooner: people watch it.

        A database that is away does not end the session.
        """
        loop_time = asyncio.get_running_loop().time()
        if not force and loop_time - self._flushed_at < (PASSED_SECONDS if self._passed else REPORT_SECONDS):
            return
        self._flushed_at = loop_time
        try:
            if force or loop_time - self._state_at >= REPORT_SECONDS:
                self._state_at = loop_time
                await self._write_state()
            await self._write_passed()
        except Exception:
            logger.exception("the state of FIX session %s was not written", self.wish.session_id)
            del self._passed[:-MOST_PASSED]

    async def _write_state(self) -> None:
        session = self._session
        row: dict[str, Any] = {
            "next_in": session.next_in,
            "next_out": session.next_out,
            "gap_to": session.gap[1] if session.gap else None,
            "last_in_at": from_unix_ms(session.last_received_at) if session.last_received_at else None,
            "last_out_at": from_unix_ms(session.last_sent_at) if session.last_sent_at else None,
            "rtt_ms": session.rtt_ms,
            "rejects": session.rejects_sent + session.rejects_received,
        }
        if session.state is State.ACTIVE:
            row["state"] = _STATE.RECOVERING if session.gap else _STATE.LOGGED_ON
        if self._watch is not None:
            row["books"] = self._watch.rows()
            if self._watch.refused:
                row["state_text"] = f"The exchange refused the books: {self._watch.refused}"[:400]
        if row != self._row:
            await self.tools.database(functools.partial(records.state_store, self.wish.session_id, **row))
            self._row = row
        if self.wish.kind is Kind.DC and self._applier.recovery is None and session.state is State.ACTIVE:
            await self._recovery_take()

    async def _write_passed(self) -> None:
        passed = self._passed[:]
        if passed:
            await self.tools.database(functools.partial(records.messages_store, self.wish.session_id, passed))
            del self._passed[: len(passed)]
            console_feed.watched.stored()
            self._stored += len(passed)
        if self._stored >= PRUNE_EVERY:
            self._stored = 0
            await self.tools.database(functools.partial(records.messages_prune, self.wish.session_id))

    async def _recovery_take(self) -> None:
        found = await self.tools.database(
            functools.partial(records.recovery_next, self.wish.account_id, is_margin=self.wish.is_margin)
        )
        if found is None:
            return
        row, begin, end = found
        try:
            recovery = Recovery(ExecId.read(begin), ExecId.read(end) if end else None)
        except ValueError as exc:
            await self.tools.database(functools.partial(records.recovery_refuse, row, str(exc)))
            return
        self._applier.recovery, self._applier.recovery_id = recovery, row

    # --- the beginning ----------------------------------------------------------------------------

    async def _build(self) -> Session:
        wish = self.wish
        config = SessionConfig(wish.kind, wish.key_id, wish.flags, heartbeat=wish.heartbeat)
        if not wish.rules.is_retained:
            return Session(config, MemoryStore(), self._sign)
        digest = key_digest(wish.environment, wish.key_id)
        path = settings.FIX_STORE_DIR / f"{wish.source}-{digest[:24]}.fix"
        try:
            store = FileStore(path)
        except StoreCorrupt as exc:
            kept = set_aside(path, self._clock())
            store = FileStore(path)
            why = f"{exc}; kept as {kept.name}"
        else:
            why = "the last record was cut off" if store.was_torn else ""
        session = Session(config, store, self._sign)
        if why:
            # D24: numbers that may be wrong are not used; both sides begin at 1, and what was missed is read.
            logger.error("the store of FIX session %s is damaged: %s", wish.session_id, why)
            session.reset_next = True
            await self.tools.database(functools.partial(records.session_audit, wish, "store_damaged", why=why))
        return session

    def _sign(self, text: str) -> str:
        return self._signer_sign(text)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.stop_wanted.wait()
        except TimeoutError:
            return
