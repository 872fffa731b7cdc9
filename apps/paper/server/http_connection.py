"""HTTP/1.1 on one socket: keep-alive, bounded heads and bodies, and the step over to WebSocket."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11

from apps.paper.server.http import ApiError, Request, Response, http_date
from apps.paper.server.rest_faults import Outcome
from apps.paper.server.server import WS_PATH
from apps.paper.server.ws_connection import WsConnection

if TYPE_CHECKING:
    from apps.paper.server.listener import Listener

MAX_HEAD = 16 * 1024
MAX_BODY = 1024 * 1024


class HttpConnection(asyncio.Protocol):
    """One client. Requests are answered in order; one that is delayed holds the next ones back."""

    def __init__(self, listener: "Listener") -> None:
        self._listener = listener
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._head = bytearray()  # of the request under way, for the WebSocket handshake
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._busy = False
        self._transport: asyncio.Transport | None = None
        self._after_cut: Callable[[], None] | None = None
        self.last_activity = listener.loop_time()

    @property
    def transport(self) -> asyncio.Transport:
        assert self._transport is not None
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._listener.http.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.forget(self)
        after_cut, self._after_cut = self._after_cut, None
        if after_cut is not None:
            after_cut()

    def data_received(self, data: bytes) -> None:
        self.last_activity = self._listener.loop_time()
        if self._request is None:
            self._head += data
        self._h11.receive_data(data)
        self._advance()

    def eof_received(self) -> bool:
        if self._after_cut is not None:
            # The client has given up; what it asked for is done when it does not expect it any more.
            self.transport.abort()
            return False
        self._h11.receive_data(b"")
        self._advance()
        # A client that has said all it will say still gets the answer that is under way.
        return self._busy

    def close(self) -> None:
        self.transport.close()

    def _advance(self) -> None:
        try:
            while not self._busy and not self.transport.is_closing():
                event = self._h11.next_event()
                if event is h11.NEED_DATA:
                    if self._h11.they_are_waiting_for_100_continue:
                        self._write(h11.InformationalResponse(status_code=100, headers=[]))
                    return
                if event is h11.PAUSED:
                    return
                if isinstance(event, h11.Request):
                    self._request = event
                    # h11 bounds heads that come in pieces only.
                    if sum(len(name) + len(value) for name, value in event.headers) > MAX_HEAD:
                        self._refuse(ApiError(431, "head_too_large", f"at most {MAX_HEAD} bytes of headers"))
                        return
                elif isinstance(event, h11.Data):
                    self._body += event.data
                    if len(self._body) > MAX_BODY:
                        self._refuse(ApiError(413, "body_too_large", f"at most {MAX_BODY} bytes"))
                        return
                elif isinstance(event, h11.EndOfMessage):
                    self._dispatch()
                else:
                    self.transport.close()
                    return
        except h11.RemoteProtocolError as exc:
            self._refuse(ApiError(exc.error_status_hint, "bad_request", "this is not HTTP/1.1", details=str(exc)))

    def _dispatch(self) -> None:
        assert self._request is not None
        event = self._request
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        request = Request.from_target(
            event.method.decode("ascii"), event.target.decode("latin-1"), headers, bytes(self._body)
        )
        if request.path == WS_PATH:
            self._upgrade(request)
        elif request.path.startswith("/control/"):
            peer = self.transport.get_extra_info("peername")
            self._answer(self._listener.control.handle(request, peer=str(peer[0]) if peer else ""))
        else:
            self._conclude(self._listener.paper.respond(request))

    def _conclude(self, outcome: Outcome) -> None:
        self._after_cut = outcome.after_cut
        if outcome.delay_ms:
            self._busy = True
            asyncio.get_running_loop().call_later(outcome.delay_ms / 1000, self._conclude_late, outcome)
        else:
            self._send(outcome, outcome.response)

    def _conclude_late(self, outcome: Outcome) -> None:
        self._busy = False
        response = outcome.finish() if outcome.finish else outcome.response
        if self.transport.is_closing():
            return
        self._send(outcome, response)
        self._advance()

    def _send(self, outcome: Outcome, response: Response | None) -> None:
        if response is None:
            self.transport.abort()
        elif outcome.cut_at is not None:
            self._begin_answer(response)
            self._write(h11.Data(data=response.body[: outcome.cut_at]))
            self.transport.close()
        elif outcome.drip is not None:
            self._busy = True
            self._begin_answer(response)
            self._drip(response.body, *outcome.drip)
        else:
            self._answer(response)

    def _drip(self, body: bytes, size: int, every_ms: int) -> None:
        """Send a body piece by piece."""
        if self.transport.is_closing():
            return
        self._write(h11.Data(data=body[:size]))
        if len(body) > size:
            asyncio.get_running_loop().call_later(every_ms / 1000, self._drip, body[size:], size, every_ms)
            return
        self._busy = False
        self._end_answer()
        self._advance()

    def _upgrade(self, request: Request) -> None:
        if request.headers.get("upgrade", "").lower() != "websocket":
            self._answer(Response.from_error(ApiError(426, "upgrade_required", "this path is a WebSocket")))
            return
        try:
            key = self._listener.paper.authenticate_socket(request)
        except ApiError as exc:
            self._answer(Response.from_error(exc))
            return
        self._listener.forget(self)
        connection = WsConnection(self._listener, self.transport, key)
        self.transport.set_protocol(connection)
        connection.start(bytes(self._head))

    def _answer(self, response: Response) -> None:
        assert self._request is not None
        has_body = response.status != 204 and self._request.method != b"HEAD"
        self._begin_answer(response)
        if has_body:
            self._write(h11.Data(data=response.body))
        self._end_answer()

    def _begin_answer(self, response: Response) -> None:
        headers = [("Date", http_date(self._listener.paper.clock.now_ms())), *response.headers]
        if response.status != 204:
            headers += [("Content-Type", response.content_type), ("Content-Length", str(len(response.body)))]
        self._write(h11.Response(status_code=response.status, headers=headers, reason=_reason(response.status)))

    def _end_answer(self) -> None:
        self._write(h11.EndOfMessage())
        self._request = None
        self._body.clear()
        if self._h11.our_state is h11.MUST_CLOSE:
            self.transport.close()
            return
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
            self._head = bytearray(self._h11.trailing_data[0])

    def _refuse(self, error: ApiError) -> None:
        """Answer what cannot be read, and close."""
        body = Response.from_error(error).body
        if self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            headers = [
                ("Date", http_date(self._listener.paper.clock.now_ms())),
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
            ]
            self._write(h11.Response(status_code=error.status, headers=headers, reason=_reason(error.status)))
            self._write(h11.Data(data=body))
            self._write(h11.EndOfMessage())
        self.transport.close()

    def _write(self, event: h11.Event) -> None:
        data = self._h11.send(event)
        if data:
            self.transport.write(data)


def _reason(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""
