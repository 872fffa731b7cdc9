"""Deposits, withdrawals and settlements as the exchange lists them now, and marks of the cash to check against.

`apps.history` reads them from the beginning; this is the quick reading of what is new, before a statement is made.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

from apps.core.errors import WireFormatError
from apps.core.timestamps import to_unix_seconds
from apps.exchange.clients import client_for
from apps.exchange.wire.api import cash as api
from apps.portfolio.cash_reports import payment_from_rest, settlement_from_rest
from apps.portfolio.models import Settlement
from apps.portfolio.records import deposits_apply, settlements_apply, withdrawals_apply
from apps.portfolio.subaccounts import numbers_known

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

# Settlements are read again from this long before the newest known one: a corrected one keeps its time.
OVERLAP = timedelta(hours=1)


def cash_refresh(account_id: int) -> None:
    """Read deposits, withdrawals, and settlements since the newest known one.

    Raises:
        ExchangeError, DeskError: the exchange could not be read; what was read so far is stored.
    Cost: 20 read tokens and 10 for each subaccount.
    """
    client = client_for(account_id, write=False)
    deposits_apply(account_id, _read(payment_from_rest, api.get_deposits(client)), source="rest")
    withdrawals_apply(account_id, _read(payment_from_rest, api.get_withdrawals(client)), source="rest")
    newest = Settlement.objects.filter(account_id=account_id).order_by("-settled_at").first()
    since = None if newest is None else to_unix_seconds(newest.settled_at - OVERLAP)
    for number in numbers_known(account_id):

        def settled(record: Any, number: int = number) -> Any:
            return settlement_from_rest(record, subaccount=number)

        listed = api.get_settlements(client, subaccount=number, min_ts=since)
        settlements_apply(account_id, _read(settled, listed), source="rest")


def _read(reader: Callable[[R], T], records: Iterable[R]) -> Iterator[T]:
    for record in records:
        try:
            yield reader(record)
        except WireFormatError:
            logger.exception("a record of the exchange's listing cannot be read: %r", record)
