"""Where an installation lives: its folder, ports, lock and secret. No Django here."""

import fcntl
import os
import secrets
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

# sockaddr_un holds 108 bytes on Linux and 104 on macOS, with the closing zero.
_UNIX_PATH_LIMIT = 100


def refuse(problem: str, hint: str) -> NoReturn:
    """End the program with words for the person at the terminal; exit code 2."""
    print(f"The desk did not start: {problem}\n{hint}", file=sys.stderr)  # noqa: T201 - this is the terminal
    raise SystemExit(2)


@dataclass(frozen=True, slots=True)
class Place:
    """One installation on this machine."""

    data: Path
    port: int
    paper_port: int
    redis_socket: Path

    @property
    def run(self) -> Path:
        return self.data / "run"

    @property
    def signer_socket(self) -> Path:
        return self.redis_socket.with_name("signer.sock")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def port_from(name: str, default: int) -> int:
    raw = os.environ.get(name, "").strip() or str(default)
    if not raw.isdecimal() or not 1 <= int(raw) <= 65535:
        refuse(f"{name}={raw!r} is not a port.", f"Use a number between 1 and 65535, such as {name}={default}.")
    return int(raw)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def prepare(root: Path) -> tuple[Place, IO[str]]:
    """Create the folders and the secret, take the lock, and return the place with the held lock.

    Refuses, in words, a folder that cannot be written, a port in use, and a second desk on the
    same folder.
    """
    data = Path(os.environ.get("DESK_DATA", "").strip() or root / "var").expanduser().resolve()
    try:
        for folder in (data, data / "run", data / "logs"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (data / "run" / "desk.lock").open("a+")
    except OSError as error:
        refuse(f"{data} cannot be written ({error.strerror}).", "Set DESK_DATA to a folder that you may write to.")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        refuse(
            f"another desk already runs on {data}.",
            "Stop it first, or start a second one with DESK_DATA=another-folder PORT=another-port.",
        )
    port = port_from("PORT", 8000)
    if not is_free(port):
        refuse(f"port {port} is in use by another program.", f"Use another one: PORT={port + 1} make run")
    given = os.environ.get("DESK_PAPER_PORT", "").strip()
    paper_port = port_from("DESK_PAPER_PORT", 18080)
    if not is_free(paper_port):
        if given:
            refuse(f"DESK_PAPER_PORT {paper_port} is in use by another program.", "Unset it or choose another one.")
        paper_port = _any_free_port()
    _secret(data / "secret-key")
    return Place(data=data, port=port, paper_port=paper_port, redis_socket=_socket_path(data)), lock


def _secret(path: Path) -> None:
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(60))


def _socket_path(data: Path) -> Path:
    path = data / "run" / "redis.sock"
    if len(os.fsencode(path)) <= _UNIX_PATH_LIMIT:
        return path
    # A deep DESK_DATA: sockets have short names only, so this one lives in a private folder elsewhere.
    return Path(tempfile.mkdtemp(prefix="desk-")) / "redis.sock"
