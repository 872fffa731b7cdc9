"""Quoting by rule, end to end: first match, armed by a lead, in its owner's name, inside its caps, off when need be."""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.accounts.models import Membership
from apps.audit.models import AuditEntry
from apps.core import ports
from apps.core.errors import DeskError
from apps.core.ports import FeedContext
from apps.core.rfq import ConfirmationState, QuotePrices, QuoteState
from apps.core.timestamps import to_unix_ms, utc_now
from apps.exchange.selectors import FeedState
from apps.exchange.wire.schemas import ws
from apps.orders.models import TradingPause
from apps.orders.services.pauses import pause_set
from apps.paper.testing import DECI, LINEAR
from apps.portfolio.models import Balance, Position
from apps.rfq.models import Confirmation, Quote, QuoteDecision, QuoteRule
from apps.rfq.selectors.rules import decision_rows_of, rule_rows_of
from apps.rfq.services import breakers, decisions, fair, rules, stream, suggest
from apps.rfq.services.breakers import FeedWatch
from apps.rfq.services.fair import Touch, Touches
from apps.rfq.services.market_facts import FactsCache
from apps.rfq.services.rule_book import LiveRule, RuleBook, rule_book_read
from apps.rfq.services.rule_engine import RuleEngine
from apps.rfq.services.rule_job import RuleWorker
from apps.rfq.services.rule_queue import RuleQueue
from apps.rfq.services.rule_upkeep import breakers_check, quotes_follow
from apps.rfq.terms import terms_from
from tests.rfq.scene import QUOTES, RFQS, Scene, post

TERMS: dict[str, Any] = {
    "fair": "book",
    "edge_yes": "0.02",
    "edge_no": "0.02",
    "max_contracts": "1000",
    "max_open": 5,
    "max_at_risk": "1000",
    "ttl_s": 60,
    "policy": "auto",
    "max_move": "0.03",
}


class Grid:
    """The rules of a desk, and requests that come."""

    def __init__(self, scene: Scene, touches: dict[str, Touch], feed: dict[str, FeedState]) -> None:
        self.scene, self.touches, self.feed = scene, touches, feed
        self.queue, self.engine, self.watch = RuleQueue(), RuleEngine(), FeedWatch()

    def rule(self, state: str = "armed", *, over: dict[str, Any] | None = None, name: str = "R") -> QuoteRule:
        made = rules.rule_save(self.scene.quoter, terms=TERMS | (over or {}), why="because", name=name)
        if state != "off":
            made = rules.rule_state(self.scene.lead, made, QuoteRule.State(state))
        return made

    def request(self, ticker: str = LINEAR, contracts: int = 50) -> str:
        """Somebody else asks; the stream brings it."""
        rfq_id: str = post(self.scene.maker, RFQS, market_ticker=ticker, contracts=contracts, rest_remainder=False)[
            "id"
        ]
        self.bring(rfq_id, ticker, f"{contracts}.00")
        return rfq_id

    def bring(self, rfq_id: str, ticker: str = LINEAR, contracts: str = "50.00") -> None:
        self.queue.book = rule_book_read()
        context = FeedContext(self.scene.place.account.pk, "paper", to_unix_ms(utc_now()))
        self.queue.created(context, [ws.RfqCreated(id=rfq_id, market_ticker=ticker, contracts_fp=contracts)])

    def decide(self, *, later: timedelta = timedelta()) -> list[QuoteDecision]:
        now = utc_now() + later
        self.feed["now"] = FeedState(self.feed["now"].state, "", to_unix_ms(now))
        made = self.engine.work(self.queue.take(to_unix_ms(now), most=100), now=now)
        self.scene.work()
        return made

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.scene.us.get(QUOTES, params={"user_filter": "self"}).json()["quotes"]
        return [one for one in found if one["status"] == "open"]

    def check(self, *, at: Any = None) -> list[int]:
        return breakers_check(rule_book_read().all(), self.watch, now=at)


