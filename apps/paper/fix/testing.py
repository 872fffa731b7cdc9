"""The FIX gateway inside a test: no socket, the clock of `InProcessPaper`, bytes in and bytes out."""

from apps.paper.fix.gateway import Gateway
from apps.paper.fix.peer import Peer
from apps.paper.fix.store import Store
from apps.paper.testing import InProcessPaper


class InProcessLink:
    """One connection. sent: what the exchange wrote since the last `take`. closed: by either side."""

    blocks = False  # `take` returns what there is

    def __init__(self, gateway: Gateway, target: str) -> None:
        self.sent = bytearray()
        self.closed = False
        self._gateway = gateway
        self._peer: Peer = gateway.connect(target, self)

    def feed(self, data: bytes) -> None:
        """Bytes of the member."""
        if not self.closed:
            self._peer.feed(data)

    def take(self) -> bytes:
        """What came since the last call."""
        data = bytes(self.sent)
        self.sent.clear()
        return data

    def hang_up(self) -> None:
        """The member's connection dies."""
        self.closed = True
        self._peer.lost()

    # What the gateway calls.
    def write(self, data: bytes) -> None:
        """The exchange sends."""
        if not self.closed:
            self.sent += data

    def close(self) -> None:
        """The exchange closes."""
        self.closed = True
        self._gateway.do_later(self._peer.lost)

    def abort(self) -> None:
        """The exchange cuts the connection."""
        self.close()


class InProcessFix:
    """A gateway in front of an in-process exchange. `again`: as after a restart, with the same store."""

    def __init__(self, paper: InProcessPaper, *, store: Store | None = None) -> None:
        self.paper = paper
        self.store = store or Store()
        self.gateway = Gateway(paper.server.core, self.store)
        paper.server.fix = self.gateway
        self.gateway.start()

    def connect(self, target: str) -> InProcessLink:
        """A connection to an acceptor."""
        return InProcessLink(self.gateway, target)

    def step(self, milliseconds: int) -> None:
        """Move the clock on, and do what that makes due."""
        self.paper.clock.step(milliseconds)
        self.paper.server.run_due()
        self.gateway.tick()

    def again(self) -> "InProcessFix":
        """The gateway is killed and starts anew on the same exchange."""
        self.paper.exchange.unsubscribe(self.gateway.on_event)
        return InProcessFix(self.paper, store=self.store)
