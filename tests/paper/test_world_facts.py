"""What the world tells besides markets: milestones, games, targets, incentives, fee changes, forecasts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.paper.engine.catalogue import Market
from apps.paper.engine.exchange import PaperExchange
from apps.paper.world.entities import structured_targets
from apps.paper.world.forecasts import ladder_of
from apps.paper.world.games import RULES, Game, game_at
from apps.paper.world.incentives import PAID_AFTER_MS, programs
from apps.paper.world.milestones import Milestone, milestone_of, milestones
from tests.paper.day import PaperDay
from tests.paper.engine.support import DAY_MS, NOON_MS, FixedClock, make_market
from tests.paper.world import list_template

MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperDay]:
    """The default world at noon, without bots."""
    with PaperDay(tmp_path_factory.mktemp("world"), bots=False) as running:
        yield running


def game_of(series: str, *, index: int) -> Milestone:
    exchange = PaperExchange(clock=FixedClock(), seed=1)
    listed = list_template(exchange, series, index=index)
    found = milestone_of(exchange, listed.event.ticker)
    assert found is not None
    return found


def settle(milestone: Milestone, winner: int | None) -> None:
    for number, market in enumerate(milestone.markets):
        market.status, market.result = "finalized", "yes" if number == winner else "no"


series = st.sampled_from(["KXNBAGAME", "KXEPLGAME"])


@settings(max_examples=60, deadline=None)
@given(series=series, index=st.integers(0, 500), winner=st.integers(0, 1), minutes=st.integers(0, 400))
def test_a_score_never_goes_back_and_ends_as_the_market_says(
    series: str, index: int, winner: int, minutes: int
) -> None:
    milestone = game_of(series, index=index)
    begin, end = milestone.start_ms, milestone.end_ms or 0
    at_ms = begin + minutes * MINUTE_MS // 2

    def at(now_ms: int) -> Game:
        return game_at(milestone, now_ms=now_ms)

    before, during, over = at(begin - 1), at(at_ms), at(end)
    later = at(at_ms + 5 * MINUTE_MS)
    sides = [market for market in milestone.markets if not market.ticker.endswith("-TIE")]
    settle(milestone, milestone.markets.index(sides[winner]))
    final = at(end)

    assert (before.status, before.plays) == ("scheduled", [])
    assert later.plays[: len(during.plays)] == during.plays
    assert over.status == "ended"
    assert final.plays[: len(over.plays)] == over.plays
    assert final.status == "final"
    assert (final.home > final.away) == (winner == 0)
    assert final.home != final.away
    # What the last moment brings is within reach: nobody wins from nowhere.
    assert len(final.plays) - len(over.plays) <= RULES[milestone.template.milestone].reach + 1
    assert sum(play.points for play in final.plays) == final.home + final.away


@pytest.mark.parametrize("index", range(8))
def test_a_drawn_match_ends_level_and_one_without_a_winner_is_abandoned(index: int) -> None:
    milestone = game_of("KXEPLGAME", index=index)
    tie = next(n for n, market in enumerate(milestone.markets) if market.ticker.endswith("-TIE"))
    settle(milestone, tie)
    drawn = game_at(milestone, now_ms=milestone.end_ms or 0)
    settle(milestone, None)

    assert (drawn.status, drawn.home) == ("final", drawn.away)
    assert game_at(milestone, now_ms=milestone.end_ms or 0).status == "abandoned"


def test_milestones_name_events_that_exist_and_come_with_them(day: PaperDay) -> None:
    listed = day.get("/milestones?limit=500")["milestones"]

    assert {row["type"] for row in listed} >= {"basketball_game", "soccer_tournament_multi_leg", "political_race"}
    for row in listed:
        assert set(row["primary_event_tickers"]) <= set(row["related_event_tickers"]) <= set(day.exchange.events)
        related = day.get(f"/milestones?limit=500&related_event_ticker={row['related_event_tickers'][-1]}")
        assert row in related["milestones"]
        assert day.get(f"/milestones/{row['id']}")["milestone"] == row
    (inflation,) = [row for row in listed if row["type"] == "one_off_milestone"]
    assert [ticker.split("-")[0] for ticker in inflation["related_event_tickers"]] == ["KXCPIYOY", "KXFED"]

    events = day.get("/events?with_milestones=true&series_ticker=KXNBAGAME")
    assert {row["type"] for row in events["milestones"]} == {"basketball_game"}
    assert "milestones" not in day.get("/events?series_ticker=KXNBAGAME")


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("category=Sports", lambda row: row["category"] == "Sports"),
        ("competition=EPL", lambda row: row["details"].get("league") == "EPL"),
        ("type=fomc_meeting", lambda row: row["type"] == "fomc_meeting"),
        ("minimum_start_date=2027-06-01T00:00:00Z", lambda row: row["start_date"] >= "2027-06-01"),
        (f"min_updated_ts={NOON_MS // 1000}", lambda row: False),
    ],
)
def test_milestone_filters(day: PaperDay, query: str, kept: Any) -> None:
    everything = day.get("/milestones?limit=500")["milestones"]

    found = day.get(f"/milestones?limit=500&{query}")["milestones"]

    assert found == [row for row in everything if kept(row)]
    assert len(found) < len(everything)


def test_structured_strikes_are_ids_of_targets(day: PaperDay) -> None:
    structured = [market for market in day.exchange.markets.values() if market.strike_type == "structured"]

    assert len(structured) > 20
    for market in structured:
        ((kind, identity),) = (market.custom_strike or {}).items()
        target = day.get(f"/structured_targets/{identity}")["structured_target"]
        assert (target["type"], target["name"]) == (kind, market.yes_sub_title)


def test_targets_are_found_by_type_competition_and_id_page_by_page(day: PaperDay) -> None:
    players = day.get("/structured_targets?type=basketball_player&page_size=2000")["structured_targets"]
    league = day.get("/structured_targets?competition=Pro Football&page_size=2000")["structured_targets"]
    two = day.get(f"/structured_targets?ids={players[0]['id']}&ids={league[0]['id']}")["structured_targets"]
    pages, cursor = [], ""
    while True:
        page = day.get(f"/structured_targets?page_size=30&cursor={cursor}")
        pages += page["structured_targets"]
        cursor = page["cursor"]
        if not cursor:
            break

    assert len(players) == 90
    assert {row["type"] for row in league} == {"football_team"}
    assert {row["id"] for row in two} == {players[0]["id"], league[0]["id"]}
    assert {row["id"] for row in pages} == set(structured_targets())
    assert len(pages) == len(structured_targets())


def test_search_follows_from_the_series(day: PaperDay) -> None:
    tags = day.get("/search/tags_by_categories")["tags_by_categories"]
    sports = day.get("/search/filters_by_sport")

    assert tags["Sports"] == ["Basketball", "Football", "Soccer"]
    assert set(sports["sport_ordering"]) == set(sports["filters_by_sports"]) == {"Basketball", "Football", "Soccer"}
    assert sports["filters_by_sports"]["Soccer"] == {"scopes": ["Game"], "competitions": {"EPL": {"scopes": ["Game"]}}}


def test_event_metadata_has_the_competition_and_every_market(day: PaperDay) -> None:
    event = next(event for event in day.exchange.events.values() if event.series_ticker == "KXNBAGAME")

    metadata = day.get(f"/events/{event.ticker}/metadata")

    assert (metadata["competition"], metadata["competition_scope"]) == ("Pro Basketball (M)", "Game")
    assert [row["market_ticker"] for row in metadata["market_details"]] == event.market_tickers
    assert metadata["settlement_sources"] == [{"name": "The league", "url": "https://www.nba.com/"}]


def test_programs_pass_from_upcoming_to_paid_out_by_the_clock() -> None:
    exchange = PaperExchange(clock=FixedClock(), seed=1)
    list_template(exchange, "KXFED")
    upcoming = [program for program in programs(exchange) if program.status(NOON_MS) == "upcoming"]
    program = upcoming[0]

    assert {p.status(NOON_MS) for p in programs(exchange)} >= {"upcoming", "active", "paid_out"}
    assert program.status(program.start_ms) == "active"
    assert program.status(program.end_ms) == "closed"
    assert program.status(program.end_ms + PAID_AFTER_MS) == "paid_out"
    assert all(p.end_ms <= p.market.close_ms and p.start_ms >= p.market.open_ms for p in programs(exchange))


def test_programs_are_of_real_markets_and_filtered(day: PaperDay) -> None:
    def found(query: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = day.get(f"/incentive_programs?{query}")["incentive_programs"]
        return rows

    everything = found("limit=10000")
    statuses = {word: found(f"limit=10000&status={word}") for word in ("active", "upcoming", "closed", "paid_out")}

    assert len(everything) == sum(map(len, statuses.values()))
    assert {row["incentive_type"] for row in found("type=volume")} == {"volume"}
    assert all(row["paid_out"] for row in statuses["paid_out"])
    assert not any(row["paid_out"] for row in statuses["closed"] + statuses["active"])
    for row in everything:
        assert day.exchange.markets[row["market_ticker"]].market_id == row["market_id"]
        assert UUID(row["id"])
    description = everything[0]["incentive_description"]
    assert {row["incentive_description"] for row in found(f"incentive_description={description}")} == {description}


def test_fee_changes_to_come_and_those_that_were(day: PaperDay) -> None:
    coming = day.get("/series/fee_changes")["series_fee_change_arr"]
    all_of_them = day.get("/series/fee_changes?show_historical=true")["series_fee_change_arr"]

    assert [row["series_ticker"] for row in coming] == ["KXGAS"]
    assert [row["series_ticker"] for row in all_of_them] == ["KXEVSALES", "KXGAS"]
    assert day.get("/series/KXEVSALES")["series"]["fee_type"] == "quadratic"
    assert day.get("/series/KXGAS")["series"]["fee_type"] == "quadratic"


def test_a_fee_change_takes_effect_at_its_time(tmp_path: Path) -> None:
    with PaperDay(tmp_path, bots=False, markets=100) as running:
        running.clock.step(11 * DAY_MS)

        assert running.get("/series/KXGAS")["series"]["fee_type"] == "quadratic_with_maker_fees"
        assert running.get("/series/fee_changes")["series_fee_change_arr"] == []


@pytest.mark.parametrize("series", ["KXHIGHNY", "KXFED", "KXGAS"])
def test_percentiles_rise_and_stand_where_prices_put_them(day: PaperDay, series: str) -> None:
    event = next(event for event in day.exchange.events.values() if event.series_ticker == series)
    now_s = NOON_MS // 1000
    asked = "&".join(f"percentiles={p}" for p in (500, 2_500, 5_000, 7_500, 9_500))
    with day.client("trader-1") as client:
        answers = {
            period: client.get(
                f"/series/{series}/events/{event.ticker}/forecast_percentile_history"
                f"?{asked}&start_ts={now_s - span}&end_ts={now_s}&period_interval={period}"
            )
            for period, span in ((0, 300), (1, 3_600), (60, 86_400), (1440, 5 * 86_400))
        }

    for period, answer in answers.items():
        history = answer.json()["forecast_history"]
        assert history
        assert [point["end_period_ts"] for point in history] == sorted({p["end_period_ts"] for p in history})
        for point in history:
            values = [row["raw_numerical_forecast"] for row in point["percentile_points"]]
            assert values == sorted(values)
            assert (point["period_interval"], point["event_ticker"]) == (period, event.ticker)
    middle = answers[60].json()["forecast_history"][-1]["percentile_points"][2]
    strikes = [m.floor_strike or m.cap_strike for m in day.exchange.markets.values() if m.event_ticker == event.ticker]
    low, high = min(filter(None, strikes)), max(filter(None, strikes))
    assert float(low) - float(high - low) <= middle["numerical_forecast"] <= float(high) + float(high - low)
    assert middle["formatted_forecast"].startswith("$") == (series == "KXGAS")


def _strike(number: int, floor: int | None, cap: int | None, kind: str) -> Market:
    return make_market(f"M-{number}", floor_strike=floor, cap_strike=cap, strike_type=kind)


def test_the_median_of_a_ladder_lies_between_the_strikes_around_one_half() -> None:
    above = ladder_of([_strike(n, floor, None, "greater") for n, floor in enumerate((10, 20, 30))])
    bands = ladder_of([_strike(0, None, 10, "less"), _strike(1, 10, 20, "between"), _strike(2, 20, None, "greater")])

    assert above is not None
    assert bands is not None
    assert above.percentile([0.9, 0.5, 0.1], 0.5) == pytest.approx(20)
    assert above.percentile([0.9, 0.6, 0.1], 0.5) == pytest.approx(22)
    assert bands.percentile([0.25, 0.5, 0.25], 0.5) == pytest.approx(15)
    assert ladder_of([_strike(0, None, None, "custom")]) is None


def test_prices_that_contradict_each_other_give_no_falling_percentiles() -> None:
    ladder = ladder_of([_strike(n, floor, None, "greater") for n, floor in enumerate((10, 20, 30, 40))])

    assert ladder is not None
    shares = [number / 20 for number in range(21)]
    values = [ladder.percentile([0.5, 0.7, 0.2, 0.4], share) for share in shares]
    assert values == sorted(values)


def test_the_milestones_of_a_state_that_was_taken_up_again_are_the_same(tmp_path: Path) -> None:
    def facts() -> list[Any]:
        with PaperDay(tmp_path, bots=False) as running:
            return [
                [(m.milestone_id, m.start_ms, m.related) for m in milestones(running.exchange)],
                [(p.program_id, p.start_ms) for p in programs(running.exchange)],
                running.get("/series/fee_changes?show_historical=true"),
            ]

    assert facts() == facts()
