"""RFQs and quotes: ask, quote, accept, confirm, withdraw, and the lists of both.

Source: kalshi-openapi.yaml 3.18.0, tag communications; RFQ-scoped quote paths and times of quote lists: 3.28.0.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal

import msgspec

from apps.core.money import WireFormatError, count_units_from_wire, money_units_from_wire, price_units_from_wire
from apps.paper.engine.rfq import NewQuote, NewRfq, Quote, Rfq, communications_id
from apps.paper.engine.units import CENTICENT, CONTRACT, Outcome
from apps.paper.server import params
from apps.paper.server.buckets import QUOTE_COST
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import JSON_TYPE, ApiError, Response
from apps.paper.server.order_requests import decode
from apps.paper.server.params import Query
from apps.paper.server.rfq_shapes import quote_json, rfq_json

RFQ_STATUSES = ("open", "closed")
QUOTE_STATUSES = ("open", "accepted", "confirmed", "executed", "cancelled")
MAX_RFQS = 100  # per page
MAX_QUOTES = 500  # per page


class RfqBody(msgspec.Struct):
    """contracts and contracts_fp must say the same, so must the two target costs; 0 of the whole numbers is "none"."""

    market_ticker: str
    rest_remainder: bool
    contracts: int | None = None
    contracts_fp: str | None = None
    target_cost_centi_cents: int | None = None
    target_cost_dollars: str | None = None
    replace_existing: bool | None = None
    subtrader_id: str | None = None
    subaccount: int | None = None

    def count(self) -> int | None:
        """Count units.

        Raises:
            ApiError: 400.
        """
        given: set[int] = set()
        if self.contracts:
            given.add(self.contracts * CONTRACT)
        if self.contracts_fp is not None:
            given.add(_read("contracts_fp", self.contracts_fp, "count"))
        return _one("contracts", given)

    def target_cost(self) -> int | None:
        """Micro-dollars.

        Raises:
            ApiError: 400.
        """
        given: set[int] = set()
        if self.target_cost_centi_cents:
            given.add(self.target_cost_centi_cents * CENTICENT)
        if self.target_cost_dollars:
            given.add(_read("target_cost_dollars", self.target_cost_dollars, "money"))
        return _one("target_cost_dollars", given)


class QuoteBody(msgspec.Struct):
    rfq_id: str
    yes_bid: str
    no_bid: str
    rest_remainder: bool
    post_only: bool | None = None
    subaccount: int | None = None


class AcceptBody(msgspec.Struct):
    accepted_side: Outcome


def communications_of_caller(core: Core, call: Call) -> Response:
    return Response.json({"communications_id": communications_id(call.user_id)})


# --- RFQs ----------------------------------------------------------------------------------------
def rfq_create(core: Core, call: Call) -> Response:
    body = decode(call.request.body, RfqBody)
    if core.replay_markets is not None and core.replay_markets.market(body.market_ticker):
        raise ApiError(400, "market_inactive", f"{body.market_ticker} is a replay of recorded frames")
    request = NewRfq(
        ticker=body.market_ticker,
        rest_remainder=body.rest_remainder,
        contracts=body.count(),
        target_cost=body.target_cost(),
        replace_existing=bool(body.replace_existing),
        subaccount=_subaccount(core, call, body),
    )
    return Response.json({"id": core.exchange.create_rfq(call.user_id, request).rfq_id}, status=201)


def _subaccount(core: Core, call: Call, body: RfqBody) -> int:
    """The subaccount asked for; an FCM member may name the subtrader whose it is."""
    if not body.subtrader_id:
        return body.subaccount or 0
    number = core.exchange.member(call.user_id).subtraders.get(body.subtrader_id)
    if number is None or body.subaccount not in (None, number):
        raise params.invalid("subtrader_id", "one of an FCM member, without another subaccount")
    return number


def rfqs(core: Core, call: Call) -> Response:
    """RFQs of all members; filters by a user id or a subaccount, which are private, find the caller's own only."""
    query = call.request.query
    size = params.limit(query, default=MAX_RFQS, maximum=MAX_RFQS)
    found = list(islice(_rfqs_found(core, call.user_id, query), size + 1))
    page, cursor = params.newest_first(found, size=size)
    markets = core.exchange.markets
    rows = [rfq_json(rfq, markets.get(rfq.ticker), viewer=call.user_id) for rfq in page]
    return Response.json({"rfqs": rows, "cursor": cursor})


