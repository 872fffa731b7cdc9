"""REST against ledger against what was pushed (WebSocket, FIX), by trade, order and position.

REST is the exchange's record; the ledger is what the desk stored; a sighting is what a pushing source said at its time.
Compared is what happened before `as_of` less a grace, because the sources tell the same thing at different times. A
difference is a row with both sides, a cause and a state; when it is gone in a later run, that run resolves it.
"""

import logging
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from apps.core.errors import DeskError, WireFormatError
from apps.core.money import count_from_units
from apps.core.timestamps import parse_rfc3339, to_unix_seconds, utc_now
from apps.exchange.clients import client_for
from apps.exchange.wire import api
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError
from apps.history.models import Discrepancy, ReconcileRun, Sighting, Subject
from apps.history.reconcile_fix import found_by, settlements_seen
from apps.history.reconcile_sides import (
    Side,
    differing,
    order_side,
    position_key,
    position_side,
    trade_key,
    trade_side,
)
from apps.orders.models import Fill, Order
from apps.orders.reports import FillReport, OrderReport, fill_from_rest, order_from_rest
from apps.portfolio.ledger import positions_before
from apps.portfolio.models import Settlement
from apps.portfolio.reports import position_from_rest
from apps.portfolio.services import subaccounts_used

logger = logging.getLogger(__name__)

Kind = Discrepancy.Kind
Cause = Discrepancy.Cause
State = Discrepancy.State

CONTINUOUS = timedelta(minutes=15)
GRACE = timedelta(seconds=20)
# A pushing source that said nothing at all around a record was not connected: that is no missed frame.
LINE_WAS_UP = timedelta(minutes=5)
LATE_AFTER = timedelta(seconds=10)
KEEP_SIGHTINGS = timedelta(days=14)
KEEP_RUNS = timedelta(days=14)
_AT_ONCE = 500
_SLICE = timedelta(days=1)


@dataclass(slots=True)
class Found:
    """One difference of this run."""

    subject: Subject
    key: str
    kind: Discrepancy.Kind
    cause: Discrepancy.Cause
    sides: dict[str, Side | None]
    ticker: str
    subaccount: int
    at: datetime | None
    by_rest: bool = False  # the ledger has it right already; only the push was lost


@dataclass(slots=True)
class Comparison:
    """What a run saw. checked: (subject, key) of everything compared, so that what is gone can be resolved."""

    found: list[Found] = field(default_factory=list)
    checked: set[tuple[str, str]] = field(default_factory=set)
    skipped: set[tuple[str, str]] = field(default_factory=set)  # just changing
    compared: dict[str, int] = field(default_factory=dict)

    def count(self, subject: Subject, number: int) -> None:
        self.compared[subject] = self.compared.get(subject, 0) + number


def reconcile(account_id: int, *, since: datetime | None = None, asked_by: int | None = None) -> ReconcileRun:
    """Compare one account from `since` (15 minutes ago) to now and keep what differs. It never raises for the exchange.

    Cost: a few reads, one more for each 1,000 records and for each subaccount.
    """
    now = utc_now()
    run = ReconcileRun.objects.create(
        account_id=account_id, asked_by_id=asked_by, since=since or now - CONTINUOUS, started_at=now
    )
    try:
        client = client_for(account_id, write=False)
        as_of = parse_rfc3339(api.get_user_data_timestamp(client))
        comparison = _compare(client, account_id, since=run.since, until=as_of - GRACE)
    except (ExchangeError, DeskError, WireFormatError) as exc:
        ReconcileRun.objects.filter(pk=run.pk).update(finished_at=utc_now(), error=str(getattr(exc, "text", exc))[:300])
        run.refresh_from_db()
        return run
    opened, resolved = _keep(account_id, comparison, now=now)
    ReconcileRun.objects.filter(pk=run.pk).update(
        finished_at=utc_now(), as_of=as_of, compared=comparison.compared, opened=opened, resolved=resolved
    )
    _prune(account_id, now=now)
    run.refresh_from_db()
    return run


def _compare(client: ExchangeClient, account_id: int, *, since: datetime, until: datetime) -> Comparison:
    comparison = Comparison()
    line = _line_of(account_id, since=since, until=until)
    begin = since
    while begin < until:
        # A day at a time, so that a month of a busy account is not held at once.
        end = min(until, begin + _SLICE)
        _trades(client, account_id, comparison, line, since=begin, until=end)
        _orders(client, account_id, comparison, line, since=begin, until=end, is_last=end == until)
        begin = end
    _positions(client, account_id, comparison, until=until)
    _settlements(account_id, comparison, until=until)
    return comparison


