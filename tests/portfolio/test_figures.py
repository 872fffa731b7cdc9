"""Profit and loss out of stored fills and settlements: once, whatever comes first, twice or late."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core.pnl_days import trading_day
from apps.core.topics import parse_topic
from apps.markets.models import Market
from apps.orders.models import Fill
from apps.portfolio import figures_events
from apps.portfolio.breaks import GRACE, breaks_check, breaks_of
from apps.portfolio.equity import day_baseline, equity_at, equity_curve, equity_record, equity_thin
from apps.portfolio.figures import day_figures, pnl_by_day, pnl_by_event
from apps.portfolio.figures_fold import figures_fold
from apps.portfolio.figures_marks import Mark, mark_of
from apps.portfolio.models import Balance, DayPnl, EquityPoint, MarketBook, Position, Settlement
from tests.orders.conftest import TICKER, Place, make_market

# Nine in the morning in New York.
NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
_numbers = itertools.count(1)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_live_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Redis in these tests: marks come from the catalogue."""
    monkeypatch.setattr("apps.portfolio.figures_marks._published", lambda environment, tickers: {})
    monkeypatch.setattr("apps.exchange.live.heartbeat_ms", lambda environment: None)


def fill(place: Place, side: str, price: str, count: str, **over: Any) -> Fill:
    number = next(_numbers)
    values: dict[str, Any] = {
        "account": place.account,
        "trade_id": f"trade-{number}",
        "order_id_text": f"order-{number}",
        "ticker": TICKER,
        "book_side": side,
        "yes_price": Decimal(price),
        "count": Decimal(count),
        "is_taker": True,
        "fee": Decimal("0.01"),
        "traded_at": NOW + timedelta(seconds=number),
        "seen_at": NOW,
        "source": "ws",
    } | over
    return Fill.objects.create(**values)


def settled(place: Place, result: str, revenue: str, **over: Any) -> Settlement:
    values: dict[str, Any] = {
        "account": place.account,
        "ticker": TICKER,
        "result": result,
        "yes_count": Decimal(0),
        "yes_cost": Decimal(0),
        "no_count": Decimal(0),
        "no_cost": Decimal(0),
        "revenue": Decimal(revenue),
        "settled_at": NOW + timedelta(days=1),
        "first_seen_at": NOW,
        "source": "rest",
    } | over
    return Settlement.objects.create(**values)


def book() -> MarketBook:
    return MarketBook.objects.get()


def folded(place: Place, *, after: timedelta = timedelta()) -> set[date]:
    return figures_fold(place.account.pk, now=NOW + after)


# --- folding --------------------------------------------------------------------------------------------


def test_fills_give_position_cost_realised_and_fees(place: Place) -> None:
    fill(place, "bid", "0.40", "10", fee=Decimal("0.17"))
    fill(place, "ask", "0.55", "4", fee=Decimal("0.07"))

    assert folded(place) == {date(2026, 11, 20)}

    made = book()
    assert (made.contracts, made.cost, made.realized_pnl, made.fees) == (
        Decimal(6),
        Decimal("2.4"),
        Decimal("0.6"),
        Decimal("0.24"),
    )
    day = DayPnl.objects.get()
    assert (day.realized, day.fees, day.fills, day.contracts) == (Decimal("0.6"), Decimal("0.24"), 2, Decimal(14))


def test_folding_again_changes_nothing(place: Place) -> None:
    fill(place, "bid", "0.40", "10")
    folded(place)

    assert folded(place) == set()
    assert folded(place, after=timedelta(hours=1)) == set()
    assert book().version == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_every_order_of_arrival_gives_the_same_figures(place: Place, order: tuple[int, ...]) -> None:
    told = [("bid", "0.40", "10"), ("ask", "0.55", "4"), ("ask", "0.30", "9"), ("bid", "0.20", "1")]
    for at in order:
        side, price, count = told[at]
        fill(place, side, price, count, traded_at=NOW + timedelta(seconds=at))
        folded(place)

    made = book()
    assert (made.contracts, made.cost, made.realized_pnl) == (Decimal(-2), Decimal("1.4"), Decimal("0.1"))
    assert (made.fills, made.fees) == (4, Decimal("0.04"))
    day = DayPnl.objects.get()
    assert (day.realized, day.fees, day.fills) == (made.realized_pnl, made.fees, 4)


