"""Which way an account's orders leave: REST, or what another app has put into the port."""

from apps.core import ports
from apps.core.ports import OrderRoute


def route_of(account_id: int) -> OrderRoute | None:
    """Return the account's way; None: REST. Raises DeskError: it cannot be said, so nothing may leave."""
    for find in ports.order_routes:
        found = find(account_id)
        if found is not None:
            return found
    return None
