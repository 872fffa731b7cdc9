"""Execution reports into the desk: by the doors of orders and fills, each ExecID applied once.

Runs in the gateway's database thread. Rejects and pending reports carry no ExecID of their own (-1;-1) and change no
order that exists; what became of a rejected order is told by the answer to its command, or read (D15).
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Q

from apps.audit import services as audit
from apps.core import ports
from apps.core.errors import WireFormatError
from apps.core.money import parse_count, parse_dollars, parse_price
from apps.core.timestamps import utc_now
from apps.fix.engine.codec import Message
from apps.fix.engine.values import decimal_write
from apps.fix.messages.common import ExecId, Prices
from apps.fix.messages.orders import ExecutionReport
from apps.fix.models import FixExecution
from apps.orders import queue
from apps.orders.models import Order
from apps.orders.reports import FillReport, OrderReport
from apps.orders.services import fills_record, order_apply

logger = logging.getLogger(__name__)

REPLACED: Final = "5"  # ExecType
_STATUS = {"0": "resting", "1": "resting", "5": "resting", "2": "executed", "4": "canceled", "C": "canceled"}


@dataclass(slots=True)
class Ingested:
    """What a batch of reports did. newest: the highest ExecID of it."""

    applied: int = 0
    known: int = 0
    skipped: int = 0
    unreadable: int = 0
    conflicts: int = 0
    newest: ExecId | None = None
    ids: list[ExecId] = field(default_factory=list)


def reports_apply(account_id: int, messages: Iterable[Message], *, prices: Prices, kind: str) -> Ingested:
    """Apply execution reports in their order; one that cannot be used makes the desk read instead."""
    done = Ingested()
    told_orders: list[OrderReport] = []
    told_trades: list[FillReport] = []
    for message in messages:
        try:
            report = ExecutionReport.read(message, prices)
            told = _order_report(account_id, report)
            fill = _fill_report(report) if report.trade is not None else None
            _apply(account_id, report, told, fill, kind=kind, done=done)
            # A replay tells how orders were: of trades that is the whole story, of orders it is not.
            told_orders += [told] if told is not None and kind != "dc" else []
            told_trades += [fill] if fill is not None else []
        except WireFormatError as exc:
            done.unreadable += 1
            logger.warning("an execution report for account %s cannot be used, reading instead: %s", account_id, exc)
            queue.enqueue(queue.ACCOUNT_SYNC, account_id)
    if told_orders or told_trades:
        at = utc_now()
        for tell in ports.fix_orders:
            tell(account_id, told_orders, at)
        for tell in ports.fix_trades:
            tell(account_id, told_trades, at)
    return done


def _apply(
    account_id: int,
    report: ExecutionReport,
    told: OrderReport | None,
    fill: FillReport | None,
    *,
    kind: str,
    done: Ingested,
) -> None:
    if told is None:
        done.skipped += 1
        return
    done.ids.append(report.exec_id)
    if done.newest is None or report.exec_id > done.newest:
        done.newest = report.exec_id
    if not _is_new(account_id, report, done):
        return
    order_apply(account_id, told, source="fix")
    if fill is not None:
        fills_record(account_id, [fill], source="fix")
    try:
        with transaction.atomic():
            FixExecution.objects.create(
                account_id=account_id,
                first=report.exec_id.first,
                second=report.exec_id.second,
                digest=_digest(report),
                order_id=report.order_id[:80],
                seen_at=utc_now(),
                source=kind,
            )
        done.applied += 1
    except IntegrityError:
        # Another session told it at the same moment; the doors took it once.
        done.known += 1


def _is_new(account_id: int, report: ExecutionReport, done: Ingested) -> bool:
    known = FixExecution.objects.filter(
        account_id=account_id, first=report.exec_id.first, second=report.exec_id.second
    ).first()
    if known is None:
        return True
    if known.digest == _digest(report):
        done.known += 1
    else:
        done.conflicts += 1
        _conflict_record(known, report)
    return False


def _digest(report: ExecutionReport) -> str:
    """Of what a report says about its order, whatever session told it and however it wrote numbers."""
    trade = "" if report.trade is None else f"{report.trade.trade_id} {report.trade.count.normalize()}"
    said = [report.order_id, report.ticker, report.book_side, report.exec_type, str(report.filled.normalize()), trade]
    return sha256("\x00".join(said).encode()).hexdigest()


def _conflict_record(known: FixExecution, report: ExecutionReport) -> None:
    """D5: the first is kept, and people are told."""
    logger.error("ExecID %s of account %s came again with other content", report.exec_id, known.account_id)
    audit.record(
        "fix.execution.disputed",
        actor_id=None,
        desk_id=known.account.desk_id,
        environment=known.account.environment,
        target=f"fix_execution:{known.pk}",
        data={"exec_id": str(report.exec_id), "stored_order": known.order_id, "order": report.order_id},
    )
    queue.enqueue(queue.ACCOUNT_SYNC, known.account_id)


def _order_report(account_id: int, report: ExecutionReport) -> OrderReport | None:
    """Return the report in the desk's words; None for one that changes no order."""
    if report.is_pending or report.is_rejected:
        return None
    status = _STATUS.get(report.order_status)
    if status is None:
        raise WireFormatError(f"unknown OrdStatus {report.order_status[:5]!r}")
    known = Order.objects.filter(account_id=account_id, order_id=report.order_id).first()
    price = report.price if report.price is not None else (known.price if known else None)
    if price is None:
        raise WireFormatError("a report without a price of an order that is not known")
    told_count = _count(report.count)
    if status == "canceled":
        # OrderQty of a cancelled order is what was filled, unless the session asked for the original (21008).
        initial = known.initial_count if known else max(told_count, report.filled)
    else:
        initial = report.filled + report.remaining
    filled = _count(report.filled)
    return OrderReport(
        order_id=report.order_id,
        ticker=report.ticker,
        book_side=report.book_side,
        price=_price(price),
        status=status,
        initial_count=_count(initial),
        filled_count=filled,
        remaining_count=_count(report.remaining) if status == "resting" else Decimal(0),
        client_order_id=_client_order_id(report, known),
        subaccount=report.subaccount,
        expires_at=report.expires_at,
        updated_at=report.transacted_at,
        follows=report.exec_type == REPLACED and not _is_followed(account_id, report),
    )


