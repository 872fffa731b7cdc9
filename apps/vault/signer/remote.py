"""What a worker or the gateway holds instead of a key: a name for it, and the way to the process that signs.

Signing twice does no harm, so a line that broke is dialled again while the signer starts anew. What is refused here is
a DeskError from before the first byte to the exchange: the caller may say that nothing was sent.
"""

import contextlib
import datetime
import queue
import socket
import time
from pathlib import Path
from typing import NoReturn

import msgspec
from django.conf import settings

from apps.core.errors import DeskError
from apps.vault.emergency_file import OpenedKey, emergency_path, sealed_read
from apps.vault.errors import KeyMissing, KeyUnreadable, PathRefused, ScopeRefused, VaultClosed
from apps.vault.models import ApiKey
from apps.vault.signer import frames
from apps.vault.signer.errors import SignerAway
from apps.vault.signer.frames import Answer, Ask

ANSWERS_WITHIN = 2.0  # seconds; to open a key takes 40 ms, to sign 1 ms
OPENS_WITHIN = 0.2  # seconds more for each key of the emergency file, of which there may be a hundred
COMES_BACK_WITHIN = 1.5  # seconds that a question waits for a signer that is being started again
_LOOK_AGAIN = 0.05
_KEPT = 16  # idle lines


class RemoteSigner:
    """One key of the signer's process, by name. Same calls as `vault.signing.KeySigner`; shows nothing of it either."""

    __slots__ = ("_ref", "account_id", "key_id", "row_id", "scopes")

    def __init__(self, ref: str, *, key_id: str, scopes: frozenset[str], row_id: int, account_id: int) -> None:
        self._ref = ref
        self.key_id = key_id
        self.scopes = scopes
        self.row_id = row_id
        self.account_id = account_id

    def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]:
        """As `KeySigner.headers`. Raises, too, SignerAway, KeyMissing (revoked since), KeyUnreadable, VaultClosed."""
        (signature,) = ask(self._question(method, path, timestamp_ms))
        return self._headers(timestamp_ms, signature)

    def headers_begin(self, method: str, path: str, timestamp_ms: int) -> "RemoteSigning":
        """As `headers`, up to the signer's answer. Raises nothing."""
        return RemoteSigning(self, self._question(method, path, timestamp_ms))

    def _question(self, method: str, path: str, timestamp_ms: int) -> Ask:
        return Ask("rest", self._ref, f"{method.upper()} {path.partition('?')[0]}", timestamp_ms)

    def _headers(self, timestamp_ms: int, signature: str) -> dict[str, str]:
        return {
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": str(timestamp_ms),
            "KALSHI-ACCESS-SIGNATURE": signature,
        }

    def logon_signature(self, text: str) -> str:
        """As `KeySigner.logon_signature`. Does not wait for a signer that is away: an event loop waits here."""
        (signature,) = ask(Ask("logon", self._ref, text), patience=0.0)
        return signature

    def uses_take(self) -> tuple[int, datetime.datetime | None]:
        """Nothing: the signer counts and writes them."""
        return 0, None

    def __repr__(self) -> str:
        return f"<RemoteSigner row={self.row_id} scopes={sorted(self.scopes)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer stays in the process that opened it")


class RemoteSigning:
    """A question that lies with the signer while its asker does something else."""

    def __init__(self, signer: RemoteSigner, question: Ask) -> None:
        self._signer = signer
        self._question = question
        self._path = str(settings.SIGNER_SOCKET)
        self._link: socket.socket | None = None
        link: socket.socket | None = None
        try:
            link, _ = _line(self._path)
            frames.send(link, question)
        except OSError:
            if link is not None:
                link.close()
        else:
            self._link = link

    def headers(self) -> dict[str, str]:
        """As `RemoteSigner.headers`; where the line broke, the signer is asked again."""
        link, self._link = self._link, None
        answer = None if link is None else self._heard(link)
        if answer is None:
            (signature,) = ask(self._question)
        elif answer.code:
            raise _refusal(answer, self._question)
        else:
            (signature,) = answer.values
        return self._signer._headers(self._question.at_ms, signature)

    def drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()  # its answer is for nobody else

    def _heard(self, link: socket.socket) -> Answer | None:
        try:
            answer = frames.receive(link, frames.ANSWERS)
        except (OSError, ValueError):
            answer = None
        if answer is None:
            link.close()
        else:
            _keep(self._path, link)
        return answer


def signer_of(row: ApiKey) -> RemoteSigner:
    """Have the signer open a row. Raises SignerAway, VaultClosed, KeyMissing, KeyUnreadable."""
    key_id, *scopes = ask(Ask("open", str(row.pk)))
    return RemoteSigner(str(row.pk), key_id=key_id, scopes=frozenset(scopes), row_id=row.pk, account_id=row.account_id)


