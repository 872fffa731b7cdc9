"""Send a request at most once, and its deletion until it is gone. What is in doubt is looked up, never repeated."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from apps.core.combos import Leg
from apps.core.errors import DeskError, NotAllowed, not_sent
from apps.core.money import format_count, format_dollars
from apps.core.permissions import Actor, Permission
from apps.core.rfq import Outcome, RfqState
from apps.core.timestamps import utc_now
from apps.exchange.clients import client_for
from apps.exchange.wire.api import communications as api
from apps.exchange.wire.errors import AlreadyExists, ExchangeError, NotSent, RateLimited, Refused
from apps.orders.access import actor_of
from apps.rfq import queue
from apps.rfq.asks import Ask, AutoAccept
from apps.rfq.events import requests as events
from apps.rfq.models import ComboResolution, Rfq
from apps.rfq.services.combos import combo_want
from apps.rfq.services.combos_send import combo_resolve
from apps.rfq.services.requests import close_want, rfq_check, room_check
from apps.rfq.services.routes import request_route_of
from apps.rfq.services.unsent import look_again, refuse_unsent, row_record

logger = logging.getLogger(__name__)

# A request that nobody could claim for this long is not sent any more: it meant that moment's market.
GOOD_FOR = timedelta(seconds=15)
# In SENDING for longer than this its worker died: it is looked up.
INTERRUPTED_AFTER = timedelta(seconds=20)
TOO_LATE = "Not sent: the desk could not send it in time. Nothing reached the exchange."
LEGS_GO = "legs"  # no ticker: those are in capitals


def rfq_send(rfq_pk: int) -> Rfq | None:
    """Send one committed request. Returns it afterwards, or None when there was nothing to claim.

    Safe to call twice, late, or never. Source: docs:api-reference/communications/create-rfq.
    """
    if not _combo_known(rfq_pk):
        return None
    if not _claim(rfq_pk):
        rfqs_expire(rfq_pk=rfq_pk)
        return None
    rfq = Rfq.objects.select_related("account").get(pk=rfq_pk)
    events.rfq_publish(rfq)
    try:
        _check_again(rfq)
        route = request_route_of(rfq.account_id)
        if route is not None:
            rfq_id, ticker = route.request(rfq)
            return rfq_opened(rfq, rfq_id, ticker=ticker)
        client = client_for(rfq.account_id, write=True)
    except (ExchangeError, DeskError) as exc:
        return _failed(rfq, exc)
    try:
        rfq_id = api.create_rfq(
            client,
            ticker=rfq.ticker,
            contracts=None if rfq.contracts is None else format_count(rfq.contracts),
            target_cost=None if rfq.target_cost is None else format_dollars(rfq.target_cost),
            rest_remainder=rfq.rest_remainder,
            replace_existing=rfq.replace_existing,
            subaccount=rfq.subaccount,
        )
    except (ExchangeError, DeskError) as exc:
        return _failed(rfq, exc)
    return rfq_opened(rfq, rfq_id)


def rfq_opened(rfq: Rfq, rfq_id: str, *, ticker: str = "") -> Rfq:
    """The exchange has it: SENDING, UNKNOWN, NOT_SEEN or REFUSED -> OPEN. A repeat changes nothing.

    ticker: the market, of a request that left with legs alone.
    """
    now = utc_now()
    with transaction.atomic():
        rows = Rfq.objects.filter(pk=rfq.pk, rfq_id=None)
        changed = rows.update(
            rfq_id=rfq_id,
            state=RfqState.OPEN,
            ticker=rfq.ticker or ticker,
            answered_at=now,
            error_code="",
            error_text="",
            version=F("version") + 1,
        )
        rfq.refresh_from_db()
        if changed:
            if rfq.replace_existing:
                _replaced(rfq, now=now)
            events.rfq_publish(rfq)
            row_record("open", rfq, {"rfq_id": rfq_id})
            if rfq.close_wanted_at is not None:
                queue.enqueue_on_commit(queue.RFQ_CLOSE, rfq.pk)
    return rfq


def rfq_end(rfq: Rfq, *, state: RfqState, code: str = "", text: str = "") -> Rfq:
    """SENDING -> REFUSED or UNKNOWN; loses against evidence of an open request, as it should."""
    now = utc_now()
    changes: dict[str, Any] = {"error_code": code[:60], "error_text": text[:400], "answered_at": now}
    if state == RfqState.UNKNOWN:
        changes["next_look_at"] = now
    with transaction.atomic():
        rows = Rfq.objects.filter(pk=rfq.pk, state=RfqState.SENDING)
        changed = rows.update(state=state, version=F("version") + 1, **changes)
        rfq.refresh_from_db()
        if changed:
            events.rfq_publish(rfq)
            row_record(state.value, rfq, {"code": code[:60], "text": text[:400]})
            if state == RfqState.UNKNOWN:
                queue.enqueue_on_commit(queue.RFQ_RESOLVE, rfq.pk)
    return rfq


def rfq_delete(rfq_pk: int) -> Rfq | None:
    """Make one attempt to end a request that somebody wants gone. Returns it afterwards, None when nothing was due.

    A 404 is a question, not an answer: it may have executed. The look that follows tells.
    """
    rfq = Rfq.objects.select_related("account").filter(pk=rfq_pk, close_wanted_at__isnull=False).first()
    if rfq is None:
        return None
    if rfq.state == RfqState.COMMITTED:
        return _withdrawn(rfq)
    if rfq.state != RfqState.OPEN or not rfq.rfq_id:
        return None  # its outcome comes first; the sweep comes back
    try:
        route = request_route_of(rfq.account_id)
        if route is None or not route.close(rfq):
            api.delete_rfq(client_for(rfq.account_id, write=True), rfq.rfq_id)
    except (NotSent, RateLimited, DeskError) as exc:
        look_again(rfq, why=str(exc))
        return rfq
    except ExchangeError as exc:
        logger.info("the deletion of request %s is in doubt, reading: %s", rfq.pk, exc)
    look_again(rfq, why="")
    queue.enqueue(queue.RFQ_RESOLVE, rfq.pk)
    return rfq


def rfqs_expire(*, rfq_pk: int | None = None, now: datetime | None = None) -> int:
    """COMMITTED and older than GOOD_FOR -> REFUSED; returns how many. Nothing of them was sent."""
    now = now or utc_now()
    late = Rfq.objects.filter(state=RfqState.COMMITTED, created_at__lte=now - GOOD_FOR)
    if rfq_pk is not None:
        late = late.filter(pk=rfq_pk)
    return sum(refuse_unsent(rfq, code="too_late", text=TOO_LATE, now=now) for rfq in late.select_related("account"))


def rfqs_interrupted(*, now: datetime | None = None) -> int:
    """SENDING without an answer for INTERRUPTED_AFTER -> UNKNOWN; returns how many. Never sent again."""
    now = now or utc_now()
    text = "The desk was interrupted while sending. Looking it up at the exchange."
    stuck = Rfq.objects.filter(state=RfqState.SENDING, claimed_at__lte=now - INTERRUPTED_AFTER)
    ended: Iterable[Rfq] = (
        rfq_end(rfq, state=RfqState.UNKNOWN, code="interrupted", text=text) for rfq in stuck.select_related("account")
    )
    return sum(rfq.state == RfqState.UNKNOWN for rfq in ended)


def _combo_known(rfq_pk: int) -> bool:
    """Give a combo without a market its market; False while the exchange has not named it, or when it was refused.

    Asking is repeated with the sweep, as long as the request is fresh: the same legs are the same market.
    """
    fresh = Rfq.objects.filter(state=RfqState.COMMITTED, created_at__gt=utc_now() - GOOD_FOR, close_wanted_at=None)
    rfq = fresh.select_related("account").filter(pk=rfq_pk, ticker="").exclude(legs=[]).first()
    if rfq is None:
        return True
    try:
        actor = None if rfq.placed_by_id is None else actor_of(user_id=rfq.placed_by_id, desk_id=rfq.desk_id)
        if actor is None:
            raise NotAllowed("The person who asked is no longer on this desk.")
        ticker = _combo_ticker(rfq, actor)
        if ticker == LEGS_GO:
            return True
        if ticker is None:
            return False
        room_check(actor, replace(ask_of(rfq), ticker=ticker))
    except DeskError as exc:
        refuse_unsent(rfq, code=exc.code, text=not_sent(exc.text)[:400], now=utc_now())
        return False
    Rfq.objects.filter(pk=rfq.pk, ticker="").update(ticker=ticker, version=F("version") + 1)
    return True


def _combo_ticker(rfq: Rfq, actor: Actor) -> str | None:
    """Return the market, None while it is not known, LEGS_GO where the request may name its legs alone.

    Raises DeskError when the legs are refused.
    """
    ticker, wish = combo_want(actor, rfq.account, rfq.collection_ticker, ask_of(rfq).legs)
    if wish is None:
        return ticker
    if request_route_of(rfq.account_id) is not None:
        # By FIX the exchange makes the market of the legs itself; the wish counts it, and reads its name by REST.
        rows = ComboResolution.objects.filter(pk=wish.pk, is_created=False)
        rows.update(is_created=True, created_at=utc_now())
        return LEGS_GO
    wish = combo_resolve(wish.pk)
    if wish.state == ComboResolution.State.REFUSED:
        raise DeskError(wish.problem["code"], wish.problem["text"])
    return wish.ticker or None


def _claim(rfq_pk: int) -> bool:
    """COMMITTED -> SENDING, once ever, while it is fresh and still wanted."""
    now = utc_now()
    fresh = Rfq.objects.filter(pk=rfq_pk, state=RfqState.COMMITTED, created_at__gt=now - GOOD_FOR, close_wanted_at=None)
    return fresh.update(state=RfqState.SENDING, claimed_at=now, version=F("version") + 1) == 1


def _check_again(rfq: Rfq) -> None:
    """Ask once more for the author's right, the market and the pauses. Raises DeskError."""
    actor = None if rfq.placed_by_id is None else actor_of(user_id=rfq.placed_by_id, desk_id=rfq.desk_id)
    if actor is None or not actor.may_on(Permission.RFQ_TRADE, rfq.account_id, rfq.subaccount):
        raise NotAllowed("The person who asked may no longer trade requests on this desk.")
    # Itself stands among the unresolved ones; whether there is room was asked when it was committed.
    rfq_check(actor, ask_of(rfq), now=utc_now(), is_stored=True)


