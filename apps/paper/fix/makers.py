"""KalshiRFQ: makers hear of RFQs, quote, withdraw and confirm (docs: fix/rfq-messages).

A maker names its quotes itself (QuoteId); the exchange keeps its own id for REST and for the requester. Z and U7 take
either. Quotes made elsewhere are named by the exchange's id.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from apps.core.money import format_count_units, format_money_units, format_price_units
from apps.paper.engine.catalogue import Market
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.events import Event, QuoteChanged, RfqChanged
from apps.paper.engine.rfq import NewQuote, Quote, Rfq, communications_id
from apps.paper.engine.units import CENT_PRICE, CONTRACT, DOLLAR_PRICE
from apps.paper.fix.codec import Fields
from apps.paper.fix.fields import account_of
from apps.paper.fix.validation import Body

if TYPE_CHECKING:
    from apps.paper.fix.gateway import Gateway
    from apps.paper.fix.session import Session

ACCEPTED, REJECTED, PENDING, CANCELLED = "0", "5", "10", "17"


class MakerSide:
    """Handlers of S, Z and U7, and what makers are told."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._exchange = gateway.exchange
        self.handlers: dict[str, Callable[[Session, Body], None]] = {
            "S": self._quote,
            "Z": self._withdraw,
            "U7": self._confirm,
        }

    # --- told ------------------------------------------------------------------------------------
    def hear(self, event: Event) -> None:
        """Tell makers of RFQs, and each of its own quotes."""
        if isinstance(event, RfqChanged):
            self._hear_rfq(event)
        elif isinstance(event, QuoteChanged) and event.step in ("accepted", "cancelled"):
            status = ACCEPTED if event.step == "accepted" else CANCELLED
            for session in self._gateway.listening(event.quote.user_id, "KalshiRFQ"):
                session.send("AI", self._status(session, event.quote, status))

    def _hear_rfq(self, event: RfqChanged) -> None:
        sessions = [session for session in self._gateway.active.values() if session.target == "KalshiRFQ"]
        if not sessions or event.step not in ("created", "deleted", "closed"):
            return
        rfq = event.rfq
        if event.step == "created":
            body = rfq_fields(rfq, self._exchange.markets.get(rfq.ticker))
            for session in sessions:
                session.send("R", body)
            return
        text = (rfq.cancellation_reason or "closed").upper()
        for session in sessions:
            session.send("AG", [(131, rfq.rfq_id), (658, "99"), (58, text)])

    def _status(self, session: "Session", quote: Quote, status: str) -> Fields:
        fields: Fields = [(117, self._name(quote)), (131, quote.rfq_id)]
        if quote.subaccount:
            fields.append((79, str(quote.subaccount)))
        fields.append((297, status))
        if quote.target_cost is None:
            fields.append((38, count_text(quote.contracts)))
        for tag, price in ((132, quote.yes_bid), (133, quote.no_bid)):
            if price:
                fields.append((tag, _bid_text(price, dollars=session.style.dollars)))
        for tag, count in ((134, quote.yes_contracts), (135, quote.no_contracts)):
            if count:
                fields.append((tag, count_text(count)))
        if status == ACCEPTED:
            fields.append((54, "1" if quote.accepted_side == "yes" else "2"))
        return fields

    def _name(self, quote: Quote) -> str:
        """What the maker calls a quote."""
        given = self._gateway.store.name("quote", quote.quote_id)
        return quote.quote_id if given is None else given[0]

    # --- asked -----------------------------------------------------------------------------------
    def _quote(self, session: "Session", body: Body) -> None:
        store, name = self._gateway.store, body.text(117)
        try:
            if self._find(session, name) is not None:
                raise ExchangeError("duplicate", "DUPLICATE_QUOTE_ID")
            request = self._request(session, body)
            quote = self._create(session.user_id, request)
        except ExchangeError as exc:
            self._refuse_quote(session, body, exc.details or exc.message)
            return
        now = self._exchange.clock.now_ms()
        store.set_name("quote", quote.quote_id, ms=now, data=[name])
        store.set_name("client_quote", session.user_id + name, ms=now, data=[quote.quote_id])
        session.send("AI", self._status(session, quote, PENDING))

    def _request(self, session: "Session", body: Body) -> NewQuote:
        rfq = self._exchange.board.rfqs.get(body.text(131))
        if rfq is None:
            raise ExchangeError("not_found", "RFQ_NOT_FOUND")
        if rfq.ticker != body.text(55):
            raise ExchangeError("mismatch", "SYMBOL_MISMATCH")
        yes, no = (_bid_units(body.get(tag), dollars=session.style.dollars) for tag in (132, 133))
        return NewQuote(
            rfq_id=rfq.rfq_id,
            yes_bid=yes,
            no_bid=no,
            rest_remainder=body.flag(21015),
            subaccount=account_of(self._exchange.member(session.user_id), body),
        )

    def _create(self, user_id: str, request: NewQuote) -> Quote:
        """Over FIX a quote replaces the maker's others in the market, not only on the RFQ."""
        rules = self._exchange.rfq_rules
        before, rules.replaces = rules.replaces, "market"
        try:
            return self._exchange.create_quote(user_id, request)
        finally:
            rules.replaces = before

    def _refuse_quote(self, session: "Session", body: Body, text: str) -> None:
        fields: Fields = [(131, body.text(131)), (297, REJECTED), (58, text)]
        match self._gateway.rules.rejected_quote_id:
            case "empty":
                fields.insert(0, (117, ""))
            case "echo":
                fields.insert(0, (117, body.text(117)))
            case "omit":
                pass
        session.send("AI", fields)

    def _find(self, session: "Session", name: str) -> Quote | None:
        """A maker's quote by either name."""
        own = self._gateway.store.name("client_quote", session.user_id + name)
        quote = self._exchange.board.quotes.get(name if own is None else own[0])
        return quote if quote is not None and quote.user_id == session.user_id else None

    def _withdraw(self, session: "Session", body: Body) -> None:
        name = body.text(117)
        quote = self._find(session, name)
        try:
            if quote is None:
                raise ExchangeError("not_found", "QUOTE_NOT_FOUND")
            self._exchange.delete_quote(session.user_id, quote.quote_id)
        except ExchangeError as exc:
            session.send("U9", [(117, name), (298, "1"), (58, exc.details or exc.message)])
            return
        session.send("U9", [(117, name), (298, "0")])

    def _confirm(self, session: "Session", body: Body) -> None:
        name = body.text(117)
        quote = self._find(session, name)
        try:
            if quote is None:
                raise ExchangeError("not_found", "QUOTE_NOT_FOUND")
            self._exchange.confirm_quote(session.user_id, quote.quote_id)
        except ExchangeError as exc:
            session.send("U8", [(117, name), (21010, "1"), (58, exc.details or exc.message)])
            return
        session.send("U8", [(117, name), (21010, "0")])


