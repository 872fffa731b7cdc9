"""What events are about: kept from the in-process paper exchange, and shown live."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.core.cache import cache

from apps.core import ports
from apps.core.permissions import Permission
from apps.core.timestamps import from_unix_ms
from apps.core.topics import TopicName
from apps.exchange import live
from apps.exchange.wire.api.milestones import get_game_stats, get_live_data, get_milestones
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.free_json import ITEMS, TEXT, bounded, bounded_object
from apps.markets import milestone_live, services
from apps.markets.game_words import live_frame, plays_of, type_words
from apps.markets.milestone_pages import milestones_of
from apps.markets.models import Event, Milestone, MilestoneEvent
from apps.markets.services.milestones import FULL_EVERY, WINDOW, MilestonesSync
from apps.paper.testing import InProcessPaper
from apps.paper.world.games import game_at
from apps.paper.world.milestones import Milestone as Occurrence
from apps.paper.world.milestones import milestone_of
from tests.paper.world import list_template
from tests.support.people import client_of, make_account, make_desk, make_person

pytestmark = pytest.mark.django_db
MINUTE_MS = 60_000
BEGIN_MS = 496_000 * 60 * MINUTE_MS + 10 * MINUTE_MS  # ten minutes past an hour, whatever the time is
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def nothing_from_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr(live, "_outage", live._Outage())


class World:
    """A paper exchange in the middle of a basketball game, with a meeting that is weeks away."""

    def __init__(self) -> None:
        self.paper = InProcessPaper(now_ms=BEGIN_MS)
        exchange = self.paper.exchange
        self.game = list_template(exchange, "KXCITYBALL").event.ticker
        self.meeting = list_template(exchange, "KXFED").event.ticker
        self.inflation = list_template(exchange, "KXCPIYOY").event.ticker
        self.paper.clock.step(self.occurrence.start_ms + 40 * MINUTE_MS - self.now_ms)
        self.client = ExchangeClient([self.paper.base_url], None, None, transport=self.paper.transport)

    @property
    def now_ms(self) -> int:
        return self.paper.clock.now_ms()

    @property
    def occurrence(self) -> Occurrence:
        found = milestone_of(self.paper.exchange, self.game)
        assert found is not None
        return found

    def sync(self, **over: Any) -> MilestonesSync:
        return services.milestones_sync("paper", client=self.client, now=from_unix_ms(self.now_ms), **over)

    def row(self, event: str) -> Milestone:
        return Milestone.objects.get(links__event_ticker=event, links__is_primary=True)


@pytest.fixture
def world() -> World:
    return World()


def answering(*bodies: Any) -> ExchangeClient:
    """A client that gets these answers, the last one again and again."""
    left = list(bodies)

    def answer(request: httpx.Request) -> httpx.Response:
        body = left.pop(0) if len(left) > 1 else left[0]
        return body if isinstance(body, httpx.Response) else httpx.Response(200, json=body)

    return ExchangeClient(["http://x.test"], None, None, transport=httpx.MockTransport(answer))


# --- the catalogue of them -------------------------------------------------------------------


def test_milestones_are_kept_with_their_events_and_only_changes_are_written(world: World) -> None:
    first = world.sync()

    row = world.row(world.game)
    assert (first.is_full, first.seen, first.written) == (True, 3, 3)
    assert (row.type, row.category, row.milestone_id) == (
        "basketball_game",
        "Sports",
        world.occurrence.milestone_id,
    )
    assert row.starts_at == from_unix_ms(world.occurrence.start_ms)
    assert row.ends_at == from_unix_ms(world.occurrence.end_ms or 0)
    assert row.details["home_team_name"] == (world.occurrence.sides or ("",))[0]
    links = MilestoneEvent.objects.filter(milestone=world.row(world.inflation))
    assert set(links.values_list("event_ticker", "is_primary")) == {(world.inflation, True), (world.meeting, False)}

    again = world.sync()
    assert (again.is_full, again.written, again.removed) == (False, 0, 0)


def test_a_change_is_read_by_its_time_and_what_is_listed_no_more_goes(world: World) -> None:
    world.sync()
    event = world.paper.exchange.events[world.meeting]
    world.paper.clock.step(5 * MINUTE_MS)
    event.title, event.updated_ms = "Another title", world.now_ms
    changes = world.sync()
    assert (changes.is_full, changes.seen, changes.written) == (False, 1, 1)
    assert world.row(world.meeting).title == "Another title"

    Milestone.objects.create(environment="paper", milestone_id="gone", starts_at=from_unix_ms(world.now_ms))
    over = Milestone.objects.create(
        environment="paper", milestone_id="old", starts_at=from_unix_ms(world.now_ms) - WINDOW - timedelta(days=1)
    )
    MilestoneEvent.objects.create(milestone=over, environment="paper", event_ticker="KXOLD")
    world.paper.clock.step(int(FULL_EVERY.total_seconds() * 1000))
    full = world.sync()
    assert (full.is_full, full.removed) == (True, 2)
    assert Milestone.objects.count() == 3
    assert not MilestoneEvent.objects.filter(event_ticker="KXOLD").exists()


def test_one_odd_milestone_hides_no_other_and_an_empty_list_removes_nothing(world: World) -> None:
    world.sync()
    good = {
        "id": "m-1",
        "type": "a_newer_word",
        "title": "x" * 900 + "\x00",
        "start_date": "soon",
        "primary_event_tickers": ["KXA-1", 7, "KXA-1"],
        "related_event_tickers": None,
        "details": {"deep": [[[[[["x"]]]]]], "huge": 10**400, "text": "y" * 9_000},
        "a_field_of_tomorrow": {"x": 1},
    }
    rows = [7, {"id": 7}, {"id": ""}, {"id": "z" * 200, "primary_event_tickers": ["KXA-1"]}, good]
    client = answering({"milestones": rows, "cursor": "next"}, {"milestones": None, "cursor": None})
    services.milestones_sync("demo", client=client)

    row = Milestone.objects.get(environment="demo")
    assert (row.milestone_id, row.starts_at, len(row.title)) == ("m-1", None, 400)
    assert len(json.dumps(row.details)) < 1_000
    assert list(row.links.values_list("event_ticker", flat=True)) == ["KXA-1"]

    empty = answering({"milestones": []})
    now = from_unix_ms(world.now_ms)
    assert services.milestones_sync("paper", client=empty, is_full=True, now=now).removed == 0
    assert Milestone.objects.filter(environment="paper").count() == 3


def test_free_json_is_cut_to_a_size() -> None:
    deep: Any = "end"
    for _ in range(200):
        deep = {"more": deep}
    wide = {f"n{number}": "x" * 10_000 for number in range(10_000)}

    assert bounded({"a": [1, 2.5, None, True, "é"]}) == ({"a": [1, 2.5, None, True, "é"]}, False)
    assert bounded(deep)[1] is True
    found, has_cut = bounded_object(wide)
    assert (len(found), len(found["n0"]), has_cut) == (ITEMS, TEXT, True)
    assert len(json.dumps(bounded([[["x"] * 100] * 100] * 100)[0])) < 50_000
    assert bounded_object(["not", "an", "object"]) == ({}, False)
    assert bounded({"n": float("inf"), "m": float("nan")}) == ({"n": None, "m": None}, True)


# --- live data -------------------------------------------------------------------------------


def test_live_data_are_read_once_for_all_and_published_as_whole_frames(world: World, live_redis: Any) -> None:
    world.sync()
    game, meeting = world.row(world.game), world.row(world.meeting)
    ids = [game.milestone_id, meeting.milestone_id, "nobody-knows-it"]

    read = milestone_live.live_data_publish("paper", ids, client=world.client, now_ms=1_000)

    found = live.state_read(str(TopicName("milestone", "paper", game.milestone_id)))
    assert found is not None
    frame, now = found[1], game_at(world.occurrence, now_ms=world.now_ms)
    assert read == 2
    assert (frame["read_ms"], frame["has_live"], frame["phase"], frame["status"]) == (1_000, True, "live", "live")
    assert [one["score"] for one in frame["sides"]] == [str(now.home), str(now.away)]
    assert [one["name"] for one in frame["sides"]] == list(world.occurrence.sides or ())
    assert frame["period"] == f"Quarter {now.period}"
    assert sum(int(one[1]) for one in frame["periods"]) == now.home
    assert frame["source_ms"] == world.now_ms // 1000 * 1000
    assert "scores" in frame["last"]
    assert not any("id" in name.split() for name, _ in frame["facts"])
    nothing = live.state_read(str(TopicName("milestone", "paper", meeting.milestone_id)))
    assert nothing is not None
    assert nothing[1] == {"read_ms": 1_000, "why": "", "has_live": False}
    assert live.state_read("milestone:paper:nobody-knows-it") is None

    # The exchange falls silent: the last frame stays, with its time, and says why.
    silent = answering(httpx.Response(503, json={"error": {"code": "down", "message": "maintenance"}}))
    assert milestone_live.live_data_publish("paper", ids, client=silent, now_ms=9_000) == 0
    stale = live.state_read(str(TopicName("milestone", "paper", game.milestone_id)))
    assert stale is not None
    assert (stale[1]["read_ms"], stale[1]["sides"]) == (1_000, frame["sides"])
    assert "503" in stale[1]["why"]


def test_what_is_watched_is_told_by_the_hub_and_forgotten_after_a_while(live_redis: Any) -> None:
    names = {
        "milestone:paper:m-1": 100_000,
        "milestone:demo:m-2": 100_000,
        "milestone:paper:m-0": 84_999,
    }
    live.redis_client().zadd(live.INTEREST, names)

    assert milestone_live.milestones_watched(now_ms=100_000) == {"paper": ["m-1"], "demo": ["m-2"]}
    topic = ports.topics["milestone"]
    assert (topic.permission, topic.mode, topic.is_on_demand) == (Permission.MARKET_VIEW, "whole", True)


def test_a_removed_milestone_leaves_no_frame_behind(world: World, live_redis: Any) -> None:
    world.sync()
    row = world.row(world.game)
    milestone_live.live_data_publish("paper", [row.milestone_id], client=world.client)
    Milestone.objects.filter(pk=row.pk).update(
        starts_at=from_unix_ms(world.now_ms) - 3 * WINDOW, ends_at=from_unix_ms(world.now_ms) - 2 * WINDOW
    )
    world.sync()
    assert live.state_read(str(TopicName("milestone", "paper", row.milestone_id))) is None


# --- words -----------------------------------------------------------------------------------


def test_unknown_types_are_a_plain_list_and_hostile_text_stays_text() -> None:
    details = {
        "wind_speed": 12.5,
        "is_indoor": False,
        "venue": HOSTILE,
        "venue_id": "2ef4d31c",
        "nested": {"first": 1, "list": [1, 2]},
        "as_of_ts": 1_780_000_000,
        "nothing": None,
        "leaderboard": [{"player_id": "p", "name": "A", "to_par": -4}, {"name": "B", "to_par": -3, "x": []}],
    }
    frame = live_frame("surf_contest", details, about={})

    assert frame["facts"] == [
        ["Wind speed", "12.5"],
        ["Is indoor", "no"],
        ["Venue", HOSTILE],
        ["Nested first", "1"],
        ["As of time", "28 May 2026 20:26 UTC"],
    ]
    assert frame["tables"] == [
        {"name": "Leaderboard", "columns": ["Name", "To par"], "rows": [["A", "-4"], ["B", "-3"]]}
    ]
    assert (frame["sides"], frame["phase"], frame["is_cut"]) == ([], "", False)
    assert type_words("surf_contest") == "Surf contest"


@pytest.mark.parametrize(
    ("kind", "details", "shown"),
    [
        ("football_game", {"home_score": 21, "away_score": 17, "quarter": 5, "possession": "away"}, ("Overtime", 1)),
        (
            "hockey_match",
            {"home_goals": 2, "away_goals": 2, "period": 5, "status": "in_progress"},
            ("Overtime 2", None),
        ),
        ("baseball_game", {"home_runs": 1, "away_runs": 0, "inning": 11, "outs": 2}, ("Inning 11", None)),
        ("soccer_tournament_multi_leg", {"home_points": 0, "away_points": 1, "half": 2}, ("Half 2", None)),
        ("tennis_match", {"home_sets": 1, "away_sets": 1, "set": 3, "serving": "T1"}, ("Set 3", 0)),
        ("esports_match", {"home_maps": 1, "away_maps": 0, "map": "Dust"}, ("Dust", None)),
        ("golf_tournament", {"round": 4, "status": "completed"}, ("Round 4", None)),
        ("political_race", {"precincts_pct": 42, "status": "called"}, ("", None)),
    ],
)
def test_known_games_show_their_figures(kind: str, details: dict[str, Any], shown: tuple[str, int | None]) -> None:
    about = {"home_team_id": "T1", "away_team_id": "T2", "home_team_name": "Home", "away_team_name": "Away"}
    frame = live_frame(kind, details, about=about if any(name.startswith("home") for name in details) else {})
    ball = [number for number, side in enumerate(frame["sides"]) if side["has_ball"]]
    assert (frame["period"], ball[0] if ball else None) == shown
    if kind == "baseball_game":
        assert frame["facts"] == [["Outs", "2"]]
    if kind == "political_race":
        assert (frame["facts"], frame["phase"]) == ([["Precincts %", "42"]], "over")


def test_scores_by_period_come_as_objects_or_as_two_lists() -> None:
    pairs = {"line_score": [{"home": 1, "away": 0}, {"home": 0, "away": 3}]}
    lists = {"home_period_scores": [1, 0], "away_period_scores": [0, 3]}
    expected = [["Inning 1", "1", "0"], ["Inning 2", "0", "3"]]
    assert live_frame("baseball_game", pairs, about={})["periods"] == expected
    assert live_frame("baseball_game", lists, about={})["periods"] == expected
    assert live_frame("baseball_game", {"home_x": [1], "away_x": [1, 2]}, about={})["periods"] == []


def test_plays_of_whatever_shape() -> None:
    odd: list[Any] = [None, {"events": None}, {"events": [7, {}, {"description": HOSTILE, "home_points": 10**5000}]}]
    assert plays_of("basketball_game", odd)[0] == {
        "period": "Quarter 3",
        "clock": "",
        "text": HOSTILE,
        "home": "",
        "away": "",
    }
    many = [{"events": [{"description": str(number)} for number in range(1_000)]}]
    assert [one["text"] for one in plays_of("x", many)][:2] == ["999", "998"]
    assert len(plays_of("x", many)) == 300


# --- pages -----------------------------------------------------------------------------------


def test_the_panel_links_the_events_of_the_catalogue_and_plays_come_on_demand(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.sync()
    for ticker in (world.inflation, world.game):
        Event.objects.create(environment="paper", ticker=ticker, series_ticker="KX", title=f"About {HOSTILE}")
    person = make_person(make_desk(), "viewer")
    make_account(person.memberships.get().desk)
    browser = client_of(person)

    assert milestones_of("paper", "KXNONE") == []
    panels = milestones_of("paper", world.meeting, now=from_unix_ms(world.now_ms))
    assert [one["row"].pk for one in panels] == [world.row(world.meeting).pk, world.row(world.inflation).pk]
    assert [link["ticker"] for link in panels[1]["links"]] == [world.inflation]

    html = browser.get(f"/markets/events/{world.game}/").content.decode()
    assert f'data-milestone="{world.occurrence.milestone_id}"' in html
    assert "Basketball game" in html
    assert "<img src=x" not in html

    monkeypatch.setattr(milestone_live, "environment_client", lambda environment: world.client)
    url = f"/markets/milestones/{world.occurrence.milestone_id}/plays.json"
    answer = browser.get(url).json()
    assert len(answer["plays"]) == len(game_at(world.occurrence, now_ms=world.now_ms).plays)
    assert browser.get("/markets/milestones/none/plays.json").status_code == 404
    cache.clear()
    monkeypatch.setattr(milestone_live, "environment_client", lambda environment: answering(httpx.Response(500)))
    assert browser.get(url).status_code == 502


def test_answers_that_are_no_answers(world: World) -> None:
    assert get_live_data(answering({"live_datas": None}), ["a"]) == {}
    assert get_live_data(answering({"live_datas": [7, {"type": "x"}]}), ["a"]) == {}
    assert get_game_stats(answering({}), "a").pbp is None
    refused = httpx.Response(404, json={"error": {"code": "not_found", "message": "no stats"}})
    assert get_game_stats(answering(refused), "a").pbp is None
    assert [row.id for row in get_milestones(world.client)] != []
