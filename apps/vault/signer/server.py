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
from typing import Any

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
# What reaches the socket may be anything: each line has a thread of its own, and none of them takes from the others.
LINES = 256  # open at once
LINES_OF_ONE = 64  # of one program; ours keep sixteen, and one more for each thread that waits
ASKS_A_SECOND = 2_000.0  # of one program, twice as many at once
FRAME_WITHIN = 10.0  # seconds for all of a question
TAKEN_WITHIN = 10.0  # seconds for its answer to be taken
LARGE_AT_ONCE = 2  # lists of emergency keys, being read and opened


class _Room:
    """How much of something may be had now: `rate` a second, twice as much at once."""

    def __init__(self) -> None:
        self._left: float | None = None  # None: nothing was taken yet
        self._filled_at = 0.0
        self._lock = threading.Lock()

    def take(self, rate: float) -> bool:
        with self._lock:
            now = time.monotonic()
            left = 2 * rate if self._left is None else min(2 * rate, self._left + (now - self._filled_at) * rate)
            self._filled_at = now
            self._left = left - 1 if left >= 1 else left
            return left >= 1


class _Held:
    """An opened key: when its row was last looked at, and what it may still sign now."""

    def __init__(self, signer: KeySigner) -> None:
        self.signer = signer
        self.looked_at = time.monotonic()
        self.is_looking = False
        self._room = _Room()

    def opened_again(self, signer: KeySigner) -> None:
        """A key of the emergency file, handed over once more: that gives it no more signatures than it had left."""
        self.signer, self.looked_at = signer, time.monotonic()

    def take(self) -> None:
        """Raises SignerBusy."""
        if not self._room.take(SIGNS_A_SECOND):
            raise SignerBusy


class Keys:
    """Every key that this process has opened. missing: what `confine` could not give up."""

    def __init__(self, missing: Collection[str] = ()) -> None:
        self._missing = list(missing)
        self.large = threading.BoundedSemaphore(LARGE_AT_ONCE)
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
        if question.what != "emergency" and len(question.text) + len(question.ref) > frames.USUAL:
            raise DeskError("too_long", _TOO_LONG)
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
                if not self.large.acquire(blocking=False):
                    raise DeskError("signer_busy", _LARGE)
                try:
                    return self._emergency(question.text)
                finally:
                    self.large.release()
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


class _Program:
    """Who is at the other end of some lines: how many there are, and what may still be asked now."""

    def __init__(self) -> None:
        self.lines = 0
        self.left_at = 0.0  # when the last of them ended, of the monotonic clock
        self.room = _Room()


class SignerServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Listens at a path that only this user may reach, and where it has peers, other users, its group."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path: Path, keys: Keys, peers: Collection[int] = ()) -> None:
        self.keys = keys
        self._users = {os.geteuid(), *peers}
        self._programs: dict[int, _Program] = {}  # by process id; 0: those that this system does not tell apart
        self._lock = threading.Lock()
        path.unlink(missing_ok=True)
        before = os.umask(0o117 if peers else 0o177)
        try:
            super().__init__(str(path), _Line)
        finally:
            os.umask(before)

    def verify_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> bool:
        assert isinstance(request, socket.socket)
        uid = peer_uid(request)
        if uid is not None and uid not in self._users:
            logger.error("a program of user %s asked for signatures and was sent away", uid)
            return False
        if self._enter(request):
            return True
        deny(request, "signer_busy", "Too many lines to the signer are open at once. Nothing was sent.", within=0.0)
        return False

    def process_request(self, request: Any, client_address: object) -> None:
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._leave(request)
            raise

    def process_request_thread(self, request: Any, client_address: object) -> None:
        # Its end is not known once it is closed.
        program = _peer(request)[0]
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._left(program)

    def room_of(self, request: socket.socket) -> _Room:
        return self._programs[_peer(request)[0]].room

    def _enter(self, request: socket.socket) -> bool:
        number = _peer(request)[0]
        with self._lock:
            # Whoever dials again at once has asked as much as before: it is known until its room is full again.
            full_at = time.monotonic() - 2
            self._programs = {key: one for key, one in self._programs.items() if one.lines or one.left_at > full_at}
            program = self._programs.get(number)
            mine = program.lines if program is not None else 0
            if sum(one.lines for one in self._programs.values()) >= LINES or (number and mine >= LINES_OF_ONE):
                logger.error("process %s opened one line too many: it has %s", number, mine)
                return False
            if program is None:
                program = self._programs[number] = _Program()
            program.lines += 1
        return True

    def _leave(self, request: socket.socket) -> None:
        self._left(_peer(request)[0])

    def _left(self, number: int) -> None:
        with self._lock:
            program = self._programs[number]
            program.lines -= 1
            program.left_at = time.monotonic()


class _Line(socketserver.BaseRequestHandler):
    """One line: a question, its answer, the next question."""

    server: SignerServer
    request: socket.socket

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # whoever asked is gone
            refusal = self._serve()
            if refusal is not None:
                deny(self.request, *refusal, within=TAKEN_WITHIN)

    def _serve(self) -> tuple[str, str] | None:
        """Answer until the other side has ended; return the code and the words of what it is sent away with."""
        keys, room = self.server.keys, self.server.room_of(self.request)
        while True:
            try:
                question = frames.receive(self.request, frames.ASKS, within=FRAME_WITHIN, large=keys.large)
            except TimeoutError:
                return "too_slow", f"A question has to be whole within {FRAME_WITHIN:.0f} s. Nothing was sent."
            except frames.TooLong:
                return "too_long", _TOO_LONG
            except frames.TooMany:
                return "signer_busy", _LARGE
            except ValueError:
                return "not_known", "The signer could not read this question. Nothing was sent."
            if question is None:
                return None
            if _has_more(self.request):
                return "one_at_a_time", "The next question is asked after the answer. Nothing was sent."
            answer = keys.answer(question) if room.take(ASKS_A_SECOND) else Answer([], "signer_busy", _TOO_OFTEN)
            self.request.settimeout(TAKEN_WITHIN)
            frames.send(self.request, answer)


_TOO_LONG = "This question is longer than any of ours. Nothing was sent."
_TOO_OFTEN = "This program asks the signer too often at once. Nothing was sent; try again in a second."
_LARGE = "Other lists of emergency keys are being opened. Nothing was sent; try again in a second."


def deny(link: socket.socket, code: str, text: str, *, within: float) -> None:
    """Say why the line ends, as far as the other side takes it."""
    logger.warning("a line to the signer was ended: %s", code)
    link.settimeout(within)
    with contextlib.suppress(OSError):
        frames.send(link, Answer([], code, text))


def _has_more(link: socket.socket) -> bool:
    """Whether something stands behind the question that was read."""
    link.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        return bool(link.recv(1, socket.MSG_PEEK))
    return False


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
    return _peer(link)[1]


def _peer(link: socket.socket) -> tuple[int, int | None]:
    """Return the process (0 where nobody says, or it is of another container) and the user at the other end."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return 0, None
    pid, uid, _ = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
    return int(pid), int(uid)
