"""The gateway's job that looks at the stream four times a second, in a thread of its own."""

import asyncio
import functools
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from django.core.exceptions import ObjectDoesNotExist
from django.db import close_old_connections, connections

from apps.core.errors import DeskError
from apps.core.ports import GatewayTools
from apps.exchange.wire.errors import ExchangeError
from apps.rfq.services.stream import Batch, arrivals, stream_read
from apps.rfq.services.stream_publish import StreamPublisher

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.25
# A request that executed or ran out is told to nobody but its two sides: the list says that it is over.
LIST_SECONDS = 60.0


async def stream_job(tools: GatewayTools) -> None:
    """Run until cancelled. A thread of its own: readings over REST in the shared ones may take seconds."""
    publisher = StreamPublisher()
    loop = asyncio.get_running_loop()
    pool = ThreadPoolExecutor(1, thread_name_prefix="rfq-stream")
    listing: asyncio.Task[None] | None = None
    listed_at = time.monotonic()  # at the start the connections read it
    try:
        while True:
            began = time.monotonic()
            if publisher.sources and began - listed_at >= LIST_SECONDS and (listing is None or listing.done()):
                listed_at = began
                listing = asyncio.create_task(_list(tools, sorted(publisher.sources.values())))
            batches = arrivals.take()
            await loop.run_in_executor(pool, _tick, publisher, batches)
            await asyncio.sleep(max(0.05, TICK_SECONDS - (time.monotonic() - began)))
    finally:
        if listing is not None:
            listing.cancel()
        pool.submit(_leave, publisher)
        pool.shutdown(wait=False)


async def _list(tools: GatewayTools, account_ids: list[int]) -> None:
    for account_id in account_ids:
        try:
            await tools.slow(functools.partial(stream_read, account_id))
        except (ExchangeError, DeskError, ObjectDoesNotExist) as exc:
            logger.warning("the open requests were not listed by account %s: %s", account_id, exc)


def _tick(publisher: StreamPublisher, batches: dict[str, Batch]) -> None:
    close_old_connections()
    try:
        publisher.tick(batches)
    except Exception:
        # A boundary: one frame that cannot be made must not cost the board of all requests.
        logger.exception("the incoming stream was not published")


def _leave(publisher: StreamPublisher) -> None:
    try:
        publisher.leave()
    except Exception:
        logger.exception("the incoming stream was not put away")
    finally:
        connections.close_all()
