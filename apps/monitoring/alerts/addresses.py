"""Where a webhook may go: outside, never into this network. Asked when it is saved, and again at each send.

A name is resolved once per send, every address it has is judged, and the connection is made to an address that was
judged (`webhook.post`): a name that answers differently the second time (DNS rebinding) gains nothing.
"""

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from apps.core.errors import DeskError

LENGTH_AT_MOST: Final = 500
PORTS: Final = (443, 8443)
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]
# IPv6 ways of writing an IPv4 address, which is then what is judged.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class BadAddress(DeskError):
    """This address may not be used. The text never holds the address itself."""

    def __init__(self, text: str) -> None:
        super().__init__("bad_webhook", text, fields={"address": text})


@dataclass(frozen=True, slots=True)
class Target:
    """A judged address. ip: what to connect to. path: with its query; a secret."""

    scheme: str
    host: str
    port: int
    path: str
    ip: str


@sensitive_variables("url", "parts")
def target_of(url: str, *, resolve: Resolve | None = None) -> Target:
    """Return where to connect for this address. Raises BadAddress."""
    if not url.isascii() or len(url) > LENGTH_AT_MOST or any(ord(one) <= 32 for one in url) or "\\" in url:
        raise BadAddress("This is not a web address. Copy it again from where it was made.")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise BadAddress("This is not a web address. Copy it again from where it was made.") from None
    port = port or (443 if parts.scheme == "https" else 80)
    is_known = f"{host}:{port}" in settings.ALERT_WEBHOOK_INSIDE
    if parts.scheme != "https" and not (parts.scheme == "http" and is_known and settings.DESK_MODE == "demo"):
        raise BadAddress("The address has to begin with https://.")
    if parts.username is not None or parts.password is not None:
        raise BadAddress("The address may not hold a name or password before its host.")
    if not host or parts.fragment:
        raise BadAddress("This is not a web address. Copy it again from where it was made.")
    if port not in PORTS and not is_known:
        raise BadAddress("Only ports 443 and 8443 may be used.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path, _judged(host, port, is_known, resolve or _resolve))


def _judged(host: str, port: int, is_known: bool, resolve: Resolve) -> str:
    """Return the first address of the host, when all of them may be used."""
    try:
        found = [ipaddress.ip_address(raw.partition("%")[0]) for raw in resolve(host, port)]
    except (OSError, UnicodeError, ValueError):
        found = []
    if not found:
        raise BadAddress("This host cannot be found.")
    if not all(is_outside(one) or (is_known and _may_be_inside(one)) for one in found):
        raise BadAddress("This host is inside a private network, or no host at all. Nothing is sent there.")
    return str(found[0])


def _resolve(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def is_outside(ip: Ip) -> bool:
    """Whether this is an address of the open internet: not private, loopback, link-local, multicast or reserved."""
    inner = _inner(ip)
    if inner is not None:
        return is_outside(inner)
    is_special = ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback or ip.is_link_local
    return ip.is_global and not ip.is_private and not is_special


def _may_be_inside(ip: Ip) -> bool:
    """What an operator may name: private and loopback, never link-local, where clouds keep their credentials."""
    ip = _inner(ip) or ip
    return (ip.is_private or ip.is_loopback) and not (ip.is_link_local or ip.is_unspecified or ip.is_multicast)


def _inner(ip: Ip) -> Ip | None:
    """The IPv4 address that an IPv6 address stands for: mapped, 6to4, Teredo, NAT64."""
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
