"""The sync against the paper exchange: everything once, nothing left out, whatever moves meanwhile."""

import json
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest

from apps.core.timestamps import utc_now
from apps.exchange.wire.limits import Budget, LocalLimiter
from apps.history.models import Candle, ChosenMarket, HistoricalCutoff, PublicTrade, SyncRun, SyncState
from apps.history.sync import listing, names, work
from apps.markets.models import Market
from apps.orders.models import Fill, Order
from apps.paper.engine.archive import FILLS, Cutoffs
from apps.paper.testing import LINEAR, LINEAR_2
from tests.faults.exchange import PREFIX
from tests.history.rig import MEMBER, SUBACCOUNTS, Rig
from tests.history.truth import assert_same, exchange_fills
from tests.orders.conftest import make_trade_key
from tests.support.people import make_person

Status = SyncState.Status


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 25)


def test_a_day_is_read_whole(rig: Rig) -> None:
    rig.day(past_fills=2_000, orders=60)

    rig.sync()

    assert sum(exchange_fills(rig).values()) > 2_100
    assert_same(rig)
    assert set(SyncState.objects.values_list("status", flat=True)) == {Status.DONE}


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("every", [1, 2, 3, 7])
def test_a_cutoff_that_moves_between_any_two_pages_hides_nothing(rig: Rig, every: int) -> None:
    rig.day(past_fills=200, orders=60)
    rig.paper.clock.step(1_000)
    rig.cutoff_follows(every=every)

    rig.sync()

    assert_same(rig)
    assert rig.paper.exchange.archive.count(FILLS, owner=rig.user_id) > 200  # it did move


def test_a_first_read_under_which_the_cutoff_moved_is_done_once_more(rig: Rig) -> None:
    rig.day(past_fills=100, orders=10)
    rig.paper.clock.step(1_000)
    newest = rig.paper.exchange.fills(rig.user_id)[0].ts_ms

    def before(path: str) -> None:
        if path == "/portfolio/fills":
            rig.paper.exchange.advance_cutoffs(Cutoffs(newest, newest, newest))

    rig.line.before = before

    rig.sync()

    assert rig.state("fills").wants_full
    rig.sync()
    assert not rig.state("fills").wants_full
    assert_same(rig)


def test_the_map_says_from_when_to_when_and_how_many(rig: Rig) -> None:
    rig.day(past_fills=100, orders=10)

    rig.sync()

    fills = rig.state("fills")
    first = Fill.objects.order_by("traded_at").first()
    assert first is not None
    assert fills.covered_from == first.traded_at
    assert fills.covered_to is not None
    assert fills.covered_to >= Fill.objects.latest("traded_at").traded_at
    assert fills.stored_rows == Fill.objects.count() > 100
    assert fills.verified_at is not None
    assert fills.cutoff == HistoricalCutoff.objects.get().trades_created_at
    run = SyncRun.objects.get(data_set="fills")
    assert (run.rows_read, run.rows_new, run.rows_repaired, run.is_full) == (fills.stored_rows,) * 2 + (0, True)


def test_the_next_pass_reads_what_is_new_and_leaves_the_archive_alone(rig: Rig) -> None:
    rig.day(past_fills=500, orders=10)
    rig.sync()
    rig.later(1)
    rig.trade(5)
    rig.line.paths.clear()

    rig.sync()

    assert_same(rig)
    assert not {"/historical/fills", "/historical/orders", "/historical/trades"} & set(rig.line.paths)
    assert SyncRun.objects.filter(data_set="fills").latest("pk").rows_read < 50


def test_a_desk_that_was_away_while_the_cutoff_passed_reads_on_in_the_archive(rig: Rig) -> None:
    rig.day(past_fills=100, orders=20)
    rig.sync()
    rig.later(1)
    rig.trade(20)
    rig.later(120)

    rig.sync()

    assert rig.paper.exchange.fills(rig.user_id) == []
    assert_same(rig)


def test_an_order_that_rested_here_and_ended_and_was_archived_meanwhile_is_looked_up_by_name(rig: Rig) -> None:
    order_id = rig.order(MEMBER, "bid", "0.3000", "5.00")["order"]["order_id"]
    rig.later(3)
    rig.sync()
    assert Order.objects.get(order_id=order_id).status == Order.Status.RESTING
    rig.paper.control("POST", "/external", {"action": "cancel", "member": MEMBER, "order_id": order_id})
    rig.later(20)
    rig.archive_until(timedelta(days=1))

    rig.sync()

    assert Order.objects.get(order_id=order_id).status == Order.Status.CANCELED
    assert_same(rig)


