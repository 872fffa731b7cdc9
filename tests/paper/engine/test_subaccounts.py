"""Subaccounts: numbers, transfers, netting setting, books of positions of their own."""

import pytest

from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.exchange import PaperExchange
from tests.paper.engine.support import make_exchange, money, place

CENT = 10_000


def transfer(exchange: PaperExchange, name: str, source: int, target: int, cents: int) -> str:
    return exchange.transfer("m0", client_transfer_id=name, source=source, target=target, cents=cents).transfer_id


@pytest.mark.parametrize("most", [32, 63])
def test_subaccounts_are_numbered_one_after_the_other_up_to_the_limit(most: int) -> None:
    exchange = make_exchange(members=1)
    exchange.most_subaccounts = most
    numbers = [exchange.create_subaccount("m0").subaccount for _ in range(most - 1)]

    assert numbers == list(range(2, most + 1))  # 0 and 1 were there
    with pytest.raises(ExchangeError) as refusal:
        exchange.create_subaccount("m0")
    assert (refusal.value.http_status, refusal.value.code) == (400, "subaccount_limit_reached")
    assert [account.subaccount for account in exchange.subaccounts("m0")] == list(range(most + 1))


def test_a_new_subaccount_takes_the_primary_ones_netting_setting() -> None:
    exchange = make_exchange(members=1)
    first = exchange.create_subaccount("m0")
    exchange.set_netting("m0", 0, enabled=False)
    second = exchange.create_subaccount("m0")
    exchange.set_netting("m0", 0, enabled=True)

    assert (first.netting, second.netting) == (True, False)
    with pytest.raises(ExchangeError) as refusal:
        exchange.set_netting("m0", 9, enabled=True)
    assert refusal.value.http_status == 400


def test_a_transfer_moves_cash_once() -> None:
    exchange = make_exchange(members=1)
    accounts = exchange.member("m0").accounts

    transfer(exchange, "a", 0, 1, 2_500)
    for cents in (2_500, 1):  # said again, in the same words or in others
        with pytest.raises(ExchangeError) as refusal:
            transfer(exchange, "a", 0, 1, cents)
        assert (refusal.value.http_status, refusal.value.code) == (409, "transfer_already_exists")
    transfer(exchange, "b", 1, 0, 500)

    assert [account.cash // CENT for account in accounts.values()] == [98_000, 2_000]
    assert [(row.source, row.target, row.cents) for row in exchange.transfers("m0")] == [(1, 0, 500), (0, 1, 2_500)]
    assert money(exchange) == exchange.deposited


def test_by_the_other_reading_a_repeated_transfer_is_answered_as_the_first_time() -> None:
    exchange = make_exchange(members=1)
    exchange.transfer_repeat = "accept"
    first = transfer(exchange, "a", 0, 1, 2_500)

    assert transfer(exchange, "a", 0, 1, 2_500) == first
    assert exchange.account("m0", 1).cash == 2_500 * CENT
    with pytest.raises(ExchangeError) as refusal:
        transfer(exchange, "a", 0, 1, 2_501)
    assert refusal.value.http_status == 409


@pytest.mark.parametrize(
    ("source", "target", "cents", "code"),
    [
        (0, 0, 100, "invalid_parameters"),
        (0, 9, 100, "invalid_parameters"),
        (9, 0, 100, "invalid_parameters"),
        (0, 1, 0, "invalid_parameters"),
        (0, 1, -5, "invalid_parameters"),
        (1, 0, 1, "insufficient_balance"),
        (0, 1, 60_001, "insufficient_balance"),  # 40,000 of 100,000 cents are locked
    ],
)
def test_a_transfer_that_cannot_be_is_refused_and_uses_up_no_id(
    source: int, target: int, cents: int, code: str
) -> None:
    exchange = make_exchange(members=1)
    place(exchange, "m0", "bid", 4_000, 1_000)

    with pytest.raises(ExchangeError) as refusal:
        transfer(exchange, "a", source, target, cents)

    assert (refusal.value.http_status, refusal.value.code) == (400, code)
    transfer(exchange, "a", 0, 1, 60_000)
    assert exchange.account("m0", 0).available == 0


def test_nothing_moves_while_the_exchange_is_paused() -> None:
    exchange = make_exchange(members=1)
    exchange.set_exchange_status(exchange_active=False, trading_active=True)

    for act in (
        lambda: transfer(exchange, "a", 0, 1, 1),
        lambda: exchange.create_subaccount("m0"),
        lambda: exchange.set_netting("m0", 0, enabled=False),
    ):
        with pytest.raises(ExchangeError) as refusal:
            act()
        assert refusal.value.code == "exchange_is_paused"
    assert len(exchange.subaccounts("m0")) == 2


def test_each_subaccount_keeps_its_own_position_and_settles_for_itself() -> None:
    exchange = make_exchange(multiplier="0")
    transfer(exchange, "a", 0, 1, 50_000)
    place(exchange, "m1", "ask", 4_000, 10)
    place(exchange, "m0", "bid", 4_000, 10)
    place(exchange, "m1", "bid", 3_000, 4)
    place(exchange, "m0", "ask", 3_000, 4, subaccount=1)  # opens NO there, closes nothing of the primary one

    counts = [position.count for number in (0, 1) for position in exchange.positions("m0", subaccount=number)]
    assert counts == [1_000, -400]
    exchange.close_early("KXTEST-26DEC-A")
    exchange.determine("KXTEST-26DEC-A", result="yes")
    exchange.settle("KXTEST-26DEC-A")

    rows = {row.subaccount: (row.yes_count, row.no_count, row.revenue) for row in exchange.settlements("m0")}
    assert rows == {0: (1_000, 0, 10_000_000), 1: (0, 400, 0)}
    assert exchange.account("m0", 1).cash == 50_000 * CENT - 4 * 7_000 * 100
    assert exchange.positions("m0") == exchange.positions("m0", subaccount=1) == []
    assert money(exchange) == exchange.deposited
