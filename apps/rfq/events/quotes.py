"""Rows of the topic `quotes:<account>`: our quotes on requests of others."""

from decimal import ROUND_UP, Decimal

from django.db import transaction

from apps.core.rfq import QuoteState, worst_contracts
from apps.core.topics import TopicName
from apps.exchange import live
from apps.rfq import stored
from apps.rfq.events.words import Row, count, dollars, legs_rows, ms, person, price, titles_of
from apps.rfq.models import Quote

_WORDS = {
    QuoteState.COMMITTED: "Waiting to be sent",
    QuoteState.SENDING: "Sending",
    QuoteState.UNKNOWN: "Sent, not confirmed by the exchange; looking it up",
    QuoteState.REFUSED: "Refused",
    QuoteState.NOT_SEEN: "Not seen at the exchange",
    QuoteState.OPEN: "Open",
    QuoteState.REPLACED: "Replaced by a newer one",
    QuoteState.ACCEPTED: "Accepted: to be confirmed",
    QuoteState.CONFIRMED: "Confirmed, executing",
    QuoteState.EXECUTED: "Executed",
    QuoteState.CANCELLED: "Ended",
}


def quotes_topic(account_id: int) -> str:
    return str(TopicName("quotes", str(account_id)))


def quote_key(pk: int) -> str:
    return f"quote:{pk}"


def quote_publish(quote: Quote) -> None:
    """Tell the browsers after the commit, as it stands then."""
    pk = quote.pk

    def build() -> None:
        fresh = stored.quote_shown(pk)
        live.publish_rows(quotes_topic(fresh.account_id), {quote_key(pk): quote_row(fresh)})

    transaction.on_commit(build)


def quote_row(quote: Quote) -> Row:
    incoming = quote.incoming
    titles = titles_of(incoming.environment, [quote.ticker, *(leg["market_ticker"] for leg in incoming.legs)])
    confirmation = getattr(quote, "confirmation", None)
    rule = quote.rule_version
    return {
        "v": quote.version,
        "key": quote_key(quote.pk),
        "account_id": quote.account_id,
        "subaccount": quote.subaccount,
        "quote_id": quote.quote_id,
        "rfq_id": incoming.rfq_id,
        "ticker": quote.ticker,
        "title": titles[quote.ticker],
        "legs": legs_rows(incoming.legs, titles),
        "is_combo": bool(incoming.legs),
        "contracts": count(incoming.contracts),
        "target_cost": dollars(incoming.target_cost),
        "yes_bid": price(quote.yes_bid),
        "no_bid": price(quote.no_bid),
        "worst_contracts_yes": _worst(quote, yes=True),
        "worst_contracts_no": _worst(quote, yes=False),
        "post_only": quote.post_only,
        "rest_remainder": quote.rest_remainder,
        "policy": quote.policy,
        "max_move": price(quote.max_move),
        "state": quote.state,
        "state_text": state_text(quote),
        "is_open": quote.state == QuoteState.OPEN and quote.pull_wanted_at is None,
        "error_code": quote.error_code,
        "error": quote.error_text,
        "rule": None if rule is None else {"id": rule.rule_id, "name": rule.rule.name, "version": rule.number},
        "owner": person(quote.owner),
        "placed_by": person(quote.placed_by),
        "created_ms": ms(quote.created_at),
        "opened_ms": ms(quote.opened_at),
        "ended_ms": ms(quote.ended_at),
        "ends_ms": ms(quote.ends_at),
        "end_reason": quote.end_reason,
        "is_end_verified": quote.is_end_verified,
        "fair": price(quote.fair_yes),
        "book": quote.book_at_send,
        "confirm": None if confirmation is None else f"confirm:{confirmation.pk}",
    }


def state_text(quote: Quote) -> str:
    """Say in words what is known, never more."""
    state = QuoteState(quote.state)
    if state is QuoteState.OPEN and quote.pull_wanted_at is not None:
        return "Being pulled"
    if state is QuoteState.CANCELLED:
        reason = f": {quote.end_reason}" if quote.end_reason else ""
        return f"Ended{reason}" if quote.is_end_verified else f"Ended{reason}; looking whether it was filled"
    return _WORDS[state]


def _worst(quote: Quote, *, yes: bool) -> str | None:
    """Contracts that a hit of this side can bring us; null when the side is not quoted."""
    bid = quote.yes_bid if yes else quote.no_bid
    if not bid:
        return None
    if quote.incoming.contracts is not None:
        return count(quote.incoming.contracts)
    if quote.incoming.target_cost is None:
        return None
    worst = worst_contracts(target_cost=quote.incoming.target_cost, bid=bid)
    return None if worst is None else count(worst.quantize(Decimal("0.01"), rounding=ROUND_UP))
