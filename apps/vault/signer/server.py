"""The process that signs: it holds every opened key, and nothing of a key leaves it.

Each question is answered by the list of `vault.allowed` and the scopes of its key, whoever asks; a revoked key signs
no more within LOOKED_AT_LEAST. Only programs of the same user reach the socket, and of users named as its peers. One
thread reads the database, so that twenty lines are not twenty connections; the emergency keys need none.
"""

import contextlib
import datetime
import logging
import os
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec
from django.conf import settings
from django.db import close_old_connections

from apps.core.errors import DeskError
from apps.core.timestamps import unix_ms_now
from apps.vault import opening
from apps.vault.emergency_file import SealedKey, keys_open
from apps.vault.errors import KeyMissing, PathRefused
from apps.vault.models import ApiKey
from apps.vault.signer import frames
from apps.vault.signer.errors import SignerBusy
from apps.vault.signer.frames import Answer, Ask
from apps.vault.signing import KeySigner

logger = logging.getLogger(__name__)

LOOKED_AT_LEAST = 3.0  # seconds; older, and a signature waits for a look at the row
LOOKED_AGAIN = 1.0  # seconds; older, and the row is looked at behind the signature
SIGNS_A_SECOND = 500.0  # of one key, twice as many at once: more than any tier of the exchange takes
# Nobody gets a request signed today that counts next week. A clock may be an hour off (RELIABILITY F15), and requests
# bear the exchange's time.
FROM_NOW_MS = 2 * 3_600_000
EMERGENCY_FOR = 600.0  # seconds after which emergency keys have to be handed over again


class _Held:
    """An opened key: when its row was last looked at, and what it may still sign now."""

    def __init__(self, signer: KeySigner) -> None:
        self.signer = signer
        self.looked_at = time.monotonic()
        self.is_looking = False
        self._room = 2 * SIGNS_A_SECOND
        self._filled_at = self.looked_at
        self._lock = threading.Lock()

    def opened_again(self, signer: KeySigner) -> None:
        """A key of the emergency file, handed over once more: that gives it no more signatures than it had left."""
        self.signer, self.looked_at = signer, time.monotonic()

    def take(self) -> None:
        """Raises SignerBusy."""
        with self._lock:
            now = time.monotonic()
            self._room = min(2 * SIGNS_A_SECOND, self._room + (now - self._filled_at) * SIGNS_A_SECOND)
            self._filled_at = now
            if self._room < 1:
                raise SignerBusy
            self._room -= 1


