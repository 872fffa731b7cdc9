"""Our quote from the click (or a rule) to the committed row, and the wish to have it gone. Nothing is sent here."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from apps.accounts.grants import within
from apps.accounts.models import ExchangeAccount
from apps.audit import services as audit
from apps.core.durability import reaches_disk_later
from apps.core.errors import DeskError, NotFound, WireFormatError
from apps.core.grid import PriceGrid
from apps.core.money import cents_text, dollars_text
from apps.core.permissions import Actor, Permission
from apps.core.rfq import Policy, QuoteState, worst_contracts
from apps.core.timestamps import utc_now
from apps.markets.models import Market
from apps.orders.access import require_on, require_somewhere
from apps.orders.services.checks import exchange_check, holding_of, market_check
from apps.orders.services.pauses import pause_check
from apps.rfq import queue
from apps.rfq.events import quotes as events
from apps.rfq.models import Approval, IncomingRfq, Quote, QuoteRuleVersion
from apps.rfq.offers import Offer
from apps.rfq.services.books_wanted import books_ask, tickers_of
from apps.rfq.services.four_eyes import gate, offer_content, offer_size
from apps.rfq.services.last_look import prices_of
from apps.rfq.services.limits import ask_again_check, limits_check, market_tickers
from apps.rfq.services.requests import account_check
from apps.rfq.services.team import owner_check
from apps.rfq.windows import windows_of

# A confirmation window that a person cannot be expected to meet.
NO_TIME_FOR_PEOPLE = timedelta(seconds=5)
IN_FLIGHT = (QuoteState.COMMITTED, QuoteState.SENDING, QuoteState.UNKNOWN)
# What may still be accepted.
LIVE = (*IN_FLIGHT, QuoteState.OPEN)


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a quote was made from: kept with it, so that it can be judged later. Dollars."""

    fair_yes: Decimal | None = None
    book: dict[str, str | None] | None = None
    rule_version: QuoteRuleVersion | None = None


def quote_submit(
    actor: Actor,
    offer: Offer,
    incoming: IncomingRfq,
    *,
    grounds: Grounds | None = None,
    now: datetime | None = None,
    approval: Approval | None = None,
) -> Quote:
    """Check a quote, commit it with its audit row, then queue the send. It replaces our open one on this request.

    The same idempotency key gives the same quote.

    Raises:
        NotAllowed, NotFound: role, or another desk's account.
        DeskError: what is wrong, in words; `quote_in_flight` while an earlier one on this request has no outcome
            (a late repeat would replace a newer price). Nothing was stored.
    """
    require_on(actor, Permission.RFQ_TRADE, offer.account_id, offer.subaccount)
    now = now or utc_now()
    grounds = grounds or Grounds()
    known = _known(actor, offer, incoming)
    if known is not None:
        return known
    account, _ = quote_check(actor, offer, incoming, now=now)
    if grounds.rule_version is None:  # what a rule may quote, a lead saw when arming it
        size = offer_size(incoming, offer.prices)
        gate(actor.desk_id, size, offer_content(offer), approval=approval)
        if approval is None:
            ask_again_check(actor, account, size=size, tickers=quote_place(incoming)["tickers"])
    if not (grounds.book or {}).get("reference"):
        # What the last look measures moves from.
        seen = prices_of(account.environment, incoming).as_book()
        grounds = replace(grounds, book={**seen, **(grounds.book or {})})
    try:
        with reaches_disk_later(), transaction.atomic():  # its claim flushes it
            return _known(actor, offer, incoming) or _commit(actor, offer, incoming, account, grounds, now=now)
    except IntegrityError:
        known = _known(actor, offer, incoming)
        if known is None:
            raise DeskError(
                "quote_in_flight", "An earlier quote on this request has no outcome yet. Wait for it."
            ) from None
        return known