def ask_of(rfq: Rfq) -> Ask:
    """Return a stored request as it was asked for."""
    assert rfq.idempotency_key is not None
    auto = None
    if rfq.auto_accept:
        auto = AutoAccept(Outcome(rfq.auto_accept), rfq.auto_min_quotes, rfq.auto_after or timedelta())
    return Ask(
        idempotency_key=rfq.idempotency_key,
        account_id=rfq.account_id,
        subaccount=rfq.subaccount,
        ticker=rfq.ticker,
        collection=rfq.collection_ticker,
        legs=tuple(Leg(leg["event_ticker"], leg["market_ticker"], leg["side"]) for leg in rfq.legs),
        contracts=rfq.contracts,
        target_cost=rfq.target_cost,
        rest_remainder=rfq.rest_remainder,
        replace_existing=rfq.replace_existing,
        limit_yes=rfq.limit_yes,
        limit_no=rfq.limit_no,
        note=rfq.note,
        auto=auto,
    )


def _failed(rfq: Rfq, exc: ExchangeError | DeskError) -> Rfq:
    match exc:
        case Refused():
            return rfq_end(rfq, state=RfqState.REFUSED, code=exc.code, text=exc.text)
        case NotSent():
            return rfq_end(rfq, state=RfqState.REFUSED, code=exc.code, text=f"It never left the desk. {exc.text}")
        case RateLimited() | DeskError():
            return rfq_end(rfq, state=RfqState.REFUSED, code=exc.code, text=not_sent(exc.text))
        case AlreadyExists():
            # Ours, in case an answer was lost, or one that stands in the way: the list of own requests tells.
            return rfq_end(
                rfq, state=RfqState.UNKNOWN, code="rfq_exists", text="The exchange has an open request on it."
            )
    return rfq_end(rfq, state=RfqState.UNKNOWN, code=exc.code, text=exc.text)


