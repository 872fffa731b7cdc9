"""RFQs and quotes as members ask for them: sizes, limits, replacing, refusals. Execution is in test_rfq_execution."""

from typing import Any

import pytest

from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.events import QuoteChanged, RfqChanged
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.rfq import MAX_OPEN_RFQS, RETENTION_MS, client_order_id, communications_id
from apps.paper.engine.units import DOLLAR
from tests.paper.engine.rfqs import MAKER, REQUESTER, RIVAL, ask, executed, offer, wait
from tests.paper.engine.support import DAY_MS, OTHER, TICKER, listen, make_exchange, make_market


@pytest.fixture
def exchange() -> PaperExchange:
    return make_exchange()


def refused(act: Any) -> tuple[str, int, str]:
    with pytest.raises(ExchangeError) as caught:
        act()
    return caught.value.code, caught.value.http_status, caught.value.details


CLOSED = ("invalid_parameters", 400, "RFQ_CLOSED")


# --- RFQs ----------------------------------------------------------------------------------------
def test_an_rfq_is_told_to_all_and_seen_by_all(exchange: PaperExchange) -> None:
    events = listen(exchange)
    rfq = ask(exchange, contracts=7)

    assert exchange.rfq(rfq.rfq_id) is rfq
    assert (rfq.contracts, rfq.target_cost, rfq.status) == (700, None, "open")
    assert [(e.step, e.rfq.rfq_id) for e in events if isinstance(e, RfqChanged)] == [("created", rfq.rfq_id)]


@pytest.mark.parametrize(
    "over",
    [
        {"contracts": 0},
        {"contracts": 1.5},
        {"contracts": 1_000_001},
        {"contracts": None},
        {"target_cost": 0},
        {"target_cost": 1_000_001 * DOLLAR},
        {"ticker": "NONE"},
        {"subaccount": 9},
    ],
)
def test_a_wrong_rfq_is_refused(exchange: PaperExchange, over: dict[str, Any]) -> None:
    code, status, _ = refused(lambda: ask(exchange, **over))

    assert (code, status) == ("market_not_found" if over.get("ticker") else "invalid_parameters", 400)
    assert not exchange.board.rfqs


def test_both_sizes_are_refused(exchange: PaperExchange) -> None:
    from apps.paper.engine.rfq import NewRfq

    request = NewRfq(ticker=TICKER, rest_remainder=False, contracts=100, target_cost=DOLLAR)
    assert refused(lambda: exchange.create_rfq(REQUESTER, request))[0] == "invalid_parameters"


def test_parts_of_a_contract_come_with_the_later_edition(exchange: PaperExchange) -> None:
    exchange.rfq_rules.fractional = True

    assert ask(exchange, contracts=1.53).contracts == 153


def test_one_rfq_per_market_and_member(exchange: PaperExchange) -> None:
    first = ask(exchange)

    assert refused(lambda: ask(exchange, subaccount=1)) == ("rfq_already_exists", 409, "")
    assert ask(exchange, RIVAL).status == "open"
    assert ask(exchange, ticker=OTHER).status == "open"
    assert first.status == "open"


def test_a_replaced_rfq_is_deleted_with_its_quotes(exchange: PaperExchange) -> None:
    first = ask(exchange)
    open_quote, accepted = offer(exchange, first), offer(exchange, first, RIVAL)
    exchange.accept_quote(REQUESTER, accepted.quote_id, side="yes")
    events = listen(exchange)
    second = ask(exchange, replace_existing=True)

    assert (first.status, first.cancellation_reason) == ("closed", "replaced")
    assert {open_quote.status, accepted.status} == {"cancelled"}
    assert [(e.step, e.rfq) for e in events if isinstance(e, RfqChanged)] == [("deleted", first), ("created", second)]


def test_an_rfq_whose_quote_is_confirmed_cannot_be_replaced_or_deleted(exchange: PaperExchange) -> None:
    rfq = ask(exchange)
    quote = offer(exchange, rfq)
    exchange.accept_quote(REQUESTER, quote.quote_id, side="yes")
    exchange.confirm_quote(MAKER, quote.quote_id)

    assert refused(lambda: ask(exchange, replace_existing=True))[1] == 409
    assert refused(lambda: exchange.delete_rfq(REQUESTER, rfq.rfq_id))[1] == 404
    wait(exchange, 15_000)
    assert quote.status == "executed"


