"""What the exchange tells everybody: announcements, hours, maintenance, incentive programs. No account is needed."""

from collections.abc import Iterator
from typing import Literal

from apps.exchange.wire.api.calls import many, one
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.schemas.rest import Announcement, IncentiveProgram, Schedule


def get_announcements(client: ExchangeClient) -> list[Announcement]:
    """Return all that the exchange announces to everybody, inactive ones too."""
    return many(Announcement, client.get("/exchange/announcements"), key="announcements")


def get_schedule(client: ExchangeClient) -> Schedule:
    """Return the trading hours, in the time of New York, and the maintenance windows that are planned."""
    return one(Schedule, client.get("/exchange/schedule"), is_read=True, key="schedule")


def get_incentive_programs(
    client: ExchangeClient, *, status: Literal["all", "active", "upcoming", "closed", "paid_out"] = "all"
) -> Iterator[IncentiveProgram]:
    """Yield programs, page by page; their cursor has a name of its own. Rows that move may come twice."""
    cursor: str | None = None
    while True:
        body = client.get("/incentive_programs", params={"status": status, "limit": 1000, "cursor": cursor})
        yield from many(IncentiveProgram, body, key="incentive_programs")
        following = body.get("next_cursor")
        if not following or not isinstance(following, str) or following == cursor:
            return
        cursor = following
