"""The paper exchange inside a test: no socket, a clock that the test moves, an httpx transport around it.

paper = InProcessPaper()
client = httpx.Client(transport=paper.transport, base_url=paper.base_url, auth=paper.auth("trader-1"))
"""

import functools
import json
import time
from collections.abc import Generator
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from apps.paper.clock import ManualClock
from apps.paper.engine.catalogue import Market, MarketEvent, Series, SettlementSource
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.fees import FeeSchedule
from apps.paper.engine.ids import market_uuid
from apps.paper.server.auth import generate_pem, sign_headers
from apps.paper.server.control import Control
from apps.paper.server.core import Edition
from apps.paper.server.http import Request, Response, http_date
from apps.paper.server.members import CREDENTIALS, Credential, key_id_of, seat_members
from apps.paper.server.rest_faults import RestFault
from apps.paper.server.server import PaperServer, ReplayOptions
from apps.paper.server.session import Session

SERIES = "KXTEST"
EVENT = "KXTEST-30"
LINEAR = "KXTEST-30-A"  # whole cents
LINEAR_2 = "KXTEST-30-B"  # whole cents, mutually exclusive with A
DECI = "KXTEST-30-D"  # tenths of a cent
TAPERED = "KXTEST-30-T"  # tenths of a cent at the ends, whole cents between
DAY_MS = 86_400_000
# Tests sign by the machine's clock while the exchange's stands still.
TEST_WINDOW_MS = 15 * 60 * 1000


@functools.cache
def private_key(name: str) -> tuple[RSAPrivateKey, str]:
    """The key and PEM text of a credential: made once per test run, because making one takes 100 ms."""
    return generate_pem()


