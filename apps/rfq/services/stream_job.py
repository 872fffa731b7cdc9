"""The gateway's job that looks at the stream four times a second, in a thread of its own."""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from django.db import close_old_connections, connections

from apps.core.ports import GatewayTools
from apps.rfq.services.stream import Batch, arrivals
from apps.rfq.services.stream_publish import StreamPublisher

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.25


async def stream_job(tools: GatewayTools) -> None:
    """Run until cancelled. A thread of its own: readings over REST in the shared ones may take seconds."""
    publisher = StreamPublisher()
    loop = asyncio.get_running_loop()
    pool = ThreadPoolExecutor(1, thread_name_prefix="rfq-stream")
    try:
        while True:
            began = time.monotonic()
            batches = arrivals.take()
            await loop.run_in_executor(pool, _tick, publisher, batches)
            await asyncio.sleep(max(0.05, TICK_SECONDS - (time.monotonic() - began)))
    finally:
        pool.submit(_leave, publisher)
        pool.shutdown(wait=False)


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
