"""From fields as they came to a checked body, or the documented session reject."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from apps.paper.fix.codec import Message
from apps.paper.fix.dictionary import ENUMS, HEADER, TRAILER, TYPES, Group, Spec

INVALID_TAG, REQUIRED_MISSING, NOT_FOR_MESSAGE, UNDEFINED, NO_VALUE, WRONG_VALUE, WRONG_FORMAT = range(7)
SIGNATURE, COMP_ID, SENDING_TIME, INVALID_TYPE = 8, 9, 10, 11
REPEATED, OUT_OF_ORDER, GROUP_ORDER, GROUP_COUNT = 13, 14, 15, 16

_DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{0,12})?")
_TIME = re.compile(r"([0-9]{8}-[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{3,9}))?")
_FORMATS = {
    "int": re.compile(r"-?[0-9]{1,15}"),
    "seqnum": re.compile(r"[0-9]{1,15}"),
    "count": re.compile(r"[0-9]{1,6}"),
    "qty": _DECIMAL,
    "price": _DECIMAL,
    "amount": _DECIMAL,
    "bool": re.compile(r"[YN]"),
    "yn": re.compile(r"[YN]"),
    "char": re.compile(r"."),
    "time": _TIME,
    "date": re.compile(r"[0-9]{8}"),
}
MAX_GROUP = 100  # entries


class SessionReject(Exception):
    """A message that breaks the rules of the session: tag 373 and the tag it is about (0: none)."""

    def __init__(self, reason: int, tag: int, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.tag = tag
        self.text = text


@dataclass(slots=True)
class Body:
    """A checked message. Values are in their type's format; groups are lists of their entries."""

    msg_type: str
    seq: int
    values: dict[int, str] = field(default_factory=dict)
    groups: dict[int, list[dict[int, str]]] = field(default_factory=dict)
    is_dup: bool = False
    is_resend: bool = False

    def get(self, tag: int) -> str | None:
        """A value, None when it is not there."""
        return self.values.get(tag)

    def text(self, tag: int) -> str:
        """A value that is required, or empty."""
        return self.values.get(tag, "")

    def flag(self, tag: int, *, default: bool = False) -> bool:
        """A Y/N value."""
        value = self.values.get(tag)
        return default if value is None else value == "Y"

    def whole(self, tag: int) -> int | None:
        """An integer value."""
        value = self.values.get(tag)
        return None if value is None else int(value)

    def number(self, tag: int) -> Decimal | None:
        """A decimal value."""
        value = self.values.get(tag)
        return None if value is None else Decimal(value)


def check(message: Message, spec: Spec) -> Body:
    """Check every field against the message's definition.

    Raises:
        SessionReject: the first field that breaks a rule.
    """
    body = Body(message.msg_type, int(message.first(34) or 0))
    fields = [(tag, value.decode("utf-8", "replace")) for tag, value in message.fields]
    at, in_body, in_trailer = 0, False, False
    seen: set[int] = set()
    while at < len(fields):
        tag, value = fields[at]
        _check_tag(tag, value, spec)
        if tag in seen:
            raise SessionReject(REPEATED, tag, "Tag appears more than once")
        seen.add(tag)
        is_header, is_trailer = tag in HEADER, tag in TRAILER
        if (is_header and in_body) or (in_trailer and not is_trailer):
            raise SessionReject(OUT_OF_ORDER, tag, "Tag specified out of required order")
        in_body = in_body or not is_header
        in_trailer = in_trailer or is_trailer
        check_value(tag, value)
        at += 1
        if tag in spec.groups:
            body.groups[tag], at = _group(fields, at, tag, int(value), spec.groups[tag])
        body.values[tag] = value
    for tag in sorted(spec.required):
        if tag not in body.values:
            raise SessionReject(REQUIRED_MISSING, tag, "Required tag missing")
    body.is_dup, body.is_resend = body.flag(43), body.flag(97)
    return body


def _check_tag(tag: int, value: str, spec: Spec) -> None:
    if tag <= 0:
        raise SessionReject(INVALID_TAG, tag, "Invalid tag number")
    if tag not in TYPES:
        raise SessionReject(UNDEFINED, tag, "Undefined tag received")
    if tag not in HEADER and tag not in TRAILER and not spec.knows(tag):
        raise SessionReject(NOT_FOR_MESSAGE, tag, "Tag not defined for this message type")
    if not value:
        raise SessionReject(NO_VALUE, tag, "Tag specified without a value")


def check_value(tag: int, value: str) -> None:
    """Raises SessionReject for a value that is not of the tag's type, or none of its values."""
    pattern = _FORMATS.get(TYPES[tag])
    if pattern is not None and not pattern.fullmatch(value):
        raise SessionReject(WRONG_FORMAT, tag, "Incorrect data format for value")
    if TYPES[tag] == "time" and parse_time(value) is None:
        raise SessionReject(WRONG_FORMAT, tag, "Incorrect data format for value")
    allowed = ENUMS.get(tag)
    if allowed is not None and value not in allowed:
        raise SessionReject(WRONG_VALUE, tag, "Value is incorrect (out of range) for this tag")


def _group(
    fields: list[tuple[int, str]], at: int, count_tag: int, count: int, group: Group
) -> tuple[list[dict[int, str]], int]:
    """The entries from `at` on, and where they end."""
    entries: list[dict[int, str]] = []
    order = {tag: place for place, tag in enumerate(group.members)}
    last = 0
    while at < len(fields) and fields[at][0] in order:
        tag, value = fields[at]
        if tag == group.members[0]:
            entries.append({})
        elif not entries or order[tag] <= last or tag in entries[-1]:
            raise SessionReject(GROUP_ORDER, tag, "Repeating group fields out of order")
        if not value:
            raise SessionReject(NO_VALUE, tag, "Tag specified without a value")
        check_value(tag, value)
        last = order[tag]
        entries[-1][tag] = value
        at += 1
    if count != len(entries) or count > MAX_GROUP:
        raise SessionReject(GROUP_COUNT, count_tag, "Incorrect NumInGroup count for repeating group")
    for entry in entries:
        for tag in sorted(group.required - entry.keys()):
            raise SessionReject(REQUIRED_MISSING, tag, "Required tag missing")
    return entries, at


def parse_time(text: str) -> int | None:
    """Unix milliseconds of a UTCTimestamp, None when it is none. Digits below the millisecond are cut off."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    try:
        # Seconds of 60 are leap seconds, which Unix time has none of.
        moment = datetime.strptime(match[1], "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000 + int((match[2] or "0")[:3])


def format_time(ms: int) -> str:
    """UTCTimestamp with milliseconds."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y%m%d-%H:%M:%S") + f".{ms % 1000:03d}"