class Keys:
    """Every key that this process has opened. missing: what `confine` could not give up."""

    def __init__(self, missing: Collection[str] = ()) -> None:
        self._missing = list(missing)
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()
        self._rows = ThreadPoolExecutor(1, thread_name_prefix="signer-rows")

    def answer(self, question: Ask) -> Answer:
        """Answer one question. Raises nothing."""
        try:
            return Answer(self._values(question))
        except DeskError as exc:
            return Answer([], exc.code, exc.text)
        except ValueError:
            return Answer([], "not_a_logon", "This is not the text of a FIX logon of this key.")
        except Exception:
            logger.exception("a question for a signature could not be answered")
            return Answer([], "signer_failed", "The signer failed. Nothing was sent; its log says why.")

    def close(self) -> None:
        """Write how often each key was used, and drop them."""
        try:
            self._rows.submit(opening.uses_flush).result(timeout=5)
        except Exception:
            # They are a hint for people; a database that is away must not keep the keys in memory.
            logger.warning("how often keys were used could not be written down", exc_info=True)
        self._rows.shutdown(wait=False, cancel_futures=True)
        opening.forget()
        self._held.clear()

    def _values(self, question: Ask) -> list[str]:
        match question.what:
            case "open":
                signer = self._look(_row_ref(question.ref)).result(timeout=30).signer
                return [signer.key_id, *sorted(signer.scopes)]
            case "rest":
                verb, _, path = question.text.partition(" ")
                # A query is no part of what is signed: what is judged here must be what the key signs.
                if "?" in path or (question.ref.startswith("e:") and not _takes_off(verb, path)):
                    raise PathRefused(verb, path)
                _is_of_now(question.at_ms)
                headers = self._signer(question.ref).headers(verb, path, question.at_ms)
                return [headers["KALSHI-ACCESS-SIGNATURE"]]
            case "logon":
                if question.ref.startswith("e:"):
                    raise PathRefused("FIX", "logon")
                _is_of_now(_sending_ms(question.text))
                return [self._signer(question.ref).logon_signature(question.text)]
            case "ping":
                return []
            case "missing":
                return self._missing
            case "emergency":
                return self._emergency(question.text)
        raise DeskError("not_known", "The signer does not know this question.")

    def _signer(self, ref: str) -> KeySigner:
        if ref.startswith("e:"):
            held = self._held.get(ref)
            if held is None or time.monotonic() - held.looked_at > EMERGENCY_FOR:
                raise KeyMissing("This emergency key is not open. Ask for the list again.")
        else:
            held = self._looked_at(_row_ref(ref))
        held.take()
        return held.signer

    def _looked_at(self, ref: str) -> _Held:
        """Return an opened row that was looked at a moment ago, after a look where that was too long ago."""
        held = self._held.get(ref)
        if held is None or time.monotonic() - held.looked_at > LOOKED_AT_LEAST:
            return self._look(ref).result(timeout=30)
        if time.monotonic() - held.looked_at > LOOKED_AGAIN and not held.is_looking:
            held.is_looking = True
            self._look(ref).add_done_callback(self._looked)
        return held

    def _look(self, ref: str) -> "Future[_Held]":
        return self._rows.submit(self._row, ref)

    @staticmethod
    def _looked(done: "Future[_Held]") -> None:
        failure = None if done.cancelled() else done.exception()
        if failure is not None and not isinstance(failure, DeskError):
            logger.warning("a key's row could not be looked at (%s)", type(failure).__name__)

    def _row(self, ref: str) -> _Held:
        """Open a row, or see that it is as it was. In the one thread of the database."""
        close_old_connections()
        live = ApiKey.sealed_rows.exclude(status=ApiKey.Status.REVOKED)
        row = live.select_related("account").filter(pk=int(ref)).first()
        try:
            if row is None:
                raise KeyMissing(f"Key {ref} does not exist or is revoked.")
            signer = opening.signer_open(row)
        except DeskError:
            self._held.pop(ref, None)
            raise
        with self._lock:
            held = self._held.get(ref)
            if held is None or held.signer is not signer:
                self._held[ref] = held = _Held(signer)
        held.looked_at, held.is_looking = time.monotonic(), False
        return held

    def _emergency(self, sealed: str) -> list[str]:
        keys = msgspec.json.decode(sealed, type=list[SealedKey])
        found = []
        for one in keys_open(keys, private_key=Path(settings.VAULT_PRIVATE_KEY_FILE)):
            scopes: list[str] = []
            if isinstance(one.signer, KeySigner):
                self._held.setdefault(f"e:{one.key.row}", _Held(one.signer)).opened_again(one.signer)
                scopes = sorted(one.signer.scopes)
            found.append(msgspec.json.encode((one.key.row, one.problem, scopes)).decode())
        return found


class SignerServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Listens at a path that only this user may reach, and where it has peers, other users, its group."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path: Path, keys: Keys, peers: Collection[int] = ()) -> None:
        self.keys = keys
        self._users = {os.geteuid(), *peers}
        path.unlink(missing_ok=True)
        before = os.umask(0o117 if peers else 0o177)
        try:
            super().__init__(str(path), _Line)
        finally:
            os.umask(before)

    def verify_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> bool:
        assert isinstance(request, socket.socket)
        uid = peer_uid(request)
        if uid is None or uid in self._users:
            return True
        logger.error("a program of user %s asked for signatures and was sent away", uid)
        return False


class _Line(socketserver.BaseRequestHandler):
    server: SignerServer

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # whoever asked is gone, or is none of ours
            while (question := frames.receive(self.request, frames.ASKS)) is not None:
                frames.send(self.request, self.server.keys.answer(question))


def _row_ref(ref: str) -> str:
    """Return the one way to write a row's number: under two a key would sign twice as often. Raises KeyMissing."""
    if not (ref.isascii() and ref.isdecimal()) or len(ref) > 18:
        raise KeyMissing("There is no such key.")
    return str(int(ref))


def _is_of_now(at_ms: int) -> None:
    """Raises DeskError for a time at which nothing is to be signed."""
    if abs(at_ms - unix_ms_now()) > FROM_NOW_MS:
        raise DeskError(
            "not_now", "The time to be signed is hours from now. Set this machine's clock. Nothing was sent."
        )


def _sending_ms(logon: str) -> int:
    """Return the SendingTime that a logon's text begins with, Unix ms. Raises ValueError."""
    seconds = logon.partition("\x01")[0].partition(".")[0]
    return int(datetime.datetime.strptime(f"{seconds}+0000", "%Y%m%d-%H:%M:%S%z").timestamp() * 1000)


def _takes_off(verb: str, path: str) -> bool:
    """Nothing but what the kill switch asks: an emergency key may be of a row that was revoked since."""
    return verb in ("GET", "DELETE") or (verb == "PUT" and path.endswith("/trigger"))


def peer_uid(link: socket.socket) -> int | None:
    """Return the user at the other end, None where the system does not say."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    _, uid, _ = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
    return int(uid)
