"""Whatever happens to the legs, in any order: combos agree with them, and all money is there."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.paper.engine.combos import decide
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.exchange import PaperExchange
from tests.paper.engine.combo_support import combo_exchange, leg, make_combo
from tests.paper.engine.support import money, place

NAMES = ("A", "B", "1", "2", "4")
COMBOS = ("A 1", "A !1 2", "!A 4", "1 2 4", "B !4")
MEMBERS = ("m0", "m1", "m2")
OPEN = ("initialized", "active", "inactive")

names = st.sampled_from(NAMES)
prices = st.integers(1, 998).map(lambda tenths: tenths * 10)
results = st.sampled_from([("yes", None), ("no", None), ("void", None), ("scalar", 3_333), ("scalar", 0)])
actions = st.one_of(
    st.tuples(st.sampled_from(["close_early", "dispute", "settle", "pause", "resume"]), names),
    st.tuples(st.just("determine"), names, results),
    st.tuples(st.just("determine"), names, results),
    st.tuples(st.just("move"), names, st.integers(-3, 60).map(lambda hours: hours * 3_600_000)),
    st.tuples(st.just("wait"), st.sampled_from([1_000, 60_000, 3_600_000, 86_400_000])),
    st.tuples(st.just("combo"), st.sampled_from(COMBOS)),
    st.tuples(st.just("trade"), st.integers(0, 9), st.permutations(MEMBERS), prices, st.integers(1, 300)),
)


def perform(exchange: PaperExchange, action: tuple[Any, ...]) -> None:
    """Do one action; a refusal is a fine outcome, too."""
    clock: Any = exchange.clock
    try:
        match action:
            case ("determine", name, (result, value)):
                exchange.determine(leg(name).market_ticker, result=result, value=value)
            case ("move", name, by_ms):
                exchange.move_close(leg(name).market_ticker, close_ms=clock.ms + by_ms)
                exchange.expire_due()
            case ("wait", by_ms):
                clock.ms += by_ms
                exchange.expire_due()
            case ("combo", text):
                make_combo(exchange, text)
            case ("trade", which, (buyer, seller, _), price, count):
                combos = [ticker for ticker, market in exchange.markets.items() if market.is_combo]
                ticker = combos[which % len(combos)]
                place(exchange, seller, "ask", price, count / 100, ticker=ticker)
                place(exchange, buyer, "bid", price, count / 100, ticker=ticker)
            case (kind, name):
                methods = {"pause": "pause_market", "resume": "resume_market"}
                getattr(exchange, methods.get(kind, kind))(leg(name).market_ticker)
    except ExchangeError:
        pass


def check(exchange: PaperExchange) -> None:
    for market in exchange.markets.values():
        if not market.is_combo:
            continue
        legs = [exchange.market(row.market_ticker) for row in market.legs]
        decision = decide(market.legs, market=exchange.market, rules=exchange.combo_rules)
        if market.status in OPEN:
            assert decision is None
            assert market.close_ms == max(row.close_ms for row in legs)
            assert any(row.status in OPEN for row in legs)
        elif market.status == "closed":
            assert decision is None
            assert all(row.status not in OPEN for row in legs)
        elif market.status == "disputed":
            assert decision is None
        elif market.status in ("determined", "amended"):
            assert decision is not None
            assert (market.result, market.settlement_value) == (decision.result, decision.value)
        if market.status not in OPEN:
            book = exchange.book(market.ticker)
            assert book.yes == book.no == []
        assert [row.settlement_value for row in market.legs] == [row.settlement_value for row in legs]
    pairs = sum(max(0, p.count) for m in exchange.members.values() for p in m.positions())
    assert exchange.collateral == pairs * 10_000
    assert money(exchange) == exchange.deposited


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(actions, max_size=40), automatic=st.booleans())
def test_combos_agree_with_their_legs_after_every_step(steps: list[tuple[Any, ...]], automatic: bool) -> None:
    exchange = combo_exchange()
    if automatic:
        exchange.end_markets_after(60_000)
    make_combo(exchange, COMBOS[0])
    for action in steps:
        perform(exchange, action)
        check(exchange)
