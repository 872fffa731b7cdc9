"""A FIX initiator of a few lines, which shares nothing with the exchange: strings in, strings out.

It checks by itself what every message must be: lengths, checksums, sequence numbers without a gap.
"""

import base64
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

SOH = "\x01"
Pairs = Sequence[tuple[int, object]]
PATIENCE = 60.0


class Pipe(Protocol):
    """Bytes to and from the exchange."""

    blocks: bool

    @property
    def closed(self) -> bool: ...
    def feed(self, data: bytes) -> None: ...
    def take(self) -> bytes: ...
    def hang_up(self) -> None: ...


@dataclass
class Msg:
    """A message as its fields in order. msg[35]: the first value of a tag; KeyError when there is none."""

    fields: list[tuple[int, str]] = field(default_factory=list)

    def __getitem__(self, tag: int) -> str:
        for number, value in self.fields:
            if number == tag:
                return value
        raise KeyError(tag)

    def __contains__(self, tag: int) -> bool:
        return any(number == tag for number, _ in self.fields)

    def get(self, tag: int) -> str | None:
        return next((value for number, value in self.fields if number == tag), None)

    def all(self, tag: int) -> list[str]:
        return [value for number, value in self.fields if number == tag]

    def part(self, *tags: int) -> dict[int, str | None]:
        """Some fields, None for those that are not there."""
        return {tag: self.get(tag) for tag in tags}


def stamp(ms: int) -> str:
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y%m%d-%H:%M:%S}.{ms % 1000:03d}"


def wrap(inner: str, *, begin: str = "FIXT.1.1") -> bytes:
    """A message around everything from 35 on."""
    body = inner.encode()
    head = f"8={begin}{SOH}9={len(body)}{SOH}".encode()
    return head + body + f"10={sum(head + body) % 256:03d}{SOH}".encode()


def cut(stream: bytes) -> tuple[list[Msg], bytes]:
    """Whole messages, each checked, and the rest."""
    found: list[Msg] = []
    while True:
        at = stream.find(b"\x0110=")
        end = stream.find(b"\x01", at + 1)
        if at < 0 or end < 0:
            return found, stream
        raw, stream = stream[: end + 1], stream[end + 1 :]
        fields: list[tuple[int, str]] = []
        for part in raw.decode().split(SOH)[:-1]:
            tag, _, value = part.partition("=")
            fields.append((int(tag), value))
        assert [tag for tag, _ in fields[:3]] == [8, 9, 35], raw
        body = raw[raw.index(b"\x0135=") + 1 : raw.rindex(b"10=")]
        assert fields[1][1] == str(len(body)), raw
        assert fields[-1][1] == f"{sum(raw[: raw.rindex(b'10=')]) % 256:03d}", raw
        found.append(Msg(fields))


def sign(key: RSAPrivateKey, text: str) -> str:
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
    return base64.b64encode(key.sign(text.encode(), pss, hashes.SHA256())).decode()


class FixClient:
    """One connection. seq: the number of the next message sent. expected: of the next one received.

    strict: whether every received message must have the expected number.
    """

    def __init__(self, pipe: Pipe, *, target: str, key_id: str, key: RSAPrivateKey, now_ms: Callable[[], int]) -> None:
        self.pipe = pipe
        self.target = target
        self.key_id = key_id
        self.key = key
        self.now_ms = now_ms
        self.seq = 1
        self.expected = 1
        self.strict = True
        self._rest = b""
        self._waiting: list[Msg] = []

    # --- out -------------------------------------------------------------------------------------
    def send(self, msg_type: str, body: Pairs = (), *, seq: int | None = None, header: Pairs = ()) -> int:
        """Send a message; returns its number. header replaces or adds (None removes) fields 34, 43, 49, 52 ..."""
        number = self.seq if seq is None else seq
        if seq is None:
            self.seq += 1
        fields: dict[int, object] = {49: self.key_id, 56: self.target, 34: number, 52: stamp(self.now_ms())}
        fields.update(header)
        given = [(tag, value) for tag, value in fields.items() if value is not None]
        inner = SOH.join(f"{tag}={value}" for tag, value in [(35, msg_type), *given, *body]) + SOH
        self.pipe.feed(wrap(inner))
        return number

    def log_on(
        self, *flags: tuple[int, object], reset: bool | None = True, heartbeat: int = 30, header: Pairs = ()
    ) -> list[Msg]:
        """Send a signed Logon and return what came back."""
        if reset:
            self.seq = self.expected = 1
        fields: dict[int, object] = {52: stamp(self.now_ms()), 34: self.seq, 49: self.key_id, 56: self.target}
        fields.update(header)
        text = SOH.join(str(part) for part in (fields[52], "A", fields[34], fields[49], fields[56]))
        body = [(98, 0), (108, heartbeat), (96, sign(self.key, text)), (1137, 9)]
        if reset is not None:
            body.insert(2, (141, "Y" if reset else "N"))
        self.seq += 1
        self.send("A", [*body, *flags], seq=self.seq - 1, header=list(fields.items()))
        return self.read()

    # --- in --------------------------------------------------------------------------------------
    def read(self) -> list[Msg]:
        """What has come, checked for numbers and names. From a socket: at least one message, unless it is closed."""
        found, self._waiting = [*self._waiting, *self._come()], []
        while not found and self.pipe.blocks and not self.pipe.closed:
            found = self._come()
        return found

    def _come(self) -> list[Msg]:
        found, self._rest = cut(self._rest + self.pipe.take())
        for msg in found:
            assert msg[56] == self.key_id
            if self.strict:
                assert int(msg[34]) == self.expected, f"expected {self.expected}: {msg}"
            self.expected = int(msg[34]) + 1
        return found

    def ask(self, msg_type: str, body: Pairs = ()) -> list[Msg]:
        """Send and return what came back."""
        self.send(msg_type, body)
        return self.read()

    def one(self, msg_type: str, body: Pairs = ()) -> Msg:
        """Send and return the only answer."""
        found = self.ask(msg_type, body)
        assert len(found) == 1, found
        return found[0]

    def until(self, *msg_types: str) -> Msg:
        """The next message of these types; those before it are dropped."""
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends and not (self.pipe.closed and not self._waiting):
            found = self.read()
            for place, msg in enumerate(found):
                if msg[35] in msg_types:
                    self._waiting = found[place + 1 :]
                    return msg
        raise AssertionError(f"no {msg_types}")


class SocketPipe:
    """A real connection."""

    blocks = True

    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection((host, port), timeout=PATIENCE)
        try:
            self._socket = plain if tls is None else tls.wrap_socket(plain, server_hostname=host)
        except ssl.SSLError:
            plain.close()
            raise
        self.closed = False

    def feed(self, data: bytes) -> None:
        self._socket.sendall(data)

    def take(self) -> bytes:
        """Wait for bytes; none when the exchange has closed."""
        try:
            data = self._socket.recv(65_536)
        except ConnectionResetError:
            data = b""
        self.closed = not data
        return data

    def hang_up(self) -> None:
        self._socket.close()
        self.closed = True
