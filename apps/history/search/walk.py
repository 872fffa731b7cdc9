"""Pages and streams of what a choice matches, newest first, at a cost that does not grow with what came before.

Rows are in one order, (moment, row id), and a page ends at a cursor of the two. Each account is an index of its own, so
it is read by itself and the streams are merged. Filters without an index are looked for in windows of the time index,
until a page is full or its time is up: then the page says how far it has looked, and the next one goes on from there.
"""

import heapq
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from itertools import islice
from operator import and_, or_
from typing import Any

from django.db.models import Q, QuerySet

from apps.accounts.access import accounts_seen
from apps.core.errors import DeskError, NotFound
from apps.core.permissions import Actor
from apps.history.search.choice import Choice
from apps.history.search.sources import ELSEWHERE, Source, chosen_markets
from apps.markets.models import Market
from apps.orders.reports import uuid_or_none
from apps.rfq.selectors.blotters import Cursor

PAGE_LENGTH = 100
PAGE_AT_MOST = 1_000
WINDOW = 25_000  # rows of the time index that are looked at at once for a filter without an index
LOOK_SECONDS = 0.4
COUNT_WINDOW = 100_000
COUNT_SECONDS = 0.3
TITLES_AT_MOST = 300
WALKS_AT_MOST = 60
_TICKERS_BEGIN = "KX"
_CHUNK = 5_000
_IDS_AT_MOST = 1_000

Raw = tuple[Any, ...]  # (moment, row id, *columns)


@dataclass(frozen=True, slots=True)
class SearchPage:
    """rows: raw values by column. next: None when there is nothing older. looked_to: the time was up there."""

    rows: list[Raw]
    next: Cursor | None
    looked_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class SearchCount:
    """rows: counted down to `next`, exactly; None: there is nothing further down."""

    rows: int
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class _Plan:
    source: Source
    branches: list[QuerySet[Any]]  # each one walk of an index, without its filters
    narrow: Q
    has_rest: bool  # some filter has no index


def search_page(
    actor: Actor,
    choice: Choice,
    *,
    after: Cursor | None = None,
    limit: int = PAGE_LENGTH,
    seconds: float = LOOK_SECONDS,
    window: int = WINDOW,
) -> SearchPage:
    """Return up to `limit` rows older than `after`.

    Raises NotAllowed; NotFound for another desk's account; DeskError when a title's words fit too many markets.
    """
    limit = max(1, min(limit, PAGE_AT_MOST))
    plan = _plan(actor, choice)
    if not plan.has_rest:
        rows = _merged([_rows(plan, branch, after)[: limit + 1] for branch in plan.branches], limit + 1)
        return SearchPage(rows[:limit], _cursor(rows[limit - 1]) if len(rows) > limit else None)
    stop = time.monotonic() + seconds
    found: list[Raw] = []
    while True:
        floor = _floor(plan, after, window)
        wanted = limit + 1 - len(found)
        parts = [_above(_rows(plan, branch, after), floor)[:wanted] for branch in plan.branches]
        found += _merged(parts, wanted)
        if len(found) > limit:
            return SearchPage(found[:limit], _cursor(found[limit - 1]))
        if floor is None:
            return SearchPage(found, None)
        after = floor
        if time.monotonic() >= stop:
            return SearchPage(found, floor, floor.at)


def search_count(
    actor: Actor,
    choice: Choice,
    *,
    after: Cursor | None = None,
    seconds: float = COUNT_SECONDS,
    window: int = COUNT_WINDOW,
) -> SearchCount:
    """Count what is older than `after`, newest first, until the time is up; the sum of all calls is exact.

    Raises what `search_page` raises.
    """
    plan = _plan(actor, choice)
    stop = time.monotonic() + seconds
    rows = 0
    while True:
        floor = _floor(plan, after, window)
        for branch in plan.branches:
            rows += _above(_older(branch, after), floor).filter(plan.narrow).count()
        after = floor
        if floor is None or time.monotonic() >= stop:
            return SearchCount(rows, floor)


def search_rows(actor: Actor, choice: Choice) -> Iterator[Raw]:
    """Yield everything that a choice matches, newest first, a few thousand rows in memory at a time."""
    plan = _plan(actor, choice)
    streams = [_stream(plan, branch) for branch in plan.branches]
    if len(streams) == 1:
        return streams[0]
    return heapq.merge(*streams, key=lambda row: row[:2], reverse=True)


def _stream(plan: _Plan, branch: QuerySet[Any]) -> Iterator[Raw]:
    # Page by page, not by one open cursor: an export of minutes must hold no transaction and no read lock.
    after: Cursor | None = None
    while True:
        rows = list(_rows(plan, branch, after)[:_CHUNK])
        yield from rows
        if len(rows) < _CHUNK:
            return
        after = _cursor(rows[-1])


def _rows(plan: _Plan, branch: QuerySet[Any], after: Cursor | None) -> QuerySet[Any]:
    found = _older(branch, after).filter(plan.narrow).order_by("-at", "-pk")
    return found.values_list("at", "pk", *(column.read for column in plan.source.columns))


def _older(rows: QuerySet[Any], after: Cursor | None) -> QuerySet[Any]:
    if after is None:
        return rows
    # The first condition is one range of the index; the second only parts rows of the same instant.
    return rows.filter(Q(at__lte=after.at) & (Q(at__lt=after.at) | Q(pk__lt=after.pk)))


def _above(rows: QuerySet[Any], floor: Cursor | None) -> QuerySet[Any]:
    if floor is None:
        return rows
    return rows.filter(Q(at__gte=floor.at) & (Q(at__gt=floor.at) | Q(pk__gte=floor.pk)))


