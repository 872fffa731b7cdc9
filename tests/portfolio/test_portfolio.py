"""Balances and positions: two sources, the newest wins, an old balance refuses nobody."""

import itertools
import json
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from apps.core import ports
from apps.core.errors import NotAllowed
from apps.core.permissions import Actor
from apps.core.ports import FeedContext
from apps.core.timestamps import format_rfc3339, to_unix_ms, utc_now
from apps.core.topics import parse_topic
from apps.exchange.models import ExchangeStatus
from apps.exchange.wire.errors import Refused
from apps.exchange.wire.schemas import MarketPosition, build, rest
from apps.orders.models import OrderIntent
from apps.orders.services import intent_submit
from apps.portfolio import feed, queue, selectors, tasks
from apps.portfolio.models import Balance, Position
from apps.portfolio.reports import PositionReport
from apps.portfolio.services import balance_apply, portfolio_refresh, position_apply, subaccounts_used
from tests.orders.conftest import TICKER, Place, Published, make_ticket
from tests.orders.scripted import ScriptedExchange
from tests.support.people import actor_of, make_desk, make_person

NOW = utc_now()


def report(position: str, *, after: int = 0, **over: Any) -> PositionReport:
    values: dict[str, Any] = {
        "ticker": TICKER,
        "position": Decimal(position),
        "valid_at": NOW + timedelta(seconds=after),
    }
    return PositionReport(**values | over)


def listed(position: str, **over: Any) -> dict[str, Any]:
    """A row of GET /portfolio/positions."""
    return {
        "ticker": TICKER,
        "position_fp": position,
        "total_traded_dollars": "5.6000",
        "market_exposure_dollars": "5.6000",
        "realized_pnl_dollars": "0.0000",
        "resting_orders_count": 0,
        "fees_paid_dollars": "0.1800",
        "last_updated_ts": format_rfc3339(utc_now()),
    } | over


def context(place: Place, *, after: int = 0) -> FeedContext:
    return FeedContext(place.account.pk, "paper", to_unix_ms(NOW + timedelta(seconds=after)))


def message(position: str) -> MarketPosition:
    return build(
        MarketPosition,
        {
            "market_ticker": TICKER,
            "position_fp": position,
            "position_cost_dollars": "2.2400",
            "realized_pnl_dollars": "0.1000",
            "fees_paid_dollars": "0.0200",
        },
    )


def test_balances_come_in_cents_and_are_told_in_dollars(
    place: Place, exchange: ScriptedExchange, published: Published
) -> None:
    exchange.balance_cents = 123_456

    portfolio_refresh(place.account.pk)

    assert Balance.objects.get().cash == Decimal("1234.56")
    [frame] = [frame for topic, frame in published.frames if topic == f"balance:{place.account.pk}"]
    assert frame["subaccounts"]["0"]["cash"] == "1234.5600"
    json.dumps(frame)


def test_an_answer_to_an_earlier_question_does_not_overwrite_a_later_one(place: Place, published: Published) -> None:
    old, new = rest.Balance(balance=100), rest.Balance(balance=200)

    balance_apply(place.account.pk, new, subaccount=0, asked_at=NOW + timedelta(seconds=1))
    balance_apply(place.account.pk, old, subaccount=0, asked_at=NOW)

    assert Balance.objects.get().cash == Decimal(2)


def test_every_order_of_arrival_keeps_the_newest_position(place: Place, published: Published) -> None:
    told = [("ws", report("4", after=1)), ("rest", report("10", after=3)), ("ws", report("6", after=2))]

    for number, arrival in enumerate(itertools.permutations(told)):
        for source, one in arrival:
            own = PositionReport(ticker=f"KX{number}", position=one.position, valid_at=one.valid_at)
            position_apply(place.account.pk, own, source=source)  # type: ignore[arg-type]

    assert set(Position.objects.values_list("position", flat=True)) == {Decimal(10)}


def test_the_same_position_twice_is_told_once(place: Place, published: Published) -> None:
    assert position_apply(place.account.pk, report("4"), source="ws")
    assert not position_apply(place.account.pk, report("4", after=5), source="rest")

    assert len(published.rows("positions")) == 1


