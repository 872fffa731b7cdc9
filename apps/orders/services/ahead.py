"""What the one attempt to send an order will need, asked for while its checks run: prices, tokens and a signature.

Nothing of it sends anything. Of an order that its checks refuse, the tokens are spent (10, until they are filled up
again) and the signature is thrown away where it was made.
"""

import contextlib
import threading
from typing import Self

from apps.core.errors import DeskError
from apps.exchange.clients import client_for
from apps.exchange.wire import api
from apps.exchange.wire.client import Ahead, ExchangeClient
from apps.orders.models import OrderIntent
from apps.orders.services.quotes import QuotesAsked
from apps.orders.services.routes import route_of

KEPT_MOST = 8  # signatures; each holds a line to the signer


class _Signed:
    """Signatures that were asked for when an order was announced, and that no order has used: one per account."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[int, tuple[ExchangeClient, Ahead]] = {}

    def ask(self, account_id: int, client: ExchangeClient) -> None:
        with self._lock:
            known, kept = self._kept.pop(account_id, (client, None))
            if kept is not None and known is not client:  # of a key that was replaced
                kept.drop()
                kept = None
            self._kept[account_id] = client, api.create_order_sign(client, kept)
            while len(self._kept) > KEPT_MOST:
                self._kept.pop(next(iter(self._kept)))[1].drop()

    def take(self, account_id: int, client: ExchangeClient) -> Ahead | None:
        with self._lock:
            known, kept = self._kept.pop(account_id, (client, None))
        if kept is not None and known is not client:
            kept.drop()
            return None
        return kept

    def forget(self) -> None:
        with self._lock:
            while self._kept:
                self._kept.popitem()[1][1].drop()


_signed = _Signed()


def sign_ahead(account_id: int) -> None:
    """Have the next create of this account signed while it is still being checked. Nothing is claimed or sent."""
    with contextlib.suppress(DeskError):
        if route_of(account_id) is None:
            _signed.ask(account_id, client_for(account_id, write=True))


def forget() -> None:
    """Let go of what was signed and not used (tests, and a process that ends)."""
    _signed.forget()


class AskedAhead:
    """quotes: for the price band. client, request: where the order goes by REST, and nothing stood in the way."""

    def __init__(self, intent: OrderIntent) -> None:
        self.client: ExchangeClient | None = None
        self.request: Ahead | None = None
        # What is wrong here is met again by the attempt itself, which says so.
        with contextlib.suppress(DeskError):
            if route_of(intent.account_id) is None:
                self.client = client_for(intent.account_id, write=True)
                self.request = api.create_order_ahead(self.client, _signed.take(intent.account_id, self.client))
        self.quotes = QuotesAsked(intent.account.environment, intent.ticker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.quotes.drop()
        if self.request is not None:
            self.request.drop()
