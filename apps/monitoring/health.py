"""How the installation is, part by part, each with the reason in words. Reading only; safe while anything is down."""

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.accounts.models import ExchangeAccount
from apps.core import ports
from apps.core.timestamps import from_unix_ms, utc_now
from apps.exchange import live, news
from apps.exchange.models import ExchangeStatus, GatewayLease
from apps.exchange.selectors import environments_in_use, feed_state, limits_frame
from apps.fix.models import FixSession
from apps.history.models import ReconcileRun
from apps.monitoring.models import Beat
from apps.orders import killed, lane, spill
from apps.orders.models import AccountSync, OrderIntent, TradingPause

logger = logging.getLogger(__name__)

Level = Literal["ok", "warning", "danger"]
SIGNER = "signer"  # its name among the beats
QUEUES = ("urgent", "orders", "default", "sync")
BEAT_EVERY = timedelta(seconds=10)
BEAT_LATE = timedelta(seconds=45)
WAITED_LONG_MS = 5_000
DEPTH_WARNING, DEPTH_DANGER = 200, 2_000
CLOCK_WARNING_MS, CLOCK_DANGER_MS = 1_000, 10_000  # a signature is refused at 30 s
SYNC_LATE = timedelta(minutes=3)  # it runs every 30 s
COMPARED_LATE = timedelta(minutes=10)  # every minute
DOUBT_LATE = timedelta(seconds=60)  # RELIABILITY I18
DISK_WARNING, DISK_DANGER = 1_000_000_000, 200_000_000  # bytes
_WORST: dict[str, int] = {"ok": 0, "warning": 1, "danger": 2}


@dataclass(frozen=True, slots=True)
class Part:
    """One part. name: stable, for programs; label and why: for people. value: a number for metrics, or None.

    account_id: the one account that it is about, None for what all share.
    """

    name: str
    label: str
    level: Level
    why: str
    value: int | None = None
    group: str = "desk"
    account_id: int | None = None

    def row(self) -> dict[str, object]:
        return {"name": self.name, "label": self.label, "level": self.level, "why": self.why, "group": self.group}


def parts(desk_id: int | None = None, *, now: datetime | None = None) -> list[Part]:
    """Return every part, in the order of the page. desk_id: only the accounts of one desk."""
    now = now or utc_now()
    found = [_database()]
    if found[0].level != "ok":
        return [*found, _redis(), *_disk()]
    found.append(_redis())
    for look in (_gateway, _signer, _queues, _feeds, lambda at: _accounts(desk_id, at), lambda at: _fix(desk_id, at)):
        found += _safely(look, now)
    found += _safely(lambda at: _halts(desk_id, at), now)
    for look_right in ports.health_looks:
        found += _safely(partial(_elsewhere, look_right, desk_id), now)
    return [*found, *_disk()]


def _elsewhere(look: ports.HealthLook, desk_id: int | None, now: datetime) -> list[Part]:
    """What apps to the right of this one look at."""
    return [Part(*one) for one in look(desk_id)]


def worst(found: Iterable[Part]) -> Level:
    return max((part.level for part in found), key=_WORST.__getitem__, default="ok")


def is_ready() -> str:
    """Return "" when this process can serve people, else what is missing, in a word."""
    return "" if _database().level == "ok" else "database"


def _safely(look: Callable[[datetime], Iterable[Part]], now: datetime) -> list[Part]:
    try:
        return list(look(now))
    except (DatabaseError, InterfaceError) as exc:
        logger.warning("a part of the health could not be read: %s", exc)
        return [Part("database", "Database", "danger", "it stopped answering while this was read")]


def _database() -> Part:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM django_migrations")
            cursor.fetchone()
    except (DatabaseError, InterfaceError) as exc:
        return Part("database", "Database", "danger", f"it does not answer ({type(exc).__name__})", 0)
    return Part("database", "Database", "ok", "answers", 1)


def _redis() -> Part:
    try:
        live.redis_client().ping()
    except (redis.RedisError, OSError) as exc:
        why = f"it does not answer ({type(exc).__name__}): pages are not live; orders and the kill switch go on"
        return Part("redis", "Live data server", "danger", why, 0)
    return Part("redis", "Live data server", "ok", "answers", 1)


def _gateway(now: datetime) -> Iterator[Part]:
    lease = GatewayLease.objects.order_by("-expires_at").first()
    if lease is None or lease.expires_at <= now:
        since = f" since {lease.expires_at:%H:%M:%S} UTC" if lease else ""
        yield Part("gateway", "Gateway", "danger", f"no process holds the connections{since}", 0, "process")
    else:
        yield Part("gateway", "Gateway", "ok", "holds the connections", 1, "process")


