"""One connection per key, over all processes: a row with an expiry and a fence that rises with each holder."""

from datetime import datetime, timedelta
from hashlib import sha256

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from apps.core.durability import reaches_disk_later
from apps.core.timestamps import utc_now
from apps.fix.models import FixLease

LEASE = timedelta(seconds=10)


def key_digest(environment: str, key_id: str) -> str:
    return sha256(f"{environment}\x00{key_id}".encode()).hexdigest()


def lease_take(digest: str, holder: str, *, now: datetime | None = None) -> int | None:
    """Take or renew the lease of a key; return its fence, None while another holder has it."""
    moment = now or utc_now()
    until = moment + LEASE
    rows = FixLease.objects.filter(key_digest=digest)
    # After a power cut nobody holds anything: only a new holder's fence has to survive one.
    with reaches_disk_later():
        is_mine = rows.filter(holder=holder, expires_at__gt=moment).update(expires_at=until)
    if not is_mine:
        free = Q(holder=holder) | Q(expires_at__lte=moment)
        if not rows.filter(free).update(holder=holder, expires_at=until, fence=F("fence") + 1):
            try:
                with transaction.atomic():
                    FixLease.objects.create(key_digest=digest, holder=holder, expires_at=until)
            except IntegrityError:
                return None
    return rows.filter(holder=holder).values_list("fence", flat=True).first()


def lease_release(digest: str, holder: str) -> None:
    """Let the next holder begin at once. The row stays, so that its fence goes on rising."""
    FixLease.objects.filter(key_digest=digest, holder=holder).update(expires_at=utc_now())
