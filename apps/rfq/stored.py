"""Rows between an accept and its confirmation, by statements that are written once (docs/adr/0009).

A window pays for each of these reads, so none of them is built anew: what took a third of the way was Django writing
the same SQL again.
"""

from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db import connection
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce

from apps.accounts.models import ExchangeAccount, User
from apps.core.prepared import Prepared, PreparedColumns
from apps.core.prepared_writes import PreparedInsert, PreparedUpdate
from apps.core.rfq import ConfirmationState, Decision, QuotePrices, QuoteState
from apps.exchange.models import ExchangeStatus
from apps.markets.models import Event, Market
from apps.rfq.models import Confirmation, IncomingRfq, Quote

# Sent and not filled yet: it will be held and paid, though no balance shows it.
PENDING: Final = (ConfirmationState.CONFIRMING, ConfirmationState.CONFIRMED)

_quotes = Prepared(lambda account_id, quote_id: Quote.objects.filter(account_id=account_id, quote_id=quote_id))
_quotes_locked = Prepared(
    lambda account_id, quote_id: Quote.objects.select_for_update().filter(account_id=account_id, quote_id=quote_id)
)
_quotes_by_pk = Prepared(lambda pk: Quote.objects.filter(pk=pk))
_accounts = Prepared(lambda pk: ExchangeAccount.objects.filter(pk=pk))
_accounts_locked = Prepared(lambda pk: ExchangeAccount.objects.select_for_update(no_key=True).filter(pk=pk))
_incoming = Prepared(lambda pk: IncomingRfq.objects.filter(pk=pk))
_confirmations = Prepared(lambda pk: Confirmation.objects.filter(pk=pk))
_of_quote = Prepared(lambda quote_pk: Confirmation.objects.filter(quote_id=quote_pk))
_statuses = Prepared(lambda environment: ExchangeStatus.objects.filter(environment=environment))
_markets = Prepared(lambda environment, ticker: Market.objects.filter(environment=environment, ticker=ticker))
_events = Prepared(lambda pk: Event.objects.filter(pk=pk))
_people = Prepared(lambda pk: User.objects.filter(pk=pk))
_pending = PreparedColumns(
    lambda account_id, subaccount, but_quote: (
        Confirmation.objects.filter(quote__account_id=account_id, quote__subaccount=subaccount, state__in=PENDING)
        .exclude(quote_id=but_quote)
        .values_list("contracts", "accepted_side", "quote__yes_bid", "quote__no_bid", "quote__ticker")
    )
)
_reverse: Final = Quote._meta.get_field("confirmation")

confirmation_store = PreparedInsert(Confirmation)
_states = PreparedUpdate(lambda pk, state: (Quote.objects.filter(pk=pk), {"state": state, "version": F("version") + 1}))
_versions = PreparedUpdate(lambda pk: (Quote.objects.filter(pk=pk), {"version": F("version") + 1}))
# A free lease is taken, and the first attempt under it noted: one statement, so that two never both get it.
_leases = PreparedUpdate(
    lambda pk, holder, now, until: (
        Confirmation.objects.filter(
            Q(lease_until=None) | Q(lease_until__lte=now),
            pk=pk,
            state=ConfirmationState.CONFIRMING,
            decision=Decision.CONFIRM,
            send_by__gt=now,
        ),
        {
            "lease_holder": holder,
            "attempts": F("attempts") + 1,
            "first_sent_at": Coalesce("first_sent_at", Value(now)),
            "last_sent_at": now,
            "lease_until": until,
            "version": F("version") + 1,
        },
    )
)


def quote_of(account_id: int, quote_id: str) -> Quote | None:
    """Read our quote of this id with its account, its request and its confirmation."""
    quote = _quotes.first(account_id, quote_id)
    if quote is None:
        return None
    _with_parents(quote)
    # Read last, so that it is never older than the quote; None is known, too.
    _reverse.set_cached_value(quote, _of_quote.first(quote.pk))
    return quote


def quote_locked(account_id: int, quote_id: str) -> Quote | None:
    """Read our quote of this id with its account and its request, and keep others from changing it."""
    quote = _quotes_locked.first(account_id, quote_id)
    return None if quote is None else _with_parents(quote)


def quote_state_write(pk: int, state: QuoteState) -> None:
    _states(pk, state.value)


def quote_version_raise(pk: int) -> None:
    """What belongs to a quote has changed, so browsers take its row anew."""
    _versions(pk)


