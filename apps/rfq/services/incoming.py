"""Requests of others that concern us: stored when we quote, pass or decide by rule, never the whole stream."""

import logging
import time
from hashlib import sha256

from django.core.cache import cache

from apps.accounts.models import ExchangeAccount
from apps.core.errors import DeskError, NotFound, WireFormatError
from apps.core.timestamps import utc_now
from apps.exchange.clients import client_for
from apps.exchange.wire.api import communications as api
from apps.exchange.wire.errors import ExchangeError, Refused
from apps.rfq import queue, reports
from apps.rfq.models import IncomingRfq
from apps.rfq.reports import RfqReport

logger = logging.getLogger(__name__)

WAIT_SECONDS = 4.0  # for a worker that reads a request while a person waits
UNKNOWN_FOR = 10  # seconds
_POLL = 0.02


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

    A process that opens no keys (web) has a worker read it, and waits for that.

    Raises:
        NotFound: the exchange has no such request (any more).
        DeskError: `not_read`, the exchange could not be asked.
    """
    known = IncomingRfq.objects.filter(environment=environment, rfq_id=rfq_id).first()
    if known is not None:
        return known
    try:
        client = client_for(account_id, write=False)
    except DeskError as exc:
        if exc.code != "vault_closed":
            raise
        return _read_by_worker(account_id, environment, rfq_id)
    try:
        record = api.get_rfq(client, rfq_id)
        return incoming_keep(environment, reports.rfq_from_rest(record))
    except Refused as exc:
        raise NotFound("The exchange does not know this request (any more).") from exc
    except (ExchangeError, WireFormatError) as exc:
        raise DeskError("not_read", f"The request could not be read, nothing was sent: {exc}") from exc


def incoming_read(account_id: int, rfq_id: str) -> None:
    """The worker's half: store the request, or that there is none, for who waits."""
    account = ExchangeAccount.objects.get(pk=account_id)
    try:
        incoming_get(account_id, account.environment, rfq_id)
    except NotFound:
        cache.set(_unknown_key(account.environment, rfq_id), True, timeout=UNKNOWN_FOR)
    except DeskError as exc:
        logger.warning("a request was not read: %s", exc)


def incoming_deleted(environment: str, rfq_ids: list[str]) -> int:
    """Note that requests are over; returns how many of them we keep."""
    rows = IncomingRfq.objects.filter(environment=environment, rfq_id__in=rfq_ids, deleted_at=None)
    return rows.update(deleted_at=utc_now())


def _read_by_worker(account_id: int, environment: str, rfq_id: str) -> IncomingRfq:
    unknown = _unknown_key(environment, rfq_id)
    cache.delete(unknown)
    queue.enqueue(queue.INCOMING_READ, account_id, rfq_id)
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        known = IncomingRfq.objects.filter(environment=environment, rfq_id=rfq_id).first()
        if known is not None:
            return known
        if cache.get(unknown):
            raise NotFound("The exchange does not know this request (any more).")
        time.sleep(_POLL)
    raise DeskError("not_read", "The request could not be read in time, nothing was sent. Try again.")


def _unknown_key(environment: str, rfq_id: str) -> str:
    return f"rfq-unknown-{environment}-{sha256(rfq_id.encode()).hexdigest()}"


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
