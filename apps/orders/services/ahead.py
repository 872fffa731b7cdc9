"""What the one attempt to send an order will need, asked for while its checks run: prices, tokens and a signature.

Nothing of it sends anything. Of an order that its checks refuse, the tokens are spent (10, until they are filled up
again) and the signature is thrown away where it was made.
"""

import contextlib
from typing import Self

from apps.core.errors import DeskError
from apps.exchange.clients import client_for
from apps.exchange.wire import api
from apps.exchange.wire.client import Ahead, ExchangeClient
from apps.orders.models import OrderIntent
from apps.orders.services.quotes import QuotesAsked
from apps.orders.services.routes import route_of


class AskedAhead:
    """quotes: for the price band. client, request: where the order goes by REST, and nothing stood in the way."""

    def __init__(self, intent: OrderIntent) -> None:
        self.client: ExchangeClient | None = None
        self.request: Ahead | None = None
        # What is wrong here is met again by the attempt itself, which says so.
        with contextlib.suppress(DeskError):
            if route_of(intent.account_id) is None:
                self.client = client_for(intent.account_id, write=True)
                self.request = api.create_order_ahead(self.client)
        self.quotes = QuotesAsked(intent.account.environment, intent.ticker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.quotes.drop()
        if self.request is not None:
            self.request.drop()
