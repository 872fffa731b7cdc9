"""How each data set is asked for and stored. Every store is an upsert by the exchange's identity."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min

from apps.exchange.wire.api.cash import get_subaccount_balances
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import Refused
from apps.exchange.wire.schemas import cash, rest
from apps.history.models import DataSet
from apps.history.sync import names, public
from apps.history.sync.listing import HISTORICAL, LIVE, Answer, Listing, Place
from apps.history.sync.resting import ARCHIVE, RESTING, resting_ask
from apps.orders.models import Fill, Order
from apps.orders.reports import FillReport, OrderReport, fill_from_rest, order_from_rest
from apps.orders.services import fills_store, orders_store
from apps.portfolio.cash_reports import SettlementReport, payment_from_rest, settlement_from_rest, transfer_from_rest
from apps.portfolio.models import Deposit, Settlement, Transfer, Withdrawal
from apps.portfolio.records import deposits_apply, settlements_apply, transfers_apply, withdrawals_apply
from apps.portfolio.services import subaccounts_used

_SUBACCOUNT = "subaccount "
_PAYMENTS_PAGE = 500  # the most that deposits and withdrawals give


@dataclass(frozen=True, slots=True)
class Stored:
    """What a part of a page changed. moments: of the new rows, None when the door does not tell which they are."""

    new: int
    moments: Sequence[datetime] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """What the walk needs of a data set.

    stages(client, place): what a pass walks, in this order.
    ask(client, place): one page; store(place, reports, is_news): some hundreds of rows of it, in a transaction.
    held(place): how many rows there are, and the time of the oldest.
    cutoff: the field of the historical cutoff between its tiers, "" when there is one tier.
    every, verify_every: between two passes, and between two over everything.
    is_always_full: each pass goes to the beginning, since its rows change or its listing is short.
    """

    ask: Callable[[ExchangeClient, Place], Answer]
    store: Callable[[Place, Sequence[Any], bool], Stored]
    held: Callable[[Place], tuple[int, datetime | None]]
    stages: Callable[[ExchangeClient, Place], list[str]]
    cutoff: str = ""
    every: timedelta = timedelta(minutes=5)
    verify_every: timedelta = timedelta(days=7)
    is_always_full: bool = False
    is_public: bool = False


def _one_tier(client: ExchangeClient, place: Place) -> list[str]:
    return [LIVE]


def _two_tiers(client: ExchangeClient, place: Place) -> list[str]:
    """Live first: what leaves the live tier while it is read is in the historical one when that is read."""
    return [LIVE, HISTORICAL]


def _held(model: Any, moment: str) -> Callable[[Place], tuple[int, datetime | None]]:
    def held(place: Place) -> tuple[int, datetime | None]:
        rows = model._default_manager.filter(account_id=place.account_id)
        found = rows.aggregate(count=Count("pk"), first=Min(moment))
        return int(found["count"]), found["first"]

    return held


# --- orders and fills ----------------------------------------------------------------------------

_ORDERS = {
    LIVE: Listing(
        "/portfolio/orders", "orders", rest.Order, order_from_rest, lambda report: report.created_at, has_min_ts=True
    ),
    HISTORICAL: ARCHIVE,
}
_FILLS = {
    LIVE: Listing(
        "/portfolio/fills", "fills", rest.FillRecord, fill_from_rest, lambda report: report.traded_at, has_min_ts=True
    ),
    HISTORICAL: Listing("/historical/fills", "fills", rest.FillRecord, fill_from_rest, lambda report: report.traded_at),
}


def _orders_stages(client: ExchangeClient, place: Place) -> list[str]:
    return [LIVE, HISTORICAL, RESTING]


def _orders_ask(client: ExchangeClient, place: Place) -> Answer:
    if place.stage == RESTING:
        return resting_ask(client, place)
    return _ORDERS[place.stage].ask(client, place)


def _orders_store(place: Place, reports: Sequence[OrderReport], is_news: bool) -> Stored:
    new = orders_store(place.account_id, reports, is_news=is_news)
    return Stored(len(new), [one.created_at for one in new if one.created_at is not None])


def _fills_ask(client: ExchangeClient, place: Place) -> Answer:
    return _FILLS[place.stage].ask(client, place)


def _fills_store(place: Place, reports: Sequence[FillReport], is_news: bool) -> Stored:
    new = fills_store(place.account_id, reports, is_news=is_news)
    return Stored(len(new), [one.traded_at for one in new])


# --- settlements, payments, transfers ------------------------------------------------------------


def _settlements_stages(client: ExchangeClient, place: Place) -> list[str]:
    """One per subaccount: a settlement does not say whose it is. Those that the exchange lists, and those we know."""
    numbers = set(subaccounts_used(place.account_id))
    with contextlib.suppress(Refused):  # a tier without subaccounts
        numbers |= {row.subaccount_number for row in get_subaccount_balances(client)}
    return [f"{_SUBACCOUNT}{number}" for number in sorted(numbers)]


def _settlements_ask(client: ExchangeClient, place: Place) -> Answer:
    number = int(place.stage.removeprefix(_SUBACCOUNT))

    def read(record: cash.SettlementRecord) -> SettlementReport:
        return settlement_from_rest(record, subaccount=number)

    listing = Listing(
        "/portfolio/settlements",
        "settlements",
        cash.SettlementRecord,
        read,
        lambda report: report.settled_at,
        has_min_ts=True,
    )
    return listing.ask(client, place, subaccount=number)


def _settlements_store(place: Place, reports: Sequence[Any], is_news: bool) -> Stored:
    return Stored(settlements_apply(place.account_id, reports, source="rest"))


def _payments(path: str, key: str) -> Callable[[ExchangeClient, Place], Answer]:
    listing = Listing(
        path, key, cash.PaymentRecord, payment_from_rest, lambda report: report.created_at, limit=_PAYMENTS_PAGE
    )
    return listing.ask


def _deposits_store(place: Place, reports: Sequence[Any], is_news: bool) -> Stored:
    return Stored(deposits_apply(place.account_id, reports, source="rest"))


def _withdrawals_store(place: Place, reports: Sequence[Any], is_news: bool) -> Stored:
    return Stored(withdrawals_apply(place.account_id, reports, source="rest"))


_TRANSFERS = Listing(
    "/portfolio/subaccounts/transfers",
    "transfers",
    cash.TransferRecord,
    transfer_from_rest,
    lambda report: report.created_at,
)


def _transfers_ask(client: ExchangeClient, place: Place) -> Answer:
    return _TRANSFERS.ask(client, place)


def _transfers_store(place: Place, reports: Sequence[Any], is_news: bool) -> Stored:
    return Stored(transfers_apply(place.account_id, reports, source="rest"))


# --- public --------------------------------------------------------------------------------------


def _names_store(place: Place, reports: Sequence[Any], is_news: bool) -> Stored:
    return Stored(0)  # asking stores them: the catalogue has a door of its own


def _trades_store(place: Place, reports: Sequence[public.TradeReport], is_news: bool) -> Stored:
    new = public.trades_store(place.environment, reports)
    return Stored(len(new), [one.traded_at for one in new])


def _candles_store(place: Place, reports: Sequence[Any], is_news: bool) -> Stored:
    new = public.candles_store(reports)
    return Stored(len(new), [one.ends_at for one in new])


# In the order in which a new account is read: orders before fills, which belong to them.
SOURCES: dict[str, Source] = {
    DataSet.DEPOSITS: Source(
        ask=_payments("/portfolio/deposits", "deposits"),
        store=_deposits_store,
        held=_held(Deposit, "created_at"),
        stages=_one_tier,
        is_always_full=True,  # one of long ago may be returned today
    ),
    DataSet.WITHDRAWALS: Source(
        ask=_payments("/portfolio/withdrawals", "withdrawals"),
        store=_withdrawals_store,
        held=_held(Withdrawal, "created_at"),
        stages=_one_tier,
        is_always_full=True,
    ),
    DataSet.TRANSFERS: Source(
        ask=_transfers_ask, store=_transfers_store, held=_held(Transfer, "created_at"), stages=_one_tier
    ),
    DataSet.SETTLEMENTS: Source(
        ask=_settlements_ask,
        store=_settlements_store,
        held=_held(Settlement, "settled_at"),
        stages=_settlements_stages,
        verify_every=timedelta(hours=1),  # a corrected result may keep its old time
    ),
    DataSet.ORDERS: Source(
        ask=_orders_ask,
        store=_orders_store,
        held=_held(Order, "created_at"),
        stages=_orders_stages,
        cutoff="orders_updated_at",
    ),
    DataSet.FILLS: Source(
        ask=_fills_ask,
        store=_fills_store,
        held=_held(Fill, "traded_at"),
        stages=_two_tiers,
        cutoff="trades_created_at",
    ),
    DataSet.MARKETS: Source(
        ask=names.names_ask,
        store=_names_store,
        held=names.names_held,
        stages=_one_tier,
        is_always_full=True,
        is_public=True,
    ),
    DataSet.TRADES: Source(
        ask=public.trades_ask,
        store=_trades_store,
        held=public.trades_held,
        stages=_two_tiers,
        cutoff="trades_created_at",
        is_public=True,
    ),
    DataSet.CANDLES: Source(
        ask=public.candles_ask,
        store=_candles_store,
        held=public.candles_held,
        stages=_one_tier,
        is_public=True,
    ),
}
ORDER = tuple(SOURCES)
SCOPED = (DataSet.TRADES, DataSet.CANDLES)
