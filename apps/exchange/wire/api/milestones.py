"""Milestones and their live data. Public. Source: docs:getting_started/targets_and_milestones."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from apps.exchange.wire.api.calls import one, segment
from apps.exchange.wire.client import ExchangeClient, Params
from apps.exchange.wire.errors import ReadFailed, Refused, missing_object
from apps.exchange.wire.schemas.base import Wire
from apps.exchange.wire.schemas.milestones import GameStats, LiveData, Milestone, StructuredTarget

logger = logging.getLogger(__name__)

W = TypeVar("W", bound=Wire)

PAGE = 500
PAGES_AT_MOST = 100
IDS_AT_MOST = 100  # of one question for live data


def get_milestones(
    client: ExchangeClient, *, minimum_start_date: str | None = None, min_updated_ts: int | None = None
) -> Iterator[Milestone]:
    """Yield milestones, page by page; one that cannot be read is left out, logged, and hides no other.

    minimum_start_date: RFC 3339; min_updated_ts: Unix seconds. At most PAGES_AT_MOST pages.
    """
    params: Params = {"limit": PAGE, "minimum_start_date": minimum_start_date, "min_updated_ts": min_updated_ts}
    cursor: str | None = None
    for _ in range(PAGES_AT_MOST):
        body = client.get("/milestones", params={**params, "cursor": cursor})
        yield from _readable(Milestone, _rows(body, "milestones"))
        following = body.get("cursor")
        if not following or not isinstance(following, str) or following == cursor:
            return
        cursor = following
    logger.error("the list of milestones did not end after %d pages", PAGES_AT_MOST)


def get_live_data(client: ExchangeClient, milestone_ids: Sequence[str]) -> dict[str, LiveData]:
    """Return live data by milestone, of at most IDS_AT_MOST; what has none is left out."""
    body = client.get("/live_data/batch", params={"milestone_ids": list(milestone_ids)})
    return {row.milestone_id: row for row in _readable(LiveData, _rows(body, "live_datas"))}


def get_game_stats(client: ExchangeClient, milestone_id: str) -> GameStats:
    """Return the plays so far; of what is no game without them (the exchange may say so by 404)."""
    try:
        body = client.get(f"/live_data/milestone/{segment(milestone_id)}/game_stats")
    except Refused as exc:
        if exc.status == 404:
            return GameStats()
        raise
    return one(GameStats, body, is_read=True)


def get_structured_targets(client: ExchangeClient, ids: Sequence[str]) -> list[StructuredTarget]:
    """Return what these ids name, of at most IDS_AT_MOST; what the exchange does not know is left out."""
    body = client.get("/structured_targets", params={"ids": list(ids), "page_size": IDS_AT_MOST}, kind="bulk")
    return list(_readable(StructuredTarget, _rows(body, "structured_targets")))


def _rows(body: dict[str, Any], key: str) -> list[Any]:
    rows = body.get(key)
    if rows is None and key in body:
        return []
    if not isinstance(rows, list):
        raise missing_object(f"list of {key}", is_read=True, body=body)
    return rows


def _readable(cls: type[W], rows: list[Any]) -> Iterator[W]:
    for row in rows:
        try:
            yield one(cls, row if isinstance(row, dict) else {}, is_read=True)
        except ReadFailed as exc:
            logger.warning("one %s cannot be read: %s", cls.__name__, exc)