def ping() -> None:
    """Raises SignerAway."""
    ask(Ask("ping"), patience=0.0)


def missing(path: Path) -> list[str]:
    """What the signer at `path` could not give up on its machine, in words (`signer.confine`). Raises SignerAway."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(ANSWERS_WITHIN)
            link.connect(str(path))
            frames.send(link, Ask("missing"))
            answer = frames.receive(link, frames.ANSWERS)
    except (OSError, ValueError) as exc:
        raise SignerAway(f"It did not answer ({type(exc).__name__}).") from None
    if answer is None or answer.code:
        raise SignerAway("It sent us away.")
    return answer.values


def emergency_opened(path: Path | None = None) -> list[OpenedKey]:
    """Have the signer open the file of emergency keys; neither here nor there is a database asked.

    What it signs with them takes orders, quotes and requests off the exchange, and nothing else. Raises DeskError.
    """
    keys = sealed_read(path or emergency_path())
    found = []
    question = Ask("emergency", text=msgspec.json.encode(keys).decode())
    for key, raw in zip(keys, ask(question, within=ANSWERS_WITHIN + OPENS_WITHIN * len(keys)), strict=True):
        row, problem, scopes = msgspec.json.decode(raw, type=tuple[int, str, list[str]])
        signer = RemoteSigner(
            f"e:{row}", key_id=key.key_id, scopes=frozenset(scopes), row_id=row, account_id=key.account
        )
        found.append(OpenedKey(key, None if problem else signer, problem))
    return found


def ask(question: Ask, *, patience: float = COMES_BACK_WITHIN, within: float | None = None) -> list[str]:
    """Ask the signer; return the values of its answer.

    Args:
        patience: seconds to wait for one that is not there.
        within: seconds to wait for an answer; ANSWERS_WITHIN when not given.

    Raises:
        SignerAway: it is not there, or did not answer.
        DeskError: what it refused, as the same error as if it had been refused here.
    """
    until = time.monotonic() + patience
    within = ANSWERS_WITHIN if within is None else within
    while True:
        try:
            answer = _asked(question, within)
            break
        except TimeoutError:
            raise SignerAway(f"The signer did not answer within {within:.0f} s. Nothing was sent.") from None
        except OSError as exc:
            if time.monotonic() >= until:
                raise SignerAway(f"The signer is away ({type(exc).__name__}). Nothing was sent.") from None
            time.sleep(_LOOK_AGAIN)
        except ValueError:
            raise SignerAway("What answered is not the signer. Nothing was sent.") from None
    if answer.code:
        raise _refusal(answer, question)
    return answer.values


def forget() -> None:
    """Close the idle lines of this process."""
    with contextlib.suppress(queue.Empty):
        while True:
            _idle.get_nowait()[1].close()


_idle: "queue.LifoQueue[tuple[str, socket.socket]]" = queue.LifoQueue(_KEPT)


def _asked(question: Ask, within: float) -> Answer:
    path = str(settings.SIGNER_SOCKET)
    link, is_old = _line(path)
    is_usual = within == ANSWERS_WITHIN
    try:
        if not is_usual:
            link.settimeout(within)
        frames.send(link, question)
        answer = frames.receive(link, frames.ANSWERS)
        if answer is None:
            raise ConnectionResetError("the signer has ended")
    except TimeoutError:
        link.close()
        raise
    except OSError:
        link.close()
        if not is_old:
            raise
        # A line from before its last start; the others that lie idle are of the same time.
        forget()
        return _asked(question, within)
    except BaseException:
        link.close()
        raise
    if is_usual:
        _keep(path, link)
    else:
        link.close()
    return answer


def _keep(path: str, link: socket.socket) -> None:
    try:
        _idle.put_nowait((path, link))
    except queue.Full:
        link.close()


def _line(path: str) -> tuple[socket.socket, bool]:
    with contextlib.suppress(queue.Empty):
        while True:
            kept, link = _idle.get_nowait()
            if kept == path:
                return link, True
            link.close()
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.settimeout(ANSWERS_WITHIN)
    try:
        link.connect(path)
    except BaseException:
        link.close()
        raise
    return link, False


def _refusal(answer: Answer, question: Ask) -> Exception:
    match answer.code:
        case "scope_refused":
            return ScopeRefused()
        case "path_refused":
            verb, _, bare = question.text.partition(" ")
            return PathRefused(verb, bare)
        case "key_missing":
            return KeyMissing(answer.text)
        case "key_unreadable":
            return KeyUnreadable(answer.text)
        case "vault_closed":
            return VaultClosed(answer.text)
        case "not_a_logon":
            return ValueError(answer.text)
        case _:
            return DeskError(answer.code, answer.text)
