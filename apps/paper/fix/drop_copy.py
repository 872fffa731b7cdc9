"""Drop copy: execution reports of the last three hours, on request (docs: fix/drop-copy)."""

import re
from collections import defaultdict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from apps.paper.fix.execution import execution
from apps.paper.fix.store import ExecId
from apps.paper.fix.validation import WRONG_FORMAT, Body

if TYPE_CHECKING:
    from apps.paper.fix.gateway import Gateway
    from apps.paper.fix.session import Session

WINDOW_MS = 3 * 3_600_000
TOO_MANY, SERVER_ERROR, BEGIN_TOO_SMALL, END_TOO_LARGE = 1, 2, 3, 4
_EXEC_ID = re.compile(r"([0-9]{1,15});([0-9]{1,15})")


class DropCopy:
    """U1, answered by reports and U2, or by U3."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._asked: dict[str, deque[float]] = defaultdict(deque)  # key id -> when
        self.handlers: dict[str, Callable[[Session, Body], None]] = {"U1": self._replay}

    def _replay(self, session: "Session", body: Body) -> None:
        begin, end = _exec_id(body.text(21001)), _exec_id(body.text(21002))
        for tag, given in ((21001, begin), (21002, end)):
            if given is None and (tag == 21001 or body.get(tag) is not None):
                session.reject(body.seq, body.msg_type, WRONG_FORMAT, tag, "ExecID is not of the form int;int")
                return
        assert begin is not None
        gateway = self._gateway
        latest = gateway.store.latest_report(session.user_id) or (0, 0)
        hit = gateway.faults.take(
            frozenset({"drop_copy"}), session=session.door.name, user_id=session.user_id, msg_type="U1"
        )
        now = gateway.clock.now_ms()
        outside = gateway.store.latest_before(now - WINDOW_MS)
        refusal = 0
        if hit is not None:
            refusal = int(hit.how or SERVER_ERROR)
        elif not self._may_ask(session.key_id):
            refusal = TOO_MANY
        elif outside is not None and begin <= outside:
            refusal = BEGIN_TOO_SMALL
        elif end is not None and end > latest:
            refusal = END_TOO_LARGE
        if refusal:
            session.send("U3", [(45, str(body.seq)), (21004, str(refusal))])
            return
        self._send(session, body, begin, end or latest)

    def _send(self, session: "Session", body: Body, begin: ExecId, end: ExecId) -> None:
        count = 0
        for report in self._gateway.store.reports(session.user_id, begin, end):
            if session.style.wants(report):
                count += 1
                session.send("8", execution(report, session.style))
        off = self._gateway.faults.take(
            frozenset({"miscount"}), session=session.door.name, user_id=session.user_id, msg_type="U2"
        )
        session.send("U2", [(45, str(body.seq)), (21003, str(count + (1 if off else 0)))])

    def _may_ask(self, key_id: str) -> bool:
        """Whether the key has asked less than its share in the last minute."""
        now = self._gateway.clock.monotonic_ms()
        asked = self._asked[key_id]
        while asked and asked[0] <= now - 60_000:
            asked.popleft()
        if len(asked) >= self._gateway.rules.drop_copy_per_minute:
            return False
        asked.append(now)
        return True


def _exec_id(text: str) -> ExecId | None:
    match = _EXEC_ID.fullmatch(text)
    return None if match is None else (int(match[1]), int(match[2]))
