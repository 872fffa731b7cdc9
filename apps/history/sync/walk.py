"""One page of a pass: asked for without a lock, stored in short transactions, the last one with the next cursor.

Killed before that one, the page is asked for again and its rows are known by then; killed after it, the next page is
asked for. Two workers at the same page: the second finds another `version` and stores nothing with the cursor.

Why nothing falls between the tiers, however the cutoff moves: the live tier is read first, to its end. A row that was
not on its pages had left it by then, and so is in the historical tier when that is read, from its newest row on. A row
that leaves the live tier later was on its pages.
"""

import logging
import time
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from apps.core import killpoints
from apps.core.errors import WireFormatError
from apps.core.timestamps import parse_rfc3339, utc_now
from apps.exchange.clients import client_for, environment_client
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import Refused, missing_object
from apps.history import events
from apps.history.models import HistoricalCutoff, SyncState
from apps.history.sync.listing import HISTORICAL, Answer, Place
from apps.history.sync.sources import SOURCES, Source, Stored

logger = logging.getLogger(__name__)

ROWS_PER_TRANSACTION = 500  # SQLite has one writer, and an order may be waiting for it
RESTARTS_AT_MOST = 5  # of cursors that the exchange does not know any more, per pass


class Superseded(Exception):
    """Another worker has walked on; what this one read is stored by then, or will be."""


def source_of(state: SyncState) -> Source:
    return SOURCES[state.data_set]


def client_of(state: SyncState) -> ExchangeClient:
    """Raises DeskError: there is no usable key."""
    if source_of(state).is_public:
        return environment_client(state.account.environment)
    return client_for(state.account_id, write=False)


def place_of(state: SyncState) -> Place:
    return Place(
        account_id=state.account_id,
        environment=state.account.environment,
        scope=state.scope,
        stage="" if has_read_all(state) else state.stages[state.stage],
        cursor=state.cursor,
        since=state.since,
        until=state.until or utc_now(),
    )


def has_read_all(state: SyncState) -> bool:
    return state.stage >= len(state.stages)


def page_walk(state: SyncState) -> None:
    """Read and store the next page of the pass under way; `state` is then as stored.

    Raises:
        ExchangeError, DeskError: nothing was read; the same page is asked for next time.
        Superseded: somebody else reads this data set.
    """
    began = time.monotonic()
    source, place, client = source_of(state), place_of(state), client_of(state)
    try:
        answer = source.ask(client, place)
    except Refused as exc:
        if exc.status != 400 or not place.cursor or state.restarts >= RESTARTS_AT_MOST:
            raise
        logger.warning("%s of account %s starts its stage again: %s", state.data_set, state.account_id, exc)
        state_update(state, cursor="", restarts=F("restarts") + 1, version=F("version") + 1)
        return
    killpoints.reach("history.page_read")
    changes: dict[str, Any] = {"cursor": answer.following}
    if answer.is_past or not answer.following:
        changes = {"cursor": "", **_next_stage(state, source, client)}
    tally = _Tally(state, answer)
    reports = answer.reports[::-1]  # oldest first, so that fills of one instant keep the order in which they happened
    parts = [reports[at : at + ROWS_PER_TRANSACTION] for at in range(0, len(reports), ROWS_PER_TRANSACTION)]
    for part in parts[:-1]:
        with transaction.atomic():
            stored = source.store(place, part, tally.is_news)
        tally.add(stored)
        killpoints.reach("history.part_stored")
    with transaction.atomic():
        if parts:
            tally.add(source.store(place, parts[-1], tally.is_news))
        state_update(state, **changes, **tally.changes(began))
        killpoints.reach("history.page_noted")
        events.state_publish(state)
    killpoints.reach("history.page_stored")
    if not state.cursor:
        killpoints.reach("history.stage_ended")


def state_update(state: SyncState, **changes: Any) -> None:
    """Store changes of a state that nobody else has changed; `state` is then as stored.

    Raises:
        Superseded: somebody else has.
    """
    if not SyncState.objects.filter(pk=state.pk, version=state.version).update(**changes):
        raise Superseded
    state.refresh_from_db(fields=[*changes])


def _next_stage(state: SyncState, source: Source, client: ExchangeClient) -> dict[str, Any]:
    """Return where the pass goes on. Asked after the last page of the live tier; see the module's docstring.

    Raises ExchangeError.
    """
    following = state.stage + 1
    if state.stages[following : following + 1] != [HISTORICAL]:
        return {"stage": following}
    cutoff = cutoff_read(state.account.environment, client)
    moment: datetime = getattr(cutoff, source.cutoff)
    if state.since is not None and state.since >= moment:
        following += 1  # all that is wanted is in the live tier
    changes: dict[str, Any] = {"stage": following, "cutoff": moment}
    if state.covered_to is None and state.cutoff is not None and moment > state.cutoff:
        # It moved under the first read. An archive that takes its time to show what has left the live tier would
        # leave a hole here, so everything is read once more.
        changes["wants_full"] = True
    return changes


def cutoff_read(environment: str, client: ExchangeClient) -> HistoricalCutoff:
    """Read and keep where the live tier begins. Raises ExchangeError."""
    body = client.get("/historical/cutoff", kind="bulk")
    try:
        told = {
            name: parse_rfc3339(body[name]) for name in ("market_settled_ts", "trades_created_ts", "orders_updated_ts")
        }
    except (KeyError, WireFormatError) as exc:
        raise missing_object("historical cutoff", is_read=True, body=body) from exc
    values = {name.removesuffix("_ts") + "_at": moment for name, moment in told.items()}
    cutoff, _ = HistoricalCutoff.objects.update_or_create(
        environment=environment, defaults={**values, "read_at": utc_now()}
    )
    return cutoff


class _Tally:
    """What a page changes of the state, while its parts are stored."""

    def __init__(self, state: SyncState, answer: Answer) -> None:
        self.is_news = state.covered_to is not None  # nobody waits for what a first read brings
        self._state = state
        self._answer = answer
        self._new = self._repaired = 0

    def add(self, stored: Stored) -> None:
        self._new += stored.new
        if self._state.covered_to is None:
            return
        if stored.moments is not None:
            self._repaired += sum(self._is_covered(moment) for moment in stored.moments)
        elif self._answer.moments and self._is_covered(max(self._answer.moments)):
            self._repaired += stored.new  # which of the page is not told; all of it had been covered

    def changes(self, began: float) -> dict[str, Any]:
        state, answer = self._state, self._answer
        oldest = min([*answer.moments, *([state.position] if state.position else [])], default=None)
        return {
            "position": oldest,
            "pages": F("pages") + 1,
            "rows_read": F("rows_read") + answer.rows,
            "rows_new": F("rows_new") + self._new,
            "rows_repaired": F("rows_repaired") + self._repaired,
            "rows_unreadable": F("rows_unreadable") + answer.unreadable,
            "worked_ms": F("worked_ms") + max(1, round((time.monotonic() - began) * 1000)),
            "worked_at": utc_now(),
            "status": SyncState.Status.RUNNING,
            "failures": 0,
            "error": "",
            "version": F("version") + 1,
        }

    def _is_covered(self, moment: datetime) -> bool:
        state = self._state
        assert state.covered_to is not None
        return moment <= state.covered_to and (state.covered_from is None or moment >= state.covered_from)