# --- trades ---------------------------------------------------------------------------------------


def _trades(
    client: ExchangeClient,
    account_id: int,
    comparison: Comparison,
    line: list[datetime],
    *,
    since: datetime,
    until: datetime,
) -> None:
    listed: dict[str, FillReport] = {}
    for record in api.get_fills(client, min_ts=to_unix_seconds(since), max_ts=to_unix_seconds(until) + 1):
        try:
            report = fill_from_rest(record)
        except WireFormatError:
            logger.exception("a fill of the listing cannot be compared: %r", record)
            continue
        if since <= report.traded_at < until:
            listed[trade_key(report)] = report
    stored = {
        trade_key(fill): fill
        for fill in Fill.objects.filter(account_id=account_id, traded_at__gte=since, traded_at__lt=until)
    }
    pushed = _sightings(account_id, Subject.TRADE, {*listed, *stored})
    elsewhere = _orders_of_others(account_id, {report.order_id for report in listed.values()})
    archived = _archived_until(client) if stored.keys() - listed.keys() else None
    for key in sorted(listed.keys() | stored.keys()):
        told, fill, push = listed.get(key), stored.get(key), pushed.get(key)
        known = told or stored[key]
        comparison.checked.add((Subject.TRADE, key))
        if told is None and archived is not None and known.traded_at < archived:
            continue  # moved to the exchange's archive, where the history sync checks it
        rest, ledger = (trade_side(told) if told else None), (trade_side(fill) if fill else None)
        order_id = told.order_id if told else ""
        was_up = _line_was_up(line, known.traded_at)
        found = _judge(Subject.TRADE, key, rest, ledger, push, at=known.traded_at, was_up=was_up)
        if found is not None:
            if found.kind == Kind.NOT_IN_LEDGER and order_id in elsewhere and push is None:
                found.cause = Cause.FOREIGN
            comparison.found.append(found)
    comparison.count(Subject.TRADE, len(listed.keys() | stored.keys()))
    for name, number in found_by(account_id, listed.keys(), stored.keys()).items():
        comparison.compared[name] = comparison.compared.get(name, 0) + number


def _archived_until(client: ExchangeClient) -> datetime | None:
    """Return the cutoff of trades: what is older is not in the live listing. Raises ExchangeError."""
    raw = client.get("/historical/cutoff").get("trades_created_ts")
    return parse_rfc3339(raw) if isinstance(raw, str) and raw else None


def _orders_of_others(account_id: int, order_ids: set[str]) -> set[str]:
    """Return the orders that the desk did not place."""
    ours = Order.objects.filter(account_id=account_id, order_id__in=order_ids).exclude(intent=None)
    return order_ids - set(ours.values_list("order_id", flat=True))


# --- orders ---------------------------------------------------------------------------------------


def _orders(
    client: ExchangeClient,
    account_id: int,
    comparison: Comparison,
    line: list[datetime],
    *,
    since: datetime,
    until: datetime,
    is_last: bool,
) -> None:
    """is_last: the slice that ends now, which has all working orders beside those of its time."""
    listed: dict[str, OrderReport] = {}
    limit = None if is_last else to_unix_seconds(until)
    readings = [api.get_orders(client, min_ts=to_unix_seconds(since), max_ts=limit)]
    if is_last:
        readings.append(api.get_orders(client, status="resting"))
    for reading in readings:
        for record in reading:
            try:
                report = order_from_rest(record)
            except WireFormatError:
                logger.exception("an order of the listing cannot be compared: %r", record)
                continue
            listed[report.order_id] = report
    stored = {order.order_id: order for order in Order.objects.filter(account_id=account_id, order_id__in=listed)}
    working = Order.objects.filter(account_id=account_id, status=Order.Status.RESTING).exclude(order_id__in=listed)
    stored |= {order.order_id: order for order in working} if is_last else {}
    pushed = _sightings(account_id, Subject.ORDER, {*listed, *stored})
    compared = 0
    for key in sorted(listed.keys() | stored.keys()):
        told, order, push = listed.get(key), stored.get(key), pushed.get(key)
        times = [part.updated_at or part.created_at for part in (told, order) if part is not None]
        changed_at = max((at for at in times if at is not None), default=None)
        if changed_at is None or changed_at > until or (order is not None and order.seen_at > utc_now() - GRACE):
            comparison.skipped.add((Subject.ORDER, key))
            continue  # it is just changing; the next run compares it
        compared += 1
        comparison.checked.add((Subject.ORDER, key))
        rest, ledger = (order_side(told) if told else None), (order_side(order) if order else None)
        found = _judge(Subject.ORDER, key, rest, ledger, push, at=changed_at)
        if found is not None:
            if found.kind == Kind.NOT_IN_LEDGER and push is None:
                found.cause = Cause.FOREIGN
            comparison.found.append(found)
    comparison.count(Subject.ORDER, compared)