def _floor(plan: _Plan, after: Cursor | None, window: int) -> Cursor | None:
    """Return the row down to which all branches are looked at next; None: all the way."""
    ends: list[tuple[datetime, int]] = []
    for branch in plan.branches:
        ends += _older(branch, after).order_by("-at", "-pk").values_list("at", "pk")[window - 1 : window]
    return Cursor(*max(ends)) if ends else None


def _merged(parts: list[QuerySet[Any]], limit: int) -> list[Raw]:
    if len(parts) == 1:
        return list(parts[0])
    merged = heapq.merge(*(list(part) for part in parts), key=lambda row: row[:2], reverse=True)
    return list(islice(merged, limit))


def _cursor(row: Raw) -> Cursor:
    return Cursor(row[0], row[1])


def _plan(actor: Actor, choice: Choice) -> _Plan:
    source = choice.of
    accounts = _accounts(actor, choice)
    rows = source.rows(actor).order_by()
    narrow, has_rest = _narrow(source, choice)
    scopes: list[dict[str, Any]] = [{"account_id": pk} for pk in accounts]
    if source.of_market:
        scopes = [{"environment": name, "ticker": ticker} for name, ticker in chosen_markets(list(accounts))]
    if choice.text:
        scopes, more = _of_markets(source, rows, scopes, choice.text, set(accounts.values()))
        narrow, has_rest = narrow & more, has_rest or bool(more)
    if choice.record:
        # A handful of rows by their own index: what else is asked of them costs nothing.
        narrow, has_rest = narrow & Q(pk__in=_by_id(source, rows, choice.record, accounts)), False
    walks = [rows.annotate(at=source.at).filter(_period(choice), **scope) for scope in scopes]
    return _Plan(source, walks, narrow, has_rest)


def _of_markets(
    source: Source, rows: QuerySet[Any], scopes: list[dict[str, Any]], text: str, environments: set[str]
) -> tuple[list[dict[str, Any]], Q]:
    """Return the walks for markets by ticker, its beginning, or words of a title, and what no index knows of it.

    One market of ours, or a few by title, are walks of the index by market.
    """
    ticker = text.upper()
    exact = [scope | {"ticker": ticker} for scope in scopes if scope.get("ticker", ticker) == ticker]
    exact = [scope for scope in exact if rows.filter(**scope).exists()]
    if exact:
        return exact, Q()
    titled = _titled(text, environments)
    if source.of_market:
        return [one for one in scopes if one["ticker"].startswith(ticker) or one["ticker"] in titled], Q()
    if " " in text and len(titled) * len(scopes) <= WALKS_AT_MOST:
        return [scope | {"ticker": one} for scope in scopes for one in titled], Q()
    return scopes, Q(ticker__startswith=ticker) | Q(ticker__in=titled)


def _titled(text: str, environments: set[str]) -> list[str]:
    """Return the markets that have every word in their own or their event's title."""
    words = text.split()
    if len(words) == 1 and text.upper().startswith(_TICKERS_BEGIN):
        return []
    found = Market.objects.filter(environment__in=environments)
    for word in words:
        found = found.filter(
            Q(event__title__icontains=word) | Q(title__icontains=word) | Q(yes_sub_title__icontains=word)
        )
    tickers = list(dict.fromkeys(found.order_by("ticker").values_list("ticker", flat=True)[: TITLES_AT_MOST + 1]))
    if len(tickers) > TITLES_AT_MOST:
        words_text = f"More than {TITLES_AT_MOST} markets have this in their title. Add a word, or begin a ticker."
        raise DeskError("too_wide", words_text, fields={"q": words_text})
    return tickers


def _by_id(source: Source, rows: QuerySet[Any], record: str, accounts: Mapping[int, str]) -> list[int]:
    found: list[int] = []
    for one in source.ids:
        value: Any = uuid_or_none(record) if one.is_uuid else record
        if value is None:
            continue
        scope: dict[str, Any] = {}
        if one.scope:
            scope = {f"{one.scope}__in": list(accounts if one.scope.endswith("account_id") else set(accounts.values()))}
        found += rows.filter(**scope, **{one.path: value}).values_list("pk", flat=True)[:_IDS_AT_MOST]
    return found


def _accounts(actor: Actor, choice: Choice) -> dict[int, str]:
    """Return the environment of each account that is searched, by row id."""
    visible = dict(accounts_seen(actor).values_list("pk", "environment"))
    if not choice.account:
        return visible
    account_id = int(choice.account)
    if account_id not in visible:
        raise NotFound("This account does not exist, or it belongs to another desk.")
    return {account_id: visible[account_id]}


def _narrow(source: Source, choice: Choice) -> tuple[Q, bool]:
    """Return the filters that no index knows, and whether there is one."""
    parts: list[Q] = []
    if choice.subaccount:
        parts.append(Q(**{source.subaccount: int(choice.subaccount)}))
    if choice.side:
        parts.append(Q(**{source.side: source.sides[choice.side]}))
    if choice.state:
        parts.append(Q(**{source.state: choice.state}))
    if choice.source:
        parts.append(Q(**{source.source: choice.source}))
    if choice.person == ELSEWHERE and source.elsewhere is not None:
        parts.append(source.elsewhere)
    elif choice.person:
        parts.append(reduce(or_, (Q(**{path: int(choice.person)}) for path in source.people)))
    for path, (low, high) in ((source.size, choice.size_range), (source.price, choice.price_range)):
        parts += [Q(**{f"{path}__gte": low})] if low is not None else []
        parts += [Q(**{f"{path}__lte": high})] if high is not None else []
    return reduce(and_, parts, Q()), bool(parts)


def _period(choice: Choice) -> Q:
    narrow = Q()
    if choice.start is not None:
        narrow &= Q(at__gte=choice.start)
    if choice.end is not None:
        narrow &= Q(at__lt=choice.end)
    return narrow
