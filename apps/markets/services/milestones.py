"""Keep what events are about: milestones, and which events each names. Times of the exchange, UTC.

A full pass reads everything that begins within WINDOW or later, the others what changed since. Only rows that changed
are written, in small transactions, so that orders wait for none of it; a pass may be killed anywhere and run again.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.db.models import Q

from apps.core.errors import WireFormatError
from apps.core.timestamps import format_rfc3339, parse_rfc3339, to_unix_seconds, utc_now
from apps.core.topics import TopicName
from apps.exchange import live
from apps.exchange.clients import environment_client
from apps.exchange.wire.api.milestones import get_milestones
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.free_json import bounded_object
from apps.exchange.wire.schemas.milestones import Milestone as WireMilestone
from apps.markets.models import Milestone, MilestoneEvent

logger = logging.getLogger(__name__)

CHUNK = 200
FULL_EVERY = timedelta(hours=1)
OVERLAP = timedelta(minutes=2)  # clocks differ, pages take time
WINDOW = timedelta(days=30)  # how far back a full pass asks, and how long one stays after it is over
AT_MOST = 20_000  # of one environment; the oldest go first
EVENTS_AT_MOST = 200  # of one milestone
KIND = "milestone"  # of the live topic, apps.markets.milestone_live
COLUMNS = ("category", "type", "title", "starts_at", "ends_at", "source", "details", "changed_at", "updated_at")


@dataclass(frozen=True, slots=True)
class MilestonesSync:
    """What one pass did."""

    is_full: bool
    seen: int
    written: int
    removed: int


def milestones_sync(
    environment: str, *, client: ExchangeClient | None = None, is_full: bool | None = None, now: datetime | None = None
) -> MilestonesSync:
    """Bring the milestones of one environment up to date. Raises ExchangeError; what was stored until then stays."""
    reader = client or environment_client(environment)
    started = now or utc_now()
    stored = Milestone.objects.filter(environment=environment)
    key = f"milestones-sync:{environment}"
    # What the cache remembers of a database that has none was of another one.
    state: dict[str, datetime] = (cache.get(key) or {}) if stored.exists() else {}
    if is_full is None:
        is_full = "full" not in state or started - state["full"] >= FULL_EVERY
    if is_full:
        rows = get_milestones(reader, minimum_start_date=format_rfc3339(started - WINDOW))
    else:
        since = state.get("seen", started) - OVERLAP
        rows = get_milestones(reader, min_updated_ts=to_unix_seconds(since))
    seen: set[str] = set()
    written = 0
    for chunk in _chunks(rows, CHUNK):
        seen.update(row.id for row in chunk)
        written += milestones_save(environment, chunk)
    gone = Milestone.objects.none()
    if is_full and seen:  # an empty list is more likely a fault than the end of the world
        listed = stored.filter(starts_at__gte=started - WINDOW).values_list("pk", "milestone_id")
        gone = stored.filter(pk__in=[pk for pk, name in listed if name not in seen])
    removed = _remove(environment, gone) + _retain(environment, started)
    fresh = {**state, "seen": started} | ({"full": started} if is_full else {})
    cache.set(key, fresh, timeout=None)
    result = MilestonesSync(is_full, len(seen), written, removed)
    logger.info("milestones of %s: %s", environment, result)
    return result


def milestones_save(environment: str, raws: Iterable[WireMilestone]) -> int:
    """Insert or update milestones and their events; return how many were new or other than before."""
    usable = [raw for raw in raws if 0 < len(raw.id) <= 80]
    built = {row.milestone_id: (row, links) for raw in usable for row, links in [_row(environment, raw)] if links}
    names = sorted(built)
    known = {row.milestone_id: row for row in Milestone.objects.filter(environment=environment, milestone_id__in=names)}
    changed = [name for name in names if name not in known or _differs(known[name], built[name][0])]
    with transaction.atomic():
        Milestone.objects.bulk_create(
            [built[name][0] for name in changed],
            update_conflicts=True,
            unique_fields=["environment", "milestone_id"],
            update_fields=COLUMNS,
        )
        ids = dict(
            Milestone.objects.filter(environment=environment, milestone_id__in=names).values_list("milestone_id", "pk")
        )
        _links_save(environment, {ids[name]: built[name][1] for name in names})
    return len(changed)


def _links_save(environment: str, wanted: dict[int, dict[str, bool]]) -> None:
    """Make the events of these milestones (by row id) exactly the given ones: ticker -> is primary."""
    stored = MilestoneEvent.objects.filter(milestone_id__in=wanted)
    present = {
        (milestone, ticker): is_primary
        for milestone, ticker, is_primary in stored.values_list("milestone_id", "event_ticker", "is_primary")
    }
    needed = {(pk, ticker): is_primary for pk, tickers in wanted.items() for ticker, is_primary in tickers.items()}
    stale = [key for key, is_primary in present.items() if needed.get(key) is not is_primary]
    for milestone, ticker in stale:
        stored.filter(milestone_id=milestone, event_ticker=ticker).delete()
    MilestoneEvent.objects.bulk_create(
        MilestoneEvent(milestone_id=pk, environment=environment, event_ticker=ticker, is_primary=is_primary)
        for (pk, ticker), is_primary in needed.items()
        if present.get((pk, ticker)) is not is_primary
    )


def _row(environment: str, raw: WireMilestone) -> tuple[Milestone, dict[str, bool]]:
    """Return a milestone as an unsaved row, and its events; without any event it is of no use here."""
    details, _ = bounded_object(raw.details or {})
    related, primary = (
        [_text(one, 120) for one in (names or [])[:EVENTS_AT_MOST] if isinstance(one, str) and one]
        for names in (raw.related_event_tickers, raw.primary_event_tickers)
    )
    row = Milestone(
        environment=environment,
        milestone_id=_text(raw.id, 80),
        category=_text(raw.category, 80),
        type=_text(raw.type, 80),
        title=_text(raw.title, 400),
        starts_at=_moment(raw.start_date),
        ends_at=_moment(raw.end_date),
        source=_text(raw.source_id or "", 200),
        details=details,
        changed_at=_moment(raw.last_updated_ts),
    )
    return row, dict.fromkeys(related, False) | dict.fromkeys(primary, True)


def _differs(old: Milestone, new: Milestone) -> bool:
    return any(getattr(old, name) != getattr(new, name) for name in COLUMNS if name != "updated_at")


def _retain(environment: str, now: datetime) -> int:
    """Remove what is long over, and the oldest of too many; return how many."""
    stored = Milestone.objects.filter(environment=environment)
    before = now - WINDOW
    over = stored.filter(Q(ends_at__lt=before) | Q(ends_at=None, starts_at__lt=before))
    removed = _remove(environment, over)
    surplus = stored.count() - AT_MOST
    if surplus > 0:
        logger.warning("milestones of %s: %d too many, the oldest are dropped", environment, surplus)
        oldest = list(stored.order_by("starts_at", "pk").values_list("pk", flat=True)[:surplus])
        removed += _remove(environment, stored.filter(pk__in=oldest))
    return removed


def _remove(environment: str, rows: Any) -> int:
    names = list(rows.values_list("pk", "milestone_id"))
    for chunk in _chunks(names, CHUNK):
        with transaction.atomic():
            MilestoneEvent.objects.filter(milestone_id__in=[pk for pk, _ in chunk]).delete()
            Milestone.objects.filter(pk__in=[pk for pk, _ in chunk]).delete()
    live.state_forget(str(TopicName(KIND, environment, name)) for _, name in names)
    return len(names)


def _moment(raw: str | None) -> datetime | None:
    try:
        return parse_rfc3339(raw) if raw else None
    except WireFormatError:
        return None


def _text(raw: str, most: int) -> str:
    return raw[:most].replace("\x00", "").encode(errors="replace").decode()


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
