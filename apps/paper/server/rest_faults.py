"""Misbehaviour of single REST requests, on demand: what is armed, and what becomes of a request that it hits."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

from apps.paper.server.http import ApiError, Request, Response, too_many_requests

RestFaultKind = Literal[
    "lose_before",
    "lose_after",
    "delay",
    "late",
    "status",
    "rate_limit",
    "conflict",
    "redirect",
    "cut",
    "drip",
    "body",
]
When = Literal["before", "after"]
# Whether a kind acts on the request when nothing is said: what spoils an answer has acted, what refuses has not.
ACTS: dict[str, When] = {"cut": "after", "drip": "after", "body": "after"}
HTML = b"<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>\n"
GARBAGE = bytes(range(128, 256)) + b'{"order_id":'


@dataclass(slots=True)
class Outcome:
    """What becomes of a request: an answer after `delay_ms`, or (None) a connection that dies without one.

    finish: what is still to be done after the delay, giving the answer. cut_at: the connection dies after so many
    bytes of the body. drip: the body comes in pieces of (bytes, milliseconds apart). after_cut: what the exchange
    still does once the connection is gone.
    """

    response: Response | None
    delay_ms: int = 0
    finish: Callable[[], Response] | None = None
    cut_at: int | None = None
    drip: tuple[int, int] | None = None
    after_cut: Callable[[], None] | None = None


@dataclass(slots=True)
class RestFault:
    """Hits the next `left` requests that match, after letting `skip` of them pass, until `until_ms`.

    left: None while time alone limits it. method, path and user_id: empty matches all. path: a prefix, or, with a `*`
    in it, a pattern of the whole path.
    status: of the answer. delay_ms: of `delay`; of `late`, between the cut and the act. hold_ms: of `late`, before the
    cut. how: see `MANGLED`; of `status`, json, html or empty. at_byte: of `cut`. chunk_bytes, every_ms: of `drip`.
    location: of `redirect`.
    """

    kind: RestFaultKind
    left: int | None = 1
    method: str = ""
    path: str = ""
    user_id: str = ""
    skip: int = 0
    until_ms: int | None = None
    status: int = 503
    when: When = "before"
    delay_ms: int = 0
    hold_ms: int = 0
    how: str = ""
    at_byte: int = 0
    chunk_bytes: int = 1
    every_ms: int = 100
    location: str = ""

    def matches(self, request: Request, user_id: str) -> bool:
        fits = fnmatchcase(request.path, self.path) if "*" in self.path else request.path.startswith(self.path)
        return fits and self.method in ("", request.method) and self.user_id in ("", user_id)


class RestFaults:
    """Armed faults, oldest first: a request is hit by the first that matches."""

    def __init__(self) -> None:
        self._faults: list[RestFault] = []
        self.applied = 0

    @property
    def armed(self) -> bool:
        return bool(self._faults)

    def arm(self, fault: RestFault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def pending(self) -> list[RestFault]:
        return list(self._faults)

    def take(self, request: Request, *, user_id: str = "", now_ms: int = 0) -> RestFault | None:
        """Return the fault that hits this request, used up by one."""
        self._faults = [fault for fault in self._faults if fault.until_ms is None or now_ms < fault.until_ms]
        for fault in self._faults:
            if not fault.matches(request, user_id):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            self.applied += 1
            if fault.left is not None:
                fault.left -= 1
                if fault.left == 0:
                    self._faults.remove(fault)
            return fault
        return None


def _no_order(response: Response) -> Response:
    """Success without the object that it is about."""
    return replace(response, body=b"{}")


def _half(response: Response) -> Response:
    return replace(response, body=response.body[: len(response.body) // 2])


MANGLED: dict[str, Callable[[Response], Response]] = {
    "html": lambda response: replace(response, body=HTML, content_type="text/html; charset=utf-8"),
    "garbage": lambda response: replace(response, body=GARBAGE),
    "half": _half,
    "empty": lambda response: replace(response, body=b""),
    "no_order": _no_order,
    "not_an_object": lambda response: replace(response, body=b'["ok"]'),
    "wrong_type": lambda response: replace(response, content_type="text/plain; charset=utf-8"),
}
STATUS_PATH = "/trade-api/v2/exchange/status"
STATUS_BODIES = ("json", "html", "empty")


def outcome(fault: RestFault, request: Request, act: Callable[[], Response], later: Callable[[int], None]) -> Outcome:
    """Return what becomes of a request that a fault hits.

    act: does what the request asks and gives the answer. later: has it done so many milliseconds from then.
    """
    match fault.kind:
        case "lose_before":
            return Outcome(None)
        case "lose_after":
            act()
            return Outcome(None)
        case "late":
            return Outcome(None, delay_ms=fault.hold_ms, after_cut=lambda: later(fault.delay_ms))
        case "delay" if fault.when == "before":
            return Outcome(None, delay_ms=fault.delay_ms, finish=act)
        case "delay":
            # Acted on when it arrives, answered late.
            return Outcome(act(), delay_ms=fault.delay_ms)
    real = act() if fault.when == "after" else _untouched(request)
    return _spoilt(fault, request, real)


def _spoilt(fault: RestFault, request: Request, real: Response) -> Outcome:
    """What is answered in place of `real`."""
    match fault.kind:
        case "status":
            return Outcome(_status(fault, request))
        case "rate_limit":
            return Outcome(too_many_requests())
        case "conflict":
            return Outcome(
                Response.from_error(
                    ApiError(409, "order_already_exists", "an order with this client_order_id exists already")
                )
            )
        case "redirect":
            location = fault.location or f"https://elsewhere.invalid{request.path}"
            return Outcome(Response(fault.status, headers=(("Location", location),)))
        case "cut":
            return Outcome(real, cut_at=min(fault.at_byte, max(0, len(real.body) - 1)))
        case "drip":
            return Outcome(real, drip=(fault.chunk_bytes, fault.every_ms))
        case _:
            return Outcome(MANGLED[fault.how](real))


def _status(fault: RestFault, request: Request) -> Response:
    error = ApiError(fault.status, "service_unavailable", "made to fail by the control endpoint")
    answer = Response.from_error(error)
    if request.path == STATUS_PATH:
        # The one operation whose failures have a body of their own (OpenAPI: ExchangeStatus).
        answer = Response.json({"exchange_active": False, "trading_active": False}, status=fault.status)
    return answer if fault.how in ("", "json") else MANGLED[fault.how](answer)


def _untouched(request: Request) -> Response:
    """A success that nothing was done for."""
    return Response.json({}, status=201 if request.method == "POST" else 200)
