"""Deposits and withdrawals: what each step does to the balance."""

import pytest

from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.history import ReadLag
from tests.paper.engine.support import make_exchange, money, place

CENT = 10_000


def test_every_deposit_of_the_start_is_in_the_history() -> None:
    exchange = make_exchange(members=1)

    (row,) = exchange.payments("m0", kind="deposit")

    assert (row.cents, row.status, row.method) == (100_000, "applied", "wire")
    assert exchange.payments("m0", kind="withdrawal") == []


def test_a_deposit_is_money_only_when_it_is_applied_and_less_its_fee() -> None:
    exchange = make_exchange(members=1)
    before = exchange.account("m0", 0).cash
    payment = exchange.begin_payment("m0", kind="deposit", cents=5_000, fee_cents=150)
    assert exchange.account("m0", 0).cash == before

    exchange.clock.ms += 60_000
    exchange.move_payment("m0", payment.payment_id, status="applied")

    assert exchange.account("m0", 0).cash == before + 4_850 * CENT
    assert exchange.account("m0", 0).updated_ms == exchange.clock.ms
    assert payment.steps[-1] == (exchange.clock.ms, "applied")
    assert money(exchange) == exchange.deposited


def test_a_withdrawal_locks_nothing_until_it_is_applied_and_fails_when_it_is_not_covered_then() -> None:
    exchange = make_exchange(members=1)
    covered, uncovered = (exchange.begin_payment("m0", kind="withdrawal", cents=60_000, fee_cents=5) for _ in range(2))
    assert exchange.balance("m0").available == 100_000 * CENT

    exchange.move_payment("m0", covered.payment_id, status="applied")
    exchange.move_payment("m0", uncovered.payment_id, status="applied")

    assert (covered.status, uncovered.status) == ("applied", "failed")
    assert exchange.balance("m0").available == 39_995 * CENT
    assert money(exchange) == exchange.deposited


def test_money_that_orders_lock_cannot_be_withdrawn() -> None:
    exchange = make_exchange(members=1)
    place(exchange, "m0", "bid", 5_000, 1_000)
    payment = exchange.begin_payment("m0", kind="withdrawal", cents=50_001)

    assert exchange.move_payment("m0", payment.payment_id, status="applied").status == "failed"


def test_a_deposit_that_comes_back_is_taken_away_though_it_was_spent() -> None:
    exchange = make_exchange(members=1)
    deposit = exchange.begin_payment("m0", kind="deposit", cents=1_000)
    exchange.move_payment("m0", deposit.payment_id, status="applied")
    withdrawal = exchange.begin_payment("m0", kind="withdrawal", cents=100_500)
    exchange.move_payment("m0", withdrawal.payment_id, status="applied")

    exchange.move_payment("m0", deposit.payment_id, status="returned")
    assert exchange.balance("m0").available == -500 * CENT
    with pytest.raises(ExchangeError) as refusal:
        place(exchange, "m0", "bid", 100, 1)
    exchange.move_payment("m0", withdrawal.payment_id, status="returned")

    assert refusal.value.code == "available_balance_too_low"
    assert exchange.balance("m0").available == 100_000 * CENT
    assert money(exchange) == exchange.deposited


@pytest.mark.parametrize("ended", ["failed", "returned"])
def test_what_has_ended_goes_no_further(ended: str) -> None:
    exchange = make_exchange(members=1)
    payment = exchange.begin_payment("m0", kind="deposit", cents=1_000)
    exchange.move_payment("m0", payment.payment_id, status=ended)

    for status in ("pending", "applied", "failed", "returned"):
        with pytest.raises(ExchangeError) as refusal:
            exchange.move_payment("m0", payment.payment_id, status=status)
        assert refusal.value.code == "invalid_payment_status"
    assert exchange.balance("m0").available == 100_000 * CENT


@pytest.mark.parametrize(("cents", "fee"), [(0, 0), (-1, 0), (100, 101), (100, -1)])
def test_amounts_that_make_no_sense_are_refused(cents: int, fee: int) -> None:
    exchange = make_exchange(members=1)

    with pytest.raises(ExchangeError):
        exchange.begin_payment("m0", kind="deposit", cents=cents, fee_cents=fee)


def test_with_lag_payments_transfers_and_subaccounts_are_what_they_were() -> None:
    exchange = make_exchange(members=1)
    payment = exchange.begin_payment("m0", kind="deposit", cents=1_000)
    lag = ReadLag(exchange)
    exchange.clock.ms += 1
    lag.set(1_000)
    exchange.clock.ms += 1
    exchange.move_payment("m0", payment.payment_id, status="applied")
    later = exchange.begin_payment("m0", kind="deposit", cents=2_000)
    exchange.transfer("m0", client_transfer_id="a", source=0, target=1, cents=300)
    number = exchange.create_subaccount("m0").subaccount

    rows = exchange.payments("m0", kind="deposit", view=lag)
    assert [(row.payment_id, row.status) for row in rows[:1]] == [(payment.payment_id, "pending")]
    assert exchange.transfers("m0", view=lag) == []
    assert [account.subaccount for account in exchange.subaccounts("m0", view=lag)] == [0, 1]
    assert [lag.money(account).available // CENT for account in exchange.subaccounts("m0", view=lag)] == [100_000, 0]
    exchange.clock.ms += 1_000

    rows = exchange.payments("m0", kind="deposit", view=lag)
    assert [(row.payment_id, row.status) for row in rows[:2]] == [
        (later.payment_id, "pending"),
        (payment.payment_id, "applied"),
    ]
    assert len(exchange.transfers("m0", view=lag)) == 1
    assert [account.subaccount for account in exchange.subaccounts("m0", view=lag)] == [0, 1, number]
    assert [lag.money(account).available // CENT for account in exchange.subaccounts("m0", view=lag)] == [
        100_700,
        300,
        0,
    ]
