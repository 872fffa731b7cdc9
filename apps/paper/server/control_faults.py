"""Control calls that arm and disarm faults of frames and of REST requests."""

from collections.abc import Callable
from typing import Any

from apps.paper.server.control_bodies import CommandFaultBody, FrameFaultBody, RestFaultBody, check_count, decode
from apps.paper.server.faults import CORRUPTIONS, CommandFault, FrameFault
from apps.paper.server.http import Request
from apps.paper.server.messages import ERROR_TEXTS
from apps.paper.server.rest_faults import ACTS, MANGLED, STATUS_BODIES, RestFault
from apps.paper.server.server import PaperServer

LONGEST_MS = 3_600_000


class FaultCalls:
    """user_id: a member by name or id; "" is everybody."""

    def __init__(self, paper: PaperServer, *, user_id: Callable[[str], str]) -> None:
        self._paper = paper
        self._user_id = user_id

    def arm_frame_fault(self, request: Request) -> dict[str, Any]:
        body = decode(request, FrameFaultBody)
        check_count(body.count)
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
                type=body.type,
            )
        )
        return {"armed": len(self._paper.frame_faults.pending())}

    def arm_command_fault(self, request: Request) -> dict[str, Any]:
        body = decode(request, CommandFaultBody)
        check_count(body.count)
        if body.code not in ERROR_TEXTS:
            raise ValueError(f"code must be one of {', '.join(map(str, ERROR_TEXTS))}")
        faults = self._paper.hub.command_faults
        faults.arm(CommandFault(body.code, body.count, body.cmd, self._user_id(body.member), body.when))
        return {"armed": faults.pending()}

    def arm_rest_fault(self, request: Request) -> dict[str, Any]:
        body = decode(request, RestFaultBody)
        status = body.status if body.status is not None else 307 if body.kind == "redirect" else 503
        _check(body, status)
        count = 1 if body.count is None and body.duration_ms is None else body.count
        now_ms = self._paper.clock.now_ms()
        self._paper.rest_faults.arm(
            RestFault(
                kind=body.kind,
                left=count,
                method=body.method.upper(),
                path=body.path,
                user_id=self._user_id(body.member),
                skip=body.skip,
                until_ms=None if body.duration_ms is None else now_ms + body.duration_ms,
                status=status,
                when=body.when or ACTS.get(body.kind, "before"),
                delay_ms=body.delay_ms,
                hold_ms=body.hold_ms,
                how=body.how,
                at_byte=body.at_byte,
                chunk_bytes=body.chunk_bytes,
                every_ms=body.every_ms,
                location=body.location,
            )
        )
        return {"armed": len(self._paper.rest_faults.pending())}

    def clear(self, request: Request) -> dict[str, Any]:
        self._paper.frame_faults.clear()
        self._paper.rest_faults.clear()
        if self._paper.fix is not None:
            self._paper.fix.faults.clear()
        self._paper.exchange.rfq_rules.faults.clear()
        self._paper.hub.command_faults.clear()
        return {"armed": 0, "late": self._paper.drop_late()}


def _check(body: RestFaultBody, status: int) -> None:
    if body.count is not None:
        check_count(body.count)
    if body.kind == "redirect":
        if status not in (301, 302, 303, 307, 308):
            raise ValueError("status of a redirect must be 301, 302, 303, 307 or 308")
    elif not 400 <= status <= 599:
        raise ValueError("status must be 400 to 599")
    if body.kind == "body" and body.how not in MANGLED:
        raise ValueError(f"how must be one of {', '.join(MANGLED)}")
    if body.kind == "status" and body.how not in ("", *STATUS_BODIES):
        raise ValueError(f"how must be one of {', '.join(STATUS_BODIES)}")
    for name in ("duration_ms", "delay_ms", "hold_ms", "every_ms"):
        value = getattr(body, name)
        if value is not None and not 0 <= value <= LONGEST_MS:
            raise ValueError(f"{name} must be 0 to {LONGEST_MS}")
    if body.chunk_bytes < 1 or body.at_byte < 0 or body.skip < 0:
        raise ValueError("chunk_bytes must be at least 1, at_byte and skip at least 0")
