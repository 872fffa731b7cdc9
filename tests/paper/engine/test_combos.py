"""Creating combos: which selections a collection takes, what they are called, and what their markets say."""

import pytest

from apps.paper.engine.catalogue import Leg
from apps.paper.engine.combos import WEEK_MS, AssociatedEvent, Collection
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.events import ComboLookedUp, EventListed, MarketLifecycle
from tests.paper.engine.combo_support import (
    COLLECTION,
    GAME,
    MVE,
    RAIN,
    combo_exchange,
    legs,
    make_collection,
    make_combo,
)
from tests.paper.engine.support import DAY_MS, NOON_MS, listen, money, place


def refusal(text: str | list[Leg], **over: object) -> str:
    """The details with which a selection is refused in a collection."""
    exchange = combo_exchange(**over)
    before = set(exchange.markets)
    with pytest.raises(ExchangeError) as caught:
        exchange.create_combo("m0", COLLECTION, legs(text) if isinstance(text, str) else text)
    assert caught.value.http_status == 400
    assert set(exchange.markets) == before
    return caught.value.details or caught.value.code


@pytest.mark.parametrize(
    ("text", "over", "details"),
    [
        ("A", {}, "SIZE"),
        ("A 1 2 3 4", {}, "SIZE"),
        ("A 1", {"size_min": 3}, "SIZE"),
        ("A A", {}, "DUPLICATE_LEG"),
        ("1 !1", {}, "CONFLICTING_LEGS"),
        ("A B", {}, "CONFLICTING_LEGS"),
        ("A !1", {"is_all_yes": True}, "SIDE_NOT_ALLOWED"),
        ("A !1", {"events": {GAME: AssociatedEvent(GAME), RAIN: AssociatedEvent(RAIN, True)}}, "SIDE_NOT_ALLOWED"),
        ("1 2", {"is_single_market_per_event": True}, "EVENT_SIZE"),
        ("1 2", {"events": {RAIN: AssociatedEvent(RAIN, size_max=1)}}, "EVENT_SIZE"),
        ("A !B", {"events": {GAME: AssociatedEvent(GAME), RAIN: AssociatedEvent(RAIN, size_min=1)}}, "EVENT_SIZE"),
        ("A 1", {"events": {RAIN: AssociatedEvent(RAIN)}}, "EVENT_NOT_IN_COLLECTION"),
        ("A 1", {"open_ms": NOON_MS + 1}, "collection_not_open"),
        ("A 1", {"close_ms": NOON_MS}, "collection_not_open"),
    ],
)
def test_a_selection_against_the_rules_is_refused_and_creates_nothing(
    text: str, over: dict[str, object], details: str
) -> None:
    assert refusal(text, **over) == details


def test_a_market_of_another_event_or_of_none_is_refused() -> None:
    first = legs("A")[0]
    assert refusal([first, Leg(RAIN, "KXTEST-GAME-B", "yes")]) == "MARKET_NOT_IN_EVENT"
    assert refusal([first, Leg(RAIN, "KXTEST-RAIN-9", "yes")]) == "MARKET_NOT_IN_EVENT"


@pytest.mark.parametrize(
    ("text", "over"),
    [
        ("A 1 2 3", {}),
        ("A !B", {}),  # the same outcome twice over, but it can happen
        ("!A !B", {}),
        ("A 1", {"is_all_yes": True, "is_single_market_per_event": True}),
        ("A 1", {"events": {GAME: AssociatedEvent(GAME, size_min=1, size_max=1), RAIN: AssociatedEvent(RAIN, True)}}),
        ("A 1", {"size_min": 2, "size_max": 2}),
    ],
)
def test_a_selection_within_the_rules_is_taken(text: str, over: dict[str, object]) -> None:
    assert make_combo(combo_exchange(**over), text).legs


def test_only_markets_that_trade_can_become_legs_but_a_combo_stays_findable() -> None:
    exchange = combo_exchange()
    made = make_combo(exchange, "A 1")
    exchange.pause_market("KXTEST-RAIN-1")
    with pytest.raises(ExchangeError) as caught:
        make_combo(exchange, "B 1")
    assert caught.value.details == "MARKET_NOT_OPEN"
    assert make_combo(exchange, "A 1") is made


def test_the_same_legs_are_the_same_market_in_any_order_unless_order_matters() -> None:
    exchange = combo_exchange()
    exchange.keep_collection(make_collection(ticker=f"{COLLECTION}-ORDERED", is_ordered=True))

    def ticker(text: str, collection: str = COLLECTION) -> str:
        return make_combo(exchange, text, user_id="m1", collection=collection).ticker

    assert ticker("A 1") == ticker("1 A")
    assert ticker("A 1") != ticker("A !1") != ticker("B 1")
    ordered = f"{COLLECTION}-ORDERED"
    assert ticker("A 1", ordered) != ticker("1 A", ordered)
    assert ticker("1 A", ordered) == ticker("1 A", ordered)
    assert ticker("A 1", ordered) != ticker("A 1")
    assert [leg.market_ticker for leg in exchange.market(ticker("1 A", ordered)).legs] == ["KXTEST-RAIN-1", f"{GAME}-A"]
    assert ticker("A 1") == combo_exchange().create_combo("", COLLECTION, legs("1 A")).ticker  # in every run


def test_combinations_of_the_same_events_share_an_event() -> None:
    exchange = combo_exchange()
    one, two, other = (make_combo(exchange, text) for text in ("A 1", "B !2", "1 2"))

    assert one.event_ticker == two.event_ticker != other.event_ticker
    event = exchange.events[one.event_ticker]
    assert event.market_tickers == [one.ticker, two.ticker]
    assert (event.series_ticker, event.collection_ticker, event.mutually_exclusive) == (MVE, COLLECTION, False)
    assert one.ticker.startswith(f"{one.event_ticker}-")
    assert one.event_ticker.startswith("KXMVE")


