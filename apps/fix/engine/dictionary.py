"""The exchange's FIX dictionary: which fields exist, of which type, in which message.

`dictionary.json` is written by tools/fix_dictionary.py from the exchange's XML (v1.03).
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from apps.fix.engine.values import check_of

# Tags from here on are agreed between two sides; the exchange adds such tags between versions of its dictionary.
FIRST_CUSTOM_TAG: Final = 5000
# Reason codes: a new one must not make a reject unreadable.
OPEN_VALUES: Final = frozenset({102, 103, 281, 297, 373, 378, 380, 532, 658, 21004})


@dataclass(frozen=True, slots=True)
class FieldDef:
    """One field. `values`: allowed value -> its name; empty: any."""

    tag: int
    name: str
    type: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """What one field is held against. values: None when any value of the type will do."""

    in_header: bool
    in_trailer: bool
    check: Callable[[str], object] | None
    values: frozenset[str] | None
    is_list: bool  # several values with spaces between them


@dataclass(frozen=True, slots=True)
class GroupDef:
    """A repeating group or the body of a message: its tags in order, which are required, and groups inside it."""

    tags: tuple[int, ...]
    required: frozenset[int]
    groups: dict[int, "GroupDef"]  # by the tag that counts the entries
    direct: frozenset[int]  # the tags, without those of groups inside
    known: frozenset[int]  # every tag inside, also in nested groups

    @property
    def first(self) -> int:
        """The tag that begins each entry."""
        return self.tags[0]


@dataclass(frozen=True, slots=True)
class MessageDef:
    msg_type: str
    name: str
    is_admin: bool
    body: GroupDef


@dataclass(frozen=True, slots=True)
class Dictionary:
    fields: dict[int, FieldDef]
    header: frozenset[int]
    header_required: frozenset[int]
    trailer: frozenset[int]
    messages: dict[str, MessageDef]
    data_lengths: dict[int, int]  # tag of a length -> tag of the data that follows it
    rules: dict[int, Rule]

    def name_of(self, tag: int) -> str:
        """Return a field's name, or its number for a tag that the dictionary lacks."""
        known = self.fields.get(tag)
        return known.name if known else f"Tag {tag}"

    def meaning_of(self, tag: int, value: str) -> str:
        """Return what a coded value stands for, in words ("PARTIALLY_FILLED" -> "Partially filled"); "" if none."""
        known = self.fields.get(tag)
        words = known.values.get(value, "") if known else ""
        return words.replace("_", " ").capitalize()


def _group(rows: Iterable[Any]) -> GroupDef:
    tags: list[int] = []
    required: set[int] = set()
    groups: dict[int, GroupDef] = {}
    for tag, need, *inside in rows:
        tags.append(tag)
        if need == "Y":
            required.add(tag)
        if inside:
            groups[tag] = _group(inside[0])
    known = frozenset(tags).union(*(group.known for group in groups.values()))
    return GroupDef(tuple(tags), frozenset(required), groups, frozenset(tags), known)


def _load(path: Path) -> Dictionary:
    data = json.loads(path.read_text(encoding="utf-8"))
    fields = {
        int(tag): FieldDef(int(tag), row[0], row[1], row[2] if len(row) > 2 else {})
        for tag, row in data["fields"].items()
    }
    by_name = {one.name: one.tag for one in fields.values()}
    lengths = {
        by_name[f"{one.name}Length"]: one.tag
        for one in fields.values()
        if one.type == "DATA" and f"{one.name}Length" in by_name
    }
    header = frozenset(tag for tag, _ in data["header"])
    trailer = frozenset(tag for tag, _ in data["trailer"])
    return Dictionary(
        fields=fields,
        header=header,
        header_required=frozenset(tag for tag, need in data["header"] if need == "Y"),
        trailer=trailer,
        messages={
            kind: MessageDef(kind, name, category == "admin", _group(rows))
            for kind, (name, category, rows) in data["messages"].items()
        },
        data_lengths=lengths,
        rules={tag: _rule(one, tag in header, tag in trailer) for tag, one in fields.items()},
    )


def _rule(one: FieldDef, in_header: bool, in_trailer: bool) -> Rule:
    # MsgType has its own reject reason; reasons are open.
    is_closed = bool(one.values) and one.tag != 35 and one.tag not in OPEN_VALUES
    values = frozenset(one.values) if is_closed else None
    return Rule(in_header, in_trailer, check_of(one.type), values, one.type == "MULTIPLEVALUESTRING")


@lru_cache(maxsize=1)
def kalshi() -> Dictionary:
    """Return Kalshi's dictionary; the same object each time."""
    return _load(Path(__file__).with_name("dictionary.json"))
