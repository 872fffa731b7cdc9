"""RFQs and quotes for the tests of this folder, on the world of `support`."""

from typing import Any

from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.rfq import NewQuote, NewRfq, Quote, Rfq
from apps.paper.engine.units import CONTRACT
from tests.paper.engine.support import TICKER

REQUESTER, MAKER, RIVAL = "m0", "m1", "m2"


def ask(exchange: PaperExchange, user_id: str = REQUESTER, *, contracts: float | None = 10, **over: Any) -> Rfq:
    """An RFQ; `target_cost` (micro-dollars) in place of `contracts`."""
    if "target_cost" in over:
        contracts = None
    fields: dict[str, Any] = {
        "ticker": TICKER,
        "rest_remainder": False,
        "contracts": None if contracts is None else round(contracts * CONTRACT),
    }
    return exchange.create_rfq(user_id, NewRfq(**(fields | over)))


def offer(
    exchange: PaperExchange, rfq: Rfq, user_id: str = MAKER, *, yes: int = 4_500, no: int = 5_000, **over: Any
) -> Quote:
    """A quote; prices in price units."""
    fields: dict[str, Any] = {"rfq_id": rfq.rfq_id, "yes_bid": yes, "no_bid": no, "rest_remainder": False}
    return exchange.create_quote(user_id, NewQuote(**(fields | over)))


def wait(exchange: PaperExchange, milliseconds: int) -> None:
    exchange.clock.ms += milliseconds  # type: ignore[attr-defined]
    exchange.expire_due()


def executed(exchange: PaperExchange, quote: Quote, *, side: Any = "yes") -> Quote:
    """Accept, confirm, and let the execution timer run out."""
    exchange.accept_quote(quote.rfq_user_id, quote.quote_id, side=side)
    exchange.confirm_quote(quote.user_id, quote.quote_id)
    wait(exchange, exchange.windows(quote.ticker)[1])
    return quote
