"""The gateway's half of a confirmation: it confirms when no worker does, and hears accepts that no frame told.

guard: what is decided and at nobody's hands 150 ms later is sent from here; so is what a dead holder left.
watch: while own quotes are open, the exchange's list of them is read each second. One of ours that is not on it any
more was accepted, or ended: it is read. The worker's sweep does the same when the gateway does not.
"""

import asyncio
import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Final

import redis
from django.db import connections

from apps.core.errors import DeskError, WireFormatError
from apps.core.ports import GatewayTools
from apps.core.rfq import ConfirmationState, QuoteState
from apps.core.timestamps import utc_now
from apps.exchange import live
from apps.exchange.clients import client_for
from apps.exchange.warm import clients_warm
from apps.exchange.wire.api import communications as api
from apps.exchange.wire.errors import ExchangeError, Refused
from apps.rfq import reports
from apps.rfq.models import Confirmation, Quote
from apps.rfq.services.confirm_apply import quote_move
from apps.rfq.services.confirm_send import confirm_send, confirmations_due
from apps.rfq.services.confirmations import confirmations_expire
from apps.rfq.services.last_look import feed_state
from apps.rfq.services.look_again import is_looked_at_again, looks_again
from apps.rfq.services.quotes_send import join_or_apply

logger = logging.getLogger(__name__)

# A worker that has not taken the lease by then is not going to.
TAKE_OVER_AFTER: Final = timedelta(milliseconds=150)
BUSY_PAUSE: Final = 0.03  # seconds, while a window runs
IDLE_PAUSE: Final = 0.2
WATCH_EVERY: Final = 1.0
WATCH_BLIND: Final = 0.5  # no frame can tell of an accept: the readings are all there is
AT_ONCE: Final = 50  # quotes that are read one by one in a pass
SENDERS: Final = 16
NOT_FOUND: Final = 404
_READ_KEY = "desk:rfq-quotes-read:"  # + account: set by whoever reads, gone within a second

_sweepers = ThreadPoolExecutor(SENDERS, thread_name_prefix="sweep-confirm")  # its threads begin with their work
_stopping = threading.Event()  # this worker ends: what it holds is given back for others to send
_taking: set[int] = set()
_read_at: dict[int, float] = {}  # account -> when this process read its quotes last, monotonic seconds
_lock = threading.Lock()
_woken: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []


def wake() -> None:
    """A window has begun: look now. From any thread; nothing happens outside the gateway."""
    for loop, event in list(_woken):
        with suppress(RuntimeError):  # that loop has ended
            loop.call_soon_threadsafe(event.set)


async def guard(tools: GatewayTools) -> None:
    """Send what nobody sends. A job of the gateway."""
    event = asyncio.Event()
    entry = (asyncio.get_running_loop(), event)
    stopping = threading.Event()
    senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="gateway-confirm")
    running: dict[int, Future[None]] = {}
    _woken.append(entry)
    # No window pays for opening a key.
    warming = asyncio.create_task(tools.slow(clients_warm), name="gateway-confirm-warm")
    try:
        while True:
            event.clear()
            due, is_busy = await tools.urgent(look)
            running = {pk: work for pk, work in running.items() if not work.done()}
            for pk in due:
                if pk not in running:
                    logger.warning("confirmation %s is at nobody's hands, the gateway sends it", pk)
                    running[pk] = senders.submit(_send, pk, stopping)
            with suppress(TimeoutError):
                async with asyncio.timeout(BUSY_PAUSE if is_busy else IDLE_PAUSE):
                    await event.wait()
    finally:
        warming.cancel()
        _woken.remove(entry)
        stopping.set()
        senders.shutdown(wait=False, cancel_futures=True)


async def watch(tools: GatewayTools) -> None:
    """Read own open quotes each second while there are any. A job of the gateway."""
    while True:
        await tools.slow(own_quotes_sweep)
        await asyncio.sleep(WATCH_EVERY)


def look() -> tuple[list[int], bool]:
    """Return what to send now, and whether any window runs. What is over is ended on the way."""
    now = utc_now()
    unresolved = Confirmation.objects.filter(state__in=[ConfirmationState.OPEN, ConfirmationState.CONFIRMING])
    windows = list(unresolved.values_list("state", "send_by", "decision", "policy", "reason"))
    if not windows:
        return [], False
    # One statement tells which of the others could find anything: this is asked thirty times a second.
    if any(send_by <= now for _, send_by, *_ in windows):
        confirmations_expire(now=now)
    waits = any(is_looked_at_again(*judged) for _, _, *judged in windows)
    decided = looks_again(now=now) if waits else 0
    if not decided and all(state != ConfirmationState.CONFIRMING for state, *_ in windows):
        return [], True
    return confirmations_due(now=now, decided_before=now - TAKE_OVER_AFTER), True


