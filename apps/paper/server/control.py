"""The control endpoint: makes the exchange misbehave, moves its clock and its replay, tells the truth. Loopback only.

Not part of Kalshi's API and outside /trade-api. Every call is listed in docs/paper-exchange.md.
"""

import ipaddress
import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec

from apps.paper.clock import ManualClock
from apps.paper.engine.errors import ExchangeError
from apps.paper.server.auth import AccessKey
from apps.paper.server.buckets import TIERS
from apps.paper.server.faults import CORRUPTIONS, FrameFault, FrameFaultKind, RestFault, RestFaultKind
from apps.paper.server.http import ApiError, Request, Response
from apps.paper.server.replay import Replay
from apps.paper.server.server import PaperServer
from apps.paper.server.truth import truth

logger = logging.getLogger(__name__)
Body = TypeVar("Body", bound="Checked")


class Socket(Protocol):
    """What control may do to one WebSocket."""

    silent: bool

    @property
    def key(self) -> AccessKey: ...
    def close(self, code: int = ..., reason: str = ...) -> None: ...
    def abort(self) -> None: ...
    def fall_silent(self) -> None: ...
    def speak(self) -> None: ...


class Sockets(Protocol):
    """What control may do to the sockets; the in-process exchange of tests has none."""

    def chosen(self, user_id: str) -> Sequence[Socket]: ...
    def set_bots_active(self, active: bool) -> bool: ...


class Checked(msgspec.Struct, forbid_unknown_fields=True):
    """A body in which a misspelt field is an error."""


class FrameFaultBody(Checked):
    kind: FrameFaultKind
    count: int = 1
    channel: str = ""
    ticker: str = ""
    member: str = ""
    delay_ms: int = 0
    how: str = "truncate"


class RestFaultBody(Checked):
    kind: RestFaultKind
    count: int = 1
    method: str = ""
    path: str = ""
    status: int = 503
    delay_ms: int = 0
    when: Literal["before", "after"] = "before"


class CloseBody(Checked):
    member: str = ""
    code: int = 1001
    reason: str = ""
    abort: bool = False


class MemberOnly(Checked):
    member: str = ""


class SocketOptions(Checked):
    replies_consume_seq: bool


class TradingBody(Checked):
    trading_active: bool = True
    exchange_active: bool = True
    resume_in_seconds: int | None = None


class MarketBody(Checked):
    ticker: str
    action: Literal["pause", "resume", "close_at"]
    close_ms: int | None = None


class ClockBody(Checked):
    step_ms: int = 0
    speed: float | None = None


class ReplayBody(Checked):
    action: Literal["play", "pause", "restart", "pause_at", "speed"]
    recv_ms: list[int] = []
    speed: float | None = None


class MemberBody(Checked):
    member: str
    tier: str | None = None
    deposit_cents: int = 0
    refill: bool = False


class BotsBody(Checked):
    active: bool