def confirmation_with(pk: int) -> Confirmation | None:
    """Read a confirmation with its quote, and what that belongs to."""
    confirmation = _confirmations.first(pk)
    if confirmation is None:
        return None
    quote = _quotes_by_pk.first(confirmation.quote_id)
    assert quote is not None, "a confirmation keeps its quote"
    confirmation.quote = _with_parents(quote)
    return confirmation


def confirmation_again(confirmation: Confirmation) -> Confirmation:
    """Read its row anew; what it belongs to stays as it was read."""
    fresh = _confirmations.first(confirmation.pk)
    assert fresh is not None, "confirmations are never deleted"
    fresh.quote = confirmation.quote
    return fresh


def confirmation_refresh(confirmation: Confirmation) -> None:
    """Bring a row that was read before up to date, in place; what it belongs to stays as it was read."""
    _renew(confirmation, _confirmations.first(confirmation.pk))


def quote_refresh(quote: Quote) -> None:
    """As `confirmation_refresh`."""
    _renew(quote, _quotes_by_pk.first(quote.pk))


def confirmation_of(quote: Quote) -> Confirmation | None:
    """Read the confirmation of a quote, which it then belongs to."""
    found = _of_quote.first(quote.pk)
    if found is not None:
        found.quote = quote
    return found


def lease_take(pk: int, holder: str, *, now: datetime, until: datetime) -> bool:
    """Take the lease until then where it is free, something is to be sent and there is time; notes an attempt."""
    return _leases(pk, holder, now, until) == 1


def account_lock(quote: Quote) -> None:
    """Two accepts of one account are looked at one after the other: each sees what the other will cost.

    SQLite needs nothing: IMMEDIATE transactions are already alone.
    """
    if connection.vendor != "sqlite":
        _accounts_locked(quote.account_id)


def pending_beside(quote: Quote) -> list[tuple[Decimal | None, str, QuotePrices, str]]:
    """What else of the subaccount is confirmed and not filled: contracts, accepted side, our bids, market.

    Only these columns: hundreds may wait for their execution, each with all that its last look saw.
    """
    rows = _pending(quote.account_id, quote.subaccount, quote.pk)
    return [(contracts, side, QuotePrices(yes, no), ticker) for contracts, side, yes, no, ticker in rows]


def status_of(environment: str) -> ExchangeStatus | None:
    return _statuses.first(environment)


def market_of(environment: str, ticker: str) -> Market | None:
    return _markets.first(environment, ticker)


def quote_shown(pk: int) -> Quote:
    """Read a quote with what browsers see of it."""
    quote = _quotes_by_pk.first(pk)
    assert quote is not None, "quotes are never deleted"
    _with_people(_with_parents(quote))
    if quote.placed_by_id is not None:
        quote.placed_by = quote.owner if quote.owner_id == quote.placed_by_id else _people.first(quote.placed_by_id)
    _reverse.set_cached_value(quote, _of_quote.first(pk))
    return quote


def confirmation_shown(pk: int) -> Confirmation:
    """Read a confirmation with what browsers see of it."""
    confirmation = confirmation_with(pk)
    assert confirmation is not None, "confirmations are never deleted"
    _with_people(confirmation.quote)
    if confirmation.decided_by_id is not None:
        confirmation.decided_by = _people.first(confirmation.decided_by_id)
    return confirmation


def market_with_event(environment: str, ticker: str) -> Market | None:
    market = market_of(environment, ticker)
    if market is not None and market.event_id and (event := _events.first(market.event_id)) is not None:
        market.event = event
    return market


def _with_people(quote: Quote) -> Quote:
    if quote.owner_id is not None:
        quote.owner = _people.first(quote.owner_id)
    return quote


def _renew(row: Confirmation | Quote, fresh: Confirmation | Quote | None) -> None:
    assert fresh is not None, "neither is ever deleted"
    for field in row._meta.concrete_fields:
        # Through the descriptor: a key that changed drops the row that it led to.
        setattr(row, field.attname, getattr(fresh, field.attname))


def _with_parents(quote: Quote) -> Quote:
    account, incoming = _accounts.first(quote.account_id), _incoming.first(quote.incoming_id)
    assert account is not None, "a quote keeps its account"
    assert incoming is not None, "a quote keeps its request"
    quote.account, quote.incoming = account, incoming
    return quote
