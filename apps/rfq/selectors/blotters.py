"""Every request and every quote of an account, newest first, page by page, from stored rows alone."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet, Sum

from apps.accounts.models import User
from apps.core.errors import DeskError
from apps.core.permissions import Actor
from apps.core.rfq import Outcome, QuoteState, RfqState
from apps.core.timestamps import from_unix_ms, to_unix_ms
from apps.orders.models import Fill
from apps.rfq.access import quotes_visible_to, rfqs_visible_to
from apps.rfq.events import quotes as quote_events
from apps.rfq.events import requests as rfq_events
from apps.rfq.events.words import Row, maker_alias, titles_of
from apps.rfq.models import Accept, Approval, Quote, ReceivedQuote, Rfq
from apps.rfq.selectors.periods import Period
from apps.rfq.services.markouts import ALL_HORIZONS

PAGE_LENGTH = 50
PAGE_AT_MOST = 500
REQUESTS, QUOTES = "requests", "quotes"
STATES: dict[str, tuple[str, ...]] = {REQUESTS: tuple(RfqState), QUOTES: tuple(QuoteState)}
_ENDED = (Accept.State.REFUSED, Accept.State.NOT_SEEN, Accept.State.LAPSED, Accept.State.FAILED)


@dataclass(frozen=True, slots=True)
class BlotterChoice:
    """kind: requests or quotes. person and subaccount as text, "" for any. series: how tickers begin."""

    kind: str
    period: Period
    person: str = ""
    series: str = ""
    state: str = ""
    subaccount: str = ""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page."""

    at: datetime
    pk: int

    def __str__(self) -> str:
        millis = to_unix_ms(self.at)
        micros = (self.at - from_unix_ms(millis)) // timedelta(microseconds=1)
        return f"{millis}.{micros}-{self.pk}"


def cursor_from(text: str) -> Cursor | None:
    """Raises DeskError for anything but "" and what `str(Cursor)` gave."""
    if not text:
        return None
    try:
        moment, pk = text.split("-")
        millis, micros = moment.split(".")
        found = Cursor(from_unix_ms(int(millis)) + timedelta(microseconds=int(micros)), int(pk))
    except (ValueError, OverflowError) as exc:
        raise DeskError("bad_input", "This is not a page of the list. Load the page again.") from exc
    if not 0 < found.pk < 2**63:
        raise DeskError("bad_input", "This is not a page of the list. Load the page again.")
    return found


@dataclass(frozen=True, slots=True)
class BlotterPage:
    rows: list[Row]
    next: Cursor | None  # None: there is nothing older


def blotter_page(
    actor: Actor, *, account_id: int, chosen: BlotterChoice, after: Cursor | None = None, limit: int = PAGE_LENGTH
) -> BlotterPage:
    """Return up to `limit` rows older than `after`. Raises NotAllowed; another desk's account has no rows."""
    limit = max(1, min(limit, PAGE_AT_MOST))
    found: QuerySet[Any] = _requests(actor) if chosen.kind == REQUESTS else _quotes(actor)
    found = found.filter(account_id=account_id, created_at__gte=chosen.period.start, created_at__lt=chosen.period.end)
    if chosen.person:
        found = found.filter(Q(placed_by_id=int(chosen.person)) | Q(owner_id=int(chosen.person)))
    if chosen.series:
        found = found.filter(ticker__istartswith=chosen.series)
    if chosen.state:
        found = found.filter(state=chosen.state)
    if chosen.subaccount:
        found = found.filter(subaccount=int(chosen.subaccount))
    if after is not None:
        found = found.filter(Q(created_at__lt=after.at) | Q(created_at=after.at, pk__lt=after.pk))
    read = list(found.order_by("-created_at", "-pk")[: limit + 1])
    shown = read[:limit]
    rows = _rfq_rows(shown) if chosen.kind == REQUESTS else _quote_rows(shown)
    last = shown[-1] if len(read) > limit else None
    return BlotterPage(rows, Cursor(last.created_at, last.pk) if last else None)


def blotter_rows(actor: Actor, *, account_id: int, chosen: BlotterChoice) -> Iterator[Row]:
    """Yield every row of a choice, newest first, reading one page at a time."""
    after: Cursor | None = None
    while True:
        page = blotter_page(actor, account_id=account_id, chosen=chosen, after=after, limit=PAGE_AT_MOST)
        yield from page.rows
        after = page.next
        if after is None:
            return


def _requests(actor: Actor) -> QuerySet[Rfq]:
    rows = rfqs_visible_to(actor).select_related("account", "placed_by", "owner")
    return rows.prefetch_related("quotes", "accepts__quote", "accepts__accepted_by")


