"""A request for quotes from the click to the committed row, and its wish to end. Nothing is sent here."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from apps.accounts.access import account_get_on
from apps.accounts.models import ExchangeAccount
from apps.audit import services as audit
from apps.core.errors import DeskError
from apps.core.money import cents_text, count_text, dollars_text
from apps.core.permissions import Actor, Permission
from apps.core.rfq import RfqState
from apps.core.timestamps import utc_now
from apps.markets import builder
from apps.markets.models import Market
from apps.orders.access import require_on
from apps.orders.services.checks import MAX_COUNT, exchange_check, holding_of, market_check
from apps.orders.services.pauses import pause_check
from apps.rfq import queue
from apps.rfq.asks import Ask
from apps.rfq.events import requests as events
from apps.rfq.models import Approval, Rfq
from apps.rfq.services import combos
from apps.rfq.services.book import book_of
from apps.rfq.services.books_wanted import books_ask, tickers_of
from apps.rfq.services.four_eyes import ask_content, ask_size, gate
from apps.rfq.services.limits import limits_check
from apps.vault.models import ApiKey

# What still may become an open request at the exchange, or is one.
UNRESOLVED = (RfqState.COMMITTED, RfqState.SENDING, RfqState.UNKNOWN)
LIVE = (*UNRESOLVED, RfqState.OPEN)
MOST_OPEN = 100  # per member, docs:api-reference/communications/create-rfq


def rfq_submit(actor: Actor, ask: Ask, *, now: datetime | None = None, approval: Approval | None = None) -> Rfq:
    """Check a request, commit it with its audit row, then queue the send.

    The same idempotency key gives the same request, however often it is submitted.

    Raises:
        NotAllowed, NotFound: role, or another desk's account.
        DeskError: what is wrong, in words; `idempotency_mismatch`, `rfq_open` when the desk knows of an open
            request on this market and the ask does not replace it; `approval_needed` above the desk's threshold.
            Nothing was stored.
    """
    require_on(actor, Permission.RFQ_TRADE, ask.account_id, ask.subaccount)
    now = now or utc_now()
    ready = ask_ready(actor, ask)
    known = known_rfq(actor, ready)
    if known is not None:
        return known
    account, _ = rfq_check(actor, ready, now=now)
    gate(actor.desk_id, ask_size(ask), ask_content(ask), approval=approval)
    try:
        with transaction.atomic():
            return known_rfq(actor, ready) or _commit(actor, ready, account=account, now=now)
    except IntegrityError:
        known = known_rfq(actor, ready)
        if known is None:
            raise
        return known


def ask_ready(actor: Actor, ask: Ask) -> Ask:
    """Return the ask of a combo with its legs in order and the market that they are, "" while it is not known.

    The legs say what is asked for; a ticker that came beside them is not believed. Raises NotFound.
    """
    if not ask.is_combo:
        return ask
    environment = account_get_on(actor, ask.account_id, ask.subaccount).environment
    collection = builder.collection_get(environment, ask.collection)
    legs = combos.canonical(collection, ask.legs)
    return replace(ask, legs=legs, ticker=combos.known_ticker(environment, collection, legs) or "")


def known_rfq(actor: Actor, ask: Ask) -> Rfq | None:
    """Return the request of this key. Raises DeskError when it is a different one."""
    known = Rfq.objects.filter(placed_by_id=actor.user_id, idempotency_key=ask.idempotency_key).first()
    if known is None:
        return None
    # The market of a combo may have become known since then; its legs say what it is.
    terms = {name: value for name, value in _terms(ask).items() if name != "ticker" or not ask.is_combo}
    if known.desk_id != actor.desk_id or any(getattr(known, name) != value for name, value in terms.items()):
        raise DeskError(
            "idempotency_mismatch",
            "This request was sent already with other values. Look at your requests, then start a new one.",
        )
    return known


def rfq_check(
    actor: Actor, ask: Ask, *, now: datetime, is_stored: bool = False
) -> tuple[ExchangeAccount, Market | None]:
    """Check everything but the role: asked when it is submitted, and again right before it is sent.

    is_stored: it has its place among the live requests already.

    Returns the market, or None of a combo whose market the sender has yet to ask for. Raises DeskError, NotFound.
    """
    account = account_check(actor, ask.account_id, ask.subaccount)
    market = None
    if ask.ticker:
        market = market_check(actor, account.environment, ask.ticker, now=now)
    elif ask.is_combo:
        collection = builder.collection_get(account.environment, ask.collection)
        combos.legs_check(account.environment, collection, ask.legs, now=now)
        combos.budget_check(account, now=now)
    else:
        raise DeskError("combo_unresolved", "This combo has no market yet: resolve its legs first.")
    exchange_check(account.environment, now=now)
    pause_check(user_id=actor.user_id, desk_id=actor.desk_id)
    if ask.contracts is not None:
        if ask.contracts <= 0:
            raise _field("count_too_small", "contracts", "Give at least one contract.")
        if ask.contracts > MAX_COUNT:
            raise _field("count_too_large", "contracts", f"At most {count_text(MAX_COUNT)} contracts in one request.")
        if ask.contracts != ask.contracts.to_integral_value():
            raise _field("count_not_whole", "contracts", "A request is for whole contracts.")
    if ask.target_cost is not None and ask.target_cost <= 0:
        raise _field("cost_too_small", "target_cost", "Give the dollars that you want to spend.")
    for name, limit in (("limit_yes", ask.limit_yes), ("limit_no", ask.limit_no)):
        if limit is not None and not 0 < limit < 1:
            raise _field(
                "limit_out_of_range", name, f"A limit is above 0 and below 100 cents, not {cents_text(limit)}."
            )
    _funds_check(ask)
    limits_check(account, user_id=actor.user_id, size=ask_size(ask), kind="request", **ask_place(ask))
    if not is_stored and ask.ticker:
        room_check(actor, ask)
    return account, market


def _funds_check(ask: Ask) -> None:
    """A target cost must be payable, or the exchange refuses; what the desk does not know refuses nothing."""
    if ask.target_cost is None:
        return
    holding = holding_of(ask.account_id, ask.subaccount, ask.ticker)
    if holding.cash is None or holding.position:
        return  # what is held may be closed by it, which costs nothing
    if ask.target_cost > holding.cash:
        text = f"The balance is {dollars_text(holding.cash)}: less than what you want to spend."
        raise _field("insufficient_funds", "target_cost", text)


def ask_place(ask: Ask) -> dict[str, Any]:
    """Return what limits ask of a request: its markets, and which live requests it does not add to."""
    legs = tuple(leg.market_ticker for leg in ask.legs)
    but = Q(idempotency_key=ask.idempotency_key)
    if ask.replace_existing and ask.ticker:
        but |= Q(ticker=ask.ticker)
    return {"tickers": (*filter(None, (ask.ticker,)), *legs), "but": but}


def account_check(actor: Actor, account_id: int, subaccount: int) -> ExchangeAccount:
    """Return the account when it has a key that can sign requests. Raises NotFound, DeskError `no_key`."""
    account = account_get_on(actor, account_id, subaccount)
    usable = (ApiKey.Status.VALID, ApiKey.Status.UNTESTED)
    if not ApiKey.objects.filter(account=account, purpose=ApiKey.Purpose.REST_TRADE, status__in=usable).exists():
        raise DeskError("no_key", "This account has no working key for trading. Add one in Settings > Vault.")
    return account


def rfq_close(actor: Actor, rfq: Rfq) -> Rfq:
    """Want a request gone: deleted at the exchange until it is, or never sent. Again changes nothing.

    Raises NotAllowed, NotFound, DeskError `rfq_over`.
    """
    require_on(actor, Permission.RFQ_PULL, rfq.account_id, rfq.subaccount)
    if rfq.desk_id != actor.desk_id:
        raise DeskError("not_found", "This request does not exist, or it belongs to another desk.")
    with transaction.atomic():
        rfq.refresh_from_db()
        if rfq.close_wanted_at is not None:
            return rfq
        if rfq.state not in LIVE:
            raise DeskError("rfq_over", f"There is nothing to close: the request is {rfq.get_state_display()}.")
        close_want(rfq, actor_id=actor.user_id, why="closed by a person", now=utc_now())
    return rfq


def close_want(rfq: Rfq, *, actor_id: int | None, why: str, now: datetime) -> None:
    """Note the wish to end a request, with its audit row; inside the caller's transaction."""
    Rfq.objects.filter(pk=rfq.pk, close_wanted_at=None).update(close_wanted_at=now, version=F("version") + 1)
    rfq.refresh_from_db()
    queue.enqueue_on_commit(queue.RFQ_CLOSE, rfq.pk)
    events.rfq_publish(rfq)
    audit.record(
        "rfq.rfq.close_wanted",
        actor_id=actor_id,
        desk_id=rfq.desk_id,
        environment=rfq.account.environment,
        target=f"rfq:{rfq.pk}",
        data={"rfq_id": rfq.rfq_id, "ticker": rfq.ticker, "why": why},
    )