@pytest.fixture
def grid(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Grid:
    touches = {ticker: Touch(Decimal("0.40"), Decimal("0.44")) for ticker in (LINEAR, DECI)}
    feed = {"now": FeedState("live", "", to_unix_ms(utc_now()))}
    monkeypatch.setattr(fair, "touches_of", lambda environment, tickers: Touches(feed["now"], touches))
    monkeypatch.setattr(breakers, "feed_state", lambda environment: feed["now"])
    Balance.objects.create(account=scene.place.account, cash=Decimal(10_000), seen_at=utc_now())
    return Grid(scene, touches, feed)


def code(call: Callable[[], Any]) -> str:
    with pytest.raises(DeskError) as refused:
        call()
    return refused.value.code


# --- deciding ------------------------------------------------------------------------------------------


def test_an_armed_rule_quotes_in_its_owners_name(grid: Grid) -> None:
    rule = grid.rule()
    rfq_id = grid.request()
    (decision,) = grid.decide()
    quote = Quote.objects.get()

    assert (decision.action, decision.reason, decision.yes_bid, decision.no_bid) == (
        "quote",
        "quoted",
        Decimal("0.40"),
        Decimal("0.56"),
    )
    assert (quote.state, quote.incoming.rfq_id, quote.owner_id) == (QuoteState.OPEN, rfq_id, rule.owner_id)
    assert (quote.policy, quote.max_move, quote.fair_yes) == ("auto", Decimal("0.03"), Decimal("0.42"))
    assert quote.rule_version == rule.versions.get()
    (theirs,) = grid.listed()
    assert (theirs["yes_bid_dollars"], theirs["no_bid_dollars"]) == ("0.4000", "0.5600")


def test_a_rule_in_the_shadow_decides_and_sends_nothing(grid: Grid) -> None:
    grid.rule("shadow")
    grid.request()
    (decision,) = grid.decide()

    assert (decision.action, decision.yes_bid) == ("shadow", Decimal("0.40"))
    assert grid.listed() == []
    assert not Quote.objects.exists()


def test_a_rule_that_is_off_costs_nothing(grid: Grid) -> None:
    grid.rule("off")
    grid.request()

    assert grid.queue.take(to_unix_ms(utc_now()), most=10) == []


def test_the_first_match_wins_and_no_match_stays_with_people(grid: Grid) -> None:
    grid.rule(over={"match": {"max_contracts": "20"}, "edge_yes": "0.10"}, name="Small")
    grid.rule(over={"match": {"max_contracts": "200"}}, name="Middle")
    grid.rule(over={"match": {"max_contracts": "200"}, "edge_yes": "0.20"}, name="Never")
    grid.request(contracts=100)
    grid.request(DECI, contracts=500)

    (decision,) = grid.decide()
    assert (decision.rule_version.rule.name, decision.yes_bid) == ("Middle", Decimal("0.40"))


def test_each_pass_is_kept_with_its_reason(grid: Grid) -> None:
    grid.rule(over={"max_contracts": "10"})
    grid.request()
    (decision,) = grid.decide()

    assert (decision.action, decision.reason) == ("pass", "too_big")
    (row,) = decision_rows_of(grid.scene.place.account.pk).values()
    assert (row["reason"], row["title"], row["rule"]["name"]) == ("too_big", "Warm", "R")
    (rule_row,) = rule_rows_of(grid.scene.place.account.pk).values()
    assert (rule_row["counts"]["seen"], rule_row["counts"]["passed"]) == (1, 1)


@pytest.mark.parametrize(("over", "reason"), [({"max_open": 1}, "max_open"), ({"max_at_risk": "40"}, "max_at_risk")])
def test_its_caps_count_what_is_open(grid: Grid, over: dict[str, Any], reason: str) -> None:
    grid.rule(over=over)
    grid.request()
    grid.request(DECI)
    decisions = grid.decide()  # each costs 28 dollars when its NO is hit
    assert [one.reason for one in decisions] == ["quoted", reason]
    assert len(grid.listed()) == 1


def test_our_own_request_is_not_answered(grid: Grid) -> None:
    grid.rule()
    rfq = grid.scene.request()
    grid.bring(str(rfq.rfq_id))

    assert grid.decide() == []
    assert not QuoteDecision.objects.exists()


def test_what_waited_too_long_is_passed(grid: Grid) -> None:
    grid.rule()
    grid.request()
    (decision,) = grid.decide(later=timedelta(seconds=3))

    assert (decision.action, decision.reason) == ("pass", "too_late")


def test_a_delay_is_waited_and_a_request_that_ends_meanwhile_is_dropped(grid: Grid) -> None:
    grid.rule(over={"delay_ms": 5_000})
    kept, over = grid.request(), grid.request(DECI)
    assert grid.decide() == []
    context = FeedContext(grid.scene.place.account.pk, "paper", 0)
    grid.queue.deleted(context, [ws.RfqDeleted(id=over, market_ticker=DECI)])

    (decision,) = grid.decide(later=timedelta(seconds=5, milliseconds=500))
    assert (decision.incoming.rfq_id, decision.action) == (kept, "quote")


def test_a_repeated_frame_is_answered_once(grid: Grid) -> None:
    grid.rule()
    rfq_id = grid.request()
    grid.bring(rfq_id)
    grid.decide()
    grid.bring(rfq_id)

    assert grid.decide() == []
    assert Quote.objects.count() == 1


def test_what_the_desk_refuses_is_a_pass_with_its_code(grid: Grid) -> None:
    grid.rule()
    grid.request()
    TradingPause.objects.create(
        desk=grid.scene.place.desk, scope="desk", set_by_id=grid.scene.lead.user_id, set_at=utc_now()
    )
    (decision,) = grid.decide()

    assert (decision.action, decision.reason) == ("pass", "refused_paused")
    assert not Quote.objects.exists()


def test_the_owners_right_is_asked_again(grid: Grid) -> None:
    rule = grid.rule()
    grid.request()
    Membership.objects.filter(user_id=rule.owner_id).update(roles=["viewer"])
    (decision,) = grid.decide()
    assert decision.reason == "refused_rule_owner"

    assert grid.check() == [rule.pk]


def test_more_than_fits_is_dropped_and_counted() -> None:
    queue = RuleQueue(waiting=10)
    queue.book = _book_of_one()
    context = FeedContext(1, "paper", 1_000)
    for number in range(50):
        queue.created(context, [ws.RfqCreated(id=f"r{number}", market_ticker="T", contracts_fp="1.00")])

    taken = [one.report.rfq_id for one in queue.take(1_000, most=100)]
    assert taken == [f"r{number}" for number in range(40, 50)]
    assert queue.dropped == 40


def _book_of_one() -> Any:
    rule = LiveRule(1, 1, None, 0, 1, "R", True, utc_now(), None, terms_from(TERMS))  # type: ignore[arg-type]
    return RuleBook({"paper": {1: (rule,)}})


# --- open quotes follow ------------------------------------------------------------------------------------


def test_a_quote_follows_fair_value(grid: Grid) -> None:
    grid.rule(over={"reprice_move": "0.02"})
    grid.request()
    grid.decide()
    grid.touches[LINEAR] = Touch(Decimal("0.42"), Decimal("0.46"))
    assert quotes_follow(rule_book_read().all(), grid.engine) == []  # exactly 2 cents is not more

    grid.touches[LINEAR] = Touch(Decimal("0.44"), Decimal("0.48"))
    (decision,) = quotes_follow(rule_book_read().all(), grid.engine)
    grid.scene.work()

    assert (decision.action, decision.yes_bid) == ("quote", Decimal("0.44"))
    (theirs,) = grid.listed()
    assert theirs["yes_bid_dollars"] == "0.4400"


def test_a_quote_whose_fair_value_is_gone_is_pulled(grid: Grid) -> None:
    grid.rule(over={"reprice_move": "0.02"})
    grid.request()
    grid.decide()
    grid.touches[LINEAR] = Touch(Decimal("0.44"), None)
    (decision,) = quotes_follow(rule_book_read().all(), grid.engine)
    grid.scene.work()

    assert (decision.action, decision.reason) == ("pull", "no_fair")
    assert grid.listed() == []
    assert quotes_follow(rule_book_read().all(), grid.engine) == []


# --- breakers --------------------------------------------------------------------------------------------------


def hit(grid: Grid, quote: Quote, state: str, *, contracts: str = "50", side: str = "yes") -> None:
    now = utc_now()
    Confirmation.objects.create(
        quote=quote,
        accepted_side=side,
        contracts=Decimal(contracts),
        heard_by="ws",
        heard_at=now,
        accepted_at=now,
        window_ends_at=now,
        send_by=now,
        policy="auto",
        state=state,
    )


def quoted(grid: Grid, number: int) -> list[Quote]:
    """Have the rule quote so many requests."""
    for place in range(number):
        grid.request((LINEAR, DECI)[place % 2]) if place < 2 else grid.bring(f"made-{place}")
    grid.decide()
    return list(Quote.objects.order_by("pk"))


@pytest.mark.parametrize("state", [ConfirmationState.LAPSED, ConfirmationState.MISSED])
def test_lapses_in_a_row_disarm_and_pull(grid: Grid, state: ConfirmationState) -> None:
    rule = grid.rule(over={"breakers": {"lapses_in_row": 2}})
    one, two = quoted(grid, 2)
    hit(grid, one, state)
    assert grid.check() == []
    hit(grid, two, state)

    assert grid.check() == [rule.pk]
    rule.refresh_from_db()
    grid.scene.work()
    assert (rule.state, rule.state_by_id) == ("off", None)
    assert "lapsed or were missed" in rule.state_why
    assert grid.listed() == []
    assert AuditEntry.objects.get(action="rfq.rule.tripped").data["code"] == "lapses_in_row"
    assert grid.check() == []


def test_a_confirmed_one_in_between_is_no_row(grid: Grid) -> None:
    grid.rule(over={"breakers": {"lapses_in_row": 2}})
    one, two = quoted(grid, 2)
    hit(grid, one, ConfirmationState.LAPSED)
    hit(grid, two, ConfirmationState.EXECUTED)

    assert grid.check() == []


def test_too_many_fills_disarm(grid: Grid) -> None:
    rule = grid.rule(over={"breakers": {"fills_per_min": 1}})
    for quote in quoted(grid, 2):
        hit(grid, quote, ConfirmationState.CONFIRMED)

    assert grid.check(at=utc_now() + timedelta(minutes=2)) == []
    assert grid.check() == [rule.pk]


@pytest.mark.parametrize(("loss", "trips"), [("3", False), ("2.99", True)])
def test_a_days_loss_disarms(grid: Grid, loss: str, trips: bool) -> None:
    grid.rule(over={"breakers": {"loss_per_day": loss}})
    (quote,) = quoted(grid, 1)
    hit(grid, quote, ConfirmationState.EXECUTED, contracts="50")  # 50 YES at 40 cents
    grid.touches[LINEAR] = Touch(Decimal("0.32"), Decimal("0.36"))  # worth 34 now: 3 dollars lost

    assert bool(grid.check()) == trips


def test_a_stale_feed_disarms_once_it_has_been_stale_for_long_enough(grid: Grid) -> None:
    rule = grid.rule(over={"breakers": {"feed_stale": 5}})
    now = utc_now()
    grid.feed["now"] = FeedState("stale", "no sign of life", None)
    assert grid.check(at=now) == []
    assert grid.check(at=now + timedelta(seconds=4)) == []
    grid.feed["now"] = FeedState("live", "", to_unix_ms(now))
    assert grid.check(at=now + timedelta(seconds=5)) == []
    grid.feed["now"] = FeedState("down", "", None)
    assert grid.check(at=now + timedelta(seconds=6)) == []

    assert grid.check(at=now + timedelta(seconds=11)) == [rule.pk]


def test_refusals_for_the_rate_disarm(grid: Grid) -> None:
    rule = grid.rule(over={"breakers": {"refused_per_min": 2}})
    quoted(grid, 2)
    assert grid.check() == []
    Quote.objects.update(state=QuoteState.REFUSED, error_code="rate_limited")

    assert grid.check() == [rule.pk]


@pytest.mark.parametrize("scope", ["desk", "me"])
def test_a_pause_disarms_and_releasing_it_does_not_arm(grid: Grid, scope: str) -> None:
    rule = grid.rule()
    watched = grid.rule("shadow", name="Watched")
    quoted(grid, 1)
    if scope == "desk":
        pause_set(grid.scene.lead, scope=TradingPause.Scope.DESK, why="fire")
    else:
        pause_set(grid.scene.lead, scope=TradingPause.Scope.PERSON, user_id=rule.owner_id)

    assert grid.check() == [rule.pk]
    TradingPause.objects.update(released_at=utc_now())
    rule.refresh_from_db()
    watched.refresh_from_db()
    assert (rule.state, watched.state) == ("off", "shadow")


# --- writing and arming ----------------------------------------------------------------------------------------


def test_arming_takes_a_lead_and_disarming_anybody_who_may_pull(grid: Grid) -> None:
    rule = grid.rule("off")
    armed, off = QuoteRule.State.ARMED, QuoteRule.State.OFF
    assert code(lambda: rules.rule_state(grid.scene.quoter, rule, armed)) == "not_allowed"
    rule = rules.rule_state(grid.scene.lead, rule, armed, why="go")
    assert (rule.state, rule.versions.get().approved_by_id) == ("armed", grid.scene.lead.user_id)
    assert code(lambda: rules.rule_state(grid.scene.place.viewer, rule, off)) == "not_allowed"

    assert rules.rule_state(grid.scene.other, rule, off, why="no").state == "off"
    assert list(
        AuditEntry.objects.filter(action__startswith="rfq.rule").order_by("pk").values_list("action", flat=True)
    ) == [
        "rfq.rule.saved",
        "rfq.rule.armed",
        "rfq.rule.off",
    ]


def test_new_terms_are_a_new_version_and_disarm(grid: Grid) -> None:
    rule = grid.rule()
    quoted(grid, 1)
    changed = rules.rule_save(grid.scene.quoter, terms=TERMS | {"edge_yes": "0.05"}, why="wider", rule=rule)
    grid.scene.work()

    assert (changed.state, changed.state_why, changed.name) == ("off", "its terms changed", "R")
    assert list(changed.versions.order_by("number").values_list("number", "why")) == [(1, "because"), (2, "wider")]
    assert grid.listed() == []


def test_only_its_owner_or_a_lead_changes_a_rule(grid: Grid) -> None:
    rule = grid.rule("off")
    assert code(lambda: rules.rule_save(grid.scene.other, terms=TERMS, why="mine", rule=rule)) == "not_allowed"
    assert code(lambda: rules.rule_remove(grid.scene.other, rule)) == "not_allowed"


def test_production_takes_four_eyes(grid: Grid) -> None:
    Membership.objects.filter(user_id=grid.scene.quoter.user_id).update(roles=["quoter", "lead"])
    both = replace(grid.scene.quoter, roles=frozenset({"quoter", "lead"}))
    rule = grid.rule("off")
    type(grid.scene.place.account).objects.update(environment="production")

    assert code(lambda: rules.rule_state(both, rule, QuoteRule.State.ARMED)) == "four_eyes"
    assert rules.rule_state(grid.scene.lead, rule, QuoteRule.State.ARMED).state == "armed"


def test_the_grid_is_ordered_as_a_whole_and_removed_rules_are_gone(grid: Grid) -> None:
    run = {name: ports.commands[f"rule.{name}"].handler for name in ("save", "order", "remove", "state")}
    keys = [run["save"](grid.scene.quoter, {"name": name, "terms": TERMS, "why": "x"})["rule"]["key"] for name in "ABC"]
    assert run["order"](grid.scene.quoter, {"rules": keys[::-1]}) == {"rules": keys[::-1]}
    assert code(lambda: run["order"](grid.scene.quoter, {"rules": keys[:2]})) == "order_changed"
    run["state"](grid.scene.lead, {"rule": keys[1], "state": "armed"})
    run["remove"](grid.scene.quoter, {"rule": keys[1]})

    assert list(rule_rows_of(grid.scene.place.account.pk)) == [keys[2], keys[0]]
    assert QuoteRule.objects.get(is_deleted=True).state == "off"
    with pytest.raises(DeskError):
        run["state"](grid.scene.lead, {"rule": keys[0], "state": "loud"})


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"fair": "luck"}, "fair"),
        ({"fair": "legs"}, "fair"),
        ({"edge_yes": ""}, "edge_yes"),
        ({"edge_yes": 0.02}, "edge_yes"),
        ({"edge_yes": "-0.01"}, "edge_yes"),
        ({"edge_yes": "2"}, "edge_yes"),
        ({"edge_unit": "percent", "edge_no": "101"}, "edge_no"),
        ({"max_contracts": "0"}, "max_contracts"),
        ({"max_open": 0}, "max_open"),
        ({"max_at_risk": None}, "max_at_risk"),
        ({"ttl_s": 29}, "ttl_s"),
        ({"policy": "auto", "max_move": None}, "max_move"),
        ({"policy": "manual"}, "policy"),
        ({"skew_per_100": "0.01"}, "skew_most"),
        ({"active_from": "09:00"}, "active_from"),
        ({"active_from": "9 am", "active_until": "17:00"}, "active_from"),
        ({"match": {"min_legs": 5, "max_legs": 2}}, "match.min_legs"),
        ({"match": {"colour": "red"}}, "match.colour"),
        ({"match": ["KX"]}, "match"),
        ({"breakers": {"lapses_in_row": 0}}, "breakers.lapses_in_row"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_terms_that_cannot_stand_say_which_field(over: dict[str, Any], field: str) -> None:
    with pytest.raises(DeskError) as refused:
        terms_from(TERMS | over)
    assert field in refused.value.fields


@pytest.mark.parametrize(
    "over",
    [
        {"policy": "manual", "match": {"combos": "none"}},
        {"policy": "manual", "insist_manual": True},
        {"fair": "legs", "ttl_s": 5, "match": {"combos": "only"}},
        {"skew_per_100": "0.01", "skew_most": "0.05", "min_width": "0.04", "sides": "yes"},
        {"active_from": "22:00", "active_until": "06:00", "delay_ms": 200, "never_alone": True},
    ],
)
def test_terms_that_can_stand(over: dict[str, Any]) -> None:
    assert terms_from(TERMS | over).lasts >= timedelta(seconds=5)


# --- what people see of it -------------------------------------------------------------------------------------


def test_a_request_in_the_stream_names_its_rule_and_what_it_would_bid(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {"ticker": LINEAR, "position": Decimal(-30), "seen_at": utc_now(), "source": "ws"}
    Position.objects.create(account=grid.scene.place.account, **held)
    grid.rule("shadow", over={"match": {"max_contracts": "60"}, "edge_yes": "0.05"}, name="Small")
    small = stream.reports.rfq_from_ws(ws.RfqCreated(id="a", market_ticker=LINEAR, contracts_fp="50.00"))
    large = stream.reports.rfq_from_ws(ws.RfqCreated(id="b", market_ticker=LINEAR, contracts_fp="500.00"))
    monkeypatch.setattr(suggest.queue, "book", rule_book_read())
    facts = FactsCache("paper")
    facts.read([LINEAR])
    now = utc_now()
    valuation = fair.valuation_of("paper", grid.scene.place.desk.pk, [(LINEAR, ())], now=now)
    suggester = suggest.Suggester()
    said = suggester.for_account(grid.scene.place.account, [LINEAR], valuation, facts, now=now)

    entries = [stream.Entry(small, 0), stream.Entry(large, 0)]
    assert suggester.wanted("paper", entries) == {"a"}
    assert (said.of(small).rule, said.of(small).prices) == ("Small", QuotePrices(Decimal("0.37"), Decimal("0.56")))
    assert said.of(small).position == -30
    assert (said.of(large).rule, said.of(large).prices) == ("", QuotePrices(Decimal("0.40"), Decimal("0.56")))


def test_decisions_are_told_in_batches_and_old_ones_taken_away(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(decisions.live, "publish_rows", lambda topic, rows: told.append(dict(rows)) or True)
    monkeypatch.setattr(decisions, "MOST", 2)
    monkeypatch.setattr(decisions, "_told", defaultdict(deque))
    grid.rule("shadow")
    for number in range(3):
        grid.bring(f"made-{number}")
    grid.decide()

    (rows,) = [one for one in told if any(key.startswith("decision:") for key in one)]
    assert len([row for row in rows.values() if row]) == 2


def test_the_worker_disarms_before_it_decides_and_asks_the_newest_rules(grid: Grid) -> None:
    rule = grid.rule()
    worker = RuleWorker(grid.queue)
    worker.keep_up()
    assert [one.pk for one in grid.queue.book.all()] == [rule.pk]
    pause_set(grid.scene.lead, scope=TradingPause.Scope.DESK)
    worker.keep_up()

    assert grid.queue.book.all() == []
    rule.refresh_from_db()
    assert rule.state == "off"
