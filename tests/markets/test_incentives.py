"""Incentive programs: read in centi-cents, kept while they run or are to come, shown in words and lists."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from django.core.cache import cache

from apps.core.timestamps import format_rfc3339, from_unix_ms, utc_now
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError
from apps.markets import incentives, selectors, services, tasks
from apps.markets.models import IncentiveProgram
from tests.paper.day import PaperDay
from tests.support.catalogue import CatalogueExchange
from tests.support.people import client_of, make_account, make_desk, make_person

A, B = "KXRAIN-1-A", "KXRAIN-1-B"
DAY = timedelta(days=1)


class Programs(CatalogueExchange):
    """Two pages of programs, by their own cursor, of those whose status is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.add("KXRAIN", "KXRAIN-1", A, B)
        self.rows: list[dict[str, Any]] = []
        self.others["/incentive_programs"] = self._programs

    def say(self, name: str, ticker: str, starts: datetime, ends: datetime, **over: Any) -> None:
        self.rows.append(
            {
                "id": name,
                "market_id": "m",
                "market_ticker": ticker,
                "incentive_type": "liquidity",
                "incentive_description": "Resting <b>orders</b>",
                "start_date": format_rfc3339(starts),
                "end_date": format_rfc3339(ends),
                "period_reward": 1_200_000,
                "paid_out": False,
                "discount_factor_bps": 5_000,
                "target_size_fp": "1000.00",
                **over,
            }
        )

    def _programs(self, request: httpx.Request) -> httpx.Response:
        now, status = format_rfc3339(utc_now()), request.url.params["status"]
        assert status in ("active", "upcoming")
        rows = [row for row in self.rows if (row["start_date"] > now) is (status == "upcoming")]
        first = int(request.url.params.get("cursor") or 0)
        cursor = str(first + 1) if first + 1 < len(rows) else ""
        return httpx.Response(200, json={"incentive_programs": rows[first : first + 1], "next_cursor": cursor})


@pytest.fixture
def exchange(db: None) -> Iterator[Programs]:
    cache.clear()
    found = Programs()
    services.catalogue_sync("paper", client=found.client())
    yield found
    cache.clear()


def test_a_reward_is_in_centi_cents_and_said_in_words(exchange: Programs) -> None:
    now = utc_now().replace(microsecond=0)
    exchange.say("a", A, now - DAY, now + DAY)
    exchange.say("b", A, now + DAY, now + 2 * DAY, period_reward=1, target_size_fp=None, discount_factor_bps=None)
    exchange.say("c", B, now - DAY, now + DAY, incentive_type="volume", discount_factor_bps=1_250)
    exchange.say("", B, now - DAY, now + DAY)
    exchange.say("d", B, now - DAY, now + DAY, period_reward=-1)

    assert services.incentives_sync("paper", client=exchange.client()) == 3

    day = (now + DAY).strftime("%b %H:%M UTC")
    first, second = incentives.rewards_words("paper", A)
    assert first == (
        f"Liquidity reward: $120.00 for the period to {(now + DAY).day} {day}, target size 1,000, discount 50 %"
    )
    assert second.startswith(f"Liquidity reward: $0.0001 for the period from {(now + DAY).day} ")
    assert "target" not in second
    assert incentives.rewards_words("paper", B)[0].endswith("discount 12.5 %")
    assert incentives.rewards_now("paper", [A, B]) == {A: Decimal(120), B: Decimal(120)}
    assert incentives.rewards_words("demo", A) == []


def test_what_ended_or_is_listed_no_more_goes_and_a_failed_read_takes_nothing(exchange: Programs) -> None:
    now = utc_now()
    for name, ends in (("a", now + DAY), ("b", now + 2 * DAY)):
        exchange.say(name, A, now - DAY, ends)
    services.incentives_sync("paper", client=exchange.client())
    assert incentives.current("paper", now=now + DAY).count() == 1  # over by the clock, before anybody reads again

    working = exchange.others["/incentive_programs"]
    exchange.others["/incentive_programs"] = lambda request: httpx.Response(503)
    with pytest.raises(ExchangeError):
        services.incentives_sync("paper", client=exchange.client())
    assert IncentiveProgram.objects.count() == 2

    exchange.others["/incentive_programs"] = working
    del exchange.rows[0]
    assert services.incentives_sync("paper", client=exchange.client()) == 1
    assert IncentiveProgram.objects.get().exchange_id == "b"


