"""The topic `milestone:<env>:<id>`: what goes on in a milestone, read about each 3 s while somebody watches it.

Frame (whole): `read_ms` (Unix ms of the last answer with it, null before the first), `why` (what went wrong since, or
""), `has_live` (the exchange has live data of it), and `apps.markets.game_words.live_frame` where it has. One question
to the exchange serves everybody, up to 100 milestones. The frame is kept in Redis, with its `read_ms`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.cache import cache

from apps.core import ports
from apps.core.errors import DeskError
from apps.core.permissions import Permission
from apps.core.timestamps import unix_ms_now
from apps.core.topics import TopicName, parse_topic
from apps.exchange import live
from apps.exchange.clients import environment_client
from apps.exchange.gateway.interest import interesting_names
from apps.exchange.wire.api.milestones import IDS_AT_MOST, get_game_stats, get_live_data
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError
from apps.exchange.wire.free_json import bounded_object
from apps.exchange.wire.schemas.milestones import LiveData
from apps.markets.game_words import PLAYS, live_frame, plays_of
from apps.markets.models import Milestone
from apps.markets.services.milestones import KIND

WATCHED_FOR_MS = 15_000  # the hub says each 5 s what is needed
WATCHED_AT_MOST = 300  # of one environment
PLAYS_KEPT_SECONDS = 3

Frame = dict[str, Any]


def register() -> None:
    # No state callable: the state is what was read last.
    ports.register_topic(
        ports.Topic(KIND, Permission.MARKET_VIEW, scope="environment", mode="whole", is_on_demand=True)
    )


def watched(kind: str, *, now_ms: int) -> dict[str, list[str]]:
    """Return the names of this kind of topic that somebody watches, by environment; nothing while Redis is away."""
    found: dict[str, list[str]] = {}
    for raw in interesting_names(kind, now_ms=now_ms, kept_ms=WATCHED_FOR_MS) or ():
        name = parse_topic(raw)
        if name.name:
            found.setdefault(name.scope, []).append(name.name)
    return {environment: sorted(names)[:WATCHED_AT_MOST] for environment, names in found.items()}


def milestones_watched(*, now_ms: int) -> dict[str, list[str]]:
    """Return the ids of what somebody watches, by environment."""
    return watched(KIND, now_ms=now_ms)


def live_data_publish(
    environment: str, ids: Sequence[str], *, client: ExchangeClient | None = None, now_ms: int | None = None
) -> int:
    """Read live data of those of `ids` that the catalogue has, and send it to who watches; return how many were read.

    What the exchange does not answer for keeps its last frame, which then says why and how old it is.
    """
    rows = {
        row.milestone_id: row for row in Milestone.objects.filter(environment=environment, milestone_id__in=list(ids))
    }
    wanted, read = sorted(rows), 0
    for start in range(0, len(wanted), IDS_AT_MOST):
        part = wanted[start : start + IDS_AT_MOST]
        try:
            answers = get_live_data(client or environment_client(environment), part)
        except (ExchangeError, DeskError) as exc:
            frames = {name: _unread(environment, name, exc.text) for name in part}
        else:
            moment = unix_ms_now() if now_ms is None else now_ms
            frames = {name: frame_of(rows[name], answers.get(name), read_ms=moment) for name in part}
            read += len(part)
        live.publish_many(
            [(str(TopicName(KIND, environment, name)), live.next_version(), frame) for name, frame in frames.items()]
        )
    return read


def frame_of(row: Milestone, answer: LiveData | None, *, read_ms: int) -> Frame:
    """Return the frame of one milestone; answer None: the exchange has no live data of it."""
    frame: Frame = {"read_ms": read_ms, "why": "", "has_live": answer is not None and bool(answer.details)}
    if answer is None or not answer.details:
        return frame
    details, has_cut = bounded_object(answer.details)
    shown = live_frame(answer.type or row.type, details, about=row.details)
    return {**frame, **shown, "is_cut": shown["is_cut"] or has_cut}


def _unread(environment: str, name: str, why: str) -> Frame:
    kept = live.state_read(str(TopicName(KIND, environment, name)))
    last: Mapping[str, Any] = {"read_ms": None, "has_live": False} if kept is None else kept[1]
    return {**last, "why": why[:300]}


def plays(row: Milestone, *, client: ExchangeClient | None = None) -> Frame:
    """Return {"plays": newest first, "read_ms", "is_cut"} of a game, read at most each PLAYS_KEPT_SECONDS.

    Raises:
        DeskError: the exchange gave none.
    """
    key = f"milestone-plays:{row.environment}:{row.pk}"
    kept: Frame | None = cache.get(key)
    if kept is not None:
        return kept
    try:
        stats = get_game_stats(client or environment_client(row.environment), row.milestone_id)
    except ExchangeError as exc:
        raise DeskError("no_plays", f"The exchange gave no plays: {exc.text}") from exc
    periods = (stats.pbp or {}).get("periods")
    raw = periods[:40] if isinstance(periods, list) else []
    count = sum(len(one["events"]) for one in raw if isinstance(one, dict) and isinstance(one.get("events"), list))
    frame = {"plays": plays_of(row.type, raw), "read_ms": unix_ms_now(), "is_cut": count > PLAYS}
    cache.set(key, frame, timeout=PLAYS_KEPT_SECONDS)
    return frame
