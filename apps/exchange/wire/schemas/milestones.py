"""What events are about, by REST: milestones and their live data (3.18.0 and 3.28.0 alike).

`details` is free JSON that differs by type, in whatever size: `wire.free_json.bounded` before it is
kept or shown.
"""

from typing import Any

from apps.exchange.wire.schemas.base import Wire


class Milestone(Wire):
    """type: basketball_game, political_race, .. or a newer word. Times: RFC 3339; no end, no length."""

    id: str
    type: str = ""
    category: str = ""
    title: str = ""
    start_date: str | None = None
    end_date: str | None = None
    last_updated_ts: str | None = None
    notification_message: str | None = None
    source_id: str | None = None
    source_ids: dict[str, Any] | None = None
    primary_event_tickers: list[Any] | None = None
    related_event_tickers: list[Any] | None = None
    details: dict[str, Any] | None = None


class LiveData(Wire):
    """What goes on in a milestone at the moment."""

    milestone_id: str
    type: str = ""
    details: dict[str, Any] | None = None


class GameStats(Wire):
    """pbp: {"periods": [{"events": [{..}, ..]}, ..]}; absent or null where there is no play by play."""

    pbp: dict[str, Any] | None = None


class StructuredTarget(Wire):
    """A team, a player, a party, .. that markets and milestones name by its id. type: an open list of words."""

    id: str
    name: str = ""
    type: str = ""
    source_id: str | None = None
    source_ids: dict[str, Any] | None = None
    last_updated_ts: str | None = None
    details: dict[str, Any] | None = None
