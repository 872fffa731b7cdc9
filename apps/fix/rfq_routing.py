"""The sender's side of quotes and requests by FIX. Same rules as orders by FIX: see `routing`.

A maker names its quotes itself (117). Whether REST lists a quote under that name the documentation does not say, so
the exchange's id is read, and by FIX a quote is only ever called by the name that it was sent under.
"""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings

from apps.core.errors import WireFormatError
from apps.core.ports import Confirmed
from apps.core.rfq import Outcome
from apps.exchange.wire.errors import NotExecuted, NotSent
from apps.fix import routing
from apps.fix.engine.codec import Fields
from apps.fix.messages.common import Prices
from apps.fix.messages.rfq import Leg, NewQuote, NewRequest, accept_fields, cancel_request_fields, quote_fields
from apps.fix.models import FixCommand, FixSession
from apps.rfq.models import Accept, Quote, Rfq

logger = logging.getLogger(__name__)

QUOTE_TOKENS: Final = 2  # as by REST
REQUEST_TOKENS: Final = 10
_State = FixCommand.State
_SENT: Final = (_State.TAKEN, _State.TOLD)


@dataclass(frozen=True, slots=True)
class QuotesByFix:
    """See core.ports.QuoteRoute."""

    account_id: int
    way: str

    def quote(self, quote: Quote) -> None:
        session = routing.open_session(self.account_id, self.way)
        if quote.post_only:
            raise NotSent("fix_post_only", "FIX has no post-only quotes. Send this one on an account that uses REST.")
        name = str(uuid.uuid4())
        new = NewQuote(
            quote_id=name,
            rfq_id=quote.incoming.rfq_id,
            ticker=quote.ticker,
            yes_bid=quote.yes_bid,
            no_bid=quote.no_bid,
            subaccount=quote.subaccount,
            rest_remainder=quote.rest_remainder,
        )
        fields = _written(lambda: new.fields(_prices(session)))
        routing.tokens_take(self.account_id, QUOTE_TOKENS, "write")
        subject = quote_subject(quote.pk)
        routing.wait_for(routing.hand_over(session, "S", fields, subject, is_once=True, client_id=name))

    def withdraw(self, quote: Quote) -> bool:
        name, subject = sent_name(quote.pk), f"pull:{quote.pk}"
        if not name or FixCommand.objects.filter(subject=subject).exists():
            return False
        return _tried(
            lambda: self._withdraw(name, subject),
            what=f"the deletion of quote {quote.pk}",
        )

    def _withdraw(self, name: str, subject: str) -> None:
        session = routing.open_session(self.account_id, self.way)
        routing.tokens_take(self.account_id, QUOTE_TOKENS, "cancel")
        fields = quote_fields(name)
        routing.wait_for(routing.hand_over(session, "Z", fields, subject, is_once=False, client_id=name))

    def confirm(self, quote: Quote, send_by: datetime) -> Callable[[], Confirmed | None] | None:
        name = sent_name(quote.pk)
        if not name:
            return None
        try:
            session = routing.open_session(self.account_id, self.way)
            routing.tokens_take(self.account_id, QUOTE_TOKENS, "cancel", waits=False)
        except NotExecuted as exc:
            logger.info("the confirmation of quote %s goes by REST: %s", quote.pk, exc.text)
            return None
        command = routing.hand_over(
            session,
            "U7",
            quote_fields(name),
            f"confirm:{quote.pk}",
            is_once=False,
            client_id=name,
            expires_at=send_by,
        )
        return lambda: _confirmed(command.pk)


