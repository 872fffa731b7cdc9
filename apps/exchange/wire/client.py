"""The signed REST client: synchronous, long-lived, and honest about what it does not know."""

import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from apps.exchange.wire.clock import MS_HEADER, ClockOffset, server_time
from apps.exchange.wire.errors import ExchangeError, NotSent, RateLimited, body_or_raise, from_transport
from apps.exchange.wire.limits import Kind, Limiter, TakesAhead, Taking
from apps.exchange.wire.signing import REST_PREFIX, RequestSigner, Signing, SignsAhead

logger = logging.getLogger(__name__)

# Seconds. A write that waits longer than this for an answer is looked up instead.
TIMEOUT = httpx.Timeout(connect=3.0, read=10.0, write=5.0, pool=2.0)
# Kept below the idle limits of common load balancers: a write on a connection that the other
# side is just closing has an unknown outcome.
_LIMITS = httpx.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=15.0)
# Longest wait for tokens, seconds. A create waits briefly and is then refused in words rather
# than sent at a price the trader no longer wants; a cancel is worth waiting for. A bulk read comes again later.
MAX_WAIT: dict[Kind, float] = {"read": 10.0, "bulk": 1.0, "write": 1.0, "cancel": 5.0}

# Milliseconds. The exchange takes a signature for seconds; one that was made ahead and is older is made anew.
SIGNED_AHEAD_MOST = 1_000

Params = Mapping[str, str | int | bool | Sequence[str] | None]
Pairs = list[tuple[str, str | int | float | bool | None]]
Extensions = dict[str, Any]  # of httpx


class Ahead:
    """What one write needs beside its body, asked for before it is certain that the write is made."""

    def __init__(self, taking: Taking | None, signing: Signing | None, path: str, at_ms: int) -> None:
        self._taking, self._signing = taking, signing
        self._path, self._at_ms = path, at_ms

    def tokens(self) -> Taking | None:
        """Return the tokens that were asked for; once."""
        taking, self._taking = self._taking, None
        return taking

    def headers(self, path: str, now_ms: int) -> dict[str, str] | None:
        """Return the signed headers; once, while they are fresh. Raises as the signer does."""
        signing = self._signing
        if signing is None or path != self._path or not 0 <= now_ms - self._at_ms <= SIGNED_AHEAD_MOST:
            return None
        self._signing = None
        return signing.headers()

    def with_tokens(self, taking: Taking | None) -> "Ahead":
        """Add the tokens to what was asked for a signature alone."""
        self._taking = taking
        return self

    def is_signed(self, path: str, now_ms: int) -> bool:
        """Whether there is a signature that stays fresh while an order is checked."""
        age = now_ms - self._at_ms
        return self._signing is not None and path == self._path and 0 <= age <= SIGNED_AHEAD_MOST // 2

    def drop(self) -> None:
        """Let go of what was not used. A second time does nothing."""
        for one in (self._taking, self._signing):
            if one is not None:
                one.drop()
        self._taking = self._signing = None


