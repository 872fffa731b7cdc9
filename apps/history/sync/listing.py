"""One page of a listing: asked for, read row by row, told how far back it reaches. No database."""

import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from apps.core.errors import WireFormatError
from apps.core.timestamps import to_unix_seconds
from apps.exchange.wire.api.calls import one
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError, missing_object
from apps.exchange.wire.schemas.base import Wire

logger = logging.getLogger(__name__)

W = TypeVar("W", bound=Wire)

LIVE, HISTORICAL = "live", "historical"
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pass stands. since: what is older is known (None: nothing is); until: what is newer does not count."""

    account_id: int
    environment: str
    scope: str
    stage: str
    cursor: str
    since: datetime | None
    until: datetime


@dataclass(slots=True)
class Answer:
    """What a page said. moments: of its reports, exchange clock; following: "" when the stage ends here.

    is_past: everything after this page is older than `since`, so the pass ends here, whatever stages are left.
    """

    reports: list[Any] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)
    rows: int = 0
    unreadable: int = 0
    following: str = ""
    is_past: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing of the exchange, newest first. has_min_ts: it takes `min_ts` (docs), so it ends by itself."""

    path: str
    key: str
    record: type[Wire]
    read: Callable[[Any], Any]
    moment: Callable[[Any], datetime | None]
    limit: int = PAGE
    has_min_ts: bool = False

    def ask(self, client: ExchangeClient, place: Place, **params: str | int | None) -> Answer:
        """Read one page.

        Raises:
            ExchangeError: there was none.
        """
        if self.has_min_ts and place.since is not None:
            params["min_ts"] = to_unix_seconds(place.since)
        body = client.get(
            self.path, params={**params, "limit": min(self.limit, PAGE), "cursor": place.cursor or None}, kind="bulk"
        )
        rows = body.get(self.key)
        if rows is None and self.key in body:
            rows = []
        if not isinstance(rows, list):
            raise missing_object(f"list of {self.key}", is_read=True, body=body)
        answer = Answer(rows=len(rows), following=_following(body, place.cursor))
        for row in rows:
            self._read_row(row, answer)
        if len(answer.moments) == len(rows):
            answer.is_past = _is_past(answer.moments, place.since)
        return answer

    def _read_row(self, row: Any, answer: Answer) -> None:
        """One malformed row must not hide the others."""
        try:
            report = self.read(one(self.record, row if isinstance(row, dict) else {}, is_read=True))
            moment = self.moment(report)
        except (WireFormatError, ExchangeError) as exc:
            logger.error("a row of %s cannot be read (%s): %r", self.path, exc, row)
            answer.unreadable += 1
            return
        answer.reports.append(report)
        if moment is not None:
            answer.moments.append(moment)


def _following(body: dict[str, Any], cursor: str) -> str:
    """The last page's cursor is "", null or absent (sources differ); one that repeats would never end."""
    following = body.get("cursor")
    return following if isinstance(following, str) and following != cursor else ""


def _is_past(moments: Sequence[datetime], since: datetime | None) -> bool:
    """No page says in which order its rows come: one ends a stage only when it is in order and all of it is old."""
    if since is None or not moments or max(moments) >= since:
        return False
    return all(newer >= older for newer, older in itertools.pairwise(moments))
