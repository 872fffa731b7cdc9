"""The live wall and the record of a day: execution reports as the listener session alone brought them.

Nothing here needs a trading key, an order of this desk, or REST: what a listener with a reading key receives is all.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Final

from django.conf import settings
from django.db.models import Q, QuerySet

from apps.accounts.access import account_get
from apps.audit import services as audit
from apps.core.errors import NotAllowed, WireFormatError
from apps.core.money import format_count, format_price
from apps.core.permissions import Actor, Permission
from apps.core.pnl_days import day_end, day_start
from apps.core.timestamps import format_rfc3339, to_unix_ms
from apps.fix.console_log import log_row
from apps.fix.console_veil import Veil
from apps.fix.engine.codec import Message
from apps.fix.engine.dictionary import kalshi
from apps.fix.engine.values import timestamp_read
from apps.fix.messages.common import ExecId, Prices
from apps.fix.messages.orders import ExecutionReport
from apps.fix.models import FixMessage, FixSession
from apps.fix.selectors import flags_of, target_words
from apps.orders.pages.export import safe_cell

Row = dict[str, Any]
SHOWN: Final = 200
TONES: Final = {"F": "ok", "0": "accent", "4": "muted", "C": "muted", "8": "danger", "5": "warning"}
RECORD_COLUMNS: Final = (
    "received_at_utc",
    "sending_time_utc",
    "transact_time_utc",
    "what",
    "exec_id",
    "exec_type",
    "order_status",
    "order_id",
    "client_order_id",
    "market",
    "side",
    "yes_price_dollars",
    "count",
    "last_count",
    "last_yes_price_dollars",
    "filled",
    "remaining",
    "sent_again",
    "text",
    "session",
    "msg_seq_num",
    "fields",
)


def listener_messages(account_id: int) -> QuerySet[FixMessage]:
    """Execution reports that came over the account's listener sessions."""
    return FixMessage.objects.filter(
        session__account_id=account_id, session__is_listener=True, is_outgoing=False, msg_type="8"
    )


def wall_rows(account_id: int, *, after: int = 0, count: int = SHOWN) -> list[Row]:
    """Return the newest reports as rows, newest first; `after`: those with a higher id only.

    A report that came again (by resend) is one row: its ExecID is the key, except -1;-1, which names nothing.
    """
    found = listener_messages(account_id).filter(pk__gt=after).select_related("session").order_by("-pk")[:count]
    messages = list(found)
    seen = _known_before(account_id, messages)
    rows = []
    for message in reversed(messages):
        if message.exec_id in seen:
            continue
        if _is_sequenced(message.exec_id):
            seen.add(message.exec_id)
        rows.append(wall_row(message))
    return rows[::-1]


def _known_before(account_id: int, messages: list[FixMessage]) -> set[str]:
    """ExecIDs of these messages that an earlier message told already."""
    ids = {one.exec_id for one in messages if _is_sequenced(one.exec_id)}
    if not ids:
        return set()
    earlier = listener_messages(account_id).filter(exec_id__in=ids, pk__lt=min(one.pk for one in messages))
    return set(earlier.values_list("exec_id", flat=True))


def wall_row(message: FixMessage) -> Row:
    """One report for the wall. Prices: dollars of the YES leg, as text; None when the report has none."""
    fields = {int(tag): str(value) for tag, value in reversed(message.fields)}
    names = kalshi()
    row: Row = {
        "v": message.pk,
        "id": message.pk,
        "at_ms": to_unix_ms(message.at),
        "sent_ms": _millis(fields.get(52, "")),
        "exec_id": message.exec_id,
        "type": fields.get(150, ""),
        "what": names.meaning_of(150, fields.get(150, "")),
        "status": names.meaning_of(39, fields.get(39, "")),
        "tone": TONES.get(fields.get(150, ""), "muted"),
        "ticker": fields.get(55, ""),
        "order_id": message.order_id,
        "client_order_id": message.client_order_id,
        "is_again": fields.get(43) == "Y" or fields.get(97) == "Y",
        "text": fields.get(58, ""),
        "kind": target_words(message.session.kind),
    }
    return row | _amounts(message)


def _amounts(message: FixMessage) -> Row:
    empty = dict.fromkeys(
        ("side", "price", "count", "last_count", "last_price", "filled", "remaining", "transacted_ms")
    )
    try:
        report = _report(message)
    except WireFormatError:
        return empty
    trade = report.trade
    return {
        "side": "buy YES" if report.book_side == "bid" else "sell YES",
        "price": None if report.price is None else format_price(report.price),
        "count": format_count(report.count),
        "last_count": format_count(trade.count) if trade else None,
        "last_price": format_price(trade.price) if trade else None,
        "filled": format_count(report.filled),
        "remaining": format_count(report.remaining),
        "transacted_ms": to_unix_ms(report.transacted_at) if report.transacted_at else None,
    }


