"""The gateway's share of the kill switch: it has requests signed, and needs neither Redis nor a worker.

Each half second it looks for a run with something left and makes a pass; a kill that only the file knows it carries
into the database, or, while there is none, straight to the exchange with the emergency keys.
"""

import asyncio
import contextlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connections

from apps.core.durability import reaches_disk_later
from apps.core.errors import DeskError
from apps.core.ports import GatewayTools
from apps.core.timestamps import utc_now
from apps.monitoring.health import SIGNER
from apps.monitoring.models import Beat
from apps.monitoring.services.direct import opened_pass
from apps.monitoring.services.kill import marker_take
from apps.monitoring.services.kill_pass import kill_pass, kills_due
from apps.orders import killed
from apps.vault.emergency_file import OpenedKey, emergency_open, emergency_path
from apps.vault.signer import remote

logger = logging.getLogger(__name__)

LOOK_EVERY = 0.5  # seconds
DIRECT_EVERY = 4  # looks between two passes without a database
SIGNER_EVERY = 10.0  # seconds


async def kill_watch(tools: GatewayTools) -> None:
    """Make passes while the kill switch is pulled. A job of the gateway, in a thread that nothing else uses."""
    with ThreadPoolExecutor(1, thread_name_prefix="gateway-kill") as thread:
        loop = asyncio.get_running_loop()
        number = 0
        try:
            while True:
                await loop.run_in_executor(thread, _look, number)
                number += 1
                await asyncio.sleep(LOOK_EVERY)
        finally:
            thread.submit(connections.close_all)


async def signer_watch(tools: GatewayTools) -> None:
    """Write down that the signer answers, for the page of health. A job of the gateway, which depends on it."""
    while True:
        if settings.SIGNER_SOCKET:
            await tools.slow(signer_beat)
        await asyncio.sleep(SIGNER_EVERY)


@reaches_disk_later()
def signer_beat() -> None:
    began = time.monotonic()
    # Where this fails, the row's age says it.
    with contextlib.suppress(DeskError, DatabaseError, InterfaceError):
        remote.ping()
        waited = round((time.monotonic() - began) * 1000)
        Beat.objects.update_or_create(name=SIGNER, defaults={"at": utc_now(), "waited_ms": waited})


def _look(number: int) -> None:
    close_old_connections()
    look(number)


def look(number: int = 0) -> int:
    """Make the passes that are due; returns how many. A database that is away is no reason to stop."""
    try:
        if killed.is_set():
            marker_take()
        due = kills_due()
    except (DatabaseError, InterfaceError) as exc:
        if killed.is_set() and number % DIRECT_EVERY == 0:
            logger.error("kill switch: no database (%s), straight to the exchange", type(exc).__name__)
            _direct()
        return 0
    for run_id in due:
        try:
            kill_pass(run_id)
        except Exception:
            # A boundary: the next look tries again.
            logger.exception("a pass of the kill switch failed")
    return len(due)


def _direct() -> None:
    marker = killed.read()
    if marker is None or not (settings.SIGNER_SOCKET or settings.VAULT_PRIVATE_KEY_FILE):
        return
    try:
        for told in opened_pass(_opened(), desk_slug=marker.desk_slug):
            logger.error("kill switch, straight to the exchange: %s", told.words)
    except DeskError as exc:
        logger.error("kill switch: %s", exc.text)


def _opened() -> list[OpenedKey]:
    if settings.SIGNER_SOCKET:
        return remote.emergency_opened()
    return emergency_open(emergency_path(), private_key=Path(settings.VAULT_PRIVATE_KEY_FILE))
