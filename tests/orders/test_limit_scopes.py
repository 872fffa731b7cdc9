"""Limits of a series or a market, and of the day's loss: every row that matches must allow, in service and sender."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import Notice
from apps.audit.models import AuditEntry
from apps.core.errors import DeskError
from apps.core.permissions import Actor
from apps.core.pnl_days import trading_day
from apps.core.timestamps import utc_now
from apps.orders.models import DayResult, LimitChange, OrderIntent, RiskLimit
from apps.orders.pages.limits import use_of_everybody
from apps.orders.services import intent_send, intent_submit, limit_remove, limit_set, limits_of, limits_use
from apps.orders.services.day_loss import TRUSTED_FOR, day_result_store
from apps.orders.services.limits import nearest_of
from apps.portfolio.models import Balance, Position
from tests.orders.blotter import client_as, make_intent, make_order
from tests.orders.conftest import TICKER, Place, make_market, make_ticket
from tests.orders.scripted import ScriptedExchange
from tests.support.people import actor_of, make_person

pytestmark = pytest.mark.django_db
State = OrderIntent.State
OTHER = "KXHIGHNY-26NOV22-T70"
# Not named after its series: the catalogue alone says where it belongs.
ODD = "OLDNAME-26NOV22"


@pytest.fixture
def lead(place: Place) -> Actor:
    return actor_of(make_person(place.desk, "lead"))


def rule(lead: Actor, **over: Any) -> RiskLimit:
    names = ("user_id", "account_id", "series", "ticker", "loss_if_stale", "reason")
    scope: dict[str, Any] = {"user_id": None, "account_id": None, "reason": "as agreed"}
    scope |= {name: over.pop(name) for name in names if name in over}
    return limit_set(lead, over, **scope)


def refusal(place: Place, **over: Any) -> str:
    with pytest.raises(DeskError) as refused:
        intent_submit(place.trader, make_ticket(place, **over))
    return refused.value.code


@pytest.fixture
def markets(place: Place) -> None:
    make_market(ticker=OTHER)
    make_market(ticker=ODD)
    make_market(ticker="KXHIGHNYC-26NOV22-T60", series_ticker="KXHIGHNYC")


@pytest.mark.parametrize(
    ("scope", "meant"),
    [
        ({"ticker": TICKER}, {TICKER}),
        ({"series": "KXHIGHNY"}, {TICKER, OTHER, ODD}),
        ({}, {TICKER, OTHER, ODD, "KXHIGHNYC-26NOV22-T60"}),
    ],
)
def test_a_row_holds_in_its_markets_alone(
    place: Place, lead: Actor, markets: None, scope: dict[str, str], meant: set[str]
) -> None:
    rule(lead, max_count=Decimal(5), **scope)

    held = {
        ticker
        for ticker in (TICKER, OTHER, ODD, "KXHIGHNYC-26NOV22-T60")
        if limits_of(
            place.desk.pk,
            user_id=place.trader.user_id,
            account_id=place.account.pk,
            environment="paper",
            tickers=(ticker,),
        )["max_count"]
        == 5
    }

    assert held == meant


def test_a_narrower_row_never_widens_a_wider_one(place: Place, lead: Actor) -> None:
    rule(lead, max_count=Decimal(5))
    rule(lead, max_count=Decimal(500), ticker=TICKER, user_id=place.trader.user_id)

    assert refusal(place, count=Decimal(6)) == "limit_max_count"


def test_what_is_counted_is_counted_within_the_series_or_market(place: Place, lead: Actor, markets: None) -> None:
    now = utc_now()
    make_order(place, intent=make_intent(place, created_at=now), remaining_count=Decimal(30))
    make_order(
        place,
        ticker=ODD,
        intent=make_intent(place, created_at=now, ticker=ODD),
        remaining_count=Decimal(20),
    )
    make_order(
        place,
        ticker="KXHIGHNYC-26NOV22-T60",
        intent=make_intent(place, created_at=now, ticker="KXHIGHNYC-26NOV22-T60"),
        remaining_count=Decimal(400),
    )
    rule(lead, max_open_contracts=Decimal(60), orders_per_minute=9, series="KXHIGHNY")
    rule(lead, max_open_contracts=Decimal(39), ticker=TICKER)

    uses = {
        (one.name, one.within): one.use
        for one in limits_use(place.trader, make_ticket(place), account=place.account, now=now + timedelta(seconds=1))
    }

    assert uses["max_open_contracts", "in KXHIGHNY"] == 60
    assert uses["orders_per_minute", "in KXHIGHNY"] == 3
    assert uses["max_open_contracts", f"in {TICKER}"] == 40
    assert uses["max_open_contracts", ""] == 460
    assert refusal(place) == "limit_max_open_contracts"
    bars = next(one["bars"] for one in use_of_everybody(place.trader, place.account, now=now))
    shown = {bar.label: bar.use for bar in bars}
    assert shown["Open contracts in KXHIGHNY"] == "50"
    assert shown[f"Open contracts in {TICKER}"] == "30"


def test_the_sender_checks_a_market_again(place: Place, lead: Actor, exchange: ScriptedExchange) -> None:
    intent = intent_submit(place.trader, make_ticket(place))
    rule(lead, max_notional=Decimal(1), ticker=TICKER)

    intent_send(intent.pk)

    intent.refresh_from_db()
    assert (intent.state, intent.error_code) == (State.REFUSED, "limit_max_notional")
    assert exchange.sent("POST") == []


def test_scopes_cost_one_statement_and_the_loss_one_read(
    place: Place, lead: Actor, django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.orders.services.quotes.QuotesAsked.quotes", lambda asked: None)
    ticket, now = make_ticket(place), utc_now()
    with django_assert_num_queries(2):
        limits_use(place.trader, ticket, account=place.account, now=now)
    rule(lead, max_open_contracts=Decimal(60), series="KXHIGHNY")
    rule(lead, max_open_contracts=Decimal(60), ticker=TICKER)
    with django_assert_num_queries(2):
        limits_use(place.trader, ticket, account=place.account, now=now)

    rule(lead, max_daily_loss=Decimal(100))
    result(place, "-1")
    with django_assert_num_queries(3):
        limits_use(place.trader, ticket, account=place.account, now=now)


@pytest.mark.parametrize(
    ("scope", "field"),
    [
        ({"series": "KXNONE"}, "place"),
        ({"ticker": "KXNONE-1"}, "place"),
        ({"series": "KXHIGHNY", "ticker": TICKER}, "ticker"),
        ({"ticker": TICKER, "max_daily_loss": Decimal(5)}, "max_daily_loss"),
        ({"reason": "  "}, "reason"),
        ({"loss_if_stale": "perhaps"}, "loss_if_stale"),
    ],
)
def test_what_cannot_be_a_scope_is_refused(place: Place, lead: Actor, scope: dict[str, Any], field: str) -> None:
    with pytest.raises(DeskError) as refused:
        rule(lead, **{"max_count": Decimal(5)} | scope)

    assert field in refused.value.fields
    assert not RiskLimit.objects.exists()


def test_every_change_is_kept_with_its_reason(place: Place, lead: Actor) -> None:
    row = rule(lead, max_count=Decimal(5), reason="a new market", ticker=TICKER)
    rule(lead, max_count=Decimal(7), reason="it is liquid", ticker=TICKER)
    limit_remove(lead, row.pk, reason="it is over")

    kept = [(one.before.get("max_count"), one.after.get("max_count"), one.reason) for one in LimitChange.objects.all()]
    assert kept == [(None, "5", "a new market"), ("5", "7", "it is liquid"), ("7", None, "it is over")]
    trail = AuditEntry.objects.filter(action__startswith="orders.limit.").order_by("pk")
    assert [entry.data["reason"] for entry in trail] == ["a new market", "it is liquid", "it is over"]
    page = client_as(place, "viewer").get("/orders/limits/").content.decode()
    for words in ("a new market", "it is liquid", "it is over", TICKER):
        assert words in page


def test_a_lead_sets_the_limits_of_a_series_on_the_page(place: Place) -> None:
    form = {"kind": "series", "place": "kxhighny", "max_count": "5", "reason": "thin books", "max_open_quotes": "3"}
    browser = client_as(place, "lead")

    wrong = browser.post("/orders/limits/set/", form | {"kind": "all"})
    browser.post("/orders/limits/set/", form)

    assert "Choose series or market beside it." in wrong.content.decode()
    row = RiskLimit.objects.get()
    assert (row.series, row.ticker, row.max_count, row.max_open_quotes) == ("KXHIGHNY", "", 5, 3)
    assert 'value="KXHIGHNY"' in browser.get(f"/orders/limits/?edit={row.pk}").content.decode()


def test_the_nearest_limit_is_the_one_with_the_largest_share(place: Place, lead: Actor) -> None:
    rule(lead, max_count=Decimal(100), max_notional=Decimal(10))

    nearest = nearest_of(limits_use(place.trader, make_ticket(place), account=place.account, now=utc_now()))

    assert nearest is not None
    assert (nearest.name, nearest.share) == ("max_notional", 560)


# --- the day's loss -----------------------------------------------------------------------------------


def result(place: Place, dollars: str | None, *, user_id: int | None = None, at: datetime | None = None) -> DayResult:
    at = at or utc_now()
    return day_result_store(
        place.account,
        user_id=user_id,
        day=trading_day(at),
        result=None if dollars is None else Decimal(dollars),
        as_of=at,
        why_unknown="" if dollars else "an open position has no price",
    )


def holds(place: Place, contracts: str) -> None:
    now = utc_now()
    Balance.objects.create(account=place.account, cash=Decimal(1000), seen_at=now)
    Position.objects.create(
        account=place.account, ticker=TICKER, position=Decimal(contracts), seen_at=now, source="rest"
    )


def test_past_the_days_loss_only_what_reduces_passes(place: Place, lead: Actor, exchange: ScriptedExchange) -> None:
    rule(lead, max_daily_loss=Decimal(100))
    holds(place, "15")
    result(place, "-99.99")
    before = intent_submit(place.trader, make_ticket(place))

    result(place, "-100")

    assert refusal(place) == "limit_max_daily_loss"
    intent_send(before.pk)
    before.refresh_from_db()
    assert (before.state, before.error_code) == (State.REFUSED, "limit_max_daily_loss")
    reduces: dict[str, Any] = {"side": "sell_yes", "price": Decimal("0.50")}
    closing = intent_submit(place.trader, make_ticket(place, **reduces))
    assert refusal(place, **reduces) == "limit_max_daily_loss"  # with the one that waits it would turn the position
    intent_send(closing.pk)
    closing.refresh_from_db()
    assert closing.state == State.ACKED


def test_the_leads_are_told_once_of_each_limit_that_is_passed(place: Place, lead: Actor) -> None:
    rule(lead, max_daily_loss=Decimal(100))
    rule(lead, max_daily_loss=Decimal(200), account_id=place.account.pk)
    for dollars in ("-50", "-100", "-120", "-90", "-130", "-200", "-210"):
        result(place, dollars)

    told = Notice.objects.filter(user_id=lead.user_id, kind="limit.loss").order_by("pk")
    assert [("limit is $100" in one.text, "limit is $200" in one.text) for one in told] == [
        (True, False),
        (False, True),
    ]
    assert AuditEntry.objects.filter(action="orders.limit.loss_reached").count() == 2


@pytest.mark.parametrize(("policy", "is_refused"), [("refuse", True), ("allow", False)])
@pytest.mark.parametrize("kind", ["never", "old", "unknown", "yesterday"])
def test_a_result_that_is_not_known_is_said_and_the_policy_holds(
    place: Place, lead: Actor, policy: str, is_refused: bool, kind: str
) -> None:
    rule(lead, max_daily_loss=Decimal(100), loss_if_stale=policy)
    if kind == "old":
        result(place, "-5", at=utc_now() - TRUSTED_FOR - timedelta(seconds=1))
    elif kind == "unknown":
        result(place, None)
    elif kind == "yesterday":
        result(place, "-5")
        DayResult.objects.update(day=trading_day(utc_now()) - timedelta(days=1))

    uses = limits_use(place.trader, make_ticket(place), account=place.account, now=utc_now())

    loss = next(one for one in uses if one.name == "max_daily_loss")
    assert loss.use is None
    assert "not known" in loss.text
    assert loss.is_kept is not is_refused
    if is_refused:
        assert refusal(place) == "limit_max_daily_loss"
    else:
        assert intent_submit(place.trader, make_ticket(place)).state == State.COMMITTED


def test_a_persons_own_loss_stops_that_person_alone(place: Place, lead: Actor) -> None:
    other = actor_of(make_person(place.desk, "trader"))
    rule(lead, max_daily_loss=Decimal(10), user_id=place.trader.user_id)
    result(place, "-11", user_id=place.trader.user_id)

    assert refusal(place) == "limit_max_daily_loss"
    assert intent_submit(other, make_ticket(place)).state == State.COMMITTED
