"""Did it happen? The answer of every transport failure and status, and what the client never does."""

from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import httpx
import pytest

from apps.exchange.wire import api
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import (
    AlreadyExists,
    NotExecuted,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    ReadFailed,
    Refused,
)
from apps.exchange.wire.limits import Budget, LocalLimiter

HOSTS = ["https://one.example", "https://two.example"]
ORDER = api.NewOrder(
    ticker="T1",
    client_order_id="c-1",
    side="bid",
    count="10.00",
    price="0.5600",
    time_in_force="good_till_canceled",
    self_trade_prevention_type="taker_at_cross",
)
ACK = {"order_id": "o-1", "client_order_id": "c-1", "fill_count": "0.00", "remaining_count": "10.00", "ts_ms": 5}
SHAPED = {"code": "insufficient_balance", "message": "not enough", "details": "have 1", "service": "x"}

Answer = httpx.Response | Exception


class Signer:
    def __init__(self) -> None:
        self.signed: list[tuple[str, str, int]] = []

    def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]:
        self.signed.append((method, path, timestamp_ms))
        return {"KALSHI-ACCESS-KEY": "k", "KALSHI-ACCESS-SIGNATURE": f"s{len(self.signed)}"}


class Wire:
    """A client whose transport gives `answers` in turn (the last one for ever)."""

    def __init__(self, *answers: Answer | Callable[[httpx.Request], Answer], limiter: Any = None) -> None:
        self.requests: list[httpx.Request] = []
        self.answers = list(answers)
        self.signer = Signer()
        self.now_ms = 1_786_000_000_000
        self.slept: list[float] = []
        self.client = ExchangeClient(
            HOSTS,
            self.signer,
            limiter,
            httpx.MockTransport(self.handle),
            now_ms=lambda: self.now_ms,
            sleep=self.slept.append,
        )

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer: Any = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, httpx.Response)
        return answer


def shaped(status: int, body: Any = SHAPED) -> httpx.Response:
    return httpx.Response(status, json=body)


TRANSPORT = [
    (httpx.ConnectError("refused"), NotSent, NotSent),
    (httpx.ConnectTimeout("slow"), NotSent, NotSent),
    (httpx.PoolTimeout("full"), NotSent, NotSent),
    (httpx.ReadTimeout("slow"), OutcomeUnknown, ReadFailed),
    (httpx.WriteTimeout("slow"), OutcomeUnknown, ReadFailed),
    (httpx.ReadError("reset"), OutcomeUnknown, ReadFailed),
    (httpx.WriteError("reset"), OutcomeUnknown, ReadFailed),
    (httpx.CloseError("reset"), OutcomeUnknown, ReadFailed),
    (httpx.RemoteProtocolError("cut"), OutcomeUnknown, ReadFailed),
    (httpx.ProxyError("proxy"), OutcomeUnknown, ReadFailed),
    (httpx.DecodingError("gzip"), OutcomeUnknown, ReadFailed),
]


@pytest.mark.parametrize(("failure", "write", "read"), TRANSPORT, ids=lambda value: type(value).__name__)
def test_a_failure_of_the_transport_says_whether_the_order_can_exist(
    failure: Exception, write: type[Exception], read: type[Exception]
) -> None:
    with pytest.raises(write) as caught:
        api.create_order(Wire(failure).client, ORDER)
    assert isinstance(caught.value, NotExecuted) == (write is NotSent)

    with pytest.raises(read):
        api.get_balance(Wire(failure).client)


