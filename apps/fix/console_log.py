"""The message log: filters, pages, one order traced over all sessions, two messages compared, and what is exported.

Times are aware UTC. A page is the newest messages before a row id, so that a log that grows moves no page.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, StrIndex
from django.db.models.lookups import GreaterThan

from apps.accounts.access import account_get
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import format_rfc3339, parse_rfc3339, to_unix_ms
from apps.fix.console_veil import Decoded, Veil, decoded
from apps.fix.engine.dictionary import kalshi
from apps.fix.engine.values import timestamp_read
from apps.fix.models import FixMessage, FixSession
from apps.fix.selectors import message_name, target_words

PAGE: Final = 100
TRACE_MOST: Final = 500
TRACE_ROUNDS: Final = 4
# What names an order, a quote or a request, and may lead from one message to the next.
TRACE_TAGS: Final = (37, 11, 41, 117, 131, 21023)
_TAG_VALUE: Final = re.compile(r"\s*([1-9]\d{0,8})\s*=\s*(\S.{0,118}?)\s*")
# Shown in a row in words: what happened, and why something did not.
_SAID: Final = (150, 39, 371, 373, 380, 21003, 21004)


@dataclass(frozen=True, slots=True)
class LogChoice:
    """Which messages. way: "in", "out" or "". tag: (number, value) or None."""

    account_id: int | None = None
    session_id: int | None = None
    msg_type: str = ""
    way: str = ""
    since: datetime | None = None
    until: datetime | None = None
    ident: str = ""
    tag: tuple[int, str] | None = None

    def query(self) -> str:
        return urlencode(self.values())

    def values(self) -> dict[str, str]:
        given = {
            "account": self.account_id,
            "session": self.session_id,
            "type": self.msg_type,
            "way": self.way,
            "from": format_rfc3339(self.since) if self.since else "",
            "to": format_rfc3339(self.until) if self.until else "",
            "id": self.ident,
            "tag": f"{self.tag[0]}={self.tag[1]}" if self.tag else "",
        }
        return {name: str(value) for name, value in given.items() if value}

    @property
    def is_narrowed(self) -> bool:
        return bool(self.values())


@dataclass(frozen=True, slots=True)
class LogRow:
    """A message as a line of the log. delta_ms: received minus SendingTime, None without one."""

    id: int
    session_id: int
    session: str
    is_outgoing: bool
    seq: int
    at: datetime
    sent: str
    delta_ms: int | None
    msg_type: str
    name: str
    is_again: bool
    ids: list[tuple[str, str]]
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class LogPage:
    rows: list[LogRow]
    next: int | None


def choice_from(actor: Actor, given: Mapping[str, str]) -> LogChoice:
    """Read filters as typed. Raises DeskError with `fields`, NotFound for another desk's account or session."""
    faults: dict[str, str] = {}
    moments: dict[str, datetime | None] = {}
    for name in ("from", "to"):
        typed = given.get(name, "").strip()
        try:
            moments[name] = _moment(typed)
        except ValueError:
            moments[name] = None
            faults[name] = f"“{typed[:30]}” is no time. Write 2026-11-21 14:30 (UTC)."
    tag = _tag(given.get("tag", ""), faults, Veil.of(actor) if given.get("tag") else None)
    way = given.get("way", "")
    choice = LogChoice(
        account_id=_number(given.get("account", "")),
        session_id=_number(given.get("session", "")),
        msg_type=given.get("type", "").strip()[:8],
        way=way if way in ("in", "out") else "",
        since=moments["from"],
        until=moments["to"],
        ident=given.get("id", "").strip()[:80],
        tag=tag,
    )
    if choice.since and choice.until and choice.until < choice.since:
        faults["to"] = "The end lies before the beginning."
    if faults:
        raise DeskError("bad_input", " ".join(faults.values()), fields=faults)
    if choice.account_id is not None:
        account_get(actor, choice.account_id)
    if choice.session_id is not None and not _sessions(actor).filter(pk=choice.session_id).exists():
        raise NotFound("This FIX session does not exist, or it belongs to another desk.")
    return choice


def log_page(actor: Actor, choice: LogChoice, *, before: int | None = None, count: int = PAGE) -> LogPage:
    """Return the newest messages of a choice, before a row id where one is given. Raises NotAllowed."""
    rows = log_messages(actor, choice).order_by("-pk")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.select_related("session__account")[: count + 1])
    veil = Veil.of(actor)
    more = found[count - 1].pk if len(found) > count else None
    return LogPage([log_row(one, veil) for one in found[:count]], more)


