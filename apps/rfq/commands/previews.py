"""Socket commands that say what a request or a quote would do. Each is a thin way into one service (docs/rfq.md)."""

import uuid
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from apps.accounts.access import account_get_on
from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission, Within
from apps.core.ports import Command, register_command
from apps.core.rfq import Outcome
from apps.core.timestamps import utc_now
from apps.orders.access import require_somewhere
from apps.orders.services.limits import LimitUse
from apps.rfq.asks import ask_from_params
from apps.rfq.events.words import Row, count, dollars, ms, price
from apps.rfq.offers import offer_from_params
from apps.rfq.services.book import Book, average_of
from apps.rfq.services.incoming import incoming_get
from apps.rfq.services.previews import Fees, SidePreview, rfq_preview
from apps.rfq.services.quote_previews import BidPreview, quote_preview

Params = Mapping[str, Any]
NO_KEY = str(uuid.UUID(int=0))


def request(actor: Actor, params: Params) -> Row:
    """As `rfq.send`; no key is needed, because a preview is asked for on each keystroke."""
    told = rfq_preview(actor, ask_from_params(actor, {**params, "idempotency_key": NO_KEY}))
    return {
        "ticker": told.ask.ticker or None,
        "book": _book(told.book),
        **{buys.value: _side(told.sides[buys]) for buys in Outcome},
        "bounds": told.bounds
        and {name: f"{getattr(told.bounds, name):.4f}" for name in ("lowest", "product", "highest")},
        "cash": dollars(told.cash),
        "needed": dollars(told.needed),
        "is_funded": told.is_funded,
        **_common(told.limits, told.approval, told.warnings, told.refusal, told.reasons),
    }


def quote(actor: Actor, params: Params) -> Row:
    """As `quote.send`; no key is needed."""
    require_somewhere(actor, Permission.RFQ_TRADE)
    offer = offer_from_params(actor, {**params, "idempotency_key": NO_KEY})
    account = account_get_on(actor, offer.account_id, offer.subaccount)
    told = quote_preview(actor, offer, incoming_get(account.pk, account.environment, offer.rfq_id))
    return {
        "book": _book(told.book),
        "width": price(offer.prices.width),
        "fair": _rounded(told.fair.value),
        "fair_source": told.fair.source,
        "fair_ms": ms(told.fair.at),
        **{outcome.value: _bid(told.sides[outcome]) for outcome in Outcome},
        "position": count(told.position),
        "cash": dollars(told.cash),
        **_common(told.limits, told.approval, told.warnings, told.refusal, told.reasons),
    }


def register() -> None:
    """Fill the registries of `core.ports`. Called once, by AppConfig.ready()."""
    register_command(Command("rfq.preview", Permission.RFQ_TRADE, request, Within.SUBACCOUNT))
    register_command(Command("quote.preview", Permission.RFQ_TRADE, quote, Within.SUBACCOUNT))


def _common(
    limits: Iterable[LimitUse],
    approval: str,
    warnings: Iterable[tuple[str, str]],
    refusal: DeskError | None,
    reasons: Mapping[str, str],
) -> Row:
    return {
        "limits": [
            {"name": one.name, "limit": str(one.limit), "use": str(one.use), "ok": one.is_kept, "text": one.text}
            for one in limits
        ],
        "approval": approval,
        "warnings": [{"code": code, "text": text} for code, text in warnings],
        "refusal": refusal and {"code": refusal.code, "text": refusal.text, "fields": dict(refusal.fields)},
        "reasons": dict(reasons),
        "at_ms": ms(utc_now()),
    }


def _book(book: Book) -> Row:
    return {
        "yes_bid": price(book.yes_bid),
        "yes_ask": price(book.yes_ask),
        "spread": price(book.spread),
        "is_live": book.is_live,
        "age_ms": book.age_ms,
        "why": book.why,
    }


def _side(side: SidePreview) -> Row:
    swept = side.sweep
    return {
        "sweep": None if swept is None else _rounded(average_of(swept)),
        "sweep_contracts": None if swept is None else count(swept.contracts),
        "sweep_cost": None if swept is None else dollars(swept.cost),
        "sweep_worst": None if swept is None else price(swept.worst),
        "sweep_is_whole": None if swept is None else swept.is_whole,
        "price": price(side.price),
        "basis": side.basis,
        "contracts": count(side.contracts),
        "cost": dollars(side.cost),
        **_fees(side.fees),
        "max_loss": dollars(side.max_loss),
        "max_win": dollars(side.max_win),
    }


def _bid(side: BidPreview) -> Row:
    return {
        "bid": price(side.bid),
        "snapped": price(side.snapped),
        "below": price(side.below),
        "above": price(side.above),
        "contracts": count(side.contracts),
        "cost": dollars(side.cost),
        "position_after": count(side.position_after),
        "exposure_after": dollars(side.exposure_after),
        "edge": _rounded(side.edge),
        "edge_total": dollars(_total(side)),
        "crosses": price(side.crosses),
        **_fees(side.fees),
    }


def _fees(fees: Fees | None) -> Row:
    if fees is None:
        return {"fee": None, "fee_worst": None, "fee_maker": None}
    return {
        "fee": dollars(fees.one_fill),
        "fee_worst": dollars(fees.worst_split),
        "fee_maker": dollars(fees.maker),
    }


def _rounded(value: Decimal | None) -> str | None:
    return None if value is None else price(value.quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP))


def _total(side: BidPreview) -> Decimal | None:
    if side.edge is None or side.contracts is None:
        return None
    return (side.edge * side.contracts).quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)