ANSWERS: list[tuple[httpx.Response, type[Exception], type[Exception]]] = [
    (shaped(400), Refused, Refused),
    (shaped(401), Refused, Refused),
    (shaped(403), Refused, Refused),
    (shaped(404), Refused, Refused),
    (shaped(400, {"error": {"code": "bad", "message": "no"}}), Refused, Refused),
    (shaped(429, {"error": "too many requests"}), RateLimited, RateLimited),
    (shaped(409), AlreadyExists, ReadFailed),
    (httpx.Response(409), AlreadyExists, ReadFailed),
    # Not the exchange's own words: a proxy may have said it after the order went through.
    (httpx.Response(400, text="<html>Bad Request</html>"), OutcomeUnknown, ReadFailed),
    (httpx.Response(404), OutcomeUnknown, ReadFailed),
    (httpx.Response(429, text="slow down"), OutcomeUnknown, ReadFailed),
    (shaped(403, ["no"]), OutcomeUnknown, ReadFailed),
    (shaped(401, {"code": 7}), OutcomeUnknown, ReadFailed),
    (shaped(405), OutcomeUnknown, ReadFailed),
    (shaped(408), OutcomeUnknown, ReadFailed),
    (shaped(422), OutcomeUnknown, ReadFailed),
    *((shaped(status), OutcomeUnknown, ReadFailed) for status in (500, 502, 503, 504)),
    *(
        (httpx.Response(status, headers={"location": "https://evil.example/"}), OutcomeUnknown, ReadFailed)
        for status in (301, 302, 307, 308)
    ),
    (shaped(201, {}), OutcomeUnknown, ReadFailed),
    (shaped(200, {"order": {"id": 5}}), OutcomeUnknown, ReadFailed),
    (shaped(201, [ACK]), OutcomeUnknown, ReadFailed),
    (httpx.Response(201), OutcomeUnknown, ReadFailed),
    (httpx.Response(201, text="{" * 100_000), OutcomeUnknown, ReadFailed),
    (httpx.Response(201, content=b"\xff\xfe"), OutcomeUnknown, ReadFailed),
    (httpx.Response(201, content=b'{"order_id": NaN}'), OutcomeUnknown, ReadFailed),
]


@pytest.mark.parametrize(
    ("answer", "write", "read"), ANSWERS, ids=[f"{a.status_code}-{i}" for i, (a, _, _) in enumerate(ANSWERS)]
)
def test_an_answer_says_whether_the_order_can_exist(
    answer: httpx.Response, write: type[Exception], read: type[Exception]
) -> None:
    wire = Wire(answer)
    with pytest.raises(write) as caught:
        api.create_order(wire.client, ORDER)
    assert type(caught.value) is write
    assert len(wire.requests) == 1

    with pytest.raises(read) as caught:
        api.get_balance(Wire(answer).client)
    assert isinstance(caught.value, NotExecuted)


def test_every_prefix_of_an_answer_is_unknown_until_the_whole_order_is_there() -> None:
    whole = httpx.Response(201, json=ACK).content
    for size in range(len(whole)):
        with pytest.raises(OutcomeUnknown):
            api.create_order(Wire(httpx.Response(201, content=whole[:size])).client, ORDER)

    assert api.create_order(Wire(httpx.Response(201, content=whole)).client, ORDER).order_id == "o-1"


def test_a_refusal_carries_the_exchanges_own_words() -> None:
    with pytest.raises(Refused) as caught:
        api.create_order(Wire(shaped(400)).client, ORDER)

    assert (caught.value.status, caught.value.code) == (400, "insufficient_balance")
    assert caught.value.text == "not enough (have 1)"


@pytest.mark.parametrize("failure", [failure for failure, write, _ in TRANSPORT if write is OutcomeUnknown])
def test_a_write_that_may_have_left_is_never_sent_twice(failure: Exception) -> None:
    wire = Wire(failure)
    with pytest.raises(OutcomeUnknown):
        api.create_order(wire.client, ORDER)

    assert len(wire.requests) == 1


def test_the_other_host_is_tried_only_when_no_connection_was_made() -> None:
    wire = Wire(httpx.ConnectError("refused"), httpx.Response(201, json=ACK))

    assert api.create_order(wire.client, ORDER).order_id == "o-1"

    assert [request.url.host for request in wire.requests] == ["one.example", "two.example"]
    api.create_order(wire.client, ORDER)
    assert wire.requests[-1].url.host == "two.example"


def test_a_write_tries_each_host_once_and_a_read_the_first_once_more() -> None:
    wire = Wire(httpx.ConnectError("refused"))
    with pytest.raises(NotSent):
        api.create_order(wire.client, ORDER)
    assert [request.url.host for request in wire.requests] == ["one.example", "two.example"]

    with pytest.raises(NotSent):
        api.get_balance(wire.client)
    assert [request.url.host for request in wire.requests[2:]] == ["one.example", "two.example", "one.example"]


def test_a_request_is_signed_afresh_with_the_path_from_the_root_and_without_query() -> None:
    wire = Wire(httpx.Response(200, json={"balance": 5}))
    api.get_balance(wire.client, subaccount=3)
    wire.now_ms += 7
    api.get_balance(wire.client)

    assert wire.signer.signed == [
        ("GET", "/trade-api/v2/portfolio/balance", 1_786_000_000_000),
        ("GET", "/trade-api/v2/portfolio/balance", 1_786_000_000_007),
    ]
    assert str(wire.requests[0].url) == "https://one.example/trade-api/v2/portfolio/balance?subaccount=3"
    assert wire.requests[1].headers["kalshi-access-signature"] == "s2"


