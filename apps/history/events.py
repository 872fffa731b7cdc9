"""Live rows of the topic `history:<account>`: how far each data set has been read, and how fast it goes.

Key `<data set>` or `<data set>:<ticker>`: `v`, `key`, `data_set`, `label`, `scope`, `status`, `status_text`, `error`,
`from_ms`, `to_ms` (what is complete; null: nothing yet), `is_whole` (from the exchange's first record), `verified_ms`,
`rows`, `unreadable`, `next_ms`; `gap` null or [from ms or null, to ms]: what the pass under way has still to read of
what was never read;
`pass` null or: `is_full`, `started_ms`, `since_ms`, `until_ms`, `position_ms`, `cutoff_ms`, `stage`, `pages`, `read`,
`new`, `repaired`, `rate` (rows a second while it works), `fraction` (0 to 1, null: the exchange does not say how much
there is) and `left_s`.
"""

import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Min

from apps.core.timestamps import to_unix_ms
from apps.core.topics import TopicName
from apps.exchange import live
from apps.history.models import DataSet, SyncState

Row = dict[str, Any]

_MICROSECOND = timedelta(microseconds=1)
_TIERS = 3  # live, historical, and orders by name
EVERY = 0.4  # seconds between two frames of one data set
_last_told: dict[int, float] = {}


def history_topic(account_id: int) -> str:
    return str(TopicName("history", str(account_id)))


def state_key(state: SyncState) -> str:
    return f"{state.data_set}:{state.scope}" if state.scope else state.data_set


def state_publish(state: SyncState, *, at_once: bool = False) -> None:
    """Publish a state after the commit; between two pages of a pass not more often than people can read."""
    now = time.monotonic()
    if not at_once and now - _last_told.get(state.pk, -EVERY) < EVERY:
        return
    _last_told[state.pk] = now
    live.publish_on_commit(history_topic(state.account_id), rows={state_key(state): state_row(state)})


def state_row(state: SyncState) -> Row:
    return {
        "key": state_key(state),
        "v": state.version,
        "data_set": state.data_set,
        "label": DataSet(state.data_set).label,
        "scope": state.scope,
        "status": state.status,
        "status_text": SyncState.Status(state.status).label,
        "error": state.error,
        "from_ms": _ms(state.covered_from),
        "to_ms": _ms(state.covered_to),
        "is_whole": state.verified_at is not None,
        "verified_ms": _ms(state.verified_at),
        "rows": state.stored_rows,
        "unreadable": state.unreadable_rows,
        "next_ms": _ms(state.next_at),
        "gap": _gap(state),
        "pass": _pass(state) if state.started_at is not None else None,
    }


def _gap(state: SyncState) -> list[int | None] | None:
    """What nobody has read yet: before the first pass has ended, all that is older than its place."""
    if state.covered_to is not None or state.started_at is None:
        return None
    return [_ms(state.since), _ms(state.position or state.until)]


def _pass(state: SyncState) -> Row:
    worked = Decimal(state.worked_ms) / 1000
    fraction = _fraction(state)
    left = None
    if fraction is not None and fraction > Decimal("0.01"):
        left = int(worked * (1 - fraction) / fraction)
    return {
        "is_full": state.is_full,
        "started_ms": _ms(state.started_at),
        "since_ms": _ms(state.since),
        "until_ms": _ms(state.until),
        "position_ms": _ms(state.position),
        "cutoff_ms": _ms(state.cutoff),
        "stage": state.stages[state.stage] if state.stage < len(state.stages) else "",
        "pages": state.pages,
        "read": state.rows_read,
        "new": state.rows_new,
        "repaired": state.rows_repaired,
        "rate": int(state.rows_read / worked) if worked else 0,
        "fraction": None if fraction is None else str(fraction.quantize(Decimal("0.001"))),
        "left_s": left,
    }


def _fraction(state: SyncState) -> Decimal | None:
    """How much of the time to be read has been read: the exchange does not tell how many rows there are."""
    if len(state.stages) > _TIERS:
        return Decimal(state.stage) / len(state.stages)  # subaccount by subaccount
    first = state.since or state.covered_from or _beginning(state)
    if state.until is None or first is None or first >= state.until:
        return None
    if state.position is None:
        return Decimal(0)
    done = (state.until - max(first, state.position)) // _MICROSECOND
    whole = (state.until - first) // _MICROSECOND
    return max(Decimal(0), min(Decimal(1), Decimal(done) / whole))


def _beginning(state: SyncState) -> datetime | None:
    """When the account's history can have begun: no money was there before its first record of any kind."""
    others = SyncState.objects.filter(account_id=state.account_id, scope="", covered_from__isnull=False)
    found: datetime | None = others.aggregate(first=Min("covered_from"))["first"]
    return found


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_unix_ms(moment)