def test_a_late_fill_of_another_day_moves_what_was_realised_since(place: Place) -> None:
    fill(place, "ask", "0.60", "10")
    folded(place)
    fill(place, "bid", "0.50", "10", traded_at=NOW - timedelta(days=1))

    assert folded(place) == {date(2026, 11, 19), date(2026, 11, 20)}

    by_day = {row.day: row.realized for row in DayPnl.objects.all()}
    assert by_day == {date(2026, 11, 19): Decimal(0), date(2026, 11, 20): Decimal(1)}


def test_a_market_that_was_overlooked_is_found_by_the_check(place: Place) -> None:
    fill(place, "bid", "0.40", "10")
    folded(place)
    MarketBook.objects.update(fills=0, contracts=0)
    place.account.figure_state.fill_pk = 10**9
    place.account.figure_state.save()

    assert folded(place, after=timedelta(minutes=1)) == set()
    assert folded(place, after=timedelta(minutes=11)) == {date(2026, 11, 20)}
    assert book().contracts == 10


def test_two_workers_at_once_write_one_of_their_answers(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(place, "bid", "0.40", "10")
    folded(place)
    fill(place, "bid", "0.50", "10")
    from apps.portfolio import figures_fold as module

    store = module._store

    def overtaken(*args: Any, **over: Any) -> set[date]:
        monkeypatch.setattr(module, "_store", store)
        folded(place)
        return store(*args, **over)

    monkeypatch.setattr(module, "_store", overtaken)

    folded(place)

    assert (book().contracts, book().fills, DayPnl.objects.get().fills) == (Decimal(20), 2, 2)


def test_subaccounts_and_accounts_are_kept_apart(place: Place) -> None:
    fill(place, "bid", "0.40", "10")
    fill(place, "ask", "0.60", "10", subaccount=3)
    folded(place)

    made = {row.subaccount: (row.contracts, row.realized_pnl) for row in MarketBook.objects.all()}
    assert made == {0: (Decimal(10), Decimal(0)), 3: (Decimal(-10), Decimal(0))}


# --- fees -----------------------------------------------------------------------------------------------


def test_fees_are_the_exchanges_and_their_parts_add_up_to_them(place: Place) -> None:
    for _ in range(3):
        fill(place, "bid", "0.3301", "0.03", order_id_text="one", fee=Decimal("0.010097" if not _ else "0.000097"))
        folded(place)

    day = DayPnl.objects.get()
    assert day.fees == Decimal("0.010291")
    assert day.trade_fees + day.rounding - day.rebates + day.other_fees == day.fees
    assert (day.rebates, day.other_fees) == (Decimal("0.02"), Decimal(0))


def test_a_fee_without_a_known_schedule_is_not_split(place: Place) -> None:
    Market.objects.all().delete()
    fill(place, "bid", "0.40", "10", fee=Decimal("0.17"))
    folded(place)

    day = DayPnl.objects.get()
    assert (day.other_fees, day.trade_fees, day.rounding, day.rebates) == (Decimal("0.17"), 0, 0, 0)


# --- settlements ----------------------------------------------------------------------------------------


def test_a_settlement_realises_on_its_own_day(place: Place) -> None:
    fill(place, "bid", "0.40", "10")
    folded(place)
    settled(place, "yes", "10.00", yes_count=Decimal(10), yes_cost=Decimal(4))

    assert date(2026, 11, 21) in folded(place)

    by_day = {row.day: row.realized for row in DayPnl.objects.all()}
    assert by_day == {date(2026, 11, 20): Decimal(0), date(2026, 11, 21): Decimal(6)}
    assert (book().contracts, book().cost, book().realized_pnl) == (0, 0, Decimal(6))
    assert folded(place) == set()


def test_a_scalar_settlement_keeps_what_the_cent_took_as_a_fee(place: Place) -> None:
    Market.objects.update(result="scalar", settlement_value=Decimal("0.5970"))
    fill(place, "bid", "0.40", "10.60")
    settled(place, "scalar", "6.32", yes_count=Decimal("10.60"), yes_cost=Decimal("4.24"), value=Decimal("0.59"))
    folded(place)

    day = DayPnl.objects.get(day=date(2026, 11, 21))
    assert (day.realized, day.settlement_fees) == (Decimal("2.0882"), Decimal("0.0082"))


def test_a_void_settlement_gives_the_cost_back(place: Place) -> None:
    fill(place, "ask", "0.60", "10")
    settled(place, "void", "4.00", no_count=Decimal(10), no_cost=Decimal(4))
    folded(place)

    assert (book().realized_pnl, book().fees, book().contracts) == (0, Decimal("0.01"), 0)


def test_an_amended_settlement_takes_the_place_of_the_first(place: Place) -> None:
    fill(place, "bid", "0.40", "10")
    first = settled(place, "yes", "10.00", yes_count=Decimal(10), yes_cost=Decimal(4))
    folded(place)
    Settlement.objects.filter(pk=first.pk).update(is_current=False)
    settled(place, "no", "0.00", yes_count=Decimal(10), yes_cost=Decimal(4), revision=2)

    folded(place)

    assert book().realized_pnl == Decimal(-4)
    assert DayPnl.objects.get(day=date(2026, 11, 21)).realized == Decimal(-4)


# --- breaks ---------------------------------------------------------------------------------------------


def listed(place: Place, position: str, cost: str = "0", realized: str = "0", fees: str = "0") -> Position:
    return Position.objects.create(
        account=place.account,
        ticker=TICKER,
        position=Decimal(position),
        cost=Decimal(cost),
        realized_pnl=Decimal(realized),
        fees_paid=Decimal(fees),
        seen_at=NOW,
        source="rest",
    )


def test_a_position_that_agrees_is_no_break(place: Place) -> None:
    fill(place, "bid", "0.40", "10")
    listed(place, "10", "4", fees="0.01")
    folded(place)

    assert breaks_check(place.account.pk, now=NOW) == []


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (("12", "4.80", "0", "0.01"), "contracts"),
        (("10", "4.10", "0", "0.01"), "cash"),
        (("10", "4.00", "0", "0.02"), "fees"),
    ],
)
def test_a_difference_is_shown_with_both_numbers_and_is_certain_after_the_grace(
    place: Place, told: tuple[str, str, str, str], kind: str
) -> None:
    fill(place, "bid", "0.40", "10")
    listed(place, *told)
    folded(place)

    [young] = breaks_check(place.account.pk, now=NOW)
    [old] = breaks_check(place.account.pk, now=NOW + GRACE)

    assert (young.kind, young.is_certain, old.is_certain) == (kind, False, True)
    assert (old.desk.contracts, old.exchange.contracts) == (Decimal(10), Decimal(told[0]))
    assert old.exchange.paid == Decimal(told[1])
    assert old.since == NOW