def rfq_fields(rfq: Rfq, market: Market | None) -> Fields:
    """QuoteRequest as makers get it: the asker is a pseudonym."""
    fields: Fields = [(131, rfq.rfq_id), (146, "1"), (55, rfq.ticker), (38, count_text(rfq.contracts))]
    if rfq.target_cost is not None:
        fields.append((152, format_money_units(rfq.target_cost)))
    fields += [(453, "1"), (448, communications_id(rfq.user_id))]
    if market is not None and market.legs:
        fields += [(20180, market.collection_ticker or ""), (20181, str(len(market.legs)))]
        for leg in market.legs:
            fields += [(20182, leg.event_ticker), (20183, leg.market_ticker), (20184, leg.side)]
    return fields


def count_text(units: int) -> str:
    """Whole contracts where they are whole."""
    whole, rest = divmod(units, CONTRACT)
    return format_count_units(units) if rest else str(whole)


def _bid_text(units: int, *, dollars: bool) -> str:
    """Of a price in cents only the whole part is told (documented)."""
    return format_price_units(units) if dollars else str(units // CENT_PRICE)


def _bid_units(text: str | None, *, dollars: bool) -> int:
    """A quoted price; none and 0 decline the side. Raises ExchangeError."""
    units = Decimal(text or 0) * (DOLLAR_PRICE if dollars else CENT_PRICE)
    if units != units.to_integral_value() or not 0 <= units < DOLLAR_PRICE or (not dollars and units % CENT_PRICE):
        raise ExchangeError("invalid_price", "INVALID_PRICE")
    return int(units)