def test_what_was_traded_in_all_is_not_known_before_a_listing_tells_it(place: Place, published: Published) -> None:
    position_apply(place.account.pk, report("4", total_traded=None), source="ws")
    position_apply(place.account.pk, report("4", after=1, total_traded=Decimal(2)), source="rest")
    position_apply(place.account.pk, report("5", after=2, total_traded=None), source="ws")

    told = [row["total_traded"] for row in published.rows("positions") if row]
    assert told == [None, "2.0000", "2.0000"]


def test_one_that_opened_and_closed_between_two_listings_is_among_the_closed_of_today(
    place: Place, published: Published
) -> None:
    position_apply(place.account.pk, report("0", total_traded=None, fees_paid=Decimal("0.02")), source="ws")

    frame = selectors.positions_state(parse_topic(f"positions:{place.account.pk}"))

    assert [row["position"] for row in frame["rows"].values()] == ["0.00"]


def test_what_a_source_does_not_tell_stays(place: Place, published: Published) -> None:
    position_apply(place.account.pk, report("4", total_traded=Decimal(9)), source="rest")

    position_apply(place.account.pk, report("6", after=1), source="ws")

    row = Position.objects.get()
    assert (row.position, row.total_traded, row.version) == (Decimal(6), Decimal(9), 2)


def test_a_listing_older_than_a_message_does_not_take_it_back(place: Place, exchange: ScriptedExchange) -> None:
    """The reads lag: the data is from before the WebSocket message."""
    feed.positions_received(context(place), [message("4.00")])
    exchange.positions = [listed("0.00")]
    exchange.data_as_of = NOW - timedelta(seconds=5)

    portfolio_refresh(place.account.pk)
    assert Position.objects.get().position == Decimal(4)

    exchange.positions = [listed("7.00")]
    exchange.data_as_of = NOW + timedelta(seconds=5)
    portfolio_refresh(place.account.pk)
    assert Position.objects.get().position == Decimal(7)


def test_the_exchanges_clock_is_brought_to_ours(place: Place, exchange: ScriptedExchange) -> None:
    ExchangeStatus.objects.create(environment="paper", clock_offset_ms=60_000)
    feed.positions_received(context(place), [message("4.00")])
    exchange.positions = [listed("0.00")]
    exchange.data_as_of = NOW + timedelta(seconds=30)  # on our clock: half a minute before the message

    portfolio_refresh(place.account.pk)

    assert Position.objects.get().position == Decimal(4)


def test_a_position_that_left_the_listing_is_flat(
    place: Place, exchange: ScriptedExchange, published: Published
) -> None:
    """RELIABILITY G7: settled while nobody was connected."""
    exchange.positions = [listed("10.00")]
    portfolio_refresh(place.account.pk)
    exchange.positions = []
    exchange.data_as_of = utc_now()

    portfolio_refresh(place.account.pk)

    assert Position.objects.get().position == Decimal(0)
    last = published.rows("positions")[-1]
    assert last is not None
    assert (last["outcome_side"], last["count"], last["average_price"]) == ("", "0.00", None)


def test_two_messages_in_one_batch_leave_the_last_word(place: Place, published: Published) -> None:
    feed.positions_received(context(place), [message("4.00"), message("-3.00")])

    row = Position.objects.get()
    assert row.position == Decimal(-3)
    [told] = published.rows("positions")
    assert told is not None
    assert (told["outcome_side"], told["count"]) == ("no", "3.00")


def test_a_malformed_message_does_not_hide_the_others(place: Place, published: Published) -> None:
    bad = build(MarketPosition, {"market_ticker": "KXBAD", "position_fp": "many"})

    feed.positions_received(context(place), [bad, message("4.00")])

    assert Position.objects.get().ticker == TICKER


def test_a_refused_read_leaves_what_is_known(place: Place, exchange: ScriptedExchange) -> None:
    portfolio_refresh(place.account.pk)
    known = Balance.objects.get()
    exchange.reads = [exchange.answer(401, code="unauthorized", message="no")] * 2
    with pytest.raises(Refused):
        portfolio_refresh(place.account.pk)

    tasks.account_portfolio_sync(place.account.pk)  # logs it, and beat tries again

    assert Balance.objects.get().seen_at == known.seen_at


def test_every_subaccount_in_use_is_read(place: Place, exchange: ScriptedExchange) -> None:
    intent_submit(place.trader, make_ticket(place, subaccount=3))

    portfolio_refresh(place.account.pk)

    assert subaccounts_used(place.account.pk) == [0, 3]
    assert sorted(Balance.objects.values_list("subaccount", flat=True)) == [0, 3]


