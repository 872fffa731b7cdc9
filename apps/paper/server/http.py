"""One HTTP exchange as values: the same handler serves sockets and in-process tests."""

import email.utils
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import msgspec

JSON_TYPE = "application/json"
encode_json = msgspec.json.Encoder().encode


class ApiError(Exception):
    """A refusal with the documented ErrorResponse body. Nothing was done.

    Args:
        status: HTTP status.
        code: stable, snake_case.
        message: for people.
        details: optional, what exactly was wrong.
        headers: of the answer.
    """

    def __init__(
        self, status: int, code: str, message: str, *, details: str = "", headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.headers = headers

    def body(self) -> dict[str, str]:
        body = {"code": self.code, "message": self.message, "service": "paper"}
        return body | {"details": self.details} if self.details else body


class TooManyRequests(Exception):
    """The budget does not cover this request (docs: rate_limits; no Retry-After is sent)."""


@dataclass(slots=True)
class Request:
    """headers: lower-case names. query: every value of every name, in order.

    received_ms: when it arrived, if it is acted on later; its signature is as old as it was then.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, list[str]] = field(default_factory=dict)
    body: bytes = b""
    received_ms: int | None = None

    @classmethod
    def from_target(cls, method: str, target: str, headers: Mapping[str, str], body: bytes) -> "Request":
        path, _, query = target.partition("?")
        return cls(method, path, headers, parse_qs(query, keep_blank_values=True), body)

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object; an empty body is an empty object.

        Raises:
            ApiError: 400, not a JSON object.
        """
        if not self.body:
            return {}
        try:
            value = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise ApiError(400, "invalid_json", "the body is not valid JSON", details=str(exc)) from exc
        if not isinstance(value, dict):
            raise ApiError(400, "invalid_json", "the body must be a JSON object")
        return value


@dataclass(slots=True)
class Response:
    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def json(cls, value: Any, *, status: int = 200) -> "Response":
        return cls(status, encode_json(value))

    @classmethod
    def from_error(cls, error: ApiError) -> "Response":
        return cls(error.status, encode_json(error.body()), headers=error.headers)


def too_many_requests() -> Response:
    return Response.json({"error": "too many requests"}, status=429)


def http_date(now_ms: int) -> str:
    """The `Date` header for a moment of the exchange's clock (whole seconds)."""
    return email.utils.formatdate(now_ms // 1000, usegmt=True)