def _quotes(actor: Actor) -> QuerySet[Quote]:
    rows = quotes_visible_to(actor).select_related(
        "account", "incoming", "placed_by", "owner", "rule_version__rule", "confirmation__decided_by"
    )
    return rows.prefetch_related("markouts")


# --- requests ---------------------------------------------------------------------------------------


def _rfq_rows(rfqs: list[Rfq]) -> list[Row]:
    taken = {rfq.pk: _last_accept(rfq) for rfq in rfqs}
    fees = _fees_of({accept.order_id for accept in taken.values() if accept and accept.order_id}, rfqs)
    approvers = _approvers_of(
        [f"rfq:{rfq.pk}" for rfq in rfqs] + [f"accept:{accept.pk}" for accept in taken.values() if accept]
    )
    titles = _titles(rfqs, lambda rfq: rfq.legs)
    return [_rfq_row(rfq, taken[rfq.pk], fees=fees, approvers=approvers, titles=titles) for rfq in rfqs]


def _last_accept(rfq: Rfq) -> Accept | None:
    """The accept that stands, else the last that ended."""
    accepts = sorted(rfq.accepts.all(), key=lambda one: (one.state not in _ENDED, one.pk))
    return accepts[-1] if accepts else None


def _rfq_row(
    rfq: Rfq,
    accept: Accept | None,
    *,
    fees: Mapping[tuple[int, str], Decimal],
    approvers: Mapping[str, str],
    titles: Mapping[str, str],
) -> Row:
    quotes = list(rfq.quotes.all())
    ranked = {buys: ranked_prices(quotes, buys) for buys in Outcome}
    buys = Outcome(accept.buys) if accept else None
    gain = improvement_of(rfq, accept)
    first = min((quote.seen_at for quote in quotes), default=None)
    standing = accept if accept and accept.state not in _ENDED else None
    return {
        "key": f"rfq:{rfq.pk}",
        "rfq_id": rfq.rfq_id or "",
        "created_at": rfq.created_at,
        "ticker": rfq.ticker,
        "title": titles.get(rfq.ticker, rfq.ticker),
        "legs": _legs(rfq.legs, titles),
        "contracts": rfq.contracts,
        "target_cost": rfq.target_cost,
        "quotes": len(quotes),
        "best_yes": ranked[Outcome.YES][0] if ranked[Outcome.YES] else None,
        "best_no": ranked[Outcome.NO][0] if ranked[Outcome.NO] else None,
        # The next best price of the side that was bought.
        "cover": ranked[buys][1] if buys and len(ranked[buys]) > 1 else None,
        "buys": buys.value if buys else "",
        "price": accept.price_seen if accept else None,
        "bought": accept.contracts if accept else None,
        "maker": maker_alias(accept.quote.maker) if accept else "",
        "improvement": gain,
        "improvement_total": gain * accept.contracts if gain is not None and accept and accept.contracts else None,
        "fees": fees.get((rfq.account_id, accept.order_id)) if accept and accept.order_id else None,
        "first_quote_ms": span_ms(rfq.created_at, first),
        "accept_ms": span_ms(rfq.created_at, accept.created_at if accept else None),
        "confirm_ms": span_ms(accept.accepted_at, accept.confirmed_at) if accept else None,
        "execute_ms": span_ms(accept.confirmed_at, accept.executed_at) if accept else None,
        "lapses": sum(one.state == Accept.State.LAPSED for one in rfq.accepts.all()),
        "person": name_of(rfq.placed_by) or "made elsewhere",
        "owner": name_of(rfq.owner),
        "approver": approvers.get(f"accept:{accept.pk}" if accept else "") or approvers.get(f"rfq:{rfq.pk}", ""),
        "state": rfq.state,
        "state_text": rfq_events.state_text(rfq, standing),
        "note": rfq.note,
        "reason": rfq.error_text or rfq.closing_reason,
    }


def ranked_prices(quotes: Iterable[ReceivedQuote], buys: Outcome) -> list[Decimal]:
    """Return what one contract cost with each maker, by the last price of each quote, the best first."""
    prices = (rfq_events.prices_of(quote).requester_price(buys) for quote in quotes)
    return sorted(price for price in prices if price is not None)


def improvement_of(rfq: Rfq, accept: Accept | None) -> Decimal | None:
    """Return dollars a contract saved against sweeping the book as it was at the send; None where it is not known."""
    swept = rfq.book_at_send.get(f"sweep_{accept.buys}") if accept else None
    return Decimal(swept) - accept.price_seen if accept and swept else None


