"""What is wrong with a message, in the terms of SessionRejectReason (373). Pure functions over the dictionary."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from apps.core.errors import WireFormatError
from apps.fix.engine.codec import Fields, Message
from apps.fix.engine.dictionary import FIRST_CUSTOM_TAG, Dictionary, GroupDef

# The exchange writes QuoteID of a rejected quote without a value (docs:fix/rfq-messages). And ClOrdID, OrigClOrdID of
# an order that was placed elsewhere without one: its report must not be lost for that.
MAY_BE_EMPTY: Final = frozenset({11, 41, 117})


class RejectReason(IntEnum):
    """SessionRejectReason (373)."""

    INVALID_TAG = 0
    REQUIRED_MISSING = 1
    NOT_FOR_MESSAGE = 2
    UNDEFINED_TAG = 3
    NO_VALUE = 4
    INCORRECT_VALUE = 5
    INCORRECT_FORMAT = 6
    SIGNATURE = 8
    COMP_ID = 9
    SENDING_TIME = 10
    INVALID_MSG_TYPE = 11
    REPEATED_TAG = 13
    OUT_OF_ORDER = 14
    GROUP_ORDER = 15
    GROUP_COUNT = 16
    OTHER = 99


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a message is refused. tag: the field to blame, 0 when there is none."""

    reason: RejectReason
    tag: int
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Fields of a message's body or of one entry of a group, with the groups inside."""

    fields: dict[int, str] = field(default_factory=dict)
    groups: dict[int, list["Entry"]] = field(default_factory=dict)

    def text(self, tag: int) -> str:
        return self.fields.get(tag, "")

    def entries(self, tag: int) -> list["Entry"]:
        return self.groups.get(tag, [])


class _Refused(Exception):
    def __init__(self, reason: RejectReason, tag: int, text: str) -> None:
        super().__init__(text)
        self.problem = Problem(reason, tag, text)


def check(message: Message, dictionary: Dictionary, *, custom_tags_pass: bool = True) -> Problem | None:
    """Return the first thing that is wrong, or None.

    Args:
        custom_tags_pass: leave out tags from 5000 on that the dictionary lacks; the exchange adds such
            fields between versions, and a report must not be lost for one. False: refuse them.
    """
    try:
        structured(message, dictionary, custom_tags_pass=custom_tags_pass)
    except _Refused as exc:
        return exc.problem
    return None


def check_body(msg_type: str, body: Fields, dictionary: Dictionary) -> Problem | None:
    """As `check`, for a message that is about to be sent: every tag must be in the dictionary."""
    definition = dictionary.messages.get(msg_type)
    if definition is None:
        return Problem(RejectReason.INVALID_MSG_TYPE, 35, "Invalid MsgType")
    try:
        fields = _sorted_out(body, dictionary, definition.body, custom_tags_pass=False)
        _read(_Reader(fields), definition.body, dictionary, is_body=True)
    except _Refused as exc:
        return exc.problem
    return None


def body_of(message: Message, dictionary: Dictionary) -> Entry | Problem:
    """Return the body with its groups, or what is wrong."""
    if isinstance(message.checked, Entry):
        return message.checked
    try:
        return structured(message, dictionary)
    except _Refused as exc:
        return exc.problem


def structured(message: Message, dictionary: Dictionary, *, custom_tags_pass: bool = True) -> Entry:
    """Check a message and return its body. Raises _Refused; callers use `check` and `body_of`."""
    definition = dictionary.messages.get(message.msg_type)
    if definition is None:
        raise _Refused(RejectReason.INVALID_MSG_TYPE, 35, "Invalid MsgType")
    body = _sorted_out(message.fields, dictionary, definition.body, custom_tags_pass=custom_tags_pass)
    reader = _Reader(body)
    entry = _read(reader, definition.body, dictionary, is_body=True)
    for tag in dictionary.header_required:
        if tag not in message:
            raise _Refused(RejectReason.REQUIRED_MISSING, tag, "Required tag missing")
    message.checked = entry
    return entry