@pytest.mark.usefixtures("small_pages")
def test_a_cursor_that_the_exchange_does_not_know_any_more_starts_its_stage_again(rig: Rig) -> None:
    rig.day(past_fills=200, orders=10)
    refused: list[str] = []

    def instead(request: httpx.Request) -> httpx.Response | None:
        if "cursor" in request.url.params and "historical/fills" in request.url.path and not refused:
            refused.append(request.url.path)
            return httpx.Response(400, json={"code": "invalid_parameters", "message": "unknown cursor"})
        return None

    rig.line.instead = instead

    rig.sync()

    assert_same(rig)
    assert SyncRun.objects.get(data_set="fills").restarts == 1


def test_a_row_that_cannot_be_read_hides_no_other_and_is_counted(rig: Rig) -> None:
    rig.day(past_fills=0, orders=10)

    def instead(request: httpx.Request) -> httpx.Response | None:
        if request.url.path != f"{PREFIX}/portfolio/fills":
            return None
        answer = rig.paper.transport.handle_request(request)
        body = json.loads(answer.content)
        body["fills"][1]["count_fp"] = "a few"
        del body["fills"][2]["order_id"]
        return httpx.Response(200, json=body)

    rig.line.instead = instead

    rig.sync()

    assert rig.state("fills").unreadable_rows == 2
    assert Fill.objects.count() == sum(exchange_fills(rig).values()) - 2


def test_what_is_missing_within_what_was_read_is_found_again_and_said(rig: Rig) -> None:
    rig.day(past_fills=200, orders=20)
    rig.sync()
    lost = list(Fill.objects.order_by("traded_at").values_list("pk", flat=True)[50:53])
    Fill.objects.filter(pk__in=lost).delete()

    rig.full()

    assert_same(rig)
    run = SyncRun.objects.filter(data_set="fills").latest("pk")
    assert (run.is_full, run.rows_new, run.rows_repaired) == (True, 3, 3)