def test_a_hundred_rfqs_may_be_open(exchange: PaperExchange) -> None:
    tickers = [f"KXTEST-26DEC-M{number}" for number in range(MAX_OPEN_RFQS)]
    for ticker in tickers:
        exchange.list_market(make_market(ticker))
        last = ask(exchange, ticker=ticker)

    assert refused(lambda: ask(exchange)) == ("invalid_parameters", 400, "QUOTE_REQUEST_EXCEEDS_LIMIT")
    assert ask(exchange, ticker=tickers[0], replace_existing=True).status == "open"
    exchange.delete_rfq(REQUESTER, last.rfq_id)
    assert ask(exchange).status == "open"


def test_a_target_cost_beyond_the_money_is_refused(exchange: PaperExchange) -> None:
    assert refused(lambda: ask(exchange, target_cost=1_000 * DOLLAR + 1))[2] == "INSUFFICIENT_BALANCE"
    assert ask(exchange, target_cost=1_000 * DOLLAR).contracts == 0


def test_only_its_creator_deletes_an_rfq_and_only_once(exchange: PaperExchange) -> None:
    rfq = ask(exchange)
    quote = offer(exchange, rfq)

    assert refused(lambda: exchange.delete_rfq(MAKER, rfq.rfq_id))[1] == 404
    exchange.delete_rfq(REQUESTER, rfq.rfq_id)
    assert refused(lambda: exchange.delete_rfq(REQUESTER, rfq.rfq_id))[1] == 404
    assert refused(lambda: exchange.delete_rfq(REQUESTER, "none"))[1] == 404
    assert (quote.status, quote.cancellation_reason) == ("cancelled", "rfq_deleted")


def test_an_rfq_ends_with_its_market(exchange: PaperExchange) -> None:
    rfq = ask(exchange)
    waiting, confirmed = offer(exchange, rfq), offer(exchange, rfq, RIVAL)
    exchange.accept_quote(REQUESTER, confirmed.quote_id, side="yes")
    exchange.confirm_quote(RIVAL, confirmed.quote_id)
    exchange.close_early(TICKER)

    assert (rfq.status, rfq.cancellation_reason) == ("closed", "market_closed")
    assert {waiting.status, confirmed.status} == {"cancelled"}
    wait(exchange, 15_000)
    assert not exchange.member(REQUESTER).fills
    assert refused(lambda: offer(exchange, rfq)) == CLOSED


def test_nothing_is_taken_while_market_or_trading_rests_and_the_window_runs_on(exchange: PaperExchange) -> None:
    rfq = ask(exchange)
    quote, other = offer(exchange, rfq), offer(exchange, rfq, RIVAL)
    exchange.accept_quote(REQUESTER, quote.quote_id, side="yes")
    for pause in (
        lambda: exchange.pause_market(TICKER),
        lambda: exchange.set_exchange_status(exchange_active=True, trading_active=False),
        lambda: exchange.set_exchange_status(exchange_active=False, trading_active=False),
    ):
        pause()
        for act in (
            lambda: ask(exchange, RIVAL),
            lambda: offer(exchange, rfq, RIVAL),
            lambda: exchange.accept_quote(REQUESTER, other.quote_id, side="yes"),
            lambda: exchange.confirm_quote(MAKER, quote.quote_id),
        ):
            assert refused(act)[0] in ("market_inactive", "trading_is_paused", "exchange_is_paused")
        exchange.set_exchange_status(exchange_active=True, trading_active=True)
        exchange.resume_market(TICKER)
    assert rfq.status == "open"
    wait(exchange, 30_000)
    assert quote.lapsed


def test_an_rfq_expires_where_that_is_switched_on(exchange: PaperExchange) -> None:
    exchange.rfq_rules.lifetime_ms = 10_000
    lonely, waited = ask(exchange), ask(exchange, RIVAL)
    quote = offer(exchange, waited)
    wait(exchange, 9_999)
    assert lonely.status == "open"
    exchange.accept_quote(RIVAL, quote.quote_id, side="yes")
    wait(exchange, 1)
    assert (lonely.status, lonely.cancellation_reason) == ("closed", "expired")
    assert waited.status == "open"  # it waits for the maker
    wait(exchange, 30_000)
    assert (quote.lapsed, waited.cancellation_reason) == (True, "expired")


