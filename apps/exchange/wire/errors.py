"""What a call to the exchange can raise. The class answers one question: did it happen?

* ExchangeError
    * NotExecuted       certainly nothing happened: show it, a new attempt is safe
        * Refused           the exchange said no (400, 401, 403, 404) in its own words
        * RateLimited       429 from the exchange, or our own budget is spent; nothing was done
        * NotSent           the connection was never made
        * ReadFailed        a read got no usable answer; reads change nothing
    * AlreadyExists     409 on a create: an earlier attempt with this client id landed
    * OutcomeUnknown    a write left us and no proof came back: time-out, cut or garbled answer,
                        5xx, redirect, 2xx without the promised object

Only a refusal in the exchange's own shape proves that a write was not executed: a proxy in
between can answer 400 or 404 after the order went through.
"""

from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

_REFUSALS = frozenset({400, 401, 403, 404})
_KEPT_BODY = 500  # characters of an unusable answer that are kept for people


class ExchangeError(Exception):
    """A call to the exchange did not give its result. `code` is stable, `text` is for people."""

    def __init__(self, code: str, text: str, *, status: int | None = None) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.status = status


class NotExecuted(ExchangeError):
    """Nothing happened at the exchange; a new attempt is safe."""


class Refused(NotExecuted):
    """The exchange said no. `code`, `message` and `details` are its own words."""

    def __init__(self, *, status: int, code: str, message: str, details: str = "") -> None:
        super().__init__(code, f"{message} ({details})" if details else message, status=status)
        self.message = message
        self.details = details


class RateLimited(NotExecuted):
    """A token bucket is empty. wait_seconds: until the cost is there again (0.0 when not known)."""

    def __init__(self, text: str, *, wait_seconds: float = 0.0, status: int | None = None) -> None:
        super().__init__("rate_limited", text, status=status)
        self.wait_seconds = wait_seconds


class NotSent(NotExecuted):
    """No connection was made, so no byte of the request left us."""


class ReadFailed(NotExecuted):
    """A read got no usable answer. The state it asked for is unknown, and unchanged."""


class AlreadyExists(ExchangeError):
    """409 on a create. Look the order up by its client order id; never send again."""


class OutcomeUnknown(ExchangeError):
    """The request may have been executed. Only reading can tell; sending again is forbidden."""

    def __init__(self, text: str, *, status: int | None = None, body: str = "") -> None:
        super().__init__("outcome_unknown", text, status=status)
        self.body = body[:_KEPT_BODY]


def from_transport(exc: Exception, *, is_read: bool) -> ExchangeError:
    """Classify a call that got no answer, by whether the request can have left us."""
    name = type(exc).__name__
    if isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol):
        return NotSent("not_sent", f"No connection to the exchange ({name}). Nothing was sent.")
    if is_read:
        return ReadFailed("read_failed", f"The exchange gave no complete answer ({name}). Reading again is safe.")
    return OutcomeUnknown(f"The request was sent, the answer did not arrive ({name}).")


def body_or_raise(response: httpx.Response, *, is_read: bool) -> dict[str, Any]:
    """Return the JSON object of a 2xx answer ({} when there is no body, as with 204).

    Raises:
        ExchangeError: of the class that the table in the module's docstring gives.
    """
    body = _json_object(response)
    status = response.status_code
    if 200 <= status < 300:
        if body is not None:
            return body
        if not response.content:
            return {}
        return _unusable(response, "an answer that is not a JSON object", is_read=is_read)
    words = _own_words(body)
    if words is not None:
        code, message, details = words
        if status == 429:
            raise RateLimited(f"The exchange limits the rate: {message or code}", status=status)
        if status in _REFUSALS:
            raise Refused(status=status, code=code, message=message, details=details)
    if status == 409 and not is_read:
        code, message, _ = words or ("already_exists", "", "")
        raise AlreadyExists(code, message or "An order with this client order id exists already.", status=status)
    return _unusable(response, f"status {status}", is_read=is_read)


def missing_object(response_name: str, *, is_read: bool, body: object) -> ExchangeError:
    """Return the error for a 2xx answer that lacks what the operation promises."""
    if is_read:
        return ReadFailed("schema", f"The exchange's answer is not a {response_name}.")
    return OutcomeUnknown(f"The exchange's answer is not a {response_name}.", body=repr(body))


def _unusable(response: httpx.Response, what: str, *, is_read: bool) -> dict[str, Any]:
    if is_read:
        raise ReadFailed("read_failed", f"The exchange answered with {what}.", status=response.status_code)
    raise OutcomeUnknown(
        f"The exchange answered with {what}.",
        status=response.status_code,
        body=response.content[: 4 * _KEPT_BODY].decode("utf-8", "replace"),
    )


def _json_object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    return body if isinstance(body, dict) else None


def _own_words(body: Mapping[str, Any] | None) -> tuple[str, str, str] | None:
    """Return (code, message, details) of an error body in the exchange's shape, else None.

    Shapes: {code?, message?, details?, service?} with at least code or message, the same under
    "error", and {"error": "too many requests"} (docs:rate_limits).
    """
    if body is None:
        return None
    nested = body.get("error")
    if isinstance(nested, str) and nested:
        return nested.strip().replace(" ", "_"), nested, ""
    fields = nested if isinstance(nested, dict) else body
    code, message, details = (fields.get(name) or "" for name in ("code", "message", "details"))
    if not isinstance(code, str) or not isinstance(message, str) or not (code or message):
        return None
    return code or "refused", message or code, details if isinstance(details, str) else ""
