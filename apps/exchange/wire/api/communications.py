"""Requests for quotes and quotes. Source: docs:getting_started/rfqs and docs:api-reference/communications.

Prices are the maker's bids in dollars per contract; `accepted_side` names the maker's bid that is
hit: "yes" leaves the requester with NO at 1 - yes_bid, "no" with YES at 1 - no_bid.
"""

from collections.abc import Iterator
from typing import Any, Literal

from apps.exchange.wire.api.calls import one, pages, segment
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.schemas.communications import CommunicationsId, Created, Quote, Rfq

_RFQS = "/communications/rfqs"
_QUOTES = "/communications/quotes"
QUOTE_COST = 2  # tokens of creating, reading and deleting one quote

Side = Literal["yes", "no"]


def create_rfq(
    client: ExchangeClient,
    *,
    ticker: str,
    contracts: str | None = None,
    target_cost: str | None = None,
    rest_remainder: bool,
    replace_existing: bool = False,
    subaccount: int = 0,
) -> str:
    """Ask for quotes; return the id. Exactly one of contracts ("100.00") and target_cost ("250.00", dollars).

    Raises:
        NotExecuted, AlreadyExists (an open request on this market), OutcomeUnknown.
    """
    if (contracts is None) == (target_cost is None):
        raise ValueError("an RFQ has either contracts or a target cost")
    body: dict[str, Any] = {
        "market_ticker": ticker,
        "rest_remainder": rest_remainder,
        "replace_existing": replace_existing,
        "subaccount": subaccount,
    }
    if contracts is not None:
        body["contracts_fp"] = contracts
    else:
        body["target_cost_dollars"] = target_cost
    return one(Created, client.post(_RFQS, json=body), is_read=False).id


def get_rfq(client: ExchangeClient, rfq_id: str) -> Rfq:
    return one(Rfq, client.get(f"{_RFQS}/{segment(rfq_id)}"), is_read=True, key="rfq")


def get_rfqs(
    client: ExchangeClient,
    *,
    own: bool = False,
    ticker: str | None = None,
    status: Literal["open", "closed"] | None = None,
    subaccount: int | None = None,
) -> Iterator[Rfq]:
    """own: only those of this key's member."""
    params = {
        "user_filter": "self" if own else None,
        "market_ticker": ticker,
        "status": status,
        "subaccount": subaccount,
        "limit": 100,
    }
    return pages(client, _RFQS, key="rfqs", cls=Rfq, params=params)


def delete_rfq(client: ExchangeClient, rfq_id: str) -> None:
    """Withdraw a request: the safe direction, paid from the reserve for cancels."""
    client.delete(f"{_RFQS}/{segment(rfq_id)}", cost=10)


def create_quote(
    client: ExchangeClient,
    *,
    rfq_id: str,
    yes_bid: str,
    no_bid: str,
    rest_remainder: bool,
    post_only: bool = False,
    subaccount: int = 0,
) -> str:
    """Quote both sides of a request for its whole size; return the id. "0" declines a side, not both.

    It replaces the member's quote on this request. Raises NotExecuted, OutcomeUnknown: a repeat that
    arrives late would replace a newer price.
    """
    body = {
        "rfq_id": rfq_id,
        "yes_bid": yes_bid,
        "no_bid": no_bid,
        "rest_remainder": rest_remainder,
        "post_only": post_only,
        "subaccount": subaccount,
    }
    return one(Created, client.post(_QUOTES, json=body, cost=QUOTE_COST), is_read=False).id


def get_quote(client: ExchangeClient, quote_id: str) -> Quote:
    return one(Quote, client.get(f"{_QUOTES}/{segment(quote_id)}", cost=QUOTE_COST), is_read=True, key="quote")


def get_quotes(
    client: ExchangeClient,
    *,
    own: bool = False,
    on_own_rfqs: bool = False,
    rfq_id: str | None = None,
    ticker: str | None = None,
    status: str | None = None,
) -> Iterator[Quote]:
    """own: made by this key's member. on_own_rfqs: received by it."""
    params = {
        "user_filter": "self" if own else None,
        "rfq_user_filter": "self" if on_own_rfqs else None,
        "rfq_id": rfq_id,
        "market_ticker": ticker,
        "status": status,
        "limit": 500,
    }
    return pages(client, _QUOTES, key="quotes", cls=Quote, params=params)


def delete_quote(client: ExchangeClient, quote_id: str) -> None:
    """Withdraw a quote that nobody has accepted: the safe direction."""
    client.delete(f"{_QUOTES}/{segment(quote_id)}", cost=QUOTE_COST)


def accept_quote(client: ExchangeClient, quote_id: str, *, side: Side) -> None:
    """Take a quote. side: the maker's bid that is hit. At most once per request; then look."""
    client.put(f"{_QUOTES}/{segment(quote_id)}/accept", json={"accepted_side": side})


def confirm_quote(client: ExchangeClient, quote_id: str) -> None:
    """Stand by an accepted quote. Repeating it is harmless; a body is needed, without one it is refused."""
    client.put(f"{_QUOTES}/{segment(quote_id)}/confirm", json={}, kind="cancel")


def get_communications_id(client: ExchangeClient) -> str:
    body = client.get("/communications/id")
    return one(CommunicationsId, body, is_read=True).communications_id
