"""States instead of events: parts of the health, differences between sources, use of limits. Told when one goes bad and
again when it is well. Bad is what was bad at two looks in a row, so that a hiccup of seconds wakes nobody.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.accounts.models import ExchangeAccount
from apps.core.permissions import Actor, Role
from apps.history.models import Discrepancy
from apps.monitoring import health
from apps.monitoring.alerts.matching import Happening
from apps.monitoring.alerts.models import AlertItem, PartState
from apps.monitoring.alerts.rows import NEWS
from apps.monitoring.alerts.trail import Found, Resolved
from apps.orders.pages.limits import use_of_everybody

# Told by events of their own, or by nature up and down all day.
_NOT_TOLD = ("trading", "doubt_", "tokens_")
BREAK_AFTER = timedelta(minutes=1)
BREAKS_AT_ONCE = 200
HEALTH_KINDS = frozenset({"feed", "exchange", "announcement", "fix", "health"})
_LINKS = {"fix": "/fix/", "announcement": "/exchange/"}
LIMIT_KINDS = frozenset({"limit.near", "limit.full"})
KINDS = HEALTH_KINDS | LIMIT_KINDS | {"break"}


@dataclass(frozen=True, slots=True)
class Bad:
    """Something that is not well now. name: which one, the same at each look."""

    name: str
    kind: str
    level: str
    title: str
    text: str
    link: str
    account_id: int | None = None
    user_id: int | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found: what is bad now, by prefix of its names, and what has to be told of the differences."""

    bad: dict[str, list[Bad]]
    breaks: list[Found]


def states_read(desk_id: int, kinds: Iterable[str], *, now: datetime) -> Looked:
    """Look, outside of any transaction: this asks Redis and more. kinds: what any rule asks for; no more is read."""
    asked = set(kinds)
    bad: dict[str, list[Bad]] = {}
    if asked & HEALTH_KINDS:
        bad["part:"] = list(_parts(desk_id, now))
    if asked & LIMIT_KINDS:
        bad["limit:"] = list(_limits(desk_id, now))
    return Looked(bad, list(_breaks(desk_id, now)) if "break" in asked else [])


def is_news(desk_id: int, looked: Looked) -> bool:
    """Whether anything differs from what was remembered; no lock is taken where nothing does."""
    if looked.breaks:
        return True
    for prefix, bad in looked.bad.items():
        rows = PartState.objects.filter(desk_id=desk_id, name__startswith=prefix)
        if {(row.name, row.level, row.is_told) for row in rows} != {(one.name, one.level, True) for one in bad}:
            return True
    return False


def changes(desk_id: int, looked: Looked, *, now: datetime) -> list[Found]:
    """Return what went bad or well since the last look, and remember it. In a transaction."""
    found = [one for prefix, bad in looked.bad.items() for one in _moved(desk_id, prefix, bad, now)]
    return found + looked.breaks


def _moved(desk_id: int, prefix: str, bad: Iterable[Bad], now: datetime) -> Iterator[Found]:
    known = {row.name: row for row in PartState.objects.filter(desk_id=desk_id, name__startswith=prefix)}
    for one in bad:
        row = known.pop(one.name, None)
        if row is None:
            PartState.objects.get_or_create(desk_id=desk_id, name=one.name, defaults={"level": one.level, "since": now})
            continue
        if row.level != one.level and one.kind in LIMIT_KINDS and row.is_told:
            # Nearly reached and reached are two kinds.
            yield Resolved(row.name)
            row.since, row.is_told = now, False
        if not row.is_told:
            yield _bad(one, row.since)
        row.level, row.is_told = one.level, True
        row.save(update_fields=["level", "since", "is_told"])
    for row in known.values():
        row.delete()
        if row.is_told:
            yield Resolved(row.name)


def _bad(one: Bad, since: datetime) -> Happening:
    return Happening(
        kind=one.kind,
        key=f"{one.name}@{since.timestamp():.0f}",
        subject=one.name,
        at=since,
        title=one.title,
        text=one.text,
        link=one.link,
        account_id=one.account_id,
        user_id=one.user_id,
    )


def _parts(desk_id: int, now: datetime) -> Iterator[Bad]:
    for part in health.parts(desk_id, now=now):
        is_starting = part.level == "warning" and part.value is None  # nothing is known yet
        if part.level == "ok" or is_starting or part.name.startswith(_NOT_TOLD):
            continue
        kind = part.name.split("_")[0]
        account = part.name.rpartition("_")[2]
        yield Bad(
            name=f"part:{part.name}",
            kind=kind if kind in HEALTH_KINDS else "health",
            level=part.level,
            title=f"{'Down' if part.level == 'danger' else 'Not well'}: {part.label}",
            text=f"{part.why[:1].upper()}{part.why[1:]}.",
            link=_LINKS.get(kind, "/monitor/"),
            account_id=int(account) if part.group == "account" and account.isdecimal() else None,
        )


def _limits(desk_id: int, now: datetime) -> Iterator[Bad]:
    reader = Actor(user_id=0, desk_id=desk_id, roles=frozenset({Role.VIEWER.value}))
    for account in ExchangeAccount.objects.filter(desk_id=desk_id, is_active=True).order_by("pk"):
        for person in use_of_everybody(reader, account, now=now):
            for number, bar in enumerate(person["bars"]):
                if bar.share is None or bar.level == "ok":
                    continue
                is_full = bar.level == "full"
                yield Bad(
                    name=f"limit:{account.pk}:{person['user_id']}:{number}",
                    kind="limit.full" if is_full else "limit.near",
                    level="danger" if is_full else "warning",
                    title=f"Limit {'reached' if is_full else 'nearly reached'}: {bar.label}",
                    text=f"{person['name']} on {account.name}: {bar.use} of {bar.limit}.",
                    link="/orders/limits/",
                    account_id=account.pk,
                    user_id=person["user_id"],
                )


def _breaks(desk_id: int, now: datetime) -> Iterator[Found]:
    state = Discrepancy.State.OPEN
    rows = Discrepancy.objects.filter(account__desk_id=desk_id, account__is_active=True, state=state)
    told = AlertItem.objects.filter(alert__desk_id=desk_id, subject__startswith="break:", resolved_at=None)
    ids = {int(subject[6:]) for subject in told.values_list("subject", flat=True)}
    old = rows.filter(first_seen_at__lte=now - BREAK_AFTER, first_seen_at__gt=now - NEWS).exclude(pk__in=ids)
    for row in old.select_related("account").order_by("-last_seen_at")[:BREAKS_AT_ONCE]:
        yield Happening(
            kind="break",
            key=f"break:{row.pk}@{row.first_seen_at.timestamp():.0f}",
            subject=f"break:{row.pk}",
            at=row.first_seen_at + BREAK_AFTER,
            title=f"{row.get_subject_display()} {row.get_kind_display().lower()}: {row.ticker or row.key}"[:160],
            text=f"{row.get_cause_display()}, {row.account.name}.",
            link="/history/reconciliation/",
            account_id=row.account_id,
            ticker=row.ticker,
        )
    still = set(rows.filter(pk__in=ids).values_list("pk", flat=True)) if ids else set()
    yield from (Resolved(f"break:{number}") for number in sorted(ids - still))
