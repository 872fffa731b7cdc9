"""A desk whose quotes leave by KalshiRFQ and whose requests leave by KalshiRT, beside REST and WebSocket."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.core import ports
from apps.core.timestamps import utc_now
from apps.exchange.wire.limits import Budget, LocalLimiter
from apps.fix import rfq_ingest, routing
from apps.fix.engine.codec import Message
from apps.fix.engine.logon import LogonFlags
from apps.fix.engine.rules import Kind
from apps.fix.models import FixCommand, FixRoute, FixSession
from apps.fix.outbox import ANSWERS, Outbox
from apps.paper.fix.faults import FixFault
from apps.paper.fix.testing import InProcessFix
from tests.fix.drill import DOLLARS, End
from tests.rfq.scene import Scene


@dataclass
class Line:
    """One session; `pump` does at once what the gateway does."""

    scene: Scene
    fix: InProcessFix
    row: FixSession
    end: End
    outbox: Outbox
    doors: rfq_ingest.Doors
    is_deaf: bool = False  # the gateway takes and sends nothing
    loses_answers: bool = False  # it sends, and dies before it has taken in what came back
    heard: list[Message] = field(default_factory=list)

    def pump(self) -> None:
        if self.is_deaf:
            return
        for one in self.outbox.take():
            before = self.end.session.next_out
            self.outbox.by_seq[before] = one.id
            self.end.send(one.msg_type, one.fields)
        self.hear()

    def hear(self) -> list[str]:
        """Take in what came, as the session's applier does; returns the types."""
        self.end.listen()
        batch, self.end.waiting = self.end.waiting, []
        if self.loses_answers:
            return []
        for one in batch:
            message = one.message
            self.heard.append(message)
            if self.row.kind == "rfq" and message.msg_type in rfq_ingest.STREAM:
                context = rfq_ingest.context_of(self.row.account_id, "paper", utc_now())
                rfq_ingest.stream_tell(context, message)
            elif message.msg_type in rfq_ingest.TOLD:
                self.doors.take(message, utc_now())
            if message.msg_type in ANSWERS:
                self.outbox.record([message])
            self.end.session.applied(one.seq)
        return [one.message.msg_type for one in batch]

    def sent(self, msg_type: str) -> int:
        rows = FixCommand.objects.filter(msg_type=msg_type, session=self.row)
        return rows.exclude(state__in=["waiting", "not_sent"]).count()

    def fault(self, kind: Any, msg_type: str, **over: Any) -> None:
        self.fix.gateway.faults.arm(FixFault(kind=kind, left=1, msg_type=msg_type, **over))


@pytest.fixture
def fix(scene: Scene) -> InProcessFix:
    return InProcessFix(scene.paper)


@pytest.fixture
def line(scene: Scene, fix: InProcessFix, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Line]:
    """Bring one session up and route by it: line("rfq") or line("rt")."""
    lines: dict[int, Line] = {}

    def wake(session_id: int) -> None:
        lines[session_id].pump()

    def make(kind: str, **route: Any) -> Line:
        account = scene.place.account
        row = FixSession.objects.create(account=account, kind=kind, is_wanted=True, state="logged_on")
        FixRoute.objects.create(
            account=account,
            what="quotes" if kind == "rfq" else "requests",
            way=kind,
            why="a test",
            changed_by_id=scene.lead.user_id,
            changed_at=utc_now(),
            **route,
        )
        end = End(fix, account, "trader-1", Kind[kind.upper()], LogonFlags(), tmp_path / f"{kind}.fix")
        end.connect()
        end.waiting.clear()
        scene.queued.clear()
        doors = rfq_ingest.Doors(row.pk, account.pk, DOLLARS)
        lines[row.pk] = Line(scene, fix, row, end, Outbox(row.pk, account.pk), doors)
        return lines[row.pk]

    monkeypatch.setattr(routing, "wake", wake)
    monkeypatch.setattr(routing, "ANSWER_SECONDS", 0.0)
    monkeypatch.setattr(routing, "TAKEN_WITHIN", timedelta(0))
    monkeypatch.setattr(rfq_ingest, "client_for", scene.client)
    budget = LocalLimiter(read=Budget(1e6, 1e6), write=Budget(1e6, 1e6))
    monkeypatch.setattr(routing, "limiter_for_account", lambda account_id: budget)
    monkeypatch.setattr("apps.portfolio.queue.refresh_soon", lambda account_id: None)
    take = Outbox.take

    def early(self: Outbox) -> Any:
        """Commands expire at once for the sender, and not for the gateway, which looks before."""
        FixCommand.objects.filter(state="waiting").update(expires_at=utc_now() + timedelta(minutes=1))
        return take(self)

    monkeypatch.setattr(Outbox, "take", early)
    return make


@dataclass
class Streamed:
    """What the stream of all requests was told."""

    created: list[Any] = field(default_factory=list)
    deleted: list[Any] = field(default_factory=list)


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> Streamed:
    told = Streamed()
    takers: Any = {
        "rfq_created": [lambda context, messages: told.created.extend(messages)],
        "rfq_deleted": [lambda context, messages: told.deleted.extend(messages)],
    }
    monkeypatch.setattr(ports, "stream_takers", takers)
    return told