def test_a_combo_takes_its_terms_from_its_legs_and_the_rules_of_the_moment() -> None:
    exchange = combo_exchange()
    market = make_combo(exchange, "4 !1")

    assert market.title == "no 1,yes 4"
    assert market.close_ms == NOON_MS + 2 * DAY_MS  # that of the last leg
    assert market.open_ms == market.created_ms == NOON_MS
    assert market.settlement_timer_seconds == 3_600  # the longer one
    assert (market.status, market.is_combo, market.can_close_early) == ("active", True, True)
    assert market.custom_strike == {"Multivariate Event Ticker": market.event_ticker}
    assert [(r.start, r.end, r.step) for r in market.price_ranges] == [(0, 100, 1), (100, 9900, 10), (9900, 10000, 1)]

    exchange.combo_rules.grid = "deci_cent"
    assert make_combo(exchange, "4 1").price_level_structure == "deci_cent"


def test_a_combo_trades_on_its_grid_with_the_fees_of_its_series() -> None:
    exchange = combo_exchange(fee_type="quadratic_with_maker_fees")
    market = make_combo(exchange, "A 1")

    place(exchange, "m1", "ask", 123 * 10, 100, ticker=market.ticker)
    taken = place(exchange, "m2", "bid", 1_230, 100, ticker=market.ticker)
    with pytest.raises(ExchangeError):
        place(exchange, "m2", "bid", 1_235, 1, ticker=market.ticker)  # between the steps of the middle
    place(exchange, "m2", "bid", 37, 1, ticker=market.ticker)  # 0.37 cents, at the edge

    assert taken.fill_count == 10_000
    maker, taker = exchange.fills("m1")[0], exchange.fills("m2")[0]
    # 0.07 and 0.0175 x 100 x 0.123 x 0.877, rounded up to $0.0001, then the balance to whole cents.
    assert (taker.trade_fee, maker.trade_fee) == (755_100, 188_800)
    assert money(exchange) == exchange.deposited


def test_creating_tells_the_event_once_and_each_market_once() -> None:
    exchange = combo_exchange()
    heard = listen(exchange)
    first, again, second = (make_combo(exchange, text) for text in ("A 1", "1 A", "B 1"))

    assert first is again
    told = [event for event in heard if isinstance(event, EventListed | MarketLifecycle)]
    assert [type(event) for event in told] == [EventListed, MarketLifecycle, MarketLifecycle]
    assert [event.market for event in told if isinstance(event, MarketLifecycle)] == [first, second]


def test_the_weekly_limit_counts_new_markets_of_a_member_over_any_seven_days() -> None:
    exchange = combo_exchange()
    for number in (1, 2, 3):
        exchange.move_close(f"KXTEST-RAIN-{number}", close_ms=NOON_MS + 20 * DAY_MS)
    exchange.combo_rules.creations_per_week = 2
    for text in ("A 1", "A 2", "2 A"):  # the third is the second
        exchange.create_combo("m0", COLLECTION, legs(text))
        exchange.clock.ms += 1_000
    for user_id in ("m1", ""):  # another member, and the exchange itself
        exchange.create_combo(user_id, COLLECTION, legs("A 3"))

    with pytest.raises(ExchangeError) as caught:
        exchange.create_combo("m0", COLLECTION, legs("1 2"))
    assert caught.value.http_status == 429
    exchange.create_combo("m0", COLLECTION, legs("A 1"))  # there is one

    exchange.clock.ms = NOON_MS + WEEK_MS
    exchange.create_combo("m0", COLLECTION, legs("1 2"))
    with pytest.raises(ExchangeError):
        exchange.create_combo("m0", COLLECTION, legs("1 3"))
    exchange.clock.ms += 1_000
    exchange.create_combo("m0", COLLECTION, legs("1 3"))


def test_a_look_up_finds_only_what_was_created_and_is_remembered_with_its_last_time() -> None:
    exchange = combo_exchange()
    one, two = make_combo(exchange, "A 1"), make_combo(exchange, "B 1")
    heard = listen(exchange)
    with pytest.raises(ExchangeError) as caught:
        exchange.look_up_combo(COLLECTION, legs("A 2"))
    assert caught.value.http_status == 404

    assert exchange.look_up_combo(COLLECTION, legs("1 A")) is one
    exchange.clock.ms += 9_000
    assert exchange.look_up_combo(COLLECTION, legs("B 1")) is two
    exchange.clock.ms += 1_001

    assert [event.market for event in heard if isinstance(event, ComboLookedUp)] == [one, two]
    assert exchange.combo_lookups(COLLECTION, lookback_seconds=10) == [two]
    assert exchange.combo_lookups(COLLECTION, lookback_seconds=60) == [two, one]
    exchange.look_up_combo(COLLECTION, legs("A 1"))
    assert exchange.combo_lookups(COLLECTION, lookback_seconds=60) == [one, two]
    with pytest.raises(ExchangeError):
        exchange.combo_lookups(COLLECTION, lookback_seconds=61)


def test_a_collection_of_another_prefix_or_without_a_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="KXMVE"):
        Collection("KXOTHER-R", "KXOTHER", "", "", "", 0, 1)
    with pytest.raises(ValueError, match="takes 3 to 2"):
        make_collection(size_min=3, size_max=2)
    with pytest.raises(ValueError, match="not listed"):
        combo_exchange().keep_collection(make_collection(ticker="KXMVENONE-R", series_ticker="KXMVENONE"))
