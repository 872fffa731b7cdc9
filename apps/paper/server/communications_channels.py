"""The channel `communications`: RFQs to everybody, quotes to their two sides. Confirm, lapse and cancel have no frame.

Source: kalshi-asyncapi.yaml (edition of 2026-05-12); `rfq_creator_id` and `subaccount` on quotes: of 2026-08-22 (3.28).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal
from zlib import crc32

from apps.core.money import format_count_units, format_money_units, format_price_units
from apps.paper.engine.events import QuoteChanged, RfqChanged
from apps.paper.engine.rfq import Quote, Rfq, communications_id
from apps.paper.server.channels import Channel, Subscription, check_shards
from apps.paper.server.hub import Hub
from apps.paper.server.messages import encode_msg
from apps.paper.server.rfq_shapes import combo_json
from apps.paper.server.shapes import Json, time_text

NAME = "communications"
Side = Literal["maker", "requester"]


def shard_of(ticker: str, factor: int) -> int:
    """Where messages about a market go among `factor` shards: the same in every process."""
    return crc32(ticker.encode()) % factor


def _in_shard(ticker: str) -> Callable[[Subscription], bool]:
    """Whether a subscription gets messages about this market; a factor without a key means key 0."""

    def is_in(subscription: Subscription) -> bool:
        factor = subscription.params.shard_factor
        return factor is None or shard_of(ticker, factor) == (subscription.params.shard_key or 0)

    return is_in


def _rfq(hub: Hub, event: RfqChanged) -> None:
    rfq = event.rfq
    if event.step == "created":
        hub.publish(NAME, "rfq_created", lambda: _created_msg(hub, rfq), ticker=rfq.ticker, only=_in_shard(rfq.ticker))
    elif event.step == "deleted":
        hub.publish(
            NAME, "rfq_deleted", lambda: _deleted_msg(rfq, event.ts_ms), ticker=rfq.ticker, only=_in_shard(rfq.ticker)
        )


def _rfq_head(rfq: Rfq, creator_id: str) -> Json:
    msg: Json = {
        "id": rfq.rfq_id,
        "creator_id": creator_id,
        "market_ticker": rfq.ticker,
        "event_ticker": rfq.event_ticker,
    }
    if rfq.target_cost is None:
        return msg | {"contracts_fp": format_count_units(rfq.contracts)}
    return msg | {"target_cost_dollars": format_money_units(rfq.target_cost)}


def _created_msg(hub: Hub, rfq: Rfq) -> str:
    """The creator is "currently empty" here."""
    market = hub.catalogue.market(rfq.ticker)
    combo = {} if market is None else combo_json(market)
    return encode_msg(_rfq_head(rfq, "") | {"created_ts": time_text(rfq.created_ms)} | combo)


def _deleted_msg(rfq: Rfq, ts_ms: int) -> str:
    return encode_msg(_rfq_head(rfq, communications_id(rfq.user_id)) | {"deleted_ts": time_text(ts_ms)})


def _quote(hub: Hub, event: QuoteChanged, *, later: bool) -> None:
    """Each side gets what is its own: the other's order and subaccount are private."""
    if event.step not in ("created", "accepted", "executed"):
        return
    quote = event.quote
    sides: tuple[tuple[Side, str], ...] = (("maker", quote.user_id), ("requester", quote.rfq_user_id))
    for side, user_id in sides:
        hub.publish(
            NAME,
            f"quote_{event.step}",
            partial(_quote_msg, event, side, later),
            ticker=quote.ticker,
            user_ids=(user_id,),
            only=_in_shard(quote.ticker),
        )


def _quote_msg(event: QuoteChanged, side: Side, later: bool) -> str:
    quote = event.quote
    msg: Json = {
        "quote_id": quote.quote_id,
        "rfq_id": quote.rfq_id,
        "quote_creator_id": communications_id(quote.user_id),
    }
    if later or event.step == "executed":
        msg["rfq_creator_id"] = communications_id(quote.rfq_user_id)
    msg["market_ticker"] = quote.ticker
    if event.step == "executed":
        msg |= _execution(quote, side) | {"executed_ts": time_text(event.ts_ms)}
    else:
        msg |= _terms(quote)
    if event.step == "created":
        msg["created_ts"] = time_text(quote.created_ms)
    elif event.step == "accepted":
        msg["accepted_side"] = quote.accepted_side
        if quote.target_cost is None and quote.accepted_side is not None:
            # Of a quote for a target cost only the offered counts tell the size (observed).
            msg["contracts_accepted_fp"] = format_count_units(quote.offered(quote.accepted_side))
    subaccount = quote.subaccount if side == "maker" else quote.rfq_subaccount
    if later and subaccount:
        msg["subaccount"] = subaccount
    return encode_msg(msg)


def _terms(quote: Quote) -> Json:
    msg: Json = {
        "event_ticker": quote.event_ticker,
        "yes_bid_dollars": format_price_units(quote.yes_bid),
        "no_bid_dollars": format_price_units(quote.no_bid),
        "yes_contracts_offered_fp": format_count_units(quote.yes_contracts),
        "no_contracts_offered_fp": format_count_units(quote.no_contracts),
    }
    if quote.target_cost is not None:
        msg["rfq_target_cost_dollars"] = format_money_units(quote.target_cost)
    return msg


def _execution(quote: Quote, side: Side) -> Json:
    if side == "maker":
        return {"order_id": quote.order_id, "client_order_id": quote.client_order_id}
    return {"order_id": quote.rfq_order_id, "client_order_id": quote.rfq_client_order_id}


def _channel(*, later: bool) -> Channel:
    handlers: dict[type, Callable[[Hub, Any], None]] = {RfqChanged: _rfq, QuoteChanged: partial(_quote, later=later)}
    return Channel(NAME, private=True, check=check_shards, on=handlers)


CHANNELS = (_channel(later=False),)
CHANNELS_3_28 = (_channel(later=True),)
