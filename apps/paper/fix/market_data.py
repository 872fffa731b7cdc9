"""Order books by FIX: 35=V, answered by snapshots (W) and changes (X), or by a reject (Y).

A change carries what a level holds now, so a repeated one does no harm. Changes of one turn are sent together.
Source: docs: fix-margin/market-data.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from apps.core.money import format_count_units, format_price_units
from apps.paper.engine.events import BookDelta
from apps.paper.engine.units import DOLLAR_PRICE
from apps.paper.fix.codec import Fields
from apps.paper.fix.validation import Body

if TYPE_CHECKING:
    from apps.paper.fix.gateway import Gateway
    from apps.paper.fix.session import Session

SNAPSHOT, SUBSCRIBE, CANCEL = "012"
TOO_MUCH, NOT_SUPPORTED = "2", "4"
BID, OFFER = "01"
CHANGE, DELETE = "12"


class MarketData:
    """Who is told of which books."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._subscribed: dict[Session, set[str]] = {}
        self._changed: dict[str, set[tuple[str, int]]] = {}  # symbol -> (entry type, YES price)
        self.handlers: dict[str, Callable[[Session, Body], None]] = {"V": self._request}

    def forget(self, session: "Session") -> None:
        """A session has ended: what it was subscribed to ends too."""
        self._subscribed.pop(session, None)

    # --- requests --------------------------------------------------------------------------------
    def _request(self, session: "Session", body: Body) -> None:
        what = body.text(263)
        symbols = list(dict.fromkeys(entry[55] for entry in body.groups.get(146, [])))
        if what == CANCEL:
            mine = self._subscribed.get(session, set())
            self._subscribed[session] = mine - set(symbols) if symbols else set()
            return
        if what not in (SNAPSHOT, SUBSCRIBE):
            self._reject(session, NOT_SUPPORTED, f"SubscriptionRequestType {what} is not supported")
            return
        if not symbols:
            session.refuse(body, 5, "Conditionally required field missing: 146")
            return
        limit = self._gateway.rules.market_data_symbols
        wanted = set(symbols) | (self._subscribed.get(session, set()) if what == SUBSCRIBE else set())
        if len(wanted) > limit:
            self._reject(session, TOO_MUCH, f"more than {limit} symbols")
            return
        if what == SUBSCRIBE:
            self._subscribed[session] = wanted
        for symbol in symbols:
            session.send("W", self._snapshot(symbol))

    def _reject(self, session: "Session", reason: str, text: str) -> None:
        session.send("Y", [(281, reason), (58, text)])

    def _snapshot(self, symbol: str) -> Fields:
        """The whole book; empty for a symbol that nobody knows."""
        levels = list(self._levels(symbol))
        fields: Fields = [(55, symbol), (268, str(len(levels)))]
        for kind, price, size in levels:
            fields += [(269, kind), (270, format_price_units(price)), (271, format_count_units(size))]
        return fields

    def _levels(self, symbol: str) -> Iterator[tuple[str, int, int]]:
        """(entry type, YES price, size), best first on both sides."""
        if symbol not in self._gateway.exchange.markets:
            return
        book = self._gateway.exchange.book(symbol)
        for price, size in reversed(book.yes):
            yield BID, price, size
        for price, size in reversed(book.no):
            yield OFFER, DOLLAR_PRICE - price, size

    # --- changes ---------------------------------------------------------------------------------
    def hear(self, event: BookDelta) -> None:
        """Take one step of a book; it is sent when the turn is over."""
        if not any(event.ticker in symbols for symbols in self._subscribed.values()):
            return
        if not self._changed:
            self._gateway.do_later(self._flush)
        is_bid = event.side == "yes"
        price = event.price_units if is_bid else DOLLAR_PRICE - event.price_units
        self._changed.setdefault(event.ticker, set()).add((BID if is_bid else OFFER, price))

    def _flush(self) -> None:
        changed, self._changed = self._changed, {}
        for symbol, places in changed.items():
            sizes = {(kind, price): size for kind, price, size in self._levels(symbol)}
            fields: Fields = [(268, str(len(places)))]
            for kind, price in sorted(places):
                size = sizes.get((kind, price), 0)
                fields += [(279, CHANGE if size else DELETE), (55, symbol), (269, kind)]
                fields += [(270, format_price_units(price)), (271, format_count_units(size))]
            for session, symbols in list(self._subscribed.items()):
                if symbol in symbols:
                    session.send("X", fields)