# --- quotes --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rule", "bids", "counts"),
    [
        ("requester", (4_500, 5_000), (1_800, 2_000)),  # 10 / 0.55 and 10 / 0.50, whole contracts
        ("requester", (3_000, 0), (1_400, 0)),  # 10 / 0.70, and nothing where nothing is bid
        ("maker", (4_500, 5_000), (2_200, 2_000)),
    ],
)
def test_a_target_cost_comes_to_a_count_per_side(
    exchange: PaperExchange, rule: Any, bids: tuple[int, int], counts: tuple[int, int]
) -> None:
    exchange.rfq_rules.target_cost = rule
    quote = offer(exchange, ask(exchange, target_cost=10 * DOLLAR), yes=bids[0], no=bids[1])

    assert (quote.yes_contracts, quote.no_contracts) == counts


def test_a_target_cost_buys_hundredths_in_the_later_edition(exchange: PaperExchange) -> None:
    exchange.rfq_rules.fractional = True
    quote = offer(exchange, ask(exchange, target_cost=10 * DOLLAR), yes=4_500, no=0)

    assert quote.yes_contracts == 1_818


@pytest.mark.parametrize(
    ("yes", "no"),
    [(0, 0), (5_000, 5_100), (4_550, 0), (0, 4_550), (10_000, 0), (0, 10_000)],
)
def test_prices_must_fit(exchange: PaperExchange, yes: int, no: int) -> None:
    rfq = ask(exchange)

    assert refused(lambda: offer(exchange, rfq, yes=yes, no=no))[:2] == ("invalid_parameters", 400)
    assert not exchange.board.quotes


@pytest.mark.parametrize(("yes", "no"), [(5_000, 5_000), (9_900, 100), (100, 0), (0, 9_900)])
def test_a_dollar_together_and_one_side_alone_are_fine(exchange: PaperExchange, yes: int, no: int) -> None:
    quote = offer(exchange, ask(exchange), yes=yes, no=no)

    assert (quote.yes_contracts, quote.no_contracts) == (1_000 * bool(yes), 1_000 * bool(no))


def test_a_no_bid_is_held_against_the_grid_by_the_order_that_it_becomes() -> None:
    exchange = make_exchange(structure="tapered_deci_cent")
    rfq = ask(exchange)

    assert offer(exchange, rfq, yes=0, no=9_990).no_bid == 9_990  # an ask at $0.001
    assert refused(lambda: offer(exchange, rfq, yes=0, no=5_010))[2] == "no_bid"


def test_prices_off_the_grid_are_taken_where_that_is_switched_on(exchange: PaperExchange) -> None:
    exchange.rfq_rules.grid = "free"
    quote = offer(exchange, ask(exchange), yes=4_555, no=0)

    executed(exchange, quote)
    assert [fill.price for fill in exchange.member(MAKER).fills] == [4_555]


