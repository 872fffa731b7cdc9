"""The worker's share of the guard: a thread that stands by while a quote of ours is open, or a window runs.

Gateway and urgent worker may be dead both at once, and what a beat starts once a second comes too late for a window of
three. So each sweeping worker looks several times a second: it hears accepts by reading the exchange when nobody else
has for a second, looks for prices where the feed is down, and sends what is at nobody's hands. Beat starts it again.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final

from django.db import close_old_connections, connections
from django.db.models import QuerySet

from apps.core.rfq import ConfirmationState, Policy, QuoteState
from apps.core.timestamps import utc_now
from apps.rfq.models import Confirmation, Quote
from apps.rfq.services import guard
from apps.rfq.services.confirmations import confirmations_expire
from apps.rfq.services.look_again import looks_again

logger = logging.getLogger(__name__)

# Seconds. Often enough for a window of three, and not so often that two processes take the time of who does it now.
BUSY_PAUSE: Final = 0.15  # while a window runs
NOW: Final = timedelta()
OPEN_PAUSE: Final = 0.3  # while a quote of ours is open

# What may take as long as the exchange does: one of each at a time, and never in the way of a send.
_readers = ThreadPoolExecutor(2, thread_name_prefix="stand-by-read")
_running: set[str] = set()
_thread: threading.Thread | None = None
_stopping = threading.Event()
_lock = threading.Lock()


def stand_by() -> bool:
    """Begin to stand by in this process where there is anything to do; False when it does so already, or need not."""
    global _thread
    if not _has_work():
        return False
    with _lock:
        if _stopping.is_set() or (_thread is not None and _thread.is_alive()):
            return False
        _thread = _thread_begun()
    return True


def stop() -> None:
    """This process ends: hear nothing and send nothing any more, and give back what it holds."""
    _stopping.set()
    _readers.shutdown(wait=False, cancel_futures=True)
    guard.take_over_stop()


def once() -> float | None:
    """Do what is due; returns when to look again, in seconds, or None when there is nothing to stand by for."""
    windows = list(_windows().values_list("state", "send_by", "policy", "decision"))
    is_busy = bool(windows)
    now = utc_now()
    if any(send_by <= now for _, send_by, *_ in windows):
        confirmations_expire()
    if any(state == ConfirmationState.CONFIRMING for state, *_ in windows):
        guard.take_over()
    if any(not decision and policy == Policy.AUTO for *_, policy, decision in windows):  # for prices, perhaps
        _begin("look", _look)
    if Quote.objects.filter(state=QuoteState.OPEN).exists():
        _begin("read", _read)
    elif not is_busy:
        return None
    return BUSY_PAUSE if is_busy else OPEN_PAUSE


def _thread_begun() -> threading.Thread:
    thread = threading.Thread(target=_run, name="rfq-stand-by", daemon=True)
    thread.start()
    return thread


def _look() -> None:
    if looks_again(may_read=True):
        guard.take_over(after=NOW)


def _read() -> None:
    """Hear by reading; what is decided by it goes out from here, because whoever should have heard it may be dead."""
    if guard.own_quotes_sweep():
        guard.take_over(after=NOW)


def _windows() -> QuerySet[Confirmation]:
    return Confirmation.objects.filter(state__in=[ConfirmationState.OPEN, ConfirmationState.CONFIRMING])


def _has_work() -> bool:
    return Quote.objects.filter(state=QuoteState.OPEN).exists() or _windows().exists()


def _run() -> None:
    pause: float | None = 0.0
    try:
        while pause is not None and not _stopping.wait(pause):
            pause = once()
    except Exception:
        # A boundary: beat starts it again within a second.
        logger.exception("standing by for accepted quotes broke off")
    finally:
        _close_connections()


def _close_connections() -> None:
    connections.close_all()


def _keep_connections() -> None:
    """The readers' threads stay, and opening the database several times a second costs more than what they ask."""
    close_old_connections()


def _begin(name: str, work: Callable[[], object]) -> None:
    with _lock:
        if name in _running or _stopping.is_set():
            return
        _running.add(name)
    try:
        _readers.submit(_done, name, work)
    except RuntimeError:  # it was shut down in between
        _running.discard(name)


def _done(name: str, work: Callable[[], object]) -> None:
    try:
        work()
    except Exception:
        # A boundary: the next look does it again.
        logger.exception("standing by: %s failed", name)
    finally:
        with _lock:
            _running.discard(name)
        _keep_connections()
