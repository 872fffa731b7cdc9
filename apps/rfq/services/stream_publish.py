"""Shows the stream to those who look at it: which filters are open, what they match, what is known of each request.

Everything here runs in one thread of the gateway and may block.
"""

import logging
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import F

from apps.accounts.models import ExchangeAccount
from apps.core.timestamps import to_unix_ms, utc_now
from apps.exchange import live
from apps.exchange.gateway.interest import interesting_names
from apps.rfq.events.incoming import KIND, Shown, incoming_of, incoming_row
from apps.rfq.events.quotes import quote_key
from apps.rfq.events.words import Row
from apps.rfq.models import IncomingRfq, Quote, Rfq, StreamFilter, StreamMinute
from apps.rfq.services.fair import Valuation, valuation_of
from apps.rfq.services.filters import Criteria, Known, criteria_stored
from apps.rfq.services.incoming import incoming_deleted
from apps.rfq.services.market_facts import CHUNK, FactsCache
from apps.rfq.services.passes import SHOWN, passed_of
from apps.rfq.services.quotes import LIVE
from apps.rfq.services.stream import Batch, Board, Entry, View
from apps.rfq.services.suggest import Suggester
from apps.rfq.services.watches import Watcher

logger = logging.getLogger(__name__)

ROWS = 200
LOOKED_AT = 400  # newest ones, of which those that the desk passed on are left out
EVERY_S = 2.0  # an unchanged frame is told again, with its new time
FILTERS_EVERY_S = 2.0
MATCH_AGAIN_S = 5.0  # filters that ask for what changes without a message (fair values, closing times)
MATCH_AGAIN_MOST = 2_000
OPEN_MS = 15_000  # a filter is let go this long after its last need (the hub repeats it every 5 s)


@dataclass(slots=True)
class _Open:
    """One topic that somebody looks at."""

    account: ExchangeAccount
    filter_id: int
    view: View
    is_known: bool = True  # False: there is no such filter on this desk
    matched_at: float = 0.0
    told_at: float = 0.0
    told: Row = field(default_factory=dict)