def _signer(now: datetime) -> Iterator[Part]:
    """The process that signs; nothing where the workers do it themselves."""
    beat = Beat.objects.filter(name=SIGNER).first()
    if beat is None:
        return
    if now - beat.at > BEAT_LATE:
        why = f"it has not answered for {_age(now - beat.at)}: nothing can be signed"
        yield Part("signer", "Signer", "danger", why, 0, "process")
    else:
        yield Part("signer", "Signer", "ok", f"answered {_age(now - beat.at)} ago", 1, "process")


def _queues(now: datetime) -> Iterator[Part]:
    depths = _depths()
    beats = {beat.name: beat for beat in Beat.objects.all()}
    for name in QUEUES:
        beat, depth = beats.get(name), depths.get(name)
        waiting = "" if depth is None else f", {depth:,} waiting"
        level: Level = "ok"
        if beat is None:
            level, why = "warning", f"no worker has reported yet{waiting}"
        elif now - beat.at > BEAT_LATE:
            level, why = "danger", f"no worker has taken anything for {_age(now - beat.at)}{waiting}"
        elif beat.waited_ms > WAITED_LONG_MS:
            level, why = "warning", f"the last task waited {beat.waited_ms / 1000:.0f} s{waiting}"
        else:
            why = f"last taken {_age(now - beat.at)} ago{waiting}"
        if depth is not None and depth >= DEPTH_WARNING:
            level = "danger" if depth >= DEPTH_DANGER else max(level, "warning", key=_WORST.__getitem__)
        yield Part(f"queue_{name}", f"Worker, queue {name}", level, why, depth, "process")


def _depths() -> dict[str, int]:
    """How many tasks wait in each queue; empty when the broker cannot be asked."""
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL,
            db=3 if settings.REDIS_URL.startswith("unix://") else None,
            socket_timeout=1,
            socket_connect_timeout=1,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            depths = {name: int(client.llen(name)) for name in QUEUES}
        # New orders and decided confirmations go to their senders by lists of their own.
        depths["orders"] += int(live.redis_client().llen(lane.ORDERS.list))
        depths["urgent"] += int(live.redis_client().llen(lane.CONFIRMS.list))
        return depths
    except (redis.RedisError, OSError):
        return {}


def _feeds(now: datetime) -> Iterator[Part]:
    for environment in environments_in_use():
        feed = feed_state(environment)
        age = None if feed.frame_ms is None else now - from_unix_ms(feed.frame_ms)
        level: Level = "ok" if feed.state == "live" else "warning" if feed.state == "stale" else "danger"
        why = feed.why or ("live" if age is None else f"last sign of life {_age(age)} ago")
        seconds = None if age is None else max(0, int(age.total_seconds()))
        yield Part(f"feed_{environment}", f"Feed, {environment}", level, why, seconds, "exchange")
        status = ExchangeStatus.objects.filter(environment=environment).first()
        yield _exchange(environment, status, now)
        yield _clock(environment, status)
        yield from _news(environment, now)


def _exchange(environment: str, status: ExchangeStatus | None, now: datetime) -> Part:
    name, label = f"exchange_{environment}", f"Exchange, {environment}"
    if status is None or status.checked_at is None:
        return Part(name, label, "warning", "it was not asked yet", None, "exchange")
    if status.error:
        return Part(name, label, "danger", status.error, 0, "exchange")
    if status.exchange_active is False or status.trading_active is False:
        until = f", back at {status.resume_at:%H:%M} UTC" if status.resume_at else ""
        return Part(name, label, "warning", f"paused by itself{until}", 0, "exchange")
    if now - status.checked_at > timedelta(minutes=1):
        return Part(name, label, "warning", f"last asked {_age(now - status.checked_at)} ago", 1, "exchange")
    return Part(name, label, "ok", "trading", 1, "exchange")


def _news(environment: str, now: datetime) -> Iterator[Part]:
    """What the exchange warns of, while it does: announcements, and maintenance within the hour."""
    for one in news.notices(environment, now=now):
        if one.level != "info":
            text = one.text if len(one.text) <= 200 else f"{one.text[:199]}…"
            name = one.key[:12] or "maintenance"
            label = f"{'Announcement' if one.key else 'Maintenance'}, {environment}"
            yield Part(f"announcement_{name}_{environment}", label, "warning", text.rstrip("."), 1, "exchange")


def _clock(environment: str, status: ExchangeStatus | None) -> Part:
    name, label = f"clock_{environment}", f"Clock against {environment}"
    offset = None if status is None else status.clock_offset_ms
    if offset is None:
        return Part(name, label, "warning", "not measured yet", None, "exchange")
    size = abs(offset)
    level: Level = "danger" if size >= CLOCK_DANGER_MS else "warning" if size >= CLOCK_WARNING_MS else "ok"
    hint = "" if level == "ok" else "; set this machine's clock"
    return Part(name, label, level, f"{offset:+,} ms{hint}", offset, "exchange")


