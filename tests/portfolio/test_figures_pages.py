"""The Portfolio page, what its charts read, its CSV and a market's ledger, by role."""

import csv
import io
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.core.timestamps import utc_now
from apps.markets.models import Event
from apps.orders.models import Fill
from apps.portfolio.breaks import GRACE
from apps.portfolio.figures_refresh import figures_refresh
from apps.portfolio.models import Balance, Position
from tests.orders.conftest import TICKER, Place, make_market
from tests.support.people import client_of, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_live_prices(monkeypatch: pytest.MonkeyPatch, published: Any) -> None:
    monkeypatch.setattr("apps.portfolio.figures_marks._published", lambda environment, tickers: {})
    monkeypatch.setattr("apps.exchange.live.heartbeat_ms", lambda environment: None)


@pytest.fixture
def held(place: Place) -> Place:
    """Ten YES of one market at 40 cents, marked at 50; five NO of its sibling in subaccount 2 without a mark."""
    Event.objects.update(is_mutually_exclusive=True, category="Climate")
    place.market.yes_bid, place.market.yes_ask = Decimal("0.49"), Decimal("0.51")
    place.market.save()
    sibling = make_market(ticker="KXHIGHNY-26NOV22-T70", yes_sub_title="70 or above")
    for ticker, side, price, count, subaccount in (
        (TICKER, "bid", "0.40", "10", 0),
        (sibling.ticker, "ask", "0.30", "5", 2),
    ):
        Fill.objects.create(
            account=place.account,
            trade_id=f"t-{ticker}",
            order_id_text=f"o-{ticker}",
            subaccount=subaccount,
            ticker=ticker,
            book_side=side,
            yes_price=Decimal(price),
            count=Decimal(count),
            is_taker=True,
            fee=Decimal("0.17"),
            traded_at=utc_now(),
            seen_at=utc_now(),
            source="ws",
        )
        own = Decimal(price) if side == "bid" else 1 - Decimal(price)
        Position.objects.create(
            account=place.account,
            subaccount=subaccount,
            ticker=ticker,
            position=Decimal(count) if side == "bid" else -Decimal(count),
            cost=own * Decimal(count),
            fees_paid=Decimal("0.17"),
            total_traded=Decimal(1),
            seen_at=utc_now(),
            source="rest",
        )
        Balance.objects.create(
            account=place.account, subaccount=subaccount, cash=100, portfolio_value=5, seen_at=utc_now()
        )
    figures_refresh(place.account.pk)
    return place


def browser(place: Place, role: str) -> Client:
    return client_of(make_person(place.desk, role))


def rows_of(answer: Any) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_a_viewer_sees_all_figures_and_has_no_control(held: Place) -> None:
    page = browser(held, "viewer").get("/portfolio/").content.decode()

    assert TICKER in page
    assert "Locked by orders" in page
    for control in ("export.csv", "read-again"):
        assert control not in page


def test_an_analyst_has_the_csv(held: Place) -> None:
    assert "export.csv" in browser(held, "analyst").get("/portfolio/").content.decode()


def test_an_account_without_positions_says_so(place: Place) -> None:
    answer = browser(place, "viewer").get("/portfolio/")

    assert "No open position" in answer.content.decode()


def test_a_wrong_choice_shows_everything(held: Place) -> None:
    assert browser(held, "viewer").get("/portfolio/?sub=x").headers["Location"] == "/portfolio/"
    assert browser(held, "viewer").get("/portfolio/equity.json?sub=x").status_code == 404


