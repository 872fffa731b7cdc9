"""X-Forwarded-Proto is believed where it comes from a proxy of ours, and is not there for anybody else.

Nothing else that a proxy may say is used at all: addresses are those of the connection.
"""

import ipaddress
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_HEADER = "HTTP_X_FORWARDED_PROTO"


class ProxyMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._networks = networks(settings.PROXIES)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _HEADER in request.META and not self._is_ours(request.META.get("REMOTE_ADDR", "")):
            del request.META[_HEADER]
            request.__dict__.pop("headers", None)  # made from META, once
        return self._get_response(request)

    def _is_ours(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        found = getattr(found, "ipv4_mapped", None) or found
        return any(found in network for network in self._networks)


def networks(names: list[str]) -> list[Network]:
    """Raises ImproperlyConfigured."""
    try:
        return [ipaddress.ip_network(name) for name in names]
    except ValueError as exc:
        raise ImproperlyConfigured(f"DESK_PROXIES: {exc}. Use addresses or networks, such as 10.0.0.7.") from None