def test_pages_say_it_and_the_list_filters_by_it(exchange: Programs) -> None:
    now = utc_now()
    exchange.say("a", A, now - DAY, now + DAY)
    exchange.say("b", B, now + DAY, now + 2 * DAY, period_reward=9_000_000)
    exchange.say("c", "KXGONE-1", now - DAY, now + 3 * DAY, period_reward=10_000, incentive_type="volume")
    services.incentives_sync("paper", client=exchange.client())
    desk = make_desk()
    make_account(desk)
    viewer = client_of(make_person(desk, "viewer"))

    def order(query: str) -> list[str]:
        answer = viewer.get(f"/markets/rewards/{query}")
        assert answer.status_code == 200
        return [row.program.exchange_id for row in answer.context["rows"]]

    assert "Liquidity reward: $120.00" in viewer.get(f"/markets/{A}/").content.decode()
    assert order("") == order("?sort=reward") == order("?sort=nonsense&kind=nonsense") == ["b", "a", "c"]
    assert order("?sort=-reward") == ["c", "a", "b"]
    assert order("?sort=market") == ["c", "a", "b"]
    assert order("?sort=ends") == ["a", "b", "c"]
    assert order("?kind=volume") == ["c"]
    assert "<b>orders" not in viewer.get("/markets/rewards/").content.decode()

    rows = viewer.get("/markets/rows.json?rewards=now").json()["rows"]
    assert [(row["ticker"], row["reward"]) for row in rows] == [(A, "120.0000")]
    every = {row["ticker"]: row["reward"] for row in viewer.get("/markets/rows.json").json()["rows"]}
    assert every == {A: "120.0000", B: None}
    assert viewer.get("/markets/rows.json?rewards=x").status_code == 400
    assert selectors.markets_list("demo", filters=selectors.MarketFilter(is_rewarded=True)).total == 0


def test_the_worker_reads_changes_of_fees_and_programs_now_and_then(
    exchange: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = [services.catalogue, services.collections, services.fee_changes, services.incentives]
    for module in clients:
        monkeypatch.setattr(module, "environment_client", lambda environment: exchange.client())
    for _ in range(2):
        tasks.catalogue_environment_sync("paper")  # no fee changes here: asked for again with the next pass
    exchange.others["/series/fee_changes"] = lambda request: httpx.Response(200, json={"series_fee_change_arr": []})
    for _ in range(3):
        tasks.catalogue_environment_sync("paper")

    paths = exchange.paths()
    assert paths.count("/incentive_programs") == 2  # upcoming and active, once
    assert paths.count("/series/fee_changes") == 3


def test_the_paper_exchange_is_understood(db: None, tmp_path: Any) -> None:
    with PaperDay(tmp_path, bots=False, markets=100) as day:
        now = from_unix_ms(day.clock.now_ms())
        told = [
            row
            for status in ("active", "upcoming")
            for row in day.get(f"/incentive_programs?limit=10000&status={status}")["incentive_programs"]
        ]
        reader = ExchangeClient(["http://paper.test"], None, None, day.transport, now_ms=day.clock.now_ms)
        assert services.incentives_sync("paper", client=reader, now=now) == len(told) > 0

    stored = {row.exchange_id: row for row in IncentiveProgram.objects.all()}
    for row in told:
        one = stored[row["id"]]
        assert one.reward * 10_000 == row["period_reward"]
        assert one.discount_bps == row["discount_factor_bps"]
        assert one.target_size == (Decimal(row["target_size_fp"]) if "target_size_fp" in row else None)
        assert (one.kind, one.market_ticker) == (row["incentive_type"], row["market_ticker"])
