"""Settlements, payments and transfers: each once, corrections as new rows, nothing goes back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core.errors import WireFormatError
from apps.exchange.wire.schemas import build
from apps.exchange.wire.schemas.cash import PaymentRecord, SettlementRecord, TransferRecord
from apps.portfolio.cash_reports import (
    PaymentReport,
    SettlementReport,
    TransferReport,
    payment_from_rest,
    settlement_from_rest,
    transfer_from_rest,
)
from apps.portfolio.models import Deposit, Settlement, Transfer, Withdrawal
from apps.portfolio.records import deposits_apply, settlements_apply, transfers_apply, withdrawals_apply
from tests.orders.conftest import TICKER, Place, Published

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def settlement(**over: Any) -> SettlementReport:
    """Ten YES contracts bought at $0.56 that won."""
    values: dict[str, Any] = {
        "subaccount": 3,
        "ticker": TICKER,
        "event_ticker": "KXHIGHNY-26NOV22",
        "result": "yes",
        "yes_count": Decimal(10),
        "yes_cost": Decimal("5.60"),
        "no_count": Decimal(0),
        "no_cost": Decimal(0),
        "revenue": Decimal(10),
        "fees": Decimal("0.18"),
        "value": Decimal(1),
        "settled_at": NOON,
    }
    return SettlementReport(**values | over)


def payment(**over: Any) -> PaymentReport:
    values: dict[str, Any] = {
        "payment_id": "pay-1",
        "status": "pending",
        "method": "ach",
        "amount": Decimal("250.00"),
        "fee": Decimal("1.00"),
        "created_at": NOON,
        "finalized_at": None,
    }
    return PaymentReport(**values | over)


def transfer(**over: Any) -> TransferReport:
    values: dict[str, Any] = {
        "transfer_id": "move-1",
        "from_subaccount": 0,
        "to_subaccount": 40,
        "amount": Decimal("12.34"),
        "created_at": NOON,
    }
    return TransferReport(**values | over)


def test_cents_and_dollars_of_the_listings_are_told_apart() -> None:
    record = build(
        SettlementRecord,
        {
            "ticker": TICKER,
            "event_ticker": "KXHIGHNY-26NOV22",
            "market_result": "scalar",
            "yes_count_fp": "10.60",
            "yes_total_cost_dollars": "5.936000",
            "no_count_fp": "0.00",
            "no_total_cost_dollars": "0.0000",
            "revenue": 632,
            "settled_time": "2026-11-20T12:00:00Z",
            "fee_cost": "0.0082",
            "value": 59,
        },
    )

    report = settlement_from_rest(record, subaccount=7)

    assert (report.revenue, report.value, report.fees) == (Decimal("6.32"), Decimal("0.59"), Decimal("0.0082"))
    assert report.identity == (7, TICKER, NOON)


def test_a_payment_and_a_transfer_are_read_in_whole_cents() -> None:
    paid = payment_from_rest(
        build(PaymentRecord, {"id": "p", "status": "applied", "amount_cents": 101, "created_ts": 5, "finalized_ts": 9})
    )
    moved = transfer_from_rest(
        build(
            TransferRecord,
            {"transfer_id": "t", "from_subaccount": 0, "to_subaccount": 33, "amount_cents": 7, "created_ts": 5},
        )
    )

    assert (paid.amount, paid.fee, paid.finalized_at) == (Decimal("1.01"), Decimal(0), datetime.fromtimestamp(9, UTC))
    assert (moved.amount, moved.to_subaccount) == (Decimal("0.07"), 33)
    with pytest.raises(WireFormatError):
        transfer_from_rest(
            build(
                TransferRecord,
                {"transfer_id": "", "from_subaccount": 0, "to_subaccount": 1, "amount_cents": 7, "created_ts": 5},
            )
        )


def test_a_settlement_is_stored_once_however_often_it_is_listed(place: Place) -> None:
    reports = [settlement(), settlement(subaccount=4), settlement()]

    assert settlements_apply(place.account.pk, reports, source="rest") == 2
    assert settlements_apply(place.account.pk, reports, source="history") == 0

    assert Settlement.objects.count() == 2
    assert set(Settlement.objects.values_list("source", flat=True)) == {"rest"}


def test_a_corrected_settlement_is_a_new_row_and_the_first_one_stays(place: Place) -> None:
    """G7: a disputed result that was paid out otherwise."""
    settlements_apply(place.account.pk, [settlement()], source="rest")
    amended = settlement(result="no", revenue=Decimal(0), value=Decimal(0))

    assert settlements_apply(place.account.pk, [amended], source="rest") == 1
    assert settlements_apply(place.account.pk, [amended], source="rest") == 0

    first, second = Settlement.objects.order_by("revision")
    assert (first.revision, first.is_current, first.revenue) == (1, False, Decimal(10))
    assert (second.revision, second.is_current, second.revenue) == (2, True, Decimal(0))


def test_void_and_scalar_settlements_keep_what_the_exchange_said(place: Place) -> None:
    void = settlement(result="void", value=None, revenue=Decimal("5.60"), ticker="KX-V")
    scalar = settlement(result="scalar", value=Decimal("0.37"), revenue=Decimal("3.70"), ticker="KX-S")

    settlements_apply(place.account.pk, [void, scalar], source="rest")

    assert Settlement.objects.get(ticker="KX-V").value is None
    assert Settlement.objects.get(ticker="KX-S").value == Decimal("0.37")


def test_one_account_never_sees_the_settlements_of_another(place: Place) -> None:
    settlements_apply(place.account.pk, [settlement()], source="rest")

    assert not Settlement.objects.exclude(account_id=place.account.pk).exists()


def test_a_payment_goes_forward_and_never_back(place: Place) -> None:
    applied = payment(status="applied", finalized_at=NOON + timedelta(hours=2))

    assert deposits_apply(place.account.pk, [payment()], source="rest") == 1
    assert deposits_apply(place.account.pk, [applied], source="rest") == 1
    assert deposits_apply(place.account.pk, [payment()], source="rest") == 0
    assert deposits_apply(place.account.pk, [applied, payment()], source="rest") == 0

    row = Deposit.objects.get()
    assert (row.status, row.applied_at) == ("applied", NOON + timedelta(hours=2))


def test_a_returned_withdrawal_keeps_when_it_was_applied(place: Place) -> None:
    applied = payment(status="applied", finalized_at=NOON + timedelta(hours=2))
    returned = replace(applied, status="returned", finalized_at=NOON + timedelta(days=3))

    withdrawals_apply(place.account.pk, [applied], source="rest")
    withdrawals_apply(place.account.pk, [returned], source="rest")

    row = Withdrawal.objects.get()
    assert (row.applied_at, row.finalized_at) == (NOON + timedelta(hours=2), NOON + timedelta(days=3))


def test_a_payment_that_came_back_before_we_saw_it_applied_moved_nothing(place: Place) -> None:
    deposits_apply(
        place.account.pk, [payment(status="returned", finalized_at=NOON + timedelta(days=3))], source="history"
    )

    assert Deposit.objects.get().applied_at is None


def test_transfers_are_stored_once_for_any_number_of_subaccount(place: Place, published: Published) -> None:
    reports = [transfer(), transfer(transfer_id="move-2", to_subaccount=5_000)]

    assert transfers_apply(place.account.pk, reports, source="rest") == 2
    assert transfers_apply(place.account.pk, reports, source="rest") == 0

    assert Transfer.objects.get(transfer_id="move-2").to_subaccount == 5_000
    assert [topic for topic, _ in published.frames] == [f"subaccounts:{place.account.pk}"]


def test_a_long_listing_is_stored_whole(place: Place) -> None:
    many = [settlement(ticker=f"KX-{number}") for number in range(1_203)]

    assert settlements_apply(place.account.pk, many, source="rest") == 1_203
    assert settlements_apply(place.account.pk, many, source="rest") == 0
