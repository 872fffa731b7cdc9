"""The paper exchange with all its parts, without sockets: `connection.py` and `testing.py` put one in front."""

from collections.abc import Callable
from dataclasses import dataclass

from apps.paper.clock import Clock
from apps.paper.engine.exchange import PaperExchange
from apps.paper.server.auth import AccessKey
from apps.paper.server.catalogue import Catalogue, EngineMarkets, MarketSource
from apps.paper.server.core import Core
from apps.paper.server.faults import FrameFaults, RestFaults
from apps.paper.server.http import ApiError, Request, Response, too_many_requests
from apps.paper.server.hub import Hub
from apps.paper.server.recording import Recording
from apps.paper.server.replay import Replay
from apps.paper.server.replay_markets import ReplayMarkets
from apps.paper.server.rest import RestApi
from apps.paper.server.session import Deliver, Session

WS_PATH = "/trade-api/ws/v2"


@dataclass(slots=True)
class Outcome:
    """What becomes of a request: an answer after `delay_ms`, or (None) a connection that dies without one.

    finish: what is still to be done after the delay, giving the answer.
    """

    response: Response | None
    delay_ms: int = 0
    finish: Callable[[], Response] | None = None


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """speed: times the recorded pace, 0 as fast as possible. keep_times: send `ts` as recorded, not on our clock."""

    recordings: tuple[Recording, ...]
    speed: float = 1.0
    loop: bool = False
    keep_times: bool = False


class PaperServer:
    """One exchange. Everything runs on one thread."""

    def __init__(self, exchange: PaperExchange, *, clock: Clock, replay: ReplayOptions | None = None) -> None:
        self.exchange = exchange
        self.clock = clock
        self.replay_markets: ReplayMarkets | None = None
        sources: list[MarketSource] = [EngineMarkets(exchange)]
        if replay is not None:
            self.replay_markets = ReplayMarkets(replay.recordings, now_ms=clock.now_ms(), keep_times=replay.keep_times)
            sources.insert(0, self.replay_markets)
        self.catalogue = Catalogue(sources)
        self.core = Core(exchange=exchange, catalogue=self.catalogue, clock=clock, replay_markets=self.replay_markets)
        self.rest = RestApi(self.core)
        self.frame_faults = FrameFaults()
        self.rest_faults = RestFaults()
        self.hub = Hub(catalogue=self.catalogue, faults=self.frame_faults, clock=clock)
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
        fault = self.rest_faults.take(request)
        if fault is None:
            return Outcome(self.rest.handle(request))
        match fault.kind:
            case "lose_before":
                return Outcome(None)
            case "lose_after":
                self.rest.handle(request)
                return Outcome(None)
            case "rate_limit":
                return Outcome(too_many_requests())
            case "delay" if fault.when == "after":
                # Acted on when it arrives, answered late.
                return Outcome(self.rest.handle(request), delay_ms=fault.delay_ms)
            case "delay":
                return Outcome(None, delay_ms=fault.delay_ms, finish=lambda: self.rest.handle(request))
            case "status":
                if fault.when == "after":
                    self.rest.handle(request)
                error = ApiError(fault.status, "service_unavailable", "made to fail by the control endpoint")
                return Outcome(Response.from_error(error))

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