def _is_followed(account_id: int, report: ExecutionReport) -> bool:
    """Whether a later report of the order was applied. A replacement may be of the same millisecond as the order."""
    first, second = report.exec_id
    later = Q(first__gt=first) | Q(first=first, second__gt=second)
    return FixExecution.objects.filter(later, account_id=account_id, order_id=report.order_id[:80]).exists()


def _client_order_id(report: ExecutionReport, known: Order | None) -> str:
    """ClOrdID names the last message that changed the order: of an order that was replaced it is not its own."""
    if known is not None and known.client_order_id:
        return ""
    return report.original_id or report.client_order_id


def _fill_report(report: ExecutionReport) -> FillReport:
    trade = report.trade
    assert trade is not None
    if trade.is_taker is None or report.transacted_at is None:
        raise WireFormatError("a trade without AggressorIndicator or TransactTime")
    return FillReport(
        trade_id=trade.trade_id,
        order_id=report.order_id,
        ticker=report.ticker,
        book_side=report.book_side,
        yes_price=_price(trade.price),
        count=_count(trade.count),
        is_taker=trade.is_taker,
        fee=parse_dollars(decimal_write(trade.fee)),
        traded_at=report.transacted_at,
        subaccount=report.subaccount,
    )


def _price(value: Decimal) -> Decimal:
    """Raises WireFormatError for what is no price on the exchange's grid."""
    return parse_price(decimal_write(value))


def _count(value: Decimal) -> Decimal:
    return parse_count(decimal_write(value))


def last_seen(account_id: int) -> ExecId | None:
    """Return the highest ExecID that was applied, as a pair of integers."""
    row = FixExecution.objects.filter(account_id=account_id).order_by("-first", "-second").first()
    return ExecId(row.first, row.second) if row else None
