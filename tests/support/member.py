"""Another member of the paper exchange, acting by signed REST from a test."""

import time
import uuid
from pathlib import Path
from typing import Any

import httpx

from apps.vault.signing import KeySigner


class PaperMember:
    """One member of a running paper exchange (an entry of paper.json)."""

    def __init__(self, paper: dict[str, Any], name: str) -> None:
        entry = next(member for member in paper["members"] if member["name"] == name)
        pem = Path(entry["private_key_path"]).read_bytes()
        self._signer = KeySigner.from_pem(key_id=entry["key_id"], pem=pem, scopes=tuple(entry["scopes"]))
        self._url = paper["rest_url"]

    def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Send one request; path without /trade-api/v2. Fails the test when it is refused."""
        full = f"/trade-api/v2{path}"
        headers = self._signer.headers(method, full, timestamp_ms=time.time_ns() // 1_000_000)
        answer = httpx.request(method, f"{self._url}{full}", headers=headers, timeout=60, **options)
        assert answer.status_code in (200, 201, 204), answer.text
        body: dict[str, Any] = answer.json() if answer.content else {}
        return body

    def order(self, ticker: str, *, side: str, price: str, count: str) -> dict[str, Any]:
        """Place a limit order on the YES leg (side "bid" or "ask")."""
        body = {
            "ticker": ticker,
            "client_order_id": str(uuid.uuid4()),
            "side": side,
            "price": price,
            "count": count,
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
        }
        return self.request("POST", "/portfolio/events/orders", json=body)
