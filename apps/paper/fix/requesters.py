"""The requester's side of RFQs, on KalshiRT (docs: fix/rfq-messages): ask, hear quotes, accept, withdraw."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from apps.core.money import format_price_units
from apps.paper.engine.catalogue import Leg
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.events import Event, QuoteChanged, RfqChanged
from apps.paper.engine.orders import Order
from apps.paper.engine.rfq import NewRfq, Quote
from apps.paper.engine.units import DOLLAR, Outcome
from apps.paper.fix.codec import Fields
from apps.paper.fix.fields import account_of, count_of
from apps.paper.fix.makers import count_text
from apps.paper.fix.validation import WRONG_VALUE, Body

if TYPE_CHECKING:
    from apps.paper.fix.gateway import Gateway
    from apps.paper.fix.session import Session

MAX_NAME = 64
_REASONS = {"QUOTE_REQUEST_EXCEEDS_LIMIT": "3", "INSUFFICIENT_BALANCE": "11"}


class RequesterSide:
    """Handlers of R, UA and UE, and what requesters are told."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._exchange = gateway.exchange
        self._asking = ""  # the session whose request is being done: its own withdrawal is not told again
        self.handlers: dict[str, Callable[[Session, Body], None]] = {
            "R": self._ask,
            "UA": self._accept,
            "UE": self._withdraw,
        }

    def origin_of(self, order: Order) -> tuple[str, str]:
        """The session that accepted the quote an order comes from, and its ClOrdID; empty for other orders."""
        kind, _, rest = order.client_order_id.partition(":")
        if kind != "rfq":
            return "", ""
        row = self._gateway.store.name("accept", rest.rpartition(":")[2])
        return (row[0], row[1]) if row else ("", "")

    # --- told ------------------------------------------------------------------------------------
    def hear(self, event: Event) -> None:
        """Tell requesters of quotes on their RFQs, and of RFQs that ended without them."""
        if isinstance(event, QuoteChanged) and event.step == "created":
            for session in self._sessions(event.quote.rfq_user_id, event.quote.rfq_id):
                session.send("S", _notice(event.quote))
        elif isinstance(event, RfqChanged) and event.step in ("deleted", "closed"):
            rfq = event.rfq
            if not rfq.cancellation_reason:
                return  # it was executed
            for session in self._sessions(rfq.user_id, rfq.rfq_id):
                if session.session_id != self._asking:
                    name = self._gateway.store.name("rfq", rfq.rfq_id)
                    told = name[1] if name else rfq.rfq_id
                    session.send("AG", [(131, told), (658, "99"), (58, rfq.cancellation_reason.upper())])

    def _sessions(self, user_id: str, rfq_id: str) -> list["Session"]:
        found = [s for s in self._gateway.listening(user_id, "KalshiRT") if not s.is_listener]
        if not found or self._gateway.rules.reports == "member":
            return found
        row = self._gateway.store.name("rfq", rfq_id)
        return [s for s in found if row is not None and s.session_id == row[0]]

    # --- asked -----------------------------------------------------------------------------------
    def _ask(self, session: "Session", body: Body) -> None:
        if body.text(146) != "1" or len(body.text(131)) > MAX_NAME:
            tag = 146 if body.text(146) != "1" else 131
            session.reject(body.seq, "R", WRONG_VALUE, tag, "Value is incorrect (out of range) for this tag")
            return
        store, name = self._gateway.store, body.text(131)
        self._asking = session.session_id
        try:
            if store.name("client_rfq", session.user_id + name) is not None:
                raise ExchangeError("duplicate", "DUPLICATE_QUOTE_REQ_ID")
            ticker = self._ticker(session, body)
            rfq = self._exchange.create_rfq(session.user_id, self._request(session, body, ticker))
        except ExchangeError as exc:
            reason = "1" if exc.code == "market_not_found" else _REASONS.get(exc.details, "99")
            text = exc.details or exc.code.upper()
            session.send("AG", [(131, name), (658, reason), (58, exc.message if exc.code == "duplicate" else text)])
            return
        finally:
            self._asking = ""
        now = self._exchange.clock.now_ms()
        store.set_name("rfq", rfq.rfq_id, ms=now, data=[session.session_id, name])
        store.set_name("client_rfq", session.user_id + name, ms=now, data=[rfq.rfq_id])
        fields: Fields = [(131, name), (303, "1"), (21023, rfq.rfq_id)]
        session.send("b", [*fields, (55, ticker)] if body.get(20180) else fields)

    def _ticker(self, session: "Session", body: Body) -> str:
        """The market, made from its legs where those are given."""
        legs, collection = body.groups.get(20181, []), body.get(20180)
        if (body.get(55) is None) == (collection is None) or bool(legs) != (collection is not None):
            raise ExchangeError("invalid_parameters", "Symbol, or a collection with legs", details="INVALID_SYMBOL")
        if collection is None:
            return body.text(55)
        chosen = [Leg(leg[20182], leg[20183], "yes" if leg[20184] == "yes" else "no") for leg in legs]
        return self._exchange.create_combo(session.user_id, collection, chosen).ticker

    def _request(self, session: "Session", body: Body, ticker: str) -> NewRfq:
        quantity, cost = body.get(38), body.number(152)
        return NewRfq(
            ticker=ticker,
            rest_remainder=body.flag(21015),
            contracts=None if quantity is None else count_of(quantity),
            target_cost=None if cost is None else _micros(cost),
            replace_existing=body.flag(21016),
            subaccount=account_of(self._exchange.member(session.user_id), body),
        )

    def _accept(self, session: "Session", body: Body) -> None:
        # BUY accepts the maker's NO quote, SELL its YES quote.
        side: Outcome = "no" if body.text(54) == "1" else "yes"
        asked = body.text(117)
        named: Fields = [(11, body.text(11))] if body.get(11) else []
        try:
            quote = self._exchange.quote(session.user_id, asked)
            if quote.rfq_user_id != session.user_id:
                raise ExchangeError("not_found", "QUOTE_NOT_FOUND", 404)
            if body.flag(21022):
                quote = self._best(quote, side)
            self._check_accept(session, body, quote, side)
            self._gateway.store.set_name(
                "accept", quote.rfq_id, ms=self._exchange.clock.now_ms(), data=[session.session_id, body.text(11)]
            )
            self._exchange.accept_quote(session.user_id, quote.quote_id, side=side)
        except ExchangeError as exc:
            text = exc.details or exc.code.upper()
            session.send("UC", [(117, asked), (21025, "1"), *named, (58, text)])
            return
        session.send("UC", [(117, asked), (21025, "0"), (21024, quote.quote_id), *named])

    def _check_accept(self, session: "Session", body: Body, quote: Quote, side: Outcome) -> None:
        """Part of a quote cannot be accepted, nor for another account than the RFQ's."""
        quantity = body.get(38)
        if quantity is not None and count_of(quantity) != quote.offered(side):
            raise ExchangeError("invalid_parameters", "all or nothing", details="INVALID_QUANTITY")
        if body.groups.get(453) and account_of(self._exchange.member(session.user_id), body) != quote.rfq_subaccount:
            raise ExchangeError("invalid_parameters", "another account", details="CUSTOMER_ACCOUNT_NOT_FOUND")

    def _best(self, quote: Quote, side: Outcome) -> Quote:
        """The best open quote on the RFQ; the asked for one where none is better."""
        rfq = self._exchange.board.rfqs.get(quote.rfq_id)
        others = [] if rfq is None else [q for q in self._exchange.board.quotes_of(rfq) if q.status == "open"]
        best = max(others, key=lambda other: other.bid(side), default=quote)
        return best if best.bid(side) > quote.bid(side) or quote.status != "open" else quote

    def _withdraw(self, session: "Session", body: Body) -> None:
        name, rfq_id = body.get(131), body.get(21023)
        if name is None and rfq_id is None:
            session.refuse(body, 5, "QuoteReqId<131> or RfqId<21023> is required")
            return
        self._asking = session.session_id
        told = name or rfq_id or ""
        try:
            own = self._gateway.store.name("client_rfq", session.user_id + name) if name else None
            found = rfq_id or (own[0] if own else "")
            if own is not None and rfq_id is not None and own[0] != rfq_id:
                raise ExchangeError("mismatch", "QuoteReqId and RfqId differ", details="RFQ_ID_MISMATCH")
            self._exchange.delete_rfq(session.user_id, found)
        except ExchangeError as exc:
            session.send("UB", [(131, told), (21013, "1"), (58, exc.details or "RFQ_NOT_FOUND")])
            return
        finally:
            self._asking = ""
        session.send("UB", [(131, told), (21013, "0")])


def _notice(quote: Quote) -> Fields:
    """A quote as its requester gets it: in dollars, whatever the session's prices are."""
    fields: Fields = [(117, quote.quote_id), (131, quote.rfq_id), (55, quote.ticker)]
    fields += [(tag, format_price_units(price)) for tag, price in ((132, quote.yes_bid), (133, quote.no_bid)) if price]
    if quote.target_cost is None:
        fields.append((38, count_text(quote.contracts)))
    sizes = ((134, quote.yes_contracts), (135, quote.no_contracts))
    return fields + [(tag, count_text(count)) for tag, count in sizes if count]


def _micros(cost: Decimal) -> int:
    units = cost * DOLLAR
    if units != units.to_integral_value():
        raise ExchangeError("invalid_parameters", "finer than a micro-dollar", details="INVALID_QUANTITY")
    return int(units)
