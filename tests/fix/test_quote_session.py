"""A quote and its confirmation through a running KalshiRFQ session, beside a REST key that may only read."""

import uuid
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from apps.core.rfq import Policy, QuotePrices
from apps.core.timestamps import utc_now
from apps.exchange.clients import clients_forget
from apps.exchange.selectors import FeedState
from apps.fix import routes, routing
from apps.fix.models import FixCommand, FixMessage
from apps.rfq.models import Confirmation, Quote
from apps.rfq.offers import Offer
from apps.rfq.services import confirm_send, last_look, quotes, quotes_send
from apps.rfq.services.incoming import incoming_get
from apps.rfq.services.last_look import Prices
from tests.fix.test_sessions import WHY, desk, paper_process, paper_processes, running_sessions
from tests.orders.conftest import make_market
from tests.support.desk import PATIENCE, eventually
from tests.support.gateway import paper_call, use_paper
from tests.support.people import actor_of, make_key, make_person

__all__ = ["desk", "paper_process", "paper_processes"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


@pytest.fixture
def by_fix(desk, settings, monkeypatch):
    """The desk's quotes leave by KalshiRFQ; returns the session and who quotes."""
    settings.REDIS_URL = "redis://127.0.0.1:1"  # nobody wakes the session: it looks by itself
    clients_forget()
    use_paper(settings, desk.paper)
    reader = desk.paper.members["reader"]  # the exchange takes no write of this key: what leaves, leaves by FIX
    secret = Path(reader["private_key_path"]).read_bytes()
    make_key(desk.admin, desk.account, key_id=reader["key_id"], secret=secret)
    desk.key("trader-1", "fix_rfq")
    row = desk.session("rfq")
    make_market(ticker=desk.tickers[0])
    routes.route_set(desk.operator, desk.account.pk, "rfq", what="quotes", why=WHY)
    monkeypatch.setattr("apps.rfq.queue.enqueue", lambda *call, **_: True)
    seen = Prices(FeedState("live"), Decimal("0.35"), Decimal("0.35"), Decimal("0.35"))
    for module in (quotes, last_look):
        monkeypatch.setattr(module, "prices_of", lambda environment, incoming: seen)
    monkeypatch.setattr(confirm_send, "REPEAT_EVERY", timedelta(hours=1))
    monkeypatch.setattr(routing, "TAKEN_WITHIN", timedelta(seconds=PATIENCE))  # however slow this machine is
    monkeypatch.setattr(routing, "ANSWER_SECONDS", PATIENCE)
    return row, actor_of(make_person(desk.account.desk, "quoter"))


def quoted(desk, quoter) -> Quote:
    """Our quote on a request of another member, sent."""
    body = {"market_ticker": desk.tickers[0], "contracts": 5, "rest_remainder": False}
    rfq_id = paper_call(desk.paper, "trader-2", "POST", "/communications/rfqs", body)["id"]
    incoming = incoming_get(desk.account.pk, "paper", rfq_id)
    prices = QuotePrices(Decimal("0.30"), Decimal("0.60"))
    offer = Offer(uuid.uuid4(), desk.account.pk, rfq_id, prices, policy=Policy.MANUAL, insists=True)
    quote = quotes.quote_submit(quoter, offer, incoming)
    Quote.objects.filter(pk=quote.pk).update(created_at=utc_now() + timedelta(minutes=1))  # it stays fresh
    quotes_send.quote_send(quote.pk)
    quote.refresh_from_db()
    assert (quote.state, quote.error_text) == ("open", "")
    return quote


def sent() -> list[tuple[str, str]]:
    return list(FixCommand.objects.order_by("pk").values_list("msg_type", "state"))


def test_a_quote_is_sent_and_withdrawn_by_fix(desk, by_fix):
    row, quoter = by_fix
    with running_sessions():
        desk.reach(row, "logged_on")
        quote = quoted(desk, quoter)
        quotes.quote_pull(quoter, quote)
        quotes_send.quote_delete(quote.pk)
        eventually(lambda: Quote.objects.get().state == "cancelled", what="the end of the quote by FIX")
    assert sent() == [("S", "told"), ("Z", "told")]


@pytest.mark.long
def test_an_accept_is_heard_and_confirmed_by_fix(desk, by_fix):
    """Long: the exchange's window is 30 s by the clock."""
    row, quoter = by_fix
    with running_sessions():
        desk.reach(row, "logged_on")
        quote = quoted(desk, quoter)
        side = {"accepted_side": "yes"}
        paper_call(desk.paper, "trader-2", "PUT", f"/communications/quotes/{quote.quote_id}/accept", side)
        confirmation = eventually(lambda: Confirmation.objects.filter(quote=quote).first(), what="the accept by FIX")
        assert (confirmation.heard_by, confirmation.accepted_side, confirmation.contracts) == ("fix", "yes", 5)
        Confirmation.objects.update(state="confirming", decision="confirm", decided_by=quoter.user_id)
        confirm_send.confirm_send(confirmation.pk)
        confirmation.refresh_from_db()
        assert (confirmation.state, confirmation.error_text) == ("confirmed", "")
    assert Quote.objects.get().state == "confirmed"
    assert sent() == [("S", "told"), ("U7", "told")]
    types = FixMessage.objects.filter(session=row, is_outgoing=False).values_list("msg_type", flat=True)
    assert {"R", "AI", "U8"} <= set(types)
