"""One gateway at a time: a row with an expiry, taken by one conditional statement."""

import os
import secrets
import socket
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q

from apps.core.durability import reaches_disk_later
from apps.core.timestamps import utc_now
from apps.exchange.models import GatewayLease

# A gateway that was killed lets the next one begin after this long.
LEASE = timedelta(seconds=6)


def holder_name() -> str:
    """Return a name for this process that no other process, now or later, has."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"


def lease_take(holder: str, *, name: str = "gateway", now: datetime | None = None) -> bool:
    """Take or renew the lease; False while another process holds it."""
    moment = now or utc_now()
    free = Q(holder=holder) | Q(expires_at__lte=moment)
    until = moment + LEASE
    # After a power cut no process of before is left to hold it.
    with reaches_disk_later():
        if GatewayLease.objects.filter(free, name=name).update(holder=holder, expires_at=until):
            return True
    try:
        with transaction.atomic():
            GatewayLease.objects.create(name=name, holder=holder, expires_at=until)
    except IntegrityError:
        return False
    return True


def lease_release(holder: str, *, name: str = "gateway") -> None:
    """Let the next process begin at once."""
    GatewayLease.objects.filter(name=name, holder=holder).delete()
