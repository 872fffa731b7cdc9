"""Stored messages and sessions for tests of the console."""

from datetime import UTC, datetime, timedelta
from typing import Any

from apps.accounts.models import ExchangeAccount
from apps.core.timestamps import to_unix_ms
from apps.fix.engine.codec import Message
from apps.fix.models import FixMessage, FixSession
from apps.fix.records import Passed, messages_store
from tests.fix.conftest import report, trade

NOON = datetime(2026, 11, 21, 17, tzinfo=UTC)  # 12:00 in New York
KEY_ID = "9f0c2b7e-0000-4000-8000-00000000beef"


def make_session(account: ExchangeAccount, kind: str = "rt", **over: Any) -> FixSession:
    return FixSession.objects.create(account=account, kind=kind, **over)


def store(session: FixSession, *messages: Message, at: datetime = NOON, is_outgoing: bool = False) -> list[FixMessage]:
    """Keep messages as the gateway does, a second apart."""
    passed = [
        Passed(
            is_outgoing,
            one.whole(34) or 0,
            one.msg_type,
            to_unix_ms(at + timedelta(seconds=place)),
            one.fields,
        )
        for place, one in enumerate(messages)
    ]
    before = FixMessage.objects.count()
    messages_store(session.pk, passed)
    return list(FixMessage.objects.order_by("pk")[before:])


def plain(msg_type: str, *fields: tuple[int, str], seq: int = 1) -> Message:
    """A message of ours: the header with the key as SenderCompID, then `fields`."""
    head = [(35, msg_type), (49, KEY_ID), (56, "KalshiRT"), (34, str(seq)), (52, "20261121-17:00:00.000")]
    return Message([*head, *fields])


def logon() -> Message:
    return plain("A", (98, "0"), (108, "30"), (141, "Y"), (95, "8"), (96, "c2VjcmV0"), (553, "me"), (554, "hunter2"))


__all__ = ["KEY_ID", "NOON", "logon", "make_session", "plain", "report", "store", "trade"]
