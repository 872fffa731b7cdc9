"""Milestones, live data, structured targets, search, incentives, fee changes, forecasts, event metadata."""

from apps.paper.world.listing import DAY_MS
from apps.paper.world.milestones import milestone_id
from tests.paper.server.contract.world import Ask, World
from tests.paper.world import list_template

TARGETS = "/structured_targets"
FORECAST = "/series/{series_ticker}/events/{ticker}/forecast_percentile_history"
ASKED = "/series/KXHIGHNY/events/{weather}/forecast_percentile_history"
STATS = "/live_data/milestone/{milestone_id}/game_stats"
TYPED = "/live_data/{type}/milestone/{milestone_id}"


def prepare(world: World) -> None:
    exchange = world.paper.exchange
    game = list_template(exchange, "KXNBAGAME")
    weather = list_template(exchange, "KXHIGHNY")
    list_template(exchange, "KXGAS")
    meeting = list_template(exchange, "KXFED")
    team = game.markets[0].custom_strike or {}
    now_s = exchange.clock.now_ms() // 1000
    world.names |= {
        "game": milestone_id(game.event.ticker),
        "game_event": game.event.ticker,
        "meeting": milestone_id(meeting.event.ticker),
        "weather": weather.event.ticker,
        "team": str(team["basketball_team"]),
        "day": f"start_ts={now_s - 86_400}&end_ts={now_s}&period_interval=60",
        "no_id": "00000000-0000-0000-0000-000000000000",
    }
    # In the middle of the game, so that there is something to tell.
    world.paper.clock.step(game.markets[0].close_ms - exchange.clock.now_ms() - DAY_MS // 24)


REQUESTS = [
    Ask("GET", "/milestones", 200, "/milestones?limit=100&category=Sports&type=basketball_game"),
    Ask("GET", "/milestones", 200, "/milestones?limit=1&minimum_start_date=2020-01-01T00:00:00Z&min_updated_ts=0"),
    Ask("GET", "/milestones", 400, "/milestones"),
    Ask("GET", "/milestones", 400, "/milestones?limit=501"),
    Ask("GET", "/milestones", 400, "/milestones?limit=5&minimum_start_date=yesterday"),
    Ask("GET", "/milestones", 400, "/milestones?limit=5&cursor=nonsense"),
    Ask("GET", "/milestones/{milestone_id}", 200, "/milestones/{game}"),
    Ask("GET", "/milestones/{milestone_id}", 200, "/milestones/{meeting}"),
    Ask("GET", "/milestones/{milestone_id}", 400, "/milestones/none"),
    Ask("GET", "/milestones/{milestone_id}", 404, "/milestones/{no_id}"),
    Ask("GET", "/live_data/batch", 200, "/live_data/batch?milestone_ids={game}&milestone_ids={meeting}"),
    Ask("GET", "/live_data/milestone/{milestone_id}", 200, "/live_data/milestone/{game}?include_player_stats=true"),
    Ask("GET", "/live_data/milestone/{milestone_id}", 404, "/live_data/milestone/{meeting}"),
    Ask("GET", "/live_data/milestone/{milestone_id}", 404, "/live_data/milestone/none"),
    Ask("GET", TYPED, 200, "/live_data/basketball_game/milestone/{game}"),
    Ask("GET", TYPED, 404, "/live_data/football_game/milestone/{game}"),
    Ask("GET", STATS, 200, "/live_data/milestone/{game}/game_stats"),
    Ask("GET", STATS, 200, "/live_data/milestone/{meeting}/game_stats"),
    Ask("GET", STATS, 404, "/live_data/milestone/none/game_stats"),
    Ask("GET", TARGETS, 200, f"{TARGETS}?type=basketball_player&page_size=7"),
    Ask("GET", TARGETS, 200, f"{TARGETS}?ids={{team}}&competition=Pro Basketball (M)"),
    Ask("GET", f"{TARGETS}/{{structured_target_id}}", 200, f"{TARGETS}/{{team}}"),
    Ask("GET", f"{TARGETS}/{{structured_target_id}}", 404, f"{TARGETS}/none"),
    Ask("GET", "/search/tags_by_categories", 200),
    Ask("GET", "/search/filters_by_sport", 200),
    Ask("GET", "/incentive_programs", 200, "/incentive_programs?status=all&type=liquidity&limit=10000"),
    Ask("GET", "/incentive_programs", 400, "/incentive_programs?status=over"),
    Ask("GET", "/incentive_programs", 400, "/incentive_programs?limit=10001"),
    Ask("GET", "/series/fee_changes", 200),
    Ask("GET", "/series/fee_changes", 200, "/series/fee_changes?show_historical=true&series_ticker=KXGAS"),
    Ask("GET", "/series/fee_changes", 400, "/series/fee_changes?show_historical=maybe"),
    Ask("GET", "/events/{event_ticker}/metadata", 200, "/events/{game_event}/metadata"),
    Ask("GET", "/events/{event_ticker}/metadata", 200, "/events/{event}/metadata"),
    Ask("GET", "/events/{event_ticker}/metadata", 400, "/events/no ticker/metadata"),
    Ask("GET", "/events/{event_ticker}/metadata", 404, "/events/NONE/metadata"),
    Ask("GET", "/events", 200, "/events?with_milestones=true&series_ticker=KXNBAGAME"),
    Ask("GET", FORECAST, 200, f"{ASKED}?percentiles=2500&percentiles=5000&percentiles=7500&{{day}}"),
    Ask("GET", FORECAST, 400, f"{ASKED}?{{day}}"),
    Ask("GET", FORECAST, 400, f"{ASKED}?percentiles=10001&{{day}}"),
    Ask("GET", FORECAST, 400, "/series/KXHIGHNY/events/NONE/forecast_percentile_history?percentiles=5000&{day}"),
    Ask("GET", FORECAST, 401, f"{ASKED}?percentiles=5000&{{day}}", member=None),
]
