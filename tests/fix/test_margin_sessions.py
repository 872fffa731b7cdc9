"""Whole margin sessions of the gateway against the paper exchange's acceptors, over loopback."""

from decimal import Decimal
from typing import Any

import pytest

from apps.fix import services
from apps.fix.models import FixExecution, FixMarginExecution, FixMessage, FixRecovery, FixSession
from apps.orders.models import Order
from tests.fix.test_sessions import WHY, Desk, desk, running_sessions  # noqa: F401
from tests.support.desk import eventually
from tests.support.gateway import paper_call
from tests.support.paper import paper_process, paper_processes  # noqa: F401

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


@pytest.fixture
def margin_desk(desk: Desk, settings: Any) -> Desk:  # noqa: F811
    file = {"file": str(desk.paper.data / "paper.json")}
    settings.FIX_ENDPOINTS = {"paper": file, "paper.margin": file, "paper.market_data": file}
    return desk


def book_of(row: FixSession) -> dict[str, Any]:
    row.refresh_from_db()
    return row.books[0] if row.books else {}


def test_reports_are_shown_and_not_booked_and_the_book_is_that_of_rest(margin_desk: Desk) -> None:
    place = margin_desk
    place.key("reader", "fix_mrt")
    place.key("maker", "fix_mmd")
    ticker = place.tickers[0]
    live = place.session("mrt", is_listener=True)
    watch = place.session("mmd", symbols=[ticker])
    with running_sessions():
        place.reach(live, "logged_on")
        place.reach(watch, "logged_on")
        first = place.order(price="0.0200")
        eventually(lambda: FixMarginExecution.objects.filter(order_id=first).exists(), what="the report on margin")
        place.order("ask", "0.9900", "3.00", member="trader-2")

        def is_the_same() -> bool:
            told = paper_call(place.paper, "trader-1", "GET", f"/markets/{ticker}/orderbook")["orderbook_fp"]
            book = book_of(watch)
            sides = [(book.get("bid"), "yes_dollars", False), (book.get("ask"), "no_dollars", True)]
            for shown, name, is_no in sides:
                best = max((Decimal(price) for price, _ in told[name]), default=None)
                wanted = None if best is None else (1 - best if is_no else best)
                if (Decimal(shown) if shown else None) != wanted:
                    return False
            return bool(book["is_whole"]) and book["levels"] == sum(len(told[name]) for _, name, _ in sides)

        eventually(is_the_same, what="the same book by FIX and by REST")
        eventually(lambda: FixMessage.objects.filter(session=watch, msg_type="X").exists(), what="a change in the log")
    logon = FixMessage.objects.filter(session=live, msg_type="A", is_outgoing=True).first()
    assert logon is not None
    assert {20126, 21011} <= {tag for tag, _ in logon.fields}
    assert not {21005, 21026} & {tag for tag, _ in logon.fields}
    assert FixMessage.objects.filter(session=watch, msg_type="W").exists()
    assert (Order.objects.count(), FixExecution.objects.count()) == (0, 0), "margin reports are never booked"


@pytest.mark.long
def test_what_a_margin_listener_missed_comes_by_margins_drop_copy(margin_desk: Desk) -> None:
    place = margin_desk
    place.key("trader-1", "fix_mnr")
    place.key("reader", "fix_mdc")
    live, copy = place.session("mnr", is_listener=True), place.session("mdc")
    with running_sessions():
        place.reach(live, "logged_on")
        place.reach(copy, "logged_on")
        first = place.order()
        eventually(lambda: FixMarginExecution.objects.filter(order_id=first).exists(), what="the first report")
        services.session_stop(place.operator, live.pk, why=WHY)
        place.reach(live, "stopped")
        missed = [place.order(price=f"0.0{number}00") for number in (3, 4)]
        services.session_start(place.operator, live.pk, why=WHY)
        done = eventually(lambda: FixRecovery.objects.filter(state="complete").first(), what="the recovery")
        assert (done.is_margin, done.received, done.new) == (True, 3, 2)
    told = FixMarginExecution.objects.filter(source="mdc")
    assert set(told.values_list("order_id", flat=True)) == set(missed)