def _fees_of(order_ids: set[str], rows: Iterable[Rfq]) -> dict[tuple[int, str], Decimal]:
    """Return (account, order) -> what the exchange took, dollars: of fills, never of a model."""
    accounts = {row.account_id for row in rows}
    fills = Fill.objects.filter(account_id__in=accounts, order_id_text__in=order_ids).order_by()
    found = fills.values_list("account_id", "order_id_text").annotate(Sum("fee"))
    return {(account_id, order_id): fee for account_id, order_id, fee in found}


def _approvers_of(results: list[str]) -> dict[str, str]:
    used = Approval.objects.filter(result__in=results, state=Approval.State.USED).select_related("decided_by")
    return {approval.result: name_of(approval.decided_by) for approval in used}


# --- quotes -----------------------------------------------------------------------------------------


def _quote_rows(quotes: list[Quote]) -> list[Row]:
    titles = _titles(quotes, lambda quote: quote.incoming.legs)
    return [_quote_row(quote, titles) for quote in quotes]


def _quote_row(quote: Quote, titles: Mapping[str, str]) -> Row:
    confirmation = getattr(quote, "confirmation", None)
    side = Outcome(confirmation.accepted_side) if confirmation and confirmation.accepted_side else None
    own = quote.yes_bid if side is Outcome.YES else quote.no_bid
    rule = quote.rule_version
    look = (confirmation.inputs.get("look") or {}) if confirmation else {}
    fair_at_accept = look.get("fair_now")
    marks = {mark.horizon: mark for mark in quote.markouts.all()}
    return {
        "key": f"quote:{quote.pk}",
        "quote_id": quote.quote_id or "",
        "rfq_id": quote.incoming.rfq_id,
        "created_at": quote.created_at,
        "ticker": quote.ticker,
        "title": titles.get(quote.ticker, quote.ticker),
        "legs": _legs(quote.incoming.legs, titles),
        "contracts": quote.incoming.contracts,
        "target_cost": quote.incoming.target_cost,
        "yes_bid": quote.yes_bid or None,
        "no_bid": quote.no_bid or None,
        "rule": f"{rule.rule.name} v{rule.number}" if rule else "",
        "fair": quote.fair_yes,
        "fair_at_accept": Decimal(fair_at_accept) if fair_at_accept else None,
        "edge_yes": edge(quote.fair_yes, Outcome.YES, quote.yes_bid),
        "edge_no": edge(quote.fair_yes, Outcome.NO, quote.no_bid),
        "accepted_side": side.value if side else "",
        "price": own if side else None,
        "taken": confirmation.contracts if confirmation else None,
        "policy": quote.policy,
        "decision": confirmation.decision if confirmation else "",
        "decided_by": name_of(confirmation.decided_by) if confirmation else "",
        "reason": confirmation.reason if confirmation else "",
        "slack_ms": span_ms(confirmation.answered_at, confirmation.window_ends_at) if confirmation else None,
        **{f"markout_{name}": markout(marks.get(name), side, own) for name in ALL_HORIZONS},
        **{f"why_not_{name}": marks[name].why_not if name in marks else "" for name in ALL_HORIZONS},
        "person": name_of(quote.placed_by) or (f"rule {rule.rule.name}" if rule else "made elsewhere"),
        "owner": name_of(quote.owner),
        "state": quote.state,
        "state_text": quote_events.state_text(quote),
        "note": quote.error_text or quote.end_reason,
    }


def edge(fair_yes: Decimal | None, side: Outcome, bid: Decimal) -> Decimal | None:
    """Return dollars a contract between our value of a side and our bid for it; None when one is not known."""
    if fair_yes is None or not bid:
        return None
    return (fair_yes if side is Outcome.YES else 1 - fair_yes) - bid


def markout(mark: Any, side: Outcome | None, own: Decimal) -> Decimal | None:
    """Return dollars a contract gained (lost: negative) at a horizon; None before it was taken, or without a price."""
    return edge(mark.yes_mid, side, own) if mark is not None and side is not None else None


# --- both -------------------------------------------------------------------------------------------


def span_ms(start: datetime | None, end: datetime | None) -> int | None:
    return None if start is None or end is None else (end - start) // timedelta(milliseconds=1)


def name_of(user: User | None) -> str:
    return "" if user is None else user.display_name or user.username


def _titles(rows: Iterable[Any], legs_of: Callable[[Any], list[dict[str, str]]]) -> dict[str, str]:
    tickers: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        tickers[row.account.environment] |= {row.ticker, *(leg["market_ticker"] for leg in legs_of(row))}
    found: dict[str, str] = {}
    for environment, of_environment in tickers.items():
        found |= titles_of(environment, of_environment - {""})
    return found


def _legs(legs: Iterable[Mapping[str, str]], titles: Mapping[str, str]) -> str:
    return "; ".join(f"{leg['side'].upper()} {titles.get(leg['market_ticker'], leg['market_ticker'])}" for leg in legs)
