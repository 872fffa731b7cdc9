"""The running figure behind limits of the day's loss: the portfolio's own figures, and one person's own trades."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core.timestamps import utc_now
from apps.orders.models import DayResult, Fill, RiskLimit
from apps.portfolio.day_results import day_results_record
from apps.portfolio.equity import equity_record
from apps.portfolio.figures_fold import figures_fold
from apps.portfolio.models import Balance, Position
from tests.orders.blotter import make_intent, make_order
from tests.orders.conftest import TICKER, Place

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)  # nine in the morning in New York

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_live_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.portfolio.figures_marks._published", lambda environment, tickers: {})
    monkeypatch.setattr("apps.exchange.live.heartbeat_ms", lambda environment: None)


def limit(place: Place, *, user_id: int | None = None) -> None:
    RiskLimit.objects.create(
        desk=place.desk,
        user_id=user_id,
        max_daily_loss=Decimal(100),
        set_by_id=place.viewer.user_id,
        set_at=utc_now(),
    )


def bought(place: Place, count: str, price: str, *, is_ours: bool = True, at: datetime = NOW) -> None:
    intent = make_intent(place, created_at=at) if is_ours else None
    order = make_order(place, is_ours=False, intent=intent, status="executed", remaining_count=Decimal(0))
    values: dict[str, Any] = {
        "account": place.account,
        "order": order,
        "trade_id": f"trade-{order.pk}",
        "order_id_text": order.order_id,
        "ticker": TICKER,
        "book_side": "bid",
        "yes_price": Decimal(price),
        "count": Decimal(count),
        "is_taker": True,
        "fee": Decimal("0.50"),
        "traded_at": at,
        "seen_at": at,
        "source": "ws",
    }
    Fill.objects.create(**values)


def quoted(place: Place, bid: str | None, ask: str | None) -> None:
    place.market.yes_bid, place.market.yes_ask = (None if one is None else Decimal(one) for one in (bid, ask))
    place.market.save()


def holds(place: Place, contracts: str, cost: str, *, seen_at: datetime) -> None:
    Balance.objects.update_or_create(account=place.account, defaults={"cash": Decimal(900), "seen_at": seen_at})
    Position.objects.update_or_create(
        account=place.account,
        ticker=TICKER,
        defaults={"position": Decimal(contracts), "cost": Decimal(cost), "seen_at": seen_at, "source": "rest"},
    )


def recorded(place: Place, *, now: datetime) -> list[tuple[int | None, Decimal | None, str]]:
    figures_fold(place.account.pk, now=now)
    equity_record(place.account.pk, now=now)
    day_results_record(place.account.pk, now=now)
    rows = DayResult.objects.order_by("pk")
    assert all(row.day == NOW.date() for row in rows)
    return [(row.user_id, row.result, row.why_unknown) for row in rows]


def test_an_account_has_what_was_gained_since_the_day_began(place: Place) -> None:
    limit(place)
    before = NOW - timedelta(hours=12)  # yesterday in New York
    bought(place, "100", "0.50", at=before)
    quoted(place, "0.39", "0.41")  # 100 contracts are 10 dollars down when the day begins
    holds(place, "100", "50", seen_at=before)
    equity_record(place.account.pk, now=before)
    quoted(place, "0.29", "0.31")
    holds(place, "100", "50", seen_at=NOW)

    assert recorded(place, now=NOW) == [(None, Decimal(-10), "")]
    assert DayResult.objects.get().as_of == NOW


def test_a_person_has_their_own_trades_of_today_and_nobody_elses(place: Place) -> None:
    limit(place, user_id=place.trader.user_id)
    bought(place, "10", "0.50", at=NOW - timedelta(days=1))
    bought(place, "10", "0.50")
    bought(place, "500", "0.90", is_ours=False)
    quoted(place, "0.39", "0.41")

    assert recorded(place, now=NOW + timedelta(seconds=1)) == [(place.trader.user_id, Decimal("-1.50"), "")]


def test_without_a_price_it_is_unknown_and_says_why(place: Place) -> None:
    limit(place)
    limit(place, user_id=place.trader.user_id)
    bought(place, "10", "0.50")
    quoted(place, None, None)
    holds(place, "10", "5", seen_at=NOW)

    assert recorded(place, now=NOW + timedelta(seconds=1)) == [
        (None, None, "an open position has no price"),
        (place.trader.user_id, None, f"{TICKER} has no price"),
    ]


def test_a_desk_without_such_a_limit_works_nothing_out(place: Place) -> None:
    holds(place, "10", "5", seen_at=NOW)

    assert recorded(place, now=NOW) == []