def room_check(actor: Actor, ask: Ask) -> None:
    """May one more request be open, on this market? Itself takes no room. Raises DeskError.

    The exchange closes the one that is replaced, whosever it is: only who may withdraw that one replaces it.
    """
    # Another worker may have given it its market a moment ago.
    live = Rfq.objects.filter(account_id=ask.account_id, state__in=LIVE).exclude(idempotency_key=ask.idempotency_key)
    same = live.filter(ticker=ask.ticker).first()
    if same is not None and same.state in UNRESOLVED:
        raise DeskError("rfq_in_doubt", "A request on this market has no outcome yet. Wait until it has one.")
    if same is not None and not actor.may_on(Permission.RFQ_PULL, same.account_id, same.subaccount):
        text = (
            "Another subaccount has a request open on this market, and the exchange takes one. Wait until it is closed."
        )
        raise DeskError("rfq_open", text, fields={"replace_existing": text})
    if same is not None and not ask.replace_existing:
        raise DeskError(
            "rfq_open",
            "A request on this market is open already. Close it, or tick 'replace'.",
            fields={"replace_existing": "A request on this market is open already."},
        )
    if same is None and live.count() >= MOST_OPEN:
        raise DeskError("rfq_too_many", f"{MOST_OPEN} requests are open, the most that the exchange takes. Close one.")


