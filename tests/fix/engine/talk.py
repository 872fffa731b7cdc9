"""Plays written conversations between a session and an exchange. The language is in conversations/README.md."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from apps.fix.engine.codec import Fields, Message, encode
from apps.fix.engine.errors import SendRefused
from apps.fix.engine.logon import LogonFlags
from apps.fix.engine.outputs import Deliver, Ended, LoggedOn, Missed, Noted, Output, Seen, Transmit
from apps.fix.engine.rules import Kind
from apps.fix.engine.session import Session, SessionConfig
from apps.fix.engine.store import MemoryStore
from apps.fix.engine.values import timestamp_write

START = 1_754_550_000_000  # Unix ms
KEY = "a952bcbe-ec3b-4b5b-b8f9-11dae589608c"
FOLDER = Path(__file__).parent / "conversations"
REPORT = "37=o|11=c|17=4;7|150=0|39=0|54=1|55=M|151=1|14=0|6=0|38=1"
BODIES = {
    "8": REPORT,
    "UMS": "20105=s|55=M|715=20250807|20107=yes|730=100.00",
    "U2": "45=2|21003=0",
    "R": "131=r|146=1|55=M|38=1",
    "W": "55=M|268=2|269=0|270=19.5000|271=10.00|269=1|270=19.5100|271=5.00",
    "X": "268=1|279=1|55=M|269=0|270=19.5000|271=15.00",
    "Y": "281=4|58=Unsupported SubscriptionRequestType",
}
_HEADER = (35, 49, 56, 34, 52, 50, 57, 142, 143, 115, 128, 43, 97, 122, 1128, 1129)


@dataclass
class Case:
    name: str
    kind: str
    lines: list[tuple[int, str]]
    listener: bool = False
    margin: bool = False

    def __str__(self) -> str:
        mode = f"{'-listener' if self.listener else ''}{'-margin' if self.margin else ''}"
        return f"{self.name}-{self.kind}{mode}".replace(" ", "_")


def cases() -> list[Case]:
    found: list[Case] = []
    for path in sorted(FOLDER.glob("*.fix")):
        current: list[Case] = []
        for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            line = raw.split(" # ")[0].strip()
            if not line or line.startswith("#"):
                continue
            if line.startswith("case "):
                head = re.fullmatch(r"case (.+?) \[([A-Z ]+?)( listener)?( margin)?\]", line)
                assert head, f"{path.name}:{number}: {line}"
                current = [
                    Case(f"{path.stem} {head[1]}", kind, [], bool(head[3]), bool(head[4])) for kind in head[2].split()
                ]
                found += current
            else:
                for case in current:
                    case.lines.append((number, line))
    return found


def fields_of(text: str) -> Fields:
    return [(int(tag), value) for tag, _, value in (part.partition("=") for part in text.split("|") if part)]


@dataclass
class Talk:
    """One run of one case."""

    case: Case
    now: int = START
    outputs: list[Output] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)
    exchange_seq: int = 1

    def __post_init__(self) -> None:
        flags = LogonFlags(listener=self.case.listener, skip_pending=self.case.listener, is_margin=self.case.margin)
        config = SessionConfig(Kind[self.case.kind], KEY, flags)
        self.store = MemoryStore()
        self.session = Session(config, self.store, self._sign)

    def _sign(self, text: str) -> str:
        self.signed.append(text)
        return "c2lnbmF0dXJl"

    def play(self) -> None:
        for number, line in self.case.lines:
            try:
                self._line(line)
            except AssertionError as exc:
                raise AssertionError(f"line {number}: {line}\n{exc}\npending: {self.outputs}\n{self.notes}") from exc
        assert self.outputs == [], f"left over: {self.outputs}"

    def _line(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        getattr(self, f"_do_{_WORDS.get(word, word)}")(rest.strip())

    # --- what the case says -----------------------------------------------------------------------

    def _do_connect(self, rest: str) -> None:
        self._took(self.session.connected(self.now))

    def _do_logon(self, rest: str) -> None:
        """Connect and log on without looking, as most cases begin. "logon OUT IN": with stored numbers."""
        if rest:
            self.store.next_out, self.store.next_in = (int(one) for one in rest.split())
        is_kept = self.session.rules.is_retained and not self.session.reset_next
        if not is_kept:
            self.exchange_seq = 1
        elif rest:
            self.exchange_seq = self.store.next_in
        self._do_connect("")
        self._do_expect("35=A")
        self._do_inject("35=A|98=0|108=30|1137=9" + ("" if is_kept else "|141=Y"))
        self._do_event("logon kept" if is_kept else "logon reset")

    def _do_reset_next(self, rest: str) -> None:
        self.session.reset_next = True

    def _do_inject(self, rest: str) -> None:
        self._took(self.session.received(self._message(rest), self.now))

    def _do_bytes(self, rest: str) -> None:
        self._took(self.session.received(rest.encode().replace(b"|", b"\x01"), self.now))

    def _do_cut(self, rest: str) -> None:
        """Inject byte by byte."""
        for byte in self._message(rest):
            self._took(self.session.received(bytes([byte]), self.now))

    def _do_together(self, rest: str) -> None:
        """Inject several messages at once, separated by ";;"."""
        self._took(self.session.received(b"".join(self._message(one.strip()) for one in rest.split(";;")), self.now))

    def _do_garble(self, rest: str) -> None:
        """garble checksum|long|short|tag FIELDS: inject it damaged; its number counts as used by the exchange."""
        what, _, text = rest.partition(" ")
        raw = self._message(text)
        if what == "checksum":
            raw = raw[:-4] + b"%03d\x01" % ((int(raw[-4:-1]) + 1) % 256)
        elif what == "long":
            raw = re.sub(rb"\x019=(\d+)", lambda m: b"\x019=%d" % (int(m[1]) + 3), raw)
        elif what == "short":
            raw = re.sub(rb"\x019=(\d+)", lambda m: b"\x019=%d" % (int(m[1]) - 3), raw)
        elif what == "tag":
            # The same bytes in another order: length and checksum stay right.
            raw = raw.replace(b"\x01112=", b"\x01=112")
        else:
            raise AssertionError(what)
        self._took(self.session.received(raw, self.now))

    def _do_empty(self, rest: str) -> None:
        """empty TAG FIELDS: inject it with this field's value left out."""
        tag, _, text = rest.partition(" ")
        body = re.sub(rb"\x01%s=[^\x01]*" % tag.encode(), b"\x01%s=" % tag.encode(), self._message(text)[:-7])
        body = body.split(b"\x01", 2)[2]
        head = b"8=FIXT.1.1\x019=%d\x01" % len(body) + body
        self._took(self.session.received(head + b"10=%03d\x01" % (sum(head) % 256), self.now))

    def _do_wait(self, rest: str) -> None:
        """Let seconds pass, half a second at a time."""
        until = self.now + int(float(rest) * 1000)
        while self.now < until:
            self.now += 500
            self._took(self.session.tick(self.now))

    def _do_quiet(self, rest: str) -> None:
        """As wait, with the exchange sending a heartbeat each second and ours left out."""
        for _ in range(int(rest)):
            self._do_wait("1")
            self._do_inject("35=0")
        self.outputs = [one for one in self.outputs if not (isinstance(one, Transmit) and one.msg_type == "0")]

    def _do_send(self, rest: str) -> None:
        kind, _, text = rest.partition("|")
        _, outputs = self.session.send(kind, fields_of(text), self.now)
        self._took(outputs)

    def _do_refused(self, rest: str) -> None:
        """refused CODE TYPE|FIELDS: sending this is refused, and nothing leaves."""
        code, _, text = rest.partition(" ")
        kind, _, body = text.partition("|")
        before = self.store.next_out
        with pytest.raises(SendRefused) as refused:
            self.session.send(kind, fields_of(body), self.now)
        assert refused.value.code == code
        assert self.store.next_out == before

    def _do_logout(self, rest: str) -> None:
        self._took(self.session.logout(self.now, text=rest))

    def _do_test(self, rest: str) -> None:
        self._took(self.session.test(self.now))

    def _do_lost(self, rest: str) -> None:
        self._took(self.session.lost())

    # --- what must follow -------------------------------------------------------------------------

    def _do_expect(self, rest: str) -> None:
        assert self.outputs, "nothing was sent"
        output = self.outputs.pop(0)
        assert isinstance(output, Transmit), output
        sent = Message(output.fields)
        for part in rest.split("|"):
            if part.startswith("-"):
                assert int(part[1:]) not in sent, sent
                continue
            tag, _, value = part.partition("=")
            told = sent.text(int(tag))
            assert told == value or (value == "*" and told), f"tag {tag} is {told!r} in {sent}"

    def _do_event(self, rest: str) -> None:
        assert self.outputs, "nothing came"
        output = self.outputs.pop(0)
        match output:
            case LoggedOn(was_reset):
                told = "logon reset" if was_reset else "logon kept"
            case Missed(first, last):
                told = f"missed {first} {last}"
            case Ended(end, _):
                told = f"ended {end.value}"
            case Deliver(message, seq, possible_resend):
                told = f"deliver {message.msg_type} {seq}" + (" resend" if possible_resend else "")
            case _:
                told = repr(output)
        assert told == rest, told

    def _do_note(self, rest: str) -> None:
        assert rest in self.notes, "no such note"

    def _do_seen(self, rest: str) -> None:
        """seen A 1 5: the session messages that came, for the log."""
        assert self.seen == rest.split(), self.seen

    def _do_numbers(self, rest: str) -> None:
        """numbers OUT IN: what comes next each way, stored too."""
        assert f"{self.session.next_out} {self.session.next_in}" == rest, (self.session.next_out, self.session.next_in)
        assert self.store.next_in == self.session.next_in

    def _do_state(self, rest: str) -> None:
        assert self.session.state.value == rest, self.session.state

    def _do_reset_is_due(self, rest: str) -> None:
        assert self.session.reset_next is (rest != "no")

    def _do_rtt(self, rest: str) -> None:
        assert self.session.rtt_ms == int(rest), self.session.rtt_ms

    def _do_signed(self, rest: str) -> None:
        assert self.signed[-1] == rest.replace("|", "\x01").replace("KEY", KEY), self.signed

    # --- help -------------------------------------------------------------------------------------

    def _took(self, outputs: list[Output]) -> None:
        for one in outputs:
            if isinstance(one, Seen):
                self.seen.append(one.message.msg_type)
                continue
            if isinstance(one, Noted):
                self.notes.append(one.code)
                continue
            if isinstance(one, Deliver):
                self.session.applied(one.seq)
            self.outputs.append(one)

    def _message(self, text: str) -> bytes:
        """Complete a message: header, number (34=+2 skips two, 34=-3 goes back three), SendingTime (52=+31 s)."""
        parts = [part for part in text.split("|") if part]
        left_out = {int(part[1:]) for part in parts if re.fullmatch(r"-\d+", part)}
        given = fields_of("|".join(part for part in parts if not re.fullmatch(r"-\d+", part)))
        kind = dict(given).get(35, "")
        tags = [tag for tag, _ in given]
        if kind in BODIES and not set(tags) - {8, *_HEADER}:
            given += fields_of(BODIES[kind])
        seq = self.exchange_seq
        wanted = dict(given).get(34)
        if wanted is not None:
            seq = self.exchange_seq + int(wanted) if wanted[0] in "+-" else (int(wanted) if wanted.isdigit() else 0)
        is_dup = (43, "Y") in given
        if not is_dup and 34 not in left_out and seq >= self.exchange_seq:
            self.exchange_seq = seq + 1
        header = {35: kind, 49: "Kalshi", 56: KEY, 34: str(seq), 52: timestamp_write(self.now)}
        fields: Fields = []
        for tag, value in given:
            if tag in (52, 122) and value[0] in "+-":
                value = timestamp_write(self.now + int(float(value) * 1000))
            if tag == 34 and (value[0] in "+-" or value.isdigit()):
                value = str(seq)
            if tag in header:
                header[tag] = value
            elif tag != 8:
                fields.append((tag, value))
        order = [(tag, value) for tag, value in header.items() if tag not in left_out]
        raw = encode([*order, *fields])
        begin = dict(given).get(8)
        if begin is None:
            return raw
        head = raw[:-7].replace(b"8=FIXT.1.1", b"8=" + begin.encode(), 1)
        return head + b"10=%03d\x01" % (sum(head) % 256)


_WORDS = {"<": "inject", ">": "expect", "=": "event"}