def test_a_target_too_small_for_one_contract_gets_no_quote(exchange: PaperExchange) -> None:
    rfq = ask(exchange, target_cost=DOLLAR // 2)

    assert refused(lambda: offer(exchange, rfq, yes=4_900, no=4_900))[0] == "invalid_parameters"
    assert offer(exchange, rfq, yes=4_900, no=5_000).no_contracts == 100


def test_a_new_quote_replaces_the_makers_own_only(exchange: PaperExchange) -> None:
    rfq = ask(exchange)
    first, rival = offer(exchange, rfq), offer(exchange, rfq, RIVAL)
    second = offer(exchange, rfq, yes=4_600)

    assert (first.status, first.cancellation_reason) == ("cancelled", "replaced")
    assert (rival.status, second.status) == ("open", "open")


def test_by_the_fix_reading_a_quote_replaces_all_of_the_maker_in_the_market(exchange: PaperExchange) -> None:
    elsewhere = offer(exchange, ask(exchange, RIVAL))
    offer(exchange, ask(exchange))
    assert elsewhere.status == "open"
    exchange.rfq_rules.replaces = "market"
    offer(exchange, ask(exchange, replace_existing=True))

    assert elsewhere.status == "cancelled"


def test_a_quote_on_a_closed_unknown_or_own_rfq_is_refused(exchange: PaperExchange) -> None:
    rfq = ask(exchange)
    assert refused(lambda: offer(exchange, rfq, REQUESTER))[:2] == ("invalid_parameters", 400)
    exchange.delete_rfq(REQUESTER, rfq.rfq_id)
    assert refused(lambda: offer(exchange, rfq)) == CLOSED
    rfq.rfq_id = "none"
    assert refused(lambda: offer(exchange, rfq))[1:] == (400, "NOT_FOUND")


def test_a_quote_that_the_maker_cannot_pay_is_refused_on_its_dearer_side(exchange: PaperExchange) -> None:
    rfq = ask(exchange, contracts=2_000)

    assert refused(lambda: offer(exchange, rfq, yes=100, no=5_100))[2] == "INSUFFICIENT_BALANCE"
    assert offer(exchange, rfq, yes=100, no=4_900).status == "open"
    assert exchange.account(MAKER, 0).held == 0  # quotes lock nothing


def test_only_the_two_sides_see_a_quote(exchange: PaperExchange) -> None:
    quote = offer(exchange, ask(exchange))

    assert exchange.quote(MAKER, quote.quote_id) is exchange.quote(REQUESTER, quote.quote_id) is quote
    for act in (
        lambda: exchange.quote(RIVAL, quote.quote_id),
        lambda: exchange.quote(MAKER, quote.quote_id, rfq_id="another"),
        lambda: exchange.delete_quote(RIVAL, quote.quote_id),
        lambda: exchange.delete_quote(REQUESTER, quote.quote_id),
        lambda: exchange.accept_quote(RIVAL, quote.quote_id, side="yes"),
        lambda: exchange.accept_quote(MAKER, quote.quote_id, side="yes"),
        lambda: exchange.confirm_quote(RIVAL, quote.quote_id),
        lambda: exchange.confirm_quote(REQUESTER, quote.quote_id),
        lambda: exchange.confirm_quote(MAKER, quote.quote_id),  # nobody has accepted it
    ):
        assert refused(act)[:2] == ("not_found", 404)


def test_an_open_quote_is_withdrawn_and_an_accepted_one_is_not(exchange: PaperExchange) -> None:
    rfq = ask(exchange)
    quote, accepted = offer(exchange, rfq), offer(exchange, rfq, RIVAL)
    events = listen(exchange)
    exchange.delete_quote(MAKER, quote.quote_id)
    exchange.accept_quote(REQUESTER, accepted.quote_id, side="no")

    assert (quote.status, quote.cancellation_reason) == ("cancelled", "deleted")
    assert refused(lambda: exchange.delete_quote(MAKER, quote.quote_id))[1] == 404
    assert refused(lambda: exchange.delete_quote(RIVAL, accepted.quote_id))[1] == 404
    assert [e.step for e in events if isinstance(e, QuoteChanged)] == ["cancelled", "accepted"]


def test_cancelled_quotes_go_after_fourteen_days_and_executed_ones_stay(exchange: PaperExchange) -> None:
    exchange.move_close(TICKER, close_ms=exchange.clock.now_ms() + 90 * DAY_MS)
    rfq = ask(exchange)
    gone, done = offer(exchange, rfq), offer(exchange, rfq, RIVAL)
    exchange.delete_quote(MAKER, gone.quote_id)
    executed(exchange, done)
    unanswered = ask(exchange)
    exchange.delete_rfq(REQUESTER, unanswered.rfq_id)
    wait(exchange, RETENTION_MS - 15_001)
    assert exchange.quote(MAKER, gone.quote_id) is gone
    wait(exchange, 1)
    assert refused(lambda: exchange.quote(MAKER, gone.quote_id))[1] == 404
    wait(exchange, 15_000)
    assert refused(lambda: exchange.rfq(unanswered.rfq_id))[1] == 404
    assert exchange.quote(RIVAL, done.quote_id) is done
    assert exchange.rfq(rfq.rfq_id) is rfq


def test_of_rfqs_among_bots_nothing_is_left_when_they_are_over(exchange: PaperExchange) -> None:
    for name in ("bot-a", "bot-b"):
        exchange.add_member(name=name, user_id=name, cash_cents=100_000, keeps_history=False)
    quote = offer(exchange, ask(exchange, "bot-a"), "bot-b")
    executed(exchange, quote)
    withdrawn = ask(exchange, "bot-a")
    exchange.delete_quote("bot-b", offer(exchange, withdrawn, "bot-b").quote_id)
    exchange.delete_rfq("bot-a", withdrawn.rfq_id)

    assert quote.status == "executed"
    assert not exchange.board.rfqs
    assert not exchange.board.quotes
    kept = ask(exchange, "bot-a")
    mine = offer(exchange, kept, MAKER)
    exchange.delete_rfq("bot-a", kept.rfq_id)
    assert exchange.quote(MAKER, mine.quote_id) is mine


def test_public_names_and_client_order_ids() -> None:
    assert communications_id("m0") != communications_id("m1")
    assert "m0" not in communications_id("m0")
    quote_id = "0" * 36
    assert client_order_id("quote", quote_id).split(":")[::2] == ["quote", quote_id]
    assert len(client_order_id("quote", quote_id).split(":")[1]) == 8
    assert len(client_order_id("rfq", quote_id)) <= 64