def test_a_subaccount_that_nothing_goes_on_in_costs_no_reads(place: Place, exchange: ScriptedExchange) -> None:
    Balance.objects.create(account=place.account, subaccount=40, cash=Decimal(50), seen_at=NOW)

    portfolio_refresh(place.account.pk)

    asked = {request.url.params.get("subaccount") for request in exchange.requests}
    assert "40" not in asked
    assert subaccounts_used(place.account.pk) == [0, 40]


@pytest.mark.parametrize(("age", "cash"), [(5, Decimal(50)), (61, None)])
def test_an_old_balance_is_not_relied_on(place: Place, age: int, cash: Decimal | None) -> None:
    Balance.objects.create(account=place.account, cash=Decimal(50), seen_at=utc_now() - timedelta(seconds=age))

    holding = selectors.holding_of(place.account.pk, 0, TICKER)

    assert (holding.cash, holding.position) == (cash, Decimal(0))


def test_a_balance_that_was_never_read_says_nothing(place: Place) -> None:
    holding = selectors.holding_of(place.account.pk, 0, TICKER)

    assert (holding.cash, holding.position) == (None, None)


def test_the_order_ticket_meets_the_real_balance(place: Place, exchange: ScriptedExchange) -> None:
    exchange.balance_cents = 100
    portfolio_refresh(place.account.pk)

    with pytest.raises(Exception, match="insufficient_funds"):
        intent_submit(place.trader, make_ticket(place))

    assert not OrderIntent.objects.exists()


def test_topics_give_state_in_the_shape_of_their_frames(place: Place, exchange: ScriptedExchange) -> None:
    balance, positions = ports.topics["balance"].state, ports.topics["positions"].state
    assert balance is not None
    assert positions is not None
    assert balance(parse_topic(f"balance:{place.account.pk}")) is None
    exchange.positions = [listed("10.00")]

    portfolio_refresh(place.account.pk)

    assert balance(parse_topic(f"balance:{place.account.pk}")) is not None
    told = positions(parse_topic(f"positions:{place.account.pk}"))
    assert told is not None
    [(key, row)] = told["rows"].items()
    assert (key, row["average_price"], row["position"]) == (f"0:{TICKER}", "0.5600", "10.00")


def test_only_the_own_desk_sees_them(place: Place, exchange: ScriptedExchange) -> None:
    exchange.positions = [listed("10.00")]
    portfolio_refresh(place.account.pk)
    stranger = actor_of(make_person(make_desk(), "trader"))
    own, scope = place.viewer, {"account_id": place.account.pk, "subaccount": 0}

    assert selectors.balance_for(own, **scope) is not None
    assert selectors.position_for(own, **scope, ticker=TICKER) is not None
    assert len(selectors.positions_open(own, account_id=place.account.pk)) == 1
    assert selectors.balance_for(stranger, **scope) is None
    assert selectors.position_for(stranger, **scope, ticker=TICKER) is None
    assert selectors.positions_open(stranger, account_id=place.account.pk) == []
    with pytest.raises(NotAllowed):
        selectors.balance_for(Actor(user_id=1, desk_id=place.desk.pk, roles=frozenset()), **scope)


def test_many_fills_ask_for_one_refresh(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(queue, "enqueue", lambda *args, **options: asked.append(args))
    queue.cache.clear()

    for _ in range(20):
        feed.balance_moved(context(place), [object()])

    assert asked == [("apps.portfolio.tasks.account_portfolio_sync", place.account.pk)]


def test_redis_is_asked_once_until_the_refresh_that_was_queued_begins(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, answers, asked = [1_000], [False, True, True], list[int]()
    monkeypatch.setattr(feed, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(feed, "_asked_at", {})
    monkeypatch.setattr(queue, "refresh_soon", lambda account_id: asked.append(now[0]) or answers.pop(0))

    for at in (1_000, 1_000, 1_000, 1_000 + queue.SETTLE_SECONDS):
        now[0] = at
        feed.balance_moved(context(place), [object()])
        feed.balance_moved(context(place), [])

    # The first was queued by somebody else, for a time that is not known here.
    assert asked == [1_000, 1_000, 1_000 + queue.SETTLE_SECONDS]
