"""RFQ bots: the same seed gives the same day; members are answered; makers lapse; hundreds of RFQs a second."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from apps.paper.bots import BotPool
from apps.paper.bots.rfq import RfqBotRules, RfqBots
from apps.paper.clock import ManualClock
from apps.paper.engine.catalogue import Leg
from apps.paper.engine.events import Event, QuoteChanged, RfqChanged
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.rfq import NewQuote, NewRfq, Quote, Rfq
from apps.paper.engine.units import CONTRACT
from apps.paper.server.control import Control
from apps.paper.server.http import Request
from apps.paper.server.server import PaperServer
from apps.paper.world import build_world
from tests.paper.engine.support import FixedClock, add_member, listen, make_market, money
from tests.paper.test_snapshot import keep, take_up

SEED = 7
ME = "me"


class Floor:
    """A small world with quotes in its books, a member, and the RFQ bots."""

    def __init__(self, **rules: int) -> None:
        self.exchange = PaperExchange(clock=FixedClock(), seed=SEED)
        world = build_world(self.exchange, markets=30, seed=SEED)
        BotPool(self.exchange, world, seed=SEED)  # fills the books
        add_member(self.exchange, ME, dollars=100_000)
        self.bots = RfqBots(self.exchange, seed=SEED, rules=RfqBotRules(**rules))
        active = [m for m in self.exchange.markets.values() if m.status == "active" and not m.is_combo]
        # One in the middle, so that a spread finds room on both sides.
        self.ticker = min(active, key=lambda m: abs(m.yes_bid + m.yes_ask - 10_000)).ticker

    def wait(self, milliseconds: int) -> None:
        for _ in range(milliseconds // 50):
            self.exchange.clock.ms += 50  # type: ignore[attr-defined]
            self.exchange.expire_due()
            self.bots.step(self.exchange.clock.now_ms())

    def ask(self, contracts: int = 5) -> Rfq:
        return self.exchange.create_rfq(ME, NewRfq(self.ticker, rest_remainder=False, contracts=contracts * CONTRACT))

    def best(self, rfq: Rfq, side: Any) -> Quote:
        quotes = [quote for quote in self.exchange.board.quotes_of(rfq) if quote.status == "open"]
        return max(quotes, key=lambda quote: quote.bid(side))


def story(events: list[Event]) -> list[Any]:
    told: list[Any] = []
    for event in events:
        if isinstance(event, RfqChanged):
            told.append((event.step, event.rfq.ticker, event.rfq.contracts, event.rfq.target_cost, event.ts_ms))
        elif isinstance(event, QuoteChanged):
            told.append((event.step, event.quote.ticker, event.quote.yes_bid, event.quote.no_bid, event.ts_ms))
    return told


def test_the_same_seed_gives_the_same_day() -> None:
    days = []
    for _ in range(2):
        floor = Floor(per_second=5)
        events = listen(floor.exchange)
        floor.wait(30_000)
        days.append(story(events))

    assert days[0] == days[1]
    steps = Counter(row[0] for row in days[0])
    assert min(steps[step] for step in ("created", "deleted", "accepted", "confirmed", "executed")) > 0


def test_a_members_rfq_is_quoted_confirmed_and_executed() -> None:
    floor = Floor(per_second=0, lapse=0)
    rfq = floor.ask()
    floor.wait(4_000)
    quote = floor.best(rfq, "yes")
    floor.exchange.accept_quote(ME, quote.quote_id, side="yes")
    floor.wait(24_000)

    assert quote.status == "executed"
    assert sum(fill.count for fill in floor.exchange.member(ME).fills) == 5 * CONTRACT
    assert money(floor.exchange) == floor.exchange.deposited


def test_makers_lapse_as_often_as_they_are_told() -> None:
    floor = Floor(per_second=0, lapse=100)
    rfq = floor.ask()
    floor.wait(4_000)
    quote = floor.best(rfq, "yes")
    floor.exchange.accept_quote(ME, quote.quote_id, side="yes")
    floor.wait(30_000)

    assert (quote.status, quote.lapsed, rfq.status) == ("accepted", True, "open")
    floor.bots.set_rules(RfqBotRules(per_second=0, lapse=0))
    second = floor.best(rfq, "yes")
    floor.exchange.accept_quote(ME, second.quote_id, side="yes")
    floor.wait(24_000)
    assert second.status == "executed"


def test_quotes_of_members_on_bots_rfqs_are_accepted() -> None:
    floor = Floor(per_second=2, accept=100)
    mine: list[Quote] = []
    for _ in range(400):
        floor.wait(50)
        for rfq in list(floor.exchange.board.open_rfqs()):
            market = floor.exchange.markets[rfq.ticker]
            good = market.yes_bid_size and market.yes_ask_size and not floor.exchange.board.locked(rfq)
            if good and not any(quote.user_id == ME for quote in floor.exchange.board.quotes_of(rfq)):
                no_bid = 10_000 - market.yes_ask
                request = NewQuote(rfq.rfq_id, market.yes_bid, no_bid, rest_remainder=False)
                mine.append(floor.exchange.create_quote(ME, request))
    accepted = [quote for quote in mine if quote.accepted_side is not None]

    assert len(accepted) > 3


def test_combos_are_asked_for_and_quoted_at_the_product_of_their_legs() -> None:
    floor = Floor(per_second=0, combos=100)
    middle = floor.exchange.markets[floor.ticker]
    legs = tuple(Leg(middle.event_ticker, floor.ticker, side) for side in ("yes", "yes"))
    over = {"event_ticker": middle.event_ticker, "series_ticker": middle.series_ticker, "legs": legs}
    floor.exchange.list_market(make_market("KXCOMBO-1", collection_ticker="KXCOMBO", **over))
    floor.ticker = "KXCOMBO-1"
    rfq = floor.ask()
    floor.wait(2_000)
    quote = floor.best(rfq, "yes")

    fair = ((middle.yes_bid + middle.yes_ask) // 2) ** 2 // 10_000
    assert fair - 1_000 < quote.yes_bid < fair
    floor.bots.set_rules(RfqBotRules(per_second=20, combos=100))
    events = listen(floor.exchange)
    floor.wait(2_000)
    asked = {event.rfq.ticker for event in events if isinstance(event, RfqChanged)}
    assert asked <= {m.ticker for m in floor.exchange.markets.values() if m.is_combo}
    assert asked


def test_five_hundred_a_second_leave_nothing_behind() -> None:
    floor = Floor(per_second=500, combos=0)
    events = listen(floor.exchange)
    floor.wait(6_000)
    created = sum(1 for event in events if isinstance(event, RfqChanged) and event.step == "created")
    assert created > 2_000  # thirty markets do not give room for all
    floor.bots.set_rules(RfqBotRules(per_second=0, accept=0))
    floor.wait(90_000)

    assert not floor.exchange.board.rfqs
    assert not floor.exchange.board.quotes
    assert money(floor.exchange) == floor.exchange.deposited


def test_figures_that_cannot_be_meant_are_refused() -> None:
    floor = Floor()
    for rules in (RfqBotRules(per_second=1_001), RfqBotRules(lapse=101), RfqBotRules(accept=-1)):
        with pytest.raises(ValueError, match="must be 0 to"):
            floor.bots.set_rules(rules)
    assert asdict(floor.bots.rules) == asdict(RfqBotRules())


class Sockets:
    """What control needs of a listener."""

    bots_active = True

    def chosen(self, user_id: str) -> list[Any]:
        return []

    def set_bots_active(self, active: bool) -> bool:
        self.bots_active = active
        return active


def test_control_sets_the_rate_and_the_shares() -> None:
    floor = Floor()
    paper = PaperServer(floor.exchange, clock=ManualClock(floor.exchange.clock.now_ms()))
    paper.rfq_bots = floor.bots
    control = Control(paper, sockets=Sockets())

    def call(**body: Any) -> tuple[int, dict[str, Any]]:
        headers = {"host": "127.0.0.1", "content-type": "application/json"}
        request = Request("POST", "/control/bots", headers, {}, json.dumps(body).encode())
        answer = control.handle(request, peer="127.0.0.1")
        return answer.status, json.loads(answer.body)

    rules = {"per_second": 300, "combos": 40, "lapse": 50, "accept": 35}
    assert call(rfqs={"per_second": 300, "lapse": 50}) == (200, {"active": True, "rfqs": rules})
    assert call(active=False) == (200, {"active": False, "rfqs": rules})
    assert call(rfqs={"lapse": 101})[0] == 400
    assert asdict(floor.bots.rules) == rules


def test_bots_go_on_after_a_restart(tmp_path: Path) -> None:
    floor = Floor(per_second=0, lapse=0)
    keeper = keep(floor.exchange, tmp_path)
    rfq = floor.ask()
    floor.wait(4_000)
    quote = floor.best(rfq, "yes")
    floor.exchange.accept_quote(ME, quote.quote_id, side="yes")
    theirs = floor.exchange.create_rfq("bot-rfq-maker-1", NewRfq(floor.ticker, rest_remainder=False, contracts=100))
    floor.exchange.create_quote(ME, NewQuote(theirs.rfq_id, 100, 100, rest_remainder=False))
    keeper.release()

    restored, keeper, _ = take_up(tmp_path, floor.exchange.clock.now_ms())
    keeper.release()
    floor.exchange, floor.bots = restored, RfqBots(restored, seed=SEED, rules=RfqBotRules(per_second=0, lapse=0))
    floor.wait(20_000)

    assert restored.quote(ME, quote.quote_id).status == "executed"
    assert restored.rfq(theirs.rfq_id).status == "open"  # not one of the requesters'
