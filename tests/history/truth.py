"""What the exchange knows of a member, both tiers, in the desk's own terms."""

from collections import Counter
from decimal import Decimal
from typing import Any

from apps.core.money import count_from_units, money_from_units, price_from_units
from apps.core.timestamps import from_unix_ms
from apps.orders.models import Fill, Order
from apps.paper.engine.archive import FILLS, ORDERS
from apps.portfolio.models import Deposit, Settlement, Transfer, Withdrawal
from tests.history.rig import Rig

Facts = Counter[tuple[Any, ...]]


def exchange_fills(rig: Rig) -> Facts:
    exchange = rig.paper.exchange
    found = [*exchange.fills(rig.user_id), *exchange.archive.page(FILLS, owner=rig.user_id, limit=10_000_000)]
    return Counter(
        (
            one.trade_id,
            one.order_id,
            one.ticker,
            one.subaccount,
            one.side,
            price_from_units(one.price),
            count_from_units(one.count),
            one.is_taker,
            money_from_units(one.fee),
            from_unix_ms(one.ts_ms),
        )
        for one in found
    )


def desk_fills(rig: Rig) -> Facts:
    names = ("trade_id", "order_id_text", "ticker", "subaccount", "book_side", "yes_price", "count", "is_taker", "fee")
    return Counter(Fill.objects.filter(account=rig.account).values_list(*names, "traded_at"))


def exchange_orders(rig: Rig) -> Facts:
    exchange = rig.paper.exchange
    found = [*exchange.orders(rig.user_id), *exchange.archive.page(ORDERS, owner=rig.user_id, limit=10_000_000)]
    return Counter(
        (
            one.order_id,
            one.ticker,
            one.subaccount,
            one.side,
            one.status,
            price_from_units(one.price),
            count_from_units(one.filled),
            count_from_units(one.remaining),
            money_from_units(one.taker_fill_cost + one.maker_fill_cost),
            money_from_units(one.taker_fees + one.maker_fees),
            from_unix_ms(one.created_ms),
        )
        for one in found
    )


def desk_orders(rig: Rig) -> Facts:
    names = ("order_id", "ticker", "subaccount", "book_side", "status", "price", "filled_count", "remaining_count")
    return Counter(Order.objects.filter(account=rig.account).values_list(*names, "fill_cost", "fees", "created_at"))


def exchange_settlements(rig: Rig) -> Facts:
    return Counter(
        (
            one.subaccount,
            one.ticker,
            one.result,
            count_from_units(one.yes_count),
            money_from_units(one.yes_cost),
            count_from_units(one.no_count),
            money_from_units(one.no_cost),
            money_from_units(one.revenue),
            money_from_units(one.fees_paid),
            from_unix_ms(one.settled_ms),
        )
        for one in rig.paper.exchange.settlements(rig.user_id)
    )


def desk_settlements(rig: Rig) -> Facts:
    names = ("subaccount", "ticker", "result", "yes_count", "yes_cost", "no_count", "no_cost", "revenue", "fees")
    rows = Settlement.objects.filter(account=rig.account, is_current=True)
    return Counter(rows.values_list(*names, "settled_at"))


def exchange_transfers(rig: Rig) -> Facts:
    found = rig.paper.exchange.transfers(rig.user_id)
    return Counter((one.transfer_id, one.source, one.target, Decimal(one.cents).scaleb(-2)) for one in found)


def desk_transfers(rig: Rig) -> Facts:
    rows = Transfer.objects.filter(account=rig.account)
    return Counter(rows.values_list("transfer_id", "from_subaccount", "to_subaccount", "amount"))


def exchange_payments(rig: Rig, kind: Any) -> Facts:
    found = rig.paper.exchange.payments(rig.user_id, kind=kind, limit=None)
    return Counter((one.payment_id, one.status, Decimal(one.cents).scaleb(-2)) for one in found)


def desk_payments(rig: Rig, model: type[Deposit] | type[Withdrawal]) -> Facts:
    return Counter(model._default_manager.filter(account=rig.account).values_list("payment_id", "status", "amount"))


def assert_same(rig: Rig) -> None:
    """Each record once, and every figure of it as the exchange has it."""
    for name, desk, exchange in (
        ("orders", desk_orders(rig), exchange_orders(rig)),
        ("fills", desk_fills(rig), exchange_fills(rig)),
        ("settlements", desk_settlements(rig), exchange_settlements(rig)),
        ("transfers", desk_transfers(rig), exchange_transfers(rig)),
        ("deposits", desk_payments(rig, Deposit), exchange_payments(rig, "deposit")),
        ("withdrawals", desk_payments(rig, Withdrawal), exchange_payments(rig, "withdrawal")),
    ):
        missing, beyond = exchange - desk, desk - exchange
        assert not missing, f"{len(missing)} {name} are missing, such as {next(iter(missing))}"
        assert not beyond, f"{len(beyond)} {name} are wrong or twice, such as {next(iter(beyond))}"
    assert not Fill.objects.filter(account=rig.account, order=None).exists()
