"""The beginning and the end of a pass over one data set."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from apps.core import killpoints
from apps.core.timestamps import parse_rfc3339, utc_now
from apps.exchange.wire import api
from apps.exchange.wire.client import ExchangeClient
from apps.history import events
from apps.history.models import SyncRun, SyncState
from apps.history.sync.walk import client_of, cutoff_read, place_of, source_of, state_update

# Read again what was read shortly before: filters count whole seconds, and what is new may show up late.
OVERLAP = timedelta(minutes=2)


def pass_start(state: SyncState) -> None:
    """Decide what is to be read, and from when.

    Raises:
        ExchangeError, DeskError: the exchange did not say how far its data goes.
        Superseded: somebody else reads this data set.
    """
    source, client = source_of(state), client_of(state)
    until = _data_as_of(state, client)
    is_full = source.is_always_full or is_full_wanted(state, now=utc_now())
    state.stages, state.stage = [], 0
    stages = source.stages(client, place_of(state))
    cutoff = getattr(cutoff_read(state.account.environment, client), source.cutoff) if source.cutoff else None
    with transaction.atomic():
        state_update(
            state,
            status=SyncState.Status.RUNNING,
            started_at=utc_now(),
            is_full=is_full,
            # What is asked for while this pass runs is for the next one.
            wants_full=False,
            since=None if is_full or state.covered_to is None else state.covered_to - OVERLAP,
            until=until,
            stages=stages,
            stage=0,
            cursor="",
            position=None,
            cutoff=cutoff,
            error="",
            version=F("version") + 1,
            **dict.fromkeys(_COUNTERS, 0),
        )
        events.state_publish(state, at_once=True)
    killpoints.reach("history.started")


_COUNTERS = ("pages", "restarts", "rows_read", "rows_new", "rows_repaired", "rows_unreadable", "worked_ms")


def is_full_wanted(state: SyncState, *, now: datetime) -> bool:
    """Whether the next pass goes to the beginning."""
    if state.wants_full or state.covered_to is None or state.verified_at is None:
        return True
    return now - state.verified_at >= source_of(state).verify_every


def _data_as_of(state: SyncState, client: ExchangeClient) -> datetime:
    """Everything up to this moment is in the listings that follow."""
    if source_of(state).is_public:
        # The exchange tells no such time for public data: its clock, and a little patience.
        return utc_now() + timedelta(milliseconds=client.clock_offset_ms or 0) - timedelta(seconds=5)
    return parse_rfc3339(api.get_user_data_timestamp(client))


def pass_finish(state: SyncState) -> None:
    """Note what is complete now, and when it is looked at again. Raises Superseded."""
    source, now = source_of(state), utc_now()
    held, first = source.held(place_of(state))
    assert state.started_at is not None
    assert state.until is not None
    covered_from = first if state.is_full or state.covered_from is None else state.covered_from
    with transaction.atomic():
        SyncRun.objects.create(
            account_id=state.account_id,
            data_set=state.data_set,
            scope=state.scope,
            is_full=state.is_full,
            since=state.since,
            until=state.until,
            started_at=state.started_at,
            finished_at=now,
            **{name: getattr(state, name) for name in _COUNTERS},
        )
        state_update(
            state,
            status=SyncState.Status.DONE,
            started_at=None,
            covered_from=covered_from,
            covered_to=max(state.until, state.covered_to or state.until),
            verified_at=now if state.is_full else state.verified_at,
            unreadable_rows=state.rows_unreadable if state.is_full else state.unreadable_rows,
            stored_rows=held,
            next_at=now + source.every,
            worked_at=now,
            failures=0,
            error="",
            version=F("version") + 1,
        )
        events.state_publish(state, at_once=True)
    killpoints.reach("history.finished")
