"""The Overview page: what a first day is told to do, limits and their use, each source in words, by role."""

import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core.timestamps import utc_now
from apps.fix.models import FixSession
from apps.history.models import Discrepancy, ReconcileRun, SyncState
from apps.orders.models import Fill, Order
from apps.portfolio.models import Balance
from apps.vault.models import ApiKey
from apps.web.overview import standing
from tests.orders.conftest import TICKER, Place, commits, place, published
from tests.support.people import client_of, make_desk, make_person

__all__ = ["commits", "place", "published"]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_live_prices(monkeypatch: pytest.MonkeyPatch, published: Any) -> None:
    monkeypatch.setattr("apps.portfolio.figures_marks._published", lambda environment, tickers: {})
    monkeypatch.setattr("apps.exchange.live.heartbeat_ms", lambda environment: None)


def make_fill(place: Place) -> None:
    Fill.objects.create(
        account=place.account,
        trade_id="t-1",
        order_id_text="o-1",
        ticker=TICKER,
        book_side="bid",
        yes_price=Decimal("0.40"),
        count=Decimal(10),
        is_taker=True,
        fee=Decimal("0.17"),
        traded_at=utc_now(),
        seen_at=utc_now(),
        source="ws",
    )


def level_of(place: Place, name: str) -> tuple[str, str]:
    source = next(one for one in standing(place.trader, place.account)["health"] if one["name"] == name)
    return source["level"], source["text"]


def test_a_first_day_is_told_what_to_do_until_something_was_traded(place: Place) -> None:
    client = client_of(make_person(place.desk, "trader"))

    page = client.get("/overview/").content.decode()
    assert "What to do next" in page
    assert re.search(r"data-steps>", page)
    assert "Place the first order" in page

    make_fill(place)
    assert client.get("/overview/now.json").json()["steps"] == []
    assert re.search(r"data-steps hidden>", client.get("/overview/").content.decode())


def test_a_viewer_is_not_told_to_trade_or_to_add_keys(place: Place) -> None:
    page = client_of(make_person(place.desk, "viewer")).get("/overview/").content.decode()

    assert "Place the first order" not in page
    assert "/settings/vault/" not in page
    assert "Orders of the desk" in page


def test_a_desk_without_an_account_says_so_and_asks_for_one() -> None:
    client = client_of(make_person(make_desk(), "trader"))

    answer = client.get("/overview/")

    assert answer.status_code == 200
    assert "no exchange account yet" in answer.content.decode()
    assert client.get("/overview/now.json").status_code == 404


def test_limits_show_what_is_used_of_them(place: Place) -> None:
    Order.objects.create(
        account=place.account,
        order_id="o-1",
        ticker=TICKER,
        book_side="bid",
        price=Decimal("0.40"),
        initial_count=Decimal(30),
        remaining_count=Decimal(25),
        filled_count=Decimal(5),
        status=Order.Status.RESTING,
        created_at=utc_now(),
        seen_at=utc_now(),
        source="rest",
    )

    limits = {one["name"]: one for one in standing(place.trader, place.account)["limits"]}

    assert (limits["max_open_contracts"]["use"], limits["max_open_contracts"]["most"]) == (25, 100_000)
    assert limits["max_open_contracts"]["text"] == "25 of 100,000"
    assert limits["orders_per_minute"]["text"] == "0 of 600"
    assert limits["price_band"]["text"] == "at most 25¢"
    assert limits["max_notional"]["use"] is None


def test_a_key_is_well_when_it_works_or_when_answers_came_with_it(place: Place) -> None:
    assert level_of(place, "keys") == ("ok", "works")

    ApiKey.objects.update(status=ApiKey.Status.UNTESTED)
    assert level_of(place, "keys") == ("warning", "not tested yet")

    Balance.objects.create(account=place.account, subaccount=0, cash=1, portfolio_value=0, seen_at=utc_now())
    assert level_of(place, "keys")[0] == "ok"

    ApiKey.objects.update(status=ApiKey.Status.INVALID)
    assert level_of(place, "keys") == ("danger", "refused by the exchange")

    ApiKey.objects.all().delete()
    assert level_of(place, "keys")[0] == "danger"


def test_history_is_well_when_every_data_set_is_complete(place: Place) -> None:
    assert level_of(place, "history") == ("warning", "not read yet")

    now = utc_now()
    done = SyncState.objects.create(account=place.account, data_set="fills", status="done", covered_to=now)
    SyncState.objects.create(account=place.account, data_set="orders", status="running")
    assert level_of(place, "history") == ("warning", "1 of 2 data sets are complete")

    SyncState.objects.update(status="done", covered_to=now)
    assert level_of(place, "history") == ("ok", "2 data sets complete")

    SyncState.objects.filter(pk=done.pk).update(status="failed")
    assert level_of(place, "history")[0] == "warning"


def test_reconciliation_is_well_only_while_it_runs_and_finds_nothing(place: Place) -> None:
    assert level_of(place, "reconcile") == ("warning", "not compared yet")

    now = utc_now()
    run = ReconcileRun.objects.create(account=place.account, since=now, started_at=now, finished_at=now)
    assert level_of(place, "reconcile")[0] == "ok"

    ReconcileRun.objects.filter(pk=run.pk).update(finished_at=now - timedelta(minutes=6))
    assert level_of(place, "reconcile") == ("warning", "the last comparison is more than 5 minutes ago")

    moments = {"first_seen_at": now, "last_seen_at": now}
    Discrepancy.objects.create(
        account=place.account, subject="trade", key="t:o", kind="no_ledger", sides={"rest": {}}, **moments
    )
    assert level_of(place, "reconcile") == ("warning", "1 open difference between sources")


def test_fix_is_shown_once_a_session_is_wanted(place: Place) -> None:
    assert "fix" not in {one["name"] for one in standing(place.trader, place.account)["health"]}

    session = FixSession.objects.create(account=place.account, kind="dc", is_wanted=True, state="logged_on")
    assert level_of(place, "fix") == ("ok", "1 of 1 sessions logged on")

    FixSession.objects.filter(pk=session.pk).update(state="waiting")
    assert level_of(place, "fix")[0] == "warning"

    FixSession.objects.filter(pk=session.pk).update(state="halted")
    assert level_of(place, "fix") == ("danger", "0 of 1 sessions logged on, 1 stopped by themselves")


def test_the_page_carries_what_it_needs_before_the_first_frame(place: Place) -> None:
    page = client_of(make_person(place.desk, "viewer")).get("/overview/").content.decode()

    found = re.search(r'<script id="overview-data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    told = json.loads(found[1])
    assert set(told) == {"facts", "pnl", "standing"}
    assert told["pnl"]["total"]["fills"] == 0