def _accounts(desk_id: int | None, now: datetime) -> Iterator[Part]:
    accounts = ExchangeAccount.objects.filter(is_active=True, keys__status__in=["valid", "untested", "invalid"])
    if desk_id is not None:
        accounts = accounts.filter(desk_id=desk_id)
    for account in accounts.distinct().order_by("pk"):
        yield from (replace(part, account_id=account.pk) for part in _account(account, now))


def _account(account: ExchangeAccount, now: datetime) -> Iterator[Part]:
    yield _tokens(account)
    sync = AccountSync.objects.filter(account=account).first()
    at = None if sync is None else sync.finished_at
    yield _late(f"sync_{account.pk}", f"{account.name}: orders read", at, SYNC_LATE, now, sync.error if sync else "")
    run = ReconcileRun.objects.filter(account=account).exclude(finished_at=None).order_by("-started_at").first()
    at = None if run is None else run.finished_at
    yield _late(
        f"reconcile_{account.pk}", f"{account.name}: compared", at, COMPARED_LATE, now, run.error if run else ""
    )
    doubt = OrderIntent.objects.filter(account=account, state=OrderIntent.State.UNKNOWN, order=None)
    old = doubt.filter(claimed_at__lt=now - DOUBT_LATE).count()
    level: Level = "warning" if old else "ok"
    why = f"{old} without an outcome for over a minute" if old else "no order in doubt for long"
    yield Part(f"doubt_{account.pk}", f"{account.name}: orders in doubt", level, why, old, "account")


def _tokens(account: ExchangeAccount) -> Part:
    name, label = f"tokens_{account.pk}", f"{account.name}: request budget"
    frame = limits_frame(account)
    write, read = frame["write"], frame["read"]
    text = f"write {write['tokens']} of {write['capacity']}, read {read['tokens']} of {read['capacity']}"
    if frame["degraded"]:
        return Part(name, label, "warning", f"{text}; each process counts alone", write["tokens"], "account")
    is_low = write["tokens"] * 10 < write["capacity"]
    return Part(name, label, "warning" if is_low else "ok", text, write["tokens"], "account")


def _late(name: str, label: str, at: datetime | None, limit: timedelta, now: datetime, error: str) -> Part:
    if at is None:
        return Part(name, label, "warning", error or "not done yet", None, "account")
    seconds = max(0, int((now - at).total_seconds()))
    if error:
        return Part(name, label, "danger", f"{error} ({_age(now - at)} ago)", seconds, "account")
    level: Level = "danger" if now - at > 3 * limit else "warning" if now - at > limit else "ok"
    return Part(name, label, level, f"{_age(now - at)} ago", seconds, "account")


def _fix(desk_id: int | None, now: datetime) -> Iterator[Part]:
    rows = FixSession.objects.filter(is_wanted=True, account__is_active=True).select_related("account")
    if desk_id is not None:
        rows = rows.filter(account__desk_id=desk_id)
    calm = (FixSession.State.LOGGED_ON, FixSession.State.PLANNED)
    for row in rows.order_by("account_id", "kind"):
        state = FixSession.State(row.state)
        level: Level = "ok" if state in calm else "danger" if state == FixSession.State.HALTED else "warning"
        why = state.label + (f": {row.state_text}" if row.state_text and level != "ok" else "")
        label = f"{row.account.name}: FIX {row.kind.upper()}"
        yield Part(f"fix_{row.pk}", label, level, why, int(level == "ok"), "fix", row.account_id)


def _halts(desk_id: int | None, now: datetime) -> Iterator[Part]:
    rows = TradingPause.objects.filter(released_at=None, user=None)
    if desk_id is not None:
        rows = rows.filter(desk_id=desk_id)
    levels = set(rows.values_list("level", flat=True))
    if killed.is_set() or TradingPause.Level.KILL in levels:
        yield Part("trading", "Trading", "danger", "the kill switch is pulled", 0)
    elif levels:
        yield Part("trading", "Trading", "warning", "paused for everybody", 0)
    elif spill.is_pending():
        yield Part("trading", "Trading", "warning", "answers of the exchange wait to be written down", 0)
    else:
        yield Part("trading", "Trading", "ok", "orders pass", 1)


def _disk() -> list[Part]:
    try:
        free = shutil.disk_usage(settings.DATA_DIR).free
    except OSError as exc:
        return [Part("disk", "Disk", "danger", f"it cannot be read ({exc.strerror})", None)]
    level: Level = "danger" if free < DISK_DANGER else "warning" if free < DISK_WARNING else "ok"
    return [Part("disk", "Disk", level, f"{free / 1e9:,.1f} GB free", free)]


def _age(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7_200 else f"{seconds // 3600} h"
