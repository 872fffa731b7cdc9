"""Rows of the topic `rfqs:<account>`: each request whole, with its quotes, its accept and its timeline."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal

from django.db import transaction

from apps.core.money import cents_text, count_text, parse_price
from apps.core.rfq import Outcome, QuoteState, RfqState
from apps.core.topics import TopicName
from apps.exchange import live
from apps.orders.models import Fill
from apps.rfq.events.words import Row, count, dollars, legs_rows, maker_alias, ms, person, price, titles_of
from apps.rfq.models import Accept, ReceivedQuote, Rfq
from apps.rfq.stack import best_of, limit_of
from apps.rfq.stack import prices_of as prices_of
from apps.rfq.windows import windows_of

Fills = Mapping[str, list[Fill]]  # by order id
UNVERIFIED = "unverified"  # error code of an accept that is called over and not yet held against our fills
RECENT = timedelta(hours=24)  # what topics and lists show of what has ended
_ENDED_ACCEPTS = frozenset({Accept.State.REFUSED, Accept.State.NOT_SEEN, Accept.State.LAPSED, Accept.State.FAILED})
_WORDS = {
    RfqState.DRAFT: "Waits for approval",
    RfqState.COMMITTED: "Waiting to be sent",
    RfqState.SENDING: "Sending",
    RfqState.UNKNOWN: "Sent, not confirmed by the exchange; looking it up",
    RfqState.REFUSED: "Refused",
    RfqState.NOT_SEEN: "Not seen at the exchange",
    RfqState.OPEN: "Live",
    RfqState.CLOSED: "Closed",
}


def rfqs_topic(account_id: int) -> str:
    return str(TopicName("rfqs", str(account_id)))


def rfq_key(pk: int) -> str:
    return f"rfq:{pk}"


def rfq_publish(rfq: Rfq) -> None:
    """Tell the browsers after the commit, as it stands then."""
    pk = rfq.pk

    def build() -> None:
        fresh = Rfq.objects.select_related("account", "owner", "placed_by").get(pk=pk)
        live.publish_rows(rfqs_topic(fresh.account_id), {rfq_key(pk): rfq_row(fresh)})

    transaction.on_commit(build)


def rfq_row(rfq: Rfq) -> Row:
    quotes = list(rfq.quotes.all())
    accepts = list(rfq.accepts.select_related("accepted_by", "quote").order_by("pk"))
    current = next((accept for accept in reversed(accepts) if accept.state not in _ENDED_ACCEPTS), None)
    fills = fills_of(rfq, accepts)
    tickers = [rfq.ticker, *(leg["market_ticker"] for leg in rfq.legs)]
    titles = titles_of(rfq.account.environment, tickers)
    return {
        "v": rfq.version,
        "key": rfq_key(rfq.pk),
        "account_id": rfq.account_id,
        "subaccount": rfq.subaccount,
        "rfq_id": rfq.rfq_id,
        "idempotency_key": str(rfq.idempotency_key) if rfq.idempotency_key else None,
        "ticker": rfq.ticker,
        "title": _title(rfq, titles),
        "collection": rfq.collection_ticker,
        "is_combo": bool(rfq.legs),
        "legs": legs_rows(rfq.legs, titles),
        "contracts": count(rfq.contracts),
        "target_cost": dollars(rfq.target_cost),
        "rest_remainder": rfq.rest_remainder,
        "limit_yes": price(rfq.limit_yes),
        "limit_no": price(rfq.limit_no),
        "note": rfq.note,
        "state": rfq.state,
        "state_text": state_text(rfq, current),
        "is_open": rfq.state == RfqState.OPEN and rfq.close_wanted_at is None,
        "is_external": rfq.placed_by_id is None,
        "error_code": rfq.error_code,
        "error": rfq.error_text,
        "owner": person(rfq.owner),
        "placed_by": person(rfq.placed_by),
        "created_ms": ms(rfq.created_at),
        "opened_ms": ms(rfq.opened_at),
        "closed_ms": ms(rfq.closed_at),
        "ends_ms": ms(rfq.ends_at),
        "closing_reason": rfq.closing_reason,
        "book": rfq.book_at_send,
        "auto": _auto_row(rfq),
        "quotes": quote_rows(rfq, quotes),
        "accept": None if current is None else accept_row(rfq, current, fills),
        "next_best": None if current is not None else _next_best(rfq, quotes, accepts),
        "lapsed": [accept_row(rfq, accept, fills) for accept in accepts if accept.state in _ENDED_ACCEPTS],
        "timeline": timeline(rfq, quotes, accepts, fills),
    }


def _title(rfq: Rfq, titles: Mapping[str, str]) -> str:
    """Return what the market is called; a combo that the catalogue does not know is called by its legs."""
    title = titles[rfq.ticker]
    if title != rfq.ticker or not rfq.legs:
        return title
    return " + ".join(titles[leg["market_ticker"]] for leg in rfq.legs)


def state_text(rfq: Rfq, accept: Accept | None) -> str:
    """Say in words what is known, never more."""
    if accept is not None and accept.state != Accept.State.EXECUTED:
        return accept_text(accept)
    if rfq.state == RfqState.OPEN and rfq.close_wanted_at is not None:
        return "Closing"
    if rfq.state == RfqState.OPEN:
        found = sum(quote.state == QuoteState.OPEN for quote in rfq.quotes.all())
        return f"Live, {found} quote{'' if found == 1 else 's'}"
    if rfq.state == RfqState.CLOSED and accept is not None:
        return "Executed"
    if rfq.state == RfqState.CLOSED and rfq.closing_reason:
        return f"Closed: {rfq.closing_reason}"
    return _WORDS[RfqState(rfq.state)]


def quote_rows(rfq: Rfq, quotes: Iterable[ReceivedQuote]) -> list[Row]:
    """Return the stack: open quotes by what YES costs, then what NO costs; ended ones last."""
    quotes = list(quotes)
    ranks = {outcome: _ranks(quotes, outcome) for outcome in Outcome}
    shown = sorted(
        quotes,
        key=lambda one: (
            one.state != QuoteState.OPEN,
            ranks[Outcome.YES].get(one.pk, (999, False))[0],
            ranks[Outcome.NO].get(one.pk, (999, False))[0],
            one.seen_at,
        ),
    )
    return [_quote_row(rfq, quote, ranks) for quote in shown]


def _ranks(quotes: Iterable[ReceivedQuote], outcome: Outcome) -> dict[int, tuple[int, bool]]:
    """Return quote -> (1 best, 2 cover.., whether another has the same price); the first received wins a tie."""
    priced = []
    for quote in quotes:
        cost = prices_of(quote).requester_price(outcome)
        if quote.state == QuoteState.OPEN and cost is not None:
            priced.append((cost, quote.seen_at, quote.pk))
    priced.sort()
    costs = [cost for cost, _, _ in priced]
    return {pk: (rank, costs.count(cost) > 1) for rank, (cost, _, pk) in enumerate(priced, start=1)}


def contracts_of(rfq: Rfq, quote: ReceivedQuote, buys: Outcome) -> Decimal | None:
    """Return how many contracts of `buys` accepting this quote gives; None when the exchange has not said."""
    # Counts of a target cost are named after the maker's bid that is hit.
    by_quote = quote.no_contracts if buys is Outcome.YES else quote.yes_contracts
    found: Decimal | None = by_quote if rfq.contracts is None else rfq.contracts
    return found


def _quote_row(rfq: Rfq, quote: ReceivedQuote, ranks: dict[Outcome, dict[int, tuple[int, bool]]]) -> Row:
    row: Row = {
        "quote_id": quote.quote_id,
        "maker": maker_alias(quote.maker),
        "yes_bid": price(quote.yes_bid),
        "no_bid": price(quote.no_bid),
        "seen_ms": ms(quote.seen_at),
        "changed_ms": ms(quote.changed_at),
        "ended_ms": ms(quote.ended_at),
        "state": quote.state,
        "reason": quote.cancellation_reason,
    }
    for buys in Outcome:
        cost = prices_of(quote).requester_price(buys)
        contracts = contracts_of(rfq, quote, buys)
        swept = rfq.book_at_send.get(f"sweep_{buys}")
        rank, is_tied = ranks[buys].get(quote.pk, (None, False))
        row |= {
            f"buy_{buys}": price(cost),
            f"contracts_{buys}": count(contracts) if cost is not None else None,
            f"cost_{buys}": dollars(cost * contracts) if cost is not None and contracts is not None else None,
            f"rank_{buys}": rank,
            f"is_tied_{buys}": is_tied,
            f"improvement_{buys}": price(parse_price(swept) - cost) if cost is not None and swept else None,
        }
    return row


def accept_text(accept: Accept) -> str:
    if accept.error_code == UNVERIFIED and accept.state in (Accept.State.AWAITING, Accept.State.EXECUTING):
        return "Called cancelled; looking whether it was filled"
    return accept.get_state_display()


def fills_of(rfq: Rfq, accepts: Iterable[Accept]) -> Fills:
    """Return the fills that are known, by order id, in the order in which they happened; one query at most."""
    found: dict[str, list[Fill]] = {accept.order_id: [] for accept in accepts if accept.order_id}
    if found:
        rows = Fill.objects.filter(account_id=rfq.account_id, order_id_text__in=list(found))
        for fill in rows.order_by("traded_at", "pk"):
            found[fill.order_id_text].append(fill)
    return found


def _filled(accept: Accept, fills: Fills) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """Return (contracts, dollars paid, fees) of the fills of its order that are known; None before there are any."""
    own = fills.get(accept.order_id, ())
    if not own:
        return None, None, None
    paid = (fill.count * _paid(accept, fill) for fill in own)
    zero = Decimal(0)
    return sum((fill.count for fill in own), zero), sum(paid, zero), sum((fill.fee for fill in own), zero)


def _paid(accept: Accept, fill: Fill) -> Decimal:
    """Return dollars for each contract of the outcome that the accept bought."""
    yes: Decimal = fill.yes_price
    return yes if accept.buys == Outcome.YES else 1 - yes


def _next_best(rfq: Rfq, quotes: Iterable[ReceivedQuote], accepts: Iterable[Accept]) -> Row | None:
    """After a lapse: the cheapest quote that stands for the same outcome, and whether the own limit allows it."""
    last = max(accepts, key=lambda accept: accept.pk, default=None)
    if last is None or last.state not in _ENDED_ACCEPTS or rfq.state != RfqState.OPEN:
        return None
    buys = Outcome(last.buys)
    best = best_of(quotes, buys, limit=None)
    if best is None:
        return None
    cost = prices_of(best).requester_price(buys)
    assert cost is not None
    limit = limit_of(rfq, buys)
    return {
        "quote_id": best.quote_id,
        "buys": buys.value,
        "price": price(cost),
        "dearer_by": price(cost - last.price_seen),
        "is_within_limit": None if limit is None else cost <= limit,
    }


def accept_row(rfq: Rfq, accept: Accept, fills: Fills) -> Row:
    span = windows_of(rfq.ticker, is_combo=bool(rfq.legs))
    contracts = accept.contracts
    filled, cost, fees = _filled(accept, fills)
    if cost is None and contracts is not None:
        cost = accept.price_seen * contracts
    return {
        "key": f"accept:{accept.pk}",
        "quote_id": accept.quote.quote_id,
        "buys": accept.buys,
        "price": price(accept.price_seen),
        "contracts": count(contracts),
        "cost": dollars(cost),
        "filled": count(filled),
        "fees": dollars(fees),
        "state": accept.state,
        "state_text": accept_text(accept),
        "error": accept.error_text,
        "by": person(accept.accepted_by),
        "is_auto": accept.is_auto,
        "created_ms": ms(accept.created_at),
        "accepted_ms": ms(accept.accepted_at),
        "window_ends_ms": ms(accept.accepted_at + span.confirm if accept.accepted_at else None),
        "confirmed_ms": ms(accept.confirmed_at),
        "execution_ends_ms": ms(accept.confirmed_at + span.execution if accept.confirmed_at else None),
        "executed_ms": ms(accept.executed_at),
        "order_id": accept.order_id,
    }


def timeline(rfq: Rfq, quotes: Iterable[ReceivedQuote], accepts: Iterable[Accept], fills: Fills) -> list[Row]:
    """Return what happened, oldest first, by our clock; executions and fills by the exchange's."""
    steps: list[tuple[int, str, str]] = []

    def step(at: int | None, what: str, text: str) -> None:
        if at is not None:
            steps.append((at, what, text))

    step(ms(rfq.created_at), "committed", "Asked for" if rfq.placed_by_id else "Seen at the exchange")
    step(ms(rfq.claimed_at), "sent", "Sent")
    if rfq.rfq_id:
        step(ms(rfq.answered_at), "open", "Open at the exchange")
    elif rfq.answered_at:
        step(ms(rfq.answered_at), str(rfq.state), rfq.error_text or _WORDS[RfqState(rfq.state)])
    first = min((quote.seen_at for quote in quotes), default=None)
    step(ms(first), "first_quote", "First quote")
    for accept in accepts:
        words = f"{accept.buys.upper()} at {cents_text(accept.price_seen)}"
        step(ms(accept.created_at), "accepted", f"Took {words}")
        step(ms(accept.confirmed_at), "confirmed", "The maker confirmed")
        step(ms(accept.executed_at), "executed", "Executed")
        for price_paid, own in _by_price(accept, fills.get(accept.order_id, ())).items():
            contracts = count_text(sum((fill.count for fill in own), Decimal(0)))
            text = f"Filled {contracts} at {cents_text(price_paid)}"
            # A quote that fills against many orders at one price is one step, at the last of them.
            step(ms(own[-1].traded_at), "filled", text if len(own) == 1 else f"{text} in {len(own)} fills")
        if accept.state in _ENDED_ACCEPTS:
            step(ms(accept.resolved_at), str(accept.state), accept.error_text or accept.get_state_display())
    step(ms(rfq.close_wanted_at), "close_wanted", "To be closed")
    step(ms(rfq.closed_at), "closed", rfq.closing_reason or "Closed")
    return [{"at_ms": at, "what": what, "text": text} for at, what, text in sorted(steps)]


def _by_price(accept: Accept, fills: Iterable[Fill]) -> dict[Decimal, list[Fill]]:
    found: dict[Decimal, list[Fill]] = {}
    for fill in fills:
        found.setdefault(_paid(accept, fill), []).append(fill)
    return found


def _auto_row(rfq: Rfq) -> Row | None:
    if not rfq.auto_accept:
        return None
    after = rfq.auto_after or timedelta()
    fired = rfq.accepts.filter(is_auto=True).exists()
    return {
        "buys": rfq.auto_accept,
        "min_quotes": rfq.auto_min_quotes,
        "after_s": int(after.total_seconds()),
        "state": "fired" if fired else "waiting",
    }
