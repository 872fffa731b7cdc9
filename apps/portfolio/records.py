"""The writers of settlements, deposits, withdrawals and transfers: each record once, whichever sync tells it first.

All take what the exchange listed, in any order and as often as it comes, and return how many rows are new or changed.
Bulk upserts by the exchange's identity; safe to run twice, at the same time and after a kill at any point.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

from django.db import IntegrityError, transaction

from apps.core.timestamps import utc_now
from apps.portfolio import cash_events
from apps.portfolio.cash_reports import PaymentReport, SettlementReport, TransferReport
from apps.portfolio.models import Deposit, Settlement, Transfer, Withdrawal

logger = logging.getLogger(__name__)

_CHUNK = 500
_SETTLED = ("event_ticker", "result", "yes_count", "yes_cost", "no_count", "no_cost", "revenue", "fees", "value")
# A payment never goes back: what tells an earlier step comes from an older page.
_STEP = {"pending": 0, "applied": 1, "failed": 1, "returned": 2}

P = TypeVar("P", Deposit, Withdrawal)
R = TypeVar("R")


def settlements_apply(account_id: int, records: Iterable[SettlementReport], *, source: str) -> int:
    """Store settlements. One listed with other figures than before becomes a new revision; the old row stays."""
    reports = list({report.identity: report for report in records}.values())
    changed = 0
    for chunk in _chunks(reports):
        changed += _retried(partial(_settlements, account_id, chunk, source=source))
    return changed


def _settlements(account_id: int, reports: Sequence[SettlementReport], *, source: str) -> int:
    now = utc_now()
    rows = Settlement.objects.select_for_update().filter(
        account_id=account_id, ticker__in={report.ticker for report in reports}, is_current=True
    )
    current = {(row.subaccount, row.ticker, row.settled_at): row for row in rows.order_by("pk")}
    fresh: list[Settlement] = []
    for report in reports:
        known = current.get(report.identity)
        if known is not None and not _differs(known, report):
            continue
        revision = 1
        if known is not None:
            revision = known.revision + 1
            Settlement.objects.filter(pk=known.pk).update(is_current=False)
            logger.warning("the settlement of %s (account %s) was corrected", report.ticker, account_id)
        fresh.append(
            Settlement(
                account_id=account_id,
                subaccount=report.subaccount,
                ticker=report.ticker,
                settled_at=report.settled_at,
                revision=revision,
                first_seen_at=now,
                source=source,
                **{name: getattr(report, name) for name in _SETTLED},
            )
        )
    Settlement.objects.bulk_create(fresh)
    return len(fresh)


def _differs(row: Settlement, report: SettlementReport) -> bool:
    return any(getattr(row, name) != getattr(report, name) for name in _SETTLED)


def deposits_apply(account_id: int, records: Iterable[PaymentReport], *, source: str) -> int:
    """Store deposits; a later status advances the row, an earlier one changes nothing."""
    return _payments_apply(Deposit, account_id, records, source=source)


def withdrawals_apply(account_id: int, records: Iterable[PaymentReport], *, source: str) -> int:
    """Store withdrawals; a later status advances the row, an earlier one changes nothing."""
    return _payments_apply(Withdrawal, account_id, records, source=source)


def _payments_apply(model: type[P], account_id: int, records: Iterable[PaymentReport], *, source: str) -> int:
    latest: dict[str, PaymentReport] = {}
    for report in records:
        known = latest.get(report.payment_id)
        if known is None or _step(report.status) >= _step(known.status):
            latest[report.payment_id] = report
    changed = 0
    for chunk in _chunks(list(latest.values())):
        changed += _retried(partial(_payments, model, account_id, chunk, source=source))
    return changed


def _payments(model: type[P], account_id: int, reports: Sequence[PaymentReport], *, source: str) -> int:
    now = utc_now()
    rows = model._default_manager.select_for_update().filter(
        account_id=account_id, payment_id__in=[report.payment_id for report in reports]
    )
    known = {row.payment_id: row for row in rows.order_by("pk")}
    fresh: list[P] = []
    moved: list[P] = []
    for report in reports:
        row = known.get(report.payment_id)
        if row is None:
            row = model(account_id=account_id, payment_id=report.payment_id, first_seen_at=now)
            _payment_put(row, report, now=now, source=source)
            fresh.append(row)
        elif _step(report.status) >= _step(row.status) and _payment_put(row, report, now=now, source=source):
            moved.append(row)
    model._default_manager.bulk_create(fresh)
    model._default_manager.bulk_update(moved, [*_PAYMENT_COLUMNS, "applied_at", "seen_at", "source"])
    return len(fresh) + len(moved)


_PAYMENT_COLUMNS = ("status", "method", "amount", "fee", "created_at", "finalized_at")


def _payment_put(row: Deposit | Withdrawal, report: PaymentReport, *, now: datetime, source: str) -> bool:
    """Give the row what the report says; returns whether that changed anything."""
    changes = {name: getattr(report, name) for name in _PAYMENT_COLUMNS}
    if row.pk is not None and all(getattr(row, name) == value for name, value in changes.items()):
        return False
    for name, value in changes.items():
        setattr(row, name, value)
    if report.status == "applied":
        # Without a time of its own it counts from when we first saw it applied, never from before.
        row.applied_at = report.finalized_at or row.applied_at or now
    row.seen_at, row.source = now, source
    return True


def _step(status: str) -> int:
    # A newer word is taken as it comes: it cannot be said to be behind.
    return _STEP.get(status, max(_STEP.values()))


def transfers_apply(account_id: int, records: Iterable[TransferReport], *, source: str) -> int:
    """Store transfers, which never change once they are made."""
    reports = list({report.transfer_id: report for report in records}.values())
    changed = 0
    for chunk in _chunks(reports):
        changed += _retried(partial(_transfers, account_id, chunk, source=source))
    if changed:
        cash_events.subaccounts_publish(account_id)
    return changed


def _transfers(account_id: int, reports: Sequence[TransferReport], *, source: str) -> int:
    now = utc_now()
    ids = [report.transfer_id for report in reports]
    stored = Transfer.objects.filter(account_id=account_id, transfer_id__in=ids)
    known = set(stored.values_list("transfer_id", flat=True))
    fresh = [
        Transfer(
            account_id=account_id,
            transfer_id=report.transfer_id,
            from_subaccount=report.from_subaccount,
            to_subaccount=report.to_subaccount,
            amount=report.amount,
            created_at=report.created_at,
            first_seen_at=now,
            source=source,
        )
        for report in reports
        if report.transfer_id not in known
    ]
    Transfer.objects.bulk_create(fresh)
    return len(fresh)


def _chunks(rows: Sequence[R]) -> Iterable[Sequence[R]]:
    return (rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK))


def _retried(work: Callable[[], int]) -> int:
    """Run in a transaction; once more when another sync stored the same rows at the same moment."""
    try:
        with transaction.atomic():
            return work()
    except IntegrityError:
        with transaction.atomic():
            return work()
