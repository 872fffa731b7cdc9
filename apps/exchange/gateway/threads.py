"""Threads of the gateway: one for the database, one for Redis, a few for slow readings."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import close_old_connections, connections

T = TypeVar("T")


class Threads:
    """Run blocking work outside the event loop.

    database: one thread, so that messages of the feed are applied in their order.
    redis: one thread; a publication that takes long only makes the next one newer.
    urgent: accepted quotes and their confirmations, seconds before their windows end; nothing else.
    slow: readings over REST (reconciling, the tape's backlog).
    """

    def __init__(self) -> None:
        self._database = ThreadPoolExecutor(1, thread_name_prefix="gateway-database")
        self._redis = ThreadPoolExecutor(1, thread_name_prefix="gateway-redis")
        self._slow = ThreadPoolExecutor(4, thread_name_prefix="gateway-slow")
        self._urgent = ThreadPoolExecutor(4, thread_name_prefix="gateway-urgent")

    async def database(self, work: Callable[[], T]) -> T:
        def run() -> T:
            close_old_connections()
            return work()

        return await asyncio.get_running_loop().run_in_executor(self._database, run)

    async def urgent(self, work: Callable[[], T]) -> T:
        def run() -> T:
            close_old_connections()
            return work()

        return await asyncio.get_running_loop().run_in_executor(self._urgent, run)

    async def redis(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._redis, work)

    async def slow(self, work: Callable[[], T]) -> T:
        def run() -> T:
            try:
                return work()
            finally:
                connections.close_all()

        return await asyncio.get_running_loop().run_in_executor(self._slow, run)

    def stop(self) -> None:
        """Begin to end the threads: work that has not started is dropped, nothing is waited for.

        What a transaction or a reading leaves unfinished, the next start reads anew.
        """
        self._database.shutdown(wait=False, cancel_futures=True)
        self._redis.shutdown(wait=False, cancel_futures=True)
        self._slow.shutdown(wait=False, cancel_futures=True)
        self._urgent.shutdown(wait=False, cancel_futures=True)

    def join(self) -> None:
        """Wait until all work has ended (tests)."""
        for pool in (self._database, self._redis, self._slow, self._urgent):
            pool.shutdown(wait=True)