def test_a_position_without_any_fill_says_that_the_history_is_missing(place: Place) -> None:
    listed(place, "10", "4")

    [found] = breaks_check(place.account.pk, now=NOW)

    assert found.kind == "no_fills"
    assert not found.desk.contracts


def test_a_market_with_a_result_that_is_no_longer_listed_waits_for_its_settlement(place: Place) -> None:
    fill(place, "bid", "0.40", "10")
    listed(place, "0")
    folded(place)

    [before] = breaks_of(place.account.pk, now=NOW)
    Market.objects.update(result="yes")
    [after] = breaks_of(place.account.pk, now=NOW)

    assert (before.kind, after.kind) == ("contracts", "unsettled")


def test_a_break_that_heals_is_forgotten(place: Place) -> None:
    fill(place, "bid", "0.40", "10")
    position = listed(place, "12", "4.80", fees="0.02")
    folded(place)
    breaks_check(place.account.pk, now=NOW)
    fill(place, "bid", "0.40", "2")
    folded(place)

    assert breaks_check(place.account.pk, now=NOW + GRACE) == []
    assert book().broken_since is None
    assert position.position == book().contracts


def test_the_split_of_a_partial_close_is_no_break(place: Place) -> None:
    fill(place, "bid", "0.3333", "0.07")
    fill(place, "ask", "0.50", "0.03")
    folded(place)
    made = book()
    # The exchange rounds the cost that leaves the other way.
    step = Decimal("0.000001")
    listed(place, "0.04", str(made.cost - step), str(made.realized_pnl - step), "0.02")

    assert breaks_of(place.account.pk, now=NOW) == []