def _report(message: FixMessage) -> ExecutionReport:
    fields = [(int(tag), str(value)) for tag, value in message.fields]
    prices = Prices(in_dollars=flags_of(message.session).prices_in_dollars, sells_in_no=settings.FIX_SELLS_IN_NO)
    return ExecutionReport.read(Message(fields), prices)


@dataclass(frozen=True, slots=True)
class DayRecord:
    """What is kept of one trading day (New York). breaks: when the listener logged on and off."""

    day: date
    reports: int
    first: datetime | None
    last: datetime | None
    breaks: list[tuple[datetime, str, str]]


def day_record(actor: Actor, account_id: int, day: date) -> DayRecord:
    """Raises NotAllowed, NotFound."""
    account_get(actor, account_id)
    rows = _of_day(account_id, day)
    reports = rows.filter(msg_type="8")
    ends = reports.order_by("at").values_list("at", flat=True)
    others = rows.exclude(msg_type="8").select_related("session").order_by("pk")[:50]
    words = {"A": "logged on", "5": "logged out"}
    return DayRecord(
        day=day,
        reports=reports.count(),
        first=ends.first(),
        last=ends.reverse().first(),
        breaks=[(one.at, words[one.msg_type], target_words(one.session.kind)) for one in others],
    )


def record_export(actor: Actor, account_id: int, day: date) -> Iterator[str]:
    """Return the record of a day as CSV lines. Who took it, how many lines, and their SHA-256 go on the trail first.

    Raises:
        NotAllowed, NotFound.
    """
    if not actor.may(Permission.DESK_EXPORT):
        raise NotAllowed
    account = account_get(actor, account_id)
    rows = _of_day(account_id, day).order_by("pk")
    # Messages that come while it is written belong to the next export: the hash is of this one.
    last = rows.reverse().values_list("pk", flat=True).first() or 0
    fixed = rows.filter(pk__lte=last).select_related("session__account")
    veil = Veil.of(actor)
    digest, count = sha256(), 0
    for line in record_lines(fixed, veil):
        digest.update(line.encode())
        count += 1
    audit.record(
        "fix.record.exported",
        actor_id=actor.user_id,
        desk_id=actor.desk_id,
        environment=account.environment,
        target=f"exchange_account:{account.pk}",
        data={"day": day.isoformat(), "rows": count - 1, "sha256": digest.hexdigest()},
    )
    return record_lines(fixed, veil)


def record_lines(messages: QuerySet[FixMessage], veil: Veil) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(RECORD_COLUMNS)
    for message in messages.iterator(chunk_size=500):
        yield writer.writerow([safe_cell(value) for value in _record_values(message, veil)])


def _record_values(message: FixMessage, veil: Veil) -> list[str]:
    line = log_row(message, veil)
    head = [format_rfc3339(message.at), line.sent]
    tail = ["yes" if line.is_again else "", line.text, line.session, str(line.seq), veil.raw(message, separator="|")]
    if message.msg_type != "8":
        return [*head, "", line.name, *([""] * 13), *tail]
    row = wall_row(message)
    values = (row["side"], row["price"], row["count"], row["last_count"], row["last_price"], row["filled"])
    fields = {int(tag): str(value) for tag, value in reversed(message.fields)}
    return [
        *head,
        fields.get(60, ""),
        line.name,
        message.exec_id,
        row["what"],
        row["status"],
        message.order_id,
        message.client_order_id,
        row["ticker"],
        *("" if one is None else str(one) for one in values),
        row["remaining"] or "",
        *tail,
    ]


class _Echo:
    """A file that hands back each line instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def _of_day(account_id: int, day: date) -> QuerySet[FixMessage]:
    """Reports, and the logons and logouts between which they came."""
    wanted = Q(msg_type="8", is_outgoing=False) | Q(msg_type="A", is_outgoing=False) | Q(msg_type="5")
    return FixMessage.objects.filter(
        wanted,
        session__account_id=account_id,
        session__is_listener=True,
        at__gte=day_start(day),
        at__lt=day_end(day),
    )


def listeners_of(actor: Actor) -> list[FixSession]:
    """Return the listener sessions of the desk. Raises NotAllowed."""
    if not actor.may(Permission.DESK_VIEW):
        raise NotAllowed
    rows = FixSession.objects.filter(account__desk_id=actor.desk_id, is_listener=True).select_related("account")
    return list(rows.order_by("account_id", "kind"))


def _is_sequenced(exec_id: str) -> bool:
    try:
        return ExecId.read(exec_id).is_sequenced
    except WireFormatError:
        return False


def _millis(text: str) -> int | None:
    try:
        return timestamp_read(text)
    except ValueError:
        return None
