"""Announcements and the schedule: read, kept, shown over every page, and put away by one person."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from django.core.cache import cache

from apps.core.timestamps import format_rfc3339, utc_now
from apps.exchange import news, selectors, tasks
from apps.exchange.models import Announcement, ExchangeSchedule
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError
from apps.monitoring import health
from apps.paper.testing import InProcessPaper
from tests.support.people import client_of, make_account, make_desk, make_person

NASTY = "<script>alert(1)</script> & <b>all</b>"


@dataclass
class Exchange:
    """Answers the two reads; an int is a status without a body."""

    announcements: Any = field(default_factory=list)
    schedule: Any = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)

    def client(self) -> ExchangeClient:
        return ExchangeClient(["http://127.0.0.1:1"], None, None, httpx.MockTransport(self._handle))

    def _handle(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        self.paths.append(name)
        told = self.announcements if name == "announcements" else self.schedule
        return httpx.Response(told) if isinstance(told, int) else httpx.Response(200, json={name: told})

    def say(self, text: str, *, at: datetime, kind: str = "info", status: str = "active") -> None:
        self.announcements.append(
            {"type": kind, "message": text, "delivery_time": format_rfc3339(at), "status": status}
        )

    def plan(self, start: datetime, end: datetime) -> None:
        window = {"start_datetime": format_rfc3339(start), "end_datetime": format_rfc3339(end)}
        self.schedule = {"standard_hours": [], "maintenance_windows": [window]}

    def read(self, *, now: datetime | None = None) -> int:
        return news.announcements_sync("paper", client=self.client(), now=now)


@pytest.fixture
def exchange(db: None) -> Iterator[Exchange]:
    cache.clear()
    yield Exchange()
    cache.clear()


def test_what_is_announced_stands_over_every_page_until_one_puts_it_away(exchange: Exchange) -> None:
    now = utc_now()
    exchange.say(NASTY, at=now)
    exchange.say("Orders are slow.", at=now - timedelta(hours=2), kind="warning")
    exchange.say("Old news.", at=now - timedelta(days=2), status="inactive")
    exchange.read()
    desk = make_desk()
    make_account(desk)
    one, other = (client_of(make_person(desk, "viewer")) for _ in range(2))

    page = one.get("/markets/").content.decode()
    assert page.index("Orders are slow.") < page.index("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;")
    assert NASTY not in page
    assert "Old news." not in page
    news_page = one.get("/exchange/").content.decode()
    assert "Old news." in news_page
    assert NASTY not in news_page

    key = Announcement.objects.get(kind="warning").digest
    assert one.post("/exchange/put-away/", {"key": key}).status_code == 204
    assert "Orders are slow." not in one.get("/markets/").content.decode()
    assert "alert(1)" in one.get("/markets/").content.decode()
    assert "Orders are slow." in other.get("/markets/").content.decode()
    # Still told as known, so that the live page does not bring it up as news.
    assert key in one.get("/markets/").context["frame"]["data"]["news_seen"]
    assert one.post("/exchange/put-away/", {"key": "x" * 64}).status_code == 400


def test_what_was_never_read_is_not_called_nothing(exchange: Exchange) -> None:
    desk = make_desk()
    make_account(desk)
    one = client_of(make_person(desk, "viewer"))

    before = one.get("/exchange/").content.decode()
    news.announcements_sync("paper", client=exchange.client())
    news.schedule_sync("paper", client=exchange.client())
    after = one.get("/exchange/").content.decode()

    assert before.count("Not read yet") == 3
    assert not {words for words in ("announces nothing", "None is planned") if words in before}
    assert {words for words in ("announces nothing", "None is planned", "read ") if words in after} == {
        "announces nothing",
        "None is planned",
        "read ",
    }
    assert "Not read yet" not in after


def test_what_is_listed_no_more_or_not_yet_delivered_is_not_shown(exchange: Exchange) -> None:
    now = utc_now()
    exchange.say("Now.", at=now)
    exchange.say("Tomorrow.", at=now + timedelta(days=1))
    exchange.say("", at=now)
    exchange.announcements.append({"type": "info", "message": "When?", "delivery_time": "soon", "status": "active"})
    assert exchange.read(now=now) == 2
    assert [one.text for one in news.notices("paper", now=now)] == ["Now."]
    assert news.notices("demo", now=now) == []

    exchange.announcements.clear()
    exchange.read(now=now + timedelta(minutes=1))
    assert news.notices("paper", now=now) == []
    assert Announcement.objects.count() == 2


def test_texts_are_bounded_and_so_is_what_is_kept(exchange: Exchange) -> None:
    now = utc_now()
    for number in range(news.KEPT_AT_MOST + 20):
        exchange.say(f"{number} " + "x" * 9_000, at=now - timedelta(hours=number), kind="warning" * 9)

    assert exchange.read(now=now) == news.KEPT_AT_MOST
    later = now + timedelta(minutes=1)
    del exchange.announcements[:50]
    exchange.read(now=later)

    assert Announcement.objects.count() == news.KEPT_AT_MOST
    shown = news.notices("paper", now=now)
    assert len(shown) == news.SHOWN_AT_MOST
    assert {len(one.text) for one in shown} == {news.TEXT_AT_MOST}
    assert shown[0].text.startswith("50 ")
    assert len(selectors.status_frame("paper")["news"][0]["text"]) == news.TOLD_AT_MOST


def test_a_read_that_fails_forgets_nothing_but_an_edition_without_announcements_has_none(exchange: Exchange) -> None:
    exchange.say("Now.", at=utc_now())
    exchange.read()
    exchange.announcements = 503
    with pytest.raises(ExchangeError):
        exchange.read()
    assert len(news.notices("paper")) == 1

    exchange.announcements = 404
    exchange.read()
    assert news.notices("paper") == []


def test_maintenance_is_said_an_hour_ahead_over_the_page_in_the_bar_and_to_the_health(exchange: Exchange) -> None:
    now = utc_now()
    desk = make_desk()
    make_account(desk)
    exchange.plan(now + timedelta(minutes=41, seconds=30), now + timedelta(hours=3))
    news.schedule_sync("paper", client=exchange.client())

    page = client_of(make_person(desk, "trader")).get("/markets/").content.decode()
    assert re.search(r"Maintenance from .* ET .*, in \d+ min\.", page)
    assert "data-put-away" not in page  # it cannot be put away
    frame = selectors.status_frame("paper")
    assert frame["maintenance"]["start"] == format_rfc3339(now + timedelta(minutes=41, seconds=30))
    assert frame["hours_open"] is None
    parts = {part.name: part for part in health.parts(desk.pk, now=now)}
    assert parts["announcement_maintenance_paper"].level == "warning"

    exchange.plan(now + timedelta(hours=2), now + timedelta(hours=3))
    news.schedule_sync("paper", client=exchange.client())
    assert selectors.status_frame("paper")["maintenance"] is None
    assert not any("announcement" in part.name for part in health.parts(desk.pk, now=now))


def test_the_worker_reads_announcements_each_time_and_the_schedule_now_and_then(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_account(make_desk())
    monkeypatch.setattr(news.clients, "environment_client", lambda environment: exchange.client())
    exchange.schedule = 503
    tasks.news_sync()
    exchange.schedule = {"standard_hours": [], "maintenance_windows": []}
    for _ in range(3):
        tasks.news_sync()

    assert exchange.paths.count("announcements") == 4
    assert exchange.paths[:4] == ["announcements", "schedule", "announcements", "schedule"]  # again after a failure
    assert exchange.paths.count("schedule") == 2
    assert ExchangeSchedule.objects.get().environment == "paper"


def test_the_paper_exchange_is_understood(db: None) -> None:
    paper = InProcessPaper()
    paper.exchange.keep_maintenance("trading")
    reader = ExchangeClient([paper.base_url], None, None, paper.transport, now_ms=paper.clock.now_ms)

    news.announcements_sync("paper", client=reader)
    news.schedule_sync("paper", client=reader)

    assert any("paper exchange" in one.message for one in news.announcements_of("paper"))
    schedule = news.schedule_of("paper")
    assert schedule is not None
    assert news.hours_now(schedule, utc_now()).is_open is not None
    assert len(schedule.maintenance_windows or []) == 4