def take_over(*, after: timedelta = TAKE_OVER_AFTER) -> list[int]:
    """The third sender, in the workers that stand by: send what neither the urgent worker nor the gateway has taken.

    They may be dead both at once, and a window of three seconds does not wait until one of them is back. Returns what
    was begun; each has a thread of its own. after: how long the others have had since the decision.
    """
    if _stopping.is_set():
        return []
    now = utc_now()
    begun = []
    for pk in confirmations_due(now=now, decided_before=now - after):
        with _lock:
            if pk in _taking:
                continue
            _taking.add(pk)
        logger.info("confirmation %s is at nobody's hands, a worker that stands by sends it", pk)
        _sweepers.submit(_take, pk)
        begun.append(pk)
    return begun


def own_quotes_sweep() -> int:
    """Read the open quotes of every account that has any; returns how many accounts were read."""
    accounts = Quote.objects.filter(state=QuoteState.OPEN).values_list("account_id", "account__environment").distinct()
    read = 0
    for account_id, environment in list(accounts):
        if not _is_my_turn(account_id, environment):
            continue
        try:
            own_quotes_read(account_id)
            read += 1
        except (ExchangeError, DeskError, WireFormatError) as exc:
            logger.warning("own quotes of account %s were not read: %s", account_id, exc)
    return read


def own_quotes_read(account_id: int) -> None:
    """Hold our open quotes against the exchange's list of them. Raises ExchangeError, DeskError, WireFormatError."""
    began = utc_now()
    here = Quote.objects.filter(account_id=account_id, state=QuoteState.OPEN, answered_at__lt=began)
    waiting = set(here.values_list("quote_id", flat=True))
    client = client_for(account_id, write=False)
    for record in api.get_quotes(client, own=True, status="open"):
        if record.id in waiting:
            waiting.discard(record.id)
        else:  # a zombie, or made elsewhere
            join_or_apply(account_id, reports.quote_from_rest(record))
    for quote in here.filter(quote_id__in=waiting).order_by("-pk")[:AT_ONCE]:
        assert quote.quote_id
        try:
            join_or_apply(account_id, reports.quote_from_rest(api.get_quote(client, quote.quote_id)))
        except Refused as exc:
            if exc.status != NOT_FOUND:
                raise
            quote_move(quote, QuoteState.CANCELLED, reason="no longer at the exchange")


def take_over_stop() -> None:
    """This worker ends: begin nothing any more, and give the leases back."""
    _stopping.set()
    _sweepers.shutdown(wait=False, cancel_futures=True)


def _is_my_turn(account_id: int, environment: str) -> bool:
    """Gateway and workers take turns; without Redis everybody reads, each at this pace."""
    at = time.monotonic()
    with _lock:
        since = at - _read_at.get(account_id, float("-inf"))
    if since < WATCH_BLIND * 0.9:
        return False
    pace = WATCH_EVERY if feed_state(environment).state == "live" else WATCH_BLIND
    if since < pace * 0.9:
        return False
    try:
        wanted = live.redis_client().set(f"{_READ_KEY}{account_id}", b"1", nx=True, px=int(pace * 900))
    except (redis.RedisError, OSError):
        wanted = True
    if wanted:
        with _lock:
            _read_at[account_id] = at
    return bool(wanted)


def _take(pk: int) -> None:
    try:
        confirm_send(pk, by="sweep", is_stopped=_stopping.is_set)
    except Exception:
        # A boundary: the lease runs out, and the next look finds it again.
        logger.exception("a worker that sweeps could not send confirmation %s", pk)
    finally:
        with _lock:
            _taking.discard(pk)
        _close_connections()


def _close_connections() -> None:
    connections.close_all()


def _send(pk: int, stopping: threading.Event) -> None:
    try:
        confirm_send(pk, by="gateway", is_stopped=stopping.is_set)
    except Exception:
        # A boundary: the lease runs out, and the next look finds it again.
        logger.exception("the gateway could not send confirmation %s", pk)
    finally:
        connections.close_all()