def quote_check(
    actor: Actor, offer: Offer, incoming: IncomingRfq, *, now: datetime, is_stored: bool = False
) -> tuple[ExchangeAccount, Market]:
    """Check everything but the role: asked when it is submitted, and again right before it is sent.

    Raises DeskError, NotFound.
    """
    account = account_check(actor, offer.account_id, offer.subaccount)
    if incoming.environment != account.environment or incoming.rfq_id != offer.rfq_id:
        raise NotFound("This request does not exist in this environment.")
    if incoming.deleted_at is not None:
        raise DeskError("rfq_closed", "This request is closed: it takes no quotes.")
    market = market_check(actor, account.environment, incoming.ticker, now=now)
    exchange_check(account.environment, now=now)
    pause_check(user_id=actor.user_id, desk_id=actor.desk_id)
    for stands in Quote.objects.filter(account_id=account.pk, incoming=incoming, state__in=LIVE):
        owner_check(actor, stands.owner_id, what="quote")  # a new one would re-price it
    problem = offer.prices.problem()
    if problem is not None:
        raise DeskError("bad_prices", problem, fields={"yes_bid": problem})
    _grid_check(market, offer)
    _policy_check(offer, incoming)
    size = offer_size(incoming, offer.prices)
    limits_check(account, user_id=actor.user_id, size=size, kind="quote", **quote_place(incoming))
    _funds_check(offer, incoming)
    in_flight = Quote.objects.filter(account_id=account.pk, incoming=incoming, state__in=IN_FLIGHT)
    if not is_stored and in_flight.exists():
        raise DeskError("quote_in_flight", "An earlier quote on this request has no outcome yet. Wait for it.")
    return account, market


def quote_place(incoming: IncomingRfq) -> dict[str, Any]:
    """Return what limits ask of a quote: its markets, and our other quotes on the request, which it replaces."""
    return {"tickers": (incoming.ticker, *market_tickers(incoming.legs)), "but": Q(incoming=incoming)}


def quote_pull(actor: Actor, quote: Quote) -> Quote:
    """Want a quote gone: deleted at the exchange until it is, or never sent. Again changes nothing.

    Raises NotAllowed, NotFound, DeskError `quote_over`.
    """
    require_on(actor, Permission.RFQ_PULL, quote.account_id, quote.subaccount)
    if quote.desk_id != actor.desk_id:
        raise NotFound("This quote does not exist, or it belongs to another desk.")
    with transaction.atomic():
        quote.refresh_from_db()
        if quote.pull_wanted_at is not None:
            return quote
        if quote.state not in LIVE:
            raise DeskError("quote_over", f"There is nothing to pull: the quote is {quote.get_state_display()}.")
        pull_want(quote, actor_id=actor.user_id, why="pulled by a person", now=utc_now())
    return quote


def pull_all(
    actor: Actor, *, account_id: int | None = None, ticker: str | None = None, rule_id: int | None = None
) -> list[Quote]:
    """Want every live quote gone that the actor may pull (of one account, market or rule); returns them.

    Raises NotAllowed.
    """
    theirs = within(require_somewhere(actor, Permission.RFQ_PULL))
    live = Quote.objects.select_related("account").filter(
        theirs, desk_id=actor.desk_id, state__in=LIVE, pull_wanted_at=None
    )
    for name, value in (("account_id", account_id), ("ticker", ticker), ("rule_version__rule_id", rule_id)):
        if value is not None:
            live = live.filter(**{name: value})
    pulled = []
    for quote in live:
        with transaction.atomic():
            pull_want(quote, actor_id=actor.user_id, why="all pulled by a person", now=utc_now())
        pulled.append(quote)
    return pulled


def pull_want(quote: Quote, *, actor_id: int | None, why: str, now: datetime) -> None:
    """Note the wish to have a quote gone, with its audit row; inside the caller's transaction."""
    Quote.objects.filter(pk=quote.pk, pull_wanted_at=None).update(
        pull_wanted_at=now, end_reason=why[:200], version=F("version") + 1
    )
    quote.refresh_from_db()
    queue.enqueue_on_commit(queue.QUOTE_PULL, quote.pk)
    events.quote_publish(quote)
    audit.record(
        "rfq.quote.pull_wanted",
        actor_id=actor_id,
        desk_id=quote.desk_id,
        environment=quote.account.environment,
        target=f"rfq_quote:{quote.pk}",
        data={"quote_id": quote.quote_id, "ticker": quote.ticker, "why": why},
    )


def _grid_check(market: Market, offer: Offer) -> None:
    """Each bid must be on the grid; the nearest below is said, which never makes us pay more."""
    try:
        grid = PriceGrid.from_ranges(market.price_ranges)
    except WireFormatError:
        return  # the catalogue has not told the grid yet: the exchange decides
    faults: dict[str, str] = {}
    for name, bid in (("yes_bid", offer.prices.yes_bid), ("no_bid", offer.prices.no_bid)):
        # A NO bid at q is a YES ask at 1 - q: that price must be on the grid.
        at = bid if name == "yes_bid" else 1 - bid
        if bid and not grid.contains(at):
            below = grid.floor(at) if name == "yes_bid" else grid.ceil(at)
            own = None if below is None else (below if name == "yes_bid" else 1 - below)
            nearest = "" if own is None else f" The next lower one is {cents_text(own)}."
            faults[name] = f"{cents_text(bid)} is between this market's steps.{nearest}"
    if faults:
        raise DeskError("off_grid", " ".join(faults.values()), fields=faults)


