"""One connection: bytes in and out, timers, and what armed faults do to what is sent."""

from collections import deque
from typing import TYPE_CHECKING, Protocol

from apps.paper.fix.codec import Splitter
from apps.paper.fix.doors import Door
from apps.paper.fix.faults import CORRUPTIONS, SENT, FixFault, as_duplicate, renumbered
from apps.paper.fix.validation import format_time

if TYPE_CHECKING:
    from apps.paper.fix.gateway import Gateway
    from apps.paper.fix.session import Session


class Link(Protocol):
    """The transport below a connection."""

    def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


class Peer:
    """Belongs to one acceptor (`door`); has a session once it is logged on."""

    def __init__(self, gateway: "Gateway", door: Door, link: Link) -> None:
        self.gateway = gateway
        self.door = door
        self.target = door.target
        self.session: Session | None = None
        self.silent = False
        self.closed = False
        self.splitter = Splitter()
        self._link = link
        self._opened = self._last_in = self._last_out = gateway.clock.monotonic_ms()
        self._heartbeat_ms = 0
        self._testing = False
        self._reordered: list[bytes] = []
        self._held: deque[tuple[float, bytes]] = deque()
        self._close_after_held = False
        self._is_held = False

    # --- in --------------------------------------------------------------------------------------
    def feed(self, data: bytes) -> None:
        """Bytes of the other side."""
        if self.silent or self.closed:
            return
        messages = self.splitter.feed(data)
        if messages:
            self._last_in = self.gateway.clock.monotonic_ms()
            self._testing = False
        for message in messages:
            if not self._is_open():
                break
            if self.session is None:
                self.gateway.log_on(self, message)
            else:
                self.session.receive(message)
        self.gateway.run_later()

    def _is_open(self) -> bool:
        return not self.closed

    def lost(self) -> None:
        """The connection is gone; a fault may keep the exchange from noticing before the heartbeats do."""
        self.closed = True
        session = self.session
        if session is not None and self.gateway.faults.take(
            frozenset({"hold"}), session=self.door.name, user_id=session.user_id, msg_type=""
        ):
            self._is_held = True
            return
        self._go()

    def _go(self) -> None:
        self._is_held = False
        self._release()
        self.gateway.forget(self)
        self.gateway.run_later()

    def _release(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            session.detach()

    # --- out -------------------------------------------------------------------------------------
    def begin(self, session: "Session", heartbeat_s: int) -> None:
        """The connection is logged on."""
        self.session = session
        self._heartbeat_ms = heartbeat_s * 1000

    def put(self, raw: bytes, *, msg_type: str) -> None:
        """Send a message, through the armed faults."""
        if self.closed or self.silent:
            return
        self._last_out = self.gateway.clock.monotonic_ms()
        session, faults = self.session, self.gateway.faults
        fault = None
        if session is not None and msg_type != "A":
            fault = faults.take(SENT, session=self.door.name, user_id=session.user_id, msg_type=msg_type)
        late, self._reordered = self._reordered, []
        if fault is None:
            self._write(raw)
        else:
            self._misbehave(fault, raw)
        for other in late:
            self._write(other)

    def _misbehave(self, fault: FixFault, raw: bytes) -> None:
        now = self.gateway.now_ms()
        match fault.kind:
            case "repeat":
                self._write(raw + raw)
            case "poss_dup":
                self._write(raw + as_duplicate(raw, sent=format_time(now)))
            case "reorder":
                self._reordered.append(raw)
            case "delay":
                self._held.append((self.gateway.clock.monotonic_ms() + fault.delay_ms, raw))
            case "corrupt":
                self._write(CORRUPTIONS[fault.how](raw))
            case "old_seq":
                self._write(renumbered(raw, 1))
            case "cut_before":
                self.abort()
            case "cut_after":
                self._write(raw)
                self.abort()
            case _:
                pass  # swallowed

    def _write(self, raw: bytes) -> None:
        if self.closed:
            return
        if self._held:
            self._held.append((self._held[-1][0], raw))
        else:
            self._link.write(raw)

    def close(self) -> None:
        """End the connection after what has been sent."""
        self._release()
        if self._held:
            self._close_after_held = True
            return
        self.closed = True
        self._link.close()

    def abort(self) -> None:
        """Cut the connection."""
        self.closed = True
        self._held.clear()
        self.gateway.do_later(self._abort)

    def _abort(self) -> None:
        self._release()
        self._link.abort()

    # --- time ------------------------------------------------------------------------------------
    def tick(self) -> None:
        """Do what time has made due: held messages, heartbeats, test requests, the end of a silent connection."""
        now = self.gateway.clock.monotonic_ms()
        while self._held and self._held[0][0] <= now:
            self._link.write(self._held.popleft()[1])
        if self._close_after_held and not self._held:
            self.close()
        session = self.session
        if self._is_held and now - self._last_in > 2.2 * self._heartbeat_ms:
            self._go()
        if self.closed or self.silent:
            return
        if session is None:
            if now - self._opened > self.gateway.rules.logon_seconds * 1000:
                self.close()
            return
        idle = now - self._last_in
        if idle > 2.2 * self._heartbeat_ms:
            session.end("heartbeat response not received within interval")
        elif idle > 1.2 * self._heartbeat_ms and not self._testing:
            self._testing = True
            session.send("1", [(112, f"TEST-{session.next_out}")])
        elif now - self._last_out >= self._heartbeat_ms:
            session.send("0", [])