def _sorted_out(fields: Fields, dictionary: Dictionary, body: GroupDef, *, custom_tags_pass: bool) -> Fields:
    """Check header, trailer and every field by itself; return the body's fields."""
    found: Fields = []
    seen: set[int] = set()
    is_body, is_trailer = False, False
    rules, known = dictionary.rules, body.known
    for tag, value in fields:
        rule = rules.get(tag)
        if rule is None:
            if tag == 0:
                raise _Refused(RejectReason.INVALID_TAG, 0, f"Invalid tag number in {value[:20]!r}")
            if custom_tags_pass and tag >= FIRST_CUSTOM_TAG and value:
                continue
            raise _Refused(RejectReason.UNDEFINED_TAG, tag, "Undefined tag received")
        if not value:
            if tag in MAY_BE_EMPTY:
                continue
            raise _Refused(RejectReason.NO_VALUE, tag, "Tag specified without a value")
        if rule.in_header or rule.in_trailer:
            if tag in seen:
                raise _Refused(RejectReason.REPEATED_TAG, tag, "Tag appears more than once")
            seen.add(tag)
            if rule.in_header and (is_body or is_trailer):
                raise _Refused(RejectReason.OUT_OF_ORDER, tag, "Tag specified out of required order")
            is_trailer = is_trailer or rule.in_trailer
        else:
            if is_trailer:
                raise _Refused(RejectReason.OUT_OF_ORDER, tag, "Tag specified out of required order")
            is_body = True
            if tag not in known:
                raise _Refused(RejectReason.NOT_FOR_MESSAGE, tag, "Tag not defined for this message type")
            found.append((tag, value))
        if rule.check is not None:
            try:
                rule.check(value)
            except WireFormatError as exc:
                raise _Refused(RejectReason.INCORRECT_FORMAT, tag, f"Incorrect data format for value: {exc}") from exc
        if rule.values is not None and value not in rule.values and not (rule.is_list and _all_in(value, rule.values)):
            raise _Refused(RejectReason.INCORRECT_VALUE, tag, "Value is incorrect (out of range) for this tag")
    return found


def _all_in(value: str, values: frozenset[str]) -> bool:
    return all(one in values for one in value.split(" "))


class _Reader:
    """The body's fields with a place to go on from. tag: the next field's, 0 at the end."""

    __slots__ = ("_at", "_fields", "tag")

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._at = 0
        self.tag = fields[0][0] if fields else 0

    def take(self) -> tuple[int, str]:
        taken = self._fields[self._at]
        self._at += 1
        self.tag = self._fields[self._at][0] if self._at < len(self._fields) else 0
        return taken


def _read(reader: _Reader, definition: GroupDef, dictionary: Dictionary, *, is_body: bool) -> Entry:
    """Read a body, or one entry of a group up to the next entry or the first field that is not of it."""
    entry = Entry()
    direct = definition.direct
    while reader.tag:
        tag = reader.tag
        if tag not in direct:
            if is_body:
                # Known to a group of this message, but outside of it.
                raise _Refused(RejectReason.GROUP_COUNT, tag, f"{dictionary.name_of(tag)} outside of its group")
            break
        if tag in entry.fields:
            if not is_body and tag == definition.first:
                break
            raise _Refused(RejectReason.REPEATED_TAG, tag, "Tag appears more than once")
        if not is_body and not entry.fields and tag != definition.first:
            raise _Refused(RejectReason.GROUP_ORDER, tag, "Repeating group fields out of order")
        tag, value = reader.take()
        entry.fields[tag] = value
        if tag in definition.groups:
            entry.groups[tag] = list(_entries(reader, tag, int(value), definition.groups[tag], dictionary))
    if not definition.required <= entry.fields.keys():
        missing = next(tag for tag in definition.tags if tag in definition.required and tag not in entry.fields)
        raise _Refused(RejectReason.REQUIRED_MISSING, missing, "Required tag missing")
    return entry


def _entries(
    reader: _Reader, counted_by: int, count: int, definition: GroupDef, dictionary: Dictionary
) -> Iterator[Entry]:
    read = 0
    while reader.tag in definition.tags:
        if read == count:
            raise _Refused(RejectReason.GROUP_COUNT, counted_by, "Incorrect NumInGroup count for repeating group")
        yield _read(reader, definition, dictionary, is_body=False)
        read += 1
    if read != count:
        raise _Refused(RejectReason.GROUP_COUNT, counted_by, "Incorrect NumInGroup count for repeating group")
