"""Which way an account's quotes and requests leave: REST, or what another app has put into the port."""

from apps.core import ports
from apps.core.ports import QuoteRoute, RequestRoute


def quote_route_of(account_id: int) -> QuoteRoute | None:
    """Return the way of the account's quotes; None: REST."""
    for find in ports.quote_routes:
        found = find(account_id)
        if found is not None:
            return found
    return None


def request_route_of(account_id: int) -> RequestRoute | None:
    """Return the way of the account's requests and accepts; None: REST."""
    for find in ports.request_routes:
        found = find(account_id)
        if found is not None:
            return found
    return None
