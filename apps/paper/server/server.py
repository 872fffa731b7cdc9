"""The paper exchange with all its parts, without sockets: `connection.py` and `testing.py` put one in front."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.paper.bots.rfq import RfqBots
from apps.paper.clock import Clock
from apps.paper.engine.exchange import PaperExchange
from apps.paper.server.auth import AccessKey
from apps.paper.server.catalogue import Catalogue, EngineMarkets, MarketSource
from apps.paper.server.channel_list import CHANNELS, CHANNELS_3_28
from apps.paper.server.core import Core, Edition
from apps.paper.server.faults import FrameFaults
from apps.paper.server.http import ApiError, Request
from apps.paper.server.hub import Hub
from apps.paper.server.recording import Recording
from apps.paper.server.replay import Replay
from apps.paper.server.replay_markets import ReplayMarkets
from apps.paper.server.rest import RestApi
from apps.paper.server.rest_faults import Outcome, RestFaults, outcome
from apps.paper.server.session import Deliver, Session

if TYPE_CHECKING:
    from apps.paper.fix.gateway import Gateway

WS_PATH = "/trade-api/ws/v2"


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """speed: times the recorded pace, 0 as fast as possible. keep_times: send `ts` as recorded, not on our clock."""

    recordings: tuple[Recording, ...]
    speed: float = 1.0
    loop: bool = False
    keep_times: bool = False


class PaperServer:
    """One exchange. Everything runs on one thread."""

    def __init__(
        self,
        exchange: PaperExchange,
        *,
        clock: Clock,
        replay: ReplayOptions | None = None,
        edition: Edition = "3.18",
    ) -> None:
        self.exchange = exchange
        self.clock = clock
        self.replay_markets: ReplayMarkets | None = None
        sources: list[MarketSource] = [EngineMarkets(exchange)]
        if replay is not None:
            self.replay_markets = ReplayMarkets(replay.recordings, now_ms=clock.now_ms(), keep_times=replay.keep_times)
            sources.insert(0, self.replay_markets)
        self.catalogue = Catalogue(sources)
        self.core = Core(
            exchange=exchange,
            catalogue=self.catalogue,
            clock=clock,
            replay_markets=self.replay_markets,
            edition=edition,
        )
        self.rest = RestApi(self.core)
        self.frame_faults = FrameFaults()
        self.rest_faults = RestFaults()
        self._late: list[tuple[int, Request]] = []  # (when, what) of requests whose sender has gone
        channels = CHANNELS_3_28 if edition == "3.28" else CHANNELS
        self.hub = Hub(catalogue=self.catalogue, faults=self.frame_faults, clock=clock, channels=channels)
        self.hub.later = edition == "3.28"
        self.rfq_bots: RfqBots | None = None
        self.fix: Gateway | None = None
        self.replay: Replay | None = None
        if replay is not None and self.replay_markets is not None:
            self.replay = Replay(
                replay.recordings,
                markets=self.replay_markets,
                hub=self.hub,
                clock=clock,
                speed=replay.speed,
                loop=replay.loop,
                keep_times=replay.keep_times,
            )
        exchange.subscribe(self.hub.on_event)

    def respond(self, request: Request) -> Outcome:
        """Answer a REST request, through the faults that are armed."""
        self.run_due()
        if not self.rest_faults.armed:
            return Outcome(self.rest.handle(request))
        now_ms = self.clock.now_ms()
        key = self.core.keys.get(request.headers.get("kalshi-access-key", ""))
        fault = self.rest_faults.take(request, user_id=key.user_id if key else "", now_ms=now_ms)
        if fault is None:
            return Outcome(self.rest.handle(request))
        request.received_ms = now_ms
        return outcome(
            fault,
            request,
            act=lambda: self.rest.handle(request),
            later=lambda delay_ms: self._late.append((self.clock.now_ms() + delay_ms, request)),
        )

    def run_due(self) -> None:
        """Do what has come due by the clock: requests that arrive late, the end of a pause, the engine's own."""
        now_ms = self.clock.now_ms()
        resume_ms = self.core.resume_at_ms
        if self.core.resumes_itself and resume_ms is not None and resume_ms <= now_ms:
            self.core.resumes_itself, self.core.resume_at_ms = False, None
            self.exchange.set_exchange_status(exchange_active=True, trading_active=True)
        due = sorted((row for row in self._late if row[0] <= now_ms), key=lambda row: row[0])
        if due:
            self._late = [row for row in self._late if row[0] > now_ms]
            for _, request in due:
                self.rest.handle(request)  # nobody is there to hear the answer
        self.exchange.expire_due()

    def drop_late(self) -> int:
        """Lose the requests that are still to arrive; return how many."""
        dropped, self._late = len(self._late), []
        return dropped

    @property
    def late_requests(self) -> int:
        """How many requests are still to arrive."""
        return len(self._late)

    def authenticate_socket(self, request: Request) -> AccessKey:
        """Return the key that signed the handshake.

        Raises:
            ApiError: 401, no or a wrong signature.
        """
        key = self.core.keys.authenticate(request, now_ms=self.clock.now_ms())
        if key is None:
            raise ApiError(401, "authentication_error", "the handshake needs a signature", details="MISSING_HEADERS")
        return key

    def open_session(self, key: AccessKey, deliver: Deliver) -> Session:
        return Session(key=key, hub=self.hub, deliver=deliver)
