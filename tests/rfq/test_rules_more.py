"""Rules that price by marks, rules of several accounts in one order, and rules that take two people to arm."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from apps.accounts.models import ExchangeAccount, Membership
from apps.core import ports
from apps.core.errors import NotFound
from apps.core.rfq import ConfirmationState, QuoteState
from apps.core.timestamps import utc_now
from apps.exchange import live
from apps.paper.testing import LINEAR
from apps.rfq.models import Confirmation, FairMark, Quote, QuoteRule
from apps.rfq.services import books_wanted, four_eyes, last_look, rules
from apps.rfq.services.books_wanted import requested_tickers
from apps.rfq.services.fair import FairSource, Touch
from apps.rfq.services.marks import Mark, mark_clear, marks_set
from tests.rfq.test_rules import TERMS, Grid, code, grid
from tests.rfq.window import Window, state_of, window

__all__ = ["grid", "window"]


def marked(grid: Grid, value: str, source: FairSource = FairSource.MANUAL) -> None:
    marks_set(grid.scene.quoter, [Mark(LINEAR, Decimal(value))], source)


# --- the last look of a rule that prices by a mark -------------------------------------------------------


@pytest.mark.parametrize("source", ["manual", "file"])
@pytest.mark.parametrize(
    ("moved_to", "state", "reason"),
    [
        ("0.42", ConfirmationState.CONFIRMED, "last_look"),
        ("0.40", ConfirmationState.CONFIRMED, "last_look"),  # 2 cents against us, 3 are allowed
        ("0.36", ConfirmationState.LAPSED, "move"),
        (None, ConfirmationState.OPEN, "price_age"),  # the mark was taken back: somebody may set another in time
    ],
)
def test_an_accept_is_judged_by_the_mark_that_the_rule_prices_by(
    grid: Grid, window: Window, source: str, moved_to: str | None, state: ConfirmationState, reason: str
) -> None:
    window.fair = None  # nobody quotes this market on both sides
    grid.touches[LINEAR] = Touch()
    marked(grid, "0.42", FairSource(source))
    grid.rule(over={"fair": source})
    grid.request()
    grid.decide()
    quote = Quote.objects.get()
    assert (quote.state, quote.yes_bid, quote.book_at_send["reference"]) == (
        *(QuoteState.OPEN, Decimal("0.40")),
        "0.4200",
    )
    if moved_to is None:
        mark_clear(grid.scene.quoter, LINEAR)
    else:
        marked(grid, moved_to, FairSource(source))

    window.accept(quote)
    grid.scene.hear()
    grid.scene.work()

    confirmation = Confirmation.objects.get()
    assert (state_of(confirmation), confirmation.reason) == (state, reason)


def test_a_mark_that_ended_is_no_price(grid: Grid, window: Window) -> None:
    marked(grid, "0.42")
    grid.rule(over={"fair": "manual"})
    grid.request()
    grid.decide()
    quote = Quote.objects.select_related("account", "incoming").get()
    assert last_look.prices_for(quote).fair_yes == Decimal("0.42")

    FairMark.objects.update(ends_at=utc_now())

    assert last_look.prices_for(quote, now=utc_now() + timedelta(seconds=1)).fair_yes is None


# --- rules of several accounts ---------------------------------------------------------------------------


def test_one_accounts_rules_are_ordered_among_themselves(grid: Grid) -> None:
    first, second = grid.rule("off", name="A"), grid.rule("off", name="B")
    other = ExchangeAccount.objects.create(desk=grid.scene.place.desk, name="Other", environment="paper")
    QuoteRule.objects.filter(pk=second.pk).update(account=other)
    third = grid.rule("off", name="C")

    ordered = rules.rule_order(grid.scene.quoter, [third.pk, first.pk])
    assert [rule.name for rule in ordered] == ["C", "B", "A"]

    ordered = rules.rule_order(grid.scene.quoter, [first.pk, second.pk, third.pk])
    assert [rule.name for rule in ordered] == ["A", "B", "C"]

    assert code(lambda: rules.rule_order(grid.scene.quoter, [third.pk])) == "order_changed"
    assert code(lambda: rules.rule_order(grid.scene.quoter, [third.pk, third.pk])) == "order_changed"


# --- two people ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contracts", "cost", "needs_two"),
    [(None, None, False), ("1000", "1000", False), ("999", None, True), (None, "999", True)],
)
def test_a_rule_above_the_desks_threshold_is_armed_by_another(
    grid: Grid, contracts: str | None, cost: str | None, needs_two: bool
) -> None:
    # A lead who quotes, too: else nobody could both write and arm.
    lead = replace(grid.scene.lead, roles=frozenset({"quoter", "lead"}))
    Membership.objects.filter(user_id=lead.user_id).update(roles=["quoter", "lead"])
    four_eyes.threshold_set(
        lead, contracts=Decimal(contracts) if contracts else None, cost=Decimal(cost) if cost else None
    )
    own = rules.rule_save(lead, terms=TERMS, why="because", name="Mine")
    theirs = grid.rule("off", name="Theirs")

    if needs_two:
        assert code(lambda: rules.rule_state(lead, own, QuoteRule.State.ARMED)) == "four_eyes"
    else:
        assert rules.rule_state(lead, own, QuoteRule.State.ARMED).state == "armed"
    assert rules.rule_state(lead, theirs, QuoteRule.State.ARMED).state == "armed"
    assert theirs.versions.get().approved_by_id == lead.user_id


# --- versions ---------------------------------------------------------------------------------------


def test_every_version_says_who_why_and_what(grid: Grid) -> None:
    rule = grid.rule("armed", name="R")
    rules.rule_save(grid.scene.quoter, terms=TERMS | {"edge_yes": "0.05"}, why="wider before the news", rule=rule)
    ask = ports.commands["rule.versions"].handler

    found = ask(grid.scene.place.viewer, {"rule": f"rule:{rule.pk}"})["versions"]

    assert [(row["number"], row["why"], row["terms"]["edge_yes"]) for row in found] == [
        (2, "wider before the news", "0.05"),
        (1, "because", "0.02"),
    ]
    assert [row["approved_by"] and row["approved_by"]["id"] for row in found] == [None, grid.scene.lead.user_id]
    assert {row["made_by"]["id"] for row in found} == {grid.scene.quoter.user_id}


def test_another_desks_rule_has_no_history_here(grid: Grid, window: Window) -> None:
    rule = grid.rule("off")
    with pytest.raises(NotFound):
        ports.commands["rule.versions"].handler(window.stranger(), {"rule": f"rule:{rule.pk}"})


# --- books -----------------------------------------------------------------------------------------------


def test_the_books_of_own_requests_and_quotes_are_asked_for_at_once(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, object]] = []

    class Redis:
        def pipeline(self, **_: object) -> "Redis":
            return self

        def __enter__(self) -> "Redis":
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def zadd(self, name: str, topics: dict[str, int]) -> None:
            asked.append((name, sorted(topics)))

        def publish(self, name: str, topic: str) -> None:
            asked.append((name, topic))

        def execute(self) -> None:
            return None

    monkeypatch.setattr(books_wanted, "live", SimpleNamespace(INTEREST=live.INTEREST, redis_client=Redis))
    topic = f"book:paper:{LINEAR}"

    rfq = window.scene.request()
    assert asked == [(live.INTEREST, [topic]), (live.INTEREST, topic)]
    assert requested_tickers("paper") == {LINEAR}
    window.scene.us.delete(f"/communications/rfqs/{rfq.rfq_id}")
    asked.clear()

    window.quote()
    assert asked == [(live.INTEREST, [topic]), (live.INTEREST, topic)]
