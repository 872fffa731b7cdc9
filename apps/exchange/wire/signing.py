"""The port through which requests get their signature. The key itself stays in the vault."""

from typing import Protocol

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
