"""Execution reports into the desk: by the doors of orders and fills, each ExecID applied once.

Runs in the gateway's database thread. Rejects and pending reports carry no ExecID of their own (-1;-1) and change no
order that exists; what became of a rejected order is told by the answer to its command, or read (D15).
"""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Final

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q

from apps.audit import services as audit
from apps.core import ports
from apps.core.durability import reaches_disk_later
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
MOST_TOGETHER: Final = 100
TOGETHER_SECONDS: Final = 0.05  # others wait for the write lock
AWAY: Final = (OperationalError, InterfaceError)
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

    def saw(self, exec_id: ExecId) -> None:
        self.ids.append(exec_id)
        self.newest = exec_id if self.newest is None else max(self.newest, exec_id)

    def add(self, part: "Ingested") -> None:
        self.applied += part.applied
        self.known += part.known
        self.skipped += part.skipped
        self.unreadable += part.unreadable
        self.conflicts += part.conflicts
        for exec_id in part.ids:
            self.saw(exec_id)


@reaches_disk_later()
def reports_apply(account_id: int, messages: Iterable[Message], *, prices: Prices, kind: str) -> Ingested:
    """Apply execution reports in their order; one that cannot be used makes the desk read instead.

    Up to MOST_TOGETHER of them, or what TOGETHER_SECONDS allow, are one transaction: each commit waits for the disk.
    One that fails there takes none of the others with it, because they are done again one by one.

    Raises OperationalError, InterfaceError: the database is away, and what was not told as applied comes again.
    """
    done = Ingested()
    waiting = list(messages)
    while waiting:
        batch = _Batch(account_id, prices, kind)
        taken = batch.run(waiting[:MOST_TOGETHER])
        batch.tell()
        done.add(batch.done)
        waiting = waiting[taken:]
    return done


@dataclass(slots=True)
class _Batch:
    """Reports that are stored together."""

    account_id: int
    prices: Prices
    kind: str
    done: Ingested = field(default_factory=Ingested)
    told_orders: list[OrderReport] = field(default_factory=list)
    told_trades: list[FillReport] = field(default_factory=list)
    known: dict[ExecId, FixExecution] = field(default_factory=dict)
    fills: list[FillReport] = field(default_factory=list)  # not stored yet
    unstored: list[FixExecution] = field(default_factory=list)

    def run(self, messages: list[Message]) -> int:
        """Apply as many as fit; returns how many."""
        try:
            with transaction.atomic():
                return self._together(messages)
        except AWAY:
            raise
        except Exception:
            # A boundary: one report must not keep the others out.
            logger.exception("reports of account %s are applied one by one", self.account_id)
        self._forget()
        for message in messages:
            self._alone(message)
        return len(messages)

    def _together(self, messages: list[Message]) -> int:
        self._look_up(messages)
        began = time.monotonic()
        taken = 0
        for message in messages:
            self._apply(message)
            taken += 1
            if time.monotonic() - began > TOGETHER_SECONDS:
                break
        self._store()
        return taken

    def _alone(self, message: Message) -> None:
        part = _Batch(self.account_id, self.prices, self.kind)
        try:
            with transaction.atomic():
                part._together([message])
        except AWAY:
            raise
        except Exception:
            logger.exception("an execution report for account %s cannot be stored, reading instead", self.account_id)
            self.done.unreadable += 1
            queue.enqueue(queue.ACCOUNT_SYNC, self.account_id)
            return
        self.done.add(part.done)
        self.told_orders += part.told_orders
        self.told_trades += part.told_trades

    def _forget(self) -> None:
        self.done = Ingested()
        self.told_orders, self.told_trades, self.known, self.fills, self.unstored = [], [], {}, [], []

    def tell(self) -> None:
        """Say what FIX told, beside the ledger. After the commit."""
        if not self.told_orders and not self.told_trades:
            return
        at = utc_now()
        for tell in ports.fix_orders:
            tell(self.account_id, self.told_orders, at)
        for tell in ports.fix_trades:
            tell(self.account_id, self.told_trades, at)

    def _apply(self, message: Message) -> None:
        try:
            report = ExecutionReport.read(message, self.prices)
            if report.exec_type == REPLACED:
                self._store()  # it asks what was applied before
            told = _order_report(self.account_id, report)
            fill = _fill_report(report) if report.trade is not None else None
        except WireFormatError as exc:
            self.done.unreadable += 1
            logger.warning("a report for account %s cannot be used, reading instead: %s", self.account_id, exc)
            queue.enqueue(queue.ACCOUNT_SYNC, self.account_id)
            return
        # A replay tells how orders were: of trades that is the whole story, of orders it is not.
        self.told_orders += [told] if told is not None and self.kind != "dc" else []
        self.told_trades += [fill] if fill is not None else []
        if told is None:
            self.done.skipped += 1
            return
        self.done.saw(report.exec_id)
        if not self._is_new(report):
            return
        order_apply(self.account_id, told, source="fix")
        if fill is not None:
            self.fills.append(fill)
        row = FixExecution(
            account_id=self.account_id,
            first=report.exec_id.first,
            second=report.exec_id.second,
            digest=_digest(report),
            order_id=report.order_id[:80],
            seen_at=utc_now(),
            source=self.kind,
        )
        self.known[report.exec_id] = row
        self.unstored.append(row)
        self.done.applied += 1

    def _store(self) -> None:
        """Another session may tell the same at this moment: the doors took it once, and its id stands once."""
        if self.fills:
            fills_record(self.account_id, self.fills, source="fix")
            self.fills = []
        if self.unstored:
            FixExecution.objects.bulk_create(self.unstored, ignore_conflicts=True)
            self.unstored = []

    def _look_up(self, messages: list[Message]) -> None:
        ids = [one for message in messages if (one := _exec_id(message)) is not None]
        rows = FixExecution.objects.filter(
            account_id=self.account_id, first__in={one.first for one in ids}, second__in={one.second for one in ids}
        )
        self.known = {ExecId(row.first, row.second): row for row in rows}

    def _is_new(self, report: ExecutionReport) -> bool:
        known = self.known.get(report.exec_id)
        if known is None:
            return True
        if known.digest == _digest(report):
            self.done.known += 1
            return False
        self.done.conflicts += 1
        self._store()
        row = FixExecution.objects.select_related("account").get(
            account_id=self.account_id, first=report.exec_id.first, second=report.exec_id.second
        )
        _conflict_record(row, report)
        return False


def _exec_id(message: Message) -> ExecId | None:
    try:
        return ExecId.read(message.text(17))
    except WireFormatError:
        return None


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
    initial = _initial(report, known)
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


def _initial(report: ExecutionReport, known: Order | None) -> Decimal:
    """Return what the order began as, as far as a report can say.

    Its OrderQty after a decrease is what is left, which REST and WebSocket do not call the initial count: where they
    have told the same progress, theirs stays, and where FIX was first, theirs replaces it (orders.services.apply).
    """
    told, present = _count(report.count), report.filled + report.remaining
    if known is None:
        # OrderQty of a cancelled order is what was filled, unless the session asked for the original (21008).
        return max(told, report.filled) if _STATUS[report.order_status] == "canceled" else present
    is_told = (known.filled_count, known.remaining_count) == (report.filled, report.remaining)
    if report.exec_type == REPLACED and not is_told:
        return present
    began_as: Decimal = known.initial_count
    return began_as if is_told else max(began_as, present)


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