def test_the_csv_has_what_is_chosen_with_marks_and_both_cases(held: Place) -> None:
    answer = browser(held, "analyst").post("/portfolio/export.csv", {"q": "", "sub": "", "flat": ""})

    first, second = rows_of(answer)
    assert (first["market"], first["side"], first["contracts"]) == (TICKER, "YES", "10.00")
    assert (first["cost_dollars"], first["value_dollars"], first["unrealised_dollars"]) == (
        "4.000000",
        "5.000000",
        "1.000000",
    )
    assert (first["mark_source"], first["mark_is_live"], second["mark_source"]) == ("mid", "no", "none")
    assert second["value_dollars"] == ""
    # Of two exclusive markets: the other one wins, or this one, or nobody.
    assert (first["event_worst_dollars"], first["event_best_dollars"]) == ("-7.500000", "7.500000")
    assert AuditEntry.objects.filter(action="portfolio.positions.exported").count() == 1


def test_the_csv_of_one_subaccount_has_that_one(held: Place) -> None:
    [row] = rows_of(browser(held, "analyst").post("/portfolio/export.csv", {"sub": "2"}))

    assert (row["subaccount"], row["side"]) == ("2", "NO")


def test_a_text_that_a_spreadsheet_would_run_is_a_text(held: Place) -> None:
    Event.objects.update(title="=HYPERLINK(1)")

    [row, _] = rows_of(browser(held, "analyst").post("/portfolio/export.csv", {}))

    assert row["event_title"] == "'=HYPERLINK(1)"


def test_the_charts_read_points_and_results(held: Place) -> None:
    client = browser(held, "viewer")

    points = client.get("/portfolio/equity.json?span=1w").json()["points"]
    results = client.get("/portfolio/results.json?span=1m").json()

    assert points[-1][1:] == ["210.0000", "200.0000", "10.0000"]
    first, last = (date.fromisoformat(results[name]) for name in ("first_day", "last_day"))
    assert (last - first).days == 30
    assert first <= date.fromisoformat(results["days"][0]["day"]) <= last
    assert results["days"][0]["fees"] == "0.3400"
    assert (results["events"][0]["event"], results["events"][0]["net"]) == ("KXHIGHNY-26NOV22", "-0.3400")


def test_facts_of_a_market_that_opened_meanwhile(held: Place) -> None:
    found = browser(held, "viewer").get(f"/portfolio/facts.json?ticker={TICKER}&ticker=KXNONE").json()

    assert list(found["markets"]) == [TICKER]
    assert found["events"]["KXHIGHNY-26NOV22"][2:] == ["Climate", True]


def test_a_ledger_shows_every_fill_and_both_sides(held: Place) -> None:
    page = browser(held, "viewer").get(f"/portfolio/market/{TICKER}/?sub=0").content.decode()

    assert "buy YES" in page
    assert "$4.00" in page
    assert "from 1 fill" in page


def test_a_difference_is_on_the_page_with_both_numbers(held: Place) -> None:
    Position.objects.filter(ticker=TICKER).update(position=Decimal(12))
    figures_refresh(held.account.pk, now=utc_now() - 2 * GRACE)

    page = browser(held, "analyst").get("/portfolio/").content.decode()

    assert "Fills are missing here" in page
    assert "read-again" in page


def test_other_desks_see_nothing_of_it(held: Place) -> None:
    from tests.support.people import make_desk

    stranger = client_of(make_person(make_desk("Other"), "analyst"))

    assert TICKER not in stranger.get("/portfolio/").content.decode()
    assert stranger.get("/portfolio/equity.json").status_code == 404


def test_reading_again_asks_the_workers(held: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr("apps.portfolio.figures_views.refresh_now", asked.append)

    browser(held, "analyst").post("/portfolio/read-again/")

    assert asked == [held.account.pk]


def test_positions_closed_within_a_day_come_when_asked_for(held: Place) -> None:
    Position.objects.filter(ticker=TICKER).update(position=0, cost=0, seen_at=utc_now() - timedelta(hours=2))
    client = browser(held, "viewer")

    open_page = client.get("/portfolio/").content.decode()
    all_page = client.get("/portfolio/?flat=yes").content.decode()

    assert f"market/{TICKER}/" not in open_page
    assert f"market/{TICKER}/" in all_page
