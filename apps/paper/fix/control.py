"""Control calls of the FIX side: what is connected, faults on demand, sessions ended by hand. Loopback only."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, Literal

from apps.paper.fix.doors import DOORS
from apps.paper.fix.faults import CORRUPTIONS, FixFault, FixFaultKind
from apps.paper.fix.gateway import Gateway
from apps.paper.fix.peer import Peer
from apps.paper.fix.session import Session
from apps.paper.server.control_bodies import Checked, check_count, decode
from apps.paper.server.http import ApiError, Request
from apps.paper.server.server import PaperServer

MOST_LOGGED = 5_000


class FixFaultBody(Checked):
    """how: of corrupt, drop_copy. size: of gap. text: of refuse_logon."""

    kind: FixFaultKind
    count: int = 1
    skip: int = 0
    session: str = ""
    member: str = ""
    msg_type: str = ""
    how: str = ""
    size: int = 1
    delay_ms: int = 0
    text: str = ""


class ChosenBody(Checked):
    """Sessions by acceptor (KalshiNR, margin:KalshiNR) and member; left out: all."""

    session: str = ""
    member: str = ""


class EndBody(ChosenBody):
    """how: a Logout with `text`, or the connection cut, or half-open (silence until resume)."""

    how: Literal["logout", "disconnect", "silence", "resume"] = "logout"
    text: str = ""


class ResendBody(ChosenBody):
    """begin 0: what is missing next. end 0: to the end."""

    begin: int = 0
    end: int = 0


class RulesBody(Checked):
    """What is left out stays as it is. See `FixRules`."""

    sender_comp_id: Literal["Kalshi", "session"] | None = None
    reports: Literal["session", "member"] | None = None
    cancel_scope: Literal["session", "member"] | None = None
    sell_price: Literal["yes", "no"] | None = None
    rejected_quote_id: Literal["empty", "echo", "omit"] | None = None
    maintenance_resets: bool | None = None
    clock_window_ms: int | None = None
    clock_offset_ms: int | None = None
    drop_copy_per_minute: int | None = None
    settlement_parties: int | None = None
    logon_seconds: int | None = None
    market_data_symbols: int | None = None


class FixCalls:
    """user_id: a member by name or id; "" is everybody."""

    def __init__(self, paper: PaperServer, *, user_id: Callable[[str], str]) -> None:
        self._paper = paper
        self._user_id = user_id
        self.calls: dict[tuple[str, str], Callable[[Request], Any]] = {
            ("GET", "/control/fix"): self._status,
            ("GET", "/control/fix/log"): self._log,
            ("GET", "/control/fix/reports"): self._reports,
            ("POST", "/control/fix/fault"): self._arm,
            ("POST", "/control/fix/session"): self._end,
            ("POST", "/control/fix/resend"): self._ask_again,
            ("POST", "/control/fix/rules"): self._set_rules,
        }

    @property
    def _gateway(self) -> Gateway:
        if self._paper.fix is None:
            raise ApiError(409, "no_fix", "start the paper exchange with --fix-port N (0 for free ports)")
        return self._paper.fix

    # --- reads -----------------------------------------------------------------------------------
    def _status(self, request: Request) -> dict[str, Any]:
        gateway = self._gateway
        return {
            "ports": gateway.ports,
            "tls": gateway.tls,
            "connections": len(gateway.peers),
            "garbled": sum(peer.splitter.garbled for peer in gateway.peers) + gateway.garbled,
            "sessions": [self._session(session) for session in gateway.sessions.values()],
            "faults": [asdict(fault) for fault in gateway.faults.pending()],
            "faults_applied": gateway.faults.applied,
            "rules": asdict(gateway.rules),
        }

    def _session(self, session: Session) -> dict[str, Any]:
        return {
            "session": session.door.name,
            "member": self._gateway.exchange.members[session.user_id].name,
            "key_id": session.key_id,
            "connected": session.peer is not None,
            "listener": session.is_listener,
            "next_in": session.next_in,
            "next_out": session.next_out,
            "flags": session.flags,
        }

    def _log(self, request: Request) -> dict[str, Any]:
        """The newest messages in both directions, oldest first."""
        names = ("ms", "session", "user_id", "direction", "msg_type", "seq")
        rows = list(self._gateway.log)[-MOST_LOGGED:]
        return {"messages": [dict(zip(names, row, strict=True)) for row in rows]}

    def _reports(self, request: Request) -> dict[str, Any]:
        """The truth about execution reports: every step of every order of the members, by name."""
        gateway = self._gateway
        members = [member for member in gateway.exchange.members.values() if member.keeps_history]
        top = (2**62, 2**62)
        return {
            member.name: [
                {
                    "exec_id": report.exec_id,
                    "kind": report.kind,
                    "order_id": report.order_id,
                    "client_order_id": report.client_order_id,
                    "trade_id": report.trade_id,
                    "folded": report.folded,
                    "quiet": report.quiet,
                }
                for report in gateway.store.reports(member.user_id, (0, 0), top)
            ]
            for member in members
        }

    # --- acts ------------------------------------------------------------------------------------
    def _arm(self, request: Request) -> dict[str, Any]:
        body = decode(request, FixFaultBody)
        check_count(body.count)
        _check_target(body.session)
        if body.kind == "corrupt" and body.how not in CORRUPTIONS:
            raise ValueError(f"how must be one of {', '.join(CORRUPTIONS)}")
        if body.kind == "drop_copy" and body.how not in ("", "1", "2", "3", "4"):
            raise ValueError("how must be 1 to 4")
        if body.skip < 0 or body.delay_ms < 0 or not 1 <= body.size <= 1_000_000:
            raise ValueError("skip and delay_ms must be at least 0, size 1 to 1000000")
        faults = self._gateway.faults
        faults.arm(
            FixFault(
                kind=body.kind,
                left=body.count,
                session=body.session,
                user_id=self._user_id(body.member),
                msg_type=body.msg_type,
                skip=body.skip,
                how=body.how,
                delay_ms=body.delay_ms,
                size=body.size,
                text=body.text,
            )
        )
        return {"armed": len(faults.pending())}

    def _chosen(self, body: ChosenBody) -> list[Peer]:
        _check_target(body.session)
        user_id = self._user_id(body.member)
        sessions = [session for session in self._gateway.active.values() if user_id in ("", session.user_id)]
        return [s.peer for s in sessions if s.peer is not None and body.session in ("", s.door.name)]

    def _end(self, request: Request) -> dict[str, Any]:
        body = decode(request, EndBody)
        chosen = self._chosen(body)
        for peer in chosen:
            match body.how:
                case "logout":
                    if peer.session is not None:
                        peer.session.end(body.text)
                case "disconnect":
                    peer.abort()
                case "silence":
                    peer.silent = True
                case "resume":
                    peer.silent = False
        self._gateway.run_later()
        return {"sessions": len(chosen)}

    def _ask_again(self, request: Request) -> dict[str, Any]:
        body = decode(request, ResendBody)
        if body.begin < 0 or body.end < 0:
            raise ValueError("begin and end must be at least 0")
        chosen = self._chosen(body)
        for peer in chosen:
            if peer.session is not None:
                peer.session.ask_again(body.begin or None, body.end)
        return {"sessions": len(chosen)}

    def _set_rules(self, request: Request) -> dict[str, Any]:
        body = decode(request, RulesBody)
        gateway = self._gateway
        given = {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not None}
        for name in ("clock_window_ms", "drop_copy_per_minute", "logon_seconds", "market_data_symbols"):
            if given.get(name, 0) < 0:
                raise ValueError(f"{name} must be at least 0")
        if given.get("settlement_parties", 1) < 1:
            raise ValueError("settlement_parties must be at least 1")
        gateway.set_rules(replace(gateway.rules, **given))
        return asdict(gateway.rules)


def _check_target(target: str) -> None:
    if target not in ("", *DOORS):
        raise ValueError(f"session must be one of {', '.join(DOORS)}")
