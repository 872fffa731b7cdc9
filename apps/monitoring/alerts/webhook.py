"""Posting to a webhook: to the address that was judged, without redirects, proxies or cookies, within seconds.

The body is what Slack, Mattermost and their like take: {"text": ...}. What is answered is not kept.
"""

import base64
import threading
from dataclasses import dataclass
from typing import Final

import httpx
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes
from django.views.decorators.debug import sensitive_variables

from apps.monitoring.alerts.addresses import BadAddress, Resolve, target_of

STEP_SECONDS: Final = 4.0  # for connecting, for each read and write
WHOLE_SECONDS: Final = 10.0  # for all of it, however slowly bytes drip
ANSWER_AT_MOST: Final = 2_048  # bytes that are read of an answer
_AGAIN = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Outcome:
    """problem "": delivered. may_help: whether trying again may help."""

    problem: str = ""
    may_help: bool = False


@sensitive_variables("url", "target", "address", "client")
def post(url: str, text: str, *, delivery_id: int, resolve: Resolve | None = None) -> Outcome:
    """Post one message. Never raises for what the other side does; the words name no address."""
    try:
        target = target_of(url, resolve=resolve)
    except BadAddress as exc:
        return Outcome(exc.text, may_help="cannot be found" in exc.text)
    ip = f"[{target.ip}]" if ":" in target.ip else target.ip
    address = f"{target.scheme}://{ip}:{target.port}{target.path}"
    is_usual = target.port == (443 if target.scheme == "https" else 80)
    headers = {
        "Host": target.host if is_usual else f"{target.host}:{target.port}",
        "User-Agent": "kalshi-desk",
        # A repeat after a crash carries the same number, so that the receiver can drop it.
        "Idempotency-Key": f"alert-delivery-{delivery_id}",
    }
    client = httpx.Client(trust_env=False, follow_redirects=False, timeout=STEP_SECONDS)
    end = threading.Timer(WHOLE_SECONDS, client.close)
    end.start()
    try:
        request = client.build_request("POST", address, json={"text": text}, headers=headers)
        # The certificate has to be the host's, though the connection goes to its judged address.
        request.extensions["sni_hostname"] = target.host
        answer = client.send(request, stream=True)
        try:
            read = 0
            for part in answer.iter_raw(ANSWER_AT_MOST):
                read += len(part)
                if read >= ANSWER_AT_MOST:
                    break
        finally:
            answer.close()
        return _outcome(answer.status_code)
    except httpx.TimeoutException:
        return Outcome("it did not answer in time", may_help=True)
    except (httpx.HTTPError, OSError, RuntimeError) as exc:
        # RuntimeError: the client was closed because the whole took too long.
        why = "it did not answer in time" if isinstance(exc, RuntimeError) else type(exc).__name__
        return Outcome(f"it could not be reached ({why})", may_help=True)
    finally:
        end.cancel()
        client.close()


def _outcome(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome()
    if 300 <= status < 400:
        return Outcome(f"it answered with a redirect ({status}), which is not followed")
    return Outcome(f"it answered {status}", may_help=status >= 500 or status in _AGAIN)


def slack_text(title: str, text: str, link: str) -> str:
    """Return the message; what Slack would read as markup or a call to everybody is plain text."""
    words = f"*{_plain(title)}*\n{_plain(text)}" if text else f"*{_plain(title)}*"
    return f"{words}\n{link}" if link else words


def _plain(text: str) -> str:
    one_line = " ".join(text.split()).replace("*", "·").replace("`", "'")
    return one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# --- at rest ------------------------------------------------------------------------------------------


@sensitive_variables("url")
def url_seal(url: str) -> str:
    return _fernet().encrypt(url.encode()).decode("ascii")


def url_open(sealed: str) -> str | None:
    """Return the address; None when it was sealed under a SECRET_KEY that is gone."""
    try:
        return _fernet().decrypt(sealed.encode("ascii")).decode()
    except InvalidToken:
        return None


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(_derive(key)) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _derive(secret_key: str | bytes) -> bytes:
    kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"kalshi-desk alert webhooks 1")
    return base64.urlsafe_b64encode(kdf.derive(force_bytes(secret_key)))