def _replaced(rfq: Rfq, *, now: datetime) -> None:
    """Our older request on this market was closed by the exchange in favour of this one."""
    older = Rfq.objects.filter(account_id=rfq.account_id, ticker=rfq.ticker, state=RfqState.OPEN).exclude(pk=rfq.pk)
    for other in older.select_related("account"):
        Rfq.objects.filter(pk=other.pk, state=RfqState.OPEN).update(
            state=RfqState.CLOSED, closing_reason="replaced by a newer request", closed_at=now, version=F("version") + 1
        )
        other.refresh_from_db()
        events.rfq_publish(other)


def _withdrawn(rfq: Rfq) -> Rfq | None:
    changed = refuse_unsent(rfq, code="withdrawn", text="Withdrawn before it was sent.", now=utc_now())
    return rfq if changed else None


def rfqs_time_out(*, now: datetime | None = None) -> int:
    """Want those gone whose own time-out has passed; returns how many."""
    now = now or utc_now()
    over = Rfq.objects.filter(state__in=[RfqState.COMMITTED, RfqState.OPEN], ends_at__lte=now, close_wanted_at=None)
    count = 0
    for rfq in over.select_related("account"):
        with transaction.atomic():
            close_want(rfq, actor_id=None, why="its time-out passed", now=now)
        count += 1
    return count