def test_a_settlement_of_other_contracts_is_a_break(place: Place) -> None:
    fill(place, "bid", "0.40", "10")
    settled(place, "yes", "12.00", yes_count=Decimal(12), yes_cost=Decimal("4.80"))
    folded(place)

    [found] = breaks_check(place.account.pk, now=NOW)

    assert (found.kind, found.desk.contracts, found.exchange.contracts) == ("settlement", Decimal(10), Decimal(12))


# --- what is read ---------------------------------------------------------------------------------------


def test_a_day_adds_up_over_markets_and_subaccounts(place: Place) -> None:
    other = make_market(ticker="KXHIGHNY-26NOV22-T70")
    fill(place, "bid", "0.40", "10")
    fill(place, "ask", "0.50", "10")
    fill(place, "bid", "0.40", "5", ticker=other.ticker, subaccount=2)
    fill(place, "ask", "0.30", "5", ticker=other.ticker, subaccount=2, traded_at=NOW + timedelta(hours=1))
    folded(place)

    figures = day_figures(place.account.pk, now=NOW)

    assert (figures.total.realized, figures.total.net) == (Decimal("0.50"), Decimal("0.46"))
    assert figures.by_subaccount[2].realized == Decimal("-0.50")
    assert figures.by_market[0, TICKER].realized == Decimal(1)
    [event] = pnl_by_event(place.account.pk, days=None)
    assert (event.ticker, event.markets, event.total.net) == ("KXHIGHNY-26NOV22", 2, Decimal("0.46"))


