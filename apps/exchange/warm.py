"""What a worker does before its first order, so that no order pays for it: open keys, build clients.

Opening a key checks it as RSA (40 ms of processor time) and writes an audit entry; the first client of a
process builds its TLS context. Together they held up the first order after a start by most of a second.
"""

import logging

from celery.signals import worker_ready

from apps.core.errors import DeskError
from apps.exchange.clients import client_for
from apps.exchange.selectors import accounts_with_keys

logger = logging.getLogger(__name__)


def clients_warm() -> int:
    """Build the reading and the trading client of every account that has keys; returns how many were built."""
    built = 0
    for account in accounts_with_keys():
        for write in (True, False):
            try:
                client_for(account.account_id, write=write)
            except DeskError as exc:
                # No key for this, or one that does not open: whoever needs it is told then.
                logger.info("account %s was not made ready: %s", account.account_id, exc.text)
            else:
                built += 1
    return built


@worker_ready.connect  # type: ignore[untyped-decorator]  # celery carries no types
def _worker_started(**_: object) -> None:
    try:
        clients_warm()
    except Exception:
        # Only speed was at stake.
        logger.exception("the clients could not be made ready")
