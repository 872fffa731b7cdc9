"""What must hold of the history when things break (RELIABILITY A16 to A19, C8, C9, F1, F7, G8)."""

import random
import uuid
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum

from apps.core import killpoints
from apps.core.timestamps import utc_now
from apps.exchange import live
from apps.history.models import SyncState
from apps.history.sync import listing, work
from apps.orders.models import Fill, Order, OrderIntent
from apps.orders.services import orders_reconcile
from apps.paper.engine.archive import FILLS
from apps.paper.testing import LINEAR
from apps.portfolio.models import Position
from apps.portfolio.services import portfolio_refresh
from apps.portfolio.subaccounts import subaccounts_refresh
from tests.history.rig import MEMBER, Rig
from tests.history.truth import assert_same
from tests.support.people import make_person


class Died(BaseException):
    """Nothing of the desk catches it: transactions roll back, what was committed stays."""


class Deaths:
    """Ends the process at chosen places. kills(name, number): whether it ends there, the n-th time."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.reached: Counter[str] = Counter()
        self.died = 0

    def sync(self, kills: Any) -> None:
        """Sync to the end; whoever dies is followed by the next worker."""

        def reach(name: str) -> None:
            self.reached[name] += 1
            if kills(name, self.reached[name]):
                self.died += 1
                raise Died(name)

        work.states_ensure(self.rig.account.pk)
        with killpoints.handled_by(reach):
            for _ in range(100_000):
                try:
                    self.rig.work()
                except Died:
                    self.rig.recover()
                else:
                    return
        raise AssertionError("the sync does not come to an end")


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 20)
    monkeypatch.setattr("apps.history.sync.walk.ROWS_PER_TRANSACTION", 8)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("point", killpoints.HISTORY_POINTS)
def test_f1_death_at_any_place_leaves_neither_a_hole_nor_a_duplicate(rig: Rig, point: str) -> None:
    rig.day(past_fills=60, orders=20)
    deaths = Deaths(rig)

    deaths.sync(lambda name, number: name == point and number in (1, 2, 3, 5, 8, 13))

    assert deaths.died >= 3
    assert_same(rig)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("seed", [1, 2])
def test_f1_deaths_at_random_places_while_the_cutoff_moves(rig: Rig, seed: int) -> None:
    rig.day(past_fills=100, orders=30)
    rig.paper.clock.step(1_000)
    rig.cutoff_follows(every=3)
    chance = random.Random(seed)
    deaths = Deaths(rig)

    deaths.sync(lambda name, number: deaths.died < 40 and chance.random() < 0.4)

    assert deaths.died == 40
    assert_same(rig)


def test_a16_what_the_reads_do_not_show_yet_is_not_called_complete_and_comes_with_the_next_pass(rig: Rig) -> None:
    rig.fund()
    rig.paper.clock.step(60_000)
    rig.paper.control("POST", "/lag", {"ms": 5_000})
    rig.paper.clock.step(6_000)
    rig.trade(5)

    rig.sync()

    fills = rig.state("fills")
    newest = rig.paper.exchange.fills(rig.user_id)[0].ts_ms
    assert fills.covered_to is not None
    assert fills.covered_to.timestamp() * 1000 < newest
    assert not Fill.objects.exists()
    rig.paper.clock.step(10_000)
    rig.sync()
    assert_same(rig)


@pytest.mark.usefixtures("small_pages")
def test_a16_what_appears_between_two_pages_shifts_nothing(rig: Rig) -> None:
    rig.day(past_fills=0, orders=40)
    left = [6]

    def before(path: str) -> None:
        if path in ("/portfolio/orders", "/portfolio/fills") and left[0]:
            left[0] -= 1
            rig.order(MEMBER, "bid", "0.5600", "1.00", time_in_force="immediate_or_cancel")

    rig.line.before = before

    rig.sync()
    rig.sync()

    assert left == [0]
    assert_same(rig)


@pytest.mark.usefixtures("small_pages")
def test_a17_orders_that_are_archived_while_the_live_tier_is_read_are_found_in_the_other(rig: Rig) -> None:
    rig.day(past_fills=0, orders=60)
    rig.paper.clock.step(1_000)
    rig.cutoff_follows(every=1)

    rig.sync()

    assert_same(rig)
    assert rig.paper.exchange.archive.count(FILLS, owner=rig.user_id) > 0


def test_a18_a_fill_whose_order_is_not_listed_is_kept_and_joined_when_it_is(rig: Rig) -> None:
    rig.day(past_fills=100, orders=10)
    rig.sync()
    rig.trade(5)
    rig.paper.clock.step(1_000)
    orders, fills = rig.state("orders"), rig.state("fills")
    SyncState.objects.filter(pk=fills.pk).update(next_at=None)
    rig.work()
    early = Fill.objects.filter(order=None).count()

    SyncState.objects.filter(pk=orders.pk).update(next_at=None)
    rig.work()

    assert early >= 5
    assert_same(rig)


def test_a19_orders_of_another_tool_are_external_and_in_the_positions(rig: Rig) -> None:
    rig.fund()
    rig.trade(20)

    rig.sync()
    subaccounts_refresh(rig.account.pk)
    portfolio_refresh(rig.account.pk)

    assert set(Order.objects.values_list("intent", flat=True)) == {None}
    assert_same(rig)
    told = {
        (one.subaccount, one.ticker): Decimal(one.count).scaleb(-2)
        for one in rig.paper.exchange.member(rig.user_id).positions()
        if one.count
    }
    held = Position.objects.filter(account=rig.account).exclude(position=0)
    assert {(row.subaccount, row.ticker): row.position for row in held} == told
    assert len(told) == 10


def test_c8_fills_whose_frames_were_lost_without_a_trace_are_found(rig: Rig) -> None:
    rig.fund()
    rig.sync()
    rig.listen()
    rig.trade(30)
    lost = rig.deliver(lambda number: number % 5 != 0)
    rig.paper.clock.step(1_000)
    known = Fill.objects.count()

    rig.sync()

    assert lost > 10
    assert Fill.objects.count() > known
    assert_same(rig)


def test_c9_a_fill_from_the_socket_the_reconcile_and_the_history_is_one_fill_and_one_piece_of_news(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    rig.fund()
    rig.sync()
    told: Counter[str] = Counter()
    monkeypatch.setattr(
        live, "publish_rows", lambda topic, rows, **_: told.update(list(rows)) if topic.startswith("fills:") else None
    )
    rig.listen()
    rig.trade(5)
    rig.paper.clock.step(1_000)

    with django_capture_on_commit_callbacks(execute=True):
        rig.deliver(lambda number: number % 2 == 0)
        rig.sync()
        orders_reconcile(rig.account.pk)
        rig.full()

    assert_same(rig)
    assert set(told.values()) == {1}
    assert len(told) == Fill.objects.count()


def test_f7_a_database_of_an_hour_ago_is_brought_up_to_the_exchange(rig: Rig) -> None:
    rig.day(past_fills=100, orders=10)
    rig.sync()
    backup = list(SyncState.objects.filter(account=rig.account).values())
    kept = set(Fill.objects.values_list("pk", flat=True)), set(Order.objects.values_list("pk", flat=True))
    rig.paper.clock.step(3_600_000)
    rig.trade(20)
    rig.sync()
    # The backup is put back: the rows of that time, and what it knew about how far it had read.
    Fill.objects.exclude(pk__in=kept[0]).delete()
    Order.objects.exclude(pk__in=kept[1]).delete()
    for row in backup:
        SyncState.objects.filter(pk=row["id"]).update(**{name: row[name] for name in row if name != "id"})

    rig.sync()

    assert_same(rig)


def test_f7_an_order_of_ours_that_the_backup_does_not_know_is_joined_to_its_intent(rig: Rig) -> None:
    rig.fund()
    person = make_person(rig.account.desk, "trader")
    intent = OrderIntent.objects.create(
        desk=rig.account.desk,
        account=rig.account,
        placed_by=person,
        idempotency_key=uuid.uuid4(),
        ticker=LINEAR,
        book_side="bid",
        price=Decimal("0.30"),
        count=Decimal(5),
        created_at=utc_now(),
    )
    # It was sent and ended since the backup was taken, and the desk starts with what it knew then.
    told = rig.order(MEMBER, "bid", "0.3000", "5.00", client_order_id=str(intent.client_order_id))
    rig.paper.control(
        "POST", "/external", {"action": "cancel", "member": MEMBER, "order_id": told["order"]["order_id"]}
    )
    rig.paper.clock.step(1_000)

    rig.sync()

    intent.refresh_from_db()
    assert (intent.state, intent.exchange_order_id) == (OrderIntent.State.ACKED, told["order"]["order_id"])
    assert Order.objects.get().intent == intent
    assert_same(rig)


def test_g8_fees_are_booked_as_the_exchange_took_them_whatever_our_model_says(rig: Rig) -> None:
    rig.day(past_fills=200, orders=40)

    rig.sync()

    assert_same(rig)
    booked = Fill.objects.aggregate(total=Sum("fee"))["total"]
    assert booked == Order.objects.aggregate(total=Sum("fees"))["total"]
    assert booked > 0
    assert not Order.objects.exclude(fees_predicted=None).filter(intent=None).exists()