def test_days_are_listed_oldest_first(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.portfolio.figures.utc_now", lambda: NOW)
    fill(place, "bid", "0.40", "10", traded_at=NOW - timedelta(days=2))
    fill(place, "ask", "0.50", "10")
    fill(place, "ask", "0.50", "10", traded_at=NOW - timedelta(days=40))
    folded(place)

    days = pnl_by_day(place.account.pk, days=30)

    assert [day for day, _ in days] == [date(2026, 11, 18), date(2026, 11, 20)]


def test_the_frame_says_everything_in_strings(place: Place) -> None:
    fill(place, "bid", "0.40", "10")
    folded(place)
    listed(place, "10", "4", fees="0.05")

    frame = figures_events.pnl_state(parse_topic(f"pnl:{place.account.pk}"))

    assert frame["breaks"][0]["desk"] == {"contracts": "10.00", "paid": "4.0000", "fees": "0.0100"}
    assert frame["breaks"][0]["exchange"]["fees"] == "0.0500"
    assert frame["start"] is None


# --- marks ----------------------------------------------------------------------------------------------


def quoted(bid: str | None, ask: str | None, last: str | None = None, **over: Any) -> Market:
    prices = {"yes_bid": bid, "yes_ask": ask, "last_price": last}
    values = {name: None if price is None else Decimal(price) for name, price in prices.items()}
    return Market(ticker=TICKER, updated_at=NOW, **{"result": "", **values, **over})


@pytest.mark.parametrize(
    ("market", "kind", "price"),
    [
        (quoted("0.40", "0.45"), "mid", "0.4250"),
        (quoted("0.0001", "0.0002"), "mid", "0.0002"),
        (quoted("0.40", "1"), "one_side", "0.40"),
        (quoted("0", "0.45", "0.30"), "one_side", "0.45"),
        (quoted("0", "1", "0.30"), "last", "0.30"),
        (quoted(None, None, "0"), "none", None),
        (quoted("0.40", "0.45", result="no"), "result", "0"),
        (quoted(None, None, result="scalar", settlement_value=Decimal("0.597")), "result", "0.597"),
    ],
)
def test_the_first_rule_that_applies_gives_the_mark(market: Market, kind: str, price: str | None) -> None:
    mark = mark_of(market, None, is_alive=False)

    assert (mark.kind, mark.price) == (kind, None if price is None else Decimal(price))


def test_live_prices_count_when_they_are_newer(place: Place) -> None:
    row: dict[str, Any] = {"v": int(NOW.timestamp() * 1_000_000) + 1, "bid": "0.5000", "ask": "0.5200", "last": None}
    older = {**row, "v": row["v"] - 10_000_000}

    live = mark_of(quoted("0.40", "0.45"), row, is_alive=True)
    stale = mark_of(quoted("0.40", "0.45"), row, is_alive=False)

    assert (live.price, live.is_live, stale.price, stale.is_live) == (Decimal("0.51"), True, Decimal("0.51"), False)
    assert mark_of(quoted("0.40", "0.45"), older, is_alive=True).price == Decimal("0.4250")


def test_a_void_market_is_worth_its_cost() -> None:
    mark = mark_of(quoted("0.40", "0.45", result="void"), None, is_alive=False)

    assert mark == replace(Mark("result", None, mark.at_ms, is_live=True), is_void=True)


# --- equity ---------------------------------------------------------------------------------------------


def balance(place: Place, cash: str, value: str, *, at: datetime, subaccount: int = 0) -> None:
    Balance.objects.update_or_create(
        account=place.account,
        subaccount=subaccount,
        defaults={"cash": Decimal(cash), "portfolio_value": Decimal(value), "seen_at": at},
    )
    equity_record(place.account.pk, now=at)


def test_equity_is_cash_positions_and_what_orders_lock_over_all_subaccounts(place: Place) -> None:
    Market.objects.update(yes_bid=Decimal("0.50"), yes_ask=Decimal("0.52"))
    listed(place, "10", "4")
    balance(place, "100", "5", at=NOW)
    balance(place, "20", "0", at=NOW + timedelta(seconds=1), subaccount=4)

    point = equity_at(place.account.pk, NOW + timedelta(minutes=1))

    assert point is not None
    assert (point.total, point.cost, point.marked_value, point.unrealized) == (
        Decimal(125),
        Decimal(4),
        Decimal("5.1"),
        Decimal("1.1"),
    )


def test_the_other_reading_of_the_portfolio_value_is_a_switch(place: Place, settings: Any) -> None:
    balance(place, "100", "105", at=NOW)
    settings.PORTFOLIO_VALUE_INCLUDES_CASH = True

    point = equity_at(place.account.pk, NOW)

    assert point is not None
    assert point.total == Decimal(105)


def test_a_minute_keeps_its_last_point_a_day_its_first_and_no_change_keeps_none(place: Place) -> None:
    for seconds, cash in ((0, "99"), (10, "100"), (20, "101"), (90, "101"), (400, "101")):
        balance(place, cash, "0", at=NOW + timedelta(seconds=seconds))

    kept = list(EquityPoint.objects.order_by("at").values_list("cash", "at"))
    assert [cash for cash, _ in kept] == [Decimal(99), Decimal(101), Decimal(101)]
    assert [at - NOW for _, at in kept] == [timedelta(), timedelta(seconds=20), timedelta(seconds=400)]


def test_a_day_is_measured_from_the_last_point_before_it_else_from_its_first(place: Place) -> None:
    Market.objects.update(yes_bid=Decimal("0.50"), yes_ask=Decimal("0.52"))
    balance(place, "100", "0", at=NOW)
    listed(place, "10", "4")
    balance(place, "96", "5", at=NOW + timedelta(seconds=30))

    first = day_baseline(place.account.pk, now=NOW + timedelta(hours=1))
    next_day = day_baseline(place.account.pk, now=NOW + timedelta(days=1))

    assert first is not None
    assert next_day is not None
    assert (first.at, first.unrealized) == (NOW, Decimal(0))
    assert (next_day.at, next_day.unrealized) == (NOW + timedelta(seconds=30), Decimal("1.1"))


def test_on_a_first_day_what_was_opened_today_counts_from_its_cost(place: Place) -> None:
    Market.objects.update(yes_bid=Decimal("0.50"), yes_ask=Decimal("0.52"))
    listed(place, "10", "4")
    fill(place, "bid", "0.40", "10")
    figures_fold(place.account.pk, now=NOW)
    balance(place, "96", "5", at=NOW + timedelta(seconds=30))

    start = day_baseline(place.account.pk, now=NOW + timedelta(hours=1))
    assert start is not None
    assert start.unrealized == 0

    # Held before the day: the first point that was kept is all that there is to measure from.
    DayPnl.objects.update(day=trading_day(NOW) - timedelta(days=1))
    start = day_baseline(place.account.pk, now=NOW + timedelta(hours=1))
    assert start is not None
    assert start.unrealized == Decimal("1.1")


def test_a_subaccount_that_holds_nothing_needs_no_value(place: Place) -> None:
    Balance.objects.create(account=place.account, subaccount=7, cash=Decimal(3), portfolio_value=None, seen_at=NOW)
    equity_record(place.account.pk, now=NOW)

    point = equity_at(place.account.pk, NOW)

    assert point is not None
    assert point.total == Decimal(3)


def test_thinning_keeps_the_last_point_of_each_span_and_days_keep_their_end(place: Place) -> None:
    end_of_day = datetime(2026, 9, 2, 4, 0, tzinfo=UTC)
    moments = [end_of_day - timedelta(minutes=one) for one in range(1, 600)]
    young = [NOW - timedelta(minutes=one) for one in range(1, 30)]
    EquityPoint.objects.bulk_create(
        [
            EquityPoint(account=place.account, at=at, cash=Decimal(1), portfolio_value=Decimal(0))
            for at in moments + young
        ]
    )

    equity_thin(place.account.pk, since=None, now=NOW)

    kept = list(EquityPoint.objects.order_by("at").values_list("at", flat=True))
    assert kept == [end_of_day - timedelta(minutes=1), *reversed(young)]
    assert equity_thin(place.account.pk, since=NOW - timedelta(hours=1), now=NOW) == 0


def test_a_curve_carries_each_subaccount_on_and_keeps_its_newest_point(place: Place) -> None:
    for minute in range(0, 60, 10):
        balance(place, str(100 + minute), "0", at=NOW + timedelta(minutes=minute))
        balance(place, "50", "0", at=NOW + timedelta(minutes=minute, seconds=5), subaccount=1)

    curve = equity_curve(place.account.pk, since=NOW + timedelta(minutes=25), at_most=3)

    assert len(curve) <= 3
    assert curve[-1].total == Decimal(200)
    assert equity_curve(place.account.pk, subaccount=1, since=NOW)[-1].total == Decimal(50)