def test_a_wrong_clock_is_measured_and_the_next_signature_uses_the_exchanges_time() -> None:
    ahead = httpx.Response(200, json={"balance": 5}, headers={"date": formatdate(1_786_000_090, usegmt=True)})
    wire = Wire(ahead)
    api.get_balance(wire.client)

    assert wire.client.clock_offset_ms == 90_500  # half a second: the header has whole seconds
    api.get_balance(wire.client)
    assert wire.signer.signed[1][2] == wire.now_ms + 90_500

    exact = Wire(httpx.Response(200, json={"balance": 5}, headers={"x-exchange-time-ms": "1786000000123"}))
    api.get_balance(exact.client)
    assert exact.client.clock_offset_ms == 123


def test_a_spent_budget_refuses_a_create_at_once_and_sends_nothing() -> None:
    limiter = LocalLimiter(read=Budget(10, 10), write=Budget(1, 100), clock=lambda: 0.0)
    wire = Wire(httpx.Response(201, json=ACK), limiter=limiter)
    for _ in range(7):
        api.create_order(wire.client, ORDER)

    with pytest.raises(RateLimited) as caught:
        api.create_order(wire.client, ORDER)

    assert caught.value.wait_seconds == 10.0
    assert len(wire.requests) == 7
    assert wire.slept == []


def test_an_answer_429_empties_our_bucket_too() -> None:
    limiter = LocalLimiter(read=Budget(1, 100), write=Budget(1, 100), clock=lambda: 0.0)
    wire = Wire(shaped(429, {"error": "too many requests"}), limiter=limiter)

    with pytest.raises(RateLimited):
        api.create_order(wire.client, ORDER)

    assert limiter.levels()["write"].tokens == 0
    assert limiter.levels()["read"].tokens == 100


def test_pages_end_at_any_falsy_cursor_and_at_one_that_repeats() -> None:
    row = {"order_id": "o", "ticker": "T", "status": "resting"}
    for last in ({"cursor": ""}, {"cursor": None}, {}):
        wire = Wire(shaped(200, {"orders": [row], "cursor": "n1"}), shaped(200, {"orders": [row, row], **last}))
        assert len(list(api.get_orders(wire.client, status="resting"))) == 3
        assert wire.requests[1].url.params["cursor"] == "n1"
        assert wire.requests[1].url.params["status"] == "resting"

    wire = Wire(shaped(200, {"orders": [row], "cursor": "same"}))
    assert len(list(api.get_orders(wire.client))) == 2


def test_a_batch_has_an_outcome_per_item_and_a_lost_answer_is_unknown_for_all() -> None:
    items = [ACK, {"error": {"code": "bad"}, "client_order_id": "c-2"}, {"what": 1}, None]
    wire = Wire(shaped(201, {"orders": items}))

    outcomes = api.create_orders(wire.client, [ORDER] * 4)

    assert [(one.ack is not None, one.error is not None) for one in outcomes] == [
        (True, False),
        (False, True),
        (False, False),
        (False, False),
    ]
    with pytest.raises(OutcomeUnknown):
        api.create_orders(Wire(shaped(201, {"orders": items[:3]})).client, [ORDER] * 4)


def test_names_in_a_path_cannot_name_another_resource() -> None:
    wire = Wire(httpx.Response(200, json={"order_id": "o", "reduced_by": "1.00"}))
    api.cancel_order(wire.client, "../../api_keys/x?y", subaccount=0)

    assert wire.requests[0].url.raw_path.startswith(
        b"/trade-api/v2/portfolio/events/orders/..%2F..%2Fapi_keys%2Fx%3Fy?"
    )
    with pytest.raises(ValueError, match="not a name"):
        api.cancel_order(wire.client, "..", subaccount=0)


def test_new_fields_are_kept_and_new_words_are_no_error() -> None:
    row = {"order_id": "o", "ticker": "T", "status": "hibernating", "exchange_index": 0, "side": "yes"}
    order = api.get_order(Wire(shaped(200, {"order": row})).client, "o")

    assert order.status == "hibernating"
    assert order.extra == {"exchange_index": 0}


