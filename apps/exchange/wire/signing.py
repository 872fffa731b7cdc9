"""The port through which requests get their signature. The key itself stays in the vault."""

from typing import Protocol, runtime_checkable

REST_PREFIX = "/trade-api/v2"
WS_PATH = "/trade-api/ws/v2"


class RequestSigner(Protocol):
    """Signs requests of one API key (docs:api_environments, "Request Signing")."""

    def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]:
        """Return the three KALSHI-ACCESS-* headers.

        Args:
            path: from the host root, e.g. "/trade-api/v2/portfolio/orders"; a query is dropped.
            timestamp_ms: Unix milliseconds on the exchange's clock.

        Raises an error, and signs nothing, when the key's scopes do not allow the request.
        """
        ...


class Signing(Protocol):
    """A signature that was asked for."""

    def headers(self) -> dict[str, str]:
        """Return and raise what `RequestSigner.headers` does; once."""
        ...

    def drop(self) -> None:
        """Nobody waits for it."""
        ...


@runtime_checkable
class SignsAhead(Protocol):
    """A signer in another process, whose answer can be read later."""

    def headers_begin(self, method: str, path: str, timestamp_ms: int) -> Signing:
        """As `RequestSigner.headers`, up to the answer. Raises nothing: what is refused is met by `Signing.headers`."""
        ...
