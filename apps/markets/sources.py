"""Settlement sources as a page may show them. Pure."""

from typing import Any
from urllib.parse import urlsplit

AT_MOST = 20


def sources_shown(raw: Any) -> list[dict[str, str]]:
    """Return [{"name", "url", "host"}]; url and host only of https, where a browser may safely follow it, else ""."""
    found = []
    for source in (raw if isinstance(raw, list) else [])[:AT_MOST]:
        if not isinstance(source, dict) or not (source.get("name") or source.get("url")):
            continue
        url, host = _safe(str(source.get("url") or ""))
        name = str(source.get("name") or host)[:200]
        if name:
            found.append({"name": name, "url": url, "host": host})
    return found


def _safe(url: str) -> tuple[str, str]:
    """Return address and host; two empty texts where it is no https address, or hides where it leads."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        is_plain = parts.port in (None, 443) and parts.username is None and parts.password is None
    except ValueError:
        return "", ""
    if parts.scheme != "https" or not host or not is_plain or not host.isascii() or len(url) > 2_000:
        return "", ""
    return url, host
