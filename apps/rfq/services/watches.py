"""Those who want to be told of requests of others (alert rules): matched where the stream is filtered, stored seldom.

Runs in the stream's own thread of the gateway, on what came since its last look. However many requests match, a watch
stores one row (`StreamHit`) at once and then at most one in PACE: how many they were, and the largest.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol

from django.db import DatabaseError

from apps.accounts.models import ExchangeAccount
from apps.core.durability import reaches_disk_later
from apps.core.timestamps import from_unix_ms
from apps.rfq.models import Rfq, StreamHit
from apps.rfq.services.filters import NOTHING_KNOWN, Criteria, Known, is_wanted
from apps.rfq.services.stream import Entry

logger = logging.getLogger(__name__)

READ_EVERY_S: Final = 5.0
PACE: Final = timedelta(seconds=15)
# A request of our own is heard here before the answer that names it is stored.
HELD: Final = timedelta(seconds=2)
NEWS: Final = timedelta(seconds=60)  # what a listing names and was asked before is no news
OWN_SINCE: Final = timedelta(minutes=10)
MOST: Final = 200  # watches
GATHERED_MOST: Final = 10_000  # requests of one watch between two rows
NO_FILTER: Final = Criteria()


@dataclass(frozen=True, slots=True)
class Watch:
    """Who wants to know of what. account: whose fair values and quotes the criteria mean, and the environment.

    tickers: beginnings, of the market or of a leg. least: dollars that the request is worth (`worth_of`).
    """

    number: int
    desk_id: int
    account: ExchangeAccount
    criteria: Criteria = NO_FILTER
    tickers: tuple[str, ...] = ()
    least: Decimal | None = None

    def narrows_to(self, entry: Entry) -> bool:
        """Whether what the criteria let through is wanted here."""
        report = entry.report
        if self.least is not None and (worth_of(entry) or Decimal(0)) < self.least:
            return False
        if not self.tickers or report.ticker.startswith(self.tickers):
            return True
        return any(leg["market_ticker"].startswith(self.tickers) for leg in report.legs)


def worth_of(entry: Entry) -> Decimal | None:
    """Return what a request is about in dollars: its target cost, else what its contracts pay when they win."""
    return entry.report.target_cost if entry.report.target_cost is not None else entry.report.contracts


class Lookup(Protocol):
    def __call__(
        self, account: ExchangeAccount, criteria: Criteria, entries: list[Entry], *, now: datetime
    ) -> dict[str, Known]: ...


# Filled by apps on the right: what is to be watched now. Asked each READ_EVERY_S; may read the database.
providers: list[Callable[[], Iterable[Watch]]] = []


@dataclass(slots=True)
class _Gathered:
    """Matches of one watch that no row tells of yet, in order of arrival."""

    watch: Watch
    entries: dict[str, Entry] = field(default_factory=dict)
    more: int = 0  # did not fit
    stored_at: datetime | None = None


class Watcher:
    """All watches of one gateway. One thread. lookup: what the desk knows of requests, for criteria that ask it."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._watches: dict[tuple[int, str], _Gathered] = {}
        self._read_at: float | None = None
        self._left_out = 0

    def align(self, *, clock: float) -> None:
        """Read anew what is watched, where it is time; a database that is away changes nothing. clock: monotonic s."""
        if self._read_at is not None and clock - self._read_at < READ_EVERY_S:
            return
        self._read_at = clock
        try:
            wanted = [watch for provider in providers for watch in provider()]
        except DatabaseError:
            logger.exception("what is to be watched could not be read; what was stays watched")
            return
        if (left_out := max(0, len(wanted) - MOST)) != self._left_out:
            self._left_out = left_out
            if left_out:
                logger.warning("%d rules on requests are not watched: %d at most", left_out, MOST)
        kept = self._watches
        self._watches = {}
        for watch in wanted[:MOST]:
            key = watch.number, watch.account.environment
            gathered = kept.get(key)
            if gathered is None or gathered.watch != watch:
                gathered = _Gathered(watch, stored_at=None if gathered is None else gathered.stored_at)
            self._watches[key] = gathered

    def take(self, environment: str, fresh: list[Entry], *, now: datetime) -> None:
        """Match new requests. Watches with the same criteria ask once."""
        news = [entry for entry in fresh if entry.report.created_at is None or now - entry.report.created_at <= NEWS]
        if not news:
            return
        passed: dict[tuple[int, Criteria], list[Entry]] = {}
        for gathered in self._watches.values():
            watch = gathered.watch
            if watch.account.environment != environment:
                continue
            key = watch.account.pk, watch.criteria
            if key not in passed:
                passed[key] = self._passed(watch, news, now=now)
            for entry in passed[key]:
                if not watch.narrows_to(entry):
                    continue
                if len(gathered.entries) < GATHERED_MOST:
                    gathered.entries[entry.report.rfq_id] = entry
                else:
                    gathered.more += 1

    def _passed(self, watch: Watch, entries: list[Entry], *, now: datetime) -> list[Entry]:
        if watch.criteria == NO_FILTER:
            return entries
        known = self._lookup(watch.account, watch.criteria, entries, now=now)
        return [
            one
            for one in entries
            if is_wanted(watch.criteria, one.report, known.get(one.report.rfq_id, NOTHING_KNOWN), now=now)
        ]

    def flush(self, *, now: datetime, all_of_it: bool = False) -> int:
        """Store what is due; returns how many rows. Our own requests are left out; what fails is tried again."""
        due = [one for one in self._watches.values() if one.entries and (all_of_it or _is_due(one, now))]
        try:
            return self._store(due, now=now, all_of_it=all_of_it) if due else 0
        except DatabaseError:
            logger.exception("requests that are watched for could not be stored, once more with the next look")
            return 0

    @staticmethod
    def _store(due: list[_Gathered], *, now: datetime, all_of_it: bool) -> int:
        own = _own({one.watch.account.environment for one in due}, now=now)
        rows, done = [], []
        for gathered in due:
            told = [entry for entry in gathered.entries.values() if all_of_it or _is_held(entry, now)]
            others = [entry for entry in told if entry.report.rfq_id not in own]
            if others:
                rows.append(_row(gathered.watch, others, gathered.more))
            done.append((gathered, told, bool(others)))
        if rows:
            with reaches_disk_later():
                StreamHit.objects.bulk_create(rows, ignore_conflicts=True)
        for gathered, told, has_news in done:
            for entry in told:
                del gathered.entries[entry.report.rfq_id]
            gathered.more = 0
            gathered.stored_at = now if has_news else gathered.stored_at
        return len(rows)


def _is_due(gathered: _Gathered, now: datetime) -> bool:
    is_time = gathered.stored_at is None or now - gathered.stored_at >= PACE
    return is_time and _is_held(next(iter(gathered.entries.values())), now)


def _is_held(entry: Entry, now: datetime) -> bool:
    return now - from_unix_ms(entry.seen_ms) >= HELD


def _own(environments: set[str], *, now: datetime) -> set[str]:
    rows = Rfq.objects.filter(account__environment__in=environments, created_at__gt=now - OWN_SINCE)
    return {rfq_id for rfq_id in rows.values_list("rfq_id", flat=True) if rfq_id}


def _row(watch: Watch, entries: list[Entry], more: int) -> StreamHit:
    largest = max(entries, key=lambda entry: (worth_of(entry) or Decimal(0), entry.seen_ms))
    report = largest.report
    return StreamHit(
        desk_id=watch.desk_id,
        watch=watch.number,
        environment=watch.account.environment,
        count=len(entries) + more,
        rfq_id=report.rfq_id[:80],
        ticker=report.ticker[:120],
        legs=len(report.legs),
        contracts=report.contracts,
        target_cost=report.target_cost,
        seen_at=from_unix_ms(max(entry.seen_ms for entry in entries)),
    )