class StreamPublisher:
    """Boards of all environments, and the views that are open."""

    def __init__(self) -> None:
        self.boards: dict[str, Board] = {}
        self.sources: dict[str, int] = {}  # environment -> the account that brings its stream
        self._facts: dict[str, FactsCache] = {}
        self._open: dict[str, _Open] = {}
        self._filters_at = 0.0
        self._minutes: dict[tuple[int, datetime], list[int]] = {}  # (account, minute) -> seen, eligible, dropped
        self._suggester = Suggester()
        self._watcher = Watcher(self._known)

    def tick(self, batches: dict[str, Batch], *, now: datetime | None = None, clock: float | None = None) -> int:
        """Take in what came and publish what is looked at; returns how many frames went out.

        now: our clock. clock: monotonic seconds.
        """
        now = now or utc_now()
        clock = time.monotonic() if clock is None else clock
        wanted = self._wanted(now)
        if wanted is not None:
            self._align(wanted, clock=clock)
        self._watcher.align(clock=clock)
        for environment, batch in batches.items():
            self._take(environment, batch, now=now, clock=clock)
        frames = {}
        for topic, one in self._open.items():
            frame = self._frame(one, now=now, clock=clock)
            if frame is not None:
                frames[topic] = frame
        self._flush(now)
        if frames and not live.publish_many([(topic, live.next_version(), frame) for topic, frame in frames.items()]):
            for topic in frames:  # Redis is away: told again when it is back
                self._open[topic].told = {}
        self._watcher.flush(now=now)
        return len(frames)

    def leave(self) -> None:
        """Somebody else holds the lease now: what was kept for browsers is dropped, counters are written."""
        self._flush(utc_now(), all_of_it=True)
        self._watcher.flush(now=utc_now(), all_of_it=True)
        live.state_forget(self._open)

    # --- which filters are open ------------------------------------------------------------------

    def _wanted(self, now: datetime) -> set[str] | None:
        names = interesting_names(KIND, now_ms=to_unix_ms(now), kept_ms=OPEN_MS)
        return None if names is None else {name for name in names if incoming_of(name) is not None}

    def _align(self, wanted: set[str], *, clock: float) -> None:
        gone = [topic for topic in self._open if topic not in wanted]
        for topic in gone:
            del self._open[topic]
        if gone:
            live.state_forget(gone)
        fresh = wanted - self._open.keys()
        if not fresh and clock - self._filters_at < FILTERS_EVERY_S:
            return
        self._filters_at = clock
        numbers = {topic: found for topic in wanted if (found := incoming_of(topic)) is not None}
        accounts = ExchangeAccount.objects.filter(is_active=True).in_bulk({one for one, _ in numbers.values()})
        filters = StreamFilter.objects.in_bulk({one for _, one in numbers.values()})
        for topic, (account_id, filter_id) in numbers.items():
            account = accounts.get(account_id)
            if account is None:
                self._open.pop(topic, None)
                continue
            saved = filters.get(filter_id)
            is_ours = saved is not None and (saved.desk_id, saved.environment) == (account.desk_id, account.environment)
            is_known = filter_id == 0 or is_ours
            criteria = criteria_stored(saved.criteria) if saved is not None and is_ours else Criteria()
            version = saved.version if saved is not None and is_ours else 0
            known = self._open.get(topic)
            if known is None or (known.view.version, known.is_known) != (version, is_known):
                self._open[topic] = _Open(account, filter_id, View(criteria, version), is_known)

    # --- what came -------------------------------------------------------------------------------

    def _take(self, environment: str, batch: Batch, *, now: datetime, clock: float) -> None:
        board = self.boards.setdefault(environment, Board())
        seen, dropped = board.seen, board.dropped
        fresh, gone = board.apply(batch)
        _mark_deleted(environment, batch.deleted)
        self._watcher.take(environment, fresh, now=now)
        eligible: set[str] = self._suggester.wanted(environment, fresh)
        for one in self._open.values():
            if one.account.environment != environment or not one.is_known or not one.matched_at:
                continue
            self._match(one, fresh, gone, now=now, clock=clock)
            if one.filter_id:
                eligible |= {entry.report.rfq_id for entry in fresh if entry.report.rfq_id in one.view.matched}
        if batch.account_id:
            self.sources[environment] = batch.account_id
            minute = now.replace(second=0, microsecond=0)
            counts = self._minutes.setdefault((batch.account_id, minute), [0, 0, 0])
            for place, more in enumerate((board.seen - seen, len(eligible), board.dropped - dropped)):
                counts[place] += more

    def _match(self, one: _Open, fresh: list[Entry], gone: Iterable[str], *, now: datetime, clock: float) -> None:
        one.view.refresh(fresh, gone, self._known(one.account, one.view.criteria, fresh, now=now), now=now)

    def _known(
        self, account: ExchangeAccount, criteria: Criteria, entries: list[Entry], *, now: datetime
    ) -> dict[str, Known]:
        """Look up what a filter asks beyond the message; nothing when it asks nothing."""
        if not entries or not (criteria.needs_market or criteria.with_fair or criteria.quoted_before):
            return {}
        reports = [entry.report for entry in entries]
        facts = self._facts_of(account.environment)
        valuation: Valuation | None = None
        quoted: set[str] = set()
        if criteria.needs_market:
            facts.read([report.ticker for report in reports])
        if criteria.with_fair:
            valuation = self._valuation(account, entries, now=now)
        if criteria.quoted_before:
            quoted = _quoted(account.pk, [report.ticker for report in reports])
        found = {}
        for report in reports:
            market = facts.of(report.ticker)
            has_fair = valuation is not None and valuation.fair_of(report.ticker, report.legs).value is not None
            found[report.rfq_id] = Known(
                market.category, market.title, market.closes_at, has_fair, report.ticker in quoted
            )
        return found

    # --- what is shown ---------------------------------------------------------------------------

    def _frame(self, one: _Open, *, now: datetime, clock: float) -> Row | None:
        """Return the topic's frame, None when it would say what it said."""
        environment = one.account.environment
        board = self.boards.setdefault(environment, Board())
        criteria = one.view.criteria
        changes_alone = criteria.with_fair or criteria.quoted_before or criteria.needs_market
        if one.is_known and (not one.matched_at or (changes_alone and clock - one.matched_at >= MATCH_AGAIN_S)):
            newest = list(board.entries.values())
            if changes_alone:
                newest = newest[-MATCH_AGAIN_MOST:]
            one.view.matched.clear()
            self._match(one, newest, (), now=now, clock=clock)
            one.matched_at = clock
        passed = self._passed(one)
        frame: Row = {
            "rows": self._rows(one, board, passed, now=now),
            "passed": sorted(passed.values(), key=lambda row: -(row["at_ms"] or 0))[:SHOWN],
            "hidden": max(0, len(board.entries) - len(one.view.matched)),
            "rate": f"{board.rate(to_unix_ms(now) // 1_000):.1f}",
            "seen": board.seen,
            "dropped": board.dropped,
            "state": "live" if one.is_known else "no_filter",
        }
        if frame == one.told and clock - one.told_at < EVERY_S:
            return None
        one.told, one.told_at = frame, clock
        return {**frame, "ts_ms": to_unix_ms(now)}

    @staticmethod
    def _passed(one: _Open) -> dict[str, Row]:
        """What the desk has passed on, among what the filter shows newest."""
        if not one.is_known:
            return {}
        account = one.account
        return passed_of(account.desk_id, account.environment, one.view.newest(LOOKED_AT))

    def _rows(self, one: _Open, board: Board, passed: Collection[str], *, now: datetime) -> list[Row]:
        if not one.is_known:
            return []
        newest = [rfq_id for rfq_id in one.view.newest(LOOKED_AT) if rfq_id not in passed][:ROWS]
        entries = [board.entries[rfq_id] for rfq_id in newest if rfq_id in board.entries]
        own = _own(one.account.environment, [entry.report.rfq_id for entry in entries])
        for rfq_id in own:  # what we ask for ourselves is no business of ours to quote
            board.entries.pop(rfq_id, None)
            for other in self._open.values():
                other.view.matched.pop(rfq_id, None)
        entries = [entry for entry in entries if entry.report.rfq_id not in own]
        if not entries:
            return []
        tickers = {entry.report.ticker for entry in entries}
        legs = {leg["market_ticker"] for entry in entries for leg in entry.report.legs}
        facts = self._facts_of(one.account.environment)
        facts.read(tickers | legs)
        titles = {ticker: facts.of(ticker).title for ticker in tickers | legs}
        valuation = self._valuation(one.account, entries, now=now)
        quotes = _open_quotes(one.account.pk, [entry.report.rfq_id for entry in entries])
        suggest = self._suggester.for_account(one.account, tickers, valuation, facts, now=now)
        rows = []
        for entry in entries:
            report = entry.report
            market = facts.of(report.ticker)
            said = suggest.of(report)
            shown = Shown(
                title=market.title,
                titles=titles,
                event_ticker=market.event_ticker,
                touch=valuation.touch_of(report.ticker),
                fair=said.fair,
                position=said.position,
                suggested=said.prices,
                rule=said.rule,
                quote=quotes.get(report.rfq_id),
                closes_at=market.closes_at,
            )
            rows.append(incoming_row(report, entry.seen_ms, shown))
        return rows

    def _valuation(self, account: ExchangeAccount, entries: list[Entry], *, now: datetime) -> Valuation:
        markets = [(entry.report.ticker, entry.report.legs) for entry in entries]
        return valuation_of(account.environment, account.desk_id, markets, now=now)

    def _facts_of(self, environment: str) -> FactsCache:
        return self._facts.setdefault(environment, FactsCache(environment))

    # --- the top of the funnel -------------------------------------------------------------------

    def _flush(self, now: datetime, *, all_of_it: bool = False) -> None:
        """Write the counters of minutes that are over."""
        minute = now.replace(second=0, microsecond=0)
        for key in [key for key in self._minutes if all_of_it or key[1] < minute]:
            seen, eligible, dropped = self._minutes.pop(key)
            row, _ = StreamMinute.objects.get_or_create(account_id=key[0], minute=key[1])
            StreamMinute.objects.filter(pk=row.pk).update(
                seen=F("seen") + seen, eligible=F("eligible") + eligible, dropped=F("dropped") + dropped
            )


