"""What an environment says to everybody: announcements, hours, maintenance. Read, kept, and put into words."""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
from django.db import transaction

from apps.core.errors import WireFormatError
from apps.core.timestamps import format_rfc3339, parse_rfc3339, utc_now
from apps.exchange import clients, hours
from apps.exchange.models import Announcement, ExchangeSchedule
from apps.exchange.wire.api.notices import get_announcements, get_schedule
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ReadFailed, Refused
from apps.exchange.wire.schemas.rest import Announcement as WireAnnouncement
from apps.exchange.wire.schemas.rest import Schedule

logger = logging.getLogger(__name__)

SHOWN_AT_MOST = 3  # lines over a page; the rest is on the exchange's own page
KEPT_AT_MOST = 200  # of one environment; the exchange lists all that it ever said
TEXT_AT_MOST = 2_000
TOLD_AT_MOST = 300  # of the text, in a live frame
_LEVELS = {"error": "danger", "warning": "warning"}


@dataclass(frozen=True, slots=True)
class Notice:
    """A line over every page. key: of what a person may put away, "" where that is not offered. text: as it came."""

    key: str
    level: str  # danger | warning | info
    text: str
    delivered_at: datetime | None = None


def announcements_sync(environment: str, *, client: ExchangeClient | None = None, now: datetime | None = None) -> int:
    """Store what is announced now; return how many. What is listed no more is not active any more.

    Raises:
        ExchangeError: it could not be read; what was known stays.
    """
    reader = client or clients.environment_client(environment)
    try:
        told = get_announcements(reader)
    except (ReadFailed, Refused) as exc:
        if exc.status != httpx.codes.NOT_FOUND:
            raise
        told = []  # an edition of the API that has none
    now = now or utc_now()
    rows = _rows(environment, told, now=now)
    with transaction.atomic():
        Announcement.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["environment", "digest"], update_fields=["is_active", "seen_at"]
        )
        Announcement.objects.filter(environment=environment, seen_at__lt=now, is_active=True).update(is_active=False)
        listed = Announcement.objects.filter(environment=environment).order_by("-seen_at", "-delivered_at", "-pk")
        too_many = list(listed.values_list("pk", flat=True)[KEPT_AT_MOST : 2 * KEPT_AT_MOST])
        if too_many:
            Announcement.objects.filter(pk__in=too_many).delete()
    return len(rows)


def schedule_sync(environment: str, *, client: ExchangeClient | None = None, now: datetime | None = None) -> None:
    """Store hours and maintenance windows. Raises ExchangeError, WireFormatError; what was known then stays."""
    told = get_schedule(client or clients.environment_client(environment))
    hours.weeks_of(told), hours.windows_of(told)
    ExchangeSchedule.objects.update_or_create(
        environment=environment,
        defaults={
            "standard_hours": msgspec.to_builtins(told.standard_hours or []),
            "maintenance_windows": msgspec.to_builtins(told.maintenance_windows or []),
            "read_at": now or utc_now(),
        },
    )


def announcements_of(environment: str) -> list[Announcement]:
    """Return what is kept, what is active first, then the newest."""
    kept = Announcement.objects.filter(environment=environment)
    return list(kept.order_by("-is_active", "-delivered_at", "-pk")[:KEPT_AT_MOST])


def schedule_of(environment: str) -> Schedule | None:
    row = ExchangeSchedule.objects.filter(environment=environment).first()
    if row is None:
        return None
    stored = {"standard_hours": row.standard_hours, "maintenance_windows": row.maintenance_windows}
    return msgspec.convert(stored, Schedule)


def schedule_read_at(environment: str) -> datetime | None:
    """Return when hours and maintenance were last read. None: never, and what is announced may not have been either."""
    return ExchangeSchedule.objects.filter(environment=environment).values_list("read_at", flat=True).first()


def hours_now(schedule: Schedule | None, now: datetime) -> hours.Hours:
    return hours.Hours(None, None) if schedule is None else hours.hours_at(hours.weeks_of(schedule), now)


def maintenance_near(
    schedule: Schedule | None, now: datetime, *, ahead: timedelta = hours.WARNED_AHEAD
) -> hours.Window | None:
    return None if schedule is None else hours.maintenance_near(hours.windows_of(schedule), now, ahead=ahead)


def maintenance_words(window: hours.Window, *, now: datetime) -> str:
    """Return "Maintenance from ... to ..., in 42 min"."""
    minutes = -(-(window.start - now) // timedelta(minutes=1))
    when = "now" if minutes <= 0 else f"in {minutes} min" if minutes < 120 else f"in {minutes // 60} h"
    start, end = hours.moment_words(window.start, now=now), hours.moment_words(window.end, now=now)
    return f"Maintenance from {start} to {end}, {when}"


def notices(environment: str, *, now: datetime | None = None, schedule: Schedule | None = None) -> list[Notice]:
    """Return what stands over every page, the gravest first."""
    now = now or utc_now()
    found = [_notice(row) for row in Announcement.objects.filter(environment=environment, is_active=True)]
    found = [one for one in found if one.delivered_at is None or one.delivered_at <= now]
    window = maintenance_near(schedule or schedule_of(environment), now)
    if window is not None:
        found.append(Notice("", "warning", f"{maintenance_words(window, now=now)}."))
    order = {"danger": 0, "warning": 1, "info": 2}
    found.sort(key=lambda one: (order[one.level], -(one.delivered_at or now).timestamp()))
    return found[:SHOWN_AT_MOST]


def news_frame(environment: str, *, now: datetime | None = None) -> dict[str, Any]:
    """Return the part of `status:<env>` that is for everybody: hours, the window that is near, announcements."""
    now = now or utc_now()
    schedule = schedule_of(environment)
    told = [one for one in notices(environment, now=now, schedule=schedule) if one.key]
    open_hours, window = hours_now(schedule, now), maintenance_near(schedule, now)
    return {
        "hours_open": open_hours.is_open,
        "hours_text": "" if schedule is None else hours.hours_words(open_hours, now=now),
        "maintenance": None
        if window is None
        else {
            "start": format_rfc3339(window.start),
            "end": format_rfc3339(window.end),
            "text": maintenance_words(window, now=now),
        },
        "news": [{"key": one.key, "level": one.level, "text": one.text[:TOLD_AT_MOST]} for one in told],
    }


def _notice(row: Announcement) -> Notice:
    return Notice(row.digest, _LEVELS.get(row.kind, "info"), row.message, row.delivered_at)


def _rows(environment: str, told: Iterable[WireAnnouncement], *, now: datetime) -> list[Announcement]:
    """The newest of them, each once."""
    built: dict[str, Announcement] = {}
    for one in told:
        try:
            delivered = parse_rfc3339(one.delivery_time)
        except WireFormatError as exc:
            logger.warning("an announcement of %s was left out: %s", environment, exc)
            continue
        text = one.message.replace("\x00", "").strip()[:TEXT_AT_MOST]
        name = hashlib.sha256("\x1f".join((one.type, one.message, one.delivery_time)).encode()).hexdigest()
        if not text:
            continue
        built[name] = Announcement(
            environment=environment,
            digest=name,
            kind=one.type.replace("\x00", "")[:20],
            message=text,
            delivered_at=delivered,
            is_active=one.status == "active",
            seen_at=now,
        )
    newest = sorted(built.values(), key=lambda row: (row.is_active, row.delivered_at), reverse=True)
    return newest[:KEPT_AT_MOST]