def log_messages(actor: Actor, choice: LogChoice) -> QuerySet[FixMessage]:
    """Return the messages that a choice matches, of this desk only. Raises NotAllowed."""
    if not actor.may(Permission.DESK_VIEW):
        raise NotAllowed
    rows = FixMessage.objects.filter(session__in=_sessions(actor))
    if choice.account_id is not None:
        rows = rows.filter(session__account_id=choice.account_id)
    if choice.session_id is not None:
        rows = rows.filter(session_id=choice.session_id)
    if choice.msg_type:
        rows = rows.filter(msg_type=choice.msg_type)
    if choice.way:
        rows = rows.filter(is_outgoing=choice.way == "out")
    if choice.since:
        rows = rows.filter(at__gte=choice.since)
    if choice.until:
        rows = rows.filter(at__lte=choice.until)
    if choice.ident:
        one = choice.ident
        rows = rows.filter(Q(order_id=one) | Q(client_order_id=one) | Q(exec_id=one))
    if choice.tag:
        rows = _with_tags(rows, {choice.tag})
    return rows


def message_get(actor: Actor, message_id: int) -> FixMessage:
    """Raises NotAllowed, NotFound."""
    row = log_messages(actor, LogChoice()).filter(pk=message_id).select_related("session__account").first()
    if row is None:
        raise NotFound("This message is not kept any more, or it belongs to another desk.")
    return row


def neighbours(actor: Actor, message: FixMessage) -> tuple[int | None, int | None]:
    """Return the ids of the messages before and after in the same session."""
    rows = log_messages(actor, LogChoice(session_id=message.session_id))
    before = rows.filter(pk__lt=message.pk).order_by("-pk").values_list("pk", flat=True).first()
    after = rows.filter(pk__gt=message.pk).order_by("pk").values_list("pk", flat=True).first()
    return before, after


def trace(actor: Actor, ident: str) -> list[LogRow]:
    """Return every message that has to do with one order, quote or request, over all sessions, oldest first.

    A message found names further ids (an order's client id, the order it replaced, a quote's request); they are
    followed a few rounds. Sessions of other accounts of the desk count too: a listener may have its own.
    """
    known, asked = {ident}, set[str]()
    found: dict[int, FixMessage] = {}
    veil = Veil.of(actor)
    for _ in range(TRACE_ROUNDS):
        fresh = known - asked
        if not fresh or len(found) >= TRACE_MOST:
            break
        asked |= fresh
        for message in _naming(actor, fresh):
            found[message.pk] = message
            known |= {str(value) for tag, value in message.fields if int(tag) in TRACE_TAGS and len(str(value)) > 1}
    oldest_first = sorted(found.values(), key=lambda one: (one.at, one.pk))[:TRACE_MOST]
    return [log_row(one, veil) for one in oldest_first]


def _naming(actor: Actor, idents: set[str]) -> list[FixMessage]:
    rows = log_messages(actor, LogChoice())
    direct = Q(order_id__in=idents) | Q(client_order_id__in=idents) | Q(exec_id__in=idents)
    by_column = list(rows.filter(direct).select_related("session__account").order_by("pk")[:TRACE_MOST])
    others = {(tag, one) for one in idents for tag in (41, 117, 131, 21023)}
    by_tag = _with_tags(rows, others).select_related("session__account").order_by("pk")[:TRACE_MOST]
    return [*by_column, *by_tag]


def compare(one: FixMessage, other: FixMessage, veil: Veil) -> list[dict[str, Any]]:
    """Return the tags of two messages side by side, in the first one's order, and whether they differ."""
    first, second = decoded(one, veil), decoded(other, veil)
    left, right = _grouped(first), _grouped(second)
    names = {row.tag: row.name for row in [*first, *second]}
    return [
        {
            "tag": tag,
            "name": names[tag],
            "one": left.get(tag, ""),
            "other": right.get(tag, ""),
            "differs": left.get(tag) != right.get(tag),
        }
        for tag in dict.fromkeys([*left, *right])
    ]


def log_row(message: FixMessage, veil: Veil) -> LogRow:
    fields = veil.fields(message)
    first = dict(reversed(fields))
    names = kalshi()
    sent = first.get(52, "")
    return LogRow(
        id=message.pk,
        session_id=message.session_id,
        session=session_name(message.session),
        is_outgoing=message.is_outgoing,
        seq=message.seq,
        at=message.at,
        sent=sent,
        delta_ms=_delta(sent, message.at),
        msg_type=message.msg_type,
        name=message_name(message.msg_type),
        is_again=first.get(43) == "Y" or first.get(97) == "Y",
        ids=[(names.name_of(tag), first[tag]) for tag in (37, 11, 17, 117, 131, 21023) if first.get(tag)],
        what=_summary(first),
        text=first.get(58, ""),
    )


