"""A small exchange side for the session machine's tests: correct FIX with retransmission, nothing else."""

from dataclasses import dataclass, field

from apps.fix.engine.codec import Fields, Framer, Message, encode
from apps.fix.engine.values import timestamp_write
from tests.fix.engine.talk import BODIES, KEY, fields_of


@dataclass
class Peer:
    """Keeps its numbers and reports over connections, as KalshiRT does."""

    retained: bool = True
    next_out: int = 1
    next_in: int = 1
    reports: dict[int, str] = field(default_factory=dict)  # number -> ExecID
    received: list[str] = field(default_factory=list)  # ClOrdID of each cancel, in order
    is_on: bool = False
    asked: bool = False
    framer: Framer = field(default_factory=Framer)

    def connect(self) -> None:
        self.is_on, self.asked, self.framer = False, False, Framer()

    def take(self, data: bytes, now: int) -> list[bytes]:
        answers: list[bytes] = []
        for message in self.framer.feed(data):
            if isinstance(message, Message):
                answers += self._on(message, now)
        return answers

    def report(self, exec_id: str, now: int) -> bytes:
        body = [(tag, exec_id if tag == 17 else value) for tag, value in fields_of(BODIES["8"])]
        self.reports[self.next_out] = exec_id
        return self._new("8", body, now)

    def _on(self, message: Message, now: int) -> list[bytes]:
        kind, seq = message.msg_type, message.whole(34) or 0
        if kind == "A":
            if message.is_set(141):
                self.next_in = self.next_out = 1
                self.reports.clear()
            self.is_on = True
            answer = [self._new("A", [(98, "0"), (108, "30"), (1137, "9"), *_reset(message)], now)]
            return answer + self._expect(message, seq, now)
        if not self.is_on:
            return []
        if kind == "4" and message.is_set(43) and seq < self.next_in:
            return []
        if kind == "2":
            answer = self._resend(message.whole(7) or 1, now)
            return answer + self._expect(message, seq, now)
        return self._expect(message, seq, now)

    def _expect(self, message: Message, seq: int, now: int) -> list[bytes]:
        if seq < self.next_in:
            assert message.is_set(43), f"a number of ours was used twice: {message}"
            return []
        if seq > self.next_in:
            if self.asked:
                return []
            self.asked = True
            return [self._new("2", [(7, str(self.next_in)), (16, "0")], now)]
        self.asked = False
        self.next_in += 1
        if message.msg_type == "4":
            self.next_in = message.whole(36) or self.next_in
        elif message.msg_type == "F":
            self.received.append(message.text(11))
        elif message.msg_type == "1":
            return [self._new("0", [(112, message.text(112))], now)]
        return []

    def _resend(self, first: int, now: int) -> list[bytes]:
        answers = []
        number = first
        while number < self.next_out:
            exec_id = self.reports.get(number)
            if exec_id is not None:
                body = [(tag, exec_id if tag == 17 else value) for tag, value in fields_of(BODIES["8"])]
                answers.append(self._raw("8", number, [(43, "Y"), (122, timestamp_write(now)), *body], now))
                number += 1
                continue
            until = next((one for one in range(number, self.next_out) if one in self.reports), self.next_out)
            fill = [(43, "Y"), (122, timestamp_write(now)), (123, "Y"), (36, str(until))]
            answers.append(self._raw("4", number, fill, now))
            number = until
        return answers

    def _new(self, kind: str, body: Fields, now: int) -> bytes:
        self.next_out += 1
        return self._raw(kind, self.next_out - 1, body, now)

    def _raw(self, kind: str, seq: int, body: Fields, now: int) -> bytes:
        header = [(35, kind), (49, "Kalshi"), (56, KEY), (34, str(seq)), (52, timestamp_write(now))]
        return encode([*header, *body])


def _reset(message: Message) -> Fields:
    return [(141, "Y")] if message.is_set(141) else []
