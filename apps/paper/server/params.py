"""Query parameters and body fields, checked; a wrong one is a 400 that names it."""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from apps.core.timestamps import parse_rfc3339, to_unix_ms
from apps.paper.engine.reads import Sequenced
from apps.paper.server.http import ApiError

_WHOLE = re.compile(r"-?[0-9]{1,20}")
_TICKER = re.compile(r"[A-Za-z0-9._-]{1,120}")

Query = Mapping[str, list[str]]
T = TypeVar("T")
Sequenced_T = TypeVar("Sequenced_T", bound=Sequenced)


def text(query: Query, name: str) -> str | None:
    """The last value of a parameter; an empty one counts as absent."""
    values = query.get(name)
    return values[-1] or None if values else None


def names(query: Query, name: str, *, most: int) -> list[str]:
    """A comma-separated list.

    Raises:
        ApiError: 400, more than `most` items.
    """
    given = [item.strip() for item in (text(query, name) or "").split(",") if item.strip()]
    if len(given) > most:
        raise invalid(name, f"at most {most} values")
    return given


def whole(query: Query, name: str, *, minimum: int = 0, maximum: int = 2**62) -> int | None:
    """Raises ApiError 400 for anything but a whole number inside the limits."""
    values = query.get(name)
    if not values:
        return None
    raw = values[-1]
    # Python's int() takes more than a number on the wire may be: "1_000", " 1", digits of other scripts.
    if not _WHOLE.fullmatch(raw):
        raise invalid(name, "a whole number")
    value = int(raw)
    if not minimum <= value <= maximum:
        raise invalid(name, f"between {minimum} and {maximum}")
    return value


def limit(query: Query, *, default: int, maximum: int, minimum: int = 1, name: str = "limit") -> int:
    value = whole(query, name, minimum=minimum, maximum=maximum)
    return default if value is None or value == 0 else value


def texts(query: Query, name: str, *, most: int) -> list[str]:
    """A parameter given several times, or several values with commas.

    Raises:
        ApiError: 400, more than `most`.
    """
    given = [item for value in query.get(name, []) for item in value.split(",") if item]
    if len(given) > most:
        raise invalid(name, f"given at most {most} times")
    return given


def moment(query: Query, name: str) -> int | None:
    """An RFC 3339 time as Unix milliseconds; 400 for anything else."""
    raw = text(query, name)
    if raw is None:
        return None
    try:
        return to_unix_ms(parse_rfc3339(raw))
    except ValueError as exc:
        raise invalid(name, "an RFC 3339 time") from exc


def flag(query: Query, name: str) -> bool:
    values = query.get(name)
    if not values:
        return False
    raw = values[-1]
    if raw not in ("true", "false", "1", "0"):
        raise invalid(name, "true or false")
    return raw in ("true", "1")


def choice(query: Query, name: str, allowed: Sequence[str]) -> str | None:
    raw = text(query, name)
    if raw is not None and raw not in allowed:
        raise invalid(name, f"one of {', '.join(allowed)}")
    return raw


def page(rows: Sequence[T], query: Query, *, size: int) -> tuple[Sequence[T], str]:
    """Return one page of a list that only grows at its end, and the cursor of the next ("" on the last one).

    Raises:
        ApiError: 400, a cursor that this exchange did not hand out.
    """
    start = cursor(query) or 0
    end = start + size
    return rows[start:end], make_cursor(end) if end < len(rows) else ""


def page_by_key(
    rows: Iterable[T], query: Query, *, size: int, key: Callable[[T], str], name: str = "cursor"
) -> tuple[Sequence[T], str]:
    """Return one page of rows in the order of a key that never changes, and the cursor of the next ("" on the last).

    Rows that appear or go away between two pages make no other row come twice or not at all.

    Raises:
        ApiError: 400, a cursor that this exchange did not hand out.
    """
    raw = text(query, name)
    after = "" if raw is None else _key_of(raw, name)
    ordered = sorted((row for row in rows if key(row) > after), key=key)
    shown = ordered[:size]
    return shown, _key_cursor(key(shown[-1])) if len(ordered) > size else ""


def _key_cursor(key: str) -> str:
    return base64.urlsafe_b64encode(f"k:{key}".encode()).decode()


def _key_of(raw: str, name: str) -> str:
    try:
        mark, _, key = base64.b64decode(raw, altchars=b"-_", validate=True).decode().partition(":")
    except ValueError as exc:
        raise invalid(name, "a cursor of an earlier answer") from exc
    if mark != "k" or not key:
        raise invalid(name, "a cursor of an earlier answer")
    return key


def newest_first(rows: Sequence[Sequenced_T], *, size: int) -> tuple[Sequence[Sequenced_T], str]:
    """As `page`, of rows newest first that were asked for with one more than `size`.

    The cursor is the last row's place in the order of all things, so new rows do not shift the pages.
    """
    if len(rows) <= size:
        return rows, ""
    return rows[:size], make_cursor(rows[size - 1].sequence)


def cursor(query: Query) -> int | None:
    """Raises ApiError 400 for a cursor that this exchange did not hand out."""
    raw = text(query, "cursor")
    if raw is None:
        return None
    try:
        value = int(base64.urlsafe_b64decode(raw.encode()).decode())
    except (binascii.Error, ValueError) as exc:
        raise invalid("cursor", "a cursor of an earlier answer") from exc
    if value < 0:
        raise invalid("cursor", "a cursor of an earlier answer")
    return value


def make_cursor(value: int) -> str:
    return base64.urlsafe_b64encode(str(value).encode()).decode()


def uuid(raw: str, name: str) -> str:
    """Raises ApiError 400 for what cannot be an id."""
    try:
        return str(UUID(raw))
    except ValueError as exc:
        raise invalid(name, "an id of this exchange") from exc


def ticker(raw: str, name: str) -> str:
    """Raises ApiError 400 for what cannot be a ticker."""
    if not _TICKER.fullmatch(raw):
        raise invalid(name, "a ticker")
    return raw


def body_text(body: Mapping[str, Any], name: str, *, required: bool = True) -> str:
    value = body.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value):
        raise invalid(name, "a text")
    return value


def invalid(name: str, wanted: str) -> ApiError:
    return ApiError(400, "invalid_parameters", f"{name} must be {wanted}", details=name)