def _rfqs_found(core: Core, user_id: str, query: Query) -> Iterator[Rfq]:
    before = params.cursor(query)
    ticker, event_ticker = params.text(query, "market_ticker"), params.text(query, "event_ticker")
    subaccount = params.whole(query, "subaccount")
    status = params.choice(query, "status", RFQ_STATUSES)
    creator = params.text(query, "creator_user_id")
    own = params.choice(query, "user_filter", ("self",)) is not None
    if creator not in (None, user_id):
        return
    own = own or creator is not None or subaccount is not None
    for rfq in reversed(core.exchange.board.rfqs.values()):
        if (
            (before is None or rfq.sequence < before)
            and ticker in (None, rfq.ticker)
            and event_ticker in (None, rfq.event_ticker)
            and status in (None, rfq.status)
            and (not own or rfq.user_id == user_id)
            and subaccount in (None, rfq.subaccount)
        ):
            yield rfq


def rfq_one(core: Core, call: Call) -> Response:
    rfq = core.exchange.rfq(call.path["rfq_id"])
    return Response.json({"rfq": rfq_json(rfq, core.exchange.markets.get(rfq.ticker), viewer=call.user_id)})


def rfq_delete(core: Core, call: Call) -> Response:
    core.exchange.delete_rfq(call.user_id, call.path["rfq_id"])
    return Response(204)


# --- quotes --------------------------------------------------------------------------------------
def quote_create(core: Core, call: Call) -> Response:
    body = decode(call.request.body, QuoteBody)
    request = NewQuote(
        rfq_id=body.rfq_id,
        yes_bid=_read("yes_bid", body.yes_bid, "price"),
        no_bid=_read("no_bid", body.no_bid, "price"),
        rest_remainder=body.rest_remainder,
        post_only=bool(body.post_only),
        subaccount=body.subaccount or 0,
    )
    return Response.json({"id": core.exchange.create_quote(call.user_id, request).quote_id}, status=201)


def quotes(core: Core, call: Call) -> Response:
    """Quotes that the caller made or got; nobody sees those of others, whatever the filters say."""
    query = call.request.query
    size = params.limit(query, default=MAX_QUOTES, maximum=MAX_QUOTES)
    found = list(islice(_quotes_found(core, call.user_id, query), size + 1))
    page, cursor = params.newest_first(found, size=size)
    return Response.json({"quotes": [quote_json(quote, viewer=call.user_id) for quote in page], "cursor": cursor})


def _quotes_found(core: Core, user_id: str, query: Query) -> Iterator[Quote]:
    before = params.cursor(query)
    status = params.choice(query, "status", QUOTE_STATUSES)
    makers = {params.text(query, "quote_creator_user_id")} - {None}
    askers = {params.text(query, "rfq_creator_user_id")} - {None}
    if params.choice(query, "user_filter", ("self",)):
        makers.add(user_id)
    if params.choice(query, "rfq_user_filter", ("self",)):
        askers.add(user_id)
    rfq_id = params.text(query, "rfq_id")
    subtrader_id = params.text(query, "rfq_creator_subtrader_id")
    number = core.exchange.member(user_id).subtraders.get(subtrader_id or "")
    if subtrader_id is not None:
        askers.add(user_id)
        if number is None:
            return  # it is no FCM member's
    if (makers | askers) - {user_id}:
        return  # the user id of another member is private: it is not found by it
    for quote in _narrowed(core, reversed(core.exchange.board.quotes_seen_by(user_id).values()), query):
        if (
            (before is None or quote.sequence < before)
            and status in (None, quote.status)
            and rfq_id in (None, quote.rfq_id)
            and (not makers or quote.user_id == user_id)
            and (not askers or quote.rfq_user_id == user_id)
            and number in (None, quote.rfq_subaccount)
        ):
            yield quote


