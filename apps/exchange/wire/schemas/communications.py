"""RFQs, quotes and combo collections as REST writes them (3.18.0), field names as on the wire.

Times stay RFC 3339 strings. Deprecated fields are not read.
"""

from typing import Any, ClassVar

from apps.exchange.wire.schemas.base import Wire
from apps.exchange.wire.schemas.ws import ComboLeg


class Created(Wire):
    """Answer to the creation of an RFQ or a quote."""

    id: str


class Rfq(Wire):
    """A request for quotes. status: open, closed, or a newer word."""

    id: str
    market_ticker: str
    status: str
    creator_id: str = ""
    contracts_fp: str | None = None
    target_cost_dollars: str | None = None
    created_ts: str | None = None
    updated_ts: str | None = None
    cancelled_ts: str | None = None
    cancellation_reason: str | None = None
    mve_collection_ticker: str | None = None
    mve_selected_legs: list[ComboLeg] | None = None
    rest_remainder: bool | None = None
    creator_user_id: str | None = None
    creator_subaccount: int | None = None

    IGNORED: ClassVar[frozenset[str]] = frozenset({"contracts", "target_cost_centi_cents"})


class Quote(Wire):
    """A quote. status: open, accepted, confirmed, executed, cancelled, or a newer word.

    accepted_side: the maker's bid that was hit. `yes_contracts_fp` and `no_contracts_fp`: what the
    request's target cost comes to at this quote's prices.
    """

    id: str
    rfq_id: str
    market_ticker: str
    status: str
    creator_id: str = ""
    rfq_creator_id: str = ""
    contracts_fp: str | None = None
    yes_bid_dollars: str | None = None
    no_bid_dollars: str | None = None
    created_ts: str | None = None
    updated_ts: str | None = None
    accepted_side: str | None = None
    accepted_ts: str | None = None
    confirmed_ts: str | None = None
    executed_ts: str | None = None
    cancelled_ts: str | None = None
    cancellation_reason: str | None = None
    rest_remainder: bool | None = None
    post_only: bool | None = None
    creator_user_id: str | None = None
    rfq_creator_user_id: str | None = None
    rfq_target_cost_dollars: str | None = None
    creator_order_id: str | None = None
    rfq_creator_order_id: str | None = None
    creator_subaccount: int | None = None
    rfq_creator_subaccount: int | None = None
    yes_contracts_fp: str | None = None
    no_contracts_fp: str | None = None


class CommunicationsId(Wire):
    """The pseudonym under which the exchange shows this member to others."""

    communications_id: str


class AssociatedEvent(Wire):
    """An event whose markets may be legs. size_min, size_max: how many of its markets one combo may hold."""

    ticker: str
    is_yes_only: bool = False
    size_min: int | None = None
    size_max: int | None = None
    active_quoters: list[str] = []


class Collection(Wire):
    """The rules by which markets are joined into combos (docs: multivariate event collections)."""

    collection_ticker: str
    series_ticker: str = ""
    title: str = ""
    description: str = ""
    functional_description: str = ""
    open_date: str | None = None
    close_date: str | None = None
    associated_events: list[AssociatedEvent] = []
    is_ordered: bool = False
    is_single_market_per_event: bool = False
    is_all_yes: bool = False
    size_min: int = 0
    size_max: int = 0

    IGNORED: ClassVar[frozenset[str]] = frozenset({"associated_event_tickers"})


class ComboMarket(Wire):
    """The market of one combination of legs. `market`: the whole market, when it was asked for."""

    event_ticker: str
    market_ticker: str
    market: dict[str, Any] | None = None
