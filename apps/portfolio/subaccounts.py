"""Subaccounts as the exchange lists them: numbers, cash, netting, transfers. Reads only; any number of them.

`actions` is what people ask of them.
"""

import logging
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from apps.core.errors import DeskError, WireFormatError
from apps.core.money import parse_dollars
from apps.core.timestamps import from_unix_seconds, utc_now
from apps.exchange.clients import client_for
from apps.exchange.wire.api import cash as api
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.schemas.cash import NettingConfig, SubaccountBalance
from apps.portfolio import cash_events, events
from apps.portfolio.cash_reports import TransferReport, transfer_from_rest
from apps.portfolio.models import Balance, Subaccount
from apps.portfolio.records import transfers_apply

logger = logging.getLogger(__name__)


def subaccounts_refresh(account_id: int) -> None:
    """Read balances and netting of all subaccounts and the newest transfers.

    Raises:
        ExchangeError, DeskError: the exchange could not be read; what was read so far is stored.
    Cost: 30 read tokens, 10 more for each further page of new transfers.
    """
    client = client_for(account_id, write=False)
    balances_read(client, account_id)
    subaccounts_apply(account_id, netting=api.get_netting(client))
    transfers_read(client, account_id)


def balances_read(client: ExchangeClient, account_id: int) -> list[int]:
    """Read the cash of all subaccounts at once; returns their numbers. Raises ExchangeError."""
    asked_at = utc_now()
    listed = api.get_subaccount_balances(client)
    subaccounts_apply(account_id, balances=listed, asked_at=asked_at)
    return sorted(row.subaccount_number for row in listed)


def subaccounts_apply(
    account_id: int,
    *,
    balances: Iterable[SubaccountBalance] = (),
    netting: Iterable[NettingConfig] = (),
    asked_at: datetime | None = None,
) -> None:
    """Store what the listings say; publish once. asked_at: our clock, when balances were asked for."""
    asked_at = asked_at or utc_now()
    cash = {row.subaccount_number: row for row in balances if row.subaccount_number >= 0}
    switches = {row.subaccount_number: row.enabled for row in netting if row.subaccount_number >= 0}
    with transaction.atomic():
        known = {row.number: row for row in Subaccount.objects.select_for_update().filter(account_id=account_id)}
        fresh = [
            Subaccount(account_id=account_id, number=number, first_seen_at=asked_at, seen_at=asked_at)
            for number in sorted({*cash, *switches} - known.keys())
        ]
        Subaccount.objects.bulk_create(fresh, ignore_conflicts=True)
        Subaccount.objects.filter(account_id=account_id, number__in=[*cash, *switches]).update(seen_at=asked_at)
        for is_on in (True, False):
            told = [number for number, value in switches.items() if value is is_on]
            differing = Subaccount.objects.filter(account_id=account_id, number__in=told)
            differing.exclude(is_netting=is_on).update(is_netting=is_on)
            differing.filter(is_netting=None).update(is_netting=is_on)
        for row in cash.values():
            _cash_apply(account_id, row, asked_at=asked_at)
        if cash:
            events.balance_publish(account_id)
        cash_events.subaccounts_publish(account_id)


def _cash_apply(account_id: int, listed: SubaccountBalance, *, asked_at: datetime) -> None:
    """Within a transaction. The listing has fractions of a cent, which GET /portfolio/balance leaves out."""
    try:
        cash = parse_dollars(listed.balance)
    except WireFormatError:
        logger.exception("the balance of a subaccount cannot be read: %r", listed)
        return
    reported_at = from_unix_seconds(listed.updated_ts) if listed.updated_ts else None
    row, is_new = Balance.objects.select_for_update().get_or_create(
        account_id=account_id,
        subaccount=listed.subaccount_number,
        defaults={"cash": cash, "reported_at": reported_at, "seen_at": asked_at},
    )
    if is_new or asked_at < row.seen_at:
        return
    row.cash, row.reported_at, row.seen_at, row.version = cash, reported_at, asked_at, row.version + 1
    row.save()


def transfers_read(client: ExchangeClient, account_id: int) -> int:
    """Read transfers, newest first, until only known ones come; returns how many were new. Raises ExchangeError."""
    new = 0
    page: list[TransferReport] = []
    for record in api.get_transfers(client):
        try:
            page.append(transfer_from_rest(record))
        except WireFormatError:
            logger.exception("a transfer of the exchange's listing cannot be read: %r", record)
        if len(page) == _TRANSFERS_AT_ONCE:
            added = transfers_apply(account_id, page, source="rest")
            new += added
            if not added:
                return new
            page = []
    return new + transfers_apply(account_id, page, source="rest")


_TRANSFERS_AT_ONCE = 100


def numbers_known(account_id: int) -> list[int]:
    """The primary one and every subaccount that the exchange has listed."""
    listed = Subaccount.objects.filter(account_id=account_id).values_list("number", flat=True)
    held = Balance.objects.filter(account_id=account_id).values_list("subaccount", flat=True)
    return sorted({0, *listed, *held})


def subaccount_rename(account_id: int, number: int, name: str) -> None:
    """Give a subaccount this desk's own name."""
    with transaction.atomic():
        if not Subaccount.objects.filter(account_id=account_id, number=number).update(name=name.strip()[:60]):
            raise DeskError("no_subaccount", f"Subaccount {number} is not known.")
        cash_events.subaccounts_publish(account_id)