def test_a_spent_budget_is_waited_for_and_nothing_is_lost(rig: Rig) -> None:
    rig.day(past_fills=100, orders=5)
    work.states_ensure(rig.account.pk)
    busy = [True]

    def instead(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(429, json={"error": "too many requests"}) if busy[0] else None

    rig.line.instead = instead

    wait = work.account_read(rig.account.pk)

    assert wait is not None
    assert wait >= work.WAIT_FOR_TOKENS
    waiting = SyncState.objects.get(status=Status.WAITING)
    assert waiting.next_at is not None
    assert waiting.next_at > utc_now()
    busy[0] = False
    rig.sync()
    assert_same(rig)


def test_a_failure_is_said_and_tried_again_with_growing_pauses(rig: Rig) -> None:
    rig.day(past_fills=0, orders=5)

    def before(path: str) -> None:
        if path == "/portfolio/fills":
            raise httpx.ReadTimeout("no answer")

    rig.line.before = before
    rig.sync()
    first = rig.state("fills")
    SyncState.objects.filter(pk=first.pk).update(next_at=None)
    rig.work()
    second = rig.state("fills")

    assert (first.status, first.failures, second.failures) == (Status.FAILED, 1, 2)
    assert "no complete answer" in second.error
    assert second.next_at is not None
    assert first.next_at is not None
    assert second.next_at - utc_now() > timedelta(seconds=work.PAUSES[0])
    rig.line.before = lambda path: None
    rig.sync()
    assert (rig.state("fills").status, rig.state("fills").error) == (Status.DONE, "")
    assert_same(rig)


def test_two_workers_at_one_account_do_not_read_it_twice(rig: Rig) -> None:
    rig.day(past_fills=100, orders=5)
    work.states_ensure(rig.account.pk)
    reads: list[float | None] = []

    def before(path: str) -> None:
        reads.append(work.account_read(rig.account.pk))

    rig.line.before = before
    rig.work()

    assert set(reads) == {None}
    assert_same(rig)


def test_a_worker_whose_lease_ran_out_stores_nothing_with_its_cursor(rig: Rig) -> None:
    rig.day(past_fills=100, orders=5)
    work.states_ensure(rig.account.pk)
    slow = [True]

    def before(path: str) -> None:
        if path == "/historical/fills" and slow[0]:
            slow[0] = False
            rig.recover()  # it is held up for long; meanwhile the next worker reads everything
            rig.work()

    rig.line.before = before
    rig.work()

    assert not slow[0]
    assert_same(rig)
    assert SyncRun.objects.filter(data_set="fills").count() == 1


def test_a_new_key_has_everything_read_from_the_beginning(rig: Rig) -> None:
    rig.day(past_fills=100, orders=5)
    rig.sync()
    rig.sync()
    assert not rig.state("fills").wants_full
    make_trade_key(rig.account)

    assert work.accounts_due() == [rig.account.pk]
    assert SyncState.objects.filter(wants_full=False).count() == 0
    rig.work()
    assert SyncRun.objects.filter(data_set="fills").latest("pk").is_full


def test_fills_wait_for_the_first_read_of_orders_and_belong_to_them(rig: Rig) -> None:
    rig.day(past_fills=500, orders=20)

    rig.sync()

    runs = dict(SyncRun.objects.values_list("data_set", "pk"))
    assert runs["orders"] < runs["fills"]
    assert not Fill.objects.filter(order=None).exists()


def test_settlements_of_every_subaccount_are_read_though_they_do_not_name_it(rig: Rig) -> None:
    rig.day(past_fills=0, orders=60)

    rig.sync()

    assert len(rig.state("settlements").stages) == SUBACCOUNTS
    assert_same(rig)


def test_markets_that_the_records_name_are_known_with_event_and_series(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "NAMES_PER_STEP", 3)
    rig.day(past_fills=500, orders=5)

    rig.sync()
    rig.sync()

    named = set(Fill.objects.values_list("ticker", flat=True))
    stored = Market.objects.filter(ticker__in=named).select_related("event")
    assert {market.ticker for market in stored} == named
    assert len(named) == 7
    assert all(market.event.series_ticker == market.series_ticker for market in stored)
    assert {market.status for market in stored if market.ticker != LINEAR} == {"finalized"}
    assert rig.state("markets").stored_rows == len(named)


def test_public_trades_and_candles_of_chosen_markets_are_read(rig: Rig) -> None:
    rig.day(past_fills=0, orders=30)
    rig.paper.clock.step(120_000)
    person = make_person(rig.account.desk, "analyst")
    for ticker in (LINEAR, LINEAR_2):
        ChosenMarket.objects.create(account=rig.account, ticker=ticker, chosen_by=person, chosen_at=utc_now())
    rig.cutoff_follows(every=2)

    rig.sync()

    exchange = rig.paper.exchange
    for ticker in (LINEAR, LINEAR_2):
        traded = exchange.trades(ticker=ticker) + exchange.historical_trades(ticker=ticker, limit=100_000)
        stored = PublicTrade.objects.filter(ticker=ticker)
        assert set(stored.values_list("trade_id", flat=True)) == {trade.trade_id for trade in traded}
        assert rig.state("trades", ticker).status == rig.state("candles", ticker).status == Status.DONE
        assert Candle.objects.filter(ticker=ticker).exists()
    volume = sum((candle.volume for candle in Candle.objects.filter(ticker=LINEAR)), Decimal(0))
    assert volume == sum(PublicTrade.objects.filter(ticker=LINEAR).values_list("count", flat=True), Decimal(0))


def test_a_market_that_is_chosen_no_more_is_read_no_more(rig: Rig) -> None:
    person = make_person(rig.account.desk, "analyst")
    chosen = ChosenMarket.objects.create(account=rig.account, ticker=LINEAR, chosen_by=person, chosen_at=utc_now())
    rig.sync()
    chosen.delete()
    rig.line.paths.clear()

    rig.sync()

    assert "/markets/trades" not in rig.line.paths


def test_bulk_reads_leave_half_of_the_budget_to_others() -> None:
    now = [0.0]
    limiter = LocalLimiter(read=Budget(200, 200), write=Budget(100, 100), clock=lambda: now[0])

    while not limiter.take(10, kind="bulk"):
        pass

    assert limiter.levels()["read"].tokens == 100
    assert limiter.take(10, kind="read") == 0.0