# --- positions ------------------------------------------------------------------------------------


def _positions(client: ExchangeClient, account_id: int, comparison: Comparison, *, until: datetime) -> None:
    told: dict[tuple[int, str], Decimal] = {}
    for number in subaccounts_used(account_id):
        asked_at = utc_now()
        for record in api.get_positions(client, subaccount=number):
            report = position_from_rest(record, subaccount=number, valid_at=asked_at)
            told[number, report.ticker] = report.position
    everything = until + timedelta(days=1)
    held = {key: count_from_units(units) for key, units in positions_before(account_id, moment=everything).items()}
    recent = Fill.objects.filter(account_id=account_id, traded_at__gte=until - GRACE)
    moving = set(recent.values_list("subaccount", "ticker"))
    settled = set(Settlement.objects.filter(account_id=account_id).values_list("subaccount", "ticker"))
    traded = set(Fill.objects.filter(account_id=account_id).order_by().values_list("subaccount", "ticker").distinct())
    keys = {key for key in told.keys() | held.keys() if told.get(key) or held.get(key)}
    pushed = _sightings(account_id, Subject.POSITION, {position_key(*key) for key in keys})
    for number, ticker in sorted(keys):
        key = position_key(number, ticker)
        if (number, ticker) in moving:
            comparison.skipped.add((Subject.POSITION, key))
            continue
        comparison.checked.add((Subject.POSITION, key))
        at_exchange, ours = told.get((number, ticker), Decimal(0)), held.get((number, ticker), Decimal(0))
        rest = position_side(subaccount=number, ticker=ticker, contracts=at_exchange)
        ledger = position_side(subaccount=number, ticker=ticker, contracts=ours)
        found = _judge(Subject.POSITION, key, rest, ledger, pushed.get(key), at=None)
        if found is None:
            continue
        found.ticker, found.subaccount = ticker, number
        if not found.by_rest and (number, ticker) in settled:
            found.cause = Cause.SETTLED
        elif not found.by_rest and (number, ticker) not in traded:
            found.cause = Cause.NO_HISTORY
        comparison.found.append(found)
    comparison.count(Subject.POSITION, len(keys))


# --- settlements ----------------------------------------------------------------------------------


def _settlements(account_id: int, comparison: Comparison, *, until: datetime) -> None:
    """Compare what FIX reported of settlements with what REST lists; the ledger's rows are REST's."""
    found = settlements_seen(account_id, until=until)
    for told, rest, at in found:
        comparison.checked.add((Subject.SETTLEMENT, told.key))
        differs = _judge(Subject.SETTLEMENT, told.key, rest, rest, told, at=at)
        if differs is not None:
            # What two sources say of money is for people, also where one of them is the ledger's.
            differs.by_rest = False
            differs.kind = Kind.NOT_AT_EXCHANGE if rest is None else Kind.DIFFERS
            differs.cause = Cause.UNKNOWN if rest is None else Cause.CONTENT
            comparison.found.append(differs)
    if found:
        comparison.count(Subject.SETTLEMENT, len(found))


# --- judging --------------------------------------------------------------------------------------


def _judge(
    subject: Subject,
    key: str,
    rest: Side | None,
    ledger: Side | None,
    push: Sighting | None,
    *,
    at: datetime | None,
    was_up: bool = False,
) -> Found | None:
    """Say how the sources differ, None when they agree as far as they can be expected to.

    was_up: the pushing source spoke around that time, so that its silence is a missed frame.
    """
    pushed: Side | None = push.data if push else None
    sides: dict[str, Side | None] = {"rest": rest, "ledger": ledger, push.source if push else "ws": pushed}
    known = rest or ledger or pushed or {}

    def found(kind: Discrepancy.Kind, cause: Discrepancy.Cause, *, by_rest: bool = False) -> Found:
        ticker, number = known.get("ticker") or "", int(known.get("subaccount") or 0)
        return Found(subject, key, kind, cause, sides, ticker, number, at, by_rest)

    if rest is None:
        return found(Kind.NOT_AT_EXCHANGE, Cause.UNKNOWN)
    if ledger is None:
        return found(Kind.NOT_IN_LEDGER, Cause.MISSED_FRAME if push is None else Cause.UNKNOWN)
    fields = differing(subject, rest, ledger)
    if fields:
        cause = Cause.FEE if fields == ["fee"] else Cause.CONTENT
        if subject == Subject.POSITION:
            cause = Cause.MISSED_FRAME
        return found(Kind.DIFFERS, cause)
    if pushed is not None and differing(subject, rest, pushed):
        # The ledger is right by REST; the last thing that was pushed is not the last thing that happened.
        return found(Kind.NOT_PUSHED, Cause.MISSED_FRAME, by_rest=True)
    if pushed is None and was_up:
        return found(Kind.NOT_PUSHED, Cause.MISSED_FRAME, by_rest=True)
    if push is not None and subject == Subject.TRADE and at is not None and push.first_seen_at - at > LATE_AFTER:
        return found(Kind.NOT_PUSHED, Cause.LATE, by_rest=True)
    return None


