"""Taking a quote: the one accept of a request, whoever clicks what (RELIABILITY I12, E6, E7). Nothing is sent here."""

import uuid
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import F

from apps.audit import services as audit
from apps.core.errors import DeskError, NotFound
from apps.core.money import cents_text, count_text, dollars_text
from apps.core.permissions import Actor, Permission
from apps.core.rfq import Outcome, QuoteState, RfqState
from apps.core.timestamps import utc_now
from apps.orders.access import require_on
from apps.orders.services.checks import exchange_check, holding_of, market_check
from apps.orders.services.pauses import pause_check
from apps.rfq import queue
from apps.rfq.events import requests as events
from apps.rfq.models import Accept, Approval, ReceivedQuote, Rfq
from apps.rfq.services.four_eyes import accept_content, accept_size, gate, is_covered
from apps.rfq.services.limits import ask_again_check, limits_check, market_tickers
from apps.rfq.services.requests import account_check
from apps.rfq.services.team import owner_check

# A quote whose price has just changed cannot be taken: the finger was on its way to the older price.
REARM = timedelta(milliseconds=300)
State = Accept.State
# Ended without a trade: another quote of the request may be taken.
OVER = (State.REFUSED, State.NOT_SEEN, State.LAPSED, State.FAILED)


def accept_submit(
    actor: Actor,
    rfq: Rfq,
    *,
    quote_id: str,
    buys: Outcome,
    price_seen: Decimal,
    idempotency_key: uuid.UUID,
    is_auto: bool = False,
    now: datetime | None = None,
    approval: Approval | None = None,
) -> Accept:
    """Commit the one accept of a request, then queue its send. The same key gives the same accept.

    Args:
        price_seen: what one contract of `buys` costs us, dollars, as the person saw it.

    Raises:
        NotAllowed, NotFound: role, another desk's request, an unknown quote.
        DeskError: `price_moved`, `accept_taken` (says who took what), `not_owner`, `quote_over`, `rfq_over`,
            `side_not_quoted`, `just_changed`, `insufficient_funds`, `idempotency_mismatch`, `approval_needed`, or a
            check of the market. Nothing was stored.
    """
    require_on(actor, Permission.RFQ_TRADE, rfq.account_id, rfq.subaccount)
    now = now or utc_now()
    if rfq.desk_id != actor.desk_id:
        raise NotFound("This request does not exist, or it belongs to another desk.")
    known = _known(actor, rfq, quote_id=quote_id, buys=buys, key=idempotency_key)
    if known is not None:
        return known
    try:
        with transaction.atomic():
            # The lock makes two clicks wait for each other on PostgreSQL; SQLite has one writer anyway.
            rfq = Rfq.objects.select_for_update(of=("self",)).select_related("account").get(pk=rfq.pk)
            known = _known(actor, rfq, quote_id=quote_id, buys=buys, key=idempotency_key)
            if known is not None:
                return known
            quote = accept_check(actor, rfq, quote_id=quote_id, buys=buys, price_seen=price_seen, now=now)
            if not (is_auto and is_covered(rfq)):
                size = accept_size(rfq, contracts=events.contracts_of(rfq, quote, buys), price=price_seen)
                content = accept_content(
                    rfq, quote_id=quote_id, buys=buys, price_seen=price_seen, idempotency_key=idempotency_key
                )
                gate(rfq.desk_id, size, content, approval=approval)
                if approval is None and not is_auto:
                    tickers = (*filter(None, (rfq.ticker,)), *market_tickers(rfq.legs))
                    ask_again_check(actor, rfq.account, size=size, tickers=tickers)
            return _commit(
                actor, rfq, quote, buys=buys, price_seen=price_seen, key=idempotency_key, is_auto=is_auto, now=now
            )
    except IntegrityError:
        known = _known(actor, rfq, quote_id=quote_id, buys=buys, key=idempotency_key)
        if known is not None:
            return known
        raise _taken(rfq) from None