def _narrowed(core: Core, rows: Iterable[Quote], query: Query) -> Iterator[Quote]:
    """3.18 narrows by market and event, 3.28 by the time of the last update (Unix seconds, both ends left out)."""
    if core.edition == "3.28":
        since, until = params.whole(query, "min_ts"), params.whole(query, "max_ts")
        for quote in rows:
            is_after = since is None or quote.updated_ms > since * 1000
            if is_after and (until is None or quote.updated_ms < until * 1000):
                yield quote
        return
    ticker, event_ticker = params.text(query, "market_ticker"), params.text(query, "event_ticker")
    for quote in rows:
        if ticker in (None, quote.ticker) and event_ticker in (None, quote.event_ticker):
            yield quote


def quote_one(core: Core, call: Call) -> Response:
    quote = core.exchange.quote(call.user_id, call.path["quote_id"], rfq_id=call.path.get("rfq_id"))
    return Response.json({"quote": quote_json(quote, viewer=call.user_id)})


def quote_delete(core: Core, call: Call) -> Response:
    core.exchange.delete_quote(call.user_id, call.path["quote_id"], rfq_id=call.path.get("rfq_id"))
    return Response(204)


def quote_accept(core: Core, call: Call) -> Response:
    _check_content_type(core, call)
    body = decode(call.request.body, AcceptBody)
    core.exchange.accept_quote(
        call.user_id, call.path["quote_id"], side=body.accepted_side, rfq_id=call.path.get("rfq_id")
    )
    return Response(204)


def quote_confirm(core: Core, call: Call) -> Response:
    _check_content_type(core, call)
    call.request.json()
    core.exchange.confirm_quote(call.user_id, call.path["quote_id"], rfq_id=call.path.get("rfq_id"))
    return Response(204)


def _check_content_type(core: Core, call: Call) -> None:
    """A PUT without a JSON content type is refused in production, a confirm without a body too (observed)."""
    given = call.request.headers.get("content-type", "")
    if core.exchange.rfq_rules.put_needs_json and not given.startswith(JSON_TYPE):
        raise ApiError(400, "invalid_content_type", f"send Content-Type: {JSON_TYPE}")


def _read(name: str, raw: str, kind: Literal["count", "money", "price"]) -> int:
    try:
        if kind == "count":
            return count_units_from_wire(raw)
        return money_units_from_wire(raw) if kind == "money" else price_units_from_wire(raw)
    except WireFormatError as exc:
        raise ApiError(400, "invalid_parameters", str(exc), details=name) from exc


def _one(name: str, given: set[int]) -> int | None:
    if len(given) > 1:
        raise params.invalid(name, "the same in both of its forms")
    return given.pop() if given else None


RFQS = "/communications/rfqs"
QUOTES = "/communications/quotes"


def _quote_operations(one: str) -> list[Operation]:
    return [
        Operation("GET", one, quote_one, cost=QUOTE_COST),
        Operation("DELETE", one, quote_delete, access="write", bucket="write", cost=QUOTE_COST),
        Operation("PUT", f"{one}/accept", quote_accept, access="write", bucket="write"),
        Operation("PUT", f"{one}/confirm", quote_confirm, access="write", bucket="write"),
    ]


OPERATIONS = [
    Operation("GET", "/communications/id", communications_of_caller),
    Operation("GET", RFQS, rfqs),
    Operation("POST", RFQS, rfq_create, access="write", bucket="write"),
    Operation("GET", f"{RFQS}/{{rfq_id}}", rfq_one),
    Operation("DELETE", f"{RFQS}/{{rfq_id}}", rfq_delete, access="write", bucket="write"),
    Operation("GET", QUOTES, quotes),
    Operation("POST", QUOTES, quote_create, access="write", bucket="write", cost=QUOTE_COST),
    *_quote_operations(f"{QUOTES}/{{quote_id}}"),
]
OPERATIONS_3_28 = _quote_operations(f"{RFQS}/{{rfq_id}}/quotes/{{quote_id}}")
