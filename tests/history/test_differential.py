"""A day of 50,000 fills over ten subaccounts: then every figure of the desk is the exchange's, to the micro-dollar.

The same with a fifth of the frames lost, with a hundred deaths of the sync, with a cutoff that moves between pages.
"""

import random
from collections import defaultdict
from decimal import Decimal

import pytest
from django.db.models import Sum

from apps.core import killpoints
from apps.core.money import count_from_units, money_from_units
from apps.history.sync import work
from apps.orders.models import Fill
from apps.paper.engine.archive import FILLS
from apps.paper.engine.orders import Fill as ExchangeFill
from apps.portfolio.breaks import breaks_check
from apps.portfolio.figures_fold import figures_fold
from apps.portfolio.models import Balance, MarketBook, Position, Settlement
from apps.portfolio.services import portfolio_refresh
from apps.portfolio.subaccounts import subaccounts_refresh
from tests.history.rig import SUBACCOUNTS, Rig
from tests.history.test_faults import Died
from tests.history.truth import assert_same

BIG, SMALL = (50_000, 400), (400, 40)  # past fills, and orders of the day in each of two markets
SIZES = [pytest.param(SMALL, id="small"), pytest.param(BIG, id="50000", marks=pytest.mark.long)]


def read_the_rest(rig: Rig) -> None:
    """Balances, positions and the desk's own figures, as the periodic tasks read them."""
    subaccounts_refresh(rig.account.pk)
    portfolio_refresh(rig.account.pk)
    figures_fold(rig.account.pk)


def exchange_fills(rig: Rig) -> list[ExchangeFill]:
    exchange = rig.paper.exchange
    return [*exchange.fills(rig.user_id), *exchange.archive.page(FILLS, owner=rig.user_id, limit=10_000_000)]


def assert_every_figure(rig: Rig, *, fills: int) -> None:
    assert_same(rig)
    assert Fill.objects.count() >= fills
    member = rig.paper.exchange.member(rig.user_id)
    cash = {number: money_from_units(account.available) for number, account in member.accounts.items()}
    assert dict(Balance.objects.filter(account=rig.account).values_list("subaccount", "cash")) == cash
    open_positions = {
        (one.subaccount, one.ticker): (
            count_from_units(one.count),
            money_from_units(one.cost),
            money_from_units(one.realized_pnl),
            money_from_units(one.fees_paid),
            money_from_units(one.total_traded),
        )
        for one in member.positions()
        if one.count
    }
    assert len(open_positions) > SUBACCOUNTS // 2
    told = Position.objects.filter(account=rig.account).exclude(position=0)
    names = ("position", "cost", "realized_pnl", "fees_paid", "total_traded")
    assert {(one.subaccount, one.ticker): tuple(getattr(one, name) for name in names) for one in told} == open_positions
    books = MarketBook.objects.filter(account=rig.account).exclude(contracts=0)
    names = ("contracts", "cost", "realized_pnl", "fees", "total_traded")
    assert {
        (one.subaccount, one.ticker): tuple(getattr(one, name) for name in names) for one in books
    } == open_positions
    assert breaks_check(rig.account.pk) == []
    assert_the_cash_adds_up(rig)


def assert_the_cash_adds_up(rig: Rig) -> None:
    """What the desk says was made, less what is still invested, is what the exchange's fills and payouts moved."""
    moved: dict[int, Decimal] = defaultdict(Decimal)
    for fill in exchange_fills(rig):
        moved[fill.subaccount] += money_from_units(fill.balance_change)
    for paid in rig.paper.exchange.settlements(rig.user_id):
        moved[paid.subaccount] += money_from_units(paid.revenue)
    sums = MarketBook.objects.filter(account=rig.account).values("subaccount").order_by("subaccount")
    made = {
        row["subaccount"]: row["realized"] - row["fees"] - row["cost"]
        for row in sums.annotate(realized=Sum("realized_pnl"), fees=Sum("fees"), cost=Sum("cost"))
    }
    assert made == dict(moved)
    assert len(made) == SUBACCOUNTS


@pytest.mark.parametrize("size", SIZES)
def test_every_figure_of_a_day_is_the_exchanges(rig: Rig, size: tuple[int, int]) -> None:
    rig.day(past_fills=size[0], orders=size[1])

    rig.sync()
    read_the_rest(rig)

    assert_every_figure(rig, fills=size[0])
    assert Settlement.objects.filter(account=rig.account).count() > SUBACCOUNTS // 2


@pytest.mark.parametrize("size", SIZES)
def test_the_same_with_a_fifth_of_the_frames_lost(rig: Rig, size: tuple[int, int]) -> None:
    chance = random.Random(20)
    rig.past_day(size[0])
    rig.listen()
    lost = 0
    rig.fund()
    rig.sync()
    rig.trade(size[1])
    lost += rig.deliver(lambda number: chance.random() >= 0.2)
    rig.sync()
    rig.trade(size[1], ticker="KXTEST-30-B")
    lost += rig.deliver(lambda number: chance.random() >= 0.2)
    rig.settle("KXTEST-30-B")
    rig.paper.clock.step(1_000)

    rig.sync()
    read_the_rest(rig)

    assert lost > size[1] / 2
    assert_every_figure(rig, fills=size[0])


@pytest.mark.parametrize("size", SIZES)
def test_the_same_with_a_hundred_deaths_and_a_cutoff_that_moves_between_pages(
    rig: Rig, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if size == SMALL:
        monkeypatch.setattr("apps.history.sync.listing.PAGE", 25)
    rig.day(past_fills=size[0], orders=size[1])
    rig.paper.clock.step(1_000)
    rig.cutoff_follows(every=4)
    chance, deaths = random.Random(100), 0

    def reach(name: str) -> None:
        nonlocal deaths
        if deaths < 100 and chance.random() < 0.3:
            deaths += 1
            raise Died(name)

    work.states_ensure(rig.account.pk)
    with killpoints.handled_by(reach):
        while True:
            try:
                rig.work()
            except Died:
                rig.recover()
            else:
                break
    read_the_rest(rig)

    assert deaths == 100
    assert_every_figure(rig, fills=size[0])