class Asked:
    """A signature or tokens that were asked for ahead."""

    def __init__(self) -> None:
        self.is_dropped = False
        self.waits: list[float] = [0.0]

    def headers(self) -> dict[str, str]:
        return {"KALSHI-ACCESS-SIGNATURE": "ahead"}

    def wait(self) -> float:
        return self.waits.pop(0)

    def drop(self) -> None:
        self.is_dropped = True


class AheadSigner(Signer):
    def headers_begin(self, method: str, path: str, timestamp_ms: int) -> Asked:
        self.signed.append((method, path, timestamp_ms))
        return Asked()


class AheadLimiter:
    def __init__(self, *waits: float) -> None:
        self.asked = Asked()
        self.asked.waits = list(waits)
        self.taken = 0

    def take(self, cost: int, *, kind: str) -> float:
        self.taken += 1
        return 0.0

    def take_begin(self, cost: int, *, kind: str) -> Asked:
        return self.asked


def ahead_wire(limiter: Any = None) -> Wire:
    wire = Wire(httpx.Response(201, json=ACK))
    wire.signer = AheadSigner()
    wire.client = ExchangeClient(
        HOSTS,
        wire.signer,
        limiter,
        httpx.MockTransport(wire.handle),
        now_ms=lambda: wire.now_ms,
        sleep=wire.slept.append,
    )
    return wire


@pytest.mark.parametrize(("later_ms", "used"), [(0, True), (1_000, True), (1_001, False), (-1, False)])
def test_a_signature_made_ahead_is_used_while_it_is_fresh(later_ms: int, used: bool) -> None:
    wire = ahead_wire()
    ahead = api.create_order_ahead(wire.client)
    wire.now_ms += later_ms

    api.create_order(wire.client, ORDER, ahead=ahead)

    assert (wire.requests[0].headers["KALSHI-ACCESS-SIGNATURE"] == "ahead") is used
    assert len(wire.signer.signed) == (1 if used else 2)
    assert wire.signer.signed[0][:2] == ("POST", "/trade-api/v2/portfolio/events/orders")


def test_a_signature_made_ahead_serves_one_request_of_its_path() -> None:
    wire = ahead_wire()
    ahead = api.create_order_ahead(wire.client)

    wire.client.post("/portfolio/elsewhere", json={}, ahead=ahead)
    api.create_order(wire.client, ORDER, ahead=ahead)
    api.create_order(wire.client, ORDER, ahead=ahead)

    assert [request.headers["KALSHI-ACCESS-SIGNATURE"] == "ahead" for request in wire.requests] == [False, True, False]


def test_tokens_asked_for_ahead_are_taken_once_and_waited_for() -> None:
    limiter = AheadLimiter(0.25)
    wire = ahead_wire(limiter)

    api.create_order(wire.client, ORDER, ahead=api.create_order_ahead(wire.client))

    assert wire.slept == [0.25]
    assert limiter.taken == 1  # after the wait, by itself


def test_what_was_asked_for_ahead_and_not_used_is_let_go() -> None:
    limiter = AheadLimiter(0.0)
    ahead = api.create_order_ahead(ahead_wire(limiter).client)

    ahead.drop()

    assert limiter.asked.is_dropped
    assert ahead.tokens() is None
    assert ahead.headers("/trade-api/v2/portfolio/events/orders", 1_786_000_000_000) is None


@pytest.mark.parametrize(("later_ms", "used"), [(0, True), (500, True), (501, False), (-1, False)])
def test_a_signature_asked_for_when_an_order_was_announced_is_used_while_it_is_fresh(later_ms: int, used: bool) -> None:
    wire = ahead_wire()
    signed = api.create_order_sign(wire.client)
    assert signed.tokens() is None  # a signature costs none
    wire.now_ms += later_ms

    api.create_order(wire.client, ORDER, ahead=api.create_order_ahead(wire.client, signed))

    [request] = wire.requests
    assert request.headers["KALSHI-ACCESS-SIGNATURE"] == "ahead"
    assert len(wire.signer.signed) == (1 if used else 2)


def test_a_signature_that_no_order_used_is_kept_while_it_is_fresh_and_then_made_anew() -> None:
    wire = ahead_wire()
    first = api.create_order_sign(wire.client)

    assert api.create_order_sign(wire.client, first) is first
    wire.now_ms += 501
    second = api.create_order_sign(wire.client, first)

    assert second is not first
    assert len(wire.signer.signed) == 2
    assert first.headers("/trade-api/v2/portfolio/events/orders", wire.now_ms) is None  # dropped