class InProcessPaper:
    """A small world without bots: one event with four markets, the members of `members.py`, full budgets.

    clock: stands still at the machine's time of creation until stepped.
    """

    base_url = "http://paper.test"

    def __init__(
        self, *, replay: ReplayOptions | None = None, now_ms: int | None = None, edition: Edition = "3.18"
    ) -> None:
        self.clock = ManualClock(time.time_ns() // 1_000_000 if now_ms is None else now_ms)
        self.exchange = PaperExchange(clock=self.clock, seed=1)
        list_small_world(self.exchange)
        self.server = PaperServer(self.exchange, clock=self.clock, replay=replay, edition=edition)
        self.server.core.keys.window_ms = TEST_WINDOW_MS
        seat_members(self.server.core)
        for credential in CREDENTIALS:
            key, _ = private_key(credential.name)
            self.server.core.keys.add(
                key.public_key(),
                user_id=credential.seat.user_id,
                name=credential.name,
                scopes=credential.scopes,
                key_id=key_id_of(credential),
            )
        self.transport = PaperTransport(self.server, clock=self.clock)
        self._control = Control(self.server)

    def credential(self, name: str) -> Credential:
        return next(credential for credential in CREDENTIALS if credential.name == name)

    def user_id(self, name: str) -> str:
        return self.credential(name).seat.user_id

    def key_id(self, name: str) -> str:
        return key_id_of(self.credential(name))

    def pem(self, name: str) -> str:
        return private_key(name)[1]

    def auth(self, name: str) -> "SignedAuth":
        return SignedAuth(private_key(name)[0], key_id=self.key_id(name), clock=self.clock)

    def client(self, name: str | None = None) -> httpx.Client:
        """A signing client of a member, or an unsigned one. Close it."""
        auth = None if name is None else self.auth(name)
        return httpx.Client(transport=self.transport, base_url=f"{self.base_url}/trade-api/v2", auth=auth)

    def socket(self, name: str) -> "InProcessSocket":
        """A WebSocket session of a member without the socket."""
        return InProcessSocket(self, name)

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A control call (path after /control); raises AssertionError when it is refused."""
        response = self.control_response(method, path, body)
        assert response.status == 200, response.body.decode()
        answer: dict[str, Any] = json.loads(response.body)
        return answer

    def control_response(self, method: str, path: str, body: dict[str, Any] | None = None) -> Response:
        headers = {"host": "127.0.0.1", "content-type": "application/json"}
        request = Request(method, f"/control{path}", headers, {}, json.dumps(body or {}).encode())
        return self._control.handle(request, peer="127.0.0.1")

    def truth(self) -> dict[str, Any]:
        return self.control("GET", "/truth")


class PaperTransport(httpx.BaseTransport):
    """Answers httpx requests in the same thread; faults come out as httpx's own exceptions."""

    def __init__(self, server: PaperServer, *, clock: ManualClock) -> None:
        self._server = server
        self._clock = clock

    def lose_next_answer(self) -> None:
        """The next request is done, and its answer is lost."""
        self._server.rest_faults.arm(RestFault("lose_after", 1))

    def lose_next_request(self) -> None:
        """The next request never arrives, and its sender cannot tell."""
        self._server.rest_faults.arm(RestFault("lose_before", 1))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        outcome = self._server.respond(
            Request.from_target(request.method, request.url.raw_path.decode("ascii"), headers, request.read())
        )
        patience = request.extensions.get("timeout", {}).get("read")
        if outcome.after_cut is not None:
            # Whoever loses patience first cuts the connection.
            given_up = patience is not None and outcome.delay_ms > patience * 1000
            self._clock.step(int(patience * 1000) if given_up else outcome.delay_ms)
            outcome.after_cut()
        elif outcome.delay_ms:
            self._clock.step(outcome.delay_ms)
        response = outcome.finish() if outcome.finish else outcome.response
        if patience is not None and outcome.delay_ms > patience * 1000:
            raise httpx.ReadTimeout("no answer in time", request=request)
        if response is None:
            raise httpx.ReadError("connection lost", request=request)
        if outcome.cut_at is not None:
            raise httpx.RemoteProtocolError(
                "peer closed connection without sending complete message body", request=request
            )
        if outcome.drip is not None:
            pieces, every_ms = -(-len(response.body) // outcome.drip[0]), outcome.drip[1]
            if patience is not None and every_ms > patience * 1000:
                raise httpx.ReadTimeout("no answer in time", request=request)
            self._clock.step(pieces * every_ms)
        answer_headers = {
            "Date": http_date(self._clock.now_ms()),
            "Content-Type": response.content_type,
            **dict(response.headers),
        }
        return httpx.Response(response.status, headers=answer_headers, content=response.body, request=request)


class SignedAuth(httpx.Auth):
    """Signs every request by the exchange's clock."""

    def __init__(self, key: RSAPrivateKey, *, key_id: str, clock: ManualClock) -> None:
        self._key = key
        self._key_id = key_id
        self._clock = clock

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        path = request.url.raw_path.decode("ascii")
        request.headers.update(
            sign_headers(
                self._key, key_id=self._key_id, timestamp_ms=self._clock.now_ms(), method=request.method, path=path
            )
        )
        yield request


class InProcessSocket:
    """Commands in, frames out. texts: as sent on the wire; frames: decoded. Both since the last `take`."""

    def __init__(self, paper: InProcessPaper, name: str) -> None:
        key = paper.server.core.keys.get(paper.key_id(name))
        assert key is not None
        self.texts: list[str] = []
        self.delays_ms: list[int] = []
        self.session: Session = paper.server.open_session(key, self._deliver)
        self._last_id = 0

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.texts]

    def take(self) -> list[dict[str, Any]]:
        frames = self.frames
        self.texts.clear()
        return frames

    def send(self, cmd: str, **params: Any) -> list[dict[str, Any]]:
        """Send a command with the next id and return what came since the last `take`."""
        self._last_id += 1
        self.session.receive(json.dumps({"id": self._last_id, "cmd": cmd, "params": params}))
        return self.take()

    def send_text(self, text: str) -> list[dict[str, Any]]:
        self.session.receive(text)
        return self.take()

    def close(self) -> None:
        self.session.close()

    def _deliver(self, text: str, *, delay_ms: int = 0) -> None:
        self.texts.append(text)
        self.delays_ms.append(delay_ms)


def list_small_world(exchange: PaperExchange) -> None:
    """One series, one mutually exclusive event, one market per price grid and one more."""
    now = exchange.clock.now_ms()
    exchange.list_series(
        Series(
            ticker=SERIES,
            title="Test series",
            category="Economics",
            frequency="daily",
            tags=["Test"],
            settlement_sources=[SettlementSource("A source", "https://example.com/source")],
            contract_url="https://example.com/contract",
            contract_terms_url="https://example.com/terms",
            fees=FeeSchedule("quadratic"),
            updated_ms=now,
        )
    )
    exchange.list_event(
        MarketEvent(
            ticker=EVENT,
            series_ticker=SERIES,
            title="Which test?",
            sub_title="In 30 days",
            category="Economics",
            mutually_exclusive=True,
            collateral_return_type="MECNET",
            strike_ms=now + 30 * DAY_MS,
            updated_ms=now,
        )
    )
    grids = {LINEAR: "linear_cent", LINEAR_2: "linear_cent", DECI: "deci_cent", TAPERED: "tapered_deci_cent"}
    for ticker, structure in grids.items():
        exchange.list_market(_market(ticker, structure, now))


def _market(ticker: str, structure: str, now: int) -> Market:
    return Market(
        ticker=ticker,
        event_ticker=EVENT,
        series_ticker=SERIES,
        market_id=market_uuid(ticker),
        title=f"Is it {ticker[-1]}?",
        yes_sub_title=ticker[-1],
        no_sub_title=ticker[-1],
        rules_primary="It is what the test says.",
        rules_secondary="",
        created_ms=now - DAY_MS,
        open_ms=now - DAY_MS,
        close_ms=now + 30 * DAY_MS,
        expected_expiration_ms=now + 30 * DAY_MS,
        latest_expiration_ms=now + 37 * DAY_MS,
        price_level_structure=structure,
    )
