"""How long confirmations took to be answered: what a deadline must leave for the way there."""

import threading
import time
from datetime import timedelta
from typing import Final

from apps.rfq.models import Confirmation

ENOUGH: Final = 20  # answers, below which a fixed time is taken
NEWEST: Final = 200
UNMEASURED: Final = timedelta(milliseconds=250)
LEAST: Final = timedelta(milliseconds=20)
# More than this left for the way would give up windows that can still be met.
MOST: Final = timedelta(milliseconds=500)
TRUSTED_FOR: Final = 60.0  # seconds

_lock = threading.Lock()
_known: dict[str, tuple[float, timedelta]] = {}


def high(environment: str) -> timedelta:
    """Return the time within which 99 of 100 confirmations were answered; of the newest of this installation."""
    at = time.monotonic()
    with _lock:
        known = _known.get(environment)
    if known is not None and at - known[0] < TRUSTED_FOR:
        return known[1]
    rows = Confirmation.objects.filter(
        quote__account__environment=environment, answered_at__isnull=False, last_sent_at__isnull=False
    ).exclude(confirmed_at=None)
    pairs = rows.order_by("-pk").values_list("answered_at", "last_sent_at")[:NEWEST]
    took = sorted(answered - sent for answered, sent in pairs if answered and sent and answered >= sent)
    found = UNMEASURED
    if len(took) >= ENOUGH:
        found = min(max(took[int(len(took) * 0.99)], LEAST), MOST)
    with _lock:
        _known[environment] = (at, found)
    return found


def forget() -> None:
    """Measure anew (tests)."""
    with _lock:
        _known.clear()