def accept_check(
    actor: Actor, rfq: Rfq, *, quote_id: str, buys: Outcome, price_seen: Decimal, now: datetime, is_stored: bool = False
) -> ReceivedQuote:
    """May this quote be taken now, at this price? Asked at the click, and again right before it is sent.

    is_stored: the accept itself is stored already.

    Raises DeskError, NotFound.
    """
    quote = ReceivedQuote.objects.filter(rfq=rfq, quote_id=quote_id).first()
    if quote is None:
        raise NotFound("This quote is not known here. It may have come and gone; look at the list.")
    if not is_stored and rfq.accepts.exclude(state__in=OVER).exists():
        raise _taken(rfq)
    owner_check(actor, rfq.owner_id, what="request")
    if rfq.state != RfqState.OPEN or rfq.close_wanted_at is not None:
        raise DeskError("rfq_over", "This request is no longer open: nothing can be taken.")
    if quote.state != QuoteState.OPEN:
        raise DeskError("quote_over", f"This quote is {quote.get_state_display()}. Choose another one.")
    price = events.prices_of(quote).requester_price(buys)
    if price is None:
        raise DeskError("side_not_quoted", f"This maker gives no price for {buys.upper()}.")
    if price != price_seen:
        moved = f"The price is now {cents_text(price)}, you saw {cents_text(price_seen)}."
        raise DeskError("price_moved", f"{moved} Nothing was sent: look, then click again.")
    if not is_stored and now - quote.changed_at < REARM:
        raise DeskError("just_changed", "This quote changed a moment ago. Look at its price, then click again.")
    account_check(actor, rfq.account_id, rfq.subaccount)
    market_check(actor, rfq.account.environment, rfq.ticker, now=now)
    exchange_check(rfq.account.environment, now=now)
    pause_check(user_id=actor.user_id, desk_id=actor.desk_id)
    size = accept_size(rfq, contracts=events.contracts_of(rfq, quote, buys), price=price)
    tickers = (*filter(None, (rfq.ticker,)), *market_tickers(rfq.legs))
    limits_check(rfq.account, user_id=actor.user_id, size=size, kind="accept", tickers=tickers)
    _funds_check(rfq, quote, buys=buys, price=price)
    return quote


def _funds_check(rfq: Rfq, quote: ReceivedQuote, *, buys: Outcome, price: Decimal) -> None:
    contracts = events.contracts_of(rfq, quote, buys)
    cost = rfq.target_cost if contracts is None else contracts * price
    holding = holding_of(rfq.account_id, rfq.subaccount, rfq.ticker)
    if cost is None or holding.cash is None:
        return
    if holding.position and (holding.position > 0) != (buys is Outcome.YES):
        return  # it closes contracts that are held, wholly or in part: the exchange knows what it costs
    if cost > holding.cash:
        text = f"This costs {dollars_text(cost)} before fees; the balance is {dollars_text(holding.cash)}."
        raise DeskError("insufficient_funds", text)


def _known(actor: Actor, rfq: Rfq, *, quote_id: str, buys: Outcome, key: uuid.UUID) -> Accept | None:
    rows = Accept.objects.filter(accepted_by_id=actor.user_id, idempotency_key=key)
    known = rows.select_related("quote", "rfq").first()
    if known is None:
        return None
    if known.rfq_id != rfq.pk or known.quote.quote_id != quote_id or known.buys != buys:
        raise DeskError("idempotency_mismatch", "This click took another quote already. Reload the page.")
    return known


def _taken(rfq: Rfq) -> DeskError:
    taken = rfq.accepts.exclude(state__in=OVER).select_related("accepted_by", "quote").first()
    if taken is None:
        return DeskError("accept_taken", "Somebody took a quote of this request at the same moment.")
    who = taken.accepted_by.display_name or taken.accepted_by.username
    what = f"{taken.buys.upper()} at {cents_text(taken.price_seen)}"
    return DeskError("accept_taken", f"{who} took {what} already: one quote of a request can be taken.")


def _commit(
    actor: Actor,
    rfq: Rfq,
    quote: ReceivedQuote,
    *,
    buys: Outcome,
    price_seen: Decimal,
    key: uuid.UUID,
    is_auto: bool,
    now: datetime,
) -> Accept:
    contracts = events.contracts_of(rfq, quote, buys)
    accept = Accept.objects.create(
        rfq=rfq,
        quote=quote,
        buys=buys.value,
        price_seen=price_seen,
        contracts=contracts,
        accepted_by_id=actor.user_id,
        is_auto=is_auto,
        idempotency_key=key,
        created_at=now,
    )
    Rfq.objects.filter(pk=rfq.pk).update(version=F("version") + 1)
    events.rfq_publish(rfq)
    queue.enqueue_on_commit(queue.ACCEPT_SEND, accept.pk)
    audit.record(
        "rfq.accept.committed",
        actor_id=actor.user_id,
        desk_id=rfq.desk_id,
        environment=rfq.account.environment,
        target=f"rfq_accept:{accept.pk}",
        data={
            "rfq": rfq.pk,
            "quote_id": quote.quote_id,
            "buys": buys.value,
            "price_seen": price_seen,
            "contracts": None if contracts is None else count_text(contracts),
            "is_auto": is_auto,
        },
    )
    return accept
