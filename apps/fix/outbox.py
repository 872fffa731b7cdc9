"""The gateway's side of what leaves by FIX: takes commands, and writes down what the exchange says to each.

A command is taken by one conditional UPDATE before its message leaves, so it leaves once at most, whatever dies. What
was taken by a gateway that then died stays TAKEN: nobody sends it again, and its sender looks the order up.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import redis
import redis.asyncio
from django.conf import settings
from django.db.models import QuerySet

from apps.core.errors import WireFormatError
from apps.core.timestamps import utc_now
from apps.fix.engine.codec import Fields, Message
from apps.fix.messages.common import Prices
from apps.fix.messages.groups import GroupResponse
from apps.fix.messages.orders import PENDING, CancelReject, Refusal
from apps.fix.messages.rfq import Answer, QuoteStatus, RequestAcknowledged, RequestRefused
from apps.fix.models import COMMANDS, FixCommand
from apps.orders.models import AccountSync

logger = logging.getLogger(__name__)

ANSWERS: Final = frozenset({"8", "9", "j", "3", "UOH", "AI", "U8", "U9", "b", "AG", "UB", "UC"})
MOST_AT_ONCE: Final = 50
GROUP_ANSWER: Final = timedelta(seconds=10)
# The exchange's own catch-all, and an id that it knows already: neither proves that there is none.
DOUBTS: Final = frozenset(
    {"EXCHANGE_UNAVAILABLE", "ORDER_ALREADY_EXISTS", "DUPLICATE_QUOTE_ID", "DUPLICATE_QUOTE_REQ_ID"}
)
_LESS_RISK: Final = frozenset({"F", "Z", "UE", "U7"})
# Which command a short answer belongs to.
_ASKED: Final = {"U9": "Z", "U8": "U7", "UB": "UE", "UC": "UA"}
_State = FixCommand.State
_RETRY_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Taken:
    """A command that is to be sent now, or reported as not sent."""

    id: int
    msg_type: str
    fields: Fields


@dataclass(slots=True)
class Outbox:
    """What one session has sent and waits for. by_seq: MsgSeqNum -> command, of this numbering."""

    session_id: int
    account_id: int
    by_seq: dict[int, int] = field(default_factory=dict)
    # Orders leave only after the account was read since this moment; None: nothing can have been missed.
    reconcile_since: datetime | None = None

    def take(self) -> list[Taken]:
        """Take what waits. In the database thread."""
        now = utc_now()
        waiting = FixCommand.objects.filter(session_id=self.session_id, state=_State.WAITING, expires_at__gt=now)
        rows = list(waiting.order_by("pk")[:MOST_AT_ONCE])
        if not rows:
            return []
        may_add = self.is_reconciled()
        taken: list[Taken] = []
        for row in rows:
            if not may_add and row.msg_type not in _LESS_RISK:
                continue
            if row.msg_type == "UOG" and (any(one.msg_type == "UOG" for one in taken) or self._group_is_out(now)):
                continue  # its answer names no request: one at a time
            mine = FixCommand.objects.filter(pk=row.pk, state=_State.WAITING)
            if mine.update(state=_State.TAKEN, taken_at=now) == 1:
                taken.append(Taken(row.pk, row.msg_type, [(tag, value) for tag, value in row.fields]))
        return taken

    def is_reconciled(self) -> bool:
        """Whether the account was read after what may have been missed (D30)."""
        if self.reconcile_since is None:
            return True
        if AccountSync.objects.filter(account_id=self.account_id, finished_at__gte=self.reconcile_since).exists():
            self.reconcile_since = None
        return self.reconcile_since is None

    def _group_is_out(self, now: datetime) -> bool:
        out = FixCommand.objects.filter(session_id=self.session_id, msg_type="UOG", state=_State.TAKEN)
        return out.filter(taken_at__gt=now - GROUP_ANSWER).exists()

    def not_sent(self, command_id: int, code: str, text: str) -> None:
        """The engine refused to send it: not a byte left."""
        self._end(command_id, _State.NOT_SENT, code, text)

    def record(self, messages: Iterable[Message]) -> None:
        """Write down what these messages say of commands. After the reports among them were applied."""
        for message in messages:
            try:
                self._record(message)
            except WireFormatError as exc:
                logger.warning("session %s: an answer cannot be read: %s", self.session_id, exc)

    def _record(self, message: Message) -> None:
        match message.msg_type:
            case "8" if message.text(150) == "8":
                text = message.text(58)
                state = _State.DOUBT if text in DOUBTS else _State.REFUSED
                self._end_named(message.text(11), state, text.lower() or "rejected", text)
            case "8" if message.text(150) not in PENDING:
                self._end_named(message.text(11), _State.TOLD)
            case "9":
                told = CancelReject.read(message)
                self._end_named(told.client_order_id, _State.REFUSED, told.text.lower() or "rejected", told.text)
            case "UOH":
                self._group_answered(GroupResponse.read(message))
            case "j" | "3":
                refusal = Refusal.read(message)
                command = self.by_seq.pop(refusal.ref_seq, None)
                if command is not None:
                    state = _State.LIMITED if refusal.is_rate_limit else _State.REFUSED
                    self._end(command, state, f"fix_{message.msg_type}_{refusal.reason}", refusal.text)
            case "AI":
                self._quote_told(message)
            case "b":
                told_request = RequestAcknowledged.read(message)
                rows = self._sent("R", told_request.request_id)
                self._store(rows, _State.TOLD, text=told_request.ticker, order_id=told_request.rfq_id[:80])
            case "AG":
                refused = RequestRefused.read(message)
                self._refuse(self._sent("R", refused.request_id), refused.text)
            case "U9" | "U8" | "UB" | "UC":
                self._answered(Answer.read(message))

    def _quote_told(self, message: Message) -> None:
        """What an AI says of the quote that was sent; of a rejected one its name may be missing."""
        told = QuoteStatus.read(message, Prices())
        rows = self._sent("S", told.quote_id)
        if told.status in ("pending", "rejected") and not (told.quote_id and rows.exists()):
            # One is in flight per request: by the request it is found when its name came back as another, or not.
            waiting = FixCommand.objects.filter(session_id=self.session_id, msg_type="S", state=_State.TAKEN)
            mine = [row.pk for row in waiting if dict(map(tuple, row.fields)).get(131) == told.rfq_id]
            rows = FixCommand.objects.filter(pk__in=mine)
        if told.status == "rejected":
            self._refuse(rows, told.text)
        else:
            self._store(rows, _State.TOLD, order_id=told.quote_id[:80])

    def _answered(self, told: Answer) -> None:
        rows = self._sent(_ASKED[told.msg_type], told.client_order_id or told.about)
        if not told.is_done:
            self._refuse(rows, told.text)
        elif told.msg_type == "UC":
            self._store(rows, _State.TOLD, order_id=(told.accepted_id or told.about)[:80])
        else:
            self._store(rows, _State.TOLD)

    def _sent(self, msg_type: str, client_id: str) -> QuerySet[FixCommand]:
        return FixCommand.objects.filter(session_id=self.session_id, msg_type=msg_type, client_id=client_id)

    def _refuse(self, rows: QuerySet[FixCommand], text: str) -> None:
        state = _State.DOUBT if text in DOUBTS else _State.REFUSED
        self._store(rows, state, text.lower().replace(" ", "_") or "rejected", text)

    def _group_answered(self, told: GroupResponse) -> None:
        out = FixCommand.objects.filter(session_id=self.session_id, msg_type="UOG", state=_State.TAKEN)
        for row in out.order_by("-pk")[:1]:
            if row.order_id in ("", told.group_id):
                FixCommand.objects.filter(pk=row.pk).update(order_id=told.group_id[:80])
                self._end(row.pk, _State.TOLD)

    def _end_named(self, client_id: str, state: str, code: str = "", text: str = "") -> None:
        if client_id:
            self._store(FixCommand.objects.filter(session_id=self.session_id, client_id=client_id), state, code, text)

    def _end(self, command_id: int, state: str, code: str = "", text: str = "") -> None:
        self._store(FixCommand.objects.filter(pk=command_id), state, code, text)

    def _store(self, rows: QuerySet[FixCommand], state: str, code: str = "", text: str = "", **also: str) -> None:
        changes = {"state": state, "code": code[:60], "text": text[:400], "answered_at": utc_now(), **also}
        rows.filter(state=_State.TAKEN).update(**changes)


async def follow_commands(on_session: Callable[[int], None]) -> None:
    """Call `on_session` when a sender has handed something over. Until cancelled; a channel that is down loses
    nothing, since sessions look by themselves."""
    while True:
        client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=None, socket_connect_timeout=1)
        try:
            async with client.pubsub(ignore_subscribe_messages=True) as channel:
                await channel.subscribe(COMMANDS)
                async for message in channel.listen():
                    if message["data"].isdigit():
                        on_session(int(message["data"]))
        except (redis.RedisError, OSError) as exc:
            logger.debug("commands for FIX are not heard: %s", exc)
        finally:
            await client.aclose()
        await asyncio.sleep(_RETRY_SECONDS)
