"""The topic `forecast:<env>:<event>`: what number the markets of an event expect, over time, while somebody watches it.

Frame (whole): `read_ms` (Unix ms of the last answer, null before the first), `why` (what went wrong since, or ""),
`points` [[end of the hour, Unix seconds, [text or null per percentile]]] oldest first, `now` [the newest ones as the
exchange writes them], `percentiles` of 100. The exchange gives it to signed requests only, so a worker asks, in the
name of the first account of the environment with a key: once a minute for everybody who watches.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.core.cache import cache

from apps.core import ports
from apps.core.errors import DeskError
from apps.core.permissions import Permission
from apps.core.timestamps import to_unix_seconds, unix_ms_now, utc_now
from apps.core.topics import TopicName
from apps.exchange import live
from apps.exchange.clients import client_for
from apps.exchange.selectors import accounts_with_keys
from apps.exchange.wire.api.event_facts import get_forecast
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError, Refused
from apps.exchange.wire.schemas.event_facts import ForecastPoint
from apps.markets.game_words import figure_text
from apps.markets.milestone_live import watched
from apps.markets.models import Event, Market

KIND = "forecast"
PERCENTILES = (10, 25, 50, 75, 90)
REACH = timedelta(days=7)
READ_EVERY_SECONDS = 60
KEPT_SECONDS = 3600
AT_MOST = 20  # events read in one turn of an environment

Frame = dict[str, Any]


def register() -> None:
    ports.register_topic(
        ports.Topic(
            KIND, Permission.MARKET_VIEW, scope="environment", mode="whole", state=forecast_state, is_on_demand=True
        )
    )


def forecast_state(topic: TopicName) -> Frame | None:
    """Return what was read last, within KEPT_SECONDS; its `read_ms` says how old it is."""
    kept: Frame | None = cache.get(_key(topic))
    return kept


def _key(topic: TopicName) -> str:
    return f"forecast:{topic.scope}:{topic.name}"[:200]


def is_numeric(markets: list[Market]) -> bool:
    """Whether the outcomes are numbers: each has a bound."""
    return bool(markets) and all(_has_bound(market.extra) for market in markets)


def _has_bound(extra: Mapping[str, Any]) -> bool:
    return extra.get("floor_strike") is not None or extra.get("cap_strike") is not None


def forecasts_due(environment: str, *, now_ms: int) -> list[str]:
    """Return watched events of which no forecast was read for READ_EVERY_SECONDS, and count them as read."""
    found = watched(KIND, now_ms=now_ms).get(environment, [])
    due: list[str] = []
    for name in found:
        if len(due) < AT_MOST and cache.add(f"forecast-read:{environment}:{name}"[:200], 1, timeout=READ_EVERY_SECONDS):
            due.append(name)
    return due


def forecasts_publish(environment: str, tickers: list[str], *, client: ExchangeClient | None = None) -> int:
    """Read these forecasts and send them to who watches; return how many were read."""
    read = 0
    for event in Event.objects.filter(environment=environment, ticker__in=tickers).order_by("pk"):
        topic = TopicName(KIND, environment, event.ticker)
        try:
            points = _points(event, client or _client(environment))
        except (ExchangeError, DeskError) as exc:
            frame = {**(forecast_state(topic) or frame_of([], read_ms=None)), "why": exc.text[:300]}
        else:
            frame = frame_of(points, read_ms=unix_ms_now())
            read += 1
        # Not among the states that Redis keeps for ever: events come and go, and a frame of a week is large.
        cache.set(_key(topic), frame, timeout=KEPT_SECONDS)
        live.publish_many([(str(topic), live.next_version(), frame)], kept=False)
    return read


def _client(environment: str) -> ExchangeClient:
    """Raises DeskError where no account of this environment has a key."""
    accounts = [one.account_id for one in accounts_with_keys() if one.environment == environment]
    if not accounts:
        raise DeskError("no_key", "The exchange gives forecasts to accounts with a key only, and none here has one.")
    return client_for(accounts[0], write=False)


def _points(event: Event, client: ExchangeClient) -> list[ForecastPoint]:
    now = utc_now()
    try:
        return get_forecast(
            client,
            series_ticker=event.series_ticker,
            event_ticker=event.ticker,
            percentiles=[one * 100 for one in PERCENTILES],
            start_ts=to_unix_seconds(now - REACH),
            end_ts=to_unix_seconds(now),
            period_minutes=60,
        )
    except Refused as exc:
        if exc.status in (400, 404):  # the exchange forecasts only events that it counts as numeric
            return []
        raise


def frame_of(points: list[ForecastPoint], *, read_ms: int | None) -> Frame:
    rows: list[list[Any]] = []
    newest: list[str] = []
    for point in sorted(points, key=lambda one: one.end_period_ts)[-400:]:
        found = {
            one["percentile"]: one
            for one in point.percentile_points or []
            if isinstance(one, dict) and isinstance(one.get("percentile"), int)
        }
        given = [found.get(one * 100, {}) for one in PERCENTILES]
        values = [figure_text(one.get("numerical_forecast")) or None for one in given]
        if any(values):
            rows.append([point.end_period_ts, values])
            newest = [figure_text(one.get("formatted_forecast")) for one in given]
    return {"read_ms": read_ms, "why": "", "percentiles": list(PERCENTILES), "points": rows, "now": newest}
