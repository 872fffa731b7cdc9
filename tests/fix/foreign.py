"""An acceptor as somebody else might write it: sockets and strings, nothing of the engine or of the paper exchange."""

import base64
import socket
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

SOH = "\x01"
Fields = list[tuple[int, str]]


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


@dataclass
class ForeignAcceptor:
    """Takes one connection after another over TLS, answers Logon, TestRequest and Logout, and tells `reports` once."""

    certificate: Path
    key: Path
    public_key: RSAPublicKey
    reports: list[Fields] = field(default_factory=list)
    heard: list[dict[int, str]] = field(default_factory=list)  # every message of the other side
    forged: int = 0
    _next: int = 1

    def __enter__(self) -> "ForeignAcceptor":
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate, self.key)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, name="foreign-acceptor")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # A shutdown wakes the thread that accepts; a close alone would not.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listening.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(plain, server_side=True) as link:
                    self._talk(link)
            except OSError:
                plain.close()

    def _talk(self, link: ssl.SSLSocket) -> None:
        rest = b""
        while data := link.recv(65_536):
            rest += data
            while (end := rest.find(b"\x0110=")) >= 0 and (close := rest.find(b"\x01", end + 1)) >= 0:
                raw, rest = rest[: close + 1], rest[close + 1 :]
                parts = (part.partition("=") for part in raw.decode().split(SOH)[:-1])
                self._answer(link, {int(tag): value for tag, _, value in parts})

    def _answer(self, link: ssl.SSLSocket, said: dict[int, str]) -> None:
        self.heard.append(said)
        match said[35]:
            case "A":
                if not self._is_signed(said):
                    self.forged += 1
                    return
                self._next = 1
                reset = [(141, "Y")] if said.get(141) == "Y" else []
                self._send(link, said, "A", [(98, "0"), (108, said[108]), *reset, (1137, "9")])
                while self.reports:
                    self._send(link, said, "8", self.reports.pop(0))
            case "1":
                self._send(link, said, "0", [(112, said[112])])
            case "5":
                self._send(link, said, "5", [])

    def _is_signed(self, said: dict[int, str]) -> bool:
        text = SOH.join(said[tag] for tag in (52, 35, 34, 49, 56)).encode()
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.AUTO)
        try:
            self.public_key.verify(base64.b64decode(said[96]), text, pss, hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def _send(self, link: ssl.SSLSocket, said: dict[int, str], kind: str, body: Fields) -> None:
        fields = [(35, kind), (49, said[56]), (56, said[49]), (34, str(self._next)), (52, stamp()), *body]
        self._next += 1
        inner = "".join(f"{tag}={value}{SOH}" for tag, value in fields)
        whole = f"8=FIXT.1.1{SOH}9={len(inner.encode())}{SOH}{inner}".encode()
        link.sendall(whole + f"10={sum(whole) % 256:03d}{SOH}".encode())
