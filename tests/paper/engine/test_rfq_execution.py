"""From the accept to the fills: windows, timers, the public book, what can go wrong, what a restart keeps."""

from pathlib import Path
from typing import Any

import pytest

from apps.paper.engine.catalogue import Leg
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.events import QuoteChanged, RfqChanged
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.rfq import Quote, RfqFault
from apps.paper.engine.units import CONTRACT, DOLLAR
from tests.paper.engine.rfqs import MAKER, REQUESTER, RIVAL, ask, executed, offer, wait
from tests.paper.engine.support import OTHER, TICKER, add_member, listen, make_exchange, money, place


@pytest.fixture
def exchange() -> PaperExchange:
    return make_exchange()


def refused(act: Any) -> tuple[str, int, str]:
    with pytest.raises(ExchangeError) as caught:
        act()
    return caught.value.code, caught.value.http_status, caught.value.details


def accepted(exchange: PaperExchange, *, side: Any = "yes", **over: Any) -> Quote:
    quote = offer(exchange, ask(exchange, **over))
    return exchange.accept_quote(REQUESTER, quote.quote_id, side=side)


def fills(exchange: PaperExchange, user_id: str) -> list[tuple[str, int, int, bool]]:
    return [(f.outcome_side, f.price, f.count // CONTRACT, f.is_taker) for f in exchange.member(user_id).fills]


# --- windows and timers --------------------------------------------------------------------------
@pytest.mark.parametrize("hvm", [False, True, "combo"])
def test_confirm_window_and_execution_timer(exchange: PaperExchange, hvm: bool | str) -> None:
    if hvm == "combo":
        exchange.markets[TICKER].legs = (Leg("KXTEST-26DEC", OTHER, "yes"),)
    elif hvm:
        exchange.rfq_rules.hvm = (TICKER,)
    confirm_ms, execute_ms = (3_000, 1_000) if hvm else (30_000, 15_000)
    in_time = accepted(exchange)
    wait(exchange, confirm_ms - 1)
    exchange.confirm_quote(MAKER, in_time.quote_id)
    wait(exchange, execute_ms - 1)
    assert (in_time.status, fills(exchange, MAKER)) == ("confirmed", [])
    wait(exchange, 1)
    assert in_time.status == "executed"

    late = accepted(exchange)
    exchange.clock.ms += confirm_ms  # type: ignore[attr-defined]  # nothing has looked at the clock yet
    assert refused(lambda: exchange.confirm_quote(MAKER, late.quote_id)) == ("expired", 400, "EXPIRED")
    assert (late.status, late.lapsed, late.cancelled_ms) == ("accepted", True, None)


def test_what_was_due_before_a_close_is_done_before_it(exchange: PaperExchange) -> None:
    exchange.move_close(TICKER, close_ms=exchange.clock.now_ms() + 20_000)
    done = accepted(exchange)
    exchange.confirm_quote(MAKER, done.quote_id)
    wait(exchange, 60_000)
    assert (done.status, exchange.markets[TICKER].status) == ("executed", "closed")

    exchange.move_close(OTHER, close_ms=exchange.clock.now_ms() + 10_000)
    missed = accepted(exchange, ticker=OTHER)
    exchange.confirm_quote(MAKER, missed.quote_id)
    wait(exchange, 60_000)
    assert (missed.status, missed.cancellation_reason) == ("cancelled", "market_inactive")
    assert exchange.rfq(missed.rfq_id).status == "closed"


def test_after_a_lapse_the_next_quote_can_be_accepted(exchange: PaperExchange) -> None:
    rfq = ask(exchange)
    first, second = offer(exchange, rfq), offer(exchange, rfq, RIVAL)
    exchange.accept_quote(REQUESTER, first.quote_id, side="yes")
    taken = ("invalid_parameters", 400, "QUOTE_ALREADY_ACCEPTED")
    for quote in (first, second):
        assert refused(lambda quote=quote: exchange.accept_quote(REQUESTER, quote.quote_id, side="yes")) == taken
    assert refused(lambda: offer(exchange, rfq)) == taken
    wait(exchange, 30_000)

    assert refused(lambda: exchange.accept_quote(REQUESTER, first.quote_id, side="yes"))[0] == "expired"
    exchange.accept_quote(REQUESTER, second.quote_id, side="no")
    assert offer(exchange, rfq, yes=4_000).status == "open"  # the maker that lapsed may try again
    exchange.confirm_quote(RIVAL, second.quote_id)
    wait(exchange, 15_000)
    assert (rfq.status, rfq.cancellation_reason, rfq.cancelled_ms) == ("closed", "", None)
    assert (first.status, second.status) == ("accepted", "executed")


def test_by_the_other_reading_a_lapsed_quote_is_cancelled(exchange: PaperExchange) -> None:
    exchange.rfq_rules.lapsed = "cancelled"
    quote = accepted(exchange)
    wait(exchange, 30_000)

    assert (quote.status, quote.cancellation_reason) == ("cancelled", "confirmation_window_expired")
    assert quote.cancelled_ms == quote.deadline_ms
    assert refused(lambda: exchange.confirm_quote(MAKER, quote.quote_id))[0] == "expired"


def test_an_rfq_closes_at_its_execution_or_by_the_other_reading_at_the_accept(exchange: PaperExchange) -> None:
    rfq = ask(exchange)
    quote, rest = offer(exchange, rfq), offer(exchange, rfq, RIVAL)
    executed(exchange, quote)
    assert (rfq.status, rest.status, rest.cancellation_reason) == ("closed", "cancelled", "rfq_closed")

    exchange.rfq_rules.closes_at = "acceptance"
    rfq = ask(exchange)
    quote, rest = offer(exchange, rfq), offer(exchange, rfq, RIVAL)
    exchange.accept_quote(REQUESTER, quote.quote_id, side="yes")
    assert (rfq.status, rest.status, quote.status) == ("closed", "cancelled", "accepted")
    exchange.confirm_quote(MAKER, quote.quote_id)
    wait(exchange, 15_000)
    assert quote.status == "executed"


def test_confirm_is_once_and_a_withdrawn_rfq_takes_none(exchange: PaperExchange) -> None:
    quote = accepted(exchange)
    exchange.confirm_quote(MAKER, quote.quote_id)
    assert refused(lambda: exchange.confirm_quote(MAKER, quote.quote_id))[:2] == ("not_found", 404)
    wait(exchange, 15_000)
    assert refused(lambda: exchange.confirm_quote(MAKER, quote.quote_id))[:2] == ("not_found", 404)

    withdrawn = accepted(exchange)
    exchange.delete_rfq(REQUESTER, withdrawn.rfq_id)
    assert withdrawn.status == "cancelled"
    assert refused(lambda: exchange.confirm_quote(MAKER, withdrawn.quote_id)) == (
        "invalid_parameters",
        400,
        "RFQ_CLOSED",
    )


def test_accepting_what_is_over_or_declined(exchange: PaperExchange) -> None:
    rfq = ask(exchange)
    quote = offer(exchange, rfq, yes=0, no=5_000)
    assert refused(lambda: exchange.accept_quote(REQUESTER, quote.quote_id, side="yes"))[0] == "invalid_parameters"
    exchange.delete_quote(MAKER, quote.quote_id)
    assert refused(lambda: exchange.accept_quote(REQUESTER, quote.quote_id, side="no"))[0] == "expired"
    other = offer(exchange, rfq)
    exchange.delete_rfq(REQUESTER, rfq.rfq_id)
    assert refused(lambda: exchange.accept_quote(REQUESTER, other.quote_id, side="no"))[0] == "expired"


# --- the public book -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("side", "price", "maker_outcome", "asker_outcome"), [("yes", 4_500, "yes", "no"), ("no", 5_000, "no", "yes")]
)
def test_the_accepted_side_is_the_makers_bid_that_is_hit(
    exchange: PaperExchange, side: Any, price: int, maker_outcome: str, asker_outcome: str
) -> None:
    quote = executed(exchange, offer(exchange, ask(exchange)), side=side)

    assert fills(exchange, MAKER) == [(maker_outcome, price, 10, False)]
    assert fills(exchange, REQUESTER) == [(asker_outcome, price, 10, True)]
    assert exchange.order(MAKER, quote.order_id).client_order_id == quote.client_order_id
    assert exchange.order(REQUESTER, quote.rfq_order_id).client_order_id == quote.rfq_client_order_id


def test_what_bids_better_in_the_book_trades_first_and_the_maker_gets_the_rest(exchange: PaperExchange) -> None:
    place(exchange, RIVAL, "bid", 4_700, 4)
    place(exchange, RIVAL, "bid", 4_500, 3)  # the same price, earlier
    quote = executed(exchange, offer(exchange, ask(exchange)))

    assert fills(exchange, REQUESTER) == [("no", 4_700, 4, True), ("no", 4_500, 3, True), ("no", 4_500, 3, True)]
    assert fills(exchange, MAKER) == [("yes", 4_500, 3, False)]
    maker_order = exchange.order(MAKER, quote.order_id)
    assert (maker_order.status, maker_order.filled) == ("canceled", 300)


def test_the_makers_order_takes_what_it_crosses(exchange: PaperExchange) -> None:
    place(exchange, RIVAL, "ask", 4_400, 6)
    executed(exchange, offer(exchange, ask(exchange)))

    assert fills(exchange, MAKER) == [("yes", 4_400, 6, True), ("yes", 4_500, 4, False)]
    assert fills(exchange, REQUESTER) == [("no", 4_500, 4, True)]


@pytest.mark.parametrize(("asker_rests", "maker_rests"), [(True, False), (False, True), (False, False)])
def test_remainders_rest_for_who_wants_it(exchange: PaperExchange, asker_rests: bool, maker_rests: bool) -> None:
    place(exchange, RIVAL, "ask", 4_400, 6)  # the maker needs only four of the requester
    place(exchange, RIVAL, "bid", 4_300, 1)
    quote = offer(exchange, ask(exchange, rest_remainder=asker_rests), rest_remainder=maker_rests)
    executed(exchange, quote)
    order = exchange.order(REQUESTER, quote.rfq_order_id)
    assert (order.status, order.remaining) == (("resting", 600) if asker_rests else ("canceled", 0))

    place(exchange, RIVAL, "bid", 4_700, 8)
    quote = offer(exchange, ask(exchange, ticker=TICKER), rest_remainder=maker_rests)
    executed(exchange, quote)
    order = exchange.order(MAKER, quote.order_id)
    assert (order.status, order.remaining) == (("resting", 800) if maker_rests else ("canceled", 0))


def test_a_post_only_quote_is_cancelled_rather_than_taking(exchange: PaperExchange) -> None:
    place(exchange, RIVAL, "ask", 4_400, 6)
    rfq = ask(exchange, rest_remainder=True)
    quote = executed(exchange, offer(exchange, rfq, post_only=True))

    assert (quote.status, quote.cancellation_reason, quote.order_id) == ("cancelled", "post_only_cross", "")
    assert fills(exchange, MAKER) == fills(exchange, REQUESTER) == []
    assert rfq.status == "open"
    again = executed(exchange, offer(exchange, rfq, post_only=True, yes=4_300))
    assert (again.status, fills(exchange, MAKER)) == ("executed", [("yes", 4_300, 10, False)])


def test_an_own_resting_order_in_the_way_stops_the_requesters(exchange: PaperExchange) -> None:
    place(exchange, REQUESTER, "bid", 4_600, 1)
    quote = executed(exchange, offer(exchange, ask(exchange)))

    order = exchange.order(REQUESTER, quote.rfq_order_id)
    assert (quote.status, order.cancel_reason) == ("executed", "TAKER_CANCEL_FOR_SELF_TRADE_PREVENTION")
    assert fills(exchange, MAKER) == []


def test_a_position_is_closed_without_new_money(exchange: PaperExchange) -> None:
    add_member(exchange, "poor", dollars=6)
    place(exchange, MAKER, "ask", 5_000, 10)
    place(exchange, "poor", "bid", 5_000, 10)
    rfq = ask(exchange, "poor")
    executed(exchange, offer(exchange, rfq, yes=4_500))

    assert exchange.account("poor", 0).exposures[TICKER].position.count == 0
    assert money(exchange) == exchange.deposited


# --- money and what can go wrong -----------------------------------------------------------------
def test_who_cannot_pay_is_refused_at_the_accept_and_at_the_confirm(exchange: PaperExchange) -> None:
    rfq = ask(exchange, contracts=1_000)
    quote = offer(exchange, rfq)
    place(exchange, REQUESTER, "bid", 5_000, 1_000, ticker=OTHER)  # 500 of 1,000 dollars; the RFQ's NO side needs 550
    assert refused(lambda: exchange.accept_quote(REQUESTER, quote.quote_id, side="yes"))[2] == "INSUFFICIENT_BALANCE"
    assert quote.status == "open"
    exchange.deposit(REQUESTER, cents=100_000)
    exchange.accept_quote(REQUESTER, quote.quote_id, side="yes")
    locked = place(exchange, MAKER, "bid", 9_000, 1_000, ticker=OTHER)
    assert refused(lambda: exchange.confirm_quote(MAKER, quote.quote_id))[2] == "INSUFFICIENT_BALANCE"
    assert quote.status == "accepted"
    exchange.cancel_order(MAKER, locked.order_id)
    exchange.confirm_quote(MAKER, quote.quote_id)


@pytest.mark.parametrize("who", [MAKER, REQUESTER])
def test_money_gone_by_the_execution_ends_the_quote_and_not_the_rfq(exchange: PaperExchange, who: str) -> None:
    rfq = ask(exchange, contracts=1_000)
    quote = offer(exchange, rfq)
    exchange.accept_quote(REQUESTER, quote.quote_id, side="yes")
    exchange.confirm_quote(MAKER, quote.quote_id)
    place(exchange, who, "bid", 9_000, 1_000, ticker=OTHER)
    wait(exchange, 15_000)

    assert (quote.status, quote.cancellation_reason) == ("cancelled", "insufficient_balance")
    assert fills(exchange, MAKER) == fills(exchange, REQUESTER) == []
    assert rfq.status == "open"
    assert exchange.account(REQUESTER, 0).available >= 0


@pytest.mark.parametrize(
    ("pause", "reason"),
    [
        (lambda e: e.pause_market(TICKER), "market_inactive"),
        (lambda e: e.set_exchange_status(exchange_active=True, trading_active=False), "trading_paused"),
    ],
)
def test_a_pause_at_the_execution_ends_the_quote(exchange: PaperExchange, pause: Any, reason: str) -> None:
    quote = accepted(exchange)
    exchange.confirm_quote(MAKER, quote.quote_id)
    pause(exchange)
    wait(exchange, 15_000)

    assert (quote.status, quote.cancellation_reason) == ("cancelled", reason)
    assert exchange.rfq(quote.rfq_id).status == "open"


def test_a_fault_may_fill_what_is_told_as_cancelled(exchange: PaperExchange) -> None:
    exchange.rfq_rules.faults = [RfqFault("cancelled_but_filled", 1, user_id=MAKER)]
    events = listen(exchange)
    quote = executed(exchange, offer(exchange, ask(exchange)))

    assert (quote.status, quote.misreported) == ("cancelled", True)
    assert fills(exchange, REQUESTER) == [("no", 4_500, 10, True)]
    assert "executed" not in [e.step for e in events if isinstance(e, QuoteChanged)]
    assert [e.step for e in events if isinstance(e, RfqChanged)] == ["created", "changed", "closed"]


def test_subaccounts_trade_for_themselves(exchange: PaperExchange) -> None:
    exchange.deposit(REQUESTER, cents=10_000, subaccount=1)
    exchange.deposit(MAKER, cents=10_000, subaccount=1)
    executed(exchange, offer(exchange, ask(exchange, subaccount=1), subaccount=1))

    for user_id, count in ((REQUESTER, -1_000), (MAKER, 1_000)):
        [position] = exchange.member(user_id).positions()
        assert (position.subaccount, position.count) == (1, count)


# --- restart -------------------------------------------------------------------------------------
def test_a_restart_keeps_rfqs_quotes_and_their_timers(exchange: PaperExchange, tmp_path: Path) -> None:
    from tests.paper.test_snapshot import keep, take_up

    exchange.add_member(name="bot", user_id="bot", cash_cents=1_000_000, keeps_history=False)
    keeper = keep(exchange, tmp_path)
    confirmed = accepted(exchange)
    exchange.confirm_quote(MAKER, confirmed.quote_id)
    waiting = accepted(exchange, ticker=OTHER)
    by_bot = offer(exchange, exchange.rfq(waiting.rfq_id), "bot", yes=100, no=100)
    bots = ask(exchange, "bot")
    mine = offer(exchange, bots, MAKER)
    gone = ask(exchange, "bot", ticker=OTHER)
    withdrawn = offer(exchange, gone, MAKER)
    exchange.delete_quote(MAKER, withdrawn.quote_id)
    before = (exchange.board.rfqs, exchange.board.quotes)
    keeper.release()  # killed

    restored, keeper, _ = take_up(tmp_path, exchange.clock.now_ms())
    assert (restored.board.rfqs, restored.board.quotes) == before
    assert {by_bot.quote_id, mine.quote_id, withdrawn.quote_id} <= set(restored.board.quotes)
    assert refused(lambda: ask(restored))[1] == 409
    keeper.close()
    later, keeper, _ = take_up(tmp_path, exchange.clock.now_ms() + 40_000)
    keeper.release()

    assert later.quote(MAKER, confirmed.quote_id).status == "executed"
    assert fills(later, REQUESTER) == [("no", 4_500, 10, True)]
    assert later.quote(MAKER, waiting.quote_id).lapsed
    assert money(later) == later.deposited


def test_who_asks_for_a_target_cost_spends_no_more(exchange: PaperExchange) -> None:
    exchange.rfq_rules.fractional = True
    before = exchange.account(REQUESTER, 0).cash
    executed(exchange, offer(exchange, ask(exchange, target_cost=100 * DOLLAR), yes=3_100, no=0))
    [fill] = exchange.member(REQUESTER).fills

    assert 99 * DOLLAR < 6_900 * fill.count <= 100 * DOLLAR
    assert before - exchange.account(REQUESTER, 0).cash == 6_900 * fill.count + fill.fee
