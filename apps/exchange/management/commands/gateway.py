"""`manage.py gateway`: the process that holds the WebSocket connections to the exchange."""

import asyncio
import logging
import os
import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand

from apps.exchange.gateway import Gateway


class Command(BaseCommand):
    help = "Hold the exchange connections of all active accounts until SIGTERM or SIGINT."

    def handle(self, *args: Any, **options: Any) -> None:
        asyncio.run(_run())
        # Readings over REST that are still under way change nothing that the next start does not
        # read again; waiting for them would make every stop take as long as the slowest answer.
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


async def _run() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Gateway().run(stop)
