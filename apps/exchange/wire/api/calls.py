"""Shared by all operations: from an answer's JSON to structs, and pages to one iterator."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from apps.exchange.wire.client import ExchangeClient, Params
from apps.exchange.wire.errors import missing_object
from apps.exchange.wire.schemas.base import Wire, build

W = TypeVar("W", bound=Wire)


def segment(name: str) -> str:
    """Return `name` as one segment of a path: whatever it holds, it cannot name another resource."""
    if not name or name in {".", ".."}:
        raise ValueError(f"not a name of the exchange: {name!r}")
    return quote(name, safe="")


def one(cls: type[W], body: Mapping[str, Any], *, is_read: bool, key: str | None = None) -> W:
    """Return the object in `body` (or under `key`).

    Raises:
        ReadFailed, OutcomeUnknown: the answer is not what the operation promises.
    """
    value = body if key is None else body.get(key)
    if not isinstance(value, Mapping):
        raise missing_object(cls.__name__, is_read=is_read, body=body)
    try:
        return build(cls, value)
    except msgspec.ValidationError as exc:
        raise missing_object(cls.__name__, is_read=is_read, body=body) from exc


def many(cls: type[W], body: Mapping[str, Any], *, key: str) -> list[W]:
    """Return the list under `key` of a read; null counts as empty. Raises ReadFailed."""
    values = body.get(key)
    if values is None and key in body:
        return []
    if not isinstance(values, list):
        raise missing_object(f"list of {cls.__name__}", is_read=True, body=body)
    return [one(cls, value if isinstance(value, dict) else {}, is_read=True) for value in values]


def pages(client: ExchangeClient, path: str, *, key: str, cls: type[W], params: Params, cost: int = 10) -> Iterator[W]:
    """Yield the rows of all pages. Rows that move between pages may come twice.

    The last page's cursor is "", null or absent (sources differ), so any falsy cursor ends it; so
    does a cursor that repeats, which would never end.
    """
    cursor: str | None = None
    while True:
        body = client.get(path, params={**params, "cursor": cursor}, cost=cost)
        yield from many(cls, body, key=key)
        following = body.get("cursor")
        if not following or not isinstance(following, str) or following == cursor:
            return
        cursor = following