class Control:
    def __init__(self, paper: PaperServer, *, sockets: Sockets | None = None) -> None:
        self._paper = paper
        self._sockets = sockets
        self._calls: dict[tuple[str, str], Callable[[Request], Any]] = {
            ("GET", "/control/status"): self._status,
            ("GET", "/control/truth"): lambda request: truth(paper.core),
            ("GET", "/control/replay"): lambda request: self._replay().status(),
            ("POST", "/control/replay"): self._move_replay,
            ("POST", "/control/ws/fault"): self._arm_frame_fault,
            ("POST", "/control/ws/close"): self._close_sockets,
            ("POST", "/control/ws/silence"): self._silence,
            ("POST", "/control/ws/resume"): self._resume,
            ("POST", "/control/ws/options"): self._set_socket_options,
            ("POST", "/control/rest/fault"): self._arm_rest_fault,
            ("POST", "/control/faults/clear"): self._clear_faults,
            ("POST", "/control/trading"): self._set_trading,
            ("POST", "/control/market"): self._change_market,
            ("POST", "/control/clock"): self._move_clock,
            ("POST", "/control/member"): self._change_member,
            ("POST", "/control/bots"): self._set_bots,
        }

    def handle(self, request: Request, *, peer: str) -> Response:
        """Answer a control request; never raises."""
        try:
            _check_local(request, peer)
            call = self._calls.get((request.method, request.path))
            if call is None:
                raise ApiError(404, "not_found", "no such control call; docs/paper-exchange.md lists them")
            return Response.json(call(request))
        except ApiError as exc:
            return Response.from_error(exc)
        except ExchangeError as exc:
            return Response.from_error(ApiError(exc.http_status, exc.code, exc.message, details=exc.details))
        except ValueError as exc:
            return Response.from_error(ApiError(400, "invalid_parameters", str(exc)))
        except Exception:
            logger.exception("control call failed: %s %s", request.method, request.path)
            return Response.from_error(ApiError(500, "internal_server_error", "internal server error"))

    # --- reads -----------------------------------------------------------------------------------
    def _status(self, request: Request) -> dict[str, Any]:
        paper = self._paper
        sockets = self._chosen("")
        return {
            "now_ms": paper.clock.now_ms(),
            "clock": "manual" if isinstance(paper.clock, ManualClock) else "system",
            "requests": paper.rest.requests,
            "frames_sent": paper.hub.frames_sent,
            "sockets": [{"user_id": s.key.user_id, "key_id": s.key.key_id, "silent": s.silent} for s in sockets],
            "frame_faults": [msgspec.to_builtins(fault) for fault in paper.frame_faults.pending()],
            "frame_faults_applied": paper.frame_faults.applied,
            "rest_faults": [msgspec.to_builtins(fault) for fault in paper.rest_faults.pending()],
            "rest_faults_applied": paper.rest_faults.applied,
            "markets": sum(1 for _ in paper.catalogue.markets_all()),
        }

    # --- faults ----------------------------------------------------------------------------------
    def _arm_frame_fault(self, request: Request) -> dict[str, Any]:
        body = _decode(request, FrameFaultBody)
        _check_count(body.count)
        if body.how not in CORRUPTIONS:
            raise ValueError(f"how must be one of {', '.join(CORRUPTIONS)}")
        self._paper.frame_faults.arm(
            FrameFault(
                kind=body.kind,
                left=body.count,
                channel=body.channel,
                ticker=body.ticker,
                user_id=self._user_id(body.member),
                delay_ms=body.delay_ms,
                how=body.how,
            )
        )
        return {"armed": len(self._paper.frame_faults.pending())}

    def _arm_rest_fault(self, request: Request) -> dict[str, Any]:
        body = _decode(request, RestFaultBody)
        _check_count(body.count)
        if not 400 <= body.status <= 599:
            raise ValueError("status must be 400 to 599")
        self._paper.rest_faults.arm(
            RestFault(
                kind=body.kind,
                left=body.count,
                method=body.method.upper(),
                path=body.path,
                status=body.status,
                delay_ms=body.delay_ms,
                when=body.when,
            )
        )
        return {"armed": len(self._paper.rest_faults.pending())}

    def _clear_faults(self, request: Request) -> dict[str, Any]:
        self._paper.frame_faults.clear()
        self._paper.rest_faults.clear()
        return {"armed": 0}

    # --- sockets ---------------------------------------------------------------------------------
    def _close_sockets(self, request: Request) -> dict[str, Any]:
        body = _decode(request, CloseBody)
        chosen = self._chosen(body.member)
        for socket in chosen:
            if body.abort:
                socket.abort()
            else:
                socket.close(body.code, body.reason)
        return {"sockets": len(chosen)}

    def _silence(self, request: Request) -> dict[str, Any]:
        chosen = self._chosen(_decode(request, MemberOnly).member)
        for socket in chosen:
            socket.fall_silent()
        return {"sockets": len(chosen)}

    def _resume(self, request: Request) -> dict[str, Any]:
        chosen = [socket for socket in self._chosen(_decode(request, MemberOnly).member) if socket.silent]
        for socket in chosen:
            socket.speak()
        return {"sockets": len(chosen)}

    def _set_socket_options(self, request: Request) -> dict[str, Any]:
        self._paper.hub.replies_consume_seq = _decode(request, SocketOptions).replies_consume_seq
        return {"replies_consume_seq": self._paper.hub.replies_consume_seq}

    # --- the exchange ----------------------------------------------------------------------------
    def _set_trading(self, request: Request) -> dict[str, Any]:
        body = _decode(request, TradingBody)
        core, exchange = self._paper.core, self._paper.exchange
        is_up = body.trading_active and body.exchange_active
        exchange.set_exchange_status(exchange_active=body.exchange_active, trading_active=body.trading_active)
        # A hint for clients only: it does not resume by itself.
        core.resume_at_ms = (
            None if is_up or body.resume_in_seconds is None else core.clock.now_ms() + body.resume_in_seconds * 1000
        )
        return {"exchange_active": exchange.exchange_active, "trading_active": exchange.trading_active}

    def _change_market(self, request: Request) -> dict[str, Any]:
        body = _decode(request, MarketBody)
        exchange = self._paper.exchange
        if body.action == "pause":
            exchange.pause_market(body.ticker)
        elif body.action == "resume":
            exchange.resume_market(body.ticker)
        elif body.close_ms is None:
            raise ValueError("close_at needs close_ms")
        else:
            exchange.move_close(body.ticker, close_ms=body.close_ms)
            exchange.expire_due()
        return {"ticker": body.ticker, "status": exchange.market(body.ticker).status}

    def _move_clock(self, request: Request) -> dict[str, Any]:
        body = _decode(request, ClockBody)
        clock = self._paper.clock
        if not isinstance(clock, ManualClock):
            raise ApiError(409, "clock_is_real", "start the paper exchange with --manual-clock to move its time")
        if body.speed is not None:
            clock.set_speed(body.speed)
        clock.step(body.step_ms)
        self._paper.exchange.expire_due()
        return {"now_ms": clock.now_ms(), "speed": clock.speed}

    def _change_member(self, request: Request) -> dict[str, Any]:
        body = _decode(request, MemberBody)
        user_id = self._user_id(body.member)
        core = self._paper.core
        if body.tier is not None:
            if body.tier not in TIERS:
                raise ValueError(f"tier must be one of {', '.join(TIERS)}")
            core.tiers[user_id] = body.tier
        if body.deposit_cents:
            self._paper.exchange.deposit(user_id, cents=body.deposit_cents)
        if body.refill:
            core.budgets.fill(user_id)
        return {"user_id": user_id, "tier": core.tier(user_id)}

    def _set_bots(self, request: Request) -> dict[str, Any]:
        if self._sockets is None:
            raise ApiError(409, "no_bots", "this exchange runs without bots")
        return {"active": self._sockets.set_bots_active(_decode(request, BotsBody).active)}

    # --- replay ----------------------------------------------------------------------------------
    def _move_replay(self, request: Request) -> dict[str, Any]:
        body = _decode(request, ReplayBody)
        replay = self._replay()
        match body.action:
            case "play":
                replay.play()
            case "pause":
                replay.pause()
            case "restart":
                replay.restart()
            case "pause_at":
                replay.pause_at(body.recv_ms)
            case "speed":
                if body.speed is None:
                    raise ValueError("speed needs speed")
                replay.set_speed(body.speed)
        return replay.status()

    def _replay(self) -> Replay:
        if self._paper.replay is None:
            raise ApiError(409, "no_replay", "start the paper exchange with --replay FILE")
        return self._paper.replay

    def _chosen(self, member: str) -> Sequence[Socket]:
        user_id = self._user_id(member)
        return self._sockets.chosen(user_id) if self._sockets else []

    def _user_id(self, member: str) -> str:
        """A member by name or id; "" is everybody."""
        if not member:
            return ""
        for user_id, row in self._paper.exchange.members.items():
            if member in (user_id, row.name):
                return user_id
        raise ApiError(404, "not_found", f"no member {member[:80]}")


def _decode(request: Request, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(request.body or b"{}", type=kind)
    except msgspec.DecodeError as exc:
        raise ApiError(400, "invalid_parameters", str(exc)) from exc


def _check_count(count: int) -> None:
    if not 1 <= count <= 1_000_000:
        raise ValueError("count must be 1 to 1000000")


def _check_local(request: Request, peer: str) -> None:
    """Loopback only, and not from a web page: no page can name this host and send JSON without asking first."""
    try:
        is_local = ipaddress.ip_address(peer).is_loopback
    except ValueError:
        is_local = False
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname
    if not is_local or host not in ("127.0.0.1", "localhost", "::1"):
        raise ApiError(403, "loopback_only", "the control endpoint answers on loopback only")
    if request.method == "POST" and not request.headers.get("content-type", "").startswith("application/json"):
        raise ApiError(415, "json_only", "send Content-Type: application/json")
