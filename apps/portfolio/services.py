"""The writers of balances and positions. Facts come from REST and the WebSocket; the newest wins."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from apps.accounts.models import ExchangeAccount
from apps.core.errors import WireFormatError
from apps.core.money import parse_dollars
from apps.core.timestamps import from_unix_seconds, parse_rfc3339, utc_now
from apps.exchange.clients import client_for
from apps.exchange.models import ExchangeStatus
from apps.exchange.wire import api
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.schemas import rest
from apps.orders.models import Fill, Order, OrderIntent
from apps.portfolio import events
from apps.portfolio.models import Balance, MarketBook, Position
from apps.portfolio.reports import PositionReport, Source, position_from_rest

logger = logging.getLogger(__name__)

_MONEY = ("cost", "realized_pnl", "fees_paid", "total_traded")


def positions_apply(account_id: int, reports: Iterable[PositionReport], *, source: Source) -> int:
    """Store positions that are newer than what is known; publish once. Returns how many changed."""
    try:
        with transaction.atomic():
            changed = _apply_all(account_id, list(reports), source=source)
    except IntegrityError:
        # Two sources told a new position at the same moment; the row is there now.
        with transaction.atomic():
            changed = _apply_all(account_id, list(reports), source=source)
    return len(changed)


def position_apply(account_id: int, report: PositionReport, *, source: Source) -> bool:
    """Store one position if it is newer than what is known. Returns whether it changed."""
    return positions_apply(account_id, [report], source=source) == 1


def _apply_all(account_id: int, reports: list[PositionReport], *, source: Source) -> list[Position]:
    rows = Position.objects.select_for_update().filter(
        account_id=account_id, ticker__in={report.ticker for report in reports}
    )
    known = {(row.subaccount, row.ticker): row for row in rows.order_by("pk")}
    changed = []
    for report in reports:
        row = known.get((report.subaccount, report.ticker))
        if row is None:
            row = _create(account_id, report, source=source)
            known[report.subaccount, report.ticker] = row
        elif not _advance(row, report, source=source):
            continue
        changed.append(row)
    events.positions_publish(account_id, changed)
    return changed


def _create(account_id: int, report: PositionReport, *, source: Source) -> Position:
    return Position.objects.create(
        account_id=account_id,
        subaccount=report.subaccount,
        ticker=report.ticker,
        position=report.position,
        reported_at=report.reported_at,
        seen_at=report.valid_at,
        source=source,
        **{name: getattr(report, name) or Decimal(0) for name in _MONEY},
    )


def _advance(row: Position, report: PositionReport, *, source: Source) -> bool:
    """Under the row's lock. A report that may lack what we already know changes nothing."""
    if report.valid_at < row.seen_at:
        return False
    values = {"position": report.position} | {name: getattr(report, name) for name in _MONEY}
    changes = {name: value for name, value in values.items() if value is not None and getattr(row, name) != value}
    for name, value in changes.items():
        setattr(row, name, value)
    row.seen_at, row.source = report.valid_at, source
    if report.reported_at is not None:
        row.reported_at = report.reported_at
    if changes:
        row.version += 1
    row.save()
    return bool(changes)


def balance_apply(account_id: int, balance: rest.Balance, *, subaccount: int, asked_at: datetime) -> None:
    """Store an answer of GET /portfolio/balance (whole cents) unless a later question was answered already."""
    cash = _cash_of(balance)
    value = Decimal(balance.portfolio_value).scaleb(-2)
    reported_at = from_unix_seconds(balance.updated_ts) if balance.updated_ts else None
    with transaction.atomic():
        row, is_new = Balance.objects.select_for_update().get_or_create(
            account_id=account_id,
            subaccount=subaccount,
            defaults={"cash": cash, "portfolio_value": value, "reported_at": reported_at, "seen_at": asked_at},
        )
        if not is_new:
            if asked_at < row.seen_at:
                return
            row.cash, row.portfolio_value = cash, value
            row.reported_at, row.seen_at, row.version = reported_at, asked_at, row.version + 1
            row.save()
        events.balance_publish(account_id)


