"""Typed readers of environment variables.

Each reader refuses a wrong value with the variable's name and a hint, at start, so that an
operator's typing error never becomes a surprise in the middle of a trading day.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def text(name: str, default: str | None = None, *, env: Mapping[str, str] = os.environ) -> str:
    """Return a non-empty string; without a default the variable is required."""
    value = env.get(name, "").strip()
    if value:
        return value
    if default is None:
        raise ImproperlyConfigured(f"{name} is not set. Set it in the environment of this process.")
    return default


def flag(name: str, default: bool, *, env: Mapping[str, str] = os.environ) -> bool:
    value = env.get(name, "").strip().lower()
    if not value:
        return default
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name}={value!r} is not a switch. Use 1 or 0.")


def whole(
    name: str,
    default: int,
    *,
    minimum: int = 0,
    maximum: int | None = None,
    env: Mapping[str, str] = os.environ,
) -> int:
    value = env.get(name, "").strip()
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number.") from None
    if number < minimum or (maximum is not None and number > maximum):
        upper = "" if maximum is None else f" and {maximum}"
        raise ImproperlyConfigured(f"{name}={number} is out of range: use between {minimum}{upper}.")
    return number


def choice(name: str, default: str, options: tuple[str, ...], *, env: Mapping[str, str] = os.environ) -> str:
    value = env.get(name, "").strip() or default
    if value not in options:
        raise ImproperlyConfigured(f"{name}={value!r} is unknown. Use one of: {', '.join(options)}.")
    return value


def names(name: str, default: str = "", *, env: Mapping[str, str] = os.environ) -> list[str]:
    """Return a comma-separated list."""
    return [part.strip() for part in env.get(name, default).split(",") if part.strip()]


def path(name: str, default: Path, *, env: Mapping[str, str] = os.environ) -> Path:
    return Path(env.get(name, "").strip() or default).expanduser().resolve()


def credential(name: str, default: str = "", *, env: Mapping[str, str] = os.environ) -> str:
    """Return a path; "credential:NAME" is a file that systemd gave this process (LoadCredential=)."""
    value = env.get(name, "").strip() or default
    return _given(name, value, env)


def credentials(name: str, *, env: Mapping[str, str] = os.environ) -> list[str]:
    """Return paths, as `credential`, of a comma-separated list."""
    return [_given(name, one, env) for one in names(name, env=env)]


def _given(name: str, value: str, env: Mapping[str, str]) -> str:
    kind, _, inner = value.partition(":")
    if kind != "credential":
        return value
    folder = env.get("CREDENTIALS_DIRECTORY", "").strip()
    if not folder:
        raise ImproperlyConfigured(f"{name}={value!r}, and systemd gave this process no credentials (LoadCredential=).")
    if not inner or "/" in inner or inner.startswith("."):
        raise ImproperlyConfigured(f"{name}={value!r} is not the name of a credential.")
    return str(Path(folder) / inner)


def passkey_host(origins: Sequence[str]) -> str:
    """Return the first host of `origins` that browsers allow passkeys at, or "": https under a name, or localhost."""
    for origin in origins:
        parts = urlsplit(origin)
        host = parts.hostname or ""
        is_name = host.rpartition(".")[2].isalpha()
        if host == "localhost" or (parts.scheme == "https" and is_name):
            return host
    return ""
