"""Ask the exchange for the market of some legs: looked up, which is cheap, else made, which the week counts.

Asking again is harmless, because the same legs are the same market (docs: create market in a collection). So a wish is
repeated until it is answered, refused or too old.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from apps.audit import services as audit
from apps.core.combos import Leg
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Permission
from apps.core.timestamps import utc_now
from apps.exchange.clients import client_for
from apps.exchange.wire.api import combos as api
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError, RateLimited, Refused
from apps.exchange.wire.schemas.communications import ComboMarket
from apps.markets.services.collections import combo_save
from apps.orders.access import actor_of
from apps.rfq import queue
from apps.rfq.events import combos as events
from apps.rfq.models import ComboResolution, ComboTicker
from apps.rfq.services.combos import Problem, budget_check, legs_of

logger = logging.getLogger(__name__)

State = ComboResolution.State
# A wish that could not be answered for this long is given up: nobody is waiting for it any more.
GOOD_FOR = timedelta(seconds=60)
NOT_FOUND = 404
MAX_BACKOFF_SECONDS = 8

# What the exchange calls it: the codes of 3.28, and details of `invalid_selected_markets`.
_WORDS = {
    "conflicting_leg_outcomes": "These legs cannot win together.",
    "conflicting_legs": "These legs cannot win together.",
    "duplicated_legs": "A leg is there twice.",
    "duplicate_leg": "A leg is there twice.",
    "invalid_market_combination": "The exchange does not combine these markets.",
    "size": "This collection takes another number of legs.",
    "event_not_in_collection": "An event is not part of this collection.",
    "market_not_in_event": "A market is not one of its event.",
    "market_not_open": "A market is not open: it cannot be a leg now.",
    "side_not_allowed": "A market can be chosen with YES only.",
    "event_size": "Too many or too few markets of one event.",
    "collection_not_open": "This collection takes no combos now.",
}
_CODES = {"conflicting_legs": "conflicting_leg_outcomes", "duplicate_leg": "duplicated_legs"}


def combo_resolve(resolution_pk: int, *, now: datetime | None = None) -> ComboResolution:
    """Make one attempt to answer a wish; returns it afterwards. Safe to call twice, late, or never."""
    now = now or utc_now()
    row = ComboResolution.objects.select_related("account").get(pk=resolution_pk)
    if row.state != State.WAITING:
        return row
    if now - row.asked_at > GOOD_FOR:
        text = row.problem.get("text") or "The exchange could not be asked in time."
        return _refuse(row, Problem("not_resolved", f"Given up: {text}"))
    legs = legs_of(row.legs)
    try:
        _right_check(row)
        client = client_for(row.account_id, write=True)
        found = _known(row) or _looked_up(row, client, legs) or _created(row, client, legs, now=now)
        combo_save(row.account.environment, found.market_ticker, client=client, payload=found.market)
    except DeskError as exc:
        return _refuse(row, Problem(exc.code, exc.text))
    except RateLimited as exc:
        return _again(row, exc, now=now)
    except Refused as exc:
        return _refuse(row, problem_of(exc, legs))
    except ExchangeError as exc:
        return _again(row, exc, now=now)
    return _done(row, found)


def resolutions_sweep(*, now: datetime | None = None) -> None:
    """Queue the wishes that are due: what a worker left, and what could not be answered."""
    now = now or utc_now()
    due = Q(next_look_at=None) | Q(next_look_at__lte=now)
    for row in ComboResolution.objects.filter(due, state=State.WAITING):
        queue.enqueue(queue.COMBO_RESOLVE, row.pk)


def problem_of(exc: Refused, legs: tuple[Leg, ...]) -> Problem:
    """Return a refusal of the exchange in our words, with the legs that it names."""
    said = f"{exc.message} {exc.details}"
    # The more specific word: `invalid_selected_markets` says which rule in its details.
    code = next((word for word in (exc.details.strip().lower(), exc.code.lower()) if word in _WORDS), exc.code)
    named = [leg.market_ticker for leg in legs if leg.market_ticker in said]
    if not named:
        named = [leg.market_ticker for leg in legs if leg.event_ticker and leg.event_ticker in said]
    text = f"{_WORDS[code]} The exchange says: {exc.message}" if code in _WORDS else f"The exchange says: {exc.text}"
    return Problem(_CODES.get(code, code), text[:400], tuple(dict.fromkeys(named)))


def _right_check(row: ComboResolution) -> None:
    actor = actor_of(user_id=row.asked_by_id, desk_id=row.desk_id)
    if actor is None or not actor.may(Permission.RFQ_TRADE):
        raise NotAllowed("The person who asked may no longer trade requests on this desk.")


def _known(row: ComboResolution) -> ComboMarket | None:
    """Asked for by another account meanwhile."""
    kept = ComboTicker.objects.filter(
        environment=row.account.environment, collection_ticker=row.collection_ticker, legs_key=row.legs_key
    ).first()
    return None if kept is None else ComboMarket(event_ticker=kept.event_ticker, market_ticker=kept.ticker)


def _looked_up(row: ComboResolution, client: ExchangeClient, legs: tuple[Leg, ...]) -> ComboMarket | None:
    try:
        return api.lookup_combo_market(client, row.collection_ticker, _pairs(legs))
    except Refused as exc:
        if exc.status != NOT_FOUND:
            raise
    return None


def _created(row: ComboResolution, client: ExchangeClient, legs: tuple[Leg, ...], *, now: datetime) -> ComboMarket:
    """The count is raised before the first byte: one that is in doubt counts."""
    with transaction.atomic():
        if not row.is_created:
            budget_check(row.account, now=now)
            ComboResolution.objects.filter(pk=row.pk).update(is_created=True, created_at=now)
            row.refresh_from_db(fields=["is_created", "created_at"])
    try:
        return api.create_combo_market(client, row.collection_ticker, _pairs(legs))
    except (Refused, RateLimited):
        # Certainly not made.
        ComboResolution.objects.filter(pk=row.pk).update(is_created=False, created_at=None)
        row.refresh_from_db(fields=["is_created", "created_at"])
        raise


def _pairs(legs: tuple[Leg, ...]) -> list[api.Leg]:
    return [(leg.event_ticker, leg.market_ticker, leg.side) for leg in legs]


def _done(row: ComboResolution, found: ComboMarket) -> ComboResolution:
    now = utc_now()
    with transaction.atomic():
        ComboTicker.objects.get_or_create(
            environment=row.account.environment,
            collection_ticker=row.collection_ticker,
            legs_key=row.legs_key,
            defaults={
                "ticker": found.market_ticker,
                "event_ticker": found.event_ticker,
                "legs": row.legs,
                "made_by_id": row.asked_by_id,
                "made_at": now,
                "is_created": row.is_created,
            },
        )
        _move(row, state=State.DONE, ticker=found.market_ticker, problem={}, answered_at=now)
    return row


def _refuse(row: ComboResolution, problem: Problem) -> ComboResolution:
    told = {"code": problem.code, "text": problem.text, "tickers": list(problem.tickers)}
    with transaction.atomic():
        _move(row, state=State.REFUSED, problem=told, answered_at=utc_now())
    return row


def _move(row: ComboResolution, **changes: Any) -> None:
    """WAITING -> an end, once, with its audit row; inside the caller's transaction."""
    waiting = ComboResolution.objects.filter(pk=row.pk, state=State.WAITING)
    changed = waiting.update(version=F("version") + 1, next_look_at=None, **changes)
    row.refresh_from_db()
    if changed:
        events.resolution_publish(row)
        audit.record(
            f"rfq.combo.{row.state}",
            actor_id=None,
            desk_id=row.desk_id,
            environment=row.account.environment,
            target=f"combo_resolution:{row.pk}",
            data={"ticker": row.ticker, "is_created": row.is_created, "problem": row.problem},
        )


def _again(row: ComboResolution, exc: ExchangeError, *, now: datetime) -> ComboResolution:
    logger.warning("the legs of wish %s have no answer yet: %s", row.pk, exc)
    pause = timedelta(seconds=min(MAX_BACKOFF_SECONDS, 2 ** min(row.looks, 3)))
    ComboResolution.objects.filter(pk=row.pk, state=State.WAITING).update(
        looks=F("looks") + 1,
        next_look_at=now + pause,
        problem={"code": exc.code[:60], "text": exc.text[:400], "tickers": []},
        version=F("version") + 1,
    )
    row.refresh_from_db()
    events.resolution_publish(row)
    return row