def _cash_of(balance: rest.Balance) -> Decimal:
    """Return the cash with the fractions of a cent that only the breakdown has."""
    cents = Decimal(balance.balance).scaleb(-2)
    try:
        exact = sum((parse_dollars(part["balance"]) for part in balance.balance_breakdown or ()), Decimal(0))
    except (KeyError, TypeError, WireFormatError):
        return cents
    return exact if cents <= exact < cents + Decimal("0.01") else cents


def portfolio_refresh(account_id: int) -> None:
    """Read balances and positions of every subaccount that something goes on in; `subaccounts` reads the cash of all.

    Raises:
        ExchangeError, DeskError: the exchange could not be read; what was read so far is stored.
    """
    client = client_for(account_id, write=False)
    for subaccount in subaccounts_watched(account_id):
        asked_at = utc_now()
        balance = api.get_balance(client, subaccount=subaccount)
        balance_apply(account_id, balance, subaccount=subaccount, asked_at=asked_at)
        _positions_read(client, account_id, subaccount=subaccount)


def _positions_read(client: ExchangeClient, account_id: int, *, subaccount: int) -> None:
    asked_at = utc_now()
    # Asked first: what happened up to this time is in the listing; what came later by WebSocket
    # may not be, and must not be overwritten by it.
    data_as_of = parse_rfc3339(api.get_user_data_timestamp(client))
    valid_at = min(asked_at, data_as_of - clock_offset(account_id))
    reports = []
    for record in api.get_positions(client, subaccount=subaccount):
        try:
            reports.append(position_from_rest(record, subaccount=subaccount, valid_at=valid_at))
        except WireFormatError:
            logger.exception("a position of the exchange's listing cannot be read: %r", record)
    listed = {report.ticker for report in reports}
    open_here = Position.objects.filter(account_id=account_id, subaccount=subaccount).exclude(position=0)
    for ticker in open_here.exclude(ticker__in=listed).values_list("ticker", flat=True):
        # The listing leaves out what is flat or settled.
        flat = PositionReport(
            ticker=ticker, position=Decimal(0), cost=Decimal(0), valid_at=valid_at, subaccount=subaccount
        )
        reports.append(flat)
    positions_apply(account_id, reports, source="rest")


def clock_offset(account_id: int) -> timedelta:
    """Return the exchange's clock minus ours for an account's environment; zero when not measured yet."""
    environments = ExchangeAccount.objects.filter(pk=account_id).values("environment")
    statuses = ExchangeStatus.objects.filter(environment__in=environments)
    return timedelta(milliseconds=statuses.values_list("clock_offset_ms", flat=True).first() or 0)


def subaccounts_watched(account_id: int) -> list[int]:
    """Return the primary subaccount and those with a position, an order of ours, a working order or a recent fill.

    An account may have any number of others: each costs three reads, every 15 s.
    """
    day_ago = utc_now() - timedelta(days=1)
    busy: list[QuerySet[Any]] = [
        OrderIntent.objects.filter(account_id=account_id),
        Position.objects.filter(account_id=account_id),
        MarketBook.objects.filter(account_id=account_id).exclude(contracts=0),
        Order.objects.filter(account_id=account_id, status=Order.Status.RESTING),
        Fill.objects.filter(account_id=account_id, traded_at__gte=day_ago),
    ]
    return sorted({0}.union(*(rows.order_by().values_list("subaccount", flat=True).distinct() for rows in busy)))


def subaccounts_used(account_id: int) -> list[int]:
    """Return the primary subaccount and every other one that an order or a row of this account names."""
    used = {0}
    for model in (OrderIntent, Balance, Position):
        rows = model._default_manager.filter(account_id=account_id)
        used |= set(rows.values_list("subaccount", flat=True).distinct())
    return sorted(used)