def _summary(first: Mapping[int, str]) -> str:
    """Say in a line what a message says: "Trade, Partially filled: Buy yes 6.00 KX-T1 at 0.1500, 1.00 at 0.1500"."""
    names = kalshi()
    said = [names.meaning_of(tag, first[tag]) or f"{names.name_of(tag)} {first[tag]}" for tag in _SAID if tag in first]
    order = [names.meaning_of(54, first.get(54, "")), first.get(38, ""), first.get(55, "")]
    order += ["at", first[44]] if 44 in first else []
    last = [first[32], "at", first[31]] if 31 in first and 32 in first else []
    amounts = ", ".join(" ".join(part for part in parts if part) for parts in (order, last) if any(parts))
    return ": ".join(part for part in (", ".join(dict.fromkeys(said)), amounts) if part)


def session_name(session: FixSession) -> str:
    listener = " listener" if session.is_listener else ""
    return f"{target_words(session.kind)}{listener}, {session.account.name}"


CSV_COLUMNS: Final = (
    "received_at_utc",
    "sending_time_utc",
    "direction",
    "environment",
    "session",
    "msg_seq_num",
    "msg_type",
    "message",
    "order_id",
    "client_order_id",
    "exec_id",
    "text",
    "fields",
)


def csv_values(message: FixMessage, veil: Veil) -> list[str]:
    row = log_row(message, veil)
    return [
        format_rfc3339(row.at),
        row.sent,
        "out" if row.is_outgoing else "in",
        message.session.account.environment,
        row.session,
        str(row.seq),
        row.msg_type,
        row.name,
        message.order_id,
        veil.value(11, message.client_order_id),
        message.exec_id,
        row.text,
        veil.raw(message, separator="|"),
    ]


def raw_lines(messages: QuerySet[FixMessage], veil: Veil) -> Iterator[str]:
    """Yield a line per message: time, direction, session, then the message with SOH between its fields."""
    for message in messages.select_related("session__account").iterator(chunk_size=500):
        way = "out" if message.is_outgoing else "in"
        # Text of the exchange must not begin a line of its own.
        raw = veil.raw(message).replace("\r", " ").replace("\n", " ")
        yield f"{format_rfc3339(message.at)} {way} {target_words(message.session.kind)} {raw}\n"


def types_seen(actor: Actor) -> list[tuple[str, str]]:
    """Return the message types that may occur, with their names."""
    return sorted(((kind, one.name) for kind, one in kalshi().messages.items() if kind != "0"), key=lambda row: row[1])


def _sessions(actor: Actor) -> QuerySet[FixSession]:
    return FixSession.objects.filter(account__desk_id=actor.desk_id)


def _with_tags(rows: QuerySet[FixMessage], wanted: set[tuple[int, str]]) -> QuerySet[FixMessage]:
    """Messages with one of these fields. Fields are [[tag, "value"], ...]: both databases write them alike."""
    text = Cast("fields", TextField())
    matches = Q()
    for tag, value in wanted:
        for part in {json.dumps([tag, value]), json.dumps([tag, value], ensure_ascii=False)}:
            # Not LIKE, to which SQLite's capitals are small letters.
            matches |= Q(GreaterThan(StrIndex(text, Value(part)), 0))
    return rows.filter(matches)


def _grouped(rows: list[Decoded]) -> dict[int, str]:
    """Values by tag; those of repeated tags together."""
    values: dict[int, list[str]] = {}
    for row in rows:
        values.setdefault(row.tag, []).append(f"{row.value} ({row.meaning})" if row.meaning else row.value)
    return {tag: ", ".join(found) for tag, found in values.items()}


def _delta(sent: str, at: datetime) -> int | None:
    try:
        return to_unix_ms(at) - timestamp_read(sent)
    except ValueError:
        return None


def _moment(typed: str) -> datetime | None:
    """A time as typed, in UTC: 2026-11-21, 2026-11-21 14:30, with seconds, or RFC 3339. Raises ValueError."""
    if not typed:
        return None
    text = typed.replace(" ", "T").removesuffix("Z")
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        text += "T00:00:00"
    elif re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d", text):
        text += ":00"
    return parse_rfc3339(f"{text}Z")


def _number(typed: str) -> int | None:
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 19 else None


def _tag(typed: str, faults: dict[str, str], veil: Veil | None) -> tuple[int, str] | None:
    if not typed.strip() or veil is None:
        return None
    found = _TAG_VALUE.fullmatch(typed)
    if found is None:
        faults["tag"] = "Write a tag and its value, such as 39=2."
        return None
    tag = int(found[1])
    if not veil.may_filter(tag):
        faults["tag"] = f"Messages cannot be looked for by tag {tag}: it holds keys."
        return None
    return tag, found[2]