def _policy_check(offer: Offer, incoming: IncomingRfq) -> None:
    span = windows_of(incoming.ticker, is_combo=bool(incoming.legs)).confirm
    if offer.policy is Policy.MANUAL and span <= NO_TIME_FOR_PEOPLE and not offer.insists:
        text = (
            f"Quotes here must be confirmed within {int(span.total_seconds())} s: waiting for a person nearly always "
            "lapses. Choose automatic with a bound, or insist."
        )
        raise DeskError("policy_too_slow", text, fields={"policy": text})
    if offer.policy is Policy.AUTO and offer.max_move is None:
        text = "Confirming by itself needs a bound: how far may fair value move against us?"
        raise DeskError("policy_needs_bound", text, fields={"max_move": text})
    if offer.ends_in is not None and offer.ends_in < span:
        text = f"Shorter than the confirmation window of {int(span.total_seconds())} s: pulled before anybody answers."
        raise DeskError("ends_too_soon", text, fields={"ends_in_s": text})


def _funds_check(offer: Offer, incoming: IncomingRfq) -> None:
    """The dearer side must be payable; what the desk does not know refuses nothing."""
    holding = holding_of(offer.account_id, offer.subaccount, incoming.ticker)
    if holding.cash is None:
        return
    for name, bid in (("yes_bid", offer.prices.yes_bid), ("no_bid", offer.prices.no_bid)):
        contracts = incoming.contracts
        if contracts is None and incoming.target_cost is not None:
            contracts = worst_contracts(target_cost=incoming.target_cost, bid=bid)
        if contracts is not None and bid * contracts > holding.cash:
            text = (
                f"A hit would cost up to {dollars_text(bid * contracts)}; the balance is {dollars_text(holding.cash)}."
            )
            raise DeskError("insufficient_funds", text, fields={name: text})


def _known(actor: Actor, offer: Offer, incoming: IncomingRfq) -> Quote | None:
    known = Quote.objects.filter(placed_by_id=actor.user_id, idempotency_key=offer.idempotency_key).first()
    if known is None:
        return None
    if known.incoming_id != incoming.pk or (known.yes_bid, known.no_bid) != (
        offer.prices.yes_bid,
        offer.prices.no_bid,
    ):
        raise DeskError("idempotency_mismatch", "This click sent another quote already. Reload the page.")
    return known


def _commit(
    actor: Actor, offer: Offer, incoming: IncomingRfq, account: ExchangeAccount, grounds: Grounds, *, now: datetime
) -> Quote:
    terms: dict[str, Any] = {
        "subaccount": offer.subaccount,
        "ticker": incoming.ticker,
        "yes_bid": offer.prices.yes_bid,
        "no_bid": offer.prices.no_bid,
        "rest_remainder": offer.rest_remainder,
        "post_only": offer.post_only,
        "policy": offer.policy.value,
        "max_move": offer.max_move,
        "fair_yes": grounds.fair_yes,
    }
    quote = Quote.objects.create(
        **terms,
        desk_id=account.desk_id,
        account=account,
        incoming=incoming,
        placed_by_id=actor.user_id,
        owner_id=actor.user_id,
        rule_version=grounds.rule_version,
        idempotency_key=offer.idempotency_key,
        book_at_send=grounds.book or {},
        ends_at=now + offer.ends_in if offer.ends_in else None,
        created_at=now,
    )
    queue.enqueue_on_commit(queue.QUOTE_SEND, quote.pk)
    events.quote_publish(quote)
    books_ask(account.environment, tickers_of(incoming.ticker, incoming.legs))  # an accept is judged by them
    audit.record(
        "rfq.quote.committed",
        actor_id=actor.user_id,
        desk_id=account.desk_id,
        environment=account.environment,
        target=f"rfq_quote:{quote.pk}",
        data={**terms, "rfq_id": incoming.rfq_id, "rule": grounds.rule_version.pk if grounds.rule_version else None},
    )
    return quote
