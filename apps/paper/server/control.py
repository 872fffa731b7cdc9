"""The control endpoint: makes the exchange misbehave, moves its clock and its replay, tells the truth. Loopback only.

Not part of Kalshi's API and outside /trade-api. Every call is listed in docs/paper-exchange.md.
"""

import ipaddress
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from apps.paper.clock import ManualClock
from apps.paper.engine.errors import ExchangeError
from apps.paper.fix.control import FixCalls
from apps.paper.server.auth import AccessKey
from apps.paper.server.buckets import TIERS
from apps.paper.server.control_bodies import (
    BotsBody,
    ClockBody,
    CloseBody,
    MemberBody,
    MemberOnly,
    ReplayBody,
    SocketOptions,
    decode,
)
from apps.paper.server.control_exchange import ExchangeCalls
from apps.paper.server.control_faults import FaultCalls
from apps.paper.server.control_lifecycle import LifecycleCalls
from apps.paper.server.control_portfolio import PortfolioCalls
from apps.paper.server.control_rfqs import RfqCalls
from apps.paper.server.http import ApiError, Request, Response
from apps.paper.server.replay import Replay
from apps.paper.server.server import PaperServer
from apps.paper.server.truth import truth

logger = logging.getLogger(__name__)


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

    @property
    def bots_active(self) -> bool: ...


class Control:
    def __init__(self, paper: PaperServer, *, sockets: Sockets | None = None) -> None:
        self._paper = paper
        self._sockets = sockets
        faults = FaultCalls(paper, user_id=self._user_id)
        exchange = ExchangeCalls(paper, user_id=self._user_id)
        portfolio = PortfolioCalls(paper, user_id=self._user_id)
        rfqs = RfqCalls(paper, user_id=self._user_id)
        lifecycle = LifecycleCalls(paper)
        self._calls: dict[tuple[str, str], Callable[[Request], Any]] = {
            ("GET", "/control/status"): self._status,
            ("GET", "/control/truth"): lambda request: truth(paper.core),
            ("GET", "/control/replay"): lambda request: self._replay().status(),
            ("POST", "/control/replay"): self._move_replay,
            ("POST", "/control/ws/fault"): faults.arm_frame_fault,
            ("POST", "/control/ws/command_fault"): faults.arm_command_fault,
            ("POST", "/control/ws/close"): self._close_sockets,
            ("POST", "/control/ws/silence"): self._silence,
            ("POST", "/control/ws/resume"): self._resume,
            ("POST", "/control/ws/options"): self._set_socket_options,
            ("POST", "/control/rest/fault"): faults.arm_rest_fault,
            ("POST", "/control/faults/clear"): faults.clear,
            ("POST", "/control/trading"): exchange.set_trading,
            ("POST", "/control/market"): exchange.change_market,
            ("POST", "/control/external"): exchange.act_externally,
            ("POST", "/control/results"): exchange.set_results,
            ("POST", "/control/lag"): exchange.set_lag,
            ("POST", "/control/orders"): exchange.set_order_rules,
            ("POST", "/control/rfq"): rfqs.set_rules,
            ("POST", "/control/rfq/fault"): rfqs.arm_fault,
            ("POST", "/control/rfq/lapse"): rfqs.lapse,
            ("POST", "/control/payment"): portfolio.move_payment,
            ("POST", "/control/portfolio"): portfolio.set_rules,
            ("POST", "/control/combos"): lifecycle.set_combo_rules,
            ("POST", "/control/maintenance"): lifecycle.set_maintenance,
            ("POST", "/control/history"): portfolio.move_history,
            ("POST", "/control/history/fills"): portfolio.invent_history,
            ("POST", "/control/clock"): self._move_clock,
            ("POST", "/control/member"): self._change_member,
            ("POST", "/control/bots"): self._set_bots,
            **FixCalls(paper, user_id=self._user_id).calls,
        }

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Method and path of each."""
        return list(self._calls)

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
            "late_requests": paper.late_requests,
            "lag_ms": paper.core.lag.lag_ms,
            "lag_states": paper.core.lag.states,
            "markets": sum(1 for _ in paper.catalogue.markets_all()),
        }

    # --- sockets ---------------------------------------------------------------------------------
    def _close_sockets(self, request: Request) -> dict[str, Any]:
        body = decode(request, CloseBody)
        chosen = self._chosen(body.member)
        for socket in chosen:
            if body.abort:
                socket.abort()
            else:
                socket.close(body.code, body.reason)
        return {"sockets": len(chosen)}

    def _silence(self, request: Request) -> dict[str, Any]:
        chosen = self._chosen(decode(request, MemberOnly).member)
        for socket in chosen:
            socket.fall_silent()
        return {"sockets": len(chosen)}

    def _resume(self, request: Request) -> dict[str, Any]:
        chosen = [socket for socket in self._chosen(decode(request, MemberOnly).member) if socket.silent]
        for socket in chosen:
            socket.speak()
        return {"sockets": len(chosen)}

    def _set_socket_options(self, request: Request) -> dict[str, Any]:
        self._paper.hub.replies_consume_seq = decode(request, SocketOptions).replies_consume_seq
        return {"replies_consume_seq": self._paper.hub.replies_consume_seq}

    # --- the exchange ----------------------------------------------------------------------------
    def _move_clock(self, request: Request) -> dict[str, Any]:
        body = decode(request, ClockBody)
        clock = self._paper.clock
        if not isinstance(clock, ManualClock):
            raise ApiError(409, "clock_is_real", "start the paper exchange with --manual-clock to move its time")
        if body.speed is not None:
            clock.set_speed(body.speed)
        clock.step(body.step_ms)
        self._paper.run_due()
        return {"now_ms": clock.now_ms(), "speed": clock.speed}

    def _change_member(self, request: Request) -> dict[str, Any]:
        body = decode(request, MemberBody)
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
        body = decode(request, BotsBody)
        if body.active is not None:
            self._sockets.set_bots_active(body.active)
        answer: dict[str, Any] = {"active": self._sockets.bots_active}
        bots = self._paper.rfq_bots
        if bots is not None:
            given = msgspec.to_builtins(body.rfqs) if body.rfqs is not None else {}
            bots.set_rules(replace(bots.rules, **{name: value for name, value in given.items() if value is not None}))
            answer["rfqs"] = asdict(bots.rules)
        return answer

    # --- replay ----------------------------------------------------------------------------------
    def _move_replay(self, request: Request) -> dict[str, Any]:
        body = decode(request, ReplayBody)
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