@dataclass(frozen=True, slots=True)
class RequestsByFix:
    """See core.ports.RequestRoute."""

    account_id: int
    way: str
    prefers_better: bool = False

    def request(self, rfq: Rfq) -> tuple[str, str]:
        session = routing.open_session(self.account_id, self.way)
        name = str(uuid.uuid4())
        new = NewRequest(
            request_id=name,
            ticker=rfq.ticker,
            collection="" if rfq.ticker else rfq.collection_ticker,
            legs=() if rfq.ticker else tuple(Leg(**_leg(leg)) for leg in rfq.legs),
            count=rfq.contracts,
            cost=rfq.target_cost,
            rest_remainder=rfq.rest_remainder,
            replace_existing=rfq.replace_existing,
            subaccount=rfq.subaccount,
        )
        fields = _written(new.fields)
        routing.tokens_take(self.account_id, REQUEST_TOKENS, "write")
        subject = request_subject(rfq.pk)
        command = routing.hand_over(session, "R", fields, subject, is_once=True, client_id=name)
        done = routing.wait_for(command)
        return done.order_id, done.text

    def close(self, rfq: Rfq) -> bool:
        subject = f"close:{rfq.pk}"
        if not rfq.rfq_id or FixCommand.objects.filter(subject=subject).exists():
            return False
        rfq_id = rfq.rfq_id
        return _tried(lambda: self._close(rfq_id, subject), what=f"the deletion of request {rfq.pk}")

    def _close(self, rfq_id: str, subject: str) -> None:
        session = routing.open_session(self.account_id, self.way)
        routing.tokens_take(self.account_id, REQUEST_TOKENS, "cancel")
        fields = cancel_request_fields(rfq_id=rfq_id)
        routing.wait_for(routing.hand_over(session, "UE", fields, subject, is_once=False, client_id=rfq_id))

    def accept(self, accept: Accept) -> str:
        session = routing.open_session(self.account_id, self.way)
        if accept.contracts is None or accept.contracts != accept.contracts.to_integral_value():
            raise NotSent("fix_contracts", "FIX takes quotes of whole contracts only. Use REST on this account.")
        name = str(accept.idempotency_key)
        contracts = accept.contracts
        fields = _written(
            lambda: accept_fields(
                accept.quote.quote_id,
                takes_yes=Outcome(accept.buys) is Outcome.YES,
                count=contracts,
                client_order_id=name,
                best=accept.prefers_better,
            )
        )
        routing.tokens_take(self.account_id, REQUEST_TOKENS, "write")
        command = routing.hand_over(session, "UA", fields, f"accept:{accept.pk}", is_once=True, client_id=name)
        return routing.wait_for(command).order_id or accept.quote.quote_id


def quote_subject(quote_pk: int) -> str:
    return f"quote:{quote_pk}"


def request_subject(rfq_pk: int) -> str:
    return f"rfq:{rfq_pk}"


def subject_pk(subject: str, kind: str) -> int | None:
    """Return the row id of a subject of this kind, None for another kind."""
    found, _, pk = subject.partition(":")
    return int(pk) if found == kind and pk.isdecimal() else None


def sent_name(quote_pk: int) -> str:
    """Return the name by which FIX knows a quote of ours, "" for one that did not leave by FIX."""
    rows = FixCommand.objects.filter(subject=quote_subject(quote_pk), is_once=True, state__in=_SENT)
    row = rows.values_list("order_id", "client_id").first()
    return "" if row is None else row[0] or row[1]


def _prices(session: FixSession) -> Prices:
    return Prices(in_dollars=session.use_dollars, sells_in_no=settings.FIX_SELLS_IN_NO)


def _written(write: Callable[[], Fields]) -> Fields:
    """Raises NotSent for what FIX cannot say."""
    try:
        return write()
    except WireFormatError as exc:
        raise NotSent("fix_not_writable", f"FIX cannot say this: {exc}.") from exc


def _tried(send: Callable[[], None], *, what: str) -> bool:
    """Say whether it was sent; what became of it is raised."""
    try:
        send()
    except NotSent as exc:
        logger.info("%s goes by REST: %s", what, exc.text)
        return False
    return True


def _confirmed(command_id: int) -> Confirmed | None:
    row = FixCommand.objects.filter(pk=command_id).first()
    if row is None or row.state in FixCommand.OPEN:
        return None
    return Confirmed(row.state == _State.TOLD, row.text or row.code)


def _leg(leg: dict[str, str]) -> dict[str, str]:
    return {"event_ticker": leg["event_ticker"], "ticker": leg["market_ticker"], "side": leg["side"]}