def _own(environment: str, rfq_ids: list[str]) -> set[str]:
    rows = Rfq.objects.filter(account__environment=environment, rfq_id__in=rfq_ids)
    return {rfq_id for rfq_id in rows.values_list("rfq_id", flat=True) if rfq_id}


def _quoted(account_id: int, tickers: list[str]) -> set[str]:
    found: set[str] = set()
    for part in _chunks(sorted(set(tickers))):
        rows = Quote.objects.filter(account_id=account_id, ticker__in=part)
        found |= set(rows.values_list("ticker", flat=True).distinct())
    return found


def _open_quotes(account_id: int, rfq_ids: list[str]) -> dict[str, str]:
    rows = Quote.objects.filter(account_id=account_id, incoming__rfq_id__in=rfq_ids, state__in=LIVE).order_by("pk")
    return {rfq_id: quote_key(pk) for pk, rfq_id in rows.values_list("pk", "incoming__rfq_id")}


def _mark_deleted(environment: str, rfq_ids: Iterable[str]) -> None:
    """Note which of the requests that we keep are over. Most are not ours: asked first, so that nothing is locked."""
    for part in _chunks(list(rfq_ids)):
        kept = IncomingRfq.objects.filter(environment=environment, rfq_id__in=part, deleted_at=None)
        ids = list(kept.values_list("rfq_id", flat=True))
        if ids:
            incoming_deleted(environment, ids)


def _chunks(items: list[str]) -> Iterable[list[str]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
