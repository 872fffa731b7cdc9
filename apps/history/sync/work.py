"""What is read next, by whom, and how much at a time.

One worker at a time reads an account, a few pages, and queues the rest: other accounts have their turn, orders have the
database, and nobody has to be told when a worker dies, since its lease runs out and the sweep sends the next one.
"""

import logging
import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Max, Q

from apps.core import killpoints
from apps.core.errors import DeskError, WireFormatError
from apps.core.timestamps import utc_now
from apps.exchange.clients import REST_PURPOSES
from apps.exchange.selectors import accounts_with_keys
from apps.exchange.wire.errors import ExchangeError, RateLimited
from apps.history import events
from apps.history.models import ChosenMarket, DataSet, HistoryAccount, SyncState
from apps.history.sync.passes import pass_finish, pass_start
from apps.history.sync.sources import ORDER, SCOPED
from apps.history.sync.walk import Superseded, has_read_all, page_walk
from apps.vault.models import ApiKey

logger = logging.getLogger(__name__)

STEPS_PER_SLICE = 12  # pages, beginnings and ends
SECONDS_PER_SLICE = 5.0
LEASE = timedelta(seconds=40)  # longer than a page may take with its time-outs; renewed for each
PAUSES = (5, 15, 60, 300)  # seconds after failures in a row
# Data set -> those that have to be read once before it.
_AFTER: dict[str, frozenset[str]] = {
    DataSet.FILLS: frozenset({DataSet.ORDERS}),
    DataSet.MARKETS: frozenset({DataSet.ORDERS, DataSet.FILLS, DataSet.SETTLEMENTS}),
}
_BEFORE = frozenset().union(*_AFTER.values())
WAIT_FOR_TOKENS = 2.0  # seconds at least, so that a spent budget is not asked again and again


def accounts_due() -> list[int]:
    """Make the rows of accounts and keys that are new, and return the accounts that have something to read now."""
    due = []
    for account in accounts_with_keys():
        states_ensure(account.account_id)
        if next_due(account.account_id, now=utc_now()) is not None:
            due.append(account.account_id)
    return due


def states_ensure(account_id: int) -> None:
    """Make the missing states of an account. A key that was not there before means: read from the beginning."""
    history, _ = HistoryAccount.objects.get_or_create(account_id=account_id)
    keys = ApiKey.objects.filter(account_id=account_id, purpose__in=REST_PURPOSES)
    newest: int = keys.aggregate(newest=Max("pk"))["newest"] or 0
    wanted = {(name.value, "") for name in DataSet if name not in SCOPED}
    chosen = list(ChosenMarket.objects.filter(account_id=account_id).values_list("ticker", flat=True))
    wanted |= {(name.value, ticker) for name in SCOPED for ticker in chosen}
    known = set(SyncState.objects.filter(account_id=account_id).values_list("data_set", "scope"))
    with transaction.atomic():
        missing = [SyncState(account_id=account_id, data_set=name, scope=scope) for name, scope in wanted - known]
        SyncState.objects.bulk_create(missing, ignore_conflicts=True)
        if newest > history.newest_key:
            # Another key may be another member's, or see what the last one did not.
            SyncState.objects.filter(account_id=account_id).update(wants_full=True, next_at=None)
            HistoryAccount.objects.filter(pk=history.pk).update(newest_key=newest)


def next_due(account_id: int, *, now: datetime) -> SyncState | None:
    """Return the state whose turn it is, None when all wait for their time."""
    states = SyncState.objects.filter(account_id=account_id).filter(Q(next_at=None) | Q(next_at__lte=now))
    chosen = set(ChosenMarket.objects.filter(account_id=account_id).values_list("ticker", flat=True))
    due = [state for state in states.select_related("account") if not state.scope or state.scope in chosen]
    # The first read goes in order: fills are joined to their orders as they are stored, and both name markets.
    first = SyncState.objects.filter(account_id=account_id, data_set__in=_BEFORE, covered_to=None)
    unread = set(first.values_list("data_set", flat=True))
    due = [state for state in due if not unread & _AFTER.get(state.data_set, frozenset())]
    beginning = datetime.min.replace(tzinfo=now.tzinfo)
    return min(due, key=lambda one: (one.worked_at or beginning, ORDER.index(one.data_set), one.scope), default=None)


def account_read(account_id: int, *, steps: int = STEPS_PER_SLICE) -> float | None:
    """Read some pages of an account; return after how many seconds there is more, None when there is not.

    Does nothing while another worker reads this account.
    """
    if not _lease_take(account_id):
        return None
    killpoints.reach("history.leased")
    stop_at = time.monotonic() + SECONDS_PER_SLICE
    wait: float | None = 0.0
    try:
        for _ in range(steps):
            state = next_due(account_id, now=utc_now())
            if state is None:
                return None
            wait = _step(state)
            if wait or time.monotonic() >= stop_at:
                break
            _lease_renew(account_id)
        return wait if next_due(account_id, now=utc_now()) is not None or wait else None
    finally:
        _lease_drop(account_id)


def _step(state: SyncState) -> float:
    """Do the next thing of one data set; return the seconds to wait before anything else of this account is read."""
    try:
        if state.started_at is None:
            pass_start(state)
        elif has_read_all(state):
            pass_finish(state)
        else:
            page_walk(state)
    except Superseded:
        logger.info("%s of account %s is read by another worker", state.data_set, state.account_id)
    except RateLimited as exc:
        wait = max(WAIT_FOR_TOKENS, exc.wait_seconds)
        _put_off(state, wait, status=SyncState.Status.WAITING, error=exc.text, failures=state.failures)
        return wait
    except (ExchangeError, DeskError, WireFormatError) as exc:
        logger.warning("%s of account %s was not read, tried again: %s", state.data_set, state.account_id, exc)
        pause = PAUSES[min(state.failures, len(PAUSES) - 1)]
        _put_off(state, pause, status=SyncState.Status.FAILED, error=str(exc), failures=state.failures + 1)
    return 0.0


def _put_off(state: SyncState, seconds: float, *, status: str, error: str, failures: int) -> None:
    with transaction.atomic():
        changed = SyncState.objects.filter(pk=state.pk, version=state.version).update(
            next_at=utc_now() + timedelta(seconds=seconds),
            worked_at=utc_now(),
            status=status,
            error=error[:300],
            failures=failures,
            version=F("version") + 1,
        )
        if changed:
            state.refresh_from_db()
            events.state_publish(state, at_once=True)


# --- the lease -----------------------------------------------------------------------------------


def _lease_take(account_id: int) -> bool:
    now = utc_now()
    free = HistoryAccount.objects.filter(account_id=account_id).filter(Q(leased_until=None) | Q(leased_until__lt=now))
    return bool(free.update(leased_until=now + LEASE))


def _lease_renew(account_id: int) -> None:
    HistoryAccount.objects.filter(account_id=account_id).update(leased_until=utc_now() + LEASE)


def _lease_drop(account_id: int) -> None:
    HistoryAccount.objects.filter(account_id=account_id).update(leased_until=None)
