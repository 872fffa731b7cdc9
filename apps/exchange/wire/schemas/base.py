"""What all structs of the exchange share: tolerant decoding that loses nothing.

Prices, counts and money stay the decimal strings they came as. Words of an enumeration stay plain
strings, because the exchange adds values. Fields that no struct names are kept in `extra` and
reported once per (type, field), so that a new field is noticed and never fatal.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

FieldReport = Callable[[str, str], None]  # (type name, field name)


class Wire(msgspec.Struct, kw_only=True):
    """A JSON object of the exchange. extra: fields that are not known here, as they came."""

    # Under a name of its own on the wire, so that a field called "extra" cannot collide.
    extra: dict[str, Any] = msgspec.field(default_factory=dict, name="__extra__")


W = TypeVar("W", bound=Wire)

_known_fields: dict[type[Wire], frozenset[str]] = {}
_seen: set[tuple[str, str]] = set()
_lock = threading.Lock()
_report: FieldReport = lambda type_name, field: None  # noqa: E731 - replaced by report_unknown_to


def report_unknown_to(report: FieldReport) -> None:
    """Call `report(type, field)` for each unknown field, once per process; nothing by default."""
    global _report  # one per process, set at start
    _report = report


def note_unknown(type_name: str, field: str) -> None:
    """Report an unknown field or value unless it was reported before."""
    key = (type_name, field)
    if key in _seen:
        return
    with _lock:
        # Bounded: names come from outside.
        if key in _seen or len(_seen) > 10_000:
            return
        _seen.add(key)
    _report(type_name, field[:100])


def known_fields(cls: type[Wire]) -> frozenset[str]:
    """Names of the fields on the wire that `cls` has, or ignores on purpose."""
    known = _known_fields.get(cls)
    if known is None:
        known = frozenset(cls.__struct_encode_fields__) | getattr(cls, "IGNORED", frozenset())
        _known_fields[cls] = known
    return known


def build(cls: type[W], body: Mapping[str, Any]) -> W:
    """Return `body` as `cls`, unknown fields in `extra`.

    Raises:
        msgspec.ValidationError: a required field is missing or has another JSON type.
    """
    value = msgspec.convert(body, cls)
    unknown = body.keys() - known_fields(cls)
    value.extra = {field: body[field] for field in unknown}
    for field in unknown:
        note_unknown(cls.__name__, field)
    return value
