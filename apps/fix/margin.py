"""Execution reports of the margin exchange. They are kept, each ExecID once, and never enter the desk's ledger.

The ledger is of the event exchange: prices between 0 and 1 dollar, collateral in full, REST to read back from. Nothing
published says how margin positions are valued, and there is no reading of them; so these reports are shown, not booked.
"""

import logging
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.core.durability import reaches_disk_later
from apps.core.errors import WireFormatError
from apps.core.timestamps import utc_now
from apps.fix.engine.codec import Message
from apps.fix.ingest import Ingested
from apps.fix.messages.common import ExecId, Prices
from apps.fix.messages.orders import ExecutionReport
from apps.fix.models import FixMarginExecution

logger = logging.getLogger(__name__)

DOLLARS: Final = Prices(in_dollars=True)


@reaches_disk_later()
def reports_note(account_id: int, messages: Iterable[Message], *, kind: str) -> Ingested:
    """Keep the ExecIDs of reports in their order; the same id with other content is put on the trail."""
    done = Ingested()
    for message in messages:
        try:
            report = ExecutionReport.read(message, DOLLARS)
        except WireFormatError as exc:
            done.unreadable += 1
            logger.warning("a margin report for account %s cannot be read: %s", account_id, exc)
            continue
        if report.is_pending or report.is_rejected:
            done.skipped += 1
            continue
        done.ids.append(report.exec_id)
        if done.newest is None or report.exec_id > done.newest:
            done.newest = report.exec_id
        _keep(account_id, report, kind=kind, done=done)
    return done


def last_seen(account_id: int) -> ExecId | None:
    """Return the highest ExecID of the margin exchange that came, as a pair of integers."""
    row = FixMarginExecution.objects.filter(account_id=account_id).order_by("-first", "-second").first()
    return ExecId(row.first, row.second) if row else None


def _keep(account_id: int, report: ExecutionReport, *, kind: str, done: Ingested) -> None:
    digest = _digest(report)
    first, second = report.exec_id
    try:
        with transaction.atomic():
            row, is_new = FixMarginExecution.objects.get_or_create(
                account_id=account_id,
                first=first,
                second=second,
                defaults={
                    "digest": digest,
                    "order_id": report.order_id[:80],
                    "seen_at": utc_now(),
                    "source": kind,
                },
            )
    except IntegrityError:
        done.known += 1
        return
    if is_new:
        done.applied += 1
    elif row.digest == digest:
        done.known += 1
    else:
        done.conflicts += 1
        logger.error("margin ExecID %s of account %s came again with other content", report.exec_id, account_id)
        audit.record(
            "fix.margin.disputed",
            actor_id=None,
            desk_id=row.account.desk_id,
            environment=row.account.environment,
            target=f"fix_margin_execution:{row.pk}",
            data={"exec_id": str(report.exec_id), "stored_order": row.order_id, "order": report.order_id},
        )


def _digest(report: ExecutionReport) -> str:
    trade = "" if report.trade is None else f"{report.trade.trade_id} {report.trade.count.normalize()}"
    said = [report.order_id, report.ticker, report.book_side, report.exec_type, str(report.filled.normalize()), trade]
    return sha256("\x00".join(said).encode()).hexdigest()
