"""Requests of others that concern us: stored when we quote, pass or decide by rule, never the whole stream."""

from apps.core.errors import DeskError, NotFound, WireFormatError
from apps.core.timestamps import utc_now
from apps.exchange.clients import client_for
from apps.exchange.wire.api import communications as api
from apps.exchange.wire.errors import ExchangeError, Refused
from apps.rfq import reports
from apps.rfq.models import IncomingRfq
from apps.rfq.reports import RfqReport


def incoming_keep(environment: str, report: RfqReport) -> IncomingRfq:
    """Return the row of a request, stored now if it was not; a later report fills what was not known."""
    row, made = IncomingRfq.objects.get_or_create(
        environment=environment,
        rfq_id=report.rfq_id,
        defaults={
            "ticker": report.ticker,
            "event_ticker": report.event_ticker,
            "collection_ticker": report.collection,
            "legs": list(report.legs),
            "requester": report.requester,
            "contracts": report.contracts,
            "target_cost": report.target_cost,
            "created_at": report.created_at,
            "seen_at": utc_now(),
            "deleted_at": (report.closed_at or utc_now()) if report.is_open is False else None,
        },
    )
    if not made:
        _fill(row, report)
    return row


def incoming_get(account_id: int, environment: str, rfq_id: str) -> IncomingRfq:
    """Return the row of a request by the exchange's id, read now if it is not known here.

    Raises:
        NotFound: the exchange has no such request (any more).
        DeskError: `not_read`, the exchange could not be asked.
    """
    known = IncomingRfq.objects.filter(environment=environment, rfq_id=rfq_id).first()
    if known is not None:
        return known
    try:
        record = api.get_rfq(client_for(account_id, write=False), rfq_id)
        return incoming_keep(environment, reports.rfq_from_rest(record))
    except Refused as exc:
        raise NotFound("The exchange does not know this request (any more).") from exc
    except (ExchangeError, WireFormatError) as exc:
        raise DeskError("not_read", f"The request could not be read, nothing was sent: {exc}") from exc


def incoming_deleted(environment: str, rfq_ids: list[str]) -> int:
    """Note that requests are over; returns how many of them we keep."""
    rows = IncomingRfq.objects.filter(environment=environment, rfq_id__in=rfq_ids, deleted_at=None)
    return rows.update(deleted_at=utc_now())


def _fill(row: IncomingRfq, report: RfqReport) -> None:
    changed = []
    for name, value in (
        ("requester", report.requester),
        ("event_ticker", report.event_ticker),
        ("collection_ticker", report.collection),
        ("legs", list(report.legs)),
        ("created_at", report.created_at),
        ("deleted_at", (report.closed_at or utc_now()) if report.is_open is False else None),
    ):
        if value and not getattr(row, name):
            setattr(row, name, value)
            changed.append(name)
    if changed:
        row.save(update_fields=changed)
