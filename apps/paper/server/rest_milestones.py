"""Milestones and what is going on in them: live data and game statistics (docs: targets_and_milestones)."""

from apps.paper.server import params
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import ApiError, Response
from apps.paper.server.shapes import Json, optional_time, time_text
from apps.paper.world.games import game_at, live_details, play_by_play, rules_of
from apps.paper.world.milestones import Milestone, milestones

MOST_LIVE = 100


def milestone_json(milestone: Milestone) -> Json:
    return {
        "id": milestone.milestone_id,
        "category": milestone.event.category,
        "type": milestone.template.milestone,
        "start_date": time_text(milestone.start_ms),
        "end_date": optional_time(milestone.end_ms),
        "related_event_tickers": milestone.related,
        "title": milestone.event.title,
        "notification_message": f"{milestone.event.title} ({milestone.event.sub_title})",
        "source_id": milestone.source_id,
        "source_ids": {"paper": milestone.source_id},
        "details": milestone.details,
        "primary_event_tickers": [milestone.event.ticker],
        "last_updated_ts": time_text(milestone.updated_ms),
    }


def milestones_list(core: Core, call: Call) -> Response:
    query = call.request.query
    if params.text(query, "limit") is None:
        raise params.invalid("limit", "given")
    size = params.limit(query, default=100, maximum=500)
    from_ms = params.moment(query, "minimum_start_date")
    updated = params.whole(query, "min_updated_ts")
    names = ("category", "competition", "source_id", "type", "related_event_ticker")
    given = {name: value for name in names if (value := params.text(query, name)) is not None}

    def wanted(milestone: Milestone) -> bool:
        return (
            (from_ms is None or milestone.start_ms >= from_ms)
            and (updated is None or milestone.updated_ms > updated * 1000)
            and all(value in _words(milestone, name) for name, value in given.items())
        )

    rows = [milestone for milestone in milestones(core.exchange) if wanted(milestone)]
    shown, cursor = params.page_by_key(rows, query, size=size, key=_place)
    return Response.json({"milestones": [milestone_json(milestone) for milestone in shown], "cursor": cursor})


def _place(milestone: Milestone) -> str:
    return milestone.event.ticker


def _words(milestone: Milestone, name: str) -> list[object]:
    """What a filter compares with."""
    match name:
        case "category":
            return [milestone.event.category]
        case "competition":
            return [milestone.template.metadata.get("competition")]
        case "source_id":
            return [milestone.source_id]
        case "type":
            return [milestone.template.milestone]
    return [*milestone.related]


def milestone_one(core: Core, call: Call) -> Response:
    params.uuid(call.path["milestone_id"], "milestone_id")
    return Response.json({"milestone": milestone_json(_milestone(core, call.path["milestone_id"], "milestone"))})


def _milestone(core: Core, wanted: str, what: str) -> Milestone:
    found = next((m for m in milestones(core.exchange) if m.milestone_id == wanted), None)
    if found is None:
        raise ApiError(404, "not_found", f"{what} not found")
    return found


def live_data(core: Core, call: Call) -> Response:
    milestone = _milestone(core, call.path["milestone_id"], "live data")
    kind = call.path.get("type", milestone.template.milestone)
    if rules_of(milestone) is None or kind != milestone.template.milestone:
        raise ApiError(404, "not_found", "live data not found")
    with_players = params.flag(call.request.query, "include_player_stats")
    return Response.json({"live_data": _live_json(core, milestone, with_players=with_players)})


def live_data_batch(core: Core, call: Call) -> Response:
    """Milestones that are unknown, or have no live data, are left out."""
    query = call.request.query
    ids = params.texts(query, "milestone_ids", most=MOST_LIVE)
    if not ids:
        raise params.invalid("milestone_ids", "given 1 to 100 times")
    with_players = params.flag(query, "include_player_stats")
    found = {m.milestone_id: m for m in milestones(core.exchange) if m.milestone_id in ids and rules_of(m)}
    rows = [_live_json(core, found[i], with_players=with_players) for i in dict.fromkeys(ids) if i in found]
    return Response.json({"live_datas": rows})


def game_stats(core: Core, call: Call) -> Response:
    """Without `pbp` for what is no game: the page says null, the schema has no null."""
    milestone = _milestone(core, call.path["milestone_id"], "game stats")
    if rules_of(milestone) is None:
        return Response.json({})
    return Response.json({"pbp": play_by_play(milestone, game_at(milestone, now_ms=core.clock.now_ms()))})


def _live_json(core: Core, milestone: Milestone, *, with_players: bool) -> Json:
    now_ms = core.clock.now_ms()
    game = game_at(milestone, now_ms=now_ms)
    return {
        "type": milestone.template.milestone,
        "details": live_details(milestone, game, now_ms=now_ms, with_players=with_players),
        "milestone_id": milestone.milestone_id,
    }


OPERATIONS = [
    Operation("GET", "/milestones", milestones_list, access="public"),
    Operation("GET", "/milestones/{milestone_id}", milestone_one, access="public"),
    Operation("GET", "/live_data/batch", live_data_batch, access="public"),
    Operation("GET", "/live_data/milestone/{milestone_id}", live_data, access="public"),
    Operation("GET", "/live_data/milestone/{milestone_id}/game_stats", game_stats, access="public"),
    Operation("GET", "/live_data/{type}/milestone/{milestone_id}", live_data, access="public"),
]
