"""What FIX tells of requests and quotes, into the doors of apps.rfq, which WebSocket and readings use too.

Duplicates change nothing there. A maker's own quotes are called by the name that they were sent under (117), which
`rfq_routing` gave them; everything else by the exchange's ids.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from apps.core import ports
from apps.core.errors import DeskError, WireFormatError
from apps.core.ports import FeedContext
from apps.core.rfq import Outcome, QuotePrices, QuoteState
from apps.core.timestamps import to_unix_ms
from apps.exchange.clients import client_for
from apps.exchange.wire.api import communications as api
from apps.exchange.wire.errors import ExchangeError
from apps.exchange.wire.schemas import ws
from apps.fix.engine.codec import Message
from apps.fix.engine.values import decimal_write
from apps.fix.messages.common import Prices
from apps.fix.messages.rfq import QuoteHeard, QuoteStatus, RequestAcknowledged, RequestHeard, RequestRefused
from apps.fix.models import FixCommand
from apps.fix.rfq_routing import subject_pk
from apps.rfq import feed, queue
from apps.rfq.models import Quote, Rfq
from apps.rfq.reports import QuoteReport, quote_from_rest
from apps.rfq.services import guard
from apps.rfq.services.auto_accept import auto_accepts_fire
from apps.rfq.services.confirmations import Heard
from apps.rfq.services.quotes_apply import quote_apply, quote_known
from apps.rfq.services.quotes_send import join_or_apply
from apps.rfq.services.requests_apply import received_apply
from apps.rfq.services.requests_send import rfq_opened

logger = logging.getLogger(__name__)

# What goes through here; of all makers' requests (R, and AG of one that is gone) only the stream hears.
TOLD: Final = frozenset({"AI", "S", "b", "AG"})
STREAM: Final = frozenset({"R", "AG"})
_STATES: Final = {"accepted": QuoteState.ACCEPTED, "pending": QuoteState.OPEN, "cancelled": QuoteState.CANCELLED}


def stream_tell(context: FeedContext, message: Message) -> None:
    """A request of another, or its end, as a maker hears it: to who takes the stream. In the event loop."""
    body: ws.RfqCreated | ws.RfqDeleted
    try:
        if message.msg_type == "R":
            name, body = "rfq_created", _created(RequestHeard.read(message))
        else:
            name, body = "rfq_deleted", ws.RfqDeleted(id=RequestRefused.read(message).request_id, market_ticker="")
    except WireFormatError as exc:
        logger.warning("a request by FIX cannot be read: %s", exc)
        return
    for taker in ports.stream_takers.get(name, ()):
        taker(context, [body])


def _created(heard: RequestHeard) -> ws.RfqCreated:
    legs = [ws.ComboLeg(event_ticker=leg.event_ticker, market_ticker=leg.ticker, side=leg.side) for leg in heard.legs]
    return ws.RfqCreated(
        id=heard.rfq_id,
        market_ticker=heard.ticker,
        contracts_fp=None if heard.count is None else decimal_write(heard.count),
        target_cost_dollars=None if heard.cost is None else decimal_write(heard.cost),
        mve_collection_ticker=heard.collection or None,
        mve_selected_legs=legs or None,
    )


@dataclass(frozen=True, slots=True)
class Doors:
    """The doors of one session. In a thread with the database."""

    session_id: int
    account_id: int
    prices: Prices

    def take(self, message: Message, at: datetime) -> None:
        """Take one message in. at: when it was heard, our clock. What cannot be used is read instead."""
        try:
            match message.msg_type:
                case "AI":
                    self._quote(QuoteStatus.read(message, self.prices), at)
                case "S":
                    self._received(QuoteHeard.read(message))
                case "b":
                    self._opened(RequestAcknowledged.read(message))
                case "AG":
                    self._over(RequestRefused.read(message))
        except WireFormatError as exc:
            logger.warning("a message for account %s cannot be used, reading instead: %s", self.account_id, exc)
            queue.enqueue(queue.ACCOUNT_READ, self.account_id)

    # --- the maker's side ------------------------------------------------------------------------

    def _quote(self, told: QuoteStatus, at: datetime) -> None:
        state = _STATES.get(told.status)
        if state is None or state is QuoteState.OPEN:
            return  # the answer to a quote of ours: its sender reads on
        heard = Heard("fix", at) if state is QuoteState.ACCEPTED else None
        quote = self._named(told)
        if quote is not None and quote.quote_id is None:
            quote = self._with_id(quote, heard)
        if quote is None or quote.quote_id is None:
            # Made elsewhere with our key, or not listed yet: the reading tells.
            queue.enqueue(queue.ACCOUNT_READ, self.account_id)
            return
        side = None if told.accepted_yes is None else Outcome.YES if told.accepted_yes else Outcome.NO
        report = QuoteReport(
            quote_id=quote.quote_id,
            rfq_id=told.rfq_id,
            ticker=quote.ticker,
            prices=QuotePrices(quote.yes_bid, quote.no_bid),
            state=state,
            contracts=told.count,
            yes_contracts=told.yes_count,
            no_contracts=told.no_count,
            accepted_side=side,
            subaccount=told.subaccount,
        )
        with feed.in_turn(quote.quote_id):
            quote_apply(self.account_id, report, heard=heard, known=quote_known(self.account_id, quote.quote_id))
        if heard is not None:
            guard.wake()

    def _named(self, told: QuoteStatus) -> Quote | None:
        """Return our quote of this name: given by us, or by the exchange."""
        names = FixCommand.objects.filter(session_id=self.session_id, msg_type="S")
        row = names.filter(order_id=told.quote_id).first() or names.filter(client_id=told.quote_id).first()
        pk = None if row is None else subject_pk(row.subject, "quote")
        rows = Quote.objects.select_related("account", "incoming").filter(account_id=self.account_id)
        return rows.filter(quote_id=told.quote_id).first() if pk is None else rows.filter(pk=pk).first()

    def _with_id(self, quote: Quote, heard: Heard | None) -> Quote:
        """Told of before its sender has read its id: read it now, a window may run."""
        try:
            client = client_for(self.account_id, write=False)
            for record in api.get_quotes(client, own=True, rfq_id=quote.incoming.rfq_id):
                join_or_apply(self.account_id, quote_from_rest(record), heard=heard)
        except (ExchangeError, DeskError, WireFormatError) as exc:
            logger.warning("the id of quote %s cannot be read: %s", quote.pk, exc)
        quote.refresh_from_db()
        return quote

    # --- the requester's side --------------------------------------------------------------------

    def _received(self, told: QuoteHeard) -> None:
        rfq = self._own(told.rfq_id)
        if rfq is None:
            queue.enqueue(queue.ACCOUNT_READ, self.account_id)
            return
        report = QuoteReport(
            quote_id=told.quote_id,
            rfq_id=told.rfq_id,
            ticker=told.ticker,
            prices=QuotePrices(told.yes_bid, told.no_bid),
            contracts=told.count,
            yes_contracts=told.yes_count,
            no_contracts=told.no_count,
        )
        received_apply(rfq, report)
        if rfq.auto_accept:
            auto_accepts_fire(rfq_pk=rfq.pk)

    def _opened(self, told: RequestAcknowledged) -> None:
        rfq = self._asked(told.request_id)
        if rfq is not None and told.rfq_id:
            rfq_opened(rfq, told.rfq_id, ticker=told.ticker)

    def _over(self, told: RequestRefused) -> None:
        """A request of ours is gone, or was refused, which its sender is told by its command."""
        rfq = self._own(told.request_id) or self._asked(told.request_id)
        if rfq is not None and rfq.rfq_id:
            queue.enqueue(queue.RFQ_RESOLVE, rfq.pk)

    def _own(self, rfq_id: str) -> Rfq | None:
        return Rfq.objects.select_related("account").filter(account_id=self.account_id, rfq_id=rfq_id).first()

    def _asked(self, name: str) -> Rfq | None:
        row = FixCommand.objects.filter(session_id=self.session_id, msg_type="R", client_id=name).first()
        pk = None if row is None else subject_pk(row.subject, "rfq")
        return None if pk is None else Rfq.objects.select_related("account").filter(pk=pk).first()


def context_of(account_id: int, environment: str, at: datetime) -> FeedContext:
    return FeedContext(account_id, environment, to_unix_ms(at))
