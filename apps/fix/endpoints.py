"""Where an environment's FIX sessions listen: the settings' table, or what the paper exchange announces.

No address comes from a person, a row or an answer, so no connection can be steered elsewhere.
"""

import ipaddress
import json
import ssl
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings

from apps.core.errors import DeskError
from apps.exchange.hosts import environment_check
from apps.fix.engine.rules import Kind

# As the documented ports 8228 to 8232 lie behind one another (docs:fix/connectivity).
PORT_OFFSETS: Final = {Kind.NR: 0, Kind.DC: 1, Kind.RT: 2, Kind.PT: 3, Kind.RFQ: 4}
# Of the margin exchange (docs:fix-margin/connectivity). Its market data has a host and a setting of its own.
MARGIN_OFFSETS: Final = {Kind.NR: 0, Kind.DC: 1, Kind.RT: 2, Kind.MD: 0}


class EndpointMissing(DeskError):
    """The environment has no FIX address here, or one that may not be used."""

    def __init__(self, text: str) -> None:
        super().__init__("fix_endpoint", text)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address. tls False: plain, on loopback only. pin: SHA-256 of the certificate (DER), hex, "" for none."""

    host: str
    port: int
    tls: bool = True
    ca_path: str = ""
    pin: str = ""

    def __post_init__(self) -> None:
        if not self.tls and not _is_loopback(self.host):
            raise EndpointMissing(f"FIX without TLS is for loopback only, not for {self.host}.")

    def context(self) -> ssl.SSLContext | None:
        """Return what the connection is made with, None for a plain one. Raises EndpointMissing."""
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_path or None)
        except (OSError, ssl.SSLError) as exc:
            raise EndpointMissing(f"The trust anchor for FIX cannot be read ({exc}).") from exc
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.pin:
            # The pin says which certificate it must be, and is checked before a byte of ours leaves.
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def is_pinned(self, certificate: bytes | None) -> bool:
        """Say whether a peer's certificate (DER) is the pinned one; True without a pin."""
        return not self.pin or (certificate is not None and sha256(certificate).hexdigest() == self.pin)


def endpoint(environment: str, kind: Kind, *, is_margin: bool = False) -> Endpoint:
    """Return where to connect. Raises EnvironmentRefused, EndpointMissing."""
    environment_check(environment)
    offset = (MARGIN_OFFSETS if is_margin else PORT_OFFSETS).get(kind)
    if offset is None:
        raise EndpointMissing(f"There is no {kind} on the {'margin' if is_margin else 'event'} exchange.")
    variant = _variant(kind, is_margin=is_margin)
    row: dict[str, Any] = settings.FIX_ENDPOINTS.get(f"{environment}{variant}", {})
    options = {"ca_path": row.get("ca", ""), "pin": row.get("pin", "").replace(":", "").lower()}
    if row.get("url"):
        return _from_url(row["url"], offset, options)
    if row.get("file"):
        return _announced(Path(row["file"]), kind, is_margin=is_margin)
    name = f"DESK_FIX_{environment}{variant}".upper().replace(".", "_")
    raise EndpointMissing(f"There is no FIX address for {kind} of {environment}. An operator sets {name}.")


def _variant(kind: Kind, *, is_margin: bool) -> str:
    """Which of an environment's addresses: of the event exchange, of margin, or of margin's market data."""
    if not is_margin:
        return ""
    return ".market_data" if kind is Kind.MD else ".margin"


def _from_url(url: str, offset: int, options: dict[str, str]) -> Endpoint:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("tls", "plain") or not parts.hostname or not port:
        raise EndpointMissing("An address for FIX is tls://host:port (or plain:// on loopback), with KalshiNR's port.")
    return Endpoint(parts.hostname, port + offset, tls=parts.scheme == "tls", **options)


def _announced(path: Path, kind: Kind, *, is_margin: bool) -> Endpoint:
    """Read what the paper exchange wrote when it started: its ports may differ each time."""
    try:
        fix = json.loads(path.read_text(encoding="utf-8")).get("fix") or {}
        port = int((fix["margin"] if is_margin else fix)["sessions"][kind.value])
        ca_path = str(fix.get("ca_path") or "")
        return Endpoint(str(fix["host"]), port, tls=bool(fix.get("tls", ca_path)), ca_path=ca_path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise EndpointMissing(f"The paper exchange announces no {kind} ({type(exc).__name__}).") from exc


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