def _line_of(account_id: int, *, since: datetime, until: datetime) -> list[datetime]:
    """Return when anything was pushed from a while before `since` to a while after `until`, in order."""
    said = Sighting.objects.filter(
        account_id=account_id, seen_at__gte=since - LINE_WAS_UP, seen_at__lte=until + LINE_WAS_UP
    )
    return list(said.order_by("seen_at").values_list("seen_at", flat=True))


def _line_was_up(line: list[datetime], at: datetime) -> bool:
    """Say whether the pushing source spoke shortly before and after a moment."""
    before, after = bisect_right(line, at), bisect_left(line, at)
    is_before = before > 0 and at - line[before - 1] <= LINE_WAS_UP
    return is_before and after < len(line) and line[after] - at <= LINE_WAS_UP


def _sightings(account_id: int, subject: Subject, keys: set[str]) -> dict[str, Sighting]:
    found: dict[str, Sighting] = {}
    wanted = sorted(keys)
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        # Of several pushing sources the one that spoke last.
        told = Sighting.objects.filter(account_id=account_id, subject=subject, key__in=part)
        found |= {row.key: row for row in told.order_by("seen_at", "pk")}
    return found


# --- keeping --------------------------------------------------------------------------------------


def _keep(account_id: int, comparison: Comparison, *, now: datetime) -> tuple[int, int]:
    """Store what differs and resolve what does not any more; returns how many were opened and resolved."""
    opened = resolved = 0
    with transaction.atomic():
        rows = Discrepancy.objects.select_for_update().filter(account_id=account_id)
        for found in comparison.found:
            row = rows.filter(subject=found.subject, key=found.key, kind=found.kind).first()
            if row is None:
                row = Discrepancy(account_id=account_id, subject=found.subject, key=found.key, kind=found.kind)
                row.first_seen_at, row.state = now, State.OPEN
                opened += 1
            elif row.state == State.RESOLVED and not found.by_rest:
                row.state, row.resolution, row.resolved_at, row.first_seen_at = State.OPEN, "", None, now
                opened += 1
            elif row.state == State.IGNORED and row.sides != found.sides:
                # What was ignored was another difference.
                row.state, row.resolution, row.resolved_at, row.resolved_by = State.OPEN, "", None, None
                opened += 1
            row.cause, row.sides, row.ticker, row.subaccount = found.cause, found.sides, found.ticker, found.subaccount
            row.occurred_at, row.last_seen_at = found.at, now
            if found.by_rest and row.state == State.OPEN:
                row.state, row.resolved_at, row.resolution = State.RESOLVED, now, "Read over REST; the ledger has it."
                resolved += 1
            row.save()
        still = {(found.subject.value, found.key, found.kind.value) for found in comparison.found}
        for row in rows.filter(state=State.OPEN):
            # Every position is looked at; one that is flat on both sides is not listed.
            is_checked = (row.subject, row.key) in comparison.checked or row.subject == Subject.POSITION
            if (
                is_checked
                and (row.subject, row.key) not in comparison.skipped
                and (row.subject, row.key, row.kind) not in still
            ):
                row.state, row.resolved_at = State.RESOLVED, now
                row.resolution = row.resolution or "The sources agree again."
                row.save()
                resolved += 1
    return opened, resolved


def _prune(account_id: int, *, now: datetime) -> None:
    Sighting.objects.filter(account_id=account_id, seen_at__lt=now - KEEP_SIGHTINGS).delete()
    ReconcileRun.objects.filter(account_id=account_id, started_at__lt=now - KEEP_RUNS).delete()