def _commit(actor: Actor, ask: Ask, *, account: ExchangeAccount, now: datetime) -> Rfq:
    rfq = Rfq.objects.create(
        **_terms(ask),
        desk_id=account.desk_id,
        placed_by_id=actor.user_id,
        owner_id=actor.user_id,
        idempotency_key=ask.idempotency_key,
        ends_at=now + ask.ends_in if ask.ends_in else None,
        created_at=now,
        book_at_send=book_of(account.environment, ask.ticker, now=now).as_sent(
            contracts=ask.contracts, target_cost=ask.target_cost, now=now
        ),
    )
    queue.enqueue_on_commit(queue.RFQ_SEND, rfq.pk)
    events.rfq_publish(rfq)
    books_ask(account.environment, tickers_of(rfq.ticker, rfq.legs))  # quotes on it are held against them
    audit.record(
        "rfq.rfq.committed",
        actor_id=actor.user_id,
        desk_id=account.desk_id,
        environment=account.environment,
        target=f"rfq:{rfq.pk}",
        data={**_terms(ask), "auto_after": int(ask.auto.after.total_seconds()) if ask.auto else None},
    )
    return rfq


def _terms(ask: Ask) -> dict[str, Any]:
    """Return the columns of a row that say what is asked for."""
    return {
        "account_id": ask.account_id,
        "subaccount": ask.subaccount,
        "ticker": ask.ticker,
        "collection_ticker": ask.collection,
        "legs": combos.rows_of(ask.legs),
        "contracts": ask.contracts,
        "target_cost": ask.target_cost,
        "rest_remainder": ask.rest_remainder,
        "replace_existing": ask.replace_existing,
        "limit_yes": ask.limit_yes,
        "limit_no": ask.limit_no,
        "note": ask.note,
        "auto_accept": ask.auto.buys if ask.auto else "",
        "auto_min_quotes": ask.auto.min_quotes if ask.auto else 1,
        "auto_after": ask.auto.after if ask.auto else None,
    }


def _field(code: str, field: str, text: str) -> DeskError:
    return DeskError(code, text, fields={field: text})
