"""Limits, pauses and cancel-all: what stops an order in the service and again in the sender."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Actor
from apps.core.ports import commands
from apps.core.timestamps import utc_now
from apps.orders.models import CancelIntent, CancelRun, Order, OrderIntent
from apps.orders.services import (
    cancel_all,
    cancel_many,
    cancel_runs_follow,
    cancel_send,
    intent_resolve,
    intent_send,
    intent_submit,
    limits,
    limits_of,
    order_preview,
    orders_reconcile,
)
from apps.orders.services.quotes import Quotes, QuotesAsked
from apps.orders.trading_events import trading_frame
from tests.orders.conftest import Place, Published, make_ticket
from tests.orders.scripted import ScriptedExchange
from tests.support.people import actor_of, make_person

State = OrderIntent.State


@pytest.fixture
def lead(place: Place) -> Actor:
    return actor_of(make_person(place.desk, "lead"))


def run(name: str, actor: Actor, **params: Any) -> dict[str, Any]:
    if name.startswith("limit."):
        params = {"reason": "as agreed"} | params
    return commands[name].handler(actor, params)


def submit(place: Place, **over: Any) -> OrderIntent:
    return intent_submit(place.trader, make_ticket(place, **over))


def refusal(place: Place, **over: Any) -> str:
    with pytest.raises(DeskError) as refused:
        submit(place, **over)
    return refused.value.code


def quotes(monkeypatch: pytest.MonkeyPatch, bid: str | None, ask: str | None) -> None:
    told = Quotes(bid=Decimal(bid) if bid else None, ask=Decimal(ask) if ask else None)
    monkeypatch.setattr(QuotesAsked, "quotes", lambda asked: told)


@pytest.mark.parametrize(
    ("limit", "ticket", "code"),
    [
        ({"max_count": "9"}, {}, "limit_max_count"),
        ({"max_notional": "5.59"}, {}, "limit_max_notional"),
        ({"max_notional": "4.39"}, {"side": "sell_yes"}, "limit_max_notional"),
        ({"max_open_contracts": "9"}, {}, "limit_max_open_contracts"),
    ],
)
def test_each_limit_refuses_and_the_figure_itself_is_allowed(
    place: Place, exchange: ScriptedExchange, lead: Actor, limit: dict[str, str], ticket: dict[str, Any], code: str
) -> None:
    run("limit.set", lead, **limit)
    assert refusal(place, **ticket) == code
    assert not OrderIntent.objects.exists()

    [(name, value)] = limit.items()
    run("limit.set", lead, **{name: str(Decimal(value) + (1 if name != "max_notional" else Decimal("0.01")))})
    assert submit(place, **ticket).state == State.COMMITTED


def test_orders_per_minute_count_orders_of_the_last_minute(
    place: Place, exchange: ScriptedExchange, lead: Actor
) -> None:
    run("limit.set", lead, orders_per_minute=2)
    submit(place)
    submit(place)

    assert refusal(place) == "limit_orders_per_minute"
    OrderIntent.objects.update(created_at=utc_now() - timedelta(seconds=61))
    assert submit(place).state == State.COMMITTED


@pytest.mark.parametrize(
    ("side", "price", "is_kept"),
    [
        ("buy_yes", "0.65", True),
        ("buy_yes", "0.66", False),
        ("sell_yes", "0.30", True),
        ("sell_yes", "0.29", False),
        ("buy_no", "0.70", True),
        ("buy_no", "0.71", False),
        ("buy_yes", "0.01", True),  # far away on the own side it can only wait
    ],
)
def test_the_price_band_is_measured_from_the_other_side_of_the_book(
    place: Place,
    exchange: ScriptedExchange,
    lead: Actor,
    monkeypatch: pytest.MonkeyPatch,
    side: str,
    price: str,
    is_kept: bool,
) -> None:
    quotes(monkeypatch, "0.40", "0.55")
    run("limit.set", lead, price_band="0.10")

    ticket = {"side": side, "price": Decimal(price), "count": Decimal(1)}
    if is_kept:
        assert submit(place, **ticket).state == State.COMMITTED
    else:
        assert refusal(place, **ticket) == "limit_price_band"


def test_h9_the_sender_checks_again(place: Place, exchange: ScriptedExchange, lead: Actor) -> None:
    intent = submit(place)
    run("limit.set", lead, max_count="5")

    intent_send(intent.pk)

    intent.refresh_from_db()
    assert (intent.state, intent.error_code) == (State.REFUSED, "limit_max_count")
    assert exchange.sent("POST") == []


def test_a_person_and_account_have_the_tightest_of_what_matches(place: Place, lead: Actor) -> None:
    assert limits_of(place.desk.pk, user_id=place.trader.user_id, account_id=place.account.pk) == limits.DEFAULTS
    run("limit.set", lead, max_count="100", orders_per_minute=5)
    run("limit.set", lead, max_count="50", user_id=place.trader.user_id)
    run("limit.set", lead, max_count="70", account_id=place.account.pk)

    mine = limits_of(place.desk.pk, user_id=place.trader.user_id, account_id=place.account.pk)
    others = limits_of(place.desk.pk, user_id=place.viewer.user_id, account_id=place.account.pk + 1)

    assert mine == {"max_count": Decimal(50), "orders_per_minute": 5}
    assert others == {"max_count": Decimal(100), "orders_per_minute": 5}


def test_a_limit_is_set_again_in_place_and_removed_with_a_trail(place: Place, lead: Actor) -> None:
    first = run("limit.set", lead, max_count="100")["limit"]
    again = run("limit.set", lead, max_count="90", max_notional="12.50")["limit"]
    assert (again["id"], again["max_count"], again["max_notional"]) == (first["id"], "90.00", "12.5000")

    run("limit.remove", lead, limit_id=first["id"])

    assert run("limit.list", lead)["limits"] == []
    actions = AuditEntry.objects.filter(action__startswith="orders.limit.").values_list("action", flat=True)
    assert sorted(actions) == ["orders.limit.removed", "orders.limit.set", "orders.limit.set"]


@pytest.mark.parametrize("values", [{"max_count": "0"}, {"max_count": "-1"}, {"price_band": 0.1}, {"max_count": "x"}])
def test_a_limit_that_cannot_be_is_refused(place: Place, lead: Actor, values: dict[str, Any]) -> None:
    with pytest.raises(DeskError) as refused:
        run("limit.set", lead, **values)
    assert set(refused.value.fields) == set(values)


def test_a_trader_sets_no_limits(place: Place) -> None:
    with pytest.raises(NotAllowed):
        run("limit.set", place.trader, max_count="1")


def test_the_preview_shows_limit_use(place: Place, exchange: ScriptedExchange, lead: Actor) -> None:
    run("limit.set", lead, max_count="5", orders_per_minute=7)

    told = order_preview(place.trader, make_ticket(place))

    assert [(one.name, one.use, one.limit, one.is_kept) for one in told.limits] == [
        ("max_count", Decimal(10), Decimal(5), False),
        ("orders_per_minute", 1, 7, True),
    ]
    assert told.refusal is not None
    assert told.refusal.code == "limit_max_count"


# --- pauses ---------------------------------------------------------------------------------------


def test_no_order_passes_while_paused_and_cancels_do(place: Place, exchange: ScriptedExchange) -> None:
    resting = submit(place)
    intent_send(resting.pk)
    waiting = submit(place)
    pause = run("trading.pause", place.trader, scope="me", why="lunch")["pause"]

    assert refusal(place) == "paused"
    intent_send(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.error_code) == (State.REFUSED, "paused")
    assert len(exchange.sent("POST")) == 1

    done = cancel_all(place.trader, account_id=place.account.pk)
    assert done.cancels == 1
    cancel_send(CancelIntent.objects.get().pk)
    assert Order.objects.get().status == "canceled"

    run("trading.resume", place.trader, pause_id=pause["id"])
    assert submit(place).state == State.COMMITTED


def test_any_trader_pulls_the_switch_and_only_a_lead_releases_it(
    place: Place, exchange: ScriptedExchange, lead: Actor
) -> None:
    intent_send(submit(place).pk)
    other = actor_of(make_person(place.desk, "trader"))

    told = run("trading.pause", other, scope="desk", why="runaway", cancel=True)

    assert told["cancels"] == 1
    assert refusal(place) == "paused"
    for actor in (place.trader, other):
        with pytest.raises(NotAllowed):
            run("trading.resume", actor, pause_id=told["pause"]["id"])
    run("trading.resume", lead, pause_id=told["pause"]["id"])
    assert submit(place).state == State.COMMITTED
    trail = AuditEntry.objects.filter(action__startswith="orders.pause.").order_by("pk")
    assert [entry.actor_id for entry in trail] == [other.user_id, lead.user_id]


def test_a_pause_that_a_lead_set_on_a_person_is_not_theirs_to_end(place: Place, lead: Actor) -> None:
    told = run("trading.pause", lead, scope="person", user_id=place.trader.user_id)

    with pytest.raises(NotAllowed):
        run("trading.resume", place.trader, pause_id=told["pause"]["id"])
    with pytest.raises(NotAllowed):
        run("trading.pause", place.trader, scope="person", user_id=lead.user_id)
    assert trading_frame(place.account.pk)["pauses"][0]["user_id"] == place.trader.user_id


def test_a_viewer_pauses_nobody(place: Place) -> None:
    with pytest.raises(NotAllowed):
        run("trading.pause", place.viewer, scope="desk")


# --- cancel all, and what is left -----------------------------------------------------------------


def test_cancel_all_is_followed_until_nothing_is_left(
    place: Place, exchange: ScriptedExchange, published: Published
) -> None:
    intent_send(submit(place).pk)
    exchange.creates = [exchange.accept_and_lose_the_answer]
    unknown = submit(place)
    intent_send(unknown.pk)

    done = cancel_all(place.trader, account_id=place.account.pk)

    assert (done.cancels, done.unresolved) == (1, 1)
    [told] = trading_frame(place.account.pk)["cancel_runs"]
    assert (told["left"], told["unresolved"]) == (1, 1)

    cancel_send(CancelIntent.objects.get().pk)
    intent_resolve(unknown.pk)  # it comes to light as a resting order
    [told] = trading_frame(place.account.pk)["cancel_runs"]
    assert (told["left"], told["unresolved"]) == (1, 0)

    cancel_runs_follow()
    cancel_send(CancelIntent.objects.latest("pk").pk)
    cancel_runs_follow()
    assert trading_frame(place.account.pk)["cancel_runs"] == []
    assert CancelRun.objects.get().finished_at is not None
    frames = [frame for topic, frame in published.frames if topic.startswith("trading:")]
    assert frames[0]["cancel_runs"][0]["left"] == 1
    assert frames[-1]["cancel_runs"] == []


def test_orders_placed_after_a_cancel_all_stay(place: Place, exchange: ScriptedExchange) -> None:
    intent_send(submit(place).pk)
    cancel_all(place.trader, account_id=place.account.pk)
    later = submit(place)
    intent_send(later.pk)

    cancel_runs_follow()

    assert not CancelIntent.objects.filter(order__intent=later).exists()


def test_g2_a_cancel_that_the_exchange_refuses_is_asked_for_again(place: Place, exchange: ScriptedExchange) -> None:
    """RELIABILITY G2: nothing is allowed during an exchange pause; the wish stays until it is."""
    intent_send(submit(place).pk)
    exchange.cancels = [exchange.answer(400, code="exchange_is_paused", message="exchange is paused")]
    cancel_all(place.trader, account_id=place.account.pk)
    cancel_send(CancelIntent.objects.get().pk)

    [told] = trading_frame(place.account.pk)["cancel_runs"]
    assert (told["left"], told["why"]) == (1, "exchange is paused")
    cancel_runs_follow()
    assert CancelIntent.objects.count() == 1  # not at once
    cancel_runs_follow(now=utc_now() + timedelta(seconds=11))
    cancel_send(CancelIntent.objects.latest("pk").pk)
    cancel_runs_follow()

    assert Order.objects.get().status == "canceled"
    assert trading_frame(place.account.pk)["cancel_runs"] == []


def test_selected_rows_are_cancelled_each_in_its_way(place: Place, exchange: ScriptedExchange) -> None:
    resting, filled, waiting = submit(place), submit(place), submit(place)
    for intent in (resting, filled):
        intent_send(intent.pk)
    exchange.fill(exchange.orders[Order.objects.get(intent=filled).order_id], "10.00")
    orders_reconcile(place.account.pk)
    exchange.creates = [exchange.lose_the_request]
    unknown = submit(place)
    intent_send(unknown.pk)

    told = cancel_many(
        place.trader,
        account_id=place.account.pk,
        keys=[*(f"intent:{one.pk}" for one in (resting, filled, waiting, unknown)), f"order:{uuid.uuid4()}"],
    )

    assert told.cancels == [f"intent:{resting.pk}"]
    assert told.withdrawn == [f"intent:{waiting.pk}"]
    assert told.unresolved == [f"intent:{unknown.pk}"]
    assert told.done[0] == f"intent:{filled.pk}"
    assert len(told.done) == 2