class ExchangeClient:
    """REST calls of one key against one environment. Safe to share between threads.

    Args:
        hosts: documented hosts of the environment, e.g. "https://external-api.kalshi.com"; the
            next one is tried only when no connection could be made to the one before.
        signer: None for calls that need no key.
        limiter: budgets of the account; None spends without counting.
        on_key_refused: called when a signed request is answered 401. What it raises is logged and changes nothing.

    Writes are never repeated. A read is repeated once when no connection could be made.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        signer: RequestSigner | None,
        limiter: Limiter | None,
        transport: httpx.BaseTransport | None = None,
        *,
        timeout: httpx.Timeout = TIMEOUT,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        sleep: Callable[[float], None] = time.sleep,
        on_key_refused: Callable[[], None] | None = None,
    ) -> None:
        if not hosts:
            raise ValueError("an exchange client needs at least one host")
        self.hosts = tuple(host.rstrip("/") for host in hosts)
        self.limiter = limiter
        self.clock = ClockOffset()
        self._signer = signer
        # Asked once: a protocol is slow to look for.
        both: tuple[object, object] = (limiter, signer)
        self._takes_ahead = both[0] if isinstance(both[0], TakesAhead) else None
        self._signs_ahead = both[1] if isinstance(both[1], SignsAhead) else None
        self._now_ms = now_ms
        self._sleep = sleep
        self._on_key_refused = on_key_refused
        self._preferred = 0
        self._transport = transport or httpx.HTTPTransport(http2=False, retries=0, limits=_LIMITS, trust_env=False)
        self._headers = {
            "User-Agent": "kalshi-desk",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "Connection": "keep-alive",
        }
        self._timeout = timeout.as_dict()

    @property
    def clock_offset_ms(self) -> int | None:
        """Exchange clock minus ours, None before the first answer."""
        return self.clock.ms

    def close(self) -> None:
        self._transport.close()

    def get(self, path: str, *, params: Params | None = None, cost: int = 10, kind: Kind = "read") -> dict[str, Any]:
        """Read. Raises NotExecuted (Refused, RateLimited, NotSent, ReadFailed); nothing else."""
        return self._call("GET", path, params=params, json=None, cost=cost, kind=kind)

    def post(
        self,
        path: str,
        *,
        params: Params | None = None,
        json: Any = None,
        cost: int = 10,
        kind: Kind = "write",
        on_sent: Callable[[], None] | None = None,
        ahead: Ahead | None = None,
    ) -> dict[str, Any]:
        """Create or act. Raises NotExecuted, AlreadyExists or OutcomeUnknown.

        on_sent: called when the request has been written, before its answer is waited for. What it raises is
            logged and changes nothing.
        ahead: what `ask_ahead` gave for this very request.
        """
        return self._call("POST", path, params=params, json=json, cost=cost, kind=kind, on_sent=on_sent, ahead=ahead)

    def ask_ahead(self, method: str, path: str, *, cost: int, kind: Kind, signed: Ahead | None = None) -> Ahead:
        """Ask for the tokens and the signature of a request that is sent a moment later, or never. Raises nothing.

        signed: what `sign_ahead` of this client gave for it; not to be used afterwards.
        """
        taking = None if self._takes_ahead is None else self._takes_ahead.take_begin(cost, kind=kind)
        if signed is not None:
            if signed.is_signed(REST_PREFIX + path, self._now_ms()):
                return signed.with_tokens(taking)
            signed.drop()
        return self.sign_ahead(method, path).with_tokens(taking)

    def sign_ahead(self, method: str, path: str) -> Ahead:
        """Ask for the signature of a request that may be made within the next half second. Raises nothing."""
        at_ms, full_path = self._now_ms(), REST_PREFIX + path
        signing = None
        if self._signs_ahead is not None:
            signing = self._signs_ahead.headers_begin(method, full_path, at_ms + (self.clock.ms or 0))
        return Ahead(None, signing, full_path, at_ms)

    def is_signed(self, path: str, signed: Ahead) -> bool:
        """Whether `ask_ahead` would use this signature now."""
        return signed.is_signed(REST_PREFIX + path, self._now_ms())

    def put(
        self, path: str, *, params: Params | None = None, json: Any = None, cost: int = 10, kind: Kind = "write"
    ) -> dict[str, Any]:
        """Change. Raises NotExecuted or OutcomeUnknown."""
        return self._call("PUT", path, params=params, json=json, cost=cost, kind=kind)

    def delete(
        self, path: str, *, params: Params | None = None, json: Any = None, cost: int = 2, kind: Kind = "cancel"
    ) -> dict[str, Any]:
        """Cancel or remove; batches carry a body. Raises NotExecuted or OutcomeUnknown."""
        return self._call("DELETE", path, params=params, json=json, cost=cost, kind=kind)

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Params | None,
        json: Any,
        cost: int,
        kind: Kind,
        on_sent: Callable[[], None] | None = None,
        ahead: Ahead | None = None,
    ) -> dict[str, Any]:
        is_read = method == "GET"
        self._take(cost, kind=kind, taking=ahead.tokens() if ahead else None)
        extensions = {} if on_sent is None else {"trace": _when_sent(on_sent)}
        response = self._send(
            method, path, params=_query(params), json=json, is_read=is_read, extensions=extensions, ahead=ahead
        )
        try:
            return body_or_raise(response, is_read=is_read)
        except RateLimited:
            if self.limiter is not None:
                # The exchange's bucket is emptier than ours thinks: somebody else uses this key.
                self.limiter.drain(kind=kind)
            raise

    def _take(self, cost: int, *, kind: Kind, taking: Taking | None = None) -> None:
        if self.limiter is None:
            return
        waited = 0.0
        while True:
            try:
                wait = self.limiter.take(cost, kind=kind) if taking is None else taking.wait()
            except ValueError as exc:
                raise RateLimited(str(exc)) from exc
            taking = None
            if not wait:
                return
            if waited + wait > MAX_WAIT[kind]:
                raise RateLimited(
                    f"The {kind} budget of this account is spent for {wait:.1f} s. Nothing was sent.",
                    wait_seconds=wait,
                )
            self._sleep(wait)
            waited += wait

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Pairs,
        json: Any,
        is_read: bool,
        extensions: Extensions,
        ahead: Ahead | None,
    ) -> httpx.Response:
        order = [(self._preferred + step) % len(self.hosts) for step in range(len(self.hosts))]
        if is_read:
            order.append(order[0])
        failure: ExchangeError | None = None
        for index in order:
            try:
                response = self._send_to(
                    self.hosts[index], method, path, params=params, json=json, extensions=extensions, ahead=ahead
                )
            except httpx.HTTPError as exc:
                failure = from_transport(exc, is_read=is_read)
                # A full pool says nothing about the host; everything else may have been received.
                if isinstance(failure, NotSent) and not isinstance(exc, httpx.PoolTimeout):
                    continue
                raise failure from exc
            self._preferred = index
            return response
        assert failure is not None
        raise failure

    def _send_to(
        self,
        host: str,
        method: str,
        path: str,
        *,
        params: Pairs,
        json: Any,
        extensions: Extensions,
        ahead: Ahead | None,
    ) -> httpx.Response:
        full_path = REST_PREFIX + path
        sent_ms = self._now_ms()
        headers: dict[str, str] = {}
        if self._signer is not None:
            signed = ahead.headers(full_path, sent_ms) if ahead else None
            headers = signed or self._signer.headers(method, full_path, sent_ms + (self.clock.ms or 0))
        url = _url(host + full_path)
        request = httpx.Request(
            method,
            url.copy_merge_params(params) if params else url,
            headers={**self._headers, **headers},
            json=json,
            extensions={**extensions, "timeout": self._timeout},
        )
        response = self._exchanged(request)
        if method != "GET":
            named = json.get("client_order_id", "") if isinstance(json, dict) else ""
            logger.info("%s %s %s: %s in %s ms", method, path, named, response.status_code, self._now_ms() - sent_ms)
        told = server_time(response.headers.get("date"), response.headers.get(MS_HEADER))
        if told is not None:
            self.clock.note(sent_ms=sent_ms, received_ms=self._now_ms(), server_ms=told[0], resolution_ms=told[1])
        if response.status_code == httpx.codes.UNAUTHORIZED and self._signer is not None and self._on_key_refused:
            try:
                self._on_key_refused()
            except Exception:
                # The answer counts, whatever fails here.
                logger.exception("a key that was refused could not be looked at")
        return response

    def _exchanged(self, request: httpx.Request) -> httpx.Response:
        """Send one request as it is and read its answer whole.

        Without what httpx's client adds: cookies, authentication, and redirects. A signature goes to the host that it
        was made for, nowhere else.
        """
        response = self._transport.handle_request(request)
        response.request = request
        try:
            response.read()
        except BaseException:
            response.close()
            raise
        return response


@functools.lru_cache(maxsize=256)
def _url(text: str) -> httpx.URL:
    return httpx.URL(text)


def _when_sent(call: Callable[[], None]) -> Callable[[str, Any], None]:
    """Return a listener of httpcore's trace that calls once the last byte of the request is with the kernel."""

    def listen(event: str, info: Any) -> None:
        if event == "http11.send_request_body.complete":
            try:
                call()
            except Exception:
                # The request is out: whatever fails here must not hide its answer.
                logger.exception("what should be done while a request is on its way failed")

    return listen


def _query(params: Params | None) -> Pairs:
    """Return query pairs: None left out, booleans in JSON's words, sequences repeated."""
    pairs: Pairs = []
    for name, value in (params or {}).items():
        if value is None:
            continue
        if isinstance(value, bool):
            pairs.append((name, "true" if value else "false"))
        elif isinstance(value, str | int):
            pairs.append((name, str(value)))
        else:
            pairs.extend((name, item) for item in value)
    return pairs
